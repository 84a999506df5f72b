"""The benchmark of the load generator: its arithmetic, and a short run of all of it."""

import argparse
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench import generator, nginx, result
from bench.cores import Cores
from bench.generator import Loaded
from bench.loopback import ask
from bench.ratios import compute
from swarmsweep.errors import LabError

STATUS = """Active connections: 291
server accepts handled requests
 16630948 16630946 31070465
Reading: 6 Writing: 179 Waiting: 106
"""


def test_status_of_nginx():
    assert nginx.parse_status(STATUS) == 31070465


@pytest.mark.parametrize("text", ["", "<html>404</html>", STATUS.replace("31070465", "")])
def test_status_that_is_none_is_refused(text):
    with pytest.raises(LabError, match="status is not understood"):
        nginx.parse_status(text)


def figures(closed_ok: int | None = 900, open_ok: int | None = 100, counted: int = 1000, failures: int = 0) -> dict:
    parts = {"closed": closed_ok, "open_50": open_ok}
    found = {name: {"errors": ["status 503"] if failures else [], "ok": ok} for name, ok in parts.items() if ok}
    return {**found, "counted": counted, "failures": failures}


COUNTS = [
    (figures(), 1000, None),
    ({"closed": {"errors": []}, "counted": 7, "failures": 0}, 7, None),
    (figures(), 1001, "Locust 1000, nginx 1001, the trials 1000"),
    (figures(counted=999), 1000, "Locust 999, nginx 1000, the trials 1000"),
    (figures(open_ok=99), 1000, "Locust 1000, nginx 1000, the trials 999"),
    ({"closed": {"errors": []}, "counted": 7, "failures": 0}, 8, "Locust 7, nginx 8"),
    (figures(failures=3), 1000, "3 of 1000 requests failed: status 503"),
]


@pytest.mark.parametrize(("counts", "nginx_counted", "message"), COUNTS)
def test_counts_must_agree(counts, nginx_counted, message):
    if message is None:
        generator.require_same_count("ours", counts, nginx_counted)
    else:
        with pytest.raises(LabError, match=message):
            generator.require_same_count("ours", counts, nginx_counted)


def loaded(name: str, number: int, rps: float, cpu_us: float = 10.0, **more: object) -> Loaded:
    return Loaded(name, number, int(rps * 2), 2.0, rps * 2 * cpu_us / 1e6, 0.5, 1.5, more)


ROUNDS = [
    *(loaded("fasthttpuser", number, rps, 100.0) for number, rps in ((1, 1000), (2, 800))),
    *(loaded("closed", number, rps, 20.0, nginx_counted=9) for number, rps in ((2, 4000), (1, 4000))),
    *(loaded("open_50", number, 2000, achieved_over_offered=share) for number, share in ((1, 1.0), (2, 0.9))),
    *(loaded("wrk", number, 8000) for number in (1, 2)),
]


def test_ratios_are_of_the_same_round():
    values = compute(generator.RATIOS, generator.series(ROUNDS))
    assert values["over_fasthttpuser"].least == pytest.approx(4)
    assert values["over_fasthttpuser"].greatest == pytest.approx(5)
    assert values["cpu_fasthttpuser_over_ours"].median == pytest.approx(5)
    assert values["open_achieved_over_offered"].median == pytest.approx(0.95)
    met = [result.met(ratio, values[ratio.name]) for ratio in generator.RATIOS]
    assert met == [True, True, False]


def test_row_has_medians_of_figures_and_sums_of_counts():
    row = generator.summarize("closed", ROUNDS)
    assert (row.value, row.unit) == (4000, "requests/s")
    assert row.more.items() >= {"requests": 16000, "nginx_counted": 18, "cpu_us_per_request": 20.0}.items()
    assert "lag_p99_ms" not in row.more


def test_doubts_are_told():
    assert generator.doubts(ROUNDS[2:4]) == []
    (sentence,) = generator.doubts(ROUNDS[:2])
    assert sentence == "fasthttpuser: rounds differ by 22% around 900"
    (sentence,) = generator.doubts([loaded("closed", 1, 4000, others_share=0.2)])
    assert sentence.startswith("closed: others used up to 20% of the generator's core")


@pytest.mark.parametrize("arguments", [["--rounds", "0"], ["--seconds", "99"], ["--seconds", "x"], ["--spam"]])
def test_wrong_options_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        generator.parse(arguments)
    assert ended.value.code == 2
    assert "usage: ./lab bench generator" in capsys.readouterr().err


CORE = min(os.sched_getaffinity(0))
HAS_NGINX = bool(shutil.which("nginx", path="/usr/sbin:/usr/bin")) or (nginx.UNPACKED / "usr/sbin/nginx").exists()
needs_nginx = pytest.mark.skipif(
    not HAS_NGINX, reason="no nginx, installed or unpacked: run ./lab bench generator once"
)


@pytest.fixture
def server(tmp_path) -> Iterator[str]:
    url, tree = nginx.start(tmp_path, CORE)
    yield url
    tree.end()


@needs_nginx
def test_nginx_answers_as_the_api_and_counts(server):
    before = nginx.requests(server)
    for body in (b'{"rows":[]}', None, b"x" * 1000):
        answer = ask(server + nginx.PATH, body)
        assert (answer.status, answer.body.decode()) == (200, nginx.ANSWER)
        assert answer.headers["x-served-by"] == "nginx/1"
    assert nginx.requests(server) - before - 1 == 3


@needs_nginx
def test_whole_bench(tmp_path, monkeypatch):
    """One short round: every generator runs, is counted by nginx, and gets into the tables. Its speed is not judged."""
    if missing := [name for name in ("locust", "httptools", "hdrh") if find_spec(name) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    if shutil.which("wrk") is None:
        pytest.skip("wrk is not installed: run ./lab bench generator once")
    here = SimpleNamespace(python=Path(sys.executable), folder=Path(sys.prefix), path=f"{sys.prefix}/bin:/usr/bin:/bin")
    monkeypatch.setattr(generator, "LOCUST", here)
    options = argparse.Namespace(rounds=1, seconds=1, seed=1)
    with ExitStack() as stack:
        content, text = generator.Bench(options, Cores(server=CORE, client=CORE), tmp_path, stack).run()
    rows = {row["name"]: row for row in content["rows"]}
    assert set(rows) == {"fasthttpuser", *generator.PARTS, "wrk"}
    for name in ("fasthttpuser", *generator.PARTS):
        assert rows[name]["nginx_counted"] == rows[name]["locust_counted"] >= rows[name]["requests"] > 0
    for name in generator.PARTS:
        assert rows[name]["offered"] == rows[name]["ok"] + rows[name]["dropped"]
    assert set(content["ratios"]) == {ratio.name for ratio in generator.RATIOS}
    assert all(value > 0 for value in content["ratios"].values())
    assert "over_fasthttpuser" in text
    assert text.count("same count") == 4
