"""Names that no scenario may have, and which scenarios a sweep tries before it deploys anything."""

import re
from pathlib import Path

import pytest
import yaml

from swarmsweep.cli import main
from swarmsweep.errors import InputError
from swarmsweep.sweep.scenarios import Scenario, check_folder, scenarios_of
from swarmsweep.sweep.sweep_file import load_sweep

ROOT = Path(__file__).parents[3]
SWEEP = """\
name: mine
slo: {p95_ms: 500}
load: {users: 50, warmup_seconds: 5, locustfile: mine.py, cases: [{when: {replicas: 2}, wait_seconds: [1, 2]}]}
matrix: {replicas: [1, 2], cpus: [1], memory: [600M], workers: [1], locustfile: [mine.py, yours.py]}
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    """locustfiles/ with two scenarios, beside sweeps/ with a sweep of both."""
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps/mine.yml").write_text(SWEEP)
    folder = tmp_path / "locustfiles"
    folder.mkdir()
    for name in ("mine.py", "yours.py"):
        (folder / name).write_text("\n")
    return folder


# Of Python, of what Locust needs, and of the load host's programs.
HIDING = ["io.py", "json.py", "locust.py", "gevent.py", "requests.py", "recorder.py", "loadgen.py", "search.py"]


def refusal(folder) -> str:
    """The message about the sweep beside that folder."""
    with pytest.raises(InputError) as refused:
        load_sweep(folder.parent / "sweeps/mine.yml")
    return str(refused.value)


def refused_names(folder: Path) -> list[str]:
    """Names of the files in a folder of scenarios that no scenario may have."""
    try:
        check_folder(folder)
    except InputError as error:
        return sorted(line.split()[0].removeprefix("locustfiles/") for line in str(error).splitlines())
    return []


@pytest.mark.parametrize("name", HIDING)
def test_a_name_that_hides_a_module_is_refused_whether_a_sweep_names_it_or_not(folder, name):
    (folder / name).write_text("\n")
    message = refusal(folder)
    assert message.startswith(f"locustfiles/{name} ")
    assert message.endswith(f" mv locustfiles/{name} locustfiles/my_{name}")


def test_the_messages_about_names(folder, golden):
    messages = {}
    for name in HIDING:
        (folder / name).write_text("\n")
        messages[name] = refusal(folder)
        (folder / name).unlink()
    (folder / "x.py").mkdir()
    (folder / "gone.py").symlink_to(folder / "nowhere")
    golden("scenario_names.yml", messages | {"a folder, a broken link": refusal(folder)})


@pytest.mark.parametrize(
    "name",
    [
        "locustfile.py",
        "predict_open.py",
        "test_mine.py",
        "my_io.py",
        "__init__.py",
        "io.txt",
        "master.py",
        "common.py",
    ],
)
def test_other_names_are_free(folder, name):
    (folder / name).write_text("\n")
    assert refused_names(folder) == []


@pytest.mark.parametrize(("name", "refused"), [("requests", True), ("search", True), ("common", False)])
def test_a_package_that_hides_a_module_is_refused(folder, name, refused):
    (folder / name).mkdir()
    (folder / name / "__init__.py").touch()
    assert refused_names(folder) == ([name] if refused else [])


@pytest.mark.parametrize(("name", "refused"), [("json", False), ("requests", False), ("loadgen", True)])
def test_a_folder_of_data_hides_only_a_package_of_the_load_host(folder, name, refused):
    (folder / name).mkdir()
    (folder / name / "rows.csv").touch()
    assert refused_names(folder) == ([name] if refused else [])


def test_what_is_no_file_is_refused_with_its_kind(folder):
    (folder / "x.py").mkdir()
    (folder / "gone.py").symlink_to(folder / "nowhere")
    (folder / "linked.py").symlink_to(folder / "mine.py")
    assert refused_names(folder) == ["gone.py", "x.py"]


def test_the_plan_refuses_it_too_and_touches_no_host(folder, capsys):
    (folder / "io.py").write_text("\n")
    assert main(["plan", str(folder.parent / "sweeps/mine.yml")]) == 2
    assert "mv locustfiles/io.py locustfiles/my_io.py" in capsys.readouterr().err


def test_a_mistake_in_the_sweep_file_comes_first(folder):
    (folder / "io.py").write_text("\n")
    (folder.parent / "sweeps/mine.yml").write_text(SWEEP.replace("yours.py", "theirs.py"))
    with pytest.raises(InputError, match=re.escape("'theirs.py' is not in locustfiles/")):
        load_sweep(folder.parent / "sweeps/mine.yml")


def test_the_shipped_scenarios_have_names_of_their_own():
    assert list((ROOT / "locustfiles").glob("*.py"))
    assert refused_names(ROOT / "locustfiles") == []


def test_each_scenario_is_tried_once_for_each_think_time(folder):
    sweep = load_sweep(folder.parent / "sweeps/mine.yml")
    scenarios = scenarios_of(sweep.load_of(cell).as_json() for cell in sweep.cells)
    assert [(one.locustfile, one.mode, one.env.get("LOCUST_WAIT_MAX_SECONDS")) for one in scenarios] == [
        ("mine.py", "fixed", None),
        ("yours.py", "fixed", None),
        ("mine.py", "fixed", "2"),
        ("yours.py", "fixed", "2"),
    ]


def test_a_scenario_is_tried_with_the_environment_of_its_load():
    role = yaml.safe_load((ROOT / "roles/bench_cell/vars/main.yml").read_text())
    load = {"mode": "fixed", "warmup_seconds": 5, "measure_seconds": 10, "wait_seconds": [0, 0.5], "locustfile": "a.py"}
    (scenario,) = scenarios_of([load, load | {"warmup_seconds": 7}])
    (own,) = scenarios_of([load | {"wait_seconds": None}])
    # No response is compared while a scenario is only loaded.
    assert own.env.keys() | {"SWEEP_SAME_ANSWERS"} == role["__bench_cell_seconds"].keys()
    assert scenario.env.keys() == own.env.keys() | role["__bench_cell_think_time"].keys()
    assert scenario.env["LOCUST_WAIT_MAX_SECONDS"] == "0.5"
    by_arrivals = {"mode": "capacity", "locustfile": "predict.py", "by": "arrivals"}
    kinds = [one.mode for one in scenarios_of([by_arrivals, by_arrivals | {"by": "users", "wait_seconds": None}])]
    assert kinds == ["arrivals", "fixed"]
    (search,) = scenarios_of([{"mode": "capacity", "locustfile": "a_open.py"}])
    assert search == Scenario(locustfile="a_open.py", mode="capacity", env={})
