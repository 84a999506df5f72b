"""Names of images as Docker reads them: `own-api` is `docker.io/library/own-api:latest`."""

from __future__ import annotations

from collections.abc import Iterable
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
    if not slash or not _is_registry(registry):
        registry, name = REGISTRY, path
    if registry == OLD_REGISTRY:
        registry = REGISTRY
    if registry == REGISTRY and "/" not in name:
        name = f"{NAMESPACE}/{name}"
    return ImageReference(f"{registry}/{name}", tag or (None if digest else TAG), digest or None)


def _is_registry(first: str) -> bool:
    return "." in first or ":" in first or first == "localhost" or first != first.lower()


def registry_of(text: str) -> str | None:
    """Return the registry that a name has, such as ghcr.io, or None for a name to which Docker would add its own."""
    first, slash, _ = text.partition("@")[0].partition("/")
    if not slash or not _is_registry(first):
        return None
    return REGISTRY if first == OLD_REGISTRY else first


def name_in(registry: str, image: str) -> str:
    """Return the name that an image without a registry gets in one: NAME:TAG becomes REGISTRY/NAME:TAG."""
    found = normalise(image)
    path = found.name.removeprefix(f"{REGISTRY}/").removeprefix(f"{NAMESPACE}/")
    return f"{registry}/{path}:{found.tag or TAG}"


def by_digest(image: str, repo_digests: Iterable[str], registry: str = "") -> str | None:
    """Return the name with which every host gets the same bytes, REGISTRY/NAME@DIGEST. None if no registry has them.

    Args:
        image: the name that the user gave.
        repo_digests: what Docker on one host knows of this image: the digests by which registries have it.
        registry: the one that images without a registry in their name are pushed to. Empty: there is none.
    """
    if registry_of(image) is None and not registry:
        return None
    wanted = normalise(image if registry_of(image) else name_in(registry, image))
    digest = normalise(image).digest
    found = sorted(
        known.digest
        for known in map(normalise, repo_digests)
        if known.name == wanted.name and known.digest and digest in (None, known.digest)
    )
    return f"{wanted.name}@{found[0]}" if found else None


def has_digest(repo_digests: Iterable[str], reference: str) -> bool:
    """Return whether Docker on a host, which knows these digests of an image, has it by this name and digest."""
    return any(same_image(known, reference) for known in repo_digests)


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
