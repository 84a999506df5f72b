"""`./lab clean` on this machine and an API host whose `docker` is a script: shown first, removed by --yes."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from swarmsweep.errors import InputError
from swarmsweep.lab.lock_holder import holder_of
from tests.printed import printed

sys.path.insert(0, str(Path(__file__).parent))
import playing

# It keeps its images in a file, and notes its calls.
DOCKER = """\
#!/usr/bin/env python3
import json, pathlib, sys
store = pathlib.Path(__file__).parent / "images.json"
images = json.loads(store.read_text())
words = sys.argv[1:]
with (store.parent / "calls").open("a") as calls:
    calls.write(" ".join(words) + "\\n")
if words[:2] == ["image", "ls"]:
    print("\\n".join(image["Id"] for image in images))
elif words[:2] == ["image", "inspect"]:
    print(json.dumps(images))
elif words[:1] == ["ps"]:
    print("c1")
elif words[:1] == ["inspect"]:
    print("sha256:used")
elif words[:2] == ["service", "ls"]:
    print("swarmsweep/redis:running")
elif words[:2] == ["image", "rm"]:
    if words[2] == "swarmsweep/stuck:1":
        sys.exit("Error response: image has dependent child images")
    store.write_text(json.dumps([image for image in images if image["RepoTags"] != [words[2]]]))
elif words[:2] == ["system", "df"]:
    print("Images|9GB\\nBuild Cache|1.2GB")
elif words[:2] == ["builder", "prune"]:
    print("Deleted build cache objects:\\nx\\n\\nTotal reclaimed space: 700MB")
else:
    sys.exit(f"unknown: {words}")
"""
OLD = "2026-01-01T00:00:00Z"
NAMES = ("swarmsweep/api:old", "swarmsweep/stuck:1", "swarmsweep/redis:running", "kit:1", "own:inventory", "axis:2")


def image(name: str) -> dict:
    labels = {"swarmsweep.built": "folder"} if name.startswith(("own", "axis")) else None
    document = {"Id": f"sha256:{name}", "RepoTags": [name], "Size": 3_000_000, "Created": OLD}
    return document | {"Metadata": {"LastTagTime": OLD}, "Config": {"Labels": labels}}


class Lab:
    """This machine as controller and API host."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "docker").write_text(DOCKER)
        (folder / "docker").chmod(0o755)
        (folder / "images.json").write_text(
            json.dumps([*map(image, NAMES), image("swarmsweep/x:2") | {"Id": "sha256:used"}])
        )
        for name in ("20260101T000000Z-a", "20260102T000000Z-b"):
            (folder / "reports" / name).mkdir(parents=True)
            (folder / "reports" / name / "plan.json").write_text("{}")
        (folder / "reports/20260102T000000Z-b/manifest.json").write_text(json.dumps({"axis_images": {"axis:2": None}}))
        context = folder / "lab/build/x.tar.gz"
        context.parent.mkdir(parents=True)
        context.write_text("x" * 2_000_000)
        os.utime(context, (time.time() - 40 * 86400,) * 2)
        host = {"ansible_connection": "local", "ansible_become": False, "ansible_host": "192.0.2.1"}
        given = {
            "lab_name": "lab", "lab_directory": str(folder / "keys"), "lab_host_directory": str(folder / "lab"),
            "lab_reports": str(folder / "reports"), "lab_api_image": "own:inventory",
            "ansible_python_interpreter": sys.executable,
        }  # fmt: skip
        groups = {"api": {"hosts": {"lab-api": host}}, "load": {"hosts": {"lab-load": host}}}
        (folder / "hosts.json").write_text(json.dumps({"all": {"vars": given, "children": groups}}))
        play = {"name": "Clean", "import_playbook": str(playing.ROOT / "playbooks/clean.yml")}
        (folder / "play.yml").write_text(json.dumps([play]))

    def clean(self, **given: object) -> tuple[int, str]:
        path = f"{self.folder}{os.pathsep}{os.environ['PATH']}"
        code, out, errors = playing.play(self.folder, "-e", json.dumps(given), PATH=path)
        return code, " ".join((out + errors).split())

    def images(self) -> list[str]:
        return [document["RepoTags"][0] for document in json.loads((self.folder / "images.json").read_text())]

    def calls(self, word: str) -> list[str]:
        return [line for line in (self.folder / "calls").read_text().splitlines() if word in line]


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path)


