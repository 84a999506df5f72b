"""The action `sweep`: the steps that it returns to the play, in the first pass, for retries and in a resumed run."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from pathlib import Path

import pytest

from swarmsweep import measure_attempt, read_plan
from swarmsweep.errors import LabError
from swarmsweep.results.manifest import commands_of, resumes_of
from swarmsweep.units import format_seconds

ROOT = Path(__file__).parents[2]
HOSTS = {"api": [{"name": "lab-api", "cpus": 1, "memory_bytes": 4 * 1024**3}], "load": []}
FIXED = "{users: 40, spawn_rate: 40, warmup_seconds: 1.5, measure_seconds: 10}"
CAPACITY = "{mode: capacity, profile: smoke}"
SWEEP = """\
name: toy
slo: {{p95_ms: 100}}
load: {load}
matrix: {{replicas: [1], cpus: [0.1, 0.2, 0.3, 0.4], memory: [256M], workers: [1]}}
"""


@pytest.fixture
def action():
    """The action, without Ansible around it."""
    spec = importlib.util.spec_from_file_location("sweep_action", ROOT / "plugins/action/sweep.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return object.__new__(module.ActionModule)


@pytest.fixture
def plan(action, tmp_path):
    """Run plan(load=..., resume=...) as the play does: what the check returned is passed on as JSON."""

    def ask(load=FIXED, **resumed):
        (tmp_path / "toy.yml").write_text(SWEEP.format(load=load))
        reports = str(tmp_path / "reports")
        given = {key: resumed[key] for key in ("path", "resume") if key in resumed} or {
            "path": str(tmp_path / "toy.yml")
        }
        checked = json.loads(json.dumps(action.do_check(reports=reports, **given)))
        lab = {"hosts": HOSTS, "colocated": False, "manifest": {"images": {"api": "i:1"}}, "environment": {"A": "1"}}
        lab |= {key: resumed.pop(key) for key in lab if key in resumed}
        resumed.pop("path", None)
        more = {"sweep": checked["sweep"], "differences": checked["differences"], **resumed}
        return action.do_plan(reports=reports, environment_key=str(tmp_path / "key"), seed="7", **lab, **more)

    return ask


def assess(step, status, **files):
    folder = Path(step["folder"])
    folder.mkdir(parents=True)
    for name, content in {"trial": {"status": status, "reason": "why"}, **files}.items():
        (folder / f"{name}.json").write_text(json.dumps(content))


def names(steps):
    return [step["cell_id"] for step in steps]


# This is before the scenarios are loaded on the load hosts, and before the manifest stores the command.
def test_a_run_whose_load_left_the_lab_is_refused_by_each_step_that_takes_it_up(action, plan, tmp_path):
    begun = plan()
    locust = Path(begun["steps"][0]["folder"]) / "locust"
    locust.mkdir(parents=True)
    (locust / "worker-lab-load-0.json").write_text(json.dumps({"left_lab": {"http://example.com:80": 7}}))
    taken_up = {"reports": str(tmp_path / "reports"), "resume": Path(begun["run"]).name}
    with pytest.raises(LabError, match="cannot be resumed"):
        action.do_check(**taken_up)
    with pytest.raises(LabError, match="cannot be resumed"):
        plan(resume=taken_up["resume"])


@pytest.mark.parametrize(("load", "seconds", "mode"), [(FIXED, 16, "fixed"), (CAPACITY, 60, "capacity")])
def test_a_step_has_all_that_the_role_needs(plan, load, seconds, mode):
    told = plan(load)
    assert told["slo"] == {"p95_ms": 100, "max_failure_percent": 1}
    assert len(told["steps"]) == 4
    for position, step in enumerate(told["steps"], start=1):
        assert (step["position"], step["of"], step["attempt"], step["block"]) == (position, 4, 1, 1)
        assert (step["load_seconds"], step["load"]["mode"]) == (seconds, mode)
        assert 0 <= step["seed"] < 2**31
        assert step["folder"] == f"{told['run']}/cells/{step['cell_id']}/attempt-1"
        assert step["config"]["replicas"] == 1


def test_the_sweep_that_was_checked_is_planned_whatever_happens_to_its_file(action, tmp_path):
    path = tmp_path / "toy.yml"
    path.write_text(SWEEP.format(load=FIXED))
    checked = action.do_check(str(path))
    path.unlink()
    lab = {"manifest": {}, "environment": {}, "environment_key": str(tmp_path / "key")}
    made = action.do_plan(HOSTS, str(tmp_path), colocated=False, sweep=checked["sweep"], **lab)
    assert {step["load"]["users"] for step in made["steps"]} == {40}
    stored = json.loads((Path(made["run"]) / "plan.json").read_text())
    assert (stored["sweep_file"], stored["sweep_sha256"]) == (str(path), checked["sweep"]["sha256"])


@pytest.fixture
def typed(monkeypatch):
    """The command line of a check, which names no inventory: that of ansible.cfg or ANSIBLE_INVENTORY is read."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["ansible-playbook", "playbooks/check.yml", "-Kv"])


