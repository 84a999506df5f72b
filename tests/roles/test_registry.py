"""The registry of the lab: Debian's docker-registry with the files of its image, and the certificates of the role."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import ssl
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

from bench.lib import packages
from tests.plugins import playing

IMAGE = playing.ROOT / "roles/images/files/registry"
PACKAGE = ("docker-registry", "usr/bin/docker-registry")
PASSWORD = "canary5e9c1"
READY_SECONDS = 15.0


def make_certificates(folder: Path, address: str) -> str:
    """Run the task file of the role on this machine. What was changed."""
    include = {"name": "registry", "tasks_from": "certificates"}
    given = {"registry_keys_directory": str(folder / "keys"), "registry_address": address}
    task = {"name": "Make them", "ansible.builtin.include_role": include, "vars": given}
    (folder / "play.yml").write_text(json.dumps([{"name": "Play", "hosts": "api", "tasks": [task]}]))
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (folder / "hosts.json").write_text(json.dumps({"api": {"hosts": {"lab-api": host}}}))
    code, out, errors = playing.play(folder, ANSIBLE_STDOUT_CALLBACK="ansible.builtin.default")
    assert code == 0, out + errors
    return next(line for line in out.splitlines() if line.startswith("lab-api ")).split("changed=")[1].split()[0]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Path:
    """A folder with the keys and certificates for the loopback address."""
    folder = tmp_path_factory.mktemp("registry")
    assert make_certificates(folder, "127.0.0.1") != "0"
    return folder


def test_certificates_are_made_once_and_keys_are_private(certificates):
    keys = certificates / "keys"
    before = {path.name: path.read_bytes() for path in keys.iterdir()}
    assert before.keys() == {"ca.key", "ca.crt", "server.key", "server.crt"}
    assert make_certificates(certificates, "127.0.0.1") == "0"
    assert {path.name: path.read_bytes() for path in keys.iterdir()} == before
    modes = {name: stat.S_IMODE((keys / name).stat().st_mode) for name in ("ca.key", "server.key")}
    assert modes == {"ca.key": 0o600, "server.key": 0o600}
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700


def test_another_address_gets_another_certificate_of_the_same_authority(certificates, tmp_path):
    shutil.copytree(certificates / "keys", tmp_path / "keys")
    before = {path.name: path.read_bytes() for path in (tmp_path / "keys").iterdir()}
    make_certificates(tmp_path, "192.0.2.2")
    after = {path.name: path.read_bytes() for path in (tmp_path / "keys").iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"server.crt"}


@pytest.fixture(scope="module")
def registry(certificates):
    """Its URL. The entry point and the configuration are those of the image, with paths of this machine."""
    program = packages.find(*PACKAGE)
    htpasswd = packages.find("apache2-utils", "usr/bin/htpasswd")
    if not program or not htpasswd:
        pytest.skip("docker-registry and htpasswd are not here; to get them: python -m tests.install_programs")
    home, keys = certificates / "home", certificates / "keys"
    home.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    paths = {
        "/run/secrets/registry_certificate": str(keys / "server.crt"),
        "/run/secrets/registry_key": str(keys / "server.key"),
        "/run/secrets/registry_password": str(home / "password"),
        "/var/lib/registry": str(home / "data"),
        "/tmp/htpasswd": str(home / "htpasswd"),
        "/usr/local/etc/registry.yml": str(home / "registry.yml"),
        "addr: :5000": f"addr: 127.0.0.1:{port}",
    }
    for name in ("entrypoint.sh", "registry.yml"):
        text = (IMAGE / name).read_text()
        for old, new in paths.items():
            text = text.replace(old, new)
        (home / name).write_text(text)
    (home / "password").write_text(PASSWORD)
    path = os.pathsep.join([str(program.parent), str(htpasswd.parent), "/usr/bin", "/bin"])
    with (
        (home / "log").open("wb") as log,
        subprocess.Popen(
            ["/bin/sh", str(home / "entrypoint.sh")], env={"PATH": path}, stdout=log, stderr=log
        ) as process,
    ):
        try:
            url = f"https://127.0.0.1:{port}"
            deadline = time.monotonic() + READY_SECONDS
            while status(url, keys / "ca.crt") is None:
                assert process.poll() is None and time.monotonic() < deadline, (home / "log").read_text()
                time.sleep(0.05)
            yield url, process.pid
        finally:
            process.terminate()


def status(url: str, authority: Path | None, login: str = "") -> int | str | None:
    """The status of a request to the root of its API, or why there is no connection."""
    request = urllib.request.Request(f"{url}/v2/")
    if login:
        request.add_header("Authorization", f"Basic {base64.b64encode(login.encode()).decode()}")
    try:
        trust = ssl.create_default_context(cafile=authority)
        with urllib.request.urlopen(request, timeout=5, context=trust) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code
    except urllib.error.URLError as error:
        return "certificate" if isinstance(error.reason, ssl.SSLCertVerificationError) else None


@pytest.mark.parametrize(
    ("login", "expected"), [("", 401), (f"swarmsweep:{PASSWORD}", 200), ("swarmsweep:no", 401), (f"me:{PASSWORD}", 401)]
)
def test_it_needs_the_password(registry, certificates, login, expected):
    assert status(registry[0], certificates / "keys/ca.crt", login) == expected


def test_only_the_lab_s_authority_vouches_for_it(registry, certificates):
    assert status(registry[0], None) == "certificate"


def test_the_password_is_in_no_command_line_and_no_variable(registry, certificates):
    of_process = Path(f"/proc/{registry[1]}")
    for name in ("cmdline", "environ"):
        assert PASSWORD.encode() not in (of_process / name).read_bytes()
    kept = certificates / "home/htpasswd"
    assert PASSWORD not in kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_the_stack_names_the_secrets_that_swarm_has_now():
    names = yaml.safe_load((playing.ROOT / "roles/registry/vars/main.yml").read_text())["__registry_names"]
    text = (IMAGE / "registry.yml").read_text() + (IMAGE / "entrypoint.sh").read_text()
    assert all(f"/run/secrets/registry_{name}" in text for name in names)
