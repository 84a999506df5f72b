"""What the roles write for Docker and HAProxy, rendered by Ansible itself with the roles' own defaults."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
IMAGES = {name: f"swarmsweep/{name}:0123456789ab" for name in ("api", "mlflow", "postgres", "haproxy")}
# What the playbooks always give.
GIVEN = {"api_stack": {"api_stack_image": IMAGES["api"]}, "platform": {"platform_images": IMAGES}}
# Values beside which the user may never find a password.
SECRET_WORD = re.compile("password|secret|token", re.IGNORECASE)

Render = Callable[..., str]


@pytest.fixture
def render(play: Callable[..., subprocess.CompletedProcess], tmp_path: Path) -> Render:
    """render(role, template, **variables) -> text, as the role's own task would write it."""

    def run(role: str, template: str, **variables: object) -> str:
        folder = ROOT / "roles" / role
        target = tmp_path / "rendered"
        # Templates that look up others find them beside the playbook, as they would in the role.
        (tmp_path / "templates").symlink_to(folder / "templates")
        files = [path for path in (folder / "defaults/main.yml", folder / "vars/main.yml") if path.exists()]
        task = {"ansible.builtin.template": {"src": template, "dest": str(target), "mode": "0644"}}
        book = [{"hosts": "localhost", "vars_files": [str(path) for path in files], "tasks": [task]}]
        (tmp_path / "render.yml").write_text(yaml.safe_dump(book))
        (tmp_path / "hosts.yml").write_text("all: {}\n")
        given = json.dumps(GIVEN[role] | variables)
        result = play(tmp_path / "render.yml", tmp_path / "hosts.yml", "-e", given)
        assert result.returncode == 0, result.stdout + result.stderr
        return target.read_text()

    return run


def stack(text: str) -> dict:
    """The parsed stack file; Docker refuses what is not of Compose's version 3."""
    parsed = yaml.safe_load(text)
    assert parsed["version"].startswith("3.")
    return parsed


def assert_confined(service: dict) -> None:
    """No service may gain rights or write into its image."""
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    assert service["deploy"]["endpoint_mode"] == "dnsrr"
    assert service["deploy"]["resources"]["limits"]["memory"]
    assert service["logging"]["options"]["max-size"]
    assert not {"privileged", "cap_add", "user", "security_opt", "pid", "network_mode"} & set(service)


def assert_secrets_are_files(parsed: dict) -> None:
    """Passwords are named, mounted for one user, and stand nowhere."""
    for secret in parsed["secrets"].values():
        assert secret["external"] is True
        assert set(secret) == {"external", "name"}
    for service in parsed["services"].values():
        for key, value in service.get("environment", {}).items():
            assert not SECRET_WORD.search(key) or (key.endswith("_FILE") and value.startswith("/run/secrets/"))
        for secret in service.get("secrets", []):
            assert secret["source"] in parsed["secrets"]
            assert secret["mode"] == 0o400
            assert int(secret["uid"]) >= 10000


# --- The API -------------------------------------------------------------------------------------------------------------

API_CASES = {
    "the role's defaults": ({}, 1, "1", "536870912", "1"),
    "as a sweep gives them": (
        {"api_stack_replicas": 4, "api_stack_cpus": 0.25, "api_stack_memory_bytes": 629145600, "api_stack_workers": 2},
        *(4, "0.25", "629145600", "2"),
    ),
    "as text, from the command line": (
        {"api_stack_replicas": "2", "api_stack_cpus": "0.5", "api_stack_memory_bytes": "33554432", "api_stack_workers": "8"},
        *(2, "0.5", "33554432", "8"),
    ),
    "whole cores": ({"api_stack_cpus": 2}, 1, "2", "536870912", "1"),
}


@pytest.mark.parametrize(("given", "replicas", "cpus", "memory", "workers"), API_CASES.values(), ids=API_CASES)
def test_api_is_limited_as_the_configuration_says(render: Render, given, replicas, cpus, memory, workers):
    parsed = stack(render("api_stack", "api.yml.j2", **given))
    assert list(parsed["services"]) == ["api"]
    api = parsed["services"]["api"]
    assert api["image"] == IMAGES["api"]
    assert api["deploy"]["replicas"] == replicas
    # Compose takes text: a YAML number would be 0.1 or 1e-05 by then.
    assert api["deploy"]["resources"] == {"limits": {"cpus": cpus, "memory": memory}}
    assert api["environment"]["WEB_CONCURRENCY"] == workers


