"""Names of images, as Docker reads them (the cases of distribution/reference, normalize_test.go, among others)."""

from __future__ import annotations

import pytest
from ansible.module_utils.image_reference import by_digest, name_in, normalise, registry_of, same_image

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("own-api", "docker.io/library/own-api:latest"),
        ("own-api:1", "docker.io/library/own-api:1"),
        ("docker.io/own-api", "docker.io/library/own-api:latest"),
        ("index.docker.io/library/own-api", "docker.io/library/own-api:latest"),
        ("team/own-api", "docker.io/team/own-api:latest"),
        ("docker.io/team/own-api:1", "docker.io/team/own-api:1"),
        ("localhost/own-api", "localhost/own-api:latest"),
        ("localhost:5000/own-api", "localhost:5000/own-api:latest"),
        ("registry:5000/team/own-api:1", "registry:5000/team/own-api:1"),
        ("ghcr.io/team/own-api", "ghcr.io/team/own-api:latest"),
        ("127.0.0.1:5000/own-api:1", "127.0.0.1:5000/own-api:1"),
        ("Upper/own-api", "Upper/own-api:latest"),
        (f"own-api@{ONE}", f"docker.io/library/own-api@{ONE}"),
        (f"ghcr.io/own-api:1@{ONE}", f"ghcr.io/own-api:1@{ONE}"),
    ],
)
def test_normalise(text, whole):
    assert str(normalise(text)) == whole
    assert str(normalise(whole)) == whole


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("own-api", "own-api:latest", True),
        ("docker.io/library/kit:1", "kit:1", True),
        ("kit", "kit:1", False),
        ("team/kit:1", "kit:1", False),
        ("localhost:5000/kit:1", "kit:1", False),
        (f"kit:1@{ONE}", "kit:1", True),
        (f"kit:1@{ONE}", f"docker.io/kit@{ONE}", True),
        (f"kit:1@{ONE}", f"kit:2@{ONE}", True),
        (f"kit@{ONE}", f"kit@{TWO}", False),
        (f"kit:1@{ONE}", f"kit:1@{TWO}", False),
        # Nothing shows that the tag is of this digest.
        (f"kit@{ONE}", "kit:latest", False),
        (f"kit@{ONE}", "kit", False),
    ],
)
def test_same_image(one, other, same):
    assert same_image(one, other) is same
    assert same_image(other, one) is same


@pytest.mark.parametrize(
    ("text", "registry"),
    [
        ("own-api:1", None),
        ("team/own-api:1", None),
        (f"team/own-api@{ONE}", None),
        ("docker.io/own-api", "docker.io"),
        ("index.docker.io/own-api", "docker.io"),
        ("localhost/own-api", "localhost"),
        ("registry:5000/own-api:1", "registry:5000"),
        (f"ghcr.io/team/own-api@{ONE}", "ghcr.io"),
    ],
)
def test_the_registry_in_a_name(text, registry):
    assert registry_of(text) == registry


@pytest.mark.parametrize(
    ("image", "whole"),
    [
        ("own-api", "h:5/own-api:latest"),
        ("own-api:1", "h:5/own-api:1"),
        ("swarmsweep/api:0123", "h:5/swarmsweep/api:0123"),
    ],
)
def test_the_name_in_a_registry(image, whole):
    assert name_in("h:5", image) == whole


@pytest.mark.parametrize(
    ("image", "known", "registry", "reference"),
    [
        ("h:5/kit:1", [f"h:5/kit@{ONE}"], "", f"h:5/kit@{ONE}"),
        ("h:5/kit:1", [f"g:5/kit@{TWO}", f"h:5/kit@{ONE}"], "", f"h:5/kit@{ONE}"),
        ("docker.io/kit:1", [f"kit@{ONE}"], "", f"docker.io/library/kit@{ONE}"),
        ("h:5/kit:1", [f"g:5/kit@{TWO}"], "", None),
        ("h:5/kit:1", [], "", None),
        (f"h:5/kit@{ONE}", [f"h:5/kit@{TWO}", f"h:5/kit@{ONE}"], "", f"h:5/kit@{ONE}"),
        (f"h:5/kit@{ONE}", [f"h:5/kit@{TWO}"], "", None),
        # Without a registry of the lab, a short name has none. Docker Hub may have another image of this name.
        ("kit:1", [f"kit@{ONE}"], "", None),
        ("kit:1", [f"kit@{TWO}", f"l:5/kit@{ONE}"], "l:5", f"l:5/kit@{ONE}"),
        ("swarmsweep/api:1", [f"l:5/swarmsweep/api@{ONE}"], "l:5", f"l:5/swarmsweep/api@{ONE}"),
        ("h:5/kit:1", [f"l:5/kit@{TWO}", f"h:5/kit@{ONE}"], "l:5", f"h:5/kit@{ONE}"),
    ],
)
def test_the_name_by_digest(image, known, registry, reference):
    assert by_digest(image, known, registry) == reference
