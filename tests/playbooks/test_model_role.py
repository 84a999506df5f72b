"""How the role model starts a training, names its job and reports its result, as Ansible reads it."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ROLE = ROOT / "roles/model"
ASKED = ("__model_arguments", "__model_job")
Play = Callable[..., subprocess.CompletedProcess]

# As the training prints it.
FIRST = {
    "status": "trained",
    "model": "covertype",
    "version": "1",
    "accuracy": 0.89374,
    "data_source": "generated (seed 0)",
    "previous_champion_accuracy": None,
    "promoted": True,
    "reason": None,
    "champion_version": "1",
}
BETTER = FIRST | {"version": "4", "champion_version": "4", "previous_champion_accuracy": 0.8861}
WORSE = FIRST | {
    "version": "4",
    "accuracy": 0.8,
    "previous_champion_accuracy": 0.83,
    "promoted": False,
    "reason": "the champion is better on the same held-out rows",
    "champion_version": "3",
}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of files that represent training rows."""
    folder = tmp_path_factory.mktemp("rows")
    (folder / "my rows.csv").write_text("a\n1\n")
    (folder / "other").mkdir()
    (folder / "other/my rows.csv").write_text("a\n2\n")
    return folder


@pytest.fixture(scope="module")
def asked(play: Play, rows: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """Name of a case -> the role's private variables."""
    file = str(rows / "my rows.csv")
    cases = {
        "nothing": {},
        "word": {"model_training_source": "generated"},
        "url": {"model_training_source": "https://example.org/covtype.data.gz"},
        "file": {"model_training_source": file},
        "other file": {"model_training_source": str(rows / "other/my rows.csv")},
        "other image": {"model_image": "swarmsweep/mlflow:2"},
        "other seed": {"model_seed": 7},
        "other lab": {"model_lab_name": "other"},
        "retrain": {"model_retrain": True, "model_seed": "123456789"},
        "retrain file": {"model_retrain": True, "model_seed": 5, "model_training_source": file},
    }
    return read(play, tmp_path_factory.mktemp("asked"), cases, ASKED)


def read(play: Play, folder: Path, cases: dict[str, dict], names: tuple[str, ...]) -> dict[str, dict]:
    """Variables of the role in each case; a case is a host of one play."""
    variables = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    variables |= yaml.safe_load((ROLE / "vars/main.yml").read_text())
    variables |= {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}
    hosts = {f"case-{number}": given for number, given in enumerate(cases.values())}
    # One task for all hosts: a task for each is slow.
    variables["wanted"] = "{{ {" + ", ".join(f"'{name}': {name}" for name in names) + "} }}"
    (folder / "hosts.yml").write_text(json.dumps({"all": {"vars": variables, "hosts": hosts}}))
    content = "{{ groups['all'] | map('extract', hostvars, 'wanted') | to_json }}"
    task = {"content": content, "dest": f"{folder}/found.json", "mode": "0644"}
    (folder / "play.yml").write_text(json.dumps([{"hosts": "all[0]", "tasks": [{"ansible.builtin.copy": task}]}]))
    result = play(folder / "play.yml", folder / "hosts.yml")
    assert result.returncode == 0, result.stdout + result.stderr
    return dict(zip(cases, json.loads((folder / "found.json").read_text()), strict=True))


@pytest.mark.parametrize(
    ("case", "arguments"),
    [
        ("nothing", ["--source", "auto", "--seed", "0", "--if-missing"]),
        ("word", ["--source", "generated", "--seed", "0", "--if-missing"]),
        ("url", ["--source", "https://example.org/covtype.data.gz", "--seed", "0", "--if-missing"]),
        ("file", ["--source", "/data/my rows.csv", "--seed", "0", "--if-missing"]),
        # A retraining is requested, so it always runs.
        ("retrain", ["--source", "auto", "--seed", "123456789"]),
        ("retrain file", ["--source", "/data/my rows.csv", "--seed", "5"]),
    ],
)
def test_the_training_gets_its_arguments(asked, case, arguments):
    assert asked[case]["__model_arguments"] == arguments


def test_the_name_of_the_first_job_is_the_hash_of_its_inputs(asked):
    names = {case: found["__model_job"] for case, found in asked.items() if not case.startswith("retrain")}
    assert len(set(names.values())) == len(names)
    assert re.fullmatch(r"other_train_[0-9a-f]{12}", names.pop("other lab"))
    for name in names.values():
        assert re.fullmatch(r"lab_train_[0-9a-f]{12}", name)


def test_a_retraining_is_called_after_its_seed(asked):
    assert asked["retrain"]["__model_job"] == "lab_retrain_123456789"


# The output of a training, and the figures in the sentence about it.
RESULTS = {
    "first": (FIRST, ["Version 1 ", "0.8937", "seed=0"]),
    "better": (BETTER, ["Version 4 ", "0.8937", "0.8861", "seed=0"]),
    "worse": (WORSE, ["Version 4 ", "version 3 ", "0.8000", "0.8300", "seed=0"]),
}


def test_the_result_is_reported_with_both_accuracies(play, tmp_path, golden):
    noise = ["2026/11/22 WARNING mlflow: something", '{"columns": 54, "changed": false}']
    cases = {
        name: {"__model_training": {"output": [*noise, json.dumps(result)]}} for name, (result, _) in RESULTS.items()
    }
    rendered = read(play, tmp_path, cases, ("__model_sentence",))
    sentences = {name: rendered[name]["__model_sentence"] for name in RESULTS}
    golden("model_sentences.yml", sentences)
    for name, (_, figures) in RESULTS.items():
        assert [figure for figure in figures if figure not in sentences[name]] == []


def test_rows_that_are_not_there_are_refused_before_any_job(play, tmp_path):
    given = {"model_training_source": str(tmp_path / "none.csv"), "model_data_directory": str(tmp_path / "data")}
    playbook = tmp_path / "play.yml"
    playbook.write_text(json.dumps([{"hosts": "localhost", "roles": [{"role": "model", "vars": given}]}]))
    result = play(playbook, tmp_path / "hosts.yml")
    words = " ".join((result.stdout + result.stderr).split())
    assert result.returncode != 0
    assert f"The training rows '{tmp_path}/none.csv' are not a file on this machine" in words
    assert "a path, a URL, auto, fetch, generated" in words
    assert "Train a model" not in words