def test_a_run_remembers_the_inventories_that_ansible_read_and_its_folder(plan, tmp_path, typed):
    inventories = [str(ROOT / "inventory/mine"), "h1,", "/srv/a=hunter2"]
    run = Path(plan(inventories=inventories)["run"])
    manifest = json.loads((run / "manifest.json").read_text())
    assert (manifest["inventories"], manifest["reports"]) == (
        ["inventory/mine", "h1,", "***"],
        str(tmp_path / "reports"),
    )
    commands = commands_of(run)
    assert commands.sweep("x.yml") == "LAB_INVENTORY=inventory/mine ./lab sweep x.yml -i h1, -i '***' -K"
    assert commands.reports == str(tmp_path / "reports")


def test_what_follows_a_check_names_the_inventory_that_ansible_read(action, plan, typed):
    run = Path(plan()["run"])
    cell_id = read_plan(run).cells[0].id
    folder = run / "cells" / cell_id / "attempt-1"
    folder.mkdir(parents=True)
    (folder / "deploy.json").write_text(json.dumps({"status": "failed", "reason": "it died", "reason_code": "crash"}))
    measure_attempt(run, cell_id, 1)
    shown = action.do_show_check(str(run), "120", "my sweep.yml", [str(ROOT / "inventory/mine")])
    assert shown["next"] == "LAB_INVENTORY=inventory/mine ./lab sweep 'my sweep.yml' -K"
    assert "  inventory       inventory/mine" in shown["lines"]
    assert not shown["deployed"]


@pytest.mark.parametrize("other", ["20261122T114512Z-quick", "", "../reports", None, 7, "toy.yml"])
def test_a_run_that_is_unknown_is_refused_with_the_runs_that_there_are(action, plan, tmp_path, other):
    reports = tmp_path / "reports"
    with pytest.raises(LabError, match=r"holds no run yet. To start one, run: \./lab sweep"):
        action.do_check(reports=str(reports), resume=other or "")
    run = Path(plan()["run"]).name
    if other is not None:
        with pytest.raises(LabError, match=f"allowed: a run in {reports}: {run}.*/lab sweep -e resume={run}"):
            action.do_check(reports=str(reports), resume=other)


def test_nothing_is_retried_when_all_attempts_are_valid(action, plan):
    told = plan()
    for step in told["steps"]:
        assess(step, "valid")
    assert (action.do_retries(told["run"])["steps"], action.do_retries(told["run"])["announced"]) == ([], None)
    assert action.do_outcome(told["run"]) == {"outcome": None}


def test_invalid_attempts_are_retried(action, plan):
    told = plan()
    for step, status in zip(told["steps"], ["invalid", "valid", "failed", "invalid"], strict=True):
        assess(step, status)
    second = action.do_retries(told["run"])
    assert sorted(names(second["steps"])) == sorted(names([told["steps"][0], told["steps"][3]]))
    assert [(step["position"], step["of"], step["again"]) for step in second["steps"]] == [(1, 2, True), (2, 2, True)]
    assert second["seconds"] == told["seconds"] / 2
    assert told["duration"] == format_seconds(told["seconds"])
    shown = format_seconds(second["seconds"])
    assert second["announced"] == f"invalid attempts that are retried: 2, in about {shown}"
    # The same load with the same seed.
    first = {step["cell_id"]: step for step in told["steps"]}
    for step in second["steps"]:
        same = ("seed", "block", "load", "load_seconds", "config", "folder")
        assert {key: step[key] for key in same} == {key: first[step["cell_id"]][key] for key in same}
        action.do_set_aside(told["run"], step["cell_id"], str(step["attempt"]))
        assess(step, "valid")
    assert action.do_retries(told["run"])["steps"] == []
    assert action.do_outcome(told["run"])["outcome"] == "invalid attempts that were retried: 2. Now: 2 valid"


