"""Which version of swarmsweep provisioned a host. After an update of the repository, `./lab site` comes first.

The number of the version is not enough, because a clone may be between two versions. So the files that `./lab site`
installs from count too.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from swarmsweep import __version__
from swarmsweep.lab.content_hash import hash_each, hash_paths

# What `./lab site` alone brings to the hosts. A sweep brings the load generator and the scenarios itself.
FOLDERS = (
    "app",
    "sampler",
    "roles/apt_downloads",
    "roles/docker_engine",
    "roles/host_metrics",
    "roles/images",
    "roles/locust_host",
    "roles/model",
    "roles/platform",
    "roles/registry",
    "roles/swarm",
    "roles/trusted_certificates",
)
# In the lab's folder on each host.
FILE = "provisioned.json"
SITE = "./lab site"


class Provisioned(Struct, frozen=True, kw_only=True):
    """A version, and the hash of the files that its `./lab site` installs from."""

    version: str
    files: str

    def words(self) -> str:
        """The version for a person."""
        return f"{self.version} (files {self.files})"


def this_version(root: Path | str) -> Provisioned:
    """The version of a clone of the repository.

    Raises:
        LabError: a folder is missing.
    """
    hashes = hash_each(root, list(FOLDERS))
    return Provisioned(version=__version__, files=hash_paths([], [f"{name} {value}" for name, value in hashes.items()]))


def problem(stored: str, here: Provisioned, *, is_provisioned: bool) -> str | None:
    """Why a host must be provisioned again before another command, or None. It begins behind the name of the host.

    Args:
        stored: content of `FILE` on the host, empty when it is missing.
        here: the version of this clone.
        is_provisioned: whether the host has a folder of a lab.
    """
    if not is_provisioned:
        return f"has no lab yet. Fix: {SITE}"
    try:
        there = msgspec.json.decode(stored, type=Provisioned)
    except msgspec.DecodeError:
        before = "an earlier version of swarmsweep, or only in part"
        return f"was provisioned by {before}. This is version {here.words()}. Fix: {SITE}"
    if there == here:
        return None
    return f"was provisioned by swarmsweep {there.words()}. This is version {here.words()}. Fix: {SITE}"
