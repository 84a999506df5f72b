"""Ansible action: the lock of the lab, a file on its Swarm manager. See swarmsweep.lab.lock_holder.

Arguments: do (take, renew, holder, release, refuse) and what that step needs. See the methods. No other shell than sh
is needed on the host, and no Python, because the lock is taken before the host is checked.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from pathlib import Path

import msgspec
from ansible.errors import AnsibleConnectionFailure, AnsibleError

from hostlink.steps import StepsAction
from swarmsweep.errors import LabError
from swarmsweep.files import read_text
from swarmsweep.lab import lock
from swarmsweep.lab.lock_holder import holder_of, judge, lease_of, loss

ROOT = Path(__file__).parents[2]
# A shell's start-up file may print something before it.
MARK = "swarmsweep-lock"
# Exit code of a write whose lock was changed since it was read.
CHANGED = 75
# Another command may take or release the lock between reading and writing.
TRIES = 5
READ = """\
f={path}; echo {mark}; date +%s
if [ -s "$f" ]; then stat -c %Y "$f"; cat "$f"; fi
"""
# The file is never removed while a lab exists, because flock holds for the file, not for its name.
WRITE = """\
f={path}; mkdir -p "$(dirname "$f")" && umask 022 && exec 9>> "$f" && flock -w 10 9 || exit 74
[ "$(cat "$f")" = {expected} ] || exit {changed}
printf '%s' {content} > "$f"
"""


class ActionModule(StepsAction):
    """Takes, releases or looks at the lock. A lock that was left behind is replaced, with a sentence about it."""

    TRANSFERS_FILES = False

    def do_take(self, path, run=None, load_seconds=None, ready_timeout_seconds=0):
        """Take the lock for this ansible-playbook, or keep it and note what it does now.

        ``run`` and ``load_seconds`` (the longest time of each load) are those of a sweep that was planned. Returns
        ``replaced``: a sentence on a lock that was left behind, and ``problem``: why the host did not do it. The
        preflight names causes better.
        """
        loads = [float(seconds) for seconds in load_seconds or []]
        lease = lease_of(loads, float(ready_timeout_seconds))
        for _ in range(TRIES):
            text, age, problem = self._read(path)
            mine = self._mine(run)
            if problem is not None:
                return {"problem": problem, "replaced": ""}
            finding = judge(text, age, mine)
            if finding.state == "held":
                raise LabError(finding.sentence)
            if self._task.check_mode:
                return {"problem": None, "replaced": ""}
            since = finding.holder.since if finding.state == "mine" else mine.since
            mine = msgspec.structs.replace(mine, since=since, lease_seconds=lease)
            code, problem = self._write(path, text, mine.text())
            if code == 0:
                return {"problem": None, "replaced": finding.sentence}
            if code != CHANGED:
                return {"problem": problem, "replaced": ""}
        raise LabError(
            f"{path}: the lock changed {TRIES} times while it was taken. Another command begins now. Wait for it"
        )

    def do_renew(self, path):
        """Renew the lock of this ansible-playbook. Returns ``lost``: that it has the lock no longer, and who has it.

        ``lost`` is also empty where the lock could not be read or written. What needs the host then fails by itself.
        """
        for _ in range(TRIES):
            text, age, problem = self._read(path)
            if problem is not None or self._task.check_mode:
                return {"lost": ""}
            finding = judge(text, age, self._mine(None))
            if finding.state != "mine":
                return {"lost": loss(finding)}
            # With the same content: the time of the change is the renewal.
            code, _problem = self._write(path, text, text)
            if code != CHANGED:
                return {"lost": ""}
        raise LabError(f"{path}: the lock changed {TRIES} times while it was renewed")

    def do_holder(self, path):
        """Return ``words`` on the command that holds the lock, empty where none does or the host does not respond."""
        text, age, problem = self._read(path)
        finding = judge(text, age, self._mine(None)) if problem is None else None
        if finding is None or finding.state != "held":
            return {"words": ""}
        whose = finding.holder.words() if finding.holder is not None else "a command whose lock cannot be read"
        return {"words": whose}

    def do_release(self, path, own=False, force=False):
        """Free a lock of this process, one that was left behind, or with ``force`` any. Returns a sentence on it.

        With ``own``, it is a lock of this process alone. ``problem``: why the host did not do it.
        """
        for _ in range(TRIES):
            text, age, problem = self._read(path)
            if problem is not None:
                return {"sentence": "", "problem": problem}
            finding = judge(text, age, self._mine(None))
            if finding.state == "free" or self._task.check_mode:
                return {"sentence": "", "problem": None}
            if (finding.state == "held" and not force) or (finding.state != "mine" and own):
                return {"sentence": "", "problem": None}
            code, problem = self._write(path, text, "")
            if code == 0:
                whose = f" Its lock was that of {finding.holder.words()}" if finding.holder is not None else ""
                return {"sentence": "" if finding.state == "mine" else f"The lab is free.{whose}", "problem": None}
            if code != CHANGED:
                return {"sentence": "", "problem": problem}
        return {"sentence": "", "problem": f"the lock changed {TRIES} times while it was freed"}

    def do_refuse(self, folder, file, own):
        """Fail while a command uses the virtual machines. Runs on the controller, and changes nothing.

        Another clone has another key for the machines, so their locks are read from their file trees. ``folder`` is
        that of these trees, ``file`` the lock's path on a machine, and ``own`` the lock of this clone.
        """
        mine = self._mine(None)
        lock.refuse(own, mine)
        for tree in sorted(Path(folder).glob("*/")):
            path = tree / file.lstrip("/")
            if not path.is_file():
                continue
            finding = judge(read_text(path), time.time() - path.stat().st_mtime, mine)
            if finding.state == "held":
                raise LabError(finding.sentence)
        return {}

    def _mine(self, run):
        """Return the holder for ansible-playbook, the parent of this process."""
        return holder_of(os.getppid(), sys.argv, ROOT, time.time(), run)

    def _read(self, path):
        """Return content and age of the lock, and why they could not be read."""
        done, problem = self._execute(READ.format(path=shlex.quote(path), mark=MARK))
        if problem is not None:
            return "", 0.0, problem
        # A terminal of sudo ends lines with a carriage return.
        output = done["stdout"].replace("\r", "")
        now, _, rest = output.partition(f"{MARK}\n")[2].partition("\n")
        changed, _, text = rest.partition("\n")
        if not now.strip().isdigit():
            return "", 0.0, f"the host printed no time, but: {output.strip()[:200] or 'nothing'}"
        return text.rstrip("\n"), float(now) - float(changed) if changed.strip().isdigit() else 0.0, None

    def _write(self, path, expected, content):
        """Write the lock if it still has the expected content. Returns the exit code and the reason of a failure."""
        command = WRITE.format(
            path=shlex.quote(path), expected=shlex.quote(expected), content=shlex.quote(content), changed=CHANGED
        )
        done, problem = self._execute(command, accepted=(0, CHANGED))
        return (done["rc"] if done else 1), problem

    def _execute(self, command, accepted=(0,)):
        """Return the result of a command of the host, and why it failed. A lost connection is for the play."""
        try:
            # Ansible appends words to the last line.
            done = self._low_level_execute_command(command.rstrip("\n"))
        except AnsibleConnectionFailure:
            raise
        except AnsibleError as error:
            return None, str(error)
        if done["rc"] not in accepted:
            text = " ".join((done.get("stderr") or done.get("stdout") or "").split())
            return None, text[-300:] or f"exit code {done['rc']}"
        return done, None