def test_a_run_that_is_taken_up_goes_on_where_it_was(action, plan):
    told = plan()
    run = Path(told["run"])
    for step in told["steps"][:3]:
        assess(step, "invalid")
    # In the middle of the first pass: the fourth step, then all retries.
    assert names(plan(resume=run.name)["steps"]) == names(told["steps"][3:])
    assess(told["steps"][3], "valid")
    order = action.do_retries(told["run"])["steps"]
    assert len(order) == 3
    # In the middle of the retries: nothing of the first pass, and the rest of the retries in their order.
    action.do_set_aside(told["run"], order[0]["cell_id"], 1)
    assess(order[0], "valid")
    action.do_set_aside(told["run"], order[1]["cell_id"], 1)
    Path(order[1]["folder"]).mkdir()
    assert plan(resume=run.name)["steps"] == []
    assert names(action.do_retries(told["run"])["steps"]) == names(order[1:])


def test_what_the_bench_broke_is_invalid_with_its_reason(action, plan):
    told = plan()
    step = told["steps"][0]
    said = action.do_harness_failure(told["run"], step["cell_id"], "1", "the host was lost")
    assert said["status"] == "invalid"
    assert "the host was lost" in said["sentence"]
    assert names(action.do_retries(told["run"])["steps"]) == [step["cell_id"]]


@pytest.mark.parametrize(
    ("load", "scenario", "env"),
    [
        (FIXED, {"locustfile": "predict.py", "mode": "fixed"}, {"SWEEP_WARMUP_SECONDS": "1.5"}),
        (CAPACITY, {"locustfile": "predict_open.py", "mode": "capacity"}, {}),
    ],
)
def test_the_scenarios_to_try_are_those_of_the_sweep_or_of_the_run_taken_up(
    action, plan, tmp_path, load, scenario, env
):
    run = Path(plan(load)["run"])
    (asked,) = action.do_check(str(tmp_path / "toy.yml"))["scenarios"]
    assert scenario.items() <= asked.items()
    assert env.items() <= asked["env"].items()
    # A resumed run reads no sweep file.
    (tmp_path / "toy.yml").unlink()
    assert action.do_check(reports=str(tmp_path / "reports"), resume=run.name)["scenarios"] == [asked]


def test_the_images_to_look_for_are_those_of_the_cells(action, tmp_path):
    path, reports = tmp_path / "toy.yml", str(tmp_path / "reports")
    path.write_text(SWEEP.format(load=FIXED))
    assert action.do_check(str(path))["images"] == []
    path.write_text(
        SWEEP.format(load=FIXED).replace("cpus: [0.1, 0.2, 0.3, 0.4]", "cpus: [0.1, 0.2], image: [kit:2, kit]")
    )
    checked = action.do_check(str(path))
    assert checked["images"] == ["kit:2", "kit"]
    lab = {"manifest": {"images": {}}, "environment": {}, "environment_key": str(tmp_path / "key")}
    planned = action.do_plan(HOSTS, reports, colocated=False, sweep=checked["sweep"], **lab)
    run = Path(planned["run"]).name
    assert sorted(action.do_check(reports=reports, resume=run)["images"]) == ["kit", "kit:2"]


def test_a_scenario_that_cannot_run_ends_here(action, tmp_path):
    good = {"locustfile": "predict.py", "problem": None, "users": ["PredictUser"]}
    printed = {"lab-load": ["unchanged", "numpy==2.3.1"]}
    accepted = action.do_refuse_scenarios({"lab-load": [good]}, str(tmp_path), printed)
    assert accepted == {"packages": {"numpy": "2.3.1"}}
    with pytest.raises(LabError, match=r"locustfiles/mine\.py: It holds no user class"):
        bad = {"locustfile": "mine.py", "problem": "no_user"}
        action.do_refuse_scenarios({"lab-load": [good, bad]}, str(tmp_path), printed)
    with pytest.raises(LabError, match=r"numpy \(lab-load has 2\.3\.1, other has none\)"):
        action.do_refuse_scenarios({"lab-load": [good]}, str(tmp_path), printed | {"other": []})


