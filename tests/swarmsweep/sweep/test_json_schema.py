"""The JSON schema for editors: made from the models, named by every sweep file, and of one mind with the validator."""

import re
from pathlib import Path

import jsonschema
import pytest
import yaml
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from swarmsweep.cli import main
from swarmsweep.errors import InputError
from swarmsweep.sweep.json_schema import schema_text, sweep_schema
from swarmsweep.sweep.sweep_file import parse_sweep
from tests.swarmsweep.sweep import test_case_rules as of_cases
from tests.swarmsweep.sweep import test_load_rules as of_loads
from tests.swarmsweep.sweep import test_sweep_file as of_files

ROOT = Path(__file__).parents[3]
SCHEMA = ROOT / "docs/sweep.schema.json"
SWEEPS = [*ROOT.glob("sweeps/*.yml"), *(path for path in ROOT.glob("tests/e2e/*.yml"))]
VALIDATOR = jsonschema.Draft202012Validator(sweep_schema())


def encoded(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


REFUSED = [
    *(of_files.swap("cpus: [0.5, 1]", f"cpus:\n  - 0.5\n  - {value}") for value in of_files.BAD_NUMBERS),
    *(of_files.swap("memory: [600M]", f"memory:\n  - {value}") for value in of_files.BAD_MEMORY),
    *(text for text, _, _ in of_files.BAD_FILES),
    *(of_cases.FILE % case for case, _, _ in of_cases.BAD),
    *(of_loads.FILE % ("p95_ms: 300", load, "") for load, _, _ in of_loads.BAD),
    *(of_loads.FILE % (slo, load, "") for slo, load, _, _ in of_loads.BAD_SLOS),
    *(of_loads.FIXED % (load, "empty.py") for load, _ in of_loads.BAD_IN_FIXED_MODE),
    *(
        (of_loads.FILE % ("p95_ms: 300", "users: 2", "")).replace("mode: capacity", f"mode: {mode}")
        for mode in of_loads.BAD_MODES
    ),
]
ACCEPTED = [
    *(path.read_bytes() for path in SWEEPS),
    *(data for data, _ in of_files.GOOD_FILES),
    *(of_cases.FILE % f"{{when: {when}, users: 2}}" for when, _ in of_cases.GOOD_WHENS),
    *(of_loads.FILE % (slo, "workers: 2", "") for slo, _ in of_loads.GOOD_SLOS),
]


def as_an_editor_reads_it(data: str | bytes):
    """The values of a file as YAML 1.2 has them. Raises `YAMLError`."""
    return YAML(typ="safe", pure=True).load(encoded(data).decode("utf-8-sig"))


def test_the_schema_is_a_schema():
    of_schemas = jsonschema.Draft202012Validator(jsonschema.Draft202012Validator.META_SCHEMA)
    assert list(of_schemas.iter_errors(sweep_schema())) == []


def test_the_file_is_what_the_models_give():
    assert SCHEMA.read_text() == schema_text(), "run: python -m swarmsweep schema > docs/sweep.schema.json"


def test_the_command_prints_it(capsys):
    assert main(["schema"]) == 0
    assert capsys.readouterr().out == SCHEMA.read_text()


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.name)
def test_a_sweep_file_names_the_schema(path):
    first = path.read_text().splitlines()[0]
    named = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert named and (path.parent / named[1]).resolve() == SCHEMA


def test_the_readme_shows_how_it_is_named():
    readme = (ROOT / "README.md").read_text()
    (block,) = re.findall(r"```yaml\n((?:(?!```).)*?^matrix:.*?)```", readme, re.DOTALL | re.MULTILINE)
    assert block.startswith("# yaml-language-server: $schema=../docs/sweep.schema.json\n")
    assert parse_sweep(block.encode(), "README.md").name == "mine"
    VALIDATOR.validate(as_an_editor_reads_it(block))


@pytest.mark.parametrize("data", ACCEPTED, ids=range(len(ACCEPTED)))
def test_what_the_validator_accepts_the_schema_accepts(data):
    assert parse_sweep(encoded(data), "x.yml").cells
    assert list(VALIDATOR.iter_errors(as_an_editor_reads_it(data))) == []


def test_what_the_schema_cannot_refuse_is_known(golden):
    beyond, refused = {}, 0
    for data in REFUSED:
        with pytest.raises(InputError) as caught:
            parse_sweep(encoded(data), "x.yml", scenarios=of_loads.SCENARIOS)
        try:
            value = as_an_editor_reads_it(data)
        except (YAMLError, UnicodeDecodeError):
            continue  # an editor marks it without a schema
        if VALIDATOR.is_valid(value):
            message = str(caught.value).splitlines()[0]
            beyond[message.partition(" ")[2]] = None
        else:
            refused += 1
    assert refused > 2 * len(beyond)
    golden("sweep_beyond_schema.yml", list(beyond))


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"name": "Quick"}, ["name"]),
        ({"slo": {}}, ["slo"]),
        ({"load": {"users": 28001}}, ["load"]),
        ({"matrix": {"replicas": [1], "cpus": [1], "memory": [600], "workers": [1]}}, ["matrix", "memory"]),
        ({"seed": None}, ["seed"]),
        ({"repeat": 1.5}, ["repeat"]),
        ({"repeet": 1}, []),
        ({"cells": [{"replicas": 1, "cpus": 1, "memory": "1G", "workers": 1}]}, []),
    ],
)
def test_the_schema_says_where(change, place):
    value = yaml.safe_load(of_files.GOOD)
    VALIDATOR.validate(value)
    assert [list(error.absolute_path) for error in VALIDATOR.iter_errors(value | change)] == [place]
