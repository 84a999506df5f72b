"""Whether all API hosts have the same image under one name. Replicas of two images would be two programs."""

from collections.abc import Mapping
from typing import Any

from swarmsweep.shared.image_reference import by_digest, has_digest


def copy_problems(found: Mapping[str, Mapping[str, Any]], wanted: Mapping[str, str]) -> list[str]:
    """What is wrong, one text for each image.

    Args:
        found: what the module host_images reported of each API host, in their order. A host without Docker has none.
        wanted: the setting that names it, by image.
    """
    hosts = {host: report for host, report in found.items() if report.get("ids")}
    problems = (
        _different(image, setting, hosts) or _unknown(image, setting, hosts) for image, setting in wanted.items()
    )
    return [problem for problem in problems if problem is not None]


def _different(image: str, setting: str, hosts: Mapping[str, Mapping[str, Any]]) -> str | None:
    ids = {host: report["ids"][image] for host, report in hosts.items() if report["ids"].get(image)}
    if len(set(ids.values())) < 2:
        return None
    has = ", ".join(f"{host} has {identity}" for host, identity in ids.items())
    return (
        f"The image {image}, which {setting} names, is not the same on all API hosts: {has}. "
        f"Copy one of them to all with: ./lab image {image} --copy-only"
    )


def _unknown(image: str, setting: str, hosts: Mapping[str, Mapping[str, Any]]) -> str | None:
    """A stack names the digest. A host that does not know it would look for the image in the registry."""
    first = next(iter(hosts.values()), {})
    reference = by_digest(image, first.get("digests", {}).get(image, []))
    if reference is None:
        return None
    without = [
        host for host, report in hosts.items() if not has_digest(report.get("digests", {}).get(image, []), reference)
    ]
    if not without:
        return None
    return (
        f"The image {image}, which {setting} names, has no digest {reference} on {', '.join(without)}. "
        f"Pull it on all API hosts with: ./lab image {image} --copy-only --rebuild"
    )
