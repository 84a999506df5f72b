"""The files that the roles write for Docker and HAProxy, rendered by Ansible with the roles' own defaults."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from swarmsweep.shared.lab_secrets import mask_stack

ROOT = Path(__file__).parents[2]
ROLES = ("api_stack", "platform", "api_services", "registry")
IMAGES = {name: f"swarmsweep/{name}:0123456789ab" for name in ("api", "mlflow", "postgres", "redis", "haproxy")}
# The stages of the API's own package. The module needs only the standard library.
sys.path.append(str(ROOT / "app"))
from covertype_api.variants import CHOICES, PRESETS  # noqa: E402

# Values that no variable may carry into a file that every user can read.
SECRET_WORD = re.compile("password|secret|token", re.IGNORECASE)

Play = Callable[..., subprocess.CompletedProcess]

# Every rendering is a host of one play, with its own variables, so Ansible starts once for all.
CASES: dict[str, dict] = {}


def case(template: str, **given: object) -> str:
    """Request a rendering of a role's template. Return its name, the key in the fixture `rendered`."""
    name = f"case-{len(CASES)}"
    CASES[name] = {"template": str(ROOT / "roles" / template)} | given
    return name


def api(**given: object) -> str:
    return case("api_stack/templates/api.yml.j2", **given)


def platform(**given: object) -> str:
    return case("platform/templates/platform.yml.j2", **given)


def haproxy(**given: object) -> str:
    return case("platform/templates/haproxy.cfg.j2", **given)


def role_variables() -> dict:
    """Defaults and private variables of the roles, and what the playbooks always give."""
    paths = [ROOT / "roles" / role / folder / "main.yml" for role in ROLES for folder in ("defaults", "vars")]
    merged: dict = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}
    for path in paths:
        if path.exists():
            merged |= yaml.safe_load(path.read_text())
    ids = [{"stdout": "sha256:1"}, {"stdout": "sha256:2"}]
    asked = {"__api_stack_id": ids[0], "__api_services_inspected": {"results": ids}}
    return merged | {"api_stack_images": IMAGES, "platform_images": IMAGES} | asked