def test_api_is_confined_and_publishes_nothing(render: Render):
    parsed = stack(render("api_stack", "api.yml.j2"))
    api = parsed["services"]["api"]
    assert_confined(api)
    assert_secrets_are_files(parsed)
    assert "ports" not in api  # a published port clashes with the second replica
    assert api["init"] is True
    assert api["deploy"]["labels"] == {"swarmsweep.lab": "lab"}
    assert parsed["networks"] == {"lab": {"external": True, "name": "lab_net"}}
    assert parsed["secrets"]["postgres"]["name"] == "lab_postgres_covertype_password"


# What an own image brings, in the spelling that YAML or Jinja would like to read as something else.
HOSTILE = {"YES": "yes", "NUMBER": "010", "COLON": "a: b", "QUOTE": "it's \"so\" \\ #1", "LINE": "a\nb", "EMPTY": "", "LETTER": "ñ"}


def test_own_environment_arrives_as_it_was_written(render: Render):
    text = render("api_stack", "api.yml.j2", api_stack_env=HOSTILE, api_stack_variant="no", api_stack_image="registry.example:5000/x@sha256:00")
    api = stack(text)["services"]["api"]
    assert api["environment"].items() >= HOSTILE.items()
    assert api["environment"]["API_VARIANT"] == "no"
    assert api["image"] == "registry.example:5000/x@sha256:00"


def test_own_environment_wins_and_names_its_own_worker_variable(render: Render):
    given = {"api_stack_workers_env": "GUNICORN_WORKERS", "api_stack_workers": 3, "api_stack_env": {"API_VARIANT": "mine"}}
    environment = stack(render("api_stack", "api.yml.j2", **given))["services"]["api"]["environment"]
    assert environment["GUNICORN_WORKERS"] == "3"
    assert environment["API_VARIANT"] == "mine"
    assert "WEB_CONCURRENCY" not in environment


# Docker replaces $NAME in a stack file by a variable of the shell that deploys it.
def test_a_dollar_in_the_environment_is_not_replaced_by_docker(render: Render):
    text = render("api_stack", "api.yml.j2", api_stack_env={"PRICE": "$5 or ${HOME}"})
    assert stack(text)["services"]["api"]["environment"]["PRICE"] == "$$5 or $${HOME}"


def test_two_labs_share_nothing(render: Render):
    text = render("api_stack", "api.yml.j2", api_stack_lab_name="other")
    parsed = stack(text)
    assert parsed["networks"]["lab"]["name"] == "other_net"
    assert parsed["secrets"]["postgres"]["name"] == "other_postgres_covertype_password"
    assert parsed["services"]["api"]["deploy"]["labels"] == {"swarmsweep.lab": "other"}


# --- What stands around it -----------------------------------------------------------------------------------------------


def test_platform_is_confined_and_publishes_the_proxy_alone(render: Render):
    parsed = stack(render("platform", "platform.yml.j2"))
    services = parsed["services"]
    assert set(services) == {"postgres", "mlflow", "proxy"}
    for service in services.values():
        assert_confined(service)
    assert_secrets_are_files(parsed)
    assert {name: service["image"] for name, service in services.items()} == {
        "postgres": IMAGES["postgres"],
        "mlflow": IMAGES["mlflow"],
        "proxy": IMAGES["haproxy"],
    }
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]
    assert services["proxy"]["ports"] == [{"target": 8080, "published": 8080, "protocol": "tcp", "mode": "host"}]
    # Databases and their passwords are one to one.
    assert [secret["target"] for secret in services["postgres"]["secrets"]] == [
        "postgres_mlflow_password",
        "postgres_covertype_password",
    ]
    assert set(parsed["secrets"]) == {"postgres_mlflow", "postgres_covertype"}
    # Data is in volumes of this lab, found and removed by their label.
    assert all(volume["labels"] == {"swarmsweep.lab": "lab"} for volume in parsed["volumes"].values())


