"""The images that the API hosts must have: each host that lacks one is named, before anything else is done."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest

from tests.printed import printed

sys.path.insert(0, str(Path(__file__).parent))
import playing

# `docker` of all hosts. It knows the images kit:1, and kit:2 which differs from call to call.
DOCKER = """#!/bin/sh
case "$1:$6" in
  image:kit:1) echo sha256:1;;
  image:kit:2) echo sha256:$$;;
  image:* | run:*) exit 1;;
esac
"""
HOST = {"ansible_connection": "local", "ansible_become": False}
HOSTS = {
    "lab-api": HOST | {"ansible_host": "192.0.2.1"},
    "lab-api2": HOST | {"ansible_host": "198.18.0.12"},
    "lab-api3": HOST | {"ansible_host": "192.0.2.3"},
}


@pytest.fixture
def check(tmp_path):
    """Run check(lab_api_image, images of the sweep) on three API hosts. The exit code, and all that was printed."""
    (tmp_path / "docker").write_text(DOCKER)
    (tmp_path / "docker").chmod(0o755)

    def run(image: str, *images: str, **settings: object) -> tuple[int, str]:
        groups = {"api": {"hosts": HOSTS, "vars": {"lab_api_image": image} | settings}}
        (tmp_path / "hosts.json").write_text(json.dumps(groups))
        checked = {"ansible.builtin.set_fact": {"sweep_checked": {"images": list(images)}}}
        went_on = {"ansible.builtin.debug": {"msg": "went on"}}
        plays = [
            {"name": "Read it", "hosts": "localhost", "tasks": [{"name": "Read it"} | checked]},
            # Twice, as in site.yml.
            *[{"name": "Look", "import_playbook": str(playing.ROOT / "playbooks/check_images.yml")}] * 2,
            {"name": "Go on", "hosts": "api", "tasks": [{"name": "Go on"} | went_on]},
        ]
        (tmp_path / "play.yml").write_text(json.dumps(plays))
        path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
        code, out, errors = playing.play(tmp_path, "-v", PATH=path)
        return code, printed(out + errors)

    return run


@pytest.mark.parametrize("images", [("",), ("kit:1",), ("", "kit:1"), ("kit:1", "kit:1")])
def test_images_that_are_there(check, images):
    code, said = check(*images)
    assert code == 0, said
    assert "went on" in said


@pytest.mark.parametrize(
    ("images", "setting"),
    [(("kit",), "lab_api_image"), (("kit:1", "kit"), "the key image of the sweep file")],
)
def test_a_missing_image_is_named_by_every_host_with_the_command(check, images, setting):
    code, said = check(*images)
    assert code != 0
    assert "went on" not in said
    for host in ("lab-api (192.0.2.1)", "lab-api3 (192.0.2.3)", "lab-api2 (198.18.0.12)"):
        fix = "Copy it with: ./lab image kit --copy-only"
        assert f"{host} has no image kit, which {setting} names. {fix}" in said


def test_the_image_of_a_service_is_looked_for_too_and_needs_no_shell(check):
    services = {"cache": {"image": "kit"}, "side": {"image": "kit:1"}}
    code, said = check("", lab_api_services=services)
    assert code != 0
    assert "lab-api (192.0.2.1) has no image kit, which lab_api_services names. " in said
    assert "kit:1" not in said
    # This `docker` runs no image, so only images of the API are refused for it.
    code, said = check("kit:1", lab_api_services={"side": {"image": "kit:3"}}, lab_api_secret_env=["A"])
    assert "the image kit:1, which lab_api_image names, cannot run sh and cat" in said
    assert "kit:3, which lab_api_services names. " in said
    code, said = check("", lab_api_services={"side": {"image": "kit:1"}}, lab_api_secret_env=["A"])
    assert code == 0, said


def test_an_image_that_differs_between_the_api_hosts_is_refused_with_both_ids(check):
    code, said = check("kit:1", "kit:2")
    assert code != 0
    assert "went on" not in said
    assert "The image kit:2, which the key image of the sweep file names, is not the same on all API hosts" in said
    assert re.search(r"lab-api has sha256:\d+, lab-api2 has sha256:\d+, lab-api3 has sha256:\d+", said), said
