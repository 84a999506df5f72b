"""Which images of a host are the lab's own, old, and needed by nothing."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from ansible.module_utils.image_reference import same_image

# The role images gives its images this prefix.
NAMESPACE = "swarmsweep/"
# All other images are built on it, and making it takes a minute.
BASE = "swarmsweep/base:"
# `./lab image FOLDER` gives it to what it builds.
LABEL = "swarmsweep.built"
DAY_SECONDS = 86400
# Docker prints nine digits of a fraction, which Python does not read.
_FRACTION = re.compile(r"\.\d+")


def parse_time(text: str) -> float | None:
    """Return epoch seconds of a time that Docker prints, or None for its zero value and for other text."""
    try:
        moment = datetime.fromisoformat(_FRACTION.sub("", text).replace("Z", "+00:00"))
    except ValueError:
        return None
    if moment.year < 1971:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def is_own(image: dict[str, Any], name: str) -> bool:
    """Return whether the lab made an image. One that the user brought is never its own, whatever its name."""
    labels = (image.get("Config") or {}).get("Labels") or {}
    return name.startswith(NAMESPACE) or LABEL in labels


def in_registry(image: dict[str, Any], registry: str) -> list[str]:
    """Return the names by digest that an image has in the lab's own registry (``registry``, empty without one)."""
    digests = image.get("RepoDigests") or [] if registry else []
    return [name for name in digests if name.startswith(f"{registry}/")]


def old_images(
    images: list[dict[str, Any]], used: set[str], needed: set[str], now: float, days: int, registry: str = ""
) -> list[dict[str, Any]]:
    """Return the images to remove: name, id, bytes and age_days, the largest first.

    ``images`` are documents of `docker image inspect`. ``used`` are ids of images that a container has. ``needed`` are
    names that a service, the inventory, a sweep file or the newest run has. An image is gone only without its names in
    the lab's own ``registry`` (ADDRESS:PORT), so these are removed with it.
    """
    found = []
    for image in images:
        names = [name for name in image.get("RepoTags") or [] if name != "<none>:<none>"] + in_registry(image, registry)
        times = (image.get("Metadata") or {}).get("LastTagTime") or "", image.get("Created") or ""
        arrived = next((moment for moment in map(parse_time, times) if moment is not None), None)
        kept = image["Id"] in used or any(same_image(name, other) for name in names for other in needed)
        if kept or arrived is None or now - arrived < days * DAY_SECONDS:
            continue
        age, size = int((now - arrived) // DAY_SECONDS), int(image.get("Size") or 0)
        short = ((name, name.removeprefix(f"{registry}/") if registry else name) for name in names)
        own = [name for name, plain in short if is_own(image, plain) and not plain.startswith(BASE)]
        # Its layers are shared by all of its names.
        found.extend(
            {"name": name, "id": image["Id"], "bytes": size if place == 0 else 0, "age_days": age}
            for place, name in enumerate(own)
        )
    return sorted(found, key=lambda entry: (-entry["bytes"], entry["name"]))