@pytest.mark.parametrize(
    ("given", "path", "value"),
    [
        ({"platform_proxy_port": 9090}, ("services", "proxy", "ports", 0, "published"), 9090),
        ({"platform_proxy_max_connections": 100}, ("services", "proxy", "ulimits", "nofile", "soft"), 1200),
        ({"platform_lab_name": "other"}, ("networks", "lab", "name"), "other_net"),
        ({"platform_lab_name": "other"}, ("secrets", "postgres_mlflow", "name"), "other_postgres_mlflow_password"),
        ({"platform_lab_name": "other"}, ("services", "postgres", "deploy", "labels", "swarmsweep.lab"), "other"),
        ({"platform_directory": "/srv/x"}, ("configs", "haproxy", "file"), "/srv/x/stacks/lab-haproxy.cfg"),
        ({"platform_directory": "/srv/x"}, ("services", "proxy", "volumes", 0), "/srv/x/run/lab-haproxy:/run/haproxy"),
    ],
)
def test_platform_follows_its_variables(render: Render, given, path, value):
    found = stack(render("platform", "platform.yml.j2", **given))
    for key in path:
        found = found[key]
    assert found == value


def config_name(text: str) -> str:
    return stack(text)["configs"]["haproxy"]["name"]


def test_a_changed_proxy_configuration_has_another_name(render: Render, tmp_path):
    # A Swarm config cannot be changed; under the old name the old one would go on being used.
    before = config_name(render("platform", "platform.yml.j2"))
    (tmp_path / "templates").unlink()
    after = config_name(render("platform", "platform.yml.j2", platform_api_ready_path="/v2/ready"))
    assert re.fullmatch(r"lab_haproxy_[0-9a-f]{12}", before)
    assert before != after


# --- HAProxy -------------------------------------------------------------------------------------------------------------

HAPROXY_CASES = [
    ({}, "maxconn 9000"),
    ({}, "nbthread 1"),
    ({}, "bind :8080"),
    ({}, "balance leastconn"),
    ({}, "http-check send meth GET uri /ready ver HTTP/1.1 hdr Host api"),
    ({}, "stats socket /run/haproxy/haproxy.sock mode 600 level admin"),
    ({}, "server-template api- 100 tasks.lab_api_api:8000 resolvers docker init-addr none"),
    ({"platform_proxy_max_connections": 500}, "maxconn 500"),
    ({"platform_proxy_threads": 2}, "nbthread 2"),
    ({"platform_api_ready_path": "/v2/health/ready"}, "http-check send meth GET uri /v2/health/ready ver HTTP/1.1 hdr Host api"),
    (
        {"platform_lab_name": "other", "platform_proxy_slots": 7, "platform_api_port": 3000},
        "server-template api- 7 tasks.other_api_api:3000 resolvers docker init-addr none",
    ),
]


@pytest.mark.parametrize("given", [dict(items) for items in dict.fromkeys(tuple(given.items()) for given, _ in HAPROXY_CASES)])
def test_haproxy_follows_its_variables(render: Render, given):
    lines = [line.strip() for line in render("platform", "haproxy.cfg.j2", **given).splitlines()]
    for line in (line for own, line in HAPROXY_CASES if own == given):
        assert line in lines


def test_haproxy_speaks_to_no_one_else(render: Render):
    text = render("platform", "haproxy.cfg.j2")
    assert re.findall(r"^\s+bind (.+)$", text, re.MULTILINE) == [":8080"]
    assert re.findall(r"^\s+nameserver \S+ (.+)$", text, re.MULTILINE) == ["127.0.0.11:53"]  # Docker's own
    assert not SECRET_WORD.search(text)


# --- The users in the images ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dockerfile", "uid"),
    [
        ("app/Dockerfile", "10001"),
        ("app/Dockerfile.mlflow", "10001"),
        ("roles/images/files/haproxy/Dockerfile", "10002"),
        ("roles/images/files/postgres/Dockerfile", "10003"),
    ],
)
def test_images_run_as_the_user_that_their_secrets_are_for(dockerfile, uid):
    users = re.findall(r"^USER (\S+)$", (ROOT / dockerfile).read_text(), re.MULTILINE)
    assert users[-1] == f"{uid}:{uid}"
