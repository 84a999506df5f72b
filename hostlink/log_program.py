"""Program for a host: print the last lines of logs as JSON, and with --follow also the lines that come.

The controller sends this file as text, so it needs Python's standard library alone. It writes nothing on the host.
It ends when its input ends, so that a lost connection leaves nothing running. Each line of its output is one of

{"from": "replica 1", "text": "..."}   a line of a log
{"note": "..."}                        what the reader should know
{"found": 2}                           the number of logs that exist, printed first
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

# A file is looked at this often. It costs a few system calls, also during a load.
LOOK_SECONDS = 0.5
# The end of a file that is read for its last lines.
TAIL_BYTES = 4 << 20
# A line of a log is cut here. One response in a log could fill the screen for minutes.
LINE_BYTES = 16384
LABEL = "com.docker.swarm.service.name"
PRINTING = threading.Lock()


def put(**message):
    """Print one message."""
    with PRINTING, contextlib.suppress(BrokenPipeError):
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def text_of(line):
    """Return a line of a log as text."""
    return line[:LINE_BYTES].decode("utf-8", "replace").rstrip("\r\n")


# --- Containers of a service ---


def docker(*arguments):
    """Return the output of a docker command. End the program with its error."""
    try:
        done = subprocess.run(["docker", *arguments], capture_output=True, timeout=60, check=False)
    except FileNotFoundError:
        sys.exit("this host has no Docker. Run: ./lab site")
    except subprocess.TimeoutExpired:
        sys.exit("docker did not respond within 60 s. Fix: systemctl restart docker, on this host")
    if done.returncode != 0:
        sys.exit(done.stderr.decode(errors="replace").strip() or f"docker {arguments[0]}: exit code {done.returncode}")
    return done.stdout.decode(errors="replace")


def containers_of(service):
    """Return (slot, id, whether it runs) of each container, the newest first."""
    listed = docker("ps", "--all", "--no-trunc", "--filter", f"label={LABEL}={service}", "--format", "{{json .}}")
    rows = [json.loads(line) for line in listed.splitlines() if line]
    return [(slot_of(row["Names"], service), row["ID"], row["State"] == "running") for row in rows]


def slot_of(name, service):
    """Return the number of the replica: '1' for lab_api_api.1.abc. Without a number, return the name."""
    return name.removeprefix(f"{service}.").partition(".")[0]


def chosen(containers):
    """Return those that run. If a slot has none that runs, return its newest one, which says why it ended."""
    by_slot = {}
    for slot, identity, runs in containers:
        by_slot.setdefault(slot, []).append((identity, runs))
    picked = []
    for slot in sorted(by_slot, key=lambda slot: slot.zfill(9)):
        running = [identity for identity, runs in by_slot[slot] if runs]
        picked += [(slot, identity, True) for identity in running] or [(slot, by_slot[slot][0][0], False)]
    return picked


def ending(identity):
    """Return how a container ended, in words."""
    state = json.loads(docker("inspect", "--format", "{{json .State}}", identity))
    cause = ", killed because it needed more than its memory limit" if state.get("OOMKilled") else ""
    return f"ended with exit code {state.get('ExitCode')}{cause}"


def print_containers(service, role, lines):
    """Print the last lines of all replicas, in the order of their times."""
    picked = chosen(containers_of(service))
    put(found=len(picked))
    merged = []
    for slot, identity, runs in picked:
        done = subprocess.run(
            ["docker", "logs", "--timestamps", "--tail", str(lines), identity],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False,
        )  # fmt: skip
        # Docker's times have a fixed width, so that their order is that of the texts.
        rows = [line.partition(b" ") for line in done.stdout.split(b"\n") if line]
        merged += [(stamp, f"{role} {slot}", text_of(text)) for stamp, _, text in sorted(rows, key=lambda row: row[0])]
        if not runs:
            put(note=f"{role} {slot} does not run: it {ending(identity)}")
    for _, source, text in sorted(merged, key=lambda row: row[0]):
        put(**{"from": source, "text": text})


def follow_container(role, slot, identity, lines):
    """Print the lines of one container until it ends."""
    command = ["docker", "logs", "--follow", "--tail", str(lines), identity]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        # A program may write without end and without a newline.
        while line := process.stdout.readline(LINE_BYTES):
            put(**{"from": f"{role} {slot}", "text": text_of(line)})
    with contextlib.suppress(SystemExit, ValueError):
        put(note=f"{role} {slot} {ending(identity)}")


def follow_service(service, role, lines):
    """Follow the replicas that run, and each that starts. A sweep replaces them for each cell."""
    events = ["docker", "events", "--filter", "event=start", "--filter", f"label={LABEL}={service}"]
    # This comes before the list, so that no container is missed between the two.
    with subprocess.Popen([*events, "--format", "{{json .}}"], stdout=subprocess.PIPE) as process:
        picked = chosen(containers_of(service))
        put(found=len(picked))
        running = [(slot, identity) for slot, identity, runs in picked if runs]
        followed = {identity for _, identity in running}
        for slot, identity in running:
            begin(follow_container, role, slot, identity, lines)
        if not running:
            put(note=f"no {role} runs now; the log begins when one starts")
        for line in process.stdout:
            event = json.loads(line)
            identity = event.get("id") or event["Actor"]["ID"]
            if identity not in followed:
                followed.add(identity)
                slot = slot_of(event["Actor"]["Attributes"].get("name", "?"), service)
                begin(follow_container, role, slot, identity, "all")


# --- Files of a folder ---


def logs_in(folder):
    """Return the logs of a folder: that of the master first."""
    return sorted(Path(folder).glob("*.log"), key=lambda path: (path.stem != "master", path.stem))


def last_lines(path, lines):
    """Return the last lines of a file, and the number of bytes that were read."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TAIL_BYTES))
        data = file.read()
    complete = data[: data.rfind(b"\n") + 1]
    return [text_of(line) for line in complete.splitlines()[-lines:]] if lines else [], size - len(data) + len(complete)


