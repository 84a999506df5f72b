"""The actions through Ansible itself, on this machine."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from swarmsweep.plan.plan import OTHER_SECONDS_PER_STEP
from swarmsweep.shared.hidden_text import encode

ROOT = Path(__file__).parents[2]
API = {"lab-api": "10.0.0.5", "lab-api2": "api.example.org", "lab-api6": "fd00::5"}


def load_action(name: str):
    """The module of an action, without Ansible around it."""
    spec = importlib.util.spec_from_file_location(f"{name}_action", ROOT / f"plugins/action/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


gather_folder = load_action("gather_folder")
CANARY = "canary-91d4"


def play(folder: Path, tasks: dict) -> dict:
    """Result of every task (module, arguments) by its name."""
    steps = [
        {"name": name, module: arguments, "ignore_errors": True, "register": f"step_{number}"}
        for number, (name, (module, arguments)) in enumerate(tasks.items())
    ]
    everything = ", ".join(f"'{name}': step_{number}" for number, name in enumerate(tasks))
    keep = {"dest": str(folder / "results.json"), "content": f"{{{{ {{{everything}}} | to_json }}}}"}
    own = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    playbook = [{"hosts": "localhost", "gather_facts": False, "tasks": [*steps, {"ansible.builtin.copy": keep}]}]
    api = {name: {"ansible_host": address} for name, address in API.items()}
    groups = {"api": {"hosts": api}, "load": {"hosts": {"lab-load": {"ansible_host": "10.0.0.6"}}}}
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": {"localhost": own}, "children": groups}}))
    (folder / "play.json").write_text(json.dumps(playbook))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    environment |= {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "ANSIBLE_REMOTE_TEMP": str(folder / "tmp"),
    }
    command = [sys.executable, "-m", "ansible", "playbook", "-i", str(folder / "hosts.json"), str(folder / "play.json"),
               "-e", "ansible_become_pass=hunter2", "-e", '{"seed": 7, "lab_api_env": {"A": "hunter2"}}']  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((folder / "results.json").read_text())


def make_odd(folder: Path) -> None:
    """Make what a scenario may leave in its working folder, beside a file."""
    (folder / "logs").mkdir(parents=True)
    (folder / "logs/run.log").write_text("a\n")
    (folder / "latest.log").symlink_to("logs/run.log")
    (folder / "logs/passwd").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe")
    # The later one of two names of a file, in the order in which tar finds them, is the link.
    os.link(folder / "logs/run.log", folder / "logs/run-again.log")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """(results, folder) of all tasks below."""
    folder = tmp_path_factory.mktemp("actions")
    (folder / "trial/locust").mkdir(parents=True)
    (folder / "trial/locust/stats.csv").write_text("a,b\n")
    make_odd(folder / "odd/locust")
    (folder / "lost/units").mkdir(parents=True)
    (folder / "lost/units/worker-0.log").write_text(f"token {CANARY}\n")
    (folder / "lost/service.log").write_text(f"GET /predict?token={CANARY}\n")
    (folder / "lost/odd.log").mkdir()
    files = {name: str(ROOT / f"sweeps/{name}.yml") for name in ("quick", "evolution")}
    plan = {
        "do": "plan",
        "sweep": "{{ step_0.sweep }}",
        "hosts": {"api": [{"name": "lab-api", "cpus": 2, "memory_bytes": 8 * 1024**3}], "load": []},
        "reports": str(folder / "reports"),
        "colocated": False,
        "manifest": {"images": {"api": "i:1"}},
        "environment": {"A": "hunter2"},
        "environment_key": f"{folder}/secrets/environment.key",
    }
    seeds = {value: ("sweep", {"do": "check", "path": files["quick"], "seed": value}) for value in ("7", "abc", "-1")}
    targets = {name: ("load_target", {"name": name}) for name in (*API, "lab-load", "example.org")}
    checks = {f"checked {name}": ("sweep", {"do": "check", "path": path}) for name, path in files.items()}
    tasks = {
        **checks,
        "gather": ("gather_folder", {"src": f"{folder}/trial/", "dest": f"{folder}/kept/attempt-1", "clock": "a"}),
        "gather again": ("gather_folder", {"src": f"{folder}/trial", "dest": f"{folder}/kept/attempt-1", "clock": "b"}),
        "gather nothing": ("gather_folder", {"src": f"{folder}/none", "dest": f"{folder}/none-kept"}),
        "gather odd": ("gather_folder", {"src": f"{folder}/odd", "dest": f"{folder}/odd-kept", "clock": "a"}),
        "gather lost": (
            "gather_folder",
            {"src": f"{folder}/lost", "dest": f"{folder}/lost-kept", "hidden": encode([CANARY.encode()])},
        ),
        "other address": ("load_target", {"name": "lab-api", "url_host": "10.0.0.6"}),
        "own address": ("load_target", {"name": "lab-api6", "url_host": "[fd00::5]"}),
        "clock": ("clock_offset", {}),
        "plan": ("sweep", plan | {"seed": "7"}),
        "plan abc": ("sweep", plan | {"seed": "abc", "reports": f"{folder}/other"}),
        "resume": ("sweep", plan | {"sweep": None, "resume": "{{ step_10.run | basename }}"}),
        "plan evolution": (
            "sweep",
            plan | {"sweep": "{{ step_1.sweep }}", "reports": f"{folder}/evolution"},
        ),
        **{f"check {value}": task for value, task in seeds.items()},
        **{f"target {name}": task for name, task in targets.items()},
    }
    assert [list(tasks)[number] for number in (0, 1, 10)] == [*checks, "plan"]
    return play(folder, tasks), folder


def test_a_folder_arrives_whole_and_nothing_stays_beside_it(lab):
    found, folder = lab
    assert found["gather"]["failed"] is False
    assert (folder / "kept/attempt-1/locust/stats.csv").read_text() == "a,b\n"
    # A new archive does not contain the previous one.
    assert {path.name for path in (folder / "kept/attempt-1").iterdir()} == {"locust", "clock.json"}


def test_gathered_logs_have_no_secret(lab):
    found, folder = lab
    assert found["gather lost"]["failed"] is False, found["gather lost"]
    logs = [path for path in (folder / "lost-kept").rglob("*.log") if path.is_file()]
    assert {path.name: path.read_text() for path in logs} == {
        "worker-0.log": "token ***\n",
        "service.log": "GET /predict?token=***\n",
    }
    assert CANARY not in json.dumps(found)


def test_what_is_no_file_stays_behind_and_is_named(lab):
    found, folder = lab
    assert found["gather odd"]["failed"] is False, found["gather odd"]
    kept = folder / "odd-kept"
    logs = [kept / "locust/logs/run.log", kept / "locust/logs/run-again.log"]
    assert [path.read_text() for path in logs if path.exists()] == ["a\n"]
    files = [path for path in kept.rglob("*") if not path.is_dir() or path.is_symlink()]
    assert len(files) == 3
    assert all(path.is_file() and not path.is_symlink() for path in files)
    noted = json.loads((kept / "not-gathered.json").read_text())
    assert noted["schema"] == 1
    assert noted["hosts"]["a"] == found["gather odd"]["not_gathered"]
    members = noted["hosts"]["a"]["members"]
    assert noted["hosts"]["a"]["count"] == len(members) == 4
    assert {"locust/latest.log (symbolic link)", "locust/logs/passwd (symbolic link)", "locust/pipe (pipe)"} < {
        *members
    }
    assert sum("(hard link)" in member for member in members) == 1


# An archive that tar never makes of a folder.
@pytest.mark.parametrize("name", ["/tmp/a", "../a", "locust/../../a"])
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.SYMTYPE])
def test_a_member_outside_the_folder_is_refused(tmp_path, name, kind):
    archive, dest = tmp_path / "a.tar", tmp_path / "kept"
    with tarfile.open(archive, "w") as content:
        member = tarfile.TarInfo(name)
        member.type = kind
        content.addfile(member)
    with pytest.raises(tarfile.TarError, match="is outside the requested folder"):
        gather_folder.unpack(archive, dest)
    assert not dest.exists()


def test_many_odd_members_are_counted_and_a_name_may_be_no_text(tmp_path):
    for number in range(30):
        (tmp_path / os.fsdecode(b"%02d-\xff" % number)).symlink_to("nowhere")
    with tarfile.open(tmp_path / "a.tar", "w") as content:
        for path in sorted(tmp_path.glob("*-*")):
            content.add(path, path.name)
    left = gather_folder.unpack(tmp_path / "a.tar", tmp_path / "kept")
    assert (left["count"], len(left["members"])) == (30, 20)
    assert left["members"][0] == "00-\\udcff (symbolic link)"


# Both clocks are this machine's.
def test_gathering_returns_the_clock_offset(lab):
    found, folder = lab
    written = json.loads((folder / "kept/attempt-1/clock.json").read_text())
    assert written["schema"] == 1
    assert set(written["hosts"]) == {"a", "b"}
    for name, task in (("a", "gather"), ("b", "gather again")):
        clock = written["hosts"][name]
        assert clock == {key: found[task][key] for key in ("offset_seconds", "bound_seconds")}
        assert abs(clock["offset_seconds"]) <= clock["bound_seconds"] + 1e-6


@pytest.mark.parametrize(
    ("before", "said", "after", "offset", "bound"),
    [
        # Half a second for each way, and 7 s of packing, which is not part of the round trip.
        (100.0, "100.5\n107.5\n", 108.0, 0.0, 0.5),
        (100.0, "103.5\n110.5\n", 108.0, 3.0, 0.5),
        # All the time was spent on the way there, so the true offset is at the bound.
        (100.0, "101.0\n102.0\n", 102.0, 0.5, 0.5),
    ],
)
def test_packing_is_no_part_of_the_way(before, said, after, offset, bound):
    clock = gather_folder.clock_of(before, said, after)
    assert clock == pytest.approx({"offset_seconds": offset, "bound_seconds": bound})


@pytest.mark.parametrize("said", ["", "no date\n", "100.5\n", "1.0\n2.0\n3.0\n"])
def test_a_host_without_a_clock_has_none(said):
    assert gather_folder.clock_of(100.0, said, 108.0) is None


@pytest.mark.parametrize(
    ("name", "words"),
    [("gather nothing", "could not pack")],
)
def test_what_cannot_be_gathered_is_named_and_leaves_nothing(lab, name, words):
    found, folder = lab
    assert found[name]["failed"] is True
    assert words in found[name]["msg"]
    assert not list((folder / f"{name.split()[1]}-kept").glob("*"))


@pytest.mark.parametrize(
    ("name", "url_host"),
    [
        ("target lab-api", "10.0.0.5"),
        ("target lab-api2", "api.example.org"),
        ("target lab-api6", "[fd00::5]"),
        ("own address", "[fd00::5]"),
    ],
)
def test_an_api_host_may_be_loaded(lab, name, url_host):
    assert (lab[0][name]["failed"], lab[0][name].get("url_host")) == (False, url_host)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("target lab-load", "'lab-load' is not an API host of this inventory, so it gets no load. Allowed: lab-api"),
        ("target example.org", "'example.org' is not an API host"),
        ("other address", "'10.0.0.6' is not the address of 'lab-api', so it gets no load. Allowed: its ansible_host"),
    ],
)
def test_nothing_else_may_be_loaded(lab, name, words):
    assert lab[0][name]["failed"] is True
    assert words in lab[0][name]["msg"]


# Both clocks are this machine's.
def test_a_clock_is_read_within_its_bound(lab):
    clock = lab[0]["clock"]
    assert clock["failed"] is False
    assert abs(clock["offset_seconds"]) <= clock["bound_seconds"] + 1e-6


@pytest.mark.parametrize(
    ("name", "words"),
    [("check abc", "seed 'abc' is not valid"), ("check -1", "'-1'"), ("plan abc", "0 to 9223")],
)
def test_a_seed_is_checked_before_anything_is_made(lab, name, words):
    found, folder = lab
    assert found[name]["failed"] is True
    assert words in found[name]["msg"]
    assert not (folder / "other").exists()


def test_a_good_seed_passes(lab):
    assert (lab[0]["check 7"]["failed"], lab[0]["check 7"].get("msg")) == (False, None)


def test_a_run_remembers_its_commands_without_secrets(lab):
    found, _ = lab
    manifest = json.loads((Path(found["plan"]["run"]) / "manifest.json").read_text())
    assert len(manifest["commands"]) == 2
    kept = """-e 'ansible_become_pass=***' -e '{"seed": 7, "lab_api_env": {"A": "***"}}'"""
    assert all(command.endswith(kept) for command in manifest["commands"])
    assert (manifest["seed"], manifest["images"]) == (7, {"api": "i:1"})
    assert "hunter2" not in json.dumps(manifest)
    assert found["resume"]["run"] == found["plan"]["run"]
    assert found["plan"]["steps"] == found["resume"]["steps"]
    assert found["plan"]["seconds"] == found["resume"]["seconds"] == 7 * (21 + OTHER_SECONDS_PER_STEP)


def test_every_step_has_the_load_of_its_cell(lab):
    found, _ = lab
    loads = {(step["load"]["users"], step["load_seconds"]) for step in found["plan"]["steps"]}
    assert loads == {(40, 21)}
    steps = {step["cell_id"].partition("-w1-")[2]: step for step in found["plan evolution"]["steps"]}
    assert len(steps) == 11
    assert (steps["variantprints"]["load"]["users"], steps["variantonnx"]["load"]["users"]) == (2, 32)
    # Whole seconds, rounded up: the ramp of two users takes a fraction of one.
    assert (steps["variantprints"]["load_seconds"], steps["variantonnx"]["load_seconds"]) == (59, 24)
    assert steps["locustfileempty-variantonnx"]["load"]["locustfile"] == "empty.py"


CLOCKS = [
    ({"lab-api": {"offset_seconds": 0.0, "bound_seconds": 0.0}}, []),
    ({"lab-api": {}, "lab-load": {"skipped": True}}, []),
    (
        {"lab-api": {"failed": True, "msg": "gave no time"}},
        ["the clock of lab-api could not be read: gave no time. To see why, log in to lab-api"],
    ),
    (
        {"a": {"offset_seconds": 0.0, "bound_seconds": 0.0}, "b": {"offset_seconds": 2.0, "bound_seconds": 0.0}},
        ["the clocks of a and b differ by 2.00 s"],
    ),
]


@pytest.mark.parametrize(("clocks", "problems"), CLOCKS)
def test_what_the_preflight_says_of_clocks(clocks, problems):
    found = load_action("preflight").clock_problems(clocks)
    assert len(found) == len(problems)
    assert all(said.startswith(begin) for said, begin in zip(found, problems, strict=True))
