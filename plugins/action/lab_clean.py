"""Ansible action: the part of `./lab clean` on the controller, and what it shows.

Arguments: do (list, show, remove, removed) and what that step needs. See the methods.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from hostlink.steps import StepsAction
from swarmsweep.errors import InputError
from swarmsweep.report.terminal import own_logs
from swarmsweep.results import old_files
from swarmsweep.units import counted, format_bytes

# 27 years. A larger number is a slip.
MAX_DAYS = 9999


class ActionModule(StepsAction):
    """Lists and removes what is old on this machine, and puts the lists of all hosts together."""

    def do_list(self, reports, keys, logs, sweeps, days):
        """Return old files of this machine, and the images that the newest run and the sweep files need."""
        if not str(days).isdecimal() or int(days) > MAX_DAYS:
            raise InputError(
                f"--days (clean_days) is '{days}'; allowed: a whole number from 0 to {MAX_DAYS}. "
                "Fix: ./lab clean --days 30"
            )
        needed = old_files.needed_images(reports, sorted(Path(sweeps).glob("*.yml")))
        files = self._find(reports, keys, logs, int(days))
        lines = [file.line() for file in files]
        return {"lines": lines, "bytes": sum(file.size_bytes for file in files), "needed": needed, "days": int(days)}

    def do_remove(self, reports, keys, logs, days):
        """Remove the same files."""
        files = self._find(reports, keys, logs, int(days))
        if not self._task.check_mode:
            for file in files:
                old_files.remove(file)
        return {"changed": bool(files)}

    def do_show(self, here, hosts, days, going):
        """Return the lines for a person. ``hosts`` has what lab_leftovers returned, by the name of the host.

        ``going``: it is removed after this. Otherwise the last line names the command for that.
        """
        lines = [f"this machine: {line}" for line in here["lines"]]
        known = here["bytes"]
        for name, found in hosts.items():
            for image in found["images"]:
                age = counted(image["age_days"], "day")
                lines.append(f"{name}: image {image['name']}, {age} old: {format_bytes(image['bytes'])}")
            contexts = sum(context["bytes"] for context in found["contexts"])
            if contexts:
                count = counted(len(found["contexts"]), "build context")
                lines.append(f"{name}: {count}: {format_bytes(contexts)}")
            if found["cache"]:
                unused = f"that no build used for {counted(days, 'day')}"
                lines.append(f"{name}: the part of the build cache ({found['cache']} in all) {unused}")
            # An image with two names counts once.
            known += contexts + sum({image["id"]: image["bytes"] for image in found["images"]}.values())
        if not lines:
            return {"lines": [f"Nothing is {counted(days, 'day')} old or older."]}
        total = f"Files and images: {known / 1e6:,.0f} MB. Images share layers, so less may be freed."
        end = "This is removed now." if going else f"Nothing was removed. To remove it: ./lab clean --days {days} --yes"
        return {"lines": [*lines, total, end]}

    def do_removed(self, here, hosts):
        """Return the lines on what was removed, and on what Docker kept."""
        kept = [f"{name}: not removed: {text}" for name, found in hosts.items() for text in found["kept"]]
        caches = [f"{name}: build cache: {found['cache']}" for name, found in hosts.items() if found["cache"]]
        images = sum(len(found["images"]) for found in hosts.values())
        end = f"Removed from this machine: {len(here['lines'])}. Images removed from the API hosts: {images}."
        return {"lines": [*kept, *caches, end]}

    def _find(self, reports, keys, logs, days):
        now = datetime.now(UTC)
        return [
            *old_files.old_runs(reports, days, now),
            *old_files.old_files("log", own_logs(Path(logs)), days, now),
            *old_files.old_files("build context", Path(keys, "images").glob("*.tar*"), days, now),
        ]
