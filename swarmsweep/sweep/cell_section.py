"""The sections of a sweep file that name its cells: matrix or cells, less exclude, plus include."""

import re
from typing import Any

from swarmsweep.sweep import matrix
from swarmsweep.sweep.fields import BOUNDS, Reader, is_plain_number, plain_kind
from swarmsweep.sweep.matrix import CORE_AXES, LOCUSTFILE_AXIS, AxisValue, Cell
from swarmsweep.sweep.yaml_tree import Mapping, Node, Scalar, Sequence

MAX_CELLS = 2000  # at 20 s each that is half a day; more is a slip of the keyboard
MAX_EXCLUDES = 200

# Values of extra axes reach a compose file and file names: nothing that a shell, YAML or Jinja could read as more.
_AXIS_TEXT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}", re.ASCII)
_ENVIRONMENT_AXIS = re.compile(r"[A-Z][A-Z0-9_]{1,39}", re.ASCII)
_ENVIRONMENT_AXIS_ALLOWED = "and environment variables of the API in capitals (A-Z, 0-9 and _, 2 to 40 characters)"
_AXIS_ALLOWED = "letters, digits and . _ : / @ - (up to 128, the first a letter or digit)"


def environment_axes(root: Mapping) -> set[str]:
    """Axes written in capitals: environment variables of the API, whatever its image understands."""
    found: set[str] = set()
    for section in ("matrix", "cells", "include"):
        node = root.entries.get(section)
        for item in node.items if isinstance(node, Sequence) else [node]:
            if isinstance(item, Mapping):
                found.update(key for key in item.entries if _ENVIRONMENT_AXIS.fullmatch(key))
    return found


