"""Names of images as Docker reads them: `own-api` is `docker.io/library/own-api:latest`."""

from __future__ import annotations

from dataclasses import dataclass

# What Docker adds to a short name (distribution/reference, normalize.go: defaultDomain, officialRepoName, defaultTag).
REGISTRY = "docker.io"
OLD_REGISTRY = "index.docker.io"
NAMESPACE = "library"
TAG = "latest"


@dataclass(frozen=True)
class ImageReference:
    """A whole reference. ``tag`` is None where only a digest names the image."""

    name: str
    tag: str | None
    digest: str | None

    def __str__(self) -> str:
        return self.name + (f":{self.tag}" if self.tag is not None else "") + (f"@{self.digest}" if self.digest else "")


def normalise(text: str) -> ImageReference:
    """Return the reference that Docker reads, by the rules of distribution/reference (ParseNormalizedNamed).

    The first part of a name is a registry if it contains a dot, a colon or a capital, or is localhost.
    """
    rest, _, digest = text.partition("@")
    # A colon before the last slash belongs to the port of a registry.
    path, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        path, tag = rest, ""
    registry, slash, name = path.partition("/")
    if not slash or not ("." in registry or ":" in registry or registry == "localhost" or registry != registry.lower()):
        registry, name = REGISTRY, path
    if registry == OLD_REGISTRY:
        registry = REGISTRY
    if registry == REGISTRY and "/" not in name:
        name = f"{NAMESPACE}/{name}"
    return ImageReference(f"{registry}/{name}", tag or (None if digest else TAG), digest or None)


def same_image(one: str, other: str) -> bool:
    """Return whether two references name the same image. Two digests decide; otherwise the tags do.

    A tag with a digest is the same as that tag alone, because Docker may have added the digest.
    """
    first, second = normalise(one), normalise(other)
    if first.name != second.name:
        return False
    if first.digest and second.digest:
        return first.digest == second.digest
    return first.tag is not None and first.tag == second.tag
