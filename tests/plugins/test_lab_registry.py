"""`./lab publish`, and images that are pulled: what Docker on each host is asked, and where the credentials are.

Each host is reached through a program that stands in for ssh, and has a `docker` of its own. All share one registry.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.plugins import playing
from tests.printed import printed

SSH = """\
#!/bin/sh
for last in "$@"; do :; done
PATH={bin}:/usr/bin:/bin exec sh -c "$last"
"""
# Images of a host and of the registry are files: name -> id. The registry needs the password of `login`.
DOCKER = """\
#!/usr/bin/env python3
import base64, hashlib, json, os, pathlib, sys
home, words = pathlib.Path(__file__).parent, sys.argv[1:]
shop = home.parent / "registry"
with (home / "calls").open("a") as calls:
    calls.write(" ".join(words) + "\\n")
config = pathlib.Path(words[1]) / "config.json" if words[0] == "--config" else None
words = words[2:] if config else words
file = lambda folder, name: folder / name.replace("/", "_")
def read(path):
    return json.loads(path.read_text()) if path.exists() else None
def digest(identity):
    return "sha256:" + hashlib.sha256(identity.encode()).hexdigest()
def fail(text):
    sys.exit("Error response from daemon: " + text)
def check():
    (home / "modes").write_text(oct(config.parent.stat().st_mode)[-3:] + oct(config.stat().st_mode)[-3:])
    auths = json.loads(config.read_text()).get("auths", {})
    wanted = (shop / "login").read_text()
    if [base64.b64decode(e["auth"]).decode() for e in auths.values()] != [wanted] or list(auths) != ["h:5"]:
        fail("Head: unauthorized: authentication required")
images = home / "images"
images.mkdir(exist_ok=True)
if words[0] == "version":
    pass
elif words[0] == "service":
    sys.exit(not (shop / "runs").exists())
elif words[0] == "info":
    print("h")
elif words[:2] == ["image", "inspect"]:
    form, name = words[3], words[-1]
    plain, at, wanted = name.partition("@")
    by_digest = (i for i in map(read, images.iterdir()) if at and name in i["digests"])
    found = read(file(images, name)) or next(by_digest, None)
    if form == "present" or found is None:
        sys.exit(found is None)
    print(form.replace("{{.Id}}", found["id"]).replace("{{json .RepoDigests}}", json.dumps(found["digests"])))
elif words[:2] == ["image", "rm"]:
    file(images, words[-1]).unlink()
elif words[0] == "tag":
    lost = home / "untagged"
    known = [(p, read(p)) for p in [*images.iterdir(), *([lost] if lost.exists() else [])]]
    found = next(i for p, i in known if p == file(images, words[1]) or words[1] in [i["id"], *i["digests"]])
    if file(images, words[2]).exists():
        lost.write_text(file(images, words[2]).read_text())
    file(images, words[2]).write_text(json.dumps(found))
elif words[0] == "push":
    print("The push refers to repository [" + words[1].rpartition(":")[0] + "]")
    print("0123456789ab: Preparing", "0123456789ab: Waiting", sep="\\n", flush=True)
    check()
    found, name = read(file(images, words[1])), words[1].rpartition(":")[0]
    found["digests"] = sorted({*found["digests"], name + "@" + digest(found["id"])})
    for path in images.iterdir():
        if read(path)["id"] == found["id"]:
            path.write_text(json.dumps(found))
    file(shop, words[1]).write_text(found["id"])
    print("0123456789ab: Pushed")
    print(f"1: digest: {digest(found['id'])} size: 1")
elif words[0] == "pull":
    check()
    name, at, wanted = words[-1].partition("@")
    has = [p.read_text() for p in shop.iterdir() if p.name not in ("login", "runs")]
    ids = [i for i in has if digest(i) == wanted] if at else [p.read_text() for p in [file(shop, name)] if p.exists()]
    if not ids:
        fail("manifest unknown")
    short = name if at else name.rpartition(":")[0]
    entry = {"id": ids[0], "digests": [short + "@" + digest(ids[0])]}
    file(images, words[-1]).write_text(json.dumps(entry))
    print(words[-1])