class CellReader:
    """Reads cells; ``axes`` are those that the file may name."""

    def __init__(self, reader: Reader, extra_axes: tuple[str, ...]):
        self.reader = reader
        self.axes = CORE_AXES + extra_axes

    def read(self, root: Mapping) -> list[Cell]:
        """All cells in order; an incomplete list when something was refused."""
        sections = root.entries
        if "matrix" in sections and "cells" in sections:
            line = max(root.key_lines["matrix"], root.key_lines["cells"])
            self.reader.refuse(line, "cells", "stands beside matrix; keep one: matrix is a product, cells a plain list")
            return []
        if "cells" in sections:
            found = self._listed(sections["cells"], "cells")
        elif "matrix" in sections:
            found = self._product(sections["matrix"])
        else:
            self.reader.refuse(root.line, "matrix", "is missing; write matrix (a product of axes) or cells (a list)")
            return []
        if found is None:
            found = []
        elif "exclude" in sections:
            found = self._without(found, sections["exclude"])
        if "include" in sections and not _is_empty_list(sections["include"]):
            found += self._listed(sections["include"], "include") or []
        self._check_total(root, found)
        return [cell for cell, _ in found]

    def _product(self, node: Node) -> list[tuple[Cell, int]] | None:
        section = self.reader.mapping(node, "matrix", self.axes, required=CORE_AXES, also=_ENVIRONMENT_AXIS_ALLOWED)
        if section is None or any(axis not in section.entries for axis in CORE_AXES):
            return None
        nodes = {axis: section.entries[axis] for axis in section.entries if axis in self.axes}
        items = {axis: self.reader.items(value, f"matrix.{axis}", "[1, 2]") for axis, value in nodes.items()}
        axes = {axis: values for axis, values in items.items() if values is not None}
        size = matrix.product_size(axes)
        if size > MAX_CELLS:
            self.reader.refuse(section.line, "matrix", f"has {size} cells; allowed: up to {MAX_CELLS}")
            return None
        if any(values is None for values in items.values()):
            return None
        values = {axis: self._axis(axis, nodes, f"matrix.{axis}") for axis, nodes in axes.items()}
        if any(value is None for axis in values.values() for value in axis):
            return None
        return [(cell, section.line) for cell in matrix.product(values)]

    def _axis(self, axis: str, nodes: list[Node], key: str) -> list[Any]:
        values = [self.value(axis, node, f"{key}[{i}]") for i, node in enumerate(nodes)]
        for i, value in enumerate(values):
            if value is not None and value in values[:i]:
                first = values.index(value)
                self.reader.refuse(nodes[i].line, f"{key}[{i}]", f"is the same value as {key}[{first}]; keep one")
        return values

    def _listed(self, node: Node, key: str) -> list[tuple[Cell, int]] | None:
        items = self.reader.items(node, key, "[{replicas: 1, cpus: 1, memory: 1G, workers: 2}]")
        if items is None:
            return None
        if len(items) > MAX_CELLS:
            self.reader.refuse(node.line, key, f"has {len(items)} cells; allowed: up to {MAX_CELLS}")
            return None
        found = []
        for i, item in enumerate(items):
            values = self._axes_of_item(item, f"{key}[{i}]", required=CORE_AXES)
            if values is not None:
                found.append((matrix.cell_from_axes(values), item.line))
        return found

    def _without(self, found: list[tuple[Cell, int]], node: Node) -> list[tuple[Cell, int]]:
        if _is_empty_list(node):
            return found
        items = self.reader.items(node, "exclude", "[{replicas: 4, memory: 2G}]")
        if items is None:
            return found
        if len(items) > MAX_EXCLUDES:
            self.reader.refuse(node.line, "exclude", f"has {len(items)} entries; allowed: up to {MAX_EXCLUDES}")
            return found
        values = [matrix.axes_of(cell) for cell, _ in found]
        dropped: set[int] = set()
        for i, item in enumerate(items):
            pattern = self._axes_of_item(item, f"exclude[{i}]")
            if pattern is None:
                continue
            hit = {position for position, axes in enumerate(values) if matrix.matches(axes, pattern)}
            if not hit:
                text = "matches no cell; each value must be one of the matrix (a typing slip?)"
                self.reader.refuse(item.line, f"exclude[{i}]", text)
            dropped |= hit
        return [entry for position, entry in enumerate(found) if position not in dropped]

    def _axes_of_item(self, node: Node, key: str, required: tuple[str, ...] = ()) -> dict[str, Any] | None:
        section = self.reader.mapping(node, key, self.axes, required, also=_ENVIRONMENT_AXIS_ALLOWED)
        if section is None:
            return None
        if not section.entries:
            self.reader.refuse(node.line, key, f"is empty; name at least one of {', '.join(self.axes)}")
            return None
        nodes = {axis: value for axis, value in section.entries.items() if axis in self.axes}
        values = {axis: self.value(axis, value, f"{key}.{axis}") for axis, value in nodes.items()}
        complete = len(nodes) == len(section.entries) and not section.repeated
        complete = complete and all(axis in values for axis in required)
        return values if complete and None not in values.values() else None

    def value(self, axis: str, node: Node, key: str) -> AxisValue | None:
        """The value of an axis as a cell holds it (memory in bytes); None when it was refused."""
        if axis == "memory":
            return self.reader.memory(node, key)
        if axis in BOUNDS:
            return self.reader.number(node, key, BOUNDS[axis])
        if axis == LOCUSTFILE_AXIS:
            return self.reader.scenario(node, key)
        if isinstance(node, Scalar) and not node.quoted and is_plain_number(node.text) and node.text[0] != "-":
            value = float(node.text)
            return int(value) if value.is_integer() and plain_kind(node.text) == "number" else value
        return self.reader.text(node, key, _AXIS_TEXT, _AXIS_ALLOWED)

    def _check_total(self, root: Mapping, found: list[tuple[Cell, int]]) -> None:
        if len(found) > MAX_CELLS:
            self.reader.refuse(root.line, "include", f"makes {len(found)} cells in all; allowed: up to {MAX_CELLS}")
        elif not found and not self.reader.problems:
            self.reader.refuse(root.line, "exclude", "leaves no cell; exclude less")
        repeated = matrix.first_repeated(cell for cell, _ in found)
        if repeated is not None:
            first, second = repeated
            cell, line = found[second]
            self.reader.refuse(line, cell.id, f"is given twice (first on line {found[first][1]}); keep one")


def _is_empty_list(node: Node) -> bool:
    return getattr(node, "items", None) == []
