"""`./lab image`: where an image is built, which hosts get it, and what the inventory then says.

The hosts are reached through a program that stands in for ssh: each has a `docker` of its own, with a folder of images.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from hostlink.build_context import ContextError, context_of
from tests.plugins import playing

SSH = """\
#!/bin/sh
for last in "$@"; do :; done
PATH={bin}:$PATH exec sh -c "$last"
"""
# An image is a file: its first line is the id, the rest is what it was made of.
DOCKER = """\
#!/usr/bin/env python3
import hashlib, io, pathlib, sys, tarfile
store, (verb, *words) = pathlib.Path(__file__).parent / "images", sys.argv[1:]
store.mkdir(exist_ok=True)
path = lambda name: store / name.replace("/", "_")
with (store.parent / "calls").open("a") as calls:
    calls.write(" ".join([verb, *words]) + "\\n")
if [verb, *words[:1]] == ["image", "rm"]:
    path(words[-1]).unlink()
elif verb == "image":
    if not path(words[-1]).exists():
        sys.exit(1)
    print(words[2].replace("{{.Id}}", path(words[-1]).read_text().split()[0]).replace("{{.Size}}", "1000"))
elif verb == "tag":
    path(words[1]).write_text(f"{words[0]} as before")
elif verb == "save":
    print(words[0], path(words[0]).read_text())
    if words[0] == "cut:1":
        sys.exit("no space left")
elif verb == "load":
    name, _, content = sys.stdin.read().partition(" ")
    if name == "refused:1":
        sys.exit("no space left")
    path(name).write_text(content)
elif verb == "build":
    name = words[words.index("--tag") + 1]
    for word in words:
        if word.startswith("id=ca_bundle,src="):
            (store.parent / "certificates").write_bytes(pathlib.Path(word.partition("src=")[2]).read_bytes())
    if words[-1] == "-":
        content = sys.stdin.buffer.read()
        names = sorted(tarfile.open(fileobj=io.BytesIO(content)).getnames())
    else:
        names = sorted(str(p.relative_to(words[-1])) for p in pathlib.Path(words[-1]).rglob("*"))
    print("#1 building", " ".join(names))
    print("#2 0.51 (Reading 1%" + chr(13) + "(Reading 2%" + chr(13))
    if "changing" in names and words[-1] != "-":
        (pathlib.Path(words[-1]) / "changing").write_text("another")
    if "changing" in names and words[-1] == "-":
        pathlib.Path(store.parent.parent / "kit/changing").write_text("another")
    if "untrusted" in names:
        sys.exit("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
    if "broken" in names:
        print("ERROR: no such package", file=sys.stderr)
        sys.exit(1)
    path(name).write_text("sha256:" + hashlib.sha256(name.encode()).hexdigest()[:8] + " " + " ".join(names))
"""
SETTINGS = '# The image.\nlab_api_image: ""   # empty: the lab\'s own\nlab_name: lab\n'


class Lab:
    """This machine, and two API hosts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        hosts = {}
        for name in ("a", "b"):
            self.give_docker(folder / name)
            (folder / name / "ssh").write_text(SSH.format(bin=folder / name))
            (folder / name / "ssh").chmod(0o755)
            hosts[name] = {
                "ansible_host": "192.0.2.1", "ansible_user": "root", "ansible_become": False,
                "ansible_ssh_executable": str(folder / name / "ssh"), "ansible_python_interpreter": sys.executable,
                "lab_host_directory": str(folder / name / "opt"),
            }  # fmt: skip
        (folder / "group_vars/all").mkdir(parents=True)
        self.settings = folder / "group_vars/all/lab.yml"
        self.settings.write_text(SETTINGS)
        (folder / "hosts.json").write_text(
            json.dumps({"api": {"hosts": hosts}, "all": {"vars": {"lab_directory": str(folder / "keys")}}})
        )
        play = {"name": "Image", "import_playbook": str(playing.ROOT / "playbooks/image.yml")}
        (folder / "play.yml").write_text(json.dumps([play]))
        (folder / "here").mkdir()
        # This machine may have a Docker, which is not that of the test.
        for program in ("ssh", "python3", "sh", "cat", "timeout", "getent"):
            found = shutil.which(program)
            if found:
                (folder / "here" / program).symlink_to(found)

    def give_docker(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "docker").write_text(DOCKER)
        (folder / "docker").chmod(0o755)

    def add(self, where: str, name: str, content: str = "sha256:1 x") -> None:
        (self.folder / where / "images").mkdir(exist_ok=True)
        (self.folder / where / "images" / name).write_text(content)

    def images(self, where: str) -> list[str]:
        return sorted(path.name for path in (self.folder / where / "images").glob("*"))

    def calls(self, where: str, verb: str) -> list[str]:
        file = self.folder / where / "calls"
        return [line for line in file.read_text().splitlines() if line.split()[0] == verb] if file.exists() else []

    def bring(self, source: str, *arguments: str) -> tuple[int, str]:
        """Exit code, and all that was printed."""
        path = os.pathsep.join([str(self.folder / "here"), str(Path(sys.executable).parent), "/usr/bin", "/bin"])
        extra = json.dumps({"image_of": source})
        code, out, errors = playing.play(self.folder, "-e", extra, *arguments, PATH=path)
        return code, out + errors

    def named(self) -> str:
        return yaml.safe_load(self.settings.read_text())["lab_api_image"]


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path)


