"""What the header X-Served-By shows: which replica, and which of its processes, sent each response.

The lab's own API sends `<container>/<process id>`, as Docker names the container in the process. Other APIs use this
header too, with a constant, a region or a name of their own. Only names of deployed containers are evidence.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from swarmsweep.judge.evidence import Evidence, Flow

# The lab's own images, of which each process sends its own name.
OWN_IMAGES = ("swarmsweep/api:", "swarmsweep/mlflow:")
# Docker names a container in itself by this many characters of its id.
ID_CHARACTERS = 12
# With another image, one name may be that of the first process, which all others inherited.
MIN_NAMES = 2
MAX_QUOTED = 40


class ServedBy(NamedTuple):
    """Responses by container and process; empty with the reason why the header shows nothing."""

    replicas: dict[str, Mapping[str, int]]
    reason: str | None = None


def replicas_named(evidence: Evidence, flow: Flow) -> ServedBy:
    """Responses by container, and by process where the header names it; the process is '' otherwise."""
    if not flow.served_by:
        return ServedBy({}, "no response had the header X-Served-By")
    replicas: dict[str, Counter[str]] = defaultdict(Counter)
    for value, count in flow.served_by.items():
        container, _, process = value.partition("/")
        if not _is_deployed(evidence, container):
            quoted = value[:MAX_QUOTED]
            return ServedBy({}, f"X-Served-By '{quoted}' does not begin with the id of a deployed container")
        replicas[container][process if process.isdecimal() else ""] += count
    if len(flow.served_by) < MIN_NAMES and not is_own(evidence):
        return ServedBy({}, "X-Served-By has only one value, so it may be the same in all processes")
    return ServedBy(dict(replicas))


def processes_named(evidence: Evidence, flow: Flow) -> ServedBy:
    """The same where the header names a process in every response."""
    named = replicas_named(evidence, flow)
    if any("" in processes for processes in named.replicas.values()):
        return ServedBy({}, "X-Served-By names containers, and not their processes")
    if not is_own(evidence) and any(len(processes) < MIN_NAMES for processes in named.replicas.values()):
        return ServedBy({}, "X-Served-By names one process of a replica, so all of its processes may have this name")
    return named


def _is_deployed(evidence: Evidence, container: str) -> bool:
    ids = evidence.deploy.ids if evidence.deploy is not None else set()
    return len(container) >= ID_CHARACTERS and any(one.startswith(container) for one in ids)


def is_own(evidence: Evidence) -> bool:
    """Whether all replicas run an image of the lab."""
    images = [one.image or "" for one in evidence.deploy.started] if evidence.deploy is not None else []
    return bool(images) and all(image.startswith(OWN_IMAGES) for image in images)