"""
CANARY = "canary-5e9c1"
LOGIN = f"me:{CANARY}"


class Lab:
    """Two API hosts and a registry."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        hosts = {}
        for name in ("a", "b"):
            (folder / name).mkdir()
            for program, text in (("docker", DOCKER), ("ssh", SSH.format(bin=folder / name))):
                (folder / name / program).write_text(text)
                (folder / name / program).chmod(0o755)
            hosts[name] = {
                "ansible_host": "192.0.2.1", "ansible_user": "root", "ansible_become": False,
                "ansible_ssh_executable": str(folder / name / "ssh"), "ansible_python_interpreter": sys.executable,
                "lab_host_directory": str(folder / name / "opt"),
            }  # fmt: skip
        (folder / "registry").mkdir()
        (folder / "registry/login").write_text(LOGIN)
        self.credentials = folder / "credentials"
        self.credentials.write_text(f"{LOGIN}\n")
        given = {"lab_directory": str(folder / "keys"), "lab_api_registry_credentials": str(self.credentials)}
        (folder / "hosts.json").write_text(json.dumps({"api": {"hosts": hosts}, "all": {"vars": given}}))

    def add(self, where: str, name: str, identity: str = "sha256:1") -> None:
        (self.folder / where / "images").mkdir(exist_ok=True)
        entry = {"id": identity, "digests": []}
        (self.folder / where / "images" / name.replace("/", "_")).write_text(json.dumps(entry))

    def images(self, where: str) -> dict[str, str]:
        folder = self.folder / where / "images"
        return {path.name: json.loads(path.read_text())["id"] for path in sorted(folder.glob("*"))}

    def calls(self, where: str, verb: str) -> list[str]:
        """The words after this verb, of each command that logs in."""
        file = self.folder / where / "calls"
        lines = [line.split(" ", 2)[2] for line in file.read_text().splitlines() if line.startswith("--config ")]
        return [line.removeprefix(f"{verb} ") for line in lines if line.startswith(f"{verb} ")]

    def play(self, playbook: str, **variables: object) -> tuple[int, str]:
        """Exit code, and all that was printed."""
        play = {"name": "Play", "import_playbook": str(playing.ROOT / "playbooks" / playbook)}
        (self.folder / "play.yml").write_text(json.dumps([play]))
        path = os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"])
        code, out, errors = playing.play(self.folder, "-vv", "-e", json.dumps(variables), PATH=path)
        assert CANARY not in out + errors
        for where in "ab":
            calls = self.folder / where / "calls"
            lines = calls.read_text().splitlines() if calls.exists() else []
            assert CANARY not in "\n".join(lines)
            # The folder that the docker command read.
            assert not any(Path(line.split()[1]).exists() for line in lines if line.startswith("--config "))
        return code, printed(out + errors)


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path)


def test_an_image_is_published_and_leaves_nothing_on_the_host(lab):
    lab.add("a", "kit:1")
    given = {"publish_image": "kit:1", "publish_target": "h:5/team/kit:1", "publish_credentials": str(lab.credentials)}
    code, said = lab.play("publish.yml", **given)
    assert code == 0, said
    assert "0123456789ab: Pushed" in said
    assert "0123456789ab: Waiting" not in said
    assert "h:5/team/kit:1 is h:5/team/kit@sha256:" in said
    assert (lab.folder / "registry/h:5_team_kit:1").read_text() == "sha256:1"
    assert lab.images("a") == {"kit:1": "sha256:1"}
    # The folder is for root alone, and so is the file.
    assert (lab.folder / "a/modes").read_text() == "700600"
    # A name that the host has already is that of the same image afterwards.
    lab.add("a", "h:5/team/kit:1", "sha256:2")
    assert lab.play("publish.yml", **given)[0] == 0
    assert lab.images("a") == {"h:5_team_kit:1": "sha256:2", "kit:1": "sha256:1"}


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({"publish_image": "kit"}, "a (192.0.2.1) has no image kit, which the command names. Copy it with: ./lab"),
        ({"publish_target": "kit:1"}, "the target 'kit:1' names no registry; allowed: REGISTRY/NAME:TAG"),
        ({"publish_credentials": "/none"}, "/none: cannot be read: No such file or directory"),
        (
            {"publish_credentials": ""},
            "kit:1 could not be pushed from a to h:5/kit:1: Error response from daemon: Head: unauthorized: "
            "authentication required. Fix: give credentials that may do this: --credentials FILE",
        ),
    ],
)
def test_what_cannot_be_published_is_said_with_what_helps(lab, given, cause):
    lab.add("a", "kit:1")
    usual = {"publish_image": "kit:1", "publish_target": "h:5/kit:1", "publish_credentials": str(lab.credentials)}
    code, said = lab.play("publish.yml", **usual | given)
    assert code != 0
    assert cause in said
    assert "0123456789ab: " not in said
    assert lab.images("a") == {"kit:1": "sha256:1"}


def test_the_hosts_pull_the_same_bytes(lab):
    (lab.folder / "registry/h:5_kit:1").write_text("sha256:1")
    code, said = lab.play("pull_images.yml", lab_api_image="h:5/kit:1")
    assert code == 0, said
    (reference,) = lab.calls("b", "pull --quiet")
    assert reference.startswith("h:5/kit@sha256:")
    assert lab.calls("a", "pull --quiet") == ["h:5/kit:1"]
    assert lab.images("a")["h:5_kit:1"] == lab.images("b")["h:5_kit:1"] == "sha256:1"
    # The tag names another image now. The hosts keep theirs, and a second run pulls nothing.
    (lab.folder / "registry/h:5_kit:1").write_text("sha256:2")
    assert lab.play("pull_images.yml", lab_api_image="h:5/kit:1")[0] == 0
    assert len(lab.calls("a", "pull --quiet")) == len(lab.calls("b", "pull --quiet")) == 1
    assert lab.play("pull_images.yml", lab_api_image="h:5/kit:1", pull_images_again=True)[0] == 0
    assert lab.images("a")["h:5_kit:1"] == lab.images("b")["h:5_kit:1"] == "sha256:2"


