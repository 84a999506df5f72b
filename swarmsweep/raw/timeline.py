"""timeline.json: when a load was made, by which workers, and what Locust's master sent and timed itself."""

from msgspec import Struct

from swarmsweep.errors import LabError
from swarmsweep.record_file import Count, Real, Whole

MAX_WINDOW_SECONDS = 86_400  # beyond any load; it bounds the memory for a damaged file


class Timeline(Struct, frozen=True):
    """``window_start`` and ``window_end``: epoch seconds. ``questions``: recovery probes between the probes of a
    search.

    The last four are of a scenario's listeners in the master: timings that they fired, requests that they sent,
    requests for addresses outside the lab, which were not sent, by address, and exceptions by their text.
    """

    users: Whole | None = None
    workers_connected: Whole | None = None
    workers_lost: Whole | None = None
    window_start: Real | None = None
    window_end: Real | None = None
    questions: Whole = 0
    own_timings: Count = 0
    other_sends: Count = 0
    left_lab: dict[str, Count] | None = None
    listener_errors: dict[str, Count] | None = None

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
