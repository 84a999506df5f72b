"""The sweep of `./lab check`: the first cell of a sweep file, with one user and about ten requests."""

from dataclasses import replace

from swarmsweep.errors import InputError
from swarmsweep.sweep.checked import Sweep
from swarmsweep.sweep.load import Load

# With one second between requests, these seconds are about ten requests. More would not show more of an API that works.
REQUEST_SECONDS = 10.0
THINK_SECONDS = 1.0


def one_user_on_first_cell(sweep: Sweep) -> Sweep:
    """The same sweep with its first cell alone, and a load that no API notices.

    Raises:
        InputError: the first cell has a search for the capacity, whose scenario is not for one user.
    """
    cell = sweep.cells[0]
    load = sweep.load_of(cell)
    if not isinstance(load, Load):
        raise InputError(
            f"{sweep.file}: the first cell has load.mode {load.mode}, and its scenario {load.locustfile} sends many "
            "requests at once; allowed: a sweep file with load.mode fixed. Run: ./lab check sweeps/quick.yml"
        )
    wait = (THINK_SECONDS, THINK_SECONDS)
    single = replace(
        load, users=1, spawn_rate=1.0, warmup_seconds=0.0, measure_seconds=REQUEST_SECONDS, wait_seconds=wait, workers=1
    )
    return replace(sweep, name=f"check-{sweep.name}", load=single, cases=(), cells=(cell,), repeat=1)
