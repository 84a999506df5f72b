"""The arithmetic of the benchmark of the load generator."""

import pytest

from bench.generator import figures
from bench.generator.figures import Loaded
from bench.lib import result
from bench.lib.ratios import compute
from swarmsweep.errors import LabError


def counted(closed_ok: int | None = 900, open_ok: int | None = 100, total: int = 1000, failures: int = 0) -> dict:
    parts = {"closed": closed_ok, "open_50": open_ok}
    found = {name: {"errors": ["status 503"] if failures else [], "ok": ok} for name, ok in parts.items() if ok}
    return {**found, "counted": total, "failures": failures}


COUNTS = [
    (counted(), 1000, None),
    ({"closed": {"errors": []}, "counted": 7, "failures": 0}, 7, None),
    (counted(), 1001, "Locust 1000, nginx 1001, the trials 1000"),
    (counted(total=999), 1000, "Locust 999, nginx 1000, the trials 1000"),
    (counted(open_ok=99), 1000, "Locust 1000, nginx 1000, the trials 999"),
    ({"closed": {"errors": []}, "counted": 7, "failures": 0}, 8, "Locust 7, nginx 8"),
    (counted(failures=3), 1000, "3 of 1000 requests failed: status 503"),
]


@pytest.mark.parametrize(("counts", "nginx_counted", "message"), COUNTS)
def test_counts_must_agree(counts, nginx_counted, message):
    if message is None:
        figures.require_same_count("ours", counts, nginx_counted)
    else:
        with pytest.raises(LabError, match=message):
            figures.require_same_count("ours", counts, nginx_counted)


def loaded(name: str, number: int, rps: float, cpu_us: float = 10.0, **more: object) -> Loaded:
    return Loaded(name, number, int(rps * 2), 2.0, rps * 2 * cpu_us / 1e6, 0.5, 1.5, more)


ROUNDS = [
    *(loaded("fasthttpuser", number, rps, 100.0) for number, rps in ((1, 1000), (2, 800))),
    *(loaded("closed", number, rps, 20.0, nginx_counted=9) for number, rps in ((2, 4000), (1, 4000))),
    *(loaded("open_50", number, 2000, achieved_over_offered=share) for number, share in ((1, 1.0), (2, 0.9))),
    *(loaded("wrk", number, 8000) for number in (1, 2)),
]


def test_ratios_are_of_the_same_round():
    values = compute(figures.RATIOS, figures.series(ROUNDS))
    assert values["over_fasthttpuser"].least == pytest.approx(4)
    assert values["over_fasthttpuser"].greatest == pytest.approx(5)
    assert values["cpu_fasthttpuser_over_ours"].median == pytest.approx(5)
    assert values["open_achieved_over_offered"].median == pytest.approx(0.95)
    met = [result.met(ratio, values[ratio.name]) for ratio in figures.RATIOS]
    assert met == [True, True, False]


def test_row_has_medians_of_figures_and_sums_of_counts():
    row = figures.summarize("closed", ROUNDS)
    assert (row.value, row.unit) == (4000, "requests/s")
    assert row.more.items() >= {"requests": 16000, "nginx_counted": 18, "cpu_us_per_request": 20.0}.items()
    assert "lag_p99_ms" not in row.more


def test_warnings_are_reported():
    assert figures.warnings_about(ROUNDS[2:4]) == []
    (sentence,) = figures.warnings_about(ROUNDS[:2])
    assert sentence == "fasthttpuser: rounds differ by 22% around 900"
    (sentence,) = figures.warnings_about([loaded("closed", 1, 4000, others_share=0.2)])
    assert sentence.startswith("closed: other processes used up to 20% of the generator's core")
