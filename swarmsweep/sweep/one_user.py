"""The sweep of `./lab check`: the first cell of a sweep file, with one user and about ten requests."""

from dataclasses import replace

from swarmsweep.sweep.checked import Sweep
from swarmsweep.sweep.load import OPTIONAL, Load

# With one second between requests, these seconds are about ten requests. More would not show more of an API that works.
REQUEST_SECONDS = 10.0
THINK_SECONDS = 1.0


def one_user_on_first_cell(sweep: Sweep) -> Sweep:
    """The same sweep with its first cell alone, and a load that no API notices.

    A search becomes such a load too. The user of its scenario then sends one request after the other (see
    loadgen/open/one_by_one.py).
    """
    cell = sweep.cells[0]
    load = sweep.load_of(cell)
    single = Load(
        users=1,
        spawn_rate=1.0,
        warmup_seconds=0.0,
        measure_seconds=REQUEST_SECONDS,
        wait_seconds=(THINK_SECONDS, THINK_SECONDS),
        workers=1,
        locustfile=load.locustfile,
        **{key: value for key in OPTIONAL if (value := getattr(load, key, None)) is not None},
    )
    alone = replace(sweep, cases=(), cells=(cell,), repeat=1, takes_baseline=False)
    return replace(alone, name=f"check-{sweep.name}", load=single)
