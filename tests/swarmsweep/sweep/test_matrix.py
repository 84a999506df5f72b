"""Cells and their ids."""

import re

import pytest

from swarmsweep.sweep.matrix import Cell, axes_of, cell_from_axes, first_repeated, matches, product, product_size

MIB = 1024**2


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        (Cell(2, 0.5, 600 * MIB, 2), "r2-c0.5-m600M-w2"),
        (Cell(1, 1.0, 1024 * MIB, 4), "r1-c1-m1G-w4"),
        (Cell(1, 1, 1536 * MIB, 1, (("variant", "onnx"),)), "r1-c1-m1.5G-w1-variantonnx"),
        (Cell(1, 1, 7 * MIB, 1, (("locustfile", "empty.py"),)), "r1-c1-m7M-w1-locustfileempty"),
        (
            Cell(1, 1, 7 * MIB, 1, (("locustfile", "a.b.py"), ("variant", "x.py"))),
            "r1-c1-m7M-w1-locustfilea.b-variantx.py",
        ),
        (Cell(1, 1, 7 * MIB, 1, (("balance", "rr"), ("variant", 3))), "r1-c1-m7M-w1-balancerr-variant3"),
    ],
)
def test_ids_are_readable(cell, name):
    assert cell.id == name


def test_ids_are_file_names_and_keep_values_apart():
    values = ["a/b", "a:b", "a@b", "x" * 128, "x" * 127 + "y", "..", "registry.lan:5000/api@sha256:" + "0" * 64]
    extras = [(("image", value), ("variant", "v" * 100)) for value in values]
    names = [Cell(100, 0.125, 16384 * 1024 * MIB, 128, extra).id for extra in extras]
    assert len(set(names)) == len(values)
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,120}", name)


def test_product_has_the_order_of_the_file_and_the_counted_size():
    axes = {"replicas": [1, 2], "cpus": [0.5, 1], "memory": [MIB], "workers": [1], "variant": ["b", "a"]}
    cells = product(axes)
    assert len(cells) == product_size(axes) == 8
    assert [cell.id for cell in cells[:3]] == [
        "r1-c0.5-m1M-w1-variantb",
        "r1-c0.5-m1M-w1-varianta",
        "r1-c1-m1M-w1-variantb",
    ]
    assert [cell_from_axes(axes_of(cell)) for cell in cells] == cells


def test_a_pattern_matches_by_subset():
    cell = axes_of(Cell(2, 1, MIB, 4, (("variant", "onnx"),)))
    assert matches(cell, {"replicas": 2, "variant": "onnx"})
    assert not matches(cell, {"replicas": 2, "variant": "sklearn"})
    assert not matches(cell, {"balance": "rr"})


def test_the_first_repeated_cell_is_found():
    one, two = Cell(1, 1, MIB, 1), Cell(2, 1, MIB, 1)
    assert first_repeated([one, two, one, two]) == (0, 2)
    assert first_repeated([one, two]) is None
