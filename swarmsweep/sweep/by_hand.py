"""A load that a person makes in Locust's page: what a sweep file or a locustfile gives it, and when workers join it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from swarmsweep.errors import InputError, LabError
from swarmsweep.sweep.load import FIXED, AnyLoad, Load, has_users
from swarmsweep.sweep.modes import MODES
from swarmsweep.sweep.scenario_env import sweep_env
from swarmsweep.sweep.scenarios import Scenario
from swarmsweep.units import quoted

# As `load.workers` of a sweep file.
MAX_WORKERS = 128
# Time limit of a page. Two hours are a session of a workshop, and a load that was forgotten ends on the same day.
DEFAULT_MINUTES = 120
MAX_MINUTES = 1440
STOP = "./lab stop"


class LoadByHand(Struct, frozen=True, kw_only=True):
    """The load of the page. ``users`` and ``spawn_rate`` are what its form proposes.

    ``has_picker``: the person may choose classes of users, because the sweep file does not.
    """

    locustfile: str
    workers: int
    users: int
    spawn_rate: float
    env: dict[str, str]
    has_picker: bool

    def scenario(self) -> Scenario:
        """The scenario, to be loaded once before Locust starts."""
        return Scenario(locustfile=self.locustfile, mode=FIXED, env=self.env)


class Order(Struct, frozen=True, kw_only=True):
    """What the load hosts do: ``begins`` is false where workers join a page. ``workers`` are those of all hosts."""

    begins: bool
    workers: int
    seconds: int


def load_of_locustfile(source: str, folder: Path | str) -> Load:
    """The load of one user of a file of locustfiles/, named with or without this folder.

    Raises:
        InputError: there is no such file, or its users are not Locust's.
    """
    from swarmsweep.sweep.values import Scenarios

    path, folder = Path(source), Path(folder)
    if path.parent not in (Path(), Path("locustfiles")) and path.parent.resolve() != folder.resolve():
        raise InputError(f"{quoted(source)} is not in locustfiles/. Copy it there, and name the copy")
    present = sorted(entry.name for entry in folder.glob("*.py"))
    if fault := Scenarios(present, FIXED).fault(path.name):
        raise InputError(fault)
    return Load(users=1, spawn_rate=1.0, locustfile=path.name)


def by_hand(load: AnyLoad, source: str) -> LoadByHand:
    """The load of the page for the load of a sweep file.

    Raises:
        InputError: its scenario has no users that a page could start.
    """
    stored = load.as_json()
    if not has_users(stored):
        raise InputError(
            f"{source}: {load.locustfile} is an open loop, and Locust's page starts users; "
            "allowed: a file with users, for example ./lab ui predict.py"
        )
    env = MODES[str(stored["mode"])].scenario_env(stored) | sweep_env(stored)
    users, spawn_rate = (load.users, load.spawn_rate) if isinstance(load, Load) else (1, 1.0)
    return LoadByHand(
        locustfile=load.locustfile,
        workers=load.workers,
        users=users,
        spawn_rate=spawn_rate,
        # The others are for the recorder, which a load by hand does not have.
        env={name: value for name, value in env.items() if not name.startswith("SWEEP_")},
        has_picker=load.user_classes is None,
    )


def running_page(pages: Mapping[str, Mapping[str, Any] | None]) -> Mapping[str, Any] | None:
    """The page that workers may join. ``pages`` is what runs on each load host; the first host has the master."""
    page = next(iter(pages.values()))
    return page if page is not None and page["has_master"] else None


def load_of_page(page: Mapping[str, Any]) -> LoadByHand:
    """The load of a page that runs. Workers that join are started as the others were, and propose no users."""
    return LoadByHand(
        locustfile=page["locustfile"], workers=1, users=1, spawn_rate=1.0, env=dict(page["env"]), has_picker=True
    )


def check_number(value: Any, name: str, most: int) -> int | None:
    """A number of the command line, None if it was not given.

    Raises:
        InputError: it is not a whole number from 1 to ``most``.
    """
    if value is None:
        return None
    text = str(value).strip()
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= most:
        raise InputError(f"{name} is {quoted(text)}; allowed: a whole number from 1 to {most}")
    return int(text)


def decide(
    load: LoadByHand,
    pages: Mapping[str, Mapping[str, Any] | None],
    *,
    is_named: bool,
    workers: int | None,
    minutes: int | None,
) -> Order:
    """Whether a page begins, or workers join the one that runs.

    Args:
        load: what the command names, or the default.
        pages: what runs on each load host, by its name; the first host has the master (see the module locust_page).
        is_named: whether the command names a file.
        workers: the number that the command wants, over all hosts.
        minutes: the time limit that the command wants.

    Raises:
        LabError: the page that runs is another one, or the command would change what cannot be changed.
    """
    host, page = next(iter(pages)), running_page(pages)
    if page is None:
        return Order(begins=True, workers=workers or load.workers, seconds=60 * (minutes or DEFAULT_MINUTES))
    running = sum(len(found["workers"]) for found in pages.values() if found is not None)
    place = f"Locust's page runs on {host} with {page['locustfile']}"
    if is_named and (page["locustfile"], dict(page["env"])) != (load.locustfile, load.env):
        raise LabError(
            f"{place}, but the command names another load; allowed: ./lab ui --workers N, without a file. "
            f"To load something else, first end the page with: {STOP}",
            next_command=STOP,
        )
    if minutes is not None:
        raise LabError(
            f"{place}, and its time limit cannot be changed; allowed: ./lab ui without --minutes. "
            f"To begin again, first end the page with: {STOP}",
            next_command=STOP,
        )
    if workers is not None and workers < running:
        raise LabError(
            f"{place} and {running} workers, and workers can only be added; allowed: --workers {running} or more. "
            f"To begin again with {workers}, first end the page with: {STOP}",
            next_command=STOP,
        )
    return Order(begins=False, workers=workers or running, seconds=0)