@pytest.fixture(scope="module")
def lab_image():
    """The module of the action."""
    spec = importlib.util.spec_from_file_location("lab_image_action", playing.ROOT / "plugins/action/lab_image.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def action(lab_image, lab, monkeypatch):
    """The action without a play around it. Its `docker` is that of this machine."""
    monkeypatch.setenv("PATH", os.pathsep.join([str(lab.folder / "here"), "/usr/bin", "/bin"]))
    return object.__new__(lab_image.ActionModule)


def make_kit(lab, *names: str) -> Path:
    """A folder to build."""
    folder = lab.folder / "kit"
    folder.mkdir()
    for name in ("Dockerfile", *names):
        (folder / name).write_text("x")
    return folder


def test_an_image_of_this_machine_goes_where_it_is_not(lab):
    lab.give_docker(lab.folder / "here")
    lab.add("here", "kit:latest", "sha256:2 y")
    # One host has another image of the same name.
    lab.add("b", "kit:latest")
    code, said = lab.bring("kit")
    assert code == 0, said
    assert [(lab.folder / host / "images/kit:latest").read_text().split()[0] for host in "ab"] == ["sha256:2"] * 2
    assert (len(lab.calls("a", "load")), len(lab.calls("b", "load"))) == (1, 1)
    assert lab.settings.read_text() == SETTINGS.replace('""', "kit:latest")
    assert "lab_api_image is now kit:latest (before: '')" in said
    # Once more: nothing is sent to the host that has it, and nothing changes.
    (lab.folder / "a/images/kit:latest").unlink()
    code, said = lab.bring("kit:latest")
    assert code == 0, said
    assert (len(lab.calls("a", "load")), len(lab.calls("b", "load"))) == (2, 1)
    assert "lab_api_image is already kit:latest" in said


def test_a_folder_is_built_on_the_first_host_where_this_machine_has_no_docker(lab):
    folder = lab.folder / "My API"
    (folder / "data").mkdir(parents=True)
    for name in ("Dockerfile", "app.py", "data/rows.csv"):
        (folder / name).write_text(name)
    (folder / ".dockerignore").write_text("data\n")
    code, said = lab.bring(str(folder))
    assert code == 0, said
    (image,) = lab.images("a")
    assert re.fullmatch(r"my-api:[0-9a-f]{12}", image)
    assert lab.images("b") == [image]
    assert lab.named() == image
    assert "3 files, 21 B; files and folders left out by .dockerignore: 1" in said
    assert "#1 building .dockerignore Dockerfile app.py" in said
    assert not (lab.folder / "keys/images/copied.tar").exists()
    # Other files have another name. The same files are not built again.
    assert image == context_of(folder).tag()
    assert lab.bring(str(folder))[0] == 0
    assert len(lab.calls("a", "build")) == 1


def both_bundles(bundle: Path) -> bytes:
    """The certificates of the inventory and of this machine."""
    usual = Path("/etc/ssl/certs/ca-certificates.crt")
    return b"\n".join(path.read_bytes() for path in (bundle, usual) if path.exists())


def test_a_folder_is_built_here_if_this_machine_has_docker(lab):
    """With the certificates of this machine and of the inventory. A company may inspect TLS in part."""
    lab.give_docker(lab.folder / "here")
    folder, bundle = make_kit(lab), lab.folder / "company.pem"
    bundle.write_bytes(b"x" * 15)
    code, said = lab.bring(str(folder), "-e", json.dumps({"lab_ca_bundle": str(bundle)}))
    assert code == 0, said
    assert lab.images("a") == lab.images("b") == lab.images("here") == [lab.named()]
    assert [lab.calls(host, "build") for host in "ab"] == [[], []]
    assert (lab.folder / "here/certificates").read_bytes() == both_bundles(bundle)


@pytest.mark.parametrize("size_bytes", [15, 500 * 1024])
def test_certificates_that_are_too_large_together_are_those_of_the_inventory(lab_image, tmp_path, size_bytes):
    """Docker refuses a secret of more than 500 KiB."""
    bundle = tmp_path / "company.pem"
    bundle.write_bytes(b"x" * size_bytes)
    both = both_bundles(bundle)
    with lab_image.certificates_here(str(bundle)) as path:
        assert Path(path).read_bytes() == (both if len(both) <= 500 * 1024 else bundle.read_bytes())


def test_a_build_that_fails_shows_its_lines_once_and_changes_nothing(lab):
    folder = make_kit(lab, "broken")
    code, said = lab.bring(str(folder))
    assert code != 0
    assert said.count("ERROR: no such package") == 1
    assert "  #2 0.51 (Reading 2%\n" in said
    assert "Reading 1%" not in said
    after = " ".join(said.partition("ERROR: no such package")[2].split())
    assert (
        "could not be built on a: docker build ended with exit code 1. Its lines are above. Fix: correct the" in after
    )
    assert lab.settings.read_text() == SETTINGS
    assert lab.images("b") == []
    # Other commands may use the lab, also those of another controller.
    assert (lab.folder / "a/opt.lock").read_text() == ""


FIX = "docs/your-own-api.md#certificates-of-a-build"


def is_passed(call: str) -> bool:
    """Whether a build got the certificates of its machine as a secret."""
    return "--secret id=ca_bundle,src=/etc/ssl/certs/ca-certificates.crt" in call


def test_a_build_that_does_not_trust_a_certificate_names_the_fix(lab):
    code, said = lab.bring(str(make_kit(lab, "untrusted")))
    assert code != 0
    assert FIX in " ".join(said.split())
    (call,) = lab.calls("a", "build")
    assert is_passed(call) is Path("/etc/ssl/certs/ca-certificates.crt").exists()


def test_a_build_here_that_does_not_trust_a_certificate_names_the_fix(lab, action):
    lab.give_docker(lab.folder / "here")
    folder = make_kit(lab, "untrusted")
    with pytest.raises(ContextError, match=FIX):
        action.do_build_here(context_of(folder).tag(), str(folder))
    (call,) = lab.calls("here", "build")
    assert is_passed(call) is Path("/etc/ssl/certs/ca-certificates.crt").exists()


def test_a_builder_that_the_user_has_turned_off_stays_so(lab, action, monkeypatch):
    lab.give_docker(lab.folder / "here")
    monkeypatch.setenv("DOCKER_BUILDKIT", "0")
    folder = make_kit(lab)
    assert action.do_build_here(context_of(folder).tag(), str(folder))["changed"]
    (call,) = lab.calls("here", "build")
    assert "--secret" not in call


CHANGED = "kit was changed while this command ran. Run the same command again"


def test_a_folder_that_changes_while_it_is_built_leaves_no_image(lab):
    """The tag is a hash of files. Other files under it would be used later without a build."""
    code, said = lab.bring(str(make_kit(lab, "changing")))
    assert code != 0
    assert CHANGED in " ".join(said.split())
    assert len(lab.calls("a", "build")) == 1
    assert (lab.images("a"), lab.images("b"), lab.named()) == ([], [], "")


def test_a_folder_that_changes_while_it_is_built_here_leaves_no_image(lab, action):
    lab.give_docker(lab.folder / "here")
    folder = make_kit(lab, "changing")
    with pytest.raises(ContextError, match=CHANGED):
        action.do_build_here(context_of(folder).tag(), str(folder))
    assert len(lab.calls("here", "build")) == 1
    assert lab.images("here") == []


# Replicas of it may run, and a restart needs its tag.
@pytest.mark.parametrize("where", ["here", "a"])
def test_a_rebuild_that_is_refused_leaves_the_image_its_tag(lab, where):
    if where == "here":
        lab.give_docker(lab.folder / "here")
    folder = make_kit(lab, "changing")
    tag = context_of(folder).tag()
    lab.add(where, tag, "sha256:inuse x")
    code, said = lab.bring(str(folder), "-e", "image_rebuild=true")
    assert code != 0
    assert CHANGED in " ".join(said.split())
    assert len(lab.calls(where, "build")) == 1
    assert (lab.folder / where / "images" / tag).read_text() == "sha256:inuse as before"


def test_what_cannot_be_brought_is_refused(lab):
    code, said = lab.bring("./nowhere")
    assert code != 0
    expected = "./nowhere is not a folder; allowed: a folder with a Dockerfile, or name:tag"
    assert expected in " ".join(said.split())
    assert lab.settings.read_text() == SETTINGS


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("~no-such-user/kit", "~no-such-user/kit is not a folder: Could not determine home directory"),
        ("kit@sha256:00", "the image 'kit@sha256:00' is not a name that can be copied; allowed: name:tag, or a folder"),
        ("keys", "has no file Dockerfile; allowed: a folder with one, or the name of an image"),
    ],
)
def test_what_cannot_be_an_image_is_refused(lab, action, source, expected):
    (lab.folder / "keys").mkdir()
    with pytest.raises(ContextError, match=re.escape(expected)):
        action.do_find(str(lab.folder / source) if source == "keys" else source)


