"""What of Docker is on a host: this machine, and files of settings."""

import os
import shutil
import subprocess

import pytest
from ansible.module_utils import docker_found

NOTHING = {"package": "", "version": "", "client": "", "buildx": False, "settings": None, "containers": []}


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        (None, None),
        ("", {}),
        ("{}", {}),
        (
            '{"log-opts": {"max-size": "10m", "splunk-token": "hunter2"}, "data-root": "/srv", "log-driver": "splunk"}',
            {"data-root": None, "log-driver": "splunk", "log-opts": {"max-size": "10m", "splunk-token": "***"}},
        ),
        ('{"log-opts": 7, "proxies": {"http-proxy": "http://me:hunter2@proxy"}}', {"log-opts": 7, "proxies": None}),
        ("[1]", {"(not a JSON object)": None}),
        ("{log-opts: 1}", {"(not valid JSON)": None}),
    ],
)
def test_the_settings_have_no_value_that_may_be_secret(tmp_path, text, settings):
    if text is not None:
        (tmp_path / "daemon.json").write_text(text)
    assert docker_found.settings_of(tmp_path / "daemon.json") == settings


def test_this_machine(tmp_path):
    found = docker_found.describe_docker(tmp_path / "none.json")
    assert found["settings"] is None
    there = shutil.which("docker") or shutil.which("dockerd")
    assert bool(found["package"]) >= bool(shutil.which("dockerd"))
    if not there:
        assert found == NOTHING


@pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="this machine: no dpkg")
def test_the_status_of_a_package_is_read_from_dpkg(monkeypatch):
    installed = subprocess.run(
        ["dpkg-query", "--show", "--showformat", "${db:Status-Status}", "bash"], capture_output=True, text=True
    )
    assert installed.stdout == "installed"
    monkeypatch.setattr(docker_found, "PACKAGES", ("no-such-package", "bash"))
    assert docker_found.describe_docker()["package"] == "bash"


@pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="this machine: no dpkg")
@pytest.mark.parametrize(
    ("client", "programs", "package"),
    [
        # The command without a daemon: it stays when docker.io of Debian 13 is removed.
        ("bash", ("docker",), ""),
        ("bash", ("docker", "dockerd"), docker_found.OTHER),
        ("no-such-package", ("docker",), docker_found.OTHER),
        ("no-such-package", (), ""),
    ],
)
def test_a_command_without_a_daemon_is_no_engine(tmp_path, monkeypatch, client, programs, package):
    monkeypatch.setattr(docker_found, "PACKAGES", ("no-such-package",))
    monkeypatch.setattr(docker_found, "CLIENT", client)
    monkeypatch.setattr(docker_found, "SOCKET", tmp_path / "none")
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}" if name in programs else None)
    found = docker_found.describe_docker(tmp_path / "none.json")
    assert found == NOTHING | {"package": package}


# As docker 26.1 of Debian 13 and docker 20.10 respond, where the package docker-buildx is not installed or is.
DOCKER = """\
#!/bin/sh
case "$*" in
    *Server.Version*) echo {version} ;;
    *Client.Version*) echo {version} ;;
    "buildx version") {buildx} ;;
    ps*) echo "|shop" ;;
esac
"""
NO_BUILDX = "echo \"docker: 'buildx' is not a docker command.\" >&2; exit 1"


@pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="this machine: no dpkg")
@pytest.mark.parametrize(
    ("version", "buildx", "has_it"),
    [
        ("26.1.5+dfsg1", NO_BUILDX, False),
        ("26.1.5+dfsg1", "echo github.com/docker/buildx 0.13.1+ds1-3", True),
        ("20.10.24+dfsg1", NO_BUILDX, False),
    ],
)
def test_the_plugin_that_builds_is_found_by_asking_docker(tmp_path, monkeypatch, version, buildx, has_it):
    (tmp_path / "docker").write_text(DOCKER.format(version=version, buildx=buildx))
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path), os.environ["PATH"]]))
    # A package that each machine with dpkg has.
    monkeypatch.setattr(docker_found, "PACKAGES", ("bash",))
    monkeypatch.setattr(docker_found, "SOCKET", tmp_path)
    found = docker_found.describe_docker(tmp_path / "none.json")
    told = {"package": "bash", "version": version, "client": version, "buildx": has_it}
    assert found == told | {"settings": None, "containers": ["shop"]}
