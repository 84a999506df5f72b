"""Registries: which targets are taken, what the docker command gets of a credentials file, and what is said."""

import base64
import json

import pytest

from swarmsweep.errors import InputError, LabError
from swarmsweep.lab.registry import (
    MAX_BYTES,
    Target,
    docker_config,
    explain,
    is_before_transfer,
    is_progress,
    read_target,
)

CANARY = "canary-5e9c1"
LOGIN = f"me:{CANARY}"
AUTH = base64.b64encode(LOGIN.encode()).decode()
DIGEST = "sha256:" + "1" * 64


@pytest.mark.parametrize(
    ("text", "registry", "name"),
    [
        ("registry.example:5000/my-api:1", "registry.example:5000", "registry.example:5000/my-api:1"),
        ("ghcr.io/team/my_api/x:v1.2-rc_3", "ghcr.io", "ghcr.io/team/my_api/x:v1.2-rc_3"),
        ("localhost/a:1", "localhost", "localhost/a:1"),
        ("192.0.2.1:5000/a:1", "192.0.2.1:5000", "192.0.2.1:5000/a:1"),
        ("docker.io/team/a:1", "docker.io", "docker.io/team/a:1"),
        ("index.docker.io/team/a:1", "docker.io", "docker.io/team/a:1"),
    ],
)
def test_a_target(text, registry, name):
    assert read_target(text) == Target(registry, name)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("my-api:1", "names no registry"),
        ("team/my-api:1", "names no registry"),
        ("", "names no registry"),
        ("ghcr.io/my-api", "has no tag"),
        ("ghcr.io:5000/my-api", "has no tag"),
        (f"ghcr.io/a@{DIGEST}", "is not the name of an image"),
        ("ghcr.io/A:1", "is not the name of an image"),
        ("ghcr.io/a b:1", "is not the name of an image"),
        ("ghcr.io/a:1 --x", "is not the name of an image"),
        ("ghcr.io/../a:1", "is not the name of an image"),
        ("https://ghcr.io/a:1", "is not the name of an image"),
        ("-x.io/a:1", "is not the name of an image"),
        ("ghcr.io/a:", "is not the name of an image"),
        ("ghcr.io/a:1\n", "is not the name of an image"),
    ],
)
def test_what_is_no_target(text, cause):
    with pytest.raises(InputError) as caught:
        read_target(text)
    assert cause in str(caught.value)
    assert "allowed: REGISTRY/NAME:TAG" in str(caught.value)


@pytest.fixture
def config(tmp_path):
    """config(content, registry, user) -> what the docker command gets."""
    path = tmp_path / "credentials"

    def read(content, registry="registry.example", user=""):
        path.write_text(content)
        return json.loads(docker_config(registry, str(path), user))

    return read


@pytest.mark.parametrize(
    ("content", "registry", "user", "auths"),
    [
        (f"{LOGIN}\n", "registry.example", "", {"registry.example": {"auth": AUTH}}),
        (f"{LOGIN}\r\n", "docker.io", "", {"https://index.docker.io/v1/": {"auth": AUTH}}),
        # A password may have a colon, and spaces at its ends.
        ("me:a:b ", "h:5", "", {"h:5": {"auth": base64.b64encode(b"me:a:b ").decode()}}),
        (f"{CANARY}\n", "h:5", "me", {"h:5": {"auth": AUTH}}),
        ({"h:5": {"auth": AUTH}, "other": {"auth": "x"}}, "h:5", "", {"h:5": {"auth": AUTH}}),
        ({"https://h:5/v1/": {"auth": AUTH}}, "h:5", "", {"h:5": {"auth": AUTH}}),
        (
            {"https://index.docker.io/v1/": {"identitytoken": CANARY, "email": "x"}},
            "docker.io", "", {"https://index.docker.io/v1/": {"identitytoken": CANARY}},
        ),
        ({"h:5": {"username": "me", "password": CANARY}}, "h:5", "", {"h:5": {"username": "me", "password": CANARY}}),
    ],
)  # fmt: skip
def test_the_docker_command_logs_in_to_one_registry(config, content, registry, user, auths):
    text = content if isinstance(content, str) else json.dumps({"auths": content, "credsStore": "desktop"})
    assert config(text, registry, user) == {"auths": auths}


