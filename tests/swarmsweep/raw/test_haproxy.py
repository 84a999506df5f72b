"""HAProxy's counters, as recorded from 2.6.12."""

import pytest

from swarmsweep.errors import LabError
from swarmsweep.raw.haproxy import delta, parse_stat


@pytest.fixture
def before(recorded) -> str:
    """``show stat`` before the load."""
    return (recorded / "haproxy-before.csv").read_text()


@pytest.fixture
def after(recorded) -> str:
    """``show stat`` after the load."""
    return (recorded / "haproxy-after.csv").read_text()


def test_recorded_counters(before, after):
    change = delta(parse_stat(before), parse_stat(after))
    assert change.requests == 1332
    assert {name: counters["req_tot"] for name, counters in change.servers.items()} == {"api-1": 665, "api-2": 667}
    assert (change.total["hrsp_2xx"], change.total["hrsp_4xx"]) == (1318, 14)
    assert (change.total["econ"], change.total["eresp"], change.total["wretr"]) == (0, 0, 0)
    assert not change.restarted


def test_a_counter_that_a_row_does_not_have_is_null(after):
    rows = {row.server: row for row in parse_stat(after)}
    assert rows["FRONTEND"].counters["econ"] is None
    assert rows["api-3"].status == "MAINT"
    assert rows["api-1"].address == "127.0.0.1:18101"
    assert [name for name, row in rows.items() if row.is_server] == ["api-1", "api-2", "api-3"]


def test_counters_that_went_back_mean_a_restart(before, after):
    assert delta(parse_stat(after), parse_stat(before)).restarted


def test_a_server_that_came_later_counts_from_zero(before, after):
    rows = [row for row in parse_stat(before) if row.server != "api-2"]
    assert delta(rows, parse_stat(after)).servers["api-2"]["req_tot"] == 667


def test_versions_without_request_counters_give_none(before, after):
    old = [text.replace(",req_tot,", ",req_xxx,") for text in (before, after)]
    assert delta(*map(parse_stat, old)).requests is None


def test_an_unknown_proxy_names_those_present(before, after):
    with pytest.raises(LabError, match="no proxy named 'web'; present: api"):
        delta(parse_stat(before), parse_stat(after), proxy="web")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "does not begin with"),
        ("Unknown command. Please enter one of the following\n", "does not begin with"),
        ("# pxname,svname,stot\napi\n", "line 2 has 1 fields"),
        ("# pxname,svname,stot\napi,BACKEND,many\n", "'many' is not a count"),
        ('# pxname,svname,stot\napi,"BACKEND\n', "not a CSV file"),
    ],
)
def test_other_text_is_refused(text, words):
    with pytest.raises(LabError, match=words):
        parse_stat(text, "haproxy-before.csv")


def test_a_table_that_was_cut_off_is_refused(before, after):
    table = after.rstrip("\n")
    with pytest.raises(LabError, match=r"after\.csv: ends within a row"):
        parse_stat(table[:-100], "after.csv")
    without_sum = table[: table.rindex("\n") + 1]
    for old, new in ((before, without_sum), (without_sum, after)):
        with pytest.raises(LabError, match="no row BACKEND of proxy 'api'; the file is incomplete"):
            delta(parse_stat(old), parse_stat(new))
