"""The peers run on what the API runs on, so that only the servers differ."""

import re

import pytest

from bench.serving import environments

# Not opentelemetry: BentoML asks for a version of its own, and the API does not use it.
SHARED = ("fastapi", "httptools", "msgspec", "numpy", "onnxruntime", "starlette", "uvicorn", "uvloop")


def versions(lock: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([a-z0-9._-]+)==(\S+)", lock, re.MULTILINE):
        found.setdefault(name, []).append(version)
    return found


@pytest.mark.parametrize("name", SHARED)
def test_peers_have_the_versions_of_the_api(name):
    api = versions(environments.API.lock.read_text())
    assert versions(environments.PEERS.lock.read_text())[name] == api[name]
    assert versions(environments.MLFLOW.lock.read_text())[name] == api[name]


def test_every_package_of_the_peers_has_a_hash():
    text = environments.PEERS.lock.read_text()
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert {"litserve", "bentoml"} <= versions(text).keys()
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in text
