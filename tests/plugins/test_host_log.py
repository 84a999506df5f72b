"""`./lab logs`: what is printed of files and containers, on which host, and what ends the reading."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import pytest

from plugins.callback.lab_progress import end_workers
from tests.plugins import playing
from tests.printed import printed

# `docker` of the API host: replica 1 was replaced, replica 2 was killed for its memory. The times decide the order.
DOCKER = """\
#!/bin/sh
case "$1 $2" in
  "ps --all")
    cat << 'ROWS'
{"ID":"c3","Names":"lab_api_api.1.zzz","State":"running"}
{"ID":"c2","Names":"lab_api_api.2.yyy","State":"exited"}
{"ID":"c1","Names":"lab_api_api.1.xxx","State":"exited"}
ROWS
    ;;
  "logs --timestamps")
    case "$5" in
      c3) echo "2026-11-29T10:00:01.000000001Z first"; echo "2026-11-29T10:00:03.000000000Z third" >&2 ;;
      c2) echo "2026-11-29T10:00:02.000000000Z second" ;;
      c1) echo "2026-11-29T09:00:00.000000000Z of the replaced replica" ;;
    esac ;;
  "inspect --format") echo '{"ExitCode": 137, "OOMKilled": true}' ;;
  *) echo "not expected: $*" >&2; exit 1 ;;