def test_a_run_that_is_taken_up_loses_what_an_earlier_version_kept_of_its_command(plan):
    run = Path(plan()["run"])
    manifest = json.loads((run / "manifest.json").read_text())
    old = "ansible-playbook sweep.yml -e sweep=sweeps/quick.yml -e DB_PASS=hunter2 -u me"
    (run / "manifest.json").write_text(json.dumps({**manifest, "commands": [old, 7]}))
    plan(resume=run.name)
    commands = json.loads((run / "manifest.json").read_text())["commands"]
    assert commands[:-1] == ["ansible-playbook sweep.yml -e sweep=sweeps/quick.yml -e 'DB_PASS=***' -u '***'", "***"]
    assert len(commands) == 3


@pytest.mark.parametrize("key", ["commands", "resumed"])
def test_a_damaged_list_of_the_manifest_does_not_end_a_resume(plan, key):
    run = Path(plan()["run"])
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps(manifest | {key: 7}))
    assert len(plan(resume=run.name)["steps"]) == 4
    assert len(json.loads((run / "manifest.json").read_text())[key]) == 1


def test_a_resume_with_the_same_sweep_file_goes_on(action, plan, tmp_path):
    run = Path(plan()["run"])
    assert len(plan(resume=run.name, path=str(tmp_path / "toy.yml"))["steps"]) == 4
    (resumed,) = resumes_of(run)
    assert resumed.differences == []


def test_a_resume_with_a_sweep_file_of_other_content_is_refused_with_the_difference(action, plan, tmp_path):
    run = Path(plan()["run"])
    before = (run / "manifest.json").read_bytes()
    with pytest.raises(LabError, match=r"toy: .*\n- load\.users: planned 40, now 41\n") as refused:
        plan(load=FIXED.replace("users: 40", "users: 41"), resume=run.name, path=str(tmp_path / "toy.yml"))
    assert f"Or start a new run: ./lab sweep {tmp_path}/toy.yml" in str(refused.value)
    with pytest.raises(LabError, match="- seed: planned 7, now 8"):
        action.do_check(reports=str(tmp_path / "reports"), resume=run.name, seed="8")
    assert (run / "manifest.json").read_bytes() == before


def test_another_slo_of_users_is_noted_and_the_run_goes_on_as_planned(action, plan, tmp_path):
    run = Path(plan()["run"])
    path = tmp_path / "other.yml"
    path.write_text(SWEEP.format(load=FIXED).replace("p95_ms: 100", "p95_ms: 50"))
    made = plan(resume=run.name, path=str(path))
    assert made["slo"] == {"p95_ms": 100, "max_failure_percent": 1}
    (resumed,) = resumes_of(run)
    assert [one.sentence() for one in resumed.differences] == ["slo.p95_ms: planned 100, now 50"]


LAB_CHANGES = {
    "a machine": (
        {"hosts": {"api": [HOSTS["api"][0] | {"cpus": 2}], "load": []}},
        "cpus of host lab-api: planned 1, now 2",
    ),
    "an image": ({"manifest": {"images": {"api": "i:2"}}}, "image of api: planned i:1, now i:2"),
    "a variable": ({"environment": {"A": "2"}}, "variable A of lab_api_env: planned one value, now another value"),
}


@pytest.mark.parametrize(("change", "words"), LAB_CHANGES.values(), ids=LAB_CHANGES)
def test_a_resume_in_a_lab_that_changed_is_refused_and_changes_nothing(plan, change, words):
    run = Path(plan()["run"])
    (run / "cells/r1-c0.1-m256M-w1/attempt-1").mkdir(parents=True)
    before = {path: path.is_file() and path.read_bytes() for path in run.rglob("*")}
    with pytest.raises(LabError, match=words):
        plan(resume=run.name, **change)
    assert {path: path.is_file() and path.read_bytes() for path in run.rglob("*")} == before


