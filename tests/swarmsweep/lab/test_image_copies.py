"""Images that differ between the API hosts, by their ids and by the digests that Docker there knows."""

import pytest

from swarmsweep.lab.image_copies import copy_problems

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64
KIT, PULLED = "kit:1.0", "h:5/kit:1.0"


def host(identity=ONE, digests=(), image=KIT):
    return {"docker": True, "ids": {image: identity}, "digests": {image: list(digests)}}


KNOWN = host(image=PULLED, digests=[f"h:5/kit@{ONE}"])


@pytest.mark.parametrize(
    ("hosts", "image", "problem"),
    [
        ([host(), host()], KIT, None),
        # A name with a dot.
        ([host(), host(TWO)], KIT, f"is not the same on all API hosts: a has {ONE}, b has {TWO}. Copy one of them"),
        ([host(), {"docker": False}], KIT, None),
        ([host(), {"skipped": True}], KIT, None),
        ([{"docker": False}] * 2, KIT, None),
        ([KNOWN, KNOWN], PULLED, None),
        # It was pushed elsewhere, or copied without its digest.
        ([KNOWN, host(image=PULLED, digests=[f"g:5/kit@{ONE}"])], PULLED, f"has no digest h:5/kit@{ONE} on b. Pull it"),
        ([KNOWN, host(image=PULLED)], PULLED, f"has no digest h:5/kit@{ONE} on b"),
        # Copied to the first host without its registry: the ids say that they are the same.
        ([host(image=PULLED), KNOWN], PULLED, None),
        ([host(image=PULLED, identity=TWO), KNOWN], PULLED, "is not the same on all API hosts"),
        # Known by a name that it does not have here.
        ([host(digests=[f"h:5/kit@{ONE}"]), host()], KIT, None),
    ],
)
def test_what_differs(hosts, image, problem):
    found = copy_problems(dict(zip("ab", hosts, strict=True)), {image: "lab_api_image"})
    assert len(found) == (problem is not None)
    for text in found:
        assert text.startswith(f"The image {image}, which lab_api_image names, ")
        assert problem in text
