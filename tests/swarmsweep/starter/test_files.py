"""The files of ./lab new: valid, complete, never over another one, and without a secret."""

import ast
from pathlib import Path

import pytest

from swarmsweep.errors import InputError
from swarmsweep.starter import curl, openapi
from swarmsweep.starter.files import next_lines, scenario_name, scenario_text, write_files
from swarmsweep.starter.request import JSON, Api, Request
from swarmsweep.sweep.scenarios import check_folder
from swarmsweep.sweep.sweep_file import load_sweep
from tests.swarmsweep.starter.documents import FASTAPI, SWAGGER


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Iris API", "iris_api"), ("  ", "api"), ("", "api"), ("../../etc/passwd", "etc_passwd"),
        ("2nd try", "api_2nd_try"), ("json", "my_json"), ("Locust", "my_locust"), ("recorder", "my_recorder"),
        ("Größe", "gr_e"), ("class", "my_class"), ("x" * 99, "x" * 28),
    ],
)  # fmt: skip
def test_names(title, name):
    assert scenario_name(title) == name
    assert scenario_name(name) == name


@pytest.mark.parametrize("document", [FASTAPI, SWAGGER], ids=["fastapi", "swagger"])
def test_both_files_are_valid(tmp_path, document):
    lines = write_files(openapi.api_of(document, "openapi.json"), tmp_path)
    (scenario,), (sweep,) = tmp_path.glob("locustfiles/*"), tmp_path.glob("sweeps/*")
    check_folder(tmp_path / "locustfiles")
    assert load_sweep(sweep).load.locustfile == scenario.name
    assert lines[0].startswith(f"locustfiles/{scenario.name} sends: POST ")
    assert lines[-1].endswith(f"./lab sweep sweeps/{sweep.name}")


@pytest.mark.parametrize("existing", ["locustfiles/iris_api.py", "sweeps/iris_api.yml"])
def test_a_file_is_never_overwritten(tmp_path, existing):
    path = tmp_path / existing
    path.parent.mkdir()
    path.write_text("mine")
    with pytest.raises(
        InputError, match=f"{existing} exists, and is not overwritten. Choose another name: --name iris_"
    ):
        write_files(openapi.api_of(FASTAPI, "x"), tmp_path)
    assert [file.read_text() for file in tmp_path.rglob("*") if file.is_file()] == ["mine"]


@pytest.mark.parametrize(
    "name", ["../x", "a b", "json", "X", "", "a" * 40, "-x", "x-", "x_", "x--y", "x-_y", "x.y", "2x", "x-y\n"]
)
def test_a_name_that_is_not_valid_is_refused(tmp_path, name):
    with pytest.raises(InputError, match="allowed: small letters and digits, with single _ or - between them"):
        write_files(openapi.api_of(FASTAPI, "x"), tmp_path, name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "sweep", "user"),
    [
        ("my-api", "my-api", "MyApiUser"),
        ("my_api-2", "my-api-2", "MyApi2User"),
        ("x" * 28, "x" * 28, f"X{'x' * 27}User"),
    ],
)
def test_a_name_may_have_hyphens(tmp_path, name, sweep, user):
    write_files(openapi.api_of(FASTAPI, "x"), tmp_path, name)
    check_folder(tmp_path / "locustfiles")
    read = load_sweep(tmp_path / f"sweeps/{name}.yml")
    assert (read.name, read.load.locustfile) == (sweep, f"{name}.py")
    assert f"class {user}(" in (tmp_path / f"locustfiles/{name}.py").read_text()


@pytest.mark.parametrize("path", ["/{{ lookup('pipe', 'id') }}/health", "/a #/health", "/a: b/health"])
def test_a_line_for_the_inventory_is_no_template(path):
    api = openapi.api_of({"paths": {"/predict": {"post": {}}, path: {"get": {}}}}, "x")
    assert api.ready_path == path
    lines = [line for line in next_lines(api, "mine") if "lab_api_ready_path" in line]
    assert lines == ["  lab_api_ready_path: /ready  # a guess: write a path that returns 200 when the API can predict"]


HOSTILE = '"""\nimport os; os.system("id")\n#\'\\'


def test_no_text_of_a_document_becomes_code():
    request = Request(
        HOSTILE, f"/{HOSTILE}", f"/{HOSTILE}", JSON, {HOSTILE: HOSTILE}, {HOSTILE: HOSTILE}, {}, (HOSTILE,)
    )
    tree = ast.parse(scenario_text(Api(HOSTILE, HOSTILE, (request,), (HOSTILE,)), "x"))
    assert [type(node).__name__ for node in tree.body] == ["Expr", "ImportFrom", "Assign", "Assign", "ClassDef"]
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert sorted(call.attr if isinstance(call, ast.Attribute) else call.id for call in calls) == [
        "constant",
        "request",
    ]


def test_no_secret_is_written(tmp_path):
    words = ["-H", "Authorization: Bearer s3cret", "-u", "me:s3cret", "-b", "s3cret", "http://me:s3cret@a:1/predict"]
    lines = write_files(curl.api_of(words), tmp_path)
    assert "s3cret" not in "".join(file.read_text() for file in tmp_path.rglob("*") if file.is_file()) + str(lines)
    assert any("API_AUTHORIZATION, API_COOKIE" in line for line in lines)
    # The lines for the secrets are comments, because their files do not exist yet. Without the sign, they are valid.
    (sweep,) = tmp_path.glob("sweeps/*")
    text = sweep.read_text().replace("  # secrets:", "  secrets:").replace("  #   API", "    API")
    sweep.write_text(text.replace("/path/of/a/file", str(sweep)))
    assert set(load_sweep(sweep).load.secrets) == {"API_AUTHORIZATION", "API_COOKIE"}
    write_files(openapi.api_of(FASTAPI, "https://me:s3cret@a/openapi.json?token=s3cret"), tmp_path, "other")
    assert "s3cret" not in Path(tmp_path / "locustfiles/other.py").read_text()


def test_a_secret_in_a_query_is_named(tmp_path):
    lines = write_files(curl.api_of(["http://a/predict?limit=1&api_key=abc"]), tmp_path)
    note = "The query has api_key, which may be secret. Read it from os.environ instead."
    assert f"  GET /predict: {note}" in lines
    assert f"# {note}" in (tmp_path / "locustfiles/predict.py").read_text().splitlines()


@pytest.mark.parametrize("place", ["path", "note"])
def test_what_is_printed_is_safe_for_a_terminal(place):
    text = "/\x1b[2J"
    request = Request("GET", text, text if place == "path" else "/", notes=(text,) if place == "note" else ())
    assert all(line.isprintable() for line in next_lines(Api("x", "x", (request,)), "x"))


def test_a_body_that_is_too_long_is_refused(tmp_path):
    api = Api("x", "x", (Request("POST", "/", "/", JSON, "x" * 200_000),))
    with pytest.raises(InputError, match="the body has 200002 characters; allowed: 100000"):
        write_files(api, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["x" * 28, "x" * 25 + "-y1", "iris"])
def test_the_name_of_the_advice_is_taken(tmp_path, name):
    api = openapi.api_of(FASTAPI, "x")
    write_files(api, tmp_path, name)
    with pytest.raises(InputError, match="is not overwritten") as refused:
        write_files(api, tmp_path, name)
    write_files(api, tmp_path, str(refused.value).rpartition(" ")[2])
