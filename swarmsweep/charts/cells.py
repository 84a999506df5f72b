"""The figures of one cell that charts show."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ChartCell:
    """A cell. Figures that were not measured are None.

    ``rps`` is the verified rate of a search, else the successful requests per second. ``note`` is the outcome of the
    cell in words. ``estimate_rps`` and ``interval_rps`` are those of a search. ``likes`` has the text of the other axes
    by the axis that is varied, for example {"replicas": "0.5 CPU, 256M, 1 worker"}.
    """

    id: str
    verdict: str
    cost: float
    replicas: int
    workers: int
    note: str
    rps: float | None = None
    p95_ms: float | None = None
    estimate_rps: float | None = None
    interval_rps: tuple[float, float] | None = None
    is_chosen: bool = False
    likes: dict[str, str]

    @property
    def rate_rps(self) -> float | None:
        """The estimated capacity of a search where there is one, as the scaling law has it, else ``rps``."""
        return self.rps if self.estimate_rps is None else self.estimate_rps