@pytest.fixture(scope="session")
def rendered(play: Play, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return text by name of a case, with the variables of its host. One task renders all: a task for each is slow."""
    folder = tmp_path_factory.mktemp("rendered")
    # Templates that look up others find them beside the playbook, as they would in the role.
    (folder / "templates").symlink_to(ROOT / "roles/platform/templates")
    text = {"text": "{{ lookup('ansible.builtin.template', template) }}"}
    (folder / "hosts.yml").write_text(json.dumps({"all": {"vars": role_variables() | text, "hosts": CASES}}))
    texts = "{{ dict(groups['all'] | zip(groups['all'] | map('extract', hostvars, 'text'))) | to_json }}"
    task = {"ansible.builtin.copy": {"content": texts, "dest": f"{folder}/texts.json", "mode": "0644"}}
    (folder / "render.yml").write_text(json.dumps([{"hosts": "all[0]", "tasks": [task]}]))
    result = play(folder / "render.yml", folder / "hosts.yml")
    assert result.returncode == 0, result.stdout + result.stderr
    return json.loads((folder / "texts.json").read_text())


def stack(text: str) -> dict:
    """The parsed stack file. `docker stack deploy` accepts no other version."""
    parsed = yaml.safe_load(text)
    assert parsed["version"].startswith("3.")
    return parsed


def assert_confined(service: dict) -> None:
    """No service may gain rights, write into its image, fill the disk or take all memory."""
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    assert service["init"] is True
    assert service["deploy"]["endpoint_mode"] == "dnsrr"
    assert service["deploy"]["resources"]["limits"]["memory"]
    assert service["logging"]["options"]["max-size"]
    assert not {"privileged", "cap_add", "user", "security_opt", "pid", "network_mode"} & set(service)


def assert_secrets_are_files(parsed: dict) -> None:
    """Passwords are named, mounted for one user, and are in no file."""
    mounted = [secret for service in parsed["services"].values() for secret in service.get("secrets", [])]
    assert {secret["source"] for secret in mounted} == set(parsed["secrets"]) != set()
    for secret in parsed["secrets"].values():
        assert secret["external"] is True
        assert set(secret) == {"external", "name"}
    for service in parsed["services"].values():
        for key, value in service.get("environment", {}).items():
            assert not SECRET_WORD.search(key) or (key.endswith("_FILE") and value.startswith("/run/secrets/"))
    for secret in mounted:
        assert secret["mode"] == 0o400
        assert int(secret["uid"]) >= 10000


# --- The API --------------------------------------------------------------------------------------------------------

API = api()
API_LIMITS = {
    "the role's defaults": (API, 1, "1", "536870912", "1"),
    "as a sweep gives them": (
        api(api_stack_replicas=4, api_stack_cpus=0.25, api_stack_memory_bytes=629145600, api_stack_workers=2),
        *(4, "0.25", "629145600", "2"),
    ),
    "as text": (
        api(api_stack_replicas="2", api_stack_cpus="0.5", api_stack_memory_bytes="33554432", api_stack_workers="8"),
        *(2, "0.5", "33554432", "8"),
    ),
    "whole cores": (api(api_stack_cpus=2), 1, "2", "536870912", "1"),
}


@pytest.mark.parametrize(("name", "replicas", "cpus", "memory", "workers"), API_LIMITS.values(), ids=API_LIMITS)
def test_api_is_limited_as_the_configuration_says(rendered, name, replicas, cpus, memory, workers):
    parsed = stack(rendered[name])
    assert list(parsed["services"]) == ["api"]
    service = parsed["services"]["api"]
    assert service["image"] == IMAGES["api"]
    assert service["deploy"]["replicas"] == replicas
    # Compose takes both as text alone.
    assert service["deploy"]["resources"] == {"limits": {"cpus": cpus, "memory": memory}}
    assert service["environment"]["WEB_CONCURRENCY"] == workers


TWO_HOSTS = {"api_stack_other_hosts": ["lab-api2"], "api_stack_replicas": 2, "api_stack_cpus": 0.5}
NODES = {"api_stack_nodes": {"k7x2mfq1": "lab-api", "r32no4di": "lab-api2"}}
LIMITS = {"cpus": "0.5", "memory": "536870912"}
PLACEMENTS = {
    "measured": (
        api(api_stack_fresh=True, api_stack_most_per_host=1, **TWO_HOSTS),
        {"max_replicas_per_node": 1},
        {"limits": LIMITS, "reservations": LIMITS},
    ),
    "measured, without the manager": (
        api(api_stack_fresh=True, api_stack_most_per_host="2", api_stack_on_manager=False, **TWO_HOSTS),
        {"constraints": ["node.role == worker"], "max_replicas_per_node": 2},
        {"limits": LIMITS, "reservations": LIMITS},
    ),
    # An update starts new replicas beside the old ones, so a kept deployment reserves nothing.
    "kept": (api(**TWO_HOSTS), None, {"limits": LIMITS}),
    "kept, without the manager": (
        api(api_stack_on_manager=False, **TWO_HOSTS),
        {"constraints": ["node.role == worker"]},
        {"limits": LIMITS},
    ),
    "measured, without a host that lacks a label": (
        api(
            api_stack_fresh=True,
            api_stack_most_per_host=2,
            api_stack_excluded_hosts=["lab-api"],
            **TWO_HOSTS,
            **NODES,
        ),
        {"constraints": ["node.id != k7x2mfq1"], "max_replicas_per_node": 2},
        {"limits": LIMITS, "reservations": LIMITS},
    ),
    "kept, without the manager and a host that lacks a label": (
        api(api_stack_on_manager=False, api_stack_excluded_hosts=["lab-api2"], **TWO_HOSTS, **NODES),
        {"constraints": ["node.role == worker", "node.id != r32no4di"]},
        {"limits": LIMITS},
    ),
    "measured, spread over a label": (
        api(api_stack_fresh=True, api_stack_most_per_host=1, api_stack_is_spread=True, **TWO_HOSTS),
        {"preferences": [{"spread": "node.labels.swarmsweep.spread"}], "max_replicas_per_node": 1},
        {"limits": LIMITS, "reservations": LIMITS},
    ),
    "kept, spread over a label": (
        api(api_stack_is_spread=True, **TWO_HOSTS),
        {"preferences": [{"spread": "node.labels.swarmsweep.spread"}]},
        {"limits": LIMITS},
    ),
    "one host": (
        api(
            api_stack_fresh=True,
            api_stack_cpus=0.5,
            api_stack_on_manager=False,
            api_stack_excluded_hosts=["lab-api"],
            api_stack_is_spread=True,
            api_stack_most_per_host=1,
            **NODES,
        ),
        None,
        {"limits": LIMITS},
    ),
}


@pytest.mark.parametrize(("name", "placement", "resources"), PLACEMENTS.values(), ids=PLACEMENTS)
def test_replicas_are_placed_by_the_plan_on_several_hosts(rendered, name, placement, resources):
    deploy = stack(rendered[name])["services"]["api"]["deploy"]
    assert deploy.get("placement") == placement
    assert deploy["resources"] == resources


def test_api_is_confined_and_publishes_nothing(rendered):
    parsed = stack(rendered[API])
    service = parsed["services"]["api"]
    assert_confined(service)
    assert_secrets_are_files(parsed)
    assert "ports" not in service  # a published port clashes with the second replica
    assert service["deploy"]["labels"] == {"swarmsweep.lab": "lab"}
    assert parsed["networks"] == {"lab": {"external": True, "name": "lab_net"}}
    names = {secret["target"]: parsed["secrets"][secret["source"]]["name"] for secret in service["secrets"]}
    assert names == {
        "postgres_password": "lab_postgres_covertype_password",
        "redis_password": "lab_redis_password",
    }
    assert service["environment"]["REDIS_HOST"] == "redis"


# --- The image of a stage -------------------------------------------------------------------------------------------

STAGES = {name: api(api_stack_variant=name) for name in PRESETS}
# app/tests/test_footprint.py checks what they import.
SLIM_STAGES = ("onnx", "onnx_batched")
UNKNOWN = api(api_stack_variant="fastest")


def image_of(text: str) -> str:
    """Return which of the lab's images runs as the API. The full one starts the MLflow server without a command."""
    service = stack(text)["services"]["api"]
    assert ("command" in service) == (service["image"] == IMAGES["mlflow"])
    assert service.get("command", []) in ([], ["python", "-m", "covertype_api"])
    # MLflow's client writes into its home.
    assert service["environment"]["HOME"] == "/tmp"
    return next(name for name, image in IMAGES.items() if image == service["image"])


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_runs_in_the_image_that_has_what_it_needs(rendered, stage):
    assert image_of(rendered[STAGES[stage]]) == ("api" if stage in SLIM_STAGES else "mlflow")


def test_an_unknown_stage_runs_in_the_image_that_knows_all(rendered):
    assert image_of(rendered[UNKNOWN]) == "mlflow"


# Choices for MLflow, scikit-learn, or a query at each request: the slim image has no client for some of them.
NEED_FULL_IMAGE = {
    "API_COLUMNS": {"each_request"},
    "API_MODEL": {"each_request", "twice_each_request"},
    "API_PREDICTOR": {"pyfunc", "sklearn"},
}
OVERRIDDEN = {
    f"{choice}={value}": (api(api_stack_env={f"API_{choice.upper()}": value}), f"API_{choice.upper()}", value)
    for choice, allowed in CHOICES.items()
    for value in allowed
}
OTHER_STAGE = api(api_stack_env={"API_VARIANT": "prints", "API_PREDICTOR": ""})


@pytest.mark.parametrize(("name", "variable", "value"), OVERRIDDEN.values(), ids=OVERRIDDEN)
def test_an_overridden_choice_has_what_it_needs(rendered, name, variable, value):
    needs_full_image = value in NEED_FULL_IMAGE.get(variable, ())
    assert image_of(rendered[name]) == ("mlflow" if needs_full_image else "api")


def test_a_stage_in_the_environment_counts(rendered):
    assert image_of(rendered[OTHER_STAGE]) == "mlflow"


# Settings of an own image, in spellings that YAML would read as something else.
AWKWARD = {
    "YES": "yes",
    "NUMBER": "010",
    "COLON": "a: b",
    "QUOTE": 'it\'s "so" \\ #1',
    "LINE": "a\nb",
    "EMPTY": "",
    "N": "ñ",
}
OWN_IMAGE = api(api_stack_env=AWKWARD, api_stack_variant="no", api_stack_image="registry.example:5000/x@sha256:00")


def test_own_environment_arrives_as_it_was_written_and_alone(rendered):
    service = stack(rendered[OWN_IMAGE])["services"]["api"]
    # Neither the lab's command nor its HOME is set, because the image has its own.
    assert "command" not in service
    assert service["environment"] == AWKWARD | {"WEB_CONCURRENCY": "1"}
    assert service["image"] == "registry.example:5000/x@sha256:00"


OWN_ALONE = {
    "kept": api(api_stack_image="registry.example/x:1", api_stack_champion="7"),
    "fresh": api(api_stack_image="registry.example/x:1", api_stack_fresh=True),
}
OWN_PLATFORM = api(api_stack_image="registry.example/x:1", api_stack_platform=True, api_stack_champion="7")
# As a sweep names it on its axis `image`.
LABS_OWN_BY_NAME = api(api_stack_image=IMAGES["mlflow"])


@pytest.mark.parametrize("name", OWN_ALONE.values(), ids=OWN_ALONE)
def test_an_image_of_the_user_gets_nothing_of_the_lab(rendered, name):
    parsed = stack(rendered[name])
    service = parsed["services"]["api"]
    assert service["environment"] == {"WEB_CONCURRENCY": "1"}
    assert "secrets" not in service
    assert "secrets" not in parsed
    assert "swarmsweep.champion" not in service.get("labels", {})
    # PostgreSQL, Redis and MLflow are on the other network.
    assert parsed["networks"] == {"lab": {"external": True, "name": "lab_api_net"}}
    assert_confined(service)


def test_an_image_of_the_user_gets_the_labs_dependencies_if_the_inventory_says_so(rendered):
    parsed, own = stack(rendered[OWN_PLATFORM]), stack(rendered[KEPT])
    service = parsed["services"]["api"]
    assert parsed["networks"] == own["networks"]
    assert parsed["secrets"] == own["secrets"]
    assert service["secrets"] == own["services"]["api"]["secrets"]
    assert service["labels"] == own["services"]["api"]["labels"] | {"swarmsweep.image": "sha256:1"}
    assert (
        service["environment"].items() >= {"MLFLOW_TRACKING_URI": "http://mlflow:5000", "REDIS_HOST": "redis"}.items()
    )
    assert "HOME" not in service["environment"]


def test_the_labs_own_image_is_its_own_under_its_name_too(rendered):
    parsed = stack(rendered[LABS_OWN_BY_NAME])
    assert image_of(rendered[LABS_OWN_BY_NAME]) == "mlflow"
    assert parsed["networks"]["lab"]["name"] == "lab_net"
    assert parsed["secrets"]


OTHER_USER = {"1234:5678": api(api_stack_user="1234:5678"), "nobody": api(api_stack_user="nobody")}


@pytest.mark.parametrize(("user", "uid"), [("1234:5678", "1234"), ("nobody", "10001")])
def test_another_user_can_read_the_passwords_if_it_is_a_number(rendered, user, uid):
    assert {secret["uid"] for secret in stack(rendered[OTHER_USER[user]])["services"]["api"]["secrets"]} == {uid}


OWN_WORKERS = api(api_stack_workers_env="GUNICORN_WORKERS", api_stack_workers=3, api_stack_env={"API_VARIANT": "mine"})


def test_own_environment_wins_and_names_its_own_worker_variable(rendered):
    environment = stack(rendered[OWN_WORKERS])["services"]["api"]["environment"]
    assert environment["GUNICORN_WORKERS"] == "3"
    assert environment["API_VARIANT"] == "mine"
    assert "WEB_CONCURRENCY" not in environment


NO_VARIABLE = api(api_stack_workers_env="", api_stack_workers=3)


def test_without_a_variable_the_image_decides_how_many_workers_it_has(rendered):
    environment = stack(rendered[NO_VARIABLE])["services"]["api"]["environment"]
    assert "3" not in environment.values()
    assert all(environment)


DOLLAR = api(api_stack_env={"PRICE": "$5 or ${HOME}"})


def test_a_dollar_in_the_environment_is_not_replaced_by_docker(rendered):
    # `docker stack deploy` puts variables of its own shell in place of $NAME; $$ is a dollar.
    assert stack(rendered[DOLLAR])["services"]["api"]["environment"]["PRICE"] == "$$5 or $${HOME}"


FRESH = api(api_stack_fresh=True, api_stack_champion="7")
KEPT = api(api_stack_champion="7")
KEPT_NEXT = api(api_stack_champion="8")


def seconds(text: str) -> int:
    """Docker's duration of whole seconds."""
    return int(re.fullmatch(r"(\d+)s", text).group(1))


def test_what_is_kept_rolls_without_a_gap(rendered):
    service = stack(rendered[KEPT])["services"]["api"]
    assert service["deploy"]["update_config"]["order"] == "start-first"
    assert service["deploy"]["update_config"]["parallelism"] == 1
    assert service["deploy"]["update_config"]["failure_action"] == "rollback"
    assert service["healthcheck"]["test"] == ["CMD", "python", "-m", "covertype_api.healthcheck"]
    # A stopping replica responds for longer than HAProxy uses its name, and is killed only after that.
    proxy = dict(re.findall(r"^  (hold obsolete|timeout resolve) +(\d+)s$", rendered[HAPROXY], re.MULTILINE))
    drain = int(service["environment"]["DRAIN_SECONDS"])
    assert sum(map(int, proxy.values())) < drain < seconds(service["stop_grace_period"])


def test_another_champion_is_another_task_and_nothing_else(rendered):
    before, after = (stack(rendered[name])["services"]["api"] for name in (KEPT, KEPT_NEXT))
    # They must be labels of the container. Labels of the service alone would start no replica.
    assert (before.pop("labels"), after.pop("labels")) == (
        {"swarmsweep.champion": "7"},
        {"swarmsweep.champion": "8"},
    )
    assert before == after


OWN_FRESH = api(api_stack_fresh=True, api_stack_image="registry.example/x:1")


@pytest.mark.parametrize("name", [FRESH, OWN_FRESH], ids=["the lab's own image", "an own image"])
def test_a_measured_cell_pays_for_no_health_check_and_no_farewell(rendered, name):
    service = stack(rendered[name])["services"]["api"]
    assert service["healthcheck"] == {"disable": True}
    assert "labels" not in service
    assert "DRAIN_SECONDS" not in service["environment"]
    assert service["stop_grace_period"] == "5s"
    assert service["deploy"]["restart_policy"]["max_attempts"] == 2


OWN_KEPT = api(api_stack_image="registry.example/x:1")


def test_an_own_image_keeps_its_own_health_check(rendered):
    service = stack(rendered[OWN_KEPT])["services"]["api"]
    assert "healthcheck" not in service
    assert service["deploy"]["update_config"]["order"] == "start-first"


def test_another_image_of_the_same_name_is_another_task(rendered):
    assert stack(rendered[OWN_KEPT])["services"]["api"]["labels"] == {"swarmsweep.image": "sha256:1"}
    # Measured cells are deployed afresh, and tags of the lab's own images are hashes.
    assert "labels" not in stack(rendered[OWN_FRESH])["services"]["api"]
    assert "swarmsweep.image" not in stack(rendered[KEPT])["services"]["api"]["labels"]


BY_DIGEST = {name: f"192.0.2.1:5000/{name.partition(':')[0]}@sha256:{'1' * 64}" for name in [*IMAGES.values(), "own:1"]}
WITH_DIGEST = {
    "the slim image": (api(api_stack_digests=BY_DIGEST), IMAGES["api"], None),
    # Its command depends on the image that the name means.
    "the full image": (
        api(api_stack_digests=BY_DIGEST, api_stack_variant="cached_model"),
        IMAGES["mlflow"],
        ["python", "-m", "covertype_api"],
    ),
    "an own image": (api(api_stack_digests=BY_DIGEST, api_stack_image="own:1"), "own:1", None),
}


@pytest.mark.parametrize(("name", "image", "command"), WITH_DIGEST.values(), ids=WITH_DIGEST)
def test_a_stack_names_the_digest_that_a_registry_has(rendered, name, image, command):
    service = stack(rendered[name])["services"]["api"]
    assert service["image"] == BY_DIGEST[image]
    assert service.get("command") == command


GIVEN = [{"item": name, "secret_name": f"lab_registry_{name}_v2"} for name in ("key", "certificate", "password")]
REGISTRY = case(
    "registry/templates/registry.yml.j2", registry_image="swarmsweep/registry:1", __registry_given={"results": GIVEN}
)


def test_the_registry_is_confined_and_its_secrets_are_files(rendered):
    parsed = stack(rendered[REGISTRY])
    assert_secrets_are_files(parsed)
    (service,) = parsed["services"].values()
    assert_confined(service)
    assert {secret["name"] for secret in parsed["secrets"].values()} == {given["secret_name"] for given in GIVEN}
    assert {secret["target"] for secret in service["secrets"]} == {f"registry_{given['item']}" for given in GIVEN}
    assert service["ports"] == [{"target": 5000, "published": 5000, "protocol": "tcp", "mode": "host"}]


OTHER_API = api(api_stack_lab_name="other")


def test_two_labs_share_nothing(rendered):
    parsed = stack(rendered[OTHER_API])
    assert parsed["networks"]["lab"]["name"] == "other_net"
    assert {secret["name"] for secret in parsed["secrets"].values()} == {
        "other_postgres_covertype_password",
        "other_redis_password",
    }
    assert parsed["services"]["api"]["deploy"]["labels"] == {"swarmsweep.lab": "other"}


# --- The settings of the container -----------------------------------------------------------------------------------

CONTAINER_DEFAULTS = api(api_stack_image="registry.example/x:1")
CONTAINER = {
    "the defaults": (CONTAINER_DEFAULTS, {"read_only": True, "volumes": [{"type": "tmpfs", "target": "/tmp"}]}),
    "a command": (
        api(api_stack_command=["python", "-c", "print('a: b')", "--price", "$5", ""]),
        {"command": ["python", "-c", "print('a: b')", "--price", "$$5", ""]},
    ),
    "a command of the full image": (
        api(api_stack_variant="naive", api_stack_command=["mine"]),
        {"image": IMAGES["mlflow"], "command": ["mine"]},
    ),
    "a user": (api(api_stack_user="1000:1000"), {"user": "1000:1000"}),
    "a writable file system": (api(api_stack_read_only=False), {"read_only": False}),
    "writable folders": (
        api(api_stack_writable=["/tmp", "/var/cache/a b", "/dev/shm"]),
        {"volumes": [{"type": "tmpfs", "target": at} for at in ("/tmp", "/var/cache/a b", "/dev/shm")]},
    ),
    "both": (
        api(api_stack_read_only=False, api_stack_writable=["/data"]),
        {"read_only": False, "volumes": [{"type": "tmpfs", "target": "/data"}]},
    ),
    "files of the controller": (
        api(api_stack_mounts=[{"target": "/model $1", "name": "0a1b"}], api_stack_read_only=False),
        {
            "read_only": False,
            "volumes": [
                {
                    "type": "bind",
                    "source": "/opt/swarmsweep/mounts/lab/0a1b/content",
                    "target": "/model $$1",
                    "read_only": True,
                }
            ],
        },
    ),
    "capabilities": (api(api_stack_capabilities=["SETUID", "SETGID"]), {"cap_add": ["SETUID", "SETGID"]}),
}  # fmt: skip
CONTAINER_KEYS = {"entrypoint", "command", "user", "read_only", "volumes", "cap_add"}


@pytest.mark.parametrize(("name", "expected"), CONTAINER.values(), ids=CONTAINER)
def test_the_container_has_the_settings_that_were_given_and_no_others(rendered, name, expected):
    service = stack(rendered[name])["services"]["api"]
    assert service | expected == service
    common = {"read_only", "volumes"} if expected.get("read_only", True) else {"read_only"}
    assert CONTAINER_KEYS & set(service) == common | CONTAINER_KEYS & set(expected)
    assert service["cap_drop"] == ["ALL"]


def test_a_secret_word_of_a_command_is_masked_in_the_file_that_a_report_keeps(rendered):
    assert "hunter2" in rendered[SECRET_COMMAND]
    assert "hunter2" not in mask_stack(rendered[SECRET_COMMAND])


SECRET_COMMAND = api(api_stack_command=["serve", "--api-key", "hunter2"])

# --- Secrets of the user ---------------------------------------------------------------------------------------------

TOKEN = {"name": "API_TOKEN", "swarm_name": "lab_secret_0a1b", "path": "/home/me/token"}
FOREIGN = {"api_stack_image": "registry.example/x:1"}
SECRETS = {
    "an image of the user": (api(**FOREIGN, api_stack_secrets=[TOKEN]), 1),
    "the lab's own": (api(api_stack_secrets=[TOKEN]), 3),
}


@pytest.mark.parametrize(("name", "count"), SECRETS.values(), ids=SECRETS)
def test_a_secret_is_a_file_whose_path_is_a_variable(rendered, name, count):
    parsed = stack(rendered[name])
    service = parsed["services"]["api"]
    assert {"source": "lab_secret_0a1b", "target": "API_TOKEN", "mode": 0o444} in service["secrets"]
    assert len(service["secrets"]) == len(parsed["secrets"]) == count
    assert parsed["secrets"]["lab_secret_0a1b"] == {"external": True, "name": "lab_secret_0a1b"}
    assert service["environment"]["API_TOKEN_FILE"] == "/run/secrets/API_TOKEN"
    assert "API_TOKEN" not in service["environment"]
    assert "entrypoint" not in service
    assert "/home/me" not in rendered[name]


# What `docker image inspect` says of an image with a script as its entrypoint, and of one with a command alone.
CONFIGS = {
    "an entrypoint and a command": ({"Entrypoint": ["env", "A=1"], "Cmd": ["sh", "-c", "env; exit 3"]}, []),
    "a command": ({"Entrypoint": None, "Cmd": ["sh", "-c", "A=1; export A; env; exit 3"]}, []),
    "a command of the inventory": ({"Entrypoint": ["env", "A=1"], "Cmd": ["no"]}, ["sh", "-c", "env; exit 3"]),
}
WRAPPED = {
    name: api(
        **FOREIGN,
        api_stack_secrets=[TOKEN, TOKEN | {"name": "OTHER"}],
        api_stack_secret_env=["API_TOKEN", "OTHER"],
        api_stack_command=command,
        __api_stack_config=config,
    )
    for name, (config, command) in CONFIGS.items()
}


@pytest.mark.parametrize("name", WRAPPED.values(), ids=WRAPPED)
def test_a_shell_exports_secrets_and_then_is_the_api(rendered, tmp_path, name):
    """The words that Docker would start, in a real shell, with the folder of secrets at another place."""
    service = stack(rendered[name])["services"]["api"]
    words = [word.replace("$$", "$") for word in service["entrypoint"] + service["command"]]
    command = [word.replace("/run/secrets", str(tmp_path)) for word in words]
    values = {"API_TOKEN": 'it\'s "so" $HOME', "OTHER": "a\nb"}
    for secret, value in values.items():
        (tmp_path / secret).write_text(f"{value}\n")
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"})
    # Exit code and variables are those of the API.
    assert done.returncode == 3, done.stderr
    assert f"API_TOKEN={values['API_TOKEN']}\n" in done.stdout
    assert f"OTHER={values['OTHER']}\n" in done.stdout
    assert "A=1\n" in done.stdout
    assert not [word for word in command if any(value in word for value in values.values())]
    # Without the file, the API does not start with an empty secret.
    (tmp_path / "OTHER").unlink()
    failed = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"})
    assert failed.returncode == 1
    assert "OTHER" in failed.stderr


# --- Services of the user --------------------------------------------------------------------------------------------

CACHE = {"name": "cache", "image": "redis:7", "command": [], "env": {}, "cpus": "", "memory_bytes": 268435456}
DATABASE = {
    "name": "vectors", "image": "registry.example/pg:16", "command": ["postgres", "-c", "x=$1"],
    "env": {"POSTGRES_PASSWORD": "a$b", "N": "1.10"}, "cpus": "0.5", "memory_bytes": 536870912,
}  # fmt: skip


def services(**given: object) -> str:
    return case("api_services/templates/services.yml.j2", api_services_list=[CACHE, DATABASE], **given)


SERVICES, SERVICES_OF_PLATFORM = services(), services(api_services_has_platform=True)


def test_services_of_the_user_run_beside_the_api_within_their_limits(rendered):
    parsed = stack(rendered[SERVICES])
    cache, vectors = (parsed["services"][name] for name in ("cache", "vectors"))
    assert cache["deploy"]["resources"] == {"limits": {"memory": "268435456"}}
    assert vectors["deploy"]["resources"] == {"limits": {"cpus": "0.5", "memory": "536870912"}}
    assert (cache["image"], "command" in cache) == ("redis:7", False)
    assert vectors["command"] == ["postgres", "-c", "x=$$1"]
    assert vectors["environment"] == {"POSTGRES_PASSWORD": "a$$b", "N": "1.10"}
    for service in (cache, vectors):
        assert service["cap_drop"] == ["ALL"]
        assert "ports" not in service
        assert service["deploy"]["labels"] == {"swarmsweep.lab": "lab"}
        assert service["deploy"]["endpoint_mode"] == "dnsrr"
    # Another image of the same name is another task.
    assert (cache["labels"], vectors["labels"]) == ({"swarmsweep.image": "sha256:1"}, {"swarmsweep.image": "sha256:2"})
    # On the network of an API that is the user's, or that is the lab's.
    assert parsed["networks"]["api"] == stack(rendered[OWN_ALONE["fresh"]])["networks"]["lab"]
    assert stack(rendered[SERVICES_OF_PLATFORM])["networks"]["api"] == stack(rendered[API])["networks"]["lab"]


# --- Docker Compose ---------------------------------------------------------------------------------------------------

EVERYTHING = {
    "api_stack_image": "registry.example/x:1", "api_stack_replicas": 4, "api_stack_cpus": "0.25",
    "api_stack_memory_bytes": 629145600, "api_stack_workers": 2, "api_stack_env": {"PRICE": "$5", "V": "1.10"},
    "api_stack_command": ["serve", "--x=$Y"], "api_stack_user": "1000:1000", "api_stack_read_only": False,
    "api_stack_writable": ["/var/cache/a b"], "api_stack_capabilities": ["SETUID"], "api_stack_secrets": [TOKEN],
    "api_stack_mounts": [{"target": "/model", "name": "0123", "source": "/home/me/the model"}],
}  # fmt: skip
COMPOSED = {
    "the lab's own": {},
    "a stage of the full image": {"api_stack_variant": "prints"},
    "an image of the user": FOREIGN,
    "with the platform": FOREIGN | {"api_stack_platform": True},
    "every setting": EVERYTHING,
    "an exported secret": FOREIGN
    | {"api_stack_secrets": [TOKEN], "api_stack_secret_env": ["API_TOKEN"]}
    | {"__api_stack_config": {"Entrypoint": ["env", "A=$B"], "Cmd": ["x"]}},
}
PAIRS = {
    name: (
        api(api_stack_fresh=True, **given),
        case(
            "api_stack/templates/compose.yml.j2",
            api_stack_fresh=True,
            api_stack_compose_services=[CACHE, DATABASE],
            **given,
        ),
    )
    for name, given in COMPOSED.items()
}
DEPLOYED_PLATFORM = platform()
SAME = ("image", "entrypoint", "command", "user", "environment", "cap_drop", "cap_add", "read_only", "init", "logging",
        "healthcheck", "stop_grace_period")  # fmt: skip


def assert_same_container(composed: dict, deployed: dict, *but: str) -> None:
    """A service for Docker Compose has the container and the limits of that for Swarm."""
    for key in set(SAME) - set(but):
        assert composed.get(key) == deployed.get(key), key
    limits = deployed["deploy"]["resources"]["limits"]
    assert composed.get("cpus") == limits.get("cpus")
    assert composed["mem_limit"].lower() == limits["memory"].lower()
    # Docker Compose v1 ignores limits there.
    assert not {"deploy", "container_name"} & set(composed)
    assert [secret["target"] for secret in composed.get("secrets", [])] == [
        secret["target"] for secret in deployed.get("secrets", [])
    ]


@pytest.mark.parametrize(("deployed", "composed"), PAIRS.values(), ids=PAIRS)
def test_docker_compose_runs_the_container_that_swarm_runs(rendered, deployed, composed):
    service = stack(rendered[deployed])["services"]["api"]
    parsed = yaml.safe_load(rendered[composed])
    assert "version" not in parsed
    found = parsed["services"]["api"]
    assert_same_container(found, service)
    assert found["scale"] == service["deploy"]["replicas"]
    assert not {"ports", "expose"} & set(found)
    # A host has a copy of what this machine has itself.
    known = [volume | ({"source": None} if volume["type"] == "bind" else {}) for volume in service.get("volumes", [])]
    assert [
        volume | ({"source": None} if volume["type"] == "bind" else {}) for volume in found.get("volumes", [])
    ] == known
    # Secrets are files beside it, and all that are named exist.
    used = [secret["source"] for each in parsed["services"].values() for secret in each.get("secrets", [])]
    assert {name: entry["file"] for name, entry in parsed.get("secrets", {}).items()} == {
        name: f"./secrets/{name}" for name in used
    }


def test_docker_compose_publishes_the_proxy_alone_and_on_this_machine(rendered):
    for _, composed in PAIRS.values():
        services = yaml.safe_load(rendered[composed])["services"]
        assert {name: service["ports"] for name, service in services.items() if "ports" in service} == {
            "proxy": ["127.0.0.1:8080:8080"]
        }


def test_docker_compose_has_the_services_beside_the_api(rendered):
    deployed = stack(rendered[SERVICES])["services"]
    for _, composed in PAIRS.values():
        services = yaml.safe_load(rendered[composed])["services"]
        for name in ("cache", "vectors"):
            assert_same_container(services[name], deployed[name])


def test_docker_compose_has_the_platform_where_the_api_needs_it(rendered):
    deployed = stack(rendered[DEPLOYED_PLATFORM])["services"]
    for name, (_, composed) in PAIRS.items():
        services = yaml.safe_load(rendered[composed])["services"]
        needed = name in ("the lab's own", "a stage of the full image", "with the platform")
        assert ({"postgres", "redis", "mlflow", "train"} <= set(services)) is needed
        assert services["proxy"]["image"] == IMAGES["haproxy"]
        for other in ("postgres", "redis", "mlflow") if needed else ():
            assert_same_container(services[other], deployed[other])


# --- The platform ---------------------------------------------------------------------------------------------------

PLATFORM = platform()


def test_platform_is_confined_and_its_passwords_are_files(rendered):
    parsed = stack(rendered[PLATFORM])
    assert {name: service["image"] for name, service in parsed["services"].items()} == {
        "postgres": IMAGES["postgres"],
        "redis": IMAGES["redis"],
        "mlflow": IMAGES["mlflow"],
        "proxy": IMAGES["haproxy"],
    }
    for service in parsed["services"].values():
        assert_confined(service)
    assert_secrets_are_files(parsed)
    targets = [secret["target"] for secret in parsed["services"]["postgres"]["secrets"]]
    assert targets == ["postgres_mlflow_password", "postgres_covertype_password"]
    assert [secret["target"] for secret in parsed["services"]["redis"]["secrets"]] == ["redis_password"]
    assert {name: volume["labels"] for name, volume in parsed["volumes"].items()} == {
        "postgres": {"swarmsweep.lab": "lab"},
        "artifacts": {"swarmsweep.lab": "lab"},
    }


def test_platform_publishes_the_proxy_alone(rendered):
    services = stack(rendered[PLATFORM])["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]
    assert services["proxy"]["ports"] == [{"target": 8080, "published": 8080, "protocol": "tcp", "mode": "host"}]


# Else an image of the user would reach MLflow, or HAProxy would not find its replicas.
def test_only_the_proxy_is_on_the_network_of_an_api_that_needs_no_dependency(rendered):
    parsed = stack(rendered[PLATFORM])
    on = {name: service["networks"] for name, service in parsed["services"].items()}
    assert on == {"postgres": ["lab"], "redis": ["lab"], "mlflow": ["lab"], "proxy": ["lab", "api"]}
    assert parsed["networks"]["api"] == stack(rendered[OWN_ALONE["fresh"]])["networks"]["lab"]
    assert parsed["networks"]["lab"] == stack(rendered[API])["networks"]["lab"]


OTHER = platform(platform_lab_name="other")
ELSEWHERE = platform(platform_directory="/srv/x")


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        (platform(platform_proxy_port=9090), "services/proxy/ports/0/published", 9090),
        (platform(platform_proxy_max_connections=100), "services/proxy/ulimits/nofile/soft", 1200),
        # A number from -e is text.
        (platform(platform_proxy_max_connections="100"), "services/proxy/ulimits/nofile/hard", 1200),
        (OTHER, "networks/lab/name", "other_net"),
        (OTHER, "secrets/postgres_mlflow/name", "other_postgres_mlflow_password"),
        (OTHER, "secrets/redis/name", "other_redis_password"),
        (OTHER, "services/postgres/deploy/labels/swarmsweep.lab", "other"),
        (OTHER, "volumes/postgres/labels/swarmsweep.lab", "other"),
        (ELSEWHERE, "configs/haproxy/file", "/srv/x/stacks/lab-haproxy.cfg"),
        (ELSEWHERE, "services/proxy/volumes/0", "/srv/x/run/lab-haproxy:/run/haproxy"),
    ],
)
def test_platform_follows_its_variables(rendered, name, path, value):
    found = stack(rendered[name])
    for key in path.split("/"):
        found = found[int(key) if key.isdigit() else key]
    assert found == value


