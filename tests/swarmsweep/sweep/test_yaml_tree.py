"""The tree keeps every scalar as written, with its place and line, and refuses what hides something."""

import pytest

from swarmsweep.errors import InputError
from swarmsweep.sweep.problems import Problems
from swarmsweep.sweep.yaml_tree import Entries, Items, Text, read_tree


def read(text: str | bytes):
    """The tree of a text."""
    return read_tree(text.encode() if isinstance(text, str) else text, Problems("x.yml"))


def test_scalars_keep_their_text_place_and_line():
    tree = read("a: 1:30\nb:\n  - 'no'\n  - 0o10\n'c d': {e: 1.10}\nf:\ng: 1\n")
    assert isinstance(tree, Entries) and isinstance(tree["b"], Items) and isinstance(tree["c d"], Entries)
    assert tree == {"a": "1:30", "b": ["no", "0o10"], "c d": {"e": "1.10"}, "f": "", "g": "1"}
    assert tree.key_lines == {"a": 1, "b": 2, "c d": 5, "f": 6, "g": 7}
    scalars = [tree["a"], *tree["b"], tree["c d"]["e"], tree["f"]]
    assert all(isinstance(scalar, Text) for scalar in scalars)
    assert [(scalar.key, scalar.line, scalar.quoted) for scalar in scalars] == [
        ("a", 1, False),
        ("b[0]", 3, True),
        ("b[1]", 4, False),
        ("'c d'.e", 5, False),
        ("f", 6, False),
    ]
    assert (tree.key, tree.line, tree["b"].key, tree["b"].line) == ("", 1, "b", 3)


def test_the_first_of_repeated_keys_counts_and_each_other_is_noted():
    problems = Problems("x.yml")
    tree = read_tree(b"a: {b: 1, b: 2}\na: 3\nc: 4\na: 5\n", problems)
    assert tree == {"a": {"b": "1"}, "c": "4"}
    assert [(problem.line, problem.key) for problem in sorted(problems.noted)] == [(1, "a.b"), (2, "a"), (4, "a")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 60_000, "x.yml:1: is nested more than 8 levels deep; allowed: fewer levels"),
        ("{a: " * 60_000, "x.yml:1: is nested more than 8 levels deep; allowed: fewer levels"),
        ("- " * 60_000, "x.yml:1: is nested more than 8 levels deep; allowed: fewer levels"),
        ("a: &x [1]\nb: [*x, *x]\n", "x.yml:1: uses the anchor or alias 'x'; write the value out"),
        ("a: 1\nb: *x\n", "x.yml:2: uses the anchor or alias 'x'; write the value out"),
        ("a: 1\nb: !!float '1'\n", "x.yml:2: uses the tag 'tag:yaml.org,2002:float'; write the plain value"),
        ("a: !x 1\n", "x.yml:1: uses the tag '!x'; write the plain value"),
        ("a: 1\n...\n---\nb: 1\n", "x.yml:3: a second YAML document begins; a sweep file must hold one"),
        ('a: 1\nb: "\\ud800"\n', "x.yml:2: is not valid YAML: found invalid Unicode character escape code"),
        ('a: "\\UFFFFFFFF"\n', "x.yml: is not valid YAML: "),
        ('a: "\\U00110000"\n', "x.yml: is not valid YAML: "),
        ("%YAML 3.0\n---\na: 1\n", "x.yml:1: is not valid YAML: "),
        ("a: 'b\n", "x.yml:2: is not valid YAML: found unexpected end of stream"),
        ("? {a: 1}\n: 1\n", "x.yml:1: a list or mapping is used as a key"),
    ],
)
def test_what_hides_something_is_refused(text, words):
    with pytest.raises(InputError) as caught:
        read(text)
    assert words in str(caught.value)


@pytest.mark.parametrize("text", ["{a: {a: {a: {a: {a: {a: {a: {a: 1}}}}}}}}", "[[[[[[[[1]]]]]]]]"])
def test_eight_deep_is_read(text):
    assert read(text)