def test_without_credentials_there_is_no_login():
    assert docker_config("ghcr.io", "") == "{}"


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (f"{CANARY}\n", "has neither of the two forms"),
        (f"{LOGIN}\n{CANARY}:x\n", "has neither of the two forms"),
        (f":{CANARY}", "has neither of the two forms"),
        ("me:", "has neither of the two forms"),
        (" \n", "has 2 B"),
        ("", "has 0 B"),
        (f"{LOGIN}{'x' * MAX_BYTES}", "allowed: 1 B to 64"),
        ('{"auths": ' + CANARY, "cannot be read as JSON"),
        (json.dumps({"auths": CANARY}), "cannot be read as JSON"),
        (json.dumps({"auths": {"ghcr.io": CANARY}}), "cannot be read as JSON"),
        (json.dumps({"auths": {"h": {"auth": AUTH}}}), "has no entry for registry.example in auths (it has: h)"),
        ("{}", "has no entry for registry.example in auths (it has: none)"),
        (json.dumps({"auths": {"registry.example": {}}, "credsStore": "x"}), "another program keeps it (credsStore)"),
    ],
)  # fmt: skip
def test_credentials_that_cannot_be_used_are_named_without_their_content(config, content, cause):
    with pytest.raises(LabError) as caught:
        config(content)
    said = str(caught.value)
    assert cause in said
    assert "allowed: " in said
    assert CANARY not in said
    assert AUTH not in said


@pytest.mark.parametrize(("path", "cause"), [("none", "cannot be read: No such file"), (".", "is not a file")])
def test_a_path_that_is_no_file(tmp_path, path, cause):
    with pytest.raises(LabError, match=cause):
        docker_config("ghcr.io", str(tmp_path / path))


# As docker 20.10 and 26.1 print them.
@pytest.mark.parametrize(
    ("said", "fix"),
    [
        ("no basic auth credentials", "give credentials that may do this: --credentials FILE"),
        ("Error response from daemon: x509: certificate signed by unknown authority", "lab_ca_bundle"),
        ("Error response from daemon: unauthorized: incorrect username or password", "--credentials FILE"),
        ("denied: requested access to the resource is denied", "--credentials FILE"),
        ("dial tcp 192.0.2.1:5000: connect: connection refused", "make h:5 reachable from lab-api"),
        ("dial tcp: lookup registry.example on 192.0.2.1:53: no such host", "make h:5 reachable from lab-api"),
        ("Error response from daemon: manifest for h:5/a:1 not found: manifest unknown", "check the name"),
        ("http: server gave HTTP response to HTTPS client", "must speak TLS"),
        ("something else", "journalctl -u docker"),
    ],
)  # fmt: skip
def test_what_helps(said, fix):
    assert fix in explain(said, "h:5", "lab-api", "--credentials FILE")


# As docker 20.10 and 26.1 print them where no terminal is.
@pytest.mark.parametrize(
    ("line", "progress", "before"),
    [
        ("The push refers to repository [h:5/a]", True, False),
        ("5f70bf18a086: Preparing", True, True),
        ("5f70bf18a086: Waiting", True, True),
        ("5f70bf18a086: Pushed", True, False),
        ("5f70bf18a086: Layer already exists", True, False),
        ("5f70bf18a086: Mounted from team/a", True, False),
        ("5f70bf18a086: Retrying in 5 seconds", True, False),
        ("no basic auth credentials", False, False),
        ("denied: requested access to the resource is denied", False, False),
        ("unauthorized: authentication required", False, False),
        ("Error response from daemon: x509: certificate signed by unknown authority", False, False),
        (f"1: digest: {DIGEST} size: 528", False, False),
        ("", False, False),
    ],
)
def test_which_lines_of_a_push_are_no_cause(line, progress, before):
    assert is_progress(line) is progress
    assert is_before_transfer(line) is before