@pytest.mark.parametrize("changed", [False, True])
def test_a_cell_whose_row_was_not_written_is_completed_without_a_load(action, plan, changed):
    made = plan()
    for step in made["steps"]:
        action.do_harness_failure(made["run"], step["cell_id"], "1", "the host was lost")
        folder = Path(step["folder"])
        (folder / "harness.json").unlink()
        (folder.parent / "cell.json").unlink()
    run = Path(made["run"]).name
    if changed:
        # Other images cannot change what is measured already.
        with pytest.raises(LabError, match=f"Their report: ./lab report {run}"):
            plan(resume=run, manifest={"images": {"api": "i:2"}})
    else:
        assert plan(resume=run)["steps"] == []
    assert len(list(Path(made["run"]).glob("cells/*/cell.json"))) == 4


def test_an_image_that_decides_takes_one_value_of_workers(action, plan, tmp_path):
    (tmp_path / "two.yml").write_text(SWEEP.format(load=FIXED).replace("workers: [1]", "workers: [1, 2]"))
    with pytest.raises(LabError, match=r"two\.yml: workers has the values 1 and 2, but lab_api_workers_env is empty"):
        action.do_check(str(tmp_path / "two.yml"), workers_env="")
    assert len(action.do_check(str(tmp_path / "two.yml"), workers_env="WEB_CONCURRENCY")["sweep"]["cells"]) == 8
    run = Path(plan()["run"])
    for given in ({"path": str(tmp_path / "toy.yml")}, {"reports": str(run.parent), "resume": run.name}):
        assert action.do_check(**given, workers_env="")["scenarios"]


def test_only_the_cells_that_match_are_measured_and_the_rest_when_the_run_is_resumed(plan):
    begun = plan(only="*-c0.[12]-*")
    assert sorted(names(begun["steps"])) == ["r1-c0.1-m256M-w1", "r1-c0.2-m256M-w1"]
    assert [(step["position"], step["of"]) for step in begun["steps"]] == [(1, 2), (2, 2)]
    assert begun["deadline_seconds"] is None
    for step in begun["steps"]:
        assess(step, "valid")
    run = Path(begun["run"])
    assert len(json.loads((run / "plan.json").read_text())["steps"]) == 4
    rest = plan(resume=run.name)
    assert sorted(names(rest["steps"])) == ["r1-c0.3-m256M-w1", "r1-c0.4-m256M-w1"]
    assert not (run / "part.json").exists()


def test_retries_are_those_of_the_cells_that_match(action, plan):
    begun = plan()
    for step in begun["steps"]:
        assess(step, "invalid")
    again = plan(resume=Path(begun["run"]).name, only="r1-c0.1-*")
    assert again["steps"] == []
    assert names(action.do_retries(begun["run"])["steps"]) == ["r1-c0.1-m256M-w1"]


def test_minutes_give_a_deadline_and_the_seconds_of_what_can_begin(plan):
    whole = plan()
    (step, *_) = whole["steps"]
    minutes = 2.5 * step["expected_seconds"] / 60
    before = time.monotonic()
    begun = plan(max_minutes=str(minutes), resume=Path(whole["run"]).name)
    assert before <= begun["deadline_seconds"] - 60 * minutes <= time.monotonic()
    # Whether a step begins is decided when its turn comes.
    assert (len(begun["steps"]), begun["attempts"]) == (4, "2 of 4 in time")
    assert begun["seconds"] == pytest.approx(2 * step["expected_seconds"])


@pytest.mark.parametrize(
    ("steps_left", "announced"),
    [(0.5, "invalid attempts: 4. No retry"), (2.5, "invalid attempts that are retried: 2 of 4"), (9, "retried: 4, in")],
)
def test_retries_are_announced_as_far_as_the_deadline_allows(action, plan, steps_left, announced):
    begun = plan(max_minutes=600)
    for step in begun["steps"]:
        assess(step, "invalid")
    left_seconds = steps_left * begun["steps"][0]["expected_seconds"]
    found = action.do_retries(begun["run"], deadline_seconds=time.monotonic() + left_seconds)
    # Whether one begins is decided when its turn comes.
    assert len(found["steps"]) == 4
    assert announced in found["announced"]
    assert ("within --max-minutes 600" in found["announced"]) == (steps_left < 4)


