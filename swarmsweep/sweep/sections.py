"""The sections of a sweep file: tree -> models. Every mistake is noted, and the other sections can still be judged."""

from typing import Any

from pydantic import ValidationError

from swarmsweep.sweep.messages import Place, add_errors
from swarmsweep.sweep.models import Sections, SweepFile
from swarmsweep.sweep.problems import Problems
from swarmsweep.sweep.values import Scenarios
from swarmsweep.sweep.yaml_tree import Entries


def read_sections(tree: Entries, scenarios: Scenarios, problems: Problems) -> Sections:
    """The sections of a file without mistakes. If a case of the load has a mistake, only that case is left out.

    Sections and cases with a mistake are also removed from the tree.
    """
    try:
        return SweepFile.model_validate(tree, context=scenarios)
    except ValidationError as error:
        _take_out(tree, add_errors(error, tree, problems))
    return Sections.model_validate(tree, context=scenarios)


def _take_out(tree: Entries, places: set[Place]) -> None:
    unsound = {place[:3] if place[:2] == ("load", "cases") else place[:1] for place in places}
    # Cases from the last one on, so that the positions of the others stay valid; and before the load, which contains
    # them.
    for *parents, last in sorted(unsound, key=lambda place: (len(place), place[-1] if len(place) == 3 else 0))[::-1]:
        parent: Any = tree
        for part in parents:
            parent = parent[part]
        if last in parent if isinstance(parent, Entries) else True:
            del parent[last]
    load: Any = tree.get("load")
    if load and load.get("cases") == []:
        del load["cases"]
