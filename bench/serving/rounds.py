"""One load of one server: its figures, and whether they are valid."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.lib import cores
from bench.lib.processes import Tree
from bench.lib.ratios import spread
from bench.lib.result import Row, number
from bench.lib.wrk import Load
from bench.serving.servers import Target
from swarmsweep.errors import LabError

# Shares of a core. A client near its limit measures itself.
MAX_CLIENT_SHARE = 0.9
# CPU use of other processes on the server's core; above it, a row gets a warning.
MAX_OTHERS_SHARE = 0.05
# If a server leaves more of its core idle, something else limited it.
MIN_BUSY_SHARE = 0.85
# (max - min) / median over rounds.
MAX_SPREAD = 0.15


@dataclass(frozen=True)
class Round:
    """A load of a target. Shares are of one core, for as long as the load lasted."""

    target: Target
    number: int
    load: Load
    server_cpu_seconds: float
    others_share: float
    stolen_share: float

    @property
    def value(self) -> float:
        """Requests/s, or rows/s of batches."""
        return self.load.rps * self.target.rows

    @property
    def server_share(self) -> float:
        return self.server_cpu_seconds / self.load.seconds

    @property
    def client_share(self) -> float:
        return self.load.client_cpu_seconds / self.load.seconds


def measure(target: Target, number: int, tree: Tree, core: int, load: Callable[[], Load]) -> Round:
    """Run a load, and separate the server's CPU time from that of others on its core.

    Raises:
        LabError: the load generator had no core for itself, or was too slow for this server.
    """
    server_before, (busy_before, stolen_before) = tree.cpu_seconds(), cores.read_busy_seconds(core)
    done = load()
    server_after, (busy_after, stolen_after) = tree.cpu_seconds(), cores.read_busy_seconds(core)
    used = server_after - server_before
    others = max(0.0, busy_after - busy_before - used)
    measured = Round(
        target, number, done, used, others / done.seconds, max(0.0, stolen_after - stolen_before) / done.seconds
    )
    if measured.client_share > MAX_CLIENT_SHARE:
        raise LabError(
            f"{target.name}: wrk used {measured.client_share:.0%} of its core, so wrk was the limit, and not the "
            "server; give wrk a faster core"
        )
    return measured


def rates(rounds: Sequence[Round]) -> dict[str, list[float]]:
    """Values by target, in the order of rounds."""
    values: dict[str, list[float]] = {}
    for done in sorted(rounds, key=lambda one: one.number):
        values.setdefault(done.target.name, []).append(done.value)
    return values


def summarize(target: Target, rounds: Sequence[Round]) -> Row:
    """The row of a target: medians over its rounds."""
    own = [done for done in rounds if done.target.name == target.name]
    value = spread([done.value for done in own])
    more = {
        "min": round(value.least, 2),
        "max": round(value.greatest, 2),
        "p50_ms": round(median(done.load.p50_ms for done in own), 3),
        "p99_ms": round(median(done.load.p99_ms for done in own), 3),
        # Unlike the rate, this is not disturbed by other processes on the core.
        "cpu_us_per_request": round(median(done.server_cpu_seconds / done.load.requests for done in own) * 1e6, 1),
        "others_share": round(median(done.others_share for done in own), 3),
        "stolen_share": round(median(done.stolen_share for done in own), 3),
        "client_share": round(median(done.client_share for done in own), 3),
        "requests": sum(done.load.requests for done in own),
    }
    return Row(target.name, round(value.median, 2), target.unit, more=more)


def warnings_about(rounds: Sequence[Round]) -> list[str]:
    """Sentences on possible problems of a measurement: observation, likely cause, remedy."""
    sentences = []
    for name in dict.fromkeys(done.target.name for done in rounds):
        own = [done for done in rounds if done.target.name == name]
        foreign = max(done.others_share + done.stolen_share for done in own)
        value = spread([done.value for done in own])
        width = (value.greatest - value.least) / value.median
        if foreign > MAX_OTHERS_SHARE:
            sentences.append(
                f"{name}: other processes or machines used up to {foreign:.0%} of the server's core; "
                "stop them, then measure again"
            )
        elif min(done.server_share for done in own) < MIN_BUSY_SHARE:
            least = min(done.server_share for done in own)
            sentences.append(
                f"{name}: the server used only {least:.0%} of its core; the client or a CPU quota held it back"
            )
        if width > MAX_SPREAD:
            sentences.append(f"{name}: rounds differ by {width:.0%} around {number(value.median)}; use more rounds")
    return sentences