@pytest.mark.parametrize("resumed", [False, True])
@pytest.mark.parametrize(
    ("given", "words"), [({"only": "r9-*"}, "r1-c0.1-m256M-w1"), ({"max_minutes": "x"}, "above 0")]
)
def test_a_part_that_cannot_be_measured_is_refused_at_the_check(action, plan, tmp_path, resumed, given, words):
    begun = Path(plan()["run"]).name
    where = {"reports": str(tmp_path / "reports"), "resume": begun} if resumed else {"path": str(tmp_path / "toy.yml")}
    with pytest.raises(LabError, match=words):
        action.do_check(**where, **given)


def test_minutes_for_no_step_leave_no_run(plan, tmp_path):
    with pytest.raises(LabError, match="so no step could begin"):
        plan(max_minutes=0.01)
    assert not list(tmp_path.glob("reports/*"))


def test_the_end_says_what_the_command_left_out(action, plan):
    begun = plan(max_minutes=60, only="*-c0.[12]-*")
    (first, *_) = begun["steps"]
    assess(first, "valid")
    said = action.do_outcome(begun["run"])["outcome"]
    assert "2 attempts of cells that do not match" in said and "1 attempt that could not end within" in said


INVENTORY = {"lab_api_replicas": 1, "lab_api_cpus": "0.5", "lab_api_memory": "512M", "lab_api_workers": 3}
EUR = {"cpu_hour": 0.04, "gib_hour": 0.0045, "currency": "EUR"}


@pytest.fixture
def begun(action, tmp_path):
    """Check a sweep with the settings of an inventory, and plan it, as the play does; return the stored plan."""

    def begin(**settings):
        (tmp_path / "toy.yml").write_text(SWEEP.format(load=FIXED))
        given = {"workers_env": "WEB_CONCURRENCY", "baseline": INVENTORY, "prices": EUR} | settings
        checked = json.loads(json.dumps(action.do_check(str(tmp_path / "toy.yml"), **given)))
        more = {key: checked[key] for key in ("sweep", "baseline", "prices")}
        lab = {"manifest": {}, "environment": {}, "environment_key": str(tmp_path / "key"), "colocated": False}
        made = action.do_plan(HOSTS, str(tmp_path / "reports"), seed="7", **lab, **more)
        return Path(made["run"]), json.loads((Path(made["run"]) / "plan.json").read_text())

    return begin


@pytest.mark.parametrize(
    ("settings", "baseline"),
    [
        ({}, "r1-c0.5-m512M-w3"),
        ({"workers_env": ""}, "r1-c0.5-m512M-w1"),
        ({"baseline": INVENTORY | {"lab_api_memory": None}}, None),
        ({"baseline": None}, None),
        ({"one_user": True}, None),
    ],
)
def test_the_plan_has_the_configuration_of_the_inventory_and_the_prices(begun, settings, baseline):
    _, stored = begun(**settings)
    assert stored.get("baseline", {}).get("cell_id") == baseline
    assert len(stored["cells"]) == (1 if settings.get("one_user") else 4 + (baseline is not None))
    assert stored["prices"] == EUR | {"host_hour": 0}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"prices": {"cpu_hour": -1}}, "lab_prices.cpu_hour is -1"),
        ({"baseline": INVENTORY | {"lab_api_cpus": "x"}}, "lab_api_cpus is 'x'"),
    ],
)
def test_a_mistake_in_these_settings_is_refused_before_a_host_is_touched(action, tmp_path, settings, said):
    (tmp_path / "toy.yml").write_text(SWEEP.format(load=FIXED))
    given = {"workers_env": "A", "baseline": INVENTORY, "prices": EUR} | settings
    with pytest.raises(LabError, match=said):
        action.do_check(str(tmp_path / "toy.yml"), **given)
    cells = "cells: [{replicas: 1, cpus: 0.1, memory: 256M, workers: 1}]\n"
    (tmp_path / "toy.yml").write_text(SWEEP.format(load=FIXED).partition("matrix")[0] + cells)
    if "prices" not in settings:
        # Without a baseline, these settings are of no use to the sweep.
        assert action.do_check(str(tmp_path / "toy.yml"), **given)["baseline"] is None


