"""The variables that a sweep file sets for its scenarios, and the names that it may not set."""

import re

from swarmsweep.sweep.load import StoredLoad

# Settings of the lab and of Locust, and what changes Python itself. A proxy would be measured instead of the API.
RESERVED = re.compile(r"(SWEEP|LOCUST|LD)_.*|PYTHON.*|HOME|PATH|SHELL|USER|TMPDIR|(HTTP|HTTPS|ALL|NO)_PROXY")
# Suffix of the variable with the path of a secret's file.
FILE_SUFFIX = "_FILE"


def sweep_env(load: StoredLoad) -> dict[str, str]:
    """The variables of Locust's processes by a load as in plan.json: the user's own, and Locust's options."""
    env = dict(load.get("env") or {})
    for key, name in (("tags", "LOCUST_TAGS"), ("exclude_tags", "LOCUST_EXCLUDE_TAGS")):
        if load.get(key):
            env[name] = f"[{','.join(load[key])}]"
    if load.get("user_classes"):
        env["LOCUST_USER_CLASSES"] = " ".join(load["user_classes"])
    return env


def is_reserved(name: str) -> bool:
    """Whether a sweep file may not set this variable."""
    return RESERVED.fullmatch(name) is not None
