"""Rows of a run that ask for other numbers of workers, against the server processes that were counted."""

from msgspec.structs import replace
from rows import fixed

from swarmsweep.results.workers_axis import judge_workers


def row(workers, counted, **changes):
    """A valid row that asks for so many workers, with a bottleneck; ``changes`` are fields of the row or axes."""
    made = fixed(f"w{workers}", status=changes.pop("status", "valid"), reason=changes.pop("reason", None))
    return replace(
        made,
        config=made.config | {"workers": workers} | changes,
        server_processes=counted,
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
    # What was left of a failed cell says nothing about the others.
    rows = [row(1, 1), row(2, 2), row(4, 4), row(1, 1, status="failed"), row(3, 1, status="failed"), row(8, None)]
    assert judge_workers(rows) == rows


def test_another_number_than_asked_for_is_a_warning_with_both_numbers():
    one, two, lists = judge_workers([row(2, 4), row(3, 5), row(2, [2, 1])])
    assert (one.status, two.status, lists.status) == ("valid", "valid", "valid")
    for of, asked, counted in ((one, 2, "4"), (two, 3, "5"), (lists, 2, "2 and 1")):
        (warning,) = of.doubts
        assert f"asks for {asked} server processes" in warning and f"{counted} were counted" in warning


def test_a_row_that_is_invalid_keeps_its_reason():
    one, other = judge_workers([row(1, 2, status="invalid", reason="a clock was wrong"), row(2, 2)])
    assert one.reason == f"a clock was wrong; {other.reason}"


def test_rows_that_were_not_measured_are_not_judged():
    rows = [row(1, None), row(2, None), row(1, 2, status="failed", reason="died"), row(2, None, status=None)]
    assert judge_workers(rows) == rows
