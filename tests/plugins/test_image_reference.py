"""Names of images, as Docker reads them (the cases of distribution/reference, normalize_test.go, among others)."""

from __future__ import annotations

import pytest
from ansible.module_utils.image_reference import normalise, same_image

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
