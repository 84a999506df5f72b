"""Where the time of a cell goes: by the files of four cells of a real run, and by one whose marks are known."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.overhead import command
from bench.overhead.phases import PHASES, read_run
from swarmsweep.errors import InputError, LabError
from swarmsweep.plan.plan import make_plan
from swarmsweep.sweep.load import Load
from swarmsweep.sweep.sweep_file import parse_sweep

ROOT = Path(__file__).parents[3]
RECORDED = Path(__file__).parent / "data/run"
HOSTS = {"api": [{"name": "lab-api", "cpus": 1, "memory_bytes": 4 * 1024**3}], "load": []}
# Seconds after its start at which each thing happens in a cell that is loaded for 10 s.
KNOWN = {
    "calling": 1.5,
    "deploying": 2.0,
    "ready": 5.0,
    "users": 5.5,
    "load_end": 15.5,
    "handed_in": 16.5,
    "gathering": 17.0,
    "gathered": 18.0,
    "judged": 18.25,
    "next": 18.5,
}
TASKS = {"Start": (0, 1.4), "Deploy": (1.5, 5.1), "Wait": (5.2, 16.5), "Gather": (17.0, 18.0), "Judge": (18.0, 18.25)}


@pytest.fixture
def recorded(tmp_path) -> Path:
    """A copy of the real run; its files are as old as they were."""
    run = Path(shutil.copytree(RECORDED, tmp_path / "20261122T180837Z-evolution"))
    for name, moment in json.loads((run / "times.json").read_text()).items():
        os.utime(run / name, (moment, moment))
    return run


def put(path: Path, value, modified: float | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    if modified is not None:
        os.utime(path, (modified, modified))


def known_cell(run: Path, number: int, offset: float = 0.0, search: dict | None = None, loaded: bool = True) -> Path:
    """An attempt that began at 1000 + 18.5 x number, as in the files of a host whose clock is ``offset`` ahead."""
    begin, folder = 1000 + KNOWN["next"] * number, run / f"cells/c{number}/attempt-1"
    host = begin + offset
    deploy = {"started_at": host + KNOWN["deploying"], "ready_at": host + KNOWN["ready"] if loaded else None}
    put(folder / "deploy.json", deploy, begin + 17.5)
    if loaded:
        timeline = {"spawn_started": host + KNOWN["users"], "window_end": host + KNOWN["load_end"]}
        put(folder / "locust/timeline.json", timeline)
        put(folder / "locust/capacity.json", search) if search else None
    clock = {"offset_seconds": offset, "bound_seconds": 0.001}
    put(folder / "clock.json", {"hosts": {"lab-api": clock, "lab-load": clock}})
    for group in ("api", "load"):
        samples = [{"t": t, "host": {"sampler_cpu_seconds": 0.1 + t / 50}} for t in (1.0, 11.0)]
        put(folder / f"samples-{group}-lab-{group}.jsonl", "\n".join(map(json.dumps, samples)) + "\n")
    tasks = [{"name": name, "started": begin + a, "seconds": b - a} for name, (a, b) in TASKS.items()]
    put(folder / "tasks.jsonl", "".join(json.dumps(task) + "\n" for task in tasks))
    put(folder / "trial.json", {"status": "valid" if loaded else "failed"}, begin + 18.2)
    return folder


def test_a_real_run_is_from_verdict_to_verdict(recorded):
    attempts = read_run(recorded)
    assert len(attempts) == 4
    assert [attempt.has_tasks for attempt in attempts] == [False] * 4
    assert attempts[0].other_seconds is None  # its begin is unknown
    for attempt in attempts[1:]:
        parts = [attempt.phase_seconds(phase) for phase in ("wait until ready", "load", "judge")]
        assert all(part > 0 for part in parts)
        assert attempt.phase_seconds("gap") is None
        whole = attempt.other_seconds + attempt.load_seconds
        assert sum(parts) < whole
        assert whole == pytest.approx(attempt.marks["judged"] - attempt.marks["start"])
    onnx = next(attempt for attempt in attempts if "variantonnx" in attempt.name)
    assert onnx.phase_seconds("wait until ready") == pytest.approx(4.2, abs=1)
    assert onnx.load_seconds == pytest.approx(20.1, abs=0.1)


@pytest.mark.parametrize("offset", [0.0, 3600.0])
def test_every_phase_is_found_and_they_add_up(tmp_path, offset):
    known_cell(tmp_path, 0, offset)
    known_cell(tmp_path, 1, offset)
    first, last = read_run(tmp_path)
    edges = {"start": 0.0, **KNOWN}
    for phase, (begin, end) in PHASES.items():
        assert first.phase_seconds(phase) == pytest.approx(edges[end] - edges[begin], abs=1e-6), phase
    assert first.other_seconds == pytest.approx(8.5)
    assert last.other_seconds is None  # nothing came after it
    assert first.sampler_percent == pytest.approx({"lab-api": 2.0, "lab-load": 2.0})


def test_a_search_is_load_for_as_long_as_it_loaded(tmp_path):
    for number in (0, 1):
        known_cell(tmp_path, number, search={"load_seconds": 7.0})
    first, _ = read_run(tmp_path)
    assert first.between_trials_seconds == pytest.approx(3.0)
    assert first.other_seconds == pytest.approx(11.5)


def test_a_cell_that_died_counts_as_what_comes_next_only(tmp_path):
    for number, loaded in enumerate([True, False, True]):
        known_cell(tmp_path, number, loaded=loaded)
    first, last = read_run(tmp_path)
    assert (first.name, last.name) == ("c0/attempt-1", "c2/attempt-1")
    assert first.other_seconds == pytest.approx(8.5)


def test_clocks_that_differ_a_little_give_no_negative_phase(tmp_path):
    folder = known_cell(tmp_path, 0)
    known_cell(tmp_path, 1)
    put(folder / "deploy.json", {"started_at": 1002.0, "ready_at": 1005.75}, 1017.5)
    first, _ = read_run(tmp_path)
    assert first.phase_seconds("connect") == 0
    assert first.other_seconds == pytest.approx(8.5 + 0.25)


def test_the_file_has_the_form_of_the_contract(recorded):
    more = [command.Row("plan_2000_cells", 1.0, "s", 5)]
    content, text = command.conclude(recorded, read_run(recorded), more)
    assert list(content["ratios"]) == ["seconds_per_cell"]
    assert 12 < content["ratios"]["seconds_per_cell"] < 45
    rows = {row["name"]: row for row in content["rows"]}
    assert set(PHASES) < set(rows)
    assert rows["wait until ready"]["of"] == 4
    assert rows["gap"]["value"] is None  # not measured is null, not zero
    assert content["targets"]["seconds_per_cell"] == {"at_most": 12, "met": False}
    assert content["targets"]["sampler"] == {"at_most": 2, "met": None}
    assert "were not kept" in text
    assert json.loads(json.dumps(content, allow_nan=False)) == content


def test_the_sampler_is_reported_by_host_and_bad_cells_give_a_warning(tmp_path):
    for number, loaded in enumerate([True, True, False]):
        known_cell(tmp_path, number, loaded=loaded)
    steps = [{"position": n, "cell_id": f"c{n}", "attempt": 1} for n in range(3)]
    config = {"replicas": 1, "cpus": 1, "memory_bytes": 1, "workers": 1}
    cells = [{"id": step["cell_id"], "config": config, "memory": "1b"} for step in steps]
    load = Load(users=1, spawn_rate=1).as_json()
    plan = {"schema": 1, "run_id": "x", "sweep": "x", "slo": {}, "load": load, "repeat": 1, "hosts": {}}
    put(tmp_path / "plan.json", plan | {"cells": cells, "steps": steps})
    content, text = command.conclude(tmp_path, read_run(tmp_path), [])
    assert content["targets"]["sampler_lab-api"] == {"at_most": 2, "met": True}
    assert content["ratios"] == {"seconds_per_cell": 8.5}
    assert "1 of 3 attempts are not valid" in text


def test_a_report_can_be_made_of_as_many_cells_as_wanted(recorded, tmp_path):
    large = command.multiply(recorded, 9, tmp_path / "large")
    arguments = [sys.executable, "-m", "swarmsweep", "report", str(large), "--reports-dir", str(large.parent)]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    cells = json.loads((large / "summary.json").read_text())["cells"]
    assert len({cell["id"] for cell in cells}) == 9
    assert {cell["status"] for cell in cells} == {"valid"}


def test_planning_is_timed_on_a_full_sweep(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "STARTS", 2)
    row = command.time_planning(tmp_path)
    assert len(row.more["starts"]) == command.STARTS
    assert len(list(tmp_path.glob("plan-*/*/plan.json"))) == command.STARTS
    (plan, *_) = tmp_path.glob("plan-0/*/plan.json")
    cells = json.loads(plan.read_text())["cells"]
    assert len(cells) == command.PLANNED_CELLS
    assert 0 < sum(bool(cell["infeasible_reason"]) for cell in cells) < len(cells)


def test_the_small_sweep_fits_a_small_host():
    plan = make_plan(parse_sweep(command.SWEEP.format(repeat=2, seconds=4).encode(), "x.yml"), HOSTS)
    assert [cell.infeasible_reason for cell in plan.cells] == [None] * 4
    assert len(plan.steps) == 8


@pytest.mark.parametrize("name", ["none", "20261122T180837Z-none"])
def test_a_run_that_is_not_there_is_refused(name):
    with pytest.raises(InputError, match="no such run folder"):
        command.main([name])


def test_a_run_that_says_nothing_is_refused(tmp_path):
    known_cell(tmp_path, 0)
    put(tmp_path / "plan.json", {})
    with pytest.raises(LabError, match="no two consecutive cells"):
        command.main([str(tmp_path)])


@pytest.mark.parametrize("option", [("--repeat", "0"), ("--seconds", "1.5")])
def test_bad_options_are_refused(option, capsys):
    with pytest.raises(SystemExit):
        command.parse(option)
    assert option[1] in capsys.readouterr().err
