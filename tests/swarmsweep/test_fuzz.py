"""Whatever the bytes: a parser returns, or raises a LabError with a text; it never crashes."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rows import plan_of
from run_folder import METRICS, RECORDED, put

from swarmsweep.errors import LabError
from swarmsweep.plan.planned import PlannedCell
from swarmsweep.raw.api_metrics import parse_metrics, pool, request_parts
from swarmsweep.raw.api_usage import usage_over
from swarmsweep.raw.haproxy import delta, parse_stat
from swarmsweep.raw.locust_csv import aggregated, parse_stats
from swarmsweep.raw.machine_samples import machines_over
from swarmsweep.raw.samples import read_samples
from swarmsweep.results.attempt_result import analyse
from swarmsweep.results.cell import merge
from swarmsweep.sweep.sweep_file import parse_sweep
from swarmsweep.units import format_memory, parse_memory

SWEEPS = [path.read_bytes() for path in sorted((Path(__file__).parents[2] / "sweeps").glob("*.yml"))]
YAML_PIECES = st.sampled_from(
    [
        "name: x\n",
        "slo: ",
        "load:\n",
        "  users: ",
        "matrix:\n",
        "  cpus: ",
        "%YAML 1.2\n",
        "---\n",
        "1:30",
        "600M",
        "0.5",
        '"\\ud800"',
        '"\\UFFFFFFFF"',
        "<<: ",
        "? ",
        "<fixed>",
        "cases: ",
        "when: {",
        "mode: ",
    ]
) | st.sampled_from(
    ["[", "]", "{", "}", ",", ": ", "- ", "\n", " ", "1", "&a ", "*a", "!!int ", "'", '"', "#", "|", "\t"]
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**12) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=5), children, max_size=4),
    max_leaves=12,
)
QUIET = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def survives(function, *arguments):
    """Result of the call; None after a LabError, which must have a text."""
    try:
        return function(*arguments)
    except LabError as error:
        assert str(error).strip()
        return None


@QUIET
@given(st.lists(YAML_PIECES, max_size=40).map("".join) | st.text(max_size=200))
def test_sweep_of_any_text(text):
    survives(parse_sweep, text.encode("utf-8", "surrogatepass"), "sweeps/x.yml")


@QUIET
@given(st.binary(max_size=300))
def test_sweep_of_any_bytes(data):
    survives(parse_sweep, data, "sweeps/x.yml")


@QUIET
@given(st.sampled_from(SWEEPS), st.integers(0, 2000), st.integers(0, 20), st.text(max_size=8))
@example(SWEEPS[0], 0, 0, "")  # one that is accepted, so that what follows is checked at least once
def test_sweep_of_a_damaged_file(data, position, cut, inserted):
    damaged = data[:position] + inserted.encode("utf-8", "surrogatepass") + data[position + cut :]
    sweep = survives(parse_sweep, damaged, "sweeps/x.yml")
    if sweep is not None:  # what is accepted is sound: ids are unique file names
        ids = [cell.id for cell in sweep.cells]
        assert ids and len(ids) == len(set(ids))
        assert all("/" not in name and len(name) <= 120 for name in ids)


@QUIET
@given(st.text(max_size=12) | st.from_regex(r"[0-9]{1,6}(\.[0-9]{1,3})?[bkmgBKMG][bB]?", fullmatch=True))
@example("512M")
def test_memory_of_any_text(text):
    size_bytes = survives(parse_memory, text)
    if size_bytes is not None:
        assert parse_memory(format_memory(size_bytes)) == size_bytes


@pytest.mark.parametrize("name", ["locust/stats_stats.csv", "haproxy-after.csv"])
@QUIET
@given(position=st.integers(0, 3000), cut=st.integers(0, 40), inserted=st.text(max_size=8))
def test_csv_of_a_damaged_file(name, position, cut, inserted):
    text = (RECORDED / name).read_text()
    damaged = text[:position] + inserted + text[position + cut :]
    if name.startswith("locust"):
        rows = survives(parse_stats, damaged)
        survives(aggregated, rows or [])
    else:
        rows = survives(parse_stat, damaged)
        survives(delta, rows or [], rows or [])


@QUIET
@given(st.text(max_size=200))
def test_csv_of_any_text(text):
    survives(parse_stats, text)
    survives(parse_stat, "# pxname,svname," + text)


@QUIET
@given(position=st.integers(0, 16_000), cut=st.integers(0, 40), inserted=st.text(max_size=8))
@example(position=0, cut=0, inserted="")
def test_metrics_of_a_damaged_file(position, cut, inserted):
    text = (METRICS / "single.prom").read_text()
    metrics = survives(parse_metrics, text[:position] + inserted + text[position + cut :])
    if metrics is not None:
        parts = request_parts(pool([metrics, metrics]))
        assert parts is None or parts.mean_ms >= 0


@QUIET
@given(st.text(max_size=200) | st.text(alphabet='a_{}="\\ 1.e+-#\n,', max_size=60))
def test_metrics_of_any_text(text):
    survives(parse_metrics, text)


@QUIET
@given(st.lists(JSON_VALUES, max_size=4), st.dictionaries(st.sampled_from(["t", "host", "containers"]), JSON_VALUES))
def test_samples_of_any_json(tmp_path, values, sample):
    path = tmp_path / "samples-api-x.jsonl"
    path.write_text("".join(json.dumps(value) + "\n" for value in [*values, sample]))
    samples = survives(read_samples, path)
    if samples is not None:
        usage_over([samples], (0.0, 10.0), set())


COUNTERS = ["service", "cpu_seconds", "periods", "memory_peak_bytes", "oom_kills", "x"]


@QUIET
@given(
    st.dictionaries(st.sampled_from(["cpu_seconds", "cores", "tcp", "x"]), JSON_VALUES),
    st.dictionaries(st.sampled_from(COUNTERS), JSON_VALUES | st.integers(0, 9)),
)
@example({"cpu_seconds": None}, {"oom_kills": 3})
def test_usage_of_any_counters(tmp_path, host, counters):
    path = tmp_path / "samples-api-x.jsonl"
    lines = [{"t": float(t), "host": host, "containers": {"a": counters}} for t in (0, 5, 10)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    samples = survives(read_samples, path)
    if samples is not None:
        kills = counters.get("oom_kills")
        assert usage_over([samples], (1.0, 9.0), {"a"}).oom_kills == (None if kills is None else round(kills))
        machines_over({"x": samples}, {"x": "api"}, (1.0, 9.0))


RECORD = st.dictionaries(
    st.sampled_from(["status", "reason", "reason_code", "containers", "log_tail", "restarts", "changed", "oom_killed"])
    | st.sampled_from(["exit_codes", "users", "workers_connected", "workers_lost", "window_start", "window_end"]),
    JSON_VALUES | st.just("ready") | st.just([{"id": "a", "env": 3}, {"id": []}]),
    max_size=6,
)


OF_LOAD = st.dictionaries(
    st.sampled_from(["cpu_percent", "users", "served_by", "errors", "tasks", "exceptions", "unreported", "on_start"])
    | st.sampled_from(["hosts", "ended_badly"]),
    JSON_VALUES | st.just([[1.0, 2.0]]) | st.just({"a": 1}) | st.just({"a": {"offset_seconds": 1.0}}),
    max_size=6,
)


@QUIET
@given(deploy=RECORD, after=RECORD, timeline=RECORD, load=OF_LOAD, ready=st.booleans())
def test_trial_of_any_records(tmp_path, deploy, after, timeline, load, ready):
    records = {"deploy.json": deploy | ({"status": "ready"} if ready else {}), "after.json": after, "clock.json": load}
    records |= {"locust/timeline.json": timeline, "locust/worker-a-0.json": load, "units/units-a.json": load}
    for name, record in records.items():
        put(tmp_path / name, record)
    config = {"replicas": 2, "cpus": 1, "memory_bytes": 2**28, "workers": 1}
    cell = PlannedCell(id="x", config=config, memory="256M")
    plan = plan_of({"users": 1, "workers": 1, "measure_seconds": 1}, slo={"p95_ms": 1})
    trial = analyse(tmp_path, plan, cell, 1)
    assert trial.status in ("failed", "invalid", "infeasible")
    assert trial.reason
    merge(plan, cell, [trial])
