"""The cells of a sweep file: matrix or cells, without exclude, with include."""

from typing import Any

from swarmsweep.sweep import matrix
from swarmsweep.sweep.matrix import Cell
from swarmsweep.sweep.models import MAX_CELLS, AxesPattern, CellAxes, Matrix, Sections
from swarmsweep.sweep.problems import Problems
from swarmsweep.sweep.values import INVENTORY, NO_BASELINE
from swarmsweep.sweep.yaml_tree import Entries, Items

Placed = list[tuple[Cell, int]]  # each cell with its line


def read_cells(sections: Sections, tree: Entries, problems: Problems) -> list[Cell]:
    """All cells in order; the list is incomplete when an entry was refused. ``tree`` is the whole file as written."""
    if "matrix" in tree.key_lines and "cells" in tree.key_lines:
        line = max(tree.key_lines["matrix"], tree.key_lines["cells"])
        problems.add(
            line,
            "cells",
            "cannot be combined with matrix; keep one: matrix is a product of axes, cells is a plain list",
        )
        return []
    if "matrix" not in tree.key_lines and "cells" not in tree.key_lines:
        problems.add(tree.line, "matrix", "is missing; write matrix (a product of axes) or cells (a list)")
        return []
    cells: Placed = []
    if sections.cells:
        cells = [_placed(section) for section in sections.cells]
    elif sections.matrix:
        cells = _product(sections.matrix, problems)
    if cells:
        cells = _without(cells, sections.exclude, problems)
    cells += [_placed(section) for section in sections.include]
    _check_total(cells, tree.line, problems)
    return [cell for cell, _ in cells]


def _placed(section: CellAxes) -> tuple[Cell, int]:
    return matrix.cell_from_axes(section.given()), section.written.line


def _product(section: Matrix, problems: Problems) -> Placed:
    axes = section.axes()
    size = matrix.product_size(axes)
    if size > MAX_CELLS:
        problems.add(section.written.line, "matrix", f"has {size} cells; allowed: up to {MAX_CELLS}")
        return []
    for axis, values in axes.items():
        if len(values) > 1:
            _refuse_repeated(values, section.written[axis], problems)
    return [(cell, section.written.line) for cell in matrix.product(axes)]


def _refuse_repeated(values: list[Any], written: Any, problems: Problems) -> None:
    assert isinstance(written, Items)
    for node, (position, value) in zip(written, enumerate(values), strict=True):
        first = values.index(value)
        if first < position:
            problems.add(node.line, node.key, f"is the same value as {written[first].key}; keep one")


def _without(cells: Placed, excluded: list[AxesPattern], problems: Problems) -> Placed:
    axes_of_cells = [matrix.axes_of(cell) for cell, _ in cells]
    dropped: set[int] = set()
    for section in excluded:
        pattern = section.given()
        matching = {position for position, axes in enumerate(axes_of_cells) if matrix.matches(axes, pattern)}
        if not matching:
            text = "matches no cell; allowed: values that the matrix has"
            problems.add(section.written.line, section.written.key, text)
        dropped |= matching
    return [entry for position, entry in enumerate(cells) if position not in dropped]


def _check_total(cells: Placed, line: int, problems: Problems) -> None:
    if len(cells) > MAX_CELLS:
        problems.add(line, "include", f"makes {len(cells)} cells in all; allowed: up to {MAX_CELLS}")
    elif not cells and not problems:
        problems.add(line, "exclude", "leaves no cell; exclude less")
    repeated = matrix.first_repeated(cell for cell, _ in cells)
    if repeated is not None:
        first, second = repeated
        cell, second_line = cells[second]
        problems.add(second_line, cell.id, f"is given twice (first on line {cells[first][1]}); keep one")


def takes_baseline(sections: Sections, tree: Entries, cells: list[Cell], problems: Problems) -> bool:
    """Whether the configuration of the inventory is measured too: with a matrix whose axes are those of every cell.

    With another axis, the inventory does not say which value the baseline would have. A list of cells names all that is
    to be measured.
    """
    has_axes = "matrix" in tree.key_lines and all(not cell.extra for cell in cells)
    if sections.baseline == INVENTORY and not has_axes:
        axes = f"{', '.join(matrix.CORE_AXES[:-1])} and {matrix.CORE_AXES[-1]}"
        text = f"needs a matrix with the axes {axes} alone; allowed without one: 'none', which is also the default"
        problems.add(tree.key_lines["baseline"], "baseline", text)
    return has_axes and sections.baseline != NO_BASELINE