def print_files(folder, lines):
    """Print the last lines of each file."""
    paths = logs_in(folder)
    put(found=len(paths))
    for path in paths:
        for text in last_lines(path, lines)[0]:
            put(**{"from": path.stem, "text": text})


def follow_files(folder, lines):
    """Print the last lines of each file, then those that are appended. Each attempt of a sweep writes new files."""
    known = {}
    paths = logs_in(folder)
    put(found=len(paths))
    if not paths:
        put(note="no load has run yet; the log begins when one starts")
    first = True
    while True:
        for path in logs_in(folder):
            with contextlib.suppress(OSError):
                known[path] = read_more(path, known.get(path), lines if first else None)
        first = False
        time.sleep(LOOK_SECONDS)


def read_more(path, before, lines):
    """Print what a file has beyond ``before``, its (inode, bytes read), and return the new pair."""
    status = path.stat()
    if before is None and lines is not None:
        texts, read = last_lines(path, lines)
        for text in texts:
            put(**{"from": path.stem, "text": text})
        return status.st_ino, read
    inode, read = before or (status.st_ino, 0)
    if inode != status.st_ino or status.st_size < read:
        read = 0
    with path.open("rb") as file:
        file.seek(read)
        data = file.read(TAIL_BYTES)
    # A line that is longer than all that is read at a time is shown in parts. Nothing after it would ever be shown.
    complete = data if len(data) == TAIL_BYTES and b"\n" not in data else data[: data.rfind(b"\n") + 1]
    for line in complete.splitlines():
        put(**{"from": path.stem, "text": text_of(line)})
    return status.st_ino, read + len(complete)


# --- Start and end ---


def begin(function, *arguments):
    """Run a function in a thread that does not keep the program alive."""
    threading.Thread(target=function, args=arguments, daemon=True).start()


def end_with_input():
    """End this program and all that it started when its input ends."""
    with contextlib.suppress(OSError):
        while os.read(0, 65536):
            pass
    # The children are in the same group. Ending them is the point, and this process is one of the group.
    os.killpg(os.getpgrp(), 15)


def main():
    """Print the logs that the arguments name."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--service")
    parser.add_argument("--role", default="replica")
    parser.add_argument("--folder")
    parser.add_argument("--lines", type=int, required=True)
    parser.add_argument("--follow", action="store_true")
    given = parser.parse_args()
    if given.follow:
        with contextlib.suppress(OSError):
            os.setpgrp()
        begin(end_with_input)
    if given.service:
        (follow_service if given.follow else print_containers)(given.service, given.role, given.lines)
    else:
        (follow_files if given.follow else print_files)(given.folder, given.lines)


if __name__ == "__main__":
    main()
