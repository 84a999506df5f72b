"""The tree keeps every scalar as written, with its line."""

import pytest

from swarmsweep.errors import InputError
from swarmsweep.sweep.yaml_tree import Mapping, Scalar, Sequence, parse


def test_scalars_keep_their_text_and_line():
    tree = parse(b"a: 1:30\nb:\n  - 'no'\n  - 0o10\n", "x.yml")
    assert isinstance(tree, Mapping)
    assert tree.entries["a"] == Scalar("1:30", quoted=False, line=1)
    assert tree.entries["b"] == Sequence([Scalar("no", True, 3), Scalar("0o10", False, 4)], 3)
    assert tree.key_lines == {"a": 1, "b": 2}


def test_the_slow_parser_reads_the_same(monkeypatch):
    import yaml

    text = b"a: {b: [1, 'x'], c: ~}\nd: |\n  line\n"
    fast = parse(text, "x.yml")
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert parse(text, "x.yml") == fast


def test_deep_nesting_does_not_overflow():
    with pytest.raises(InputError, match="nested more than 8 deep"):
        parse(b"[" * 60_000, "x.yml")
