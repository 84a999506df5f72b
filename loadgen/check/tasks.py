"""Find the user classes and task sets of a loaded scenario that have no task."""

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
    """Whether the scenario has a listener that Locust calls before users start, and that may set their tasks."""
    from locust import events

    locust, loadgen = Path(sys.modules["locust"].__file__).parent, Path(__file__).parents[1]
    for hook in (events.init_command_line_parser, events.init, events.test_start):
        for listener in hook._handlers:
            module = sys.modules.get(getattr(listener, "__module__", ""))
            file = getattr(module, "__file__", None)
            # A listener of unknown origin may be the scenario's, which is in a folder beside this package.
            if file is None or not (Path(file).is_relative_to(locust) or Path(file).is_relative_to(loadgen)):
                return True
    return False


def tags_of(classes: list[type]) -> set[str]:
    """The tags of all tasks of these classes, also of tasks in task sets."""
    found: set[str] = set()
    # Task sets may refer to each other.
    waiting, seen = list(classes), set(classes)
    while waiting:
        for task in getattr(waiting.pop(), "tasks", []):
            found |= getattr(task, "locust_tag_set", set())
            if isinstance(task, type) and task not in seen:
                seen.add(task)
                waiting.append(task)
    return found


def without_tasks(classes: list[type]) -> Iterator[type]:
    """User classes and TaskSets that have no task, and that probably do not get one when they start."""
    from locust import SequentialTaskSet, TaskSet, User

    ways = (TaskSet.get_next_task, SequentialTaskSet.get_next_task)
    # Task sets may refer to each other.
    waiting, seen = list(classes), set(classes)
    while waiting:
        thing = waiting.pop(0)
        # Any other class is called with the user, like a function.
        base = next((base for base in (User, TaskSet) if issubclass(thing, base)), None)
        # A MarkovTaskSet stores its tasks elsewhere, and raises an error itself when it has none.
        if base is None or (base is TaskSet and thing.get_next_task not in ways):
            continue
        # Locust ignores such a class.
        if base is User and thing.weight <= 0 and thing.fixed_count <= 0:
            continue
        # A class with its own run method, or that is prepared for each user, may need no tasks here.
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