# What is said of it, however old the rest of this clone's logs is.
GOES = [
    "this machine: run 20260101T000000Z-a, ",
    "lab-api: image swarmsweep/api:old, ",
    "lab-api: 1 build context: 1.9 MiB",
    "lab-api: the part of the build cache (1.2GB in all) that no build used for 30 days",
]


def test_what_goes_is_shown_and_nothing_is_removed(lab):
    code, said = lab.clean(clean_days="30")
    assert code == 0, said
    for words in GOES:
        assert words in said
    assert "Nothing was removed. To remove it: ./lab clean --days 30 --yes" in printed(said)
    assert lab.calls("image rm") == lab.calls("prune") == []
    assert (lab.folder / "reports/20260101T000000Z-a").exists()
    assert (lab.folder / "lab/build/x.tar.gz").exists()


def test_with_yes_it_is_removed_and_what_is_needed_stays(lab):
    logs = lab.folder / "log"
    logs.mkdir()
    for name in ("site-20260101T000000Z-7.log", "mine.log", "site-notes.log"):
        (logs / name).write_text("x")
        os.utime(logs / name, (time.time() - 40 * 86400,) * 2)
    code, said = lab.clean(clean_days="30", clean_yes=True)
    assert code == 0, said
    assert "This is removed now." in said
    kept = ["swarmsweep/stuck:1", "swarmsweep/redis:running", "kit:1", "own:inventory", "axis:2", "swarmsweep/x:2"]
    assert lab.images() == kept
    assert "lab-api: not removed: swarmsweep/stuck:1: Error response: image has dependent child images" in said
    assert "lab-api: build cache: 700MB" in said
    assert "Images removed from the API hosts: 1." in said
    assert lab.calls("prune") == ["builder prune --all --force --filter until=720h"]
    assert [path.name for path in (lab.folder / "reports").iterdir()] == ["20260102T000000Z-b"]
    assert not (lab.folder / "lab/build/x.tar.gz").exists()
    # Of the logs, those of the lab alone. The log of this command is there too.
    assert "this machine: log site-20260101T000000Z-7.log, 40 days old" in said
    assert {"mine.log", "site-notes.log"} == {
        path.name for path in logs.iterdir() if path.stat().st_mtime < time.time() - 86400
    }


def test_the_build_cache_of_an_engine_that_was_there_stays(lab):
    code, said = lab.clean(clean_days="30", clean_yes=True, lab_docker_engine="present")
    assert code == 0, said
    assert "build cache" not in said
    assert lab.calls("prune") == lab.calls("df") == []


def test_nothing_is_removed_while_a_sweep_runs(lab):
    sweep = holder_of(
        os.getpid(), ["ansible-playbook", "sweep.yml"], Path("/srv/b"), 1795000000, "/r/20261129T120000Z-q"
    )
    (lab.folder / "lab.lock").write_text(replace(sweep, place="another-boot pid:[1]").text())
    code, said = lab.clean(clean_days="30", clean_yes=True)
    assert code != 0
    assert "Another command uses this lab: `ansible-playbook sweep.yml` (run 20261129T120000Z-q" in said
    assert "swarmsweep/api:old" in lab.images()
    assert not (lab.folder / "calls").exists()


def test_a_wrong_number_of_days_is_refused(lab):
    code, said = lab.clean(clean_days="-1", clean_yes=True)
    assert code != 0
    assert "--days (clean_days) is '-1'; allowed: a whole number from 0 to 9999" in said


@pytest.mark.parametrize("days", ["-1", "x", "36501", "1.5"])
def test_each_wrong_number_of_days_is_refused(tmp_path, days):
    spec = importlib.util.spec_from_file_location("lab_clean_action", playing.ROOT / "plugins/action/lab_clean.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.raises(InputError, match=re.escape(f"is '{days}'; allowed: a whole number from 0 to 9999")):
        object.__new__(module.ActionModule).do_list(*[str(tmp_path)] * 4, days)