def test_other_prices_are_noted_and_the_run_goes_on_as_planned(action, begun, tmp_path):
    run, _ = begun()
    found = action.do_check(reports=str(tmp_path / "reports"), resume=run.name, prices={})
    (difference,) = found["differences"]
    assert (difference["name"], difference["now"]) == ("lab_prices", "not set")
    lab = {"manifest": {}, "environment": {}, "environment_key": str(tmp_path / "key"), "colocated": False}
    again = action.do_plan(HOSTS, str(tmp_path / "reports"), resume=run.name, differences=[difference], **lab)
    assert len(again["steps"]) == 5
    (resumed,) = resumes_of(run)
    assert [one.name for one in resumed.differences] == ["lab_prices"]
    assert json.loads((run / "plan.json").read_text())["prices"] == EUR | {"host_hour": 0}


# HAProxy would get settings that the run cannot be measured with.
@pytest.mark.parametrize(
    ("api", "refused"),
    [
        ({"lab_api_port": 8000, "lab_api_ready_path": "/ready"}, None),
        ({"lab_api_port": 9000, "lab_api_ready_path": "/ready"}, "setting lab_api_port: planned 8000, now 9000"),
        # The run is of a version that did not record it. The plan decides.
        ({"lab_api_port": 8000, "lab_api_ready_host": "other"}, None),
    ],
)
def test_settings_of_haproxy_are_compared_with_those_of_a_run_to_resume(action, plan, tmp_path, api, refused):
    manifest = {"images": {}, "api": {"lab_api_port": 8000, "lab_api_ready_path": "/ready", "lab_api_user": ""}}
    begun = plan(manifest=manifest)
    given = {"reports": str(tmp_path / "reports"), "resume": Path(begun["run"]).name, "api": api}
    if refused is None:
        assert action.do_refuse_settings(**given) == {}
    else:
        with pytest.raises(LabError, match=refused):
            action.do_refuse_settings(**given)


def test_a_page_gets_the_load_of_the_first_cell_and_its_secrets(action, tmp_path):
    path = tmp_path / "toy.yml"
    path.write_text(SWEEP.format(load="{users: 40, workers: 2, secrets: {TOKEN: token.txt}}"))
    (tmp_path / "token.txt").write_text("hunter2")
    found = json.loads(json.dumps(action.do_page(str(ROOT / "locustfiles"), str(path), workers="4")))
    assert (found["workers"], found["minutes"]) == (4, None)
    assert found["secrets"] == [{"name": "TOKEN", "path": str(tmp_path / "token.txt")}]
    assert found["scenario"] == {"locustfile": "predict.py", "mode": "fixed", "env": {}}
    place = {"default": str(tmp_path / "none.yml"), "locustfiles": str(ROOT / "locustfiles")}
    loaded = {name: found[name] for name in ("load", "scenario", "secrets")}
    order = action.do_page_order(found, {"lab-load": None}, **place)
    assert order == {"begins": True, "workers": 4, "seconds": 7200} | loaded
    running = {"has_master": True, "workers": [0, 1], "locustfile": "predict.py", "env": {}}
    joined = action.do_page_order(found, {"lab-load": running}, **place)
    assert joined == {"begins": False, "workers": 4, "seconds": 0} | loaded


def test_the_default_sweep_is_read_only_where_a_page_begins(action, tmp_path):
    default = tmp_path / "default.yml"
    default.write_text(SWEEP.format(load="{users: 40, workers: 2}"))
    place = {"default": str(default), "locustfiles": str(ROOT / "locustfiles")}
    wanted = json.loads(json.dumps(action.do_page(str(ROOT / "locustfiles"), workers="4")))
    order = action.do_page_order(wanted, {"lab-load": None}, **place)
    assert (order["begins"], order["workers"], order["load"]["users"]) == (True, 4, 40)
    running = {"has_master": True, "workers": [0, 1], "locustfile": "mine.py", "env": {"A": "1"}}
    # A file that cannot be read ends no command that adds workers.
    default.write_text("no sweep")
    joined = action.do_page_order(wanted, {"lab-load": running}, **place)
    assert (joined["begins"], joined["workers"], joined["secrets"]) == (False, 4, [])
    assert (joined["load"]["locustfile"], joined["load"]["env"]) == ("mine.py", {"A": "1"})
    with pytest.raises(LabError):
        action.do_page_order(wanted, {"lab-load": None}, **place)