def test_an_image_without_a_registry_is_never_pulled(lab):
    code, said = lab.play("pull_images.yml", lab_api_image="kit:1", lab_api_services={"cache": {"image": "team/kit:2"}})
    assert code == 0, said
    assert not (lab.folder / "a/calls").exists()


def test_an_image_that_cannot_be_pulled_is_said_with_the_setting(lab):
    lab.credentials.write_text("me:wrong")
    code, said = lab.play("pull_images.yml", lab_api_image="h:5/kit:1")
    assert code != 0
    assert "h:5/kit:1 could not be pulled to a: Error response from daemon: Head: unauthorized" in said
    assert "Fix: give credentials that may do this: lab_api_registry_credentials" in said


@pytest.fixture
def own(lab):
    """The lab runs a registry itself. Its password is a file of the controller."""
    (lab.folder / "registry/runs").touch()
    (lab.folder / "registry/login").write_text(f"swarmsweep:{CANARY}")
    (lab.folder / "keys/secrets").mkdir(parents=True)
    (lab.folder / "keys/secrets/registry").write_text(f"{CANARY}\n")
    (lab.folder / "group_vars/all").mkdir(parents=True)
    (lab.folder / "group_vars/all/lab.yml").write_text('lab_name: lab\nlab_registry_port: 5\nlab_api_image: ""\n')
    return lab


def stack_images(own) -> str:
    """What the tasks that name the images of a stack find."""
    tasks = [
        {"name": "Look", "ansible.builtin.include_tasks": str(playing.ROOT / "playbooks/tasks/image_digests.yml")},
        {"name": "Show", "ansible.builtin.debug": {"msg": "found {{ image_digests | to_json }}"}},
    ]
    given = {"images_tags": {"api": "swarmsweep/api:1", "mlflow": "swarmsweep/mlflow:1"}, "lab_api_image": "copied:1"}
    play = {"name": "Play", "hosts": "a", "vars": given, "tasks": tasks}
    (own.folder / "play.yml").write_text(json.dumps([play]))
    code, out, errors = playing.play(own.folder, "-v")
    assert code == 0, out + errors
    return " ".join(out.split())


def test_an_image_of_the_first_host_goes_to_the_others_by_the_registry(own):
    name, kept = "swarmsweep_api:1", "h:5_swarmsweep_api:1"
    bring = {"image_of": "swarmsweep/api:1", "image_copy_only": True}
    own.add("a", "swarmsweep/api:1")
    code, said = own.play("image.yml", **bring)
    assert code == 0, said
    assert own.calls("a", "push") == ["h:5/swarmsweep/api:1"]
    (reference,) = own.calls("b", "pull --quiet")
    assert reference.startswith("h:5/swarmsweep/api@sha256:")
    assert own.images("b")[name] == "sha256:1"
    # The name by which Docker there knows the digest stays. Once more: nothing is sent.
    assert own.images("a") == {kept: "sha256:1", name: "sha256:1"}
    assert own.play("image.yml", **bring)[0] == 0
    assert len(own.calls("a", "push")) == len(own.calls("b", "pull --quiet")) == 1
    # A stack names the digest that the registry has. It has none of an image that was only copied.
    own.add("a", "copied:1", "sha256:3")
    (entry,) = json.loads((own.folder / "a/images" / kept).read_text())["digests"]
    assert entry == reference
    assert f"found {json.dumps({'swarmsweep/api:1': entry})}" in stack_images(own)
    (own.folder / "registry/runs").unlink()
    assert "found {}" in stack_images(own)
    (own.folder / "registry/runs").touch()
    # Another image of the same name.
    own.add("a", "swarmsweep/api:1", "sha256:2")
    assert own.play("image.yml", **bring)[0] == 0
    assert own.images("b")[name] == "sha256:2"
    # A host that lost it, and a registry that lost its volume.
    (own.folder / "registry" / kept).unlink()
    for path in (own.folder / "b/images").iterdir():
        path.unlink()
    assert own.play("image.yml", **bring)[0] == 0
    assert own.images("b")[name] == "sha256:2"


def test_an_image_of_another_registry_does_not_go_to_the_one_of_the_lab(own):
    (own.folder / "registry/login").write_text(LOGIN)
    (own.folder / "registry/h:5_kit:1").write_text("sha256:1")
    code, said = own.play("image.yml", image_of="h:5/kit:1")
    assert code == 0, said
    assert own.calls("a", "push") == []
    assert own.images("b")["h:5_kit:1"] == "sha256:1"
    assert "lab_api_image is now h:5/kit:1" in said
