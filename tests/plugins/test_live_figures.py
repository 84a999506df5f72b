"""What the running load does reaches the controller while the module waits for its end, and decides nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from swarmsweep.report.live_load import FILE, MISSING_FILE, read_live
from tests.plugins import playing

LIVE = {
    "schema": 1, "stage": "window", "stage_started": 1.0, "stage_seconds": 30.0, "probe": None, "offered": None,
    "offered_unit": None, "measured_at": 5.0, "rps": 412.5, "failures_per_second": 0.0, "p50_ms": 3.1, "p95_ms": 12.3,
    "users": 40,
}  # fmt: skip
# No unit runs. systemd answers late, and until then the load seems to run: when a file is there, or after some tenths
# of a second.
SYSTEMCTL = "#!/bin/sh\nfor _ in $(seq {tenths}); do [ -e '{seen}' ] && break; sleep 0.1; done\necho '[]'\n"


def attempt(folder: Path, tenths: int = 10, **arguments: object) -> subprocess.Popen:
    """A play that waits for the end of a load, on this machine."""
    for name in ("units", "locust", "bin", "run"):
        (folder / name).mkdir()
    (folder / "bin/systemctl").write_text(SYSTEMCTL.format(tenths=tenths, seen=folder / "seen"))
    (folder / "bin/systemctl").chmod(0o755)
    given = {"state": "finished", "slice": "swarmsweep-lab", "host_name": "lab-load", "target": "http://127.0.0.1:9"}
    given |= {"directory": str(folder), "units_directory": str(folder / "units"), "time_limit_seconds": 60}
    given |= {"output_directory": str(folder / "locust"), **arguments}
    tasks = [{"name": "Wait", "locust_attempt": given, "register": "waited"}]
    tasks += [{"name": "Show", "ansible.builtin.debug": {"msg": "bad: {{ waited.ended_badly }}"}}]
    (folder / "play.yml").write_text(json.dumps([{"name": "Load", "hosts": "localhost", "tasks": tasks}]))
    own = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": {"localhost": own}}}))
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.Popen(
        playing.command(folder),
        cwd=playing.ROOT,
        env=playing.environment(folder, PATH=path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(process: subprocess.Popen, holds: Callable[[], bool]) -> None:
    """Until a function is true, or the play ends."""
    while process.poll() is None and not holds():
        time.sleep(0.05)


def refused(path: Path) -> bool:
    """Whether the controller has said of a line that it is no figures."""
    return path.exists() and "cannot read" in path.read_text()


def test_known_figures_are_kept_until_the_end_and_others_never(tmp_path):
    target, missing = tmp_path / "run" / FILE, tmp_path / "run" / MISSING_FILE
    with attempt(tmp_path, 300, live_file=str(target)) as process:
        try:
            for text in ('{"rps": 1}', "no json", json.dumps(LIVE | {"stage": "\x1b[2J"}), json.dumps(LIVE)):
                missing.unlink(missing_ok=True)
                (tmp_path / "text").write_text(text)
                (tmp_path / "text").replace(tmp_path / "locust/live.json")
                wait_for(process, lambda: refused(missing) or target.exists())
                assert target.exists() is (text == json.dumps(LIVE)), text
            seen = read_live(tmp_path / "run", time.time())
        finally:
            (tmp_path / "seen").touch()
        out = process.stdout.read()
    assert process.returncode == 0, out
    assert "bad: {}" in out
    assert not target.exists()
    assert seen is not None, out
    assert (seen.rps, seen.p95_ms, seen.users, seen.stage) == (412.5, 12.3, 40, "window")


def test_without_a_file_nothing_is_copied(tmp_path):
    with attempt(tmp_path) as process:
        (tmp_path / "locust/live.json").write_text(json.dumps(LIVE))
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 0, out
    assert list((tmp_path / "run").iterdir()) == []
