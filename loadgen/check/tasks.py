"""Which user classes and task sets of a scenario that was loaded have no task."""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path


def line_of(thing: type) -> int | None:
    """The line where a class is defined."""
    try:
        return inspect.getsourcelines(thing)[1]
    except (OSError, TypeError):
        return None


def gives_tasks_later() -> bool:
    """Whether the scenario has a listener that Locust calls before users start, and that may give them their tasks."""
    from locust import events

    locust, loadgen = Path(sys.modules["locust"].__file__).parent, Path(__file__).parents[1]
    for hook in (events.init_command_line_parser, events.init, events.test_start):
        for listener in hook._handlers:
            module = sys.modules.get(getattr(listener, "__module__", ""))
            file = getattr(module, "__file__", None)
            # One of unknown origin may be the scenario's, which lies in a folder beside this package.
            if file is None or not (Path(file).is_relative_to(locust) or Path(file).is_relative_to(loadgen)):
                return True
    return False


def without_tasks(classes: list[type]) -> Iterator[type]:
    """User classes and TaskSets that have no task, and do not seem to get one when they start."""
    from locust import SequentialTaskSet, TaskSet, User

    ways = (TaskSet.get_next_task, SequentialTaskSet.get_next_task)
    # Task sets may lead to one another.
    waiting, seen = list(classes), set(classes)
    while waiting:
        thing = waiting.pop(0)
        # Any other class is called with the user, as a function is.
        base = next((base for base in (User, TaskSet) if issubclass(thing, base)), None)
        # A MarkovTaskSet has its tasks elsewhere, and refuses itself when it has none.
        if base is None or (base is TaskSet and thing.get_next_task not in ways):
            continue
        # Locust leaves such a class out.
        if base is User and thing.weight <= 0 and thing.fixed_count <= 0:
            continue
        # One that runs by itself, or that is prepared for each user, may need none here.
        names = ("run", "start", "__init__", "on_start", "execute_next_task")
        is_own = any(
            name in vars(parent) and parent.__module__.partition(".")[0] != "locust"
            for parent in thing.__mro__[:-1]
            for name in names
        )
        if is_own or thing.run is not base.run:
            continue
        if not thing.tasks:
            yield thing
        elif isinstance(thing.tasks, list):
            inner = [one for one in dict.fromkeys(thing.tasks) if isinstance(one, type) and one not in seen]
            waiting += inner
            seen.update(inner)
