"""A checked sweep as the text of a sweep file: read again, it is the same sweep."""

from dataclasses import replace
from pathlib import Path

import pytest

from swarmsweep.sweep.sweep_file import load_sweep, parse_sweep
from swarmsweep.sweep.sweep_text import sweep_text

SWEEPS = Path(__file__).parents[3] / "sweeps"
HEAD = "name: odd\nslo: {p95_ms: 100}\n"
CELL = "{replicas: 1, cpus: 0.5, memory: 256M, workers: 1"
# Parts of a file whose values a writer may damage.
ODD = {
    "words that are no booleans": HEAD + 'load: {users: 1}\ncells: [' + CELL + ', A1: "yes", B1: "1.10", C1: ""}]\n',
    "signs of YAML": HEAD + "load: {users: 1}\ncells: [" + CELL + ", A1: \"a: b # {c}\", B1: '- x', C1: \"'\\\"\"}]\n",
    "an exponent as text": HEAD + 'load: {users: 1}\ncells: [' + CELL + ', A1: "1e3", variant: e3, image: "a/b:1"}]\n',
    "settings of the scenario": HEAD + (
        "load: {users: 9, wait_seconds: [0, 0.25], env: {LANGUAGE: 'no'}, secrets: {TOKEN: ../t}, tags: [a, 'off'],"
        " exclude_tags: ['1'], user_classes: [Reader]}\ncells: [" + CELL + "}]\n"
    ),
    "cases": HEAD + (
        "load: {users: 9, cases: [{when: {cpus: 0.5}, users: 3, measure_seconds: 5}]}\n"
        "matrix: {replicas: 1, cpus: [0.5, 1.25], memory: [1.5G, 300M], workers: 1, variant: [1, onnx]}\nrepeat: 3\n"
    ),
    "a case of a search": HEAD + (
        "load: {mode: capacity, cases: [{when: {memory: 300M}, profile: smoke}]}\n"
        "matrix: {replicas: 1, cpus: 1, memory: [1.5G, 300M], workers: 1}\nseed: 7\n"
    ),
    "users of a search": HEAD + (
        "load: {mode: capacity, by: users, workers: 2, wait_seconds: [1, 2], target_rps: 12.5}\n"
        "cells: [" + CELL + "}]\n"
    ),
    "iterations": HEAD + "load: {mode: capacity, by: arrivals, arrivals: constant}\ncells: [" + CELL + "}]\n",
    "limits of endpoints": (
        'name: odd\nslo: {endpoints: {"GET /a: b": {p50_ms: 9}, "POST /é {x}": {p99_ms: 0.5}}}\n'
        "load: {users: 1}\ncells: [" + CELL + "}]\n"
    ),
}  # fmt: skip


def again(sweep):
    """The sweep after it was written and read."""
    text = sweep_text(sweep)
    return replace(parse_sweep(text.encode(), sweep.file), sha256=sweep.sha256)


@pytest.mark.parametrize("path", sorted(SWEEPS.glob("*.yml")), ids=lambda path: path.stem)
def test_each_sweep_of_the_repository_is_the_same_after_it_was_written(path):
    sweep = replace(load_sweep(path), takes_baseline=False)
    assert again(sweep) == sweep


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_odd_values_are_the_same_after_they_were_written(text):
    sweep = replace(parse_sweep(text.encode(), "odd.yml"), takes_baseline=False)
    assert again(sweep) == sweep


def test_a_timeout_that_was_computed_has_the_decimals_of_a_file():
    sweep = parse_sweep((HEAD + "load: {mode: capacity}\ncells: [" + CELL + "}]\n").encode(), "x.yml")
    long = replace(sweep, load=replace(sweep.load, timeout_seconds=1.3333333))
    assert again(long).load.timeout_seconds == 1.334
