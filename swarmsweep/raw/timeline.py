"""timeline.json: when a load was made, by which workers, and the number of recovery probes of Locust's master."""

from msgspec import Struct

from swarmsweep.errors import LabError
from swarmsweep.record_file import Real, Whole

MAX_WINDOW_SECONDS = 86_400  # beyond any load; it bounds the memory for a damaged file


class Timeline(Struct, frozen=True):
    """``window_start`` and ``window_end``: epoch seconds. ``questions``: recovery probes between the probes of a
    search.
    """

    users: Whole | None = None
    workers_connected: Whole | None = None
    workers_lost: Whole | None = None
    window_start: Real | None = None
    window_end: Real | None = None
    questions: Whole = 0

    def window(self) -> tuple[float, float]:
        """The measured window of users. Raises `LabError` when there is none."""
        start, end = self.window_start, self.window_end
        if start is None or end is None:
            raise LabError("locust/timeline.json: has no measured window, because the load ended during the warm-up")
        if end <= start:
            raise LabError(f"locust/timeline.json: the window ends at {end}, before its start at {start}")
        if end - start > MAX_WINDOW_SECONDS:
            raise LabError(f"locust/timeline.json: the window of {end - start:g} seconds is longer than any load")
        return start, end
