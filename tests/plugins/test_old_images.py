"""Which images of an API host are old, the lab's own, and needed by nothing."""

import pytest
from ansible.module_utils.old_images import old_images, parse_time

DAY = 86400
NOW = parse_time("2026-11-29T12:00:00.123456789Z")
OLD, RECENT = "2026-10-01T10:00:00.123456789Z", "2026-11-20T10:00:00+01:00"
NEVER = "0001-01-01T00:00:00Z"


def image(name, tagged=OLD, created=OLD, labels=None, **more):
    document = {"Id": f"sha256:{name}", "RepoTags": [name], "Size": 100, "Created": created}
    return document | {"Metadata": {"LastTagTime": tagged}, "Config": {"Labels": labels}} | more


BUILT = {"swarmsweep.built": "folder"}
CASES = {
    "of an earlier version": (image("swarmsweep/api:0123"), ["swarmsweep/api:0123"]),
    "built from a folder": (image("kit:0123456789ab", labels=BUILT), ["kit:0123456789ab"]),
    # It may have no other copy.
    "copied by the user": (image("kit:1"), []),
    "of the user, with a tag like ours": (image("kit:0123456789ab"), []),
    "of a namespace that begins like ours": (image("swarmsweepers/api:1"), []),
    "the base of all builds": (image("swarmsweep/base:bookworm-1234"), []),
    "recent": (image("swarmsweep/api:0123", tagged=RECENT), []),
    # Docker keeps the time of a build elsewhere.
    "copied lately": (image("swarmsweep/api:0123", tagged=RECENT, created=OLD), []),
    "without a time of its tag": (image("swarmsweep/api:0123", tagged=NEVER), ["swarmsweep/api:0123"]),
    "without any time": (image("swarmsweep/api:0123", tagged=NEVER, created=""), []),
    "needed": (image("swarmsweep/api:needed"), []),
    "needed by a digest": (image("swarmsweep/redis:1"), []),
    "used by a container": (image("swarmsweep/api:used", Id="sha256:used"), []),
    "one of its names is needed": (
        image("a", RepoTags=["swarmsweep/api:0123", "swarmsweep/api:needed"], labels=None),
        [],
    ),
    "two names": (image("a", RepoTags=["kit:1", "swarmsweep/api:0123"]), ["swarmsweep/api:0123"]),
    "without a name": (image("a", RepoTags=["<none>:<none>"], labels=BUILT), []),
    "names are null": (image("a", RepoTags=None, labels=BUILT), []),
}


@pytest.mark.parametrize(("document", "names"), CASES.values(), ids=CASES)
def test_what_goes(document, names):
    needed = {"swarmsweep/api:needed", "swarmsweep/redis:1@sha256:1"}
    found = old_images([document], {"sha256:used"}, needed, NOW, 30)
    assert [entry["name"] for entry in found] == names
    for entry in found:
        assert (entry["bytes"], entry["age_days"]) == (100, 59)


def test_the_largest_is_first():
    documents = [image("swarmsweep/api:1", Size=5), image("swarmsweep/mlflow:1", Size=9)]
    assert [entry["bytes"] for entry in old_images(documents, set(), set(), NOW, 30)] == [9, 5]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:01Z", None),
        ("2026-01-01T00:00:00Z", 1767225600),
        ("2026-01-01T01:00:00.5+01:00", 1767225600),
        ("2026-01-01T00:00:00", 1767225600),
        (NEVER, None),
        ("", None),
        ("yesterday", None),
    ],
)
def test_a_time_of_docker(text, seconds):
    assert parse_time(text) == seconds


# On the first host, an image has its name here and one in the registry. On the others, it has a digest there instead.
REGISTRY = "192.0.2.1:5000"
DIGEST = f"{REGISTRY}/swarmsweep/api@sha256:1"
TAGGED = f"{REGISTRY}/swarmsweep/api:0123"


@pytest.mark.parametrize(
    ("tags", "digests", "registry", "names"),
    [
        (["swarmsweep/api:0123", TAGGED], [DIGEST], REGISTRY, ["swarmsweep/api:0123", TAGGED, DIGEST]),
        (["swarmsweep/api:0123"], [DIGEST], REGISTRY, ["swarmsweep/api:0123", DIGEST]),
        (["swarmsweep/api:0123"], [DIGEST], "", ["swarmsweep/api:0123"]),
        (["swarmsweep/api:0123"], ["other:5000/swarmsweep/api@sha256:1"], REGISTRY, ["swarmsweep/api:0123"]),
        (["own-api:1", f"{REGISTRY}/own-api:1"], [f"{REGISTRY}/own-api@sha256:1"], REGISTRY, []),
        (["swarmsweep/api:needed"], [DIGEST], REGISTRY, []),
        # A service names the digest.
        (["swarmsweep/api:0123"], [f"{REGISTRY}/swarmsweep/api@sha256:needed"], REGISTRY, []),
    ],
)
def test_the_names_in_the_registry_of_the_lab_go_with_the_image(tags, digests, registry, names):
    needed = {"swarmsweep/api:needed", f"{REGISTRY}/swarmsweep/api@sha256:needed"}
    document = image("a", RepoTags=tags, RepoDigests=digests)
    found = old_images([document], set(), needed, NOW, 30, registry)
    assert [entry["name"] for entry in found] == sorted(names, key=lambda name: (name != names[0], name))
    assert sum(entry["bytes"] for entry in found) == (100 if names else 0)
