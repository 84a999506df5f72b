"""`./lab watch` on a terminal: a table of the cells, the running load, the best cell so far, and the time left."""

from collections import deque
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from swarmsweep.markdown import one_line
from swarmsweep.report.progress_file import CellProgress, RunProgress
from swarmsweep.report.watch_text import best_line, head, now_line
from swarmsweep.units import format_figure

# Lines besides the rows of the table: texts, the head of the table, and the prompt of the shell.
OTHER_LINES = 9
MIN_ROWS = 3
# Characters of the columns from status to SLO, with the spaces between columns. They are never cut in a terminal of
# 60 columns or more. What they leave is for the id, and then for the reason, which is often the longest text.
FIGURES_WIDTH = 46
MIN_ID_WIDTH = 12
# Rates that are drawn, one a second.
DRAWN = 60
_BARS = "▁▂▃▄▅▆▇█"
_STYLES = {"valid": "green", "invalid": "yellow", "failed": "magenta", "infeasible": "magenta"}
_VERDICTS = {True: "holds", False: "misses", None: "undecided"}


class Screen:
    """Draws the newest version in place, and leaves it on the terminal at the end."""

    def __init__(self, out: TextIO) -> None:
        self._console = Console(file=out, highlight=False)
        # Drawn when there is a new version. A thread that draws again would only use CPU of the machine.
        self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="crop")
        self._live.start()
        self._rates: deque[float] = deque(maxlen=DRAWN)
        self._cell: tuple[str, int, bool] | None = None

    def show(self, run: RunProgress, now: float) -> None:
        """Draw a version."""
        self._note_rate(run)
        lines = [
            Text(head(run, now), style="bold"),
            Text(now_line(run, now), style="cyan"),
            Text(sparkline(self._rates)),
        ]
        texts = [line for line in lines if line.plain]
        rows = max(MIN_ROWS, self._console.height - OTHER_LINES)
        last = [Text(run.last)] if run.last else []
        self._live.update(
            Group(*texts, Text(best_line(run), style="green"), table(run, rows, self._console.width), *last),
            refresh=True,
        )

    def close(self) -> None:
        """Leave the last version, and show the cursor again."""
        self._live.stop()

    def _note_rate(self, run: RunProgress) -> None:
        current = run.now
        key = (current.cell_id, current.attempt, current.is_retry) if current else None
        if key != self._cell:
            self._cell = key
            self._rates.clear()
        if current is not None and current.load is not None:
            self._rates.append(current.load.rps)


def sparkline(rates: Sequence[float]) -> str:
    """The requests/s of the last minute as bars; empty without any."""
    highest = max(rates, default=0.0)
    if not highest:
        return ""
    bars = "".join(_BARS[min(len(_BARS) - 1, int(rate / highest * len(_BARS)))] for rate in rates)
    return f"{bars} up to {highest:.0f} requests/s"


def table(run: RunProgress, rows: int, width: int) -> Table:
    """The cells, at most so many: those around the one that runs. ``width``: characters of the terminal."""
    columns = Table(box=None, pad_edge=False, expand=False)
    columns.add_column("cell", no_wrap=True, max_width=max(MIN_ID_WIDTH, width - FIGURES_WIDTH))
    for name in ("status", "requests/s", "p95 ms", "SLO"):
        columns.add_column(name, justify="right" if name in ("requests/s", "p95 ms") else "left", no_wrap=True)
    # rich shrinks columns that may wrap before all others. Its texts stay on one line.
    columns.add_column(Text("reason", no_wrap=True, overflow="crop"))
    first = _first_row(run, rows)
    for cell in run.cells[first : first + rows]:
        columns.add_row(*_row(cell, is_running=run.now is not None and run.now.cell_id == cell.id))
    hidden = len(run.cells) - len(columns.rows)
    if hidden:
        columns.caption = f"{hidden} more cells"
    return columns


def _first_row(run: RunProgress, rows: int) -> int:
    current = run.now.cell_id if run.now else None
    place = next((number for number, cell in enumerate(run.cells) if cell.id == current), 0)
    return max(0, min(place - rows // 2, len(run.cells) - rows))


def _row(cell: CellProgress, *, is_running: bool) -> tuple[Text, ...]:
    status = "running" if is_running else cell.status or "-"
    verdict = _VERDICTS[cell.meets_slo] if cell.status == "valid" else ""
    reason = one_line(cell.reason) if cell.reason and cell.status != "valid" else ""
    figures = ("-" if value is None else format_figure(value) for value in (cell.rps, cell.p95_ms))
    style = "cyan" if is_running else _STYLES.get(cell.status or "", "")
    return (
        Text(one_line(cell.id)),
        Text(status, style=style),
        *(Text(figure) for figure in figures),
        Text(verdict),
        Text(reason, no_wrap=True, overflow="ellipsis"),
    )
