"""Locust's statistics, as recorded from 2.47.0 and damaged in every way seen."""

import pytest

from swarmsweep.errors import LabError
from swarmsweep.raw.locust_csv import MAX_NAME, aggregated, most_frequent, parse_stats


@pytest.fixture
def text(recorded) -> str:
    """The recorded statistics."""
    return (recorded / "locust" / "stats_stats.csv").read_text()


def test_recorded_statistics(text):
    rows = parse_stats(text)
    assert [(row.request_type, row.name) for row in rows] == [("POST", "/predict"), ("", "Aggregated")]
    assert aggregated(rows).request_count == 1332


def test_percentiles_that_locust_does_not_know_do_not_matter(text):
    lines = text.splitlines()
    fields = lines[2].split(",")
    fields[11:] = ["N/A"] * len(fields[11:])
    assert aggregated(parse_stats("\n".join([lines[0], ",".join(fields)]))).request_count == 1332


def test_a_name_with_a_comma_and_a_line_break_is_one_field(text):
    header, _, total = text.splitlines()
    odd = 'GET,"/a,b\n=HYPERLINK()",7,0' + ",1" * (header.count(",") - 3)
    assert parse_stats(f"{header}\n{odd}\n{total}\n")[0].name == "/a,b\n=HYPERLINK()"


def test_the_most_requested_url_is_the_target(text):
    header, predict, total = text.splitlines()
    rest = ",1" * (header.count(",") - 3)
    assert most_frequent(parse_stats(text)) == "POST /predict"
    assert most_frequent(parse_stats("\n".join([header, predict, f"GET,/empty,1333,0{rest}", total]))) == "GET /empty"
    assert most_frequent(parse_stats("\n".join([header, f"GET,/x,0,0{rest}", f",Aggregated,0,0{rest}"]))) is None
    assert most_frequent(parse_stats("\n".join([header, total]))) is None
    # Timings that a scenario fires itself, with any names.
    own = [f"PART,decode,9999,0{rest}", f",Aggregated,5,0{rest}", f"GET,Aggregated,7,0{rest}"]
    rows = parse_stats("\n".join([header, *own, predict, total]))
    assert most_frequent(rows) == "POST /predict"
    assert most_frequent(rows, own_figures=True) == "PART decode"
    # A name may have any characters, and a page has one line for it.
    assert most_frequent(parse_stats("\n".join([header, f'GET,"/a\n\n# b",9,0{rest}', total]))) == "GET /a # b"
    assert aggregated(rows).request_count == 1332
    assert most_frequent(parse_stats("\n".join([header, own[0], total]))) == "PART decode"
    assert len(most_frequent(parse_stats("\n".join([header, f"GET,/{'x' * 500},9,0{rest}", total])))) == MAX_NAME


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: "", "has no header"),
        (lambda text: text.splitlines()[0], "its last row is not named Aggregated"),
        (lambda text: text.replace("Request Count", "Requests"), "has no header"),
        (lambda text: text + text.splitlines()[1] + "\n", "its last row is not named Aggregated"),
        (lambda text: text[: len(text) - 30], "the file is incomplete"),
        (lambda text: text.replace(",1332,", ",1.332,"), "'1.332' is not a count"),
        (lambda text: text.replace(",1332,", ",-5,"), "'-5' is not a count"),
        (lambda text: text.replace(",1332,", ",,"), "'' is not a count"),
        (lambda text: text.replace("POST,/predict", 'POST,"/predict'), "not a CSV file"),
        (
            lambda text: text.replace(",1332,14,", ",1332,14,7,"),
            "not a CSV file: .* Expected 22 fields in line 2, saw 23$",
        ),
        (lambda text: "\0" * 50, "has no header"),
    ],
)
def test_damaged_statistics_are_refused_with_the_place(text, change, words):
    with pytest.raises(LabError, match=words):
        aggregated(parse_stats(change(text)))
