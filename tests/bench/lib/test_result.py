"""The file and the tables."""

import json

import pytest

from bench.lib.ratios import Ratio, Spread
from bench.lib.result import Row, as_json, limit_table, number, rate_table, ratio_table, table, within, write

RATIO = Ratio("over_peer", "ours", "peer", 4)
MORE = {"min": 900.0, "max": 1100.0, "p50_ms": 1.5, "p99_ms": 12.25, "cpu_us_per_request": 812.0}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.857, "0.86"),
        (16.24, "16.2"),
        (8642.4, "8642"),
        (99.96, "100.0"),
        (0, "0"),
        (3, "3"),
        (None, "not measured"),
        (-0.5, "-0.50"),
    ],
)
def test_number(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("median", "is_met"),
    [(4.0, True), (3.999, False), (12, True)],
)
def test_targets(median, is_met):
    content = as_json([], [RATIO], {"over_peer": Spread(median, 1, 20)}, {})
    assert content["targets"] == {"over_peer": {"at_least": 4, "met": is_met}}
    assert content["ratios"] == {"over_peer": median}
    assert content["ratios_min_max"] == {"over_peer": [1, 20]}


@pytest.mark.parametrize(("value", "kept"), [(130, True), (130.1, False), (None, None)])
def test_limits(value, kept):
    row = Row("resident", value, "MB", 130)
    assert within(row) is kept
    assert as_json([row], [], {}, {})["targets"] == {"resident": {"at_most": 130, "met": kept}}


def test_file_has_the_form_of_the_contract(tmp_path):
    rows = [Row("predict", 1000.0, "requests/s", more=MORE), Row("pss", None, "MB")]
    path = tmp_path / "bench/serving.json"
    write(path, as_json(rows, [RATIO], {"over_peer": Spread(4.2, 4, 5)}, {"seed": 7}))
    found = json.loads(path.read_text())
    assert found["rows"][0] == {"name": "predict", "value": 1000.0, "unit": "requests/s", **MORE}
    assert found["rows"][1] == {"name": "pss", "value": None, "unit": "MB"}
    assert found["ratios"] == {"over_peer": 4.2}
    assert found["seed"] == 7
    assert [file.name for file in path.parent.iterdir()] == ["serving.json"]


def test_nothing_is_written_of_a_figure_that_is_not_finite(tmp_path):
    path = tmp_path / "serving.json"
    with pytest.raises(ValueError, match="JSON"):
        write(path, {"rows": [{"value": float("nan")}]})
    assert list(tmp_path.iterdir()) == []


def test_table_is_aligned():
    assert table(("name", "n"), [("a", "1"), ("longer", "100")]).splitlines() == [
        "name      n",
        "------  ---",
        "a         1",
        "longer  100",
    ]


def test_table_without_rows():
    assert table(("name", "n"), []).splitlines() == ["name  n", "----  -"]


def test_ratio_table_says_whether_a_target_is_met():
    values = {"over_peer": Spread(4.2, 4.0, 5.0), "over_other": Spread(3.9, 3.0, 4.0)}
    lines = ratio_table([RATIO, Ratio("over_other", "ours", "other", 4)], values).splitlines()
    assert lines[2].split() == ["over_peer", "4.20", "4.00", "..", "5.00", ">=", "4", "yes"]
    assert lines[3].split() == ["over_other", "3.90", "3.00", "..", "4.00", ">=", "4", "NO"]


def test_limit_table_has_figures_without_a_limit_too():
    lines = limit_table([Row("resident", 131.0, "MB", 130), Row("threads", 3, "threads"), Row("pss", None, "MB")])
    assert [line.split() for line in lines.splitlines()[2:]] == [
        ["resident", "131", "MB", "<=", "130", "NO"],
        ["threads", "3", "threads"],
        ["pss", "not", "measured", "MB"],
    ]


def test_rate_table():
    line = rate_table([Row("predict", 1000.0, "requests/s", more=MORE)]).splitlines()[2]
    assert line.split() == ["predict", "1000", "900", "..", "1100", "requests/s", "1.50", "12.2", "812"]