def test_an_image_that_is_nowhere_is_refused_and_a_docker_that_does_not_respond_is_named(lab):
    (lab.folder / "here/docker").write_text("#!/bin/sh\necho permission denied >&2\nexit 1\n")
    (lab.folder / "here/docker").chmod(0o755)
    code, said = lab.bring("kit:1")
    assert code != 0
    message = " ".join(said.partition("FAILED")[2].split())
    assert "This machine's Docker and a have no image kit:1. Allowed: an image that one of them has" in message
    assert "This machine's Docker cannot be used: permission denied" in message
    assert lab.settings.read_text() == SETTINGS


def test_an_image_of_the_first_host_goes_to_the_others(lab):
    lab.add("a", "kit:1")
    code, said = lab.bring("kit:1", "-e", "image_copy_only=true")
    assert code == 0, said
    assert lab.images("b") == ["kit:1"]
    assert "All API hosts have kit:1." in said
    assert lab.named() == ""


@pytest.mark.parametrize("image", ["cut:1", "refused:1"])
def test_no_copy_stays_on_this_machine_if_it_cannot_be_read_or_sent(lab, image):
    lab.add("a", image)
    code, said = lab.bring(image)
    assert code != 0
    assert "no space left" in said
    assert "/images/copied.tar" not in " ".join(map(str, (lab.folder / "keys").rglob("*")))
    assert (lab.images("b"), lab.named()) == ([], "")


def test_a_setting_that_another_place_overrides_is_not_changed(lab):
    lab.add("a", "kit:1")
    lab.add("b", "kit:1")
    code, said = lab.bring("kit:1", "-e", "lab_api_image=other:1")
    assert code != 0
    assert "lab_api_image is '', but Ansible has 'other:1', so it is set elsewhere" in " ".join(said.split())
    assert lab.settings.read_text() == SETTINGS


def test_of_two_inventories_the_one_that_has_the_setting_is_changed(lab):
    more = lab.folder / "more/group_vars/all/lab.yml"
    more.parent.mkdir(parents=True)
    more.write_text("lab_api_port: 9000\n")
    (lab.folder / "more/hosts.yml").write_text("load: {hosts: {}}\n")
    lab.add("a", "kit:1")
    lab.add("b", "kit:1")
    code, said = lab.bring("kit:1", "-i", str(lab.folder / "more"))
    assert (code, lab.named()) == (0, "kit:1"), said
    assert more.read_text() == "lab_api_port: 9000\n"