esac
"""
NO_CONTAINERS = '#!/bin/sh\n[ "$1" = ps ]\n'


class Lab:
    """A lab whose hosts are this machine."""

    def __init__(self, folder: Path, load_hosts: int = 1) -> None:
        self.folder = folder
        self.units = folder / "host/trial-lab/units"
        self.units.mkdir(parents=True)
        local = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable}
        hosts = {
            "api": {"lab-api": local},
            "load": {f"lab-load{number}": local for number in range(1, load_hosts + 1)},
        }
        settings = {"lab_name": "lab", "lab_host_directory": str(folder / "host")}
        groups = {name: {"hosts": members, "vars": settings} for name, members in hosts.items()}
        (folder / "hosts.json").write_text(json.dumps(groups))
        (folder / "play.yml").write_text(
            json.dumps([{"name": "Logs", "import_playbook": str(playing.ROOT / "playbooks/logs.yml")}])
        )
        (folder / "bin").mkdir()
        self.path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"

    def docker(self, script: str) -> None:
        (self.folder / "bin/docker").write_text(script)
        (self.folder / "bin/docker").chmod(0o755)

    def follow(self, name: str, until: Callable[[str], bool]) -> list[str]:
        """What is printed until Ctrl-C, which is pressed as soon as ``until`` is true of the output."""
        arguments = ["-e", f"logs_of={name}", "-e", "logs_follow=true"]
        with subprocess.Popen(
            # As in ./lab: standard output again, as a third descriptor.
            ["sh", "-c", 'exec "$@" 3>&1', "sh", *playing.command(self.folder, *arguments)],
            cwd=playing.ROOT,
            env=playing.environment(self.folder, PATH=self.path, LAB_OUTPUT_FD="3"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            seen = b""
            while not until(seen.decode(errors="replace")):
                part = os.read(process.stdout.fileno(), 65536)
                assert part, seen
                seen += part
            os.killpg(process.pid, signal.SIGINT)
            try:
                rest, _ = process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                # The end of `with` waits for the process without a limit.
                process.kill()
                raise
        return [line for line in (seen + rest).decode().splitlines() if line.startswith("--") or " | " in line]

    def read(self, name: str, *arguments: str) -> tuple[int, list[str]]:
        """Exit code, and the lines that were printed before the line of the phase."""
        code, out, errors = playing.play(self.folder, "-e", f"logs_of={name}", *arguments, PATH=self.path)
        lines = out.splitlines()
        phase = next((number for number, line in enumerate(lines) if line.startswith("  Read the log")), 0)
        return code, lines[:phase] if code == 0 else [*lines, *errors.splitlines()]


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path)


def test_the_last_lines_of_each_process_of_locust(lab):
    (lab.units / "worker-0.log").write_text("a\nb\nc\n")
    (lab.units / "master.log").write_bytes(b"caf\xc3\xa9\n\x1b[31mred\x1b[0m\tx\x07\nnot ended")
    assert lab.read("locust", "-e", "logs_lines=2") == (
        0,
        ["master | café", "master | red     x\\x07", "worker-0 | b", "worker-0 | c"],
    )


def test_several_hosts_are_named(tmp_path):
    lab = Lab(tmp_path, load_hosts=2)
    (lab.units / "master.log").write_text("a\n")
    code, lines = lab.read("locust")
    assert (code, sorted(lines)) == (0, ["lab-load1 master | a", "lab-load2 master | a"])


def test_secrets_of_the_api_and_of_the_newest_load_are_hidden(lab):
    plan = json.loads((playing.ROOT / "tests/bench/overhead/data/run/plan.json").read_text())
    plan["load"]["secrets"] = {"LOAD": "load.txt", "SAME": "lab_api_secrets"}
    plan["sweep_file"] = str(lab.folder / "mine.yml")
    run = lab.folder / "reports" / plan["run_id"]
    run.mkdir(parents=True)
    (run / "plan.json").write_text(json.dumps(plan))
    (lab.folder / "load.txt").write_text("canary-load\n")
    (lab.folder / "api.txt").write_text("canary-api\n")
    (lab.units / "master.log").write_text("a canary-load b canary-api c\n")
    secrets = {"API_TOKEN": str(lab.folder / "api.txt"), "GONE": str(lab.folder / "gone.txt")}
    extra = {"lab_api_secrets": secrets, "lab_reports": str(lab.folder / "reports")}
    code, lines = lab.read("locust", "-e", json.dumps(extra))
    assert code == 0, lines
    assert lines == [
        f"-- lab_api_secrets.GONE is not hidden, because its file {lab.folder}/gone.txt cannot be read: "
        "No such file or directory",
        "master | a *** b *** c",
    ]


def test_the_replicas_in_the_order_of_time(lab):
    lab.docker(DOCKER)
    assert lab.read("api") == (
        0,
        [
            "-- replica 2 does not run: it ended with exit code 137, "
            "killed because it needed more than its memory limit",
            "replica 1 | first",
            "replica 2 | second",
            "replica 1 | third",
        ],
    )


def test_one_container_needs_no_prefix(lab):
    lab.docker(DOCKER.replace("lab_api_api.2.yyy", "lab_api_api.1.yyy"))
    assert lab.read("api") == (0, ["first", "third"])


@pytest.mark.parametrize(
    ("name", "expected", "command"),
    [
        ("locust", "No load has run on lab-load1, so there is no log.", "./lab sweep"),
        ("mlflow", "No container of mlflow exists on lab-api, so there is no log.", "./lab site"),
    ],
)
def test_nothing_to_read_is_an_error_with_the_next_command(lab, name, expected, command):
    lab.docker(NO_CONTAINERS)
    code, lines = lab.read(name)
    assert code != 0
    assert f"{expected} Run: {command}" in printed(" ".join(lines))


def test_an_error_of_docker_is_shown(lab):
    lab.docker("#!/bin/sh\necho the daemon is away >&2\nexit 1\n")
    code, lines = lab.read("proxy")
    assert code != 0
    assert any("the log could not be read: the daemon is away" in line for line in lines)


def running(marker: str) -> list[str]:
    """The processes of this machine whose command line contains the text."""
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if marker in line and not line.startswith("ps ")]


def test_following_prints_what_is_appended_and_leaves_nothing_when_it_is_interrupted(lab):
    log = lab.units / "master.log"
    log.write_text("before\n")
    worker = lab.units / "worker-0.log"

    def on_output(text: str) -> bool:
        # Each step begins when the one before was seen.
        if "master | before" in text and not worker.exists():
            with log.open("a") as file:
                file.write("half a li")
            worker.write_text("a file that is new\n")
        if "worker-0 | a file that is new" in text and log.read_text().endswith("half a li"):
            with log.open("a") as file:
                file.write("ne\n")
        return "master | half a line" in text

    assert lab.follow("locust", on_output) == [
        "master | before", "worker-0 | a file that is new", "master | half a line",
    ]  # fmt: skip
    end = time.monotonic() + 20
    while running(str(lab.units)) and time.monotonic() < end:
        time.sleep(0.1)
    assert running(str(lab.units)) == []


def test_a_worker_that_missed_the_interruption_does_not_keep_ansible_waiting():
    worker = get_context("fork").Process(target=time.sleep, args=(600,))
    worker.start()
    end_workers()
    worker.join(timeout=60)
    assert worker.exitcode == -signal.SIGTERM


# `docker` during a sweep: replica 1 ends, and the replica of the next cell starts.
MOVING = """\
#!/bin/sh
case "$1 $2" in
  "events --filter")
    # The next cell comes after the end of this one.
    for _ in $(seq 300); do [ -e "$0.ended" ] && break; sleep 0.1; done
    sleep 1
    echo '{"id":"c2","Actor":{"ID":"c2","Attributes":{"name":"lab_api_api.1.new"}}}'
    exec sleep 60 ;;
  "ps --all") echo '{"ID":"c1","Names":"lab_api_api.1.old","State":"running"}' ;;
  "logs --follow")
    case "$5" in
      c1) echo "of the old" ;;
      c2) echo "of the new"; exec sleep 60 ;;
    esac ;;
  "inspect --format")
    echo '{"ExitCode": 0, "OOMKilled": false}'
    : > "$0.ended" ;;
esac
"""


def test_following_goes_on_with_the_replica_of_the_next_cell(lab):
    lab.docker(MOVING)
    assert lab.follow("api", lambda text: "of the new" in text) == [
        "replica 1 | of the old",
        "-- replica 1 ended with exit code 0",
        "replica 1 | of the new",
    ]


def test_a_busy_log_ends_at_ctrl_c(lab):
    """Many lines a second: the interrupt comes in the middle of one."""
    lab.docker(MOVING.replace('echo "of the new"; exec sleep 60', "exec yes line"))
    assert "replica 1 | line" in lab.follow("api", lambda text: text.count("| line") > 1000)
