"""Rows of a run that ask for other numbers of workers, against the server processes that were counted."""

import pytest
from msgspec.structs import replace
from rows import fixed

from swarmsweep.results.workers_axis import judge_workers


def row(workers, counted, processes=None, **changes):
    """A valid row that asks for so many workers, with a bottleneck; ``changes`` are its status, reason, or axes.

    ``processes`` is the range of all processes of a replica.
    """
    made = fixed(f"w{workers}", status=changes.pop("status", "valid"), reason=changes.pop("reason", None))
    return replace(
        made,
        config=made.config | {"workers": workers} | changes,
        server_processes=counted,
        processes_range=processes,
        bottleneck="cpu_throttled",
        bottleneck_evidence="throttled",
    )


def test_rows_with_the_same_processes_under_several_names_are_invalid():
    rows = judge_workers([row(1, 4), row(2, 4), row(4, 4), row(4, 4, cpus=2.0), row(2, 2, image="mine:2")])
    assert [one.status for one in rows] == ["invalid"] * 3 + ["valid"] * 2
    assert [one.meets_slo for one in rows] == [None] * 3 + [True] * 2
    assert [one.bottleneck for one in rows] == [None] * 3 + ["cpu_throttled"] * 2
    assert rows[0].reason == rows[2].reason
    assert "4 server processes with workers 1, 2 and 4" in rows[0].reason
    assert "lab_api_workers_env" in rows[0].reason
    assert not any(one.doubts for one in rows)


def test_an_axis_that_works_is_left_alone():
    # The processes of a failed cell show nothing about the other cells.
    rows = [row(1, 1), row(2, 2), row(4, 4), row(1, 1, status="failed"), row(3, 1, status="failed"), row(8, 8)]
    assert judge_workers(rows) == rows


def test_another_number_than_asked_for_is_a_warning_with_both_numbers():
    one, two, lists = judge_workers([row(2, 4), row(3, 5), row(2, [2, 1])])
    assert (one.status, two.status, lists.status) == ("valid", "valid", "valid")
    for of, asked, counted in ((one, 2, "4"), (two, 3, "5"), (lists, 2, "2 and 1")):
        (warning,) = of.doubts
        replicas = "the replicas" if of is lists else "each replica"
        assert f"workers is {asked}, but {replicas} had {counted} server processes" in warning


def test_one_process_is_not_called_processes():
    (warning,) = judge_workers([row(2, 1, (1, 1))])[0].doubts
    assert "each replica had 1 server process of 1 process in all. The image" in warning
    same, _ = judge_workers([row(1, 1), row(2, 1)])
    assert "each replica had 1 server process with workers 1 and 2," in same.reason


def test_a_row_that_is_invalid_keeps_its_reason():
    one, other = judge_workers([row(1, 2, status="invalid", reason="a clock was wrong"), row(2, 2)])
    assert one.reason == f"a clock was wrong; {other.reason}"


def test_rows_that_were_not_measured_are_not_judged():
    rows = [row(1, None), row(1, 2, status="failed", reason="died"), row(2, None, status=None)]
    assert judge_workers(rows) == rows


# Each row: its workers, server processes, range of all processes; then whether it is valid.
TOTALS = {
    # nginx in front of gunicorn: two processes hold the port in every row.
    "a proxy in the image": [((1, 2, (5, 5)), True), ((2, 2, (6, 6)), True), ((4, 2, (8, 8)), True)],
    "an image that starts at most two": [((1, 2, (5, 5)), True), ((2, 2, (6, 6)), False), ((4, 2, (6, 6)), False)],
    "programs that requests start": [((1, 4, (5, 9)), False), ((2, 4, (6, 10)), False)],
    "ranges that touch": [((1, 4, (5, 6)), False), ((2, 4, (6, 7)), False)],
    "fewer processes with more workers": [((1, 4, (7, 7)), False), ((2, 4, (6, 6)), False)],
    "nothing known of one row": [((1, 2, (5, 5)), False), ((2, 2, None), False)],
    # One replica was counted in a moment without one of its processes.
    "counts that differ by chance": [((1, 4, (5, 5)), False), ((2, [3, 4], (4, 5)), False)],
    "counts that differ by chance, of an axis that works": [((1, 1, (1, 1)), True), ((2, [1, 2], (4, 4)), True)],
}


@pytest.mark.parametrize("cells", TOTALS.values(), ids=TOTALS)
def test_all_processes_decide_where_the_server_processes_are_alike(cells):
    rows = judge_workers([row(*counted) for counted, _ in cells])
    assert [one.status == "valid" for one in rows] == [valid for _, valid in cells]
    for one, (_, valid) in zip(rows, cells, strict=True):
        assert bool(one.doubts) is valid
        assert (one.reason is None) is valid


def test_the_note_on_a_proxy_names_both_numbers_of_each_row():
    rows = judge_workers([row(2, 2, (6, 6)), row(1, 2, (5, 5)), row(4, 2, (8, 9)), row(2, 7, (9, 9), cpus=2.0)])
    assert len({tuple(one.doubts) for one in rows[:3]}) == 1
    assert "workers 1, 2 and 4 had 2, 2 and 2 server processes" in rows[0].doubts[0]
    assert "5, 6 and 8 to 9 processes in all" in rows[0].doubts[0]
    assert "7 server processes of 9 processes in all" in rows[3].doubts[0]


def test_the_reason_names_the_numbers_of_both_rows():
    one, two = judge_workers([row(1, 4, (5, 6)), row(2, [3, 4], (5, 5))])
    assert "the replicas had 4 server processes of 5 to 6 processes in all and 3 to 4 server processes" in one.reason
    assert one.reason == two.reason


def test_a_row_that_was_not_counted_says_why_where_the_axis_has_several_values():
    counted, hidden, older = judge_workers([row(1, 1), row(2, None, (4, 4)), row(4, None)])
    assert not counted.doubts
    for one, why in ((hidden, "socket of the API's port"), (older, "earlier version")):
        (warning,) = one.doubts
        assert one.status == "valid" and "were not counted" in warning and why in warning


def test_one_value_of_workers_has_a_warning_only_where_no_process_held_the_port():
    hidden, never = judge_workers([row(2, None, (4, 4)), row(2, None, cpus=2.0)])
    (warning,) = hidden.doubts
    assert "their number is unknown. No process of a replica was seen with a socket" in warning
    assert (hidden.status, never.doubts) == ("valid", [])


def test_the_baseline_makes_no_other_row_invalid():
    """The image ignores the variable. The sweep has one value of workers, and the baseline another one."""
    own, baseline = row(4, 4), row(1, 4)
    judged = judge_workers([own, baseline], baseline.id)
    assert [one.status for one in judged] == ["valid", "invalid"]
    assert judged[0] == own
    assert [one.status for one in judge_workers([own, baseline])] == ["invalid", "invalid"]
