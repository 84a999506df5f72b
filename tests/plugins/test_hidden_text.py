"""What is hidden of a secret, and files from which it is removed."""

from __future__ import annotations

import pytest
from ansible.module_utils import hidden_text
from ansible.module_utils.hidden_text import forms_of, hide, hide_in_file, longest_first


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
    before = path.stat().st_ino
    assert hide_in_file(path, {"canary-1", "canary-1-long"}) is (shown is not None)
    assert path.read_bytes() == (content if shown is None else shown)
    assert (path.stat().st_ino == before) is (shown is None)
    assert list(tmp_path.iterdir()) == [path]
