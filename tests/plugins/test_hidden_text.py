"""What is hidden of a secret, and files from which it is removed."""

from __future__ import annotations

import pytest
from ansible.module_utils import hidden_text
from ansible.module_utils.hidden_text import (
    MAX_HIDDEN_BYTES,
    encode,
    forms_of,
    forms_of_encoded,
    hide,
    hide_in_file,
    longest_first,
)


@pytest.mark.parametrize(
    ("secret", "text", "shown"),
    [
        ("canary-1", "a canary-1 b", "a *** b"),
        ("Bearer canary-1", "header canary-1", "header ***"),
        ("canary-1\nother-2\n", "other-2, then canary-1", "***, then ***"),
        ("can'ary\\1", repr(["can'ary\\1"]), '["***"]'),
        ("canary/é", '{"token": "canary/\\u00e9"}', '{"token": "***"}'),
        ("canary/+ 1", "GET /x?token=canary%2F%2B%201 and canary%2F%2B+1", "GET /x?token=*** and ***"),
        # A short one may be a part of many words.
        ("admin", "the administrator", "the administrator"),
    ],
)
def test_a_secret_is_hidden_in_all_its_forms(secret, text, shown):
    assert hide(text, longest_first(forms_of(secret))) == shown


@pytest.mark.parametrize("part_bytes", [1, 2, 7, 11, 12, 13, 1 << 20])
@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b"", None),
        (b"nothing\n", None),
        (b"canary-1canary-1\xffcanary-", b"******\xffcanary-"),
        (b"a\ncanary-1-long b canary-1 c", b"a\n*** b *** c"),
        (b"canary-1-lon", b"***-lon"),
    ],
)
def test_a_file_is_rewritten_only_with_a_secret(tmp_path, monkeypatch, part_bytes, content, shown):
    monkeypatch.setattr(hidden_text, "PART_BYTES", part_bytes)
    path = tmp_path / "worker-0.log"
    path.write_bytes(content)
    path.chmod(0o640)
    before = path.stat()
    assert hide_in_file(path, {"canary-1", "canary-1-long"}) is (shown is not None)
    assert path.read_bytes() == (content if shown is None else shown)
    assert (path.stat().st_ino == before.st_ino) is (shown is None)
    assert (path.stat().st_mode, path.stat().st_uid) == (before.st_mode, before.st_uid)
    assert list(tmp_path.iterdir()) == [path]


def test_secrets_that_a_task_passes_to_a_module_are_hidden():
    large = b"large-1\n" * (MAX_HIDDEN_BYTES // 8 + 1)
    passed = encode([b"canary-1\n", b"\xff\x00key\xfe", "caf\u00e9-secret".encode(), large])
    assert len(passed) == 3
    assert not [value for value in passed if "canary" in value]
    text = "a canary-1, caf\u00e9-secret, large-1"
    assert hide(text, forms_of_encoded(passed)) == "a ***, ***, large-1"
    assert forms_of_encoded([]) == []