OTHER_PATH = platform(platform_api_ready_path="/v2/ready")


def test_a_changed_proxy_configuration_has_another_name(rendered):
    # A Swarm config cannot be changed. With an old name, the old content would stay in use.
    names = [stack(rendered[name])["configs"]["haproxy"]["name"] for name in (PLATFORM, ELSEWHERE, OTHER_PATH)]
    before, same, after = names
    assert re.fullmatch(r"lab_haproxy_[0-9a-f]{12}", before)
    assert before == same
    assert before != after


# --- HAProxy --------------------------------------------------------------------------------------------------------

HAPROXY = haproxy()


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (HAPROXY, "maxconn 9000"),
        (HAPROXY, "nbthread 1"),
        (HAPROXY, "balance leastconn"),
        (HAPROXY, "stats socket /run/haproxy/haproxy.sock mode 600 level admin"),
        (HAPROXY, "http-check send meth GET uri /ready ver HTTP/1.1 hdr Host api"),
        (HAPROXY, "server-template api- 100 tasks.lab_api_api:8000 resolvers docker init-addr none"),
        (haproxy(platform_proxy_max_connections=500), "maxconn 500"),
        (haproxy(platform_proxy_threads=2), "nbthread 2"),
        (haproxy(platform_api_ready_path="/v2"), "http-check send meth GET uri /v2 ver HTTP/1.1 hdr Host api"),
        (
            haproxy(platform_api_ready_host="my.example"),
            "http-check send meth GET uri /ready ver HTTP/1.1 hdr Host my.example",
        ),
        (
            haproxy(platform_lab_name="other", platform_proxy_slots=7, platform_api_port=3000),
            "server-template api- 7 tasks.other_api_api:3000 resolvers docker init-addr none",
        ),
        # Docker Compose gives a service its own name.
        (haproxy(platform_api_name="api"), "server-template api- 100 api:8000 resolvers docker init-addr none"),
    ],
)
def test_haproxy_follows_its_variables(rendered, name, line):
    assert line in [found.strip() for found in rendered[name].splitlines()]


def test_haproxy_listens_and_checks_only_where_it_must(rendered):
    assert re.findall(r"^\s+bind (.+)$", rendered[HAPROXY], re.MULTILINE) == [":8080"]
    assert re.findall(r"^\s+nameserver \S+ (.+)$", rendered[HAPROXY], re.MULTILINE) == ["127.0.0.11:53"]  # Docker's own
    assert not SECRET_WORD.search(rendered[HAPROXY])


# --- The users in the images ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dockerfile", "uid"),
    [
        ("app/Dockerfile", "10001"),
        ("app/Dockerfile.mlflow", "10001"),
        ("roles/images/files/haproxy/Dockerfile", "10002"),
        ("roles/images/files/postgres/Dockerfile", "10003"),
        ("roles/images/files/redis/Dockerfile", "10004"),
    ],
)
def test_images_run_as_the_user_that_their_secrets_are_for(dockerfile, uid):
    users = re.findall(r"^USER (\S+)$", (ROOT / dockerfile).read_text(), re.MULTILINE)
    assert users[-1] == f"{uid}:{uid}"
