"""The texts that a person reads are in plain English: no word of the project's former dialect, and short sentences."""

import re

import pytest

from tests import prose

# A word of the dialect (a regular expression), and what to write instead.
INSTEAD = {
    r"told|tells?( of)?": "reported, given, shows",
    r"mend(s|ed|ing)?": "fix",
    r"whoever": "a process that, a user who",
    r"(?<!there )(?-i:is none)": "is not a ..., is missing",
    r"of none": "without any",
    r"nobody('s)?": "no one, no process",
    r"made again|(made|make|tried|begun) once more": "rebuilt, retried",
    r"for ever": "without end",
    r"stands? here": "expected ..., but this is ...",
    r"bec(a|o)mes? of": "outcome, result",
    r"under way": "in flight, running",
    r"given up|gives? up|gave up": "timed out, stops",
    r"thrown away": "discarded",
    r"cut short": "throttled, ended early",
    r"the (best|most) there can be": "the upper bound",
    r"doubt(s|ed|ful)?": "warning, failed check",
    r"strangers?": "noisy neighbours, external processes",
}
DIALECT = re.compile(rf"\b({'|'.join(INSTEAD)})\b", re.IGNORECASE)
# Of a sentence in a page, a message, a help text or a template.
MAX_WORDS = 25

# Strings of tests are no messages: they may quote the dialect. Their comments and names are checked as all others.
TESTS = ("tests/", "app/tests/")
TEXTS = [
    text
    for path in prose.tracked_files()
    for text in prose.texts_of(path)
    if text.kind != "message" or not path.startswith(TESTS)
]


def of_kind(kind: str) -> list[prose.Text]:
    texts = [text for text in TEXTS if text.kind == kind]
    assert len(texts) > 100, f"hardly any text of kind {kind} was found"
    return texts


@pytest.mark.parametrize("kind", ["page", "message", "comment", "name"])
def test_no_text_uses_the_dialect(kind):
    found = [
        f"{text.path}:{text.line}: '{word.group()}': {' '.join(text.words.split())[max(0, word.start() - 60) :][:140]}"
        for text in of_kind(kind)
        for word in DIALECT.finditer(" ".join(text.words.split()))
    ]
    assert found == [], "\n".join([f"{len(found)} words of the dialect", *found, "Write instead:", str(INSTEAD)])


@pytest.mark.parametrize("kind", ["page", "message"])
def test_sentences_are_short(kind):
    long = [
        f"{text.path}:{text.line}: {count} words: {sentence}"
        for text in of_kind(kind)
        for sentence in text.sentences()
        if (count := prose.count_words(sentence)) > MAX_WORDS
    ]
    assert long == [], "\n".join([f"{len(long)} sentences have more than {MAX_WORDS} words. Write two:", *long])


FILLED = sorted([*prose.ROOT.glob("tests/golden/*"), *prose.ROOT.glob("docs/example/*.md")])


@pytest.mark.parametrize("path", FILLED, ids=lambda path: path.name)
def test_filled_sentences_are_short(path):
    """A placeholder is one word above, but its value may be ten."""
    long = prose.long_sentences(prose.filled_texts(path), MAX_WORDS)
    assert long == [], "\n".join([f"{len(long)} sentences have more than {MAX_WORDS} words. Write two:", *long])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sweeps/x.yml:8: matrix.cpus[1]: '1 CPU too many' is no number; allowed: 0.01 to 512", [5, 4]),
        ("allowed: smoke (at most 60 s), standard (at most 420 s) or publish", [2]),
        ("Run `./lab site` now. It takes 5 s.", [3, 4]),
        ("1  r1-c0.5-m256M  30 (20 + 10)  cannot fit: it needs 2 CPUs", [1, 1, 3, 6]),
        ("1 of 2 cells\ncannot fit", [4, 2]),
        ("load:      40 users and\n           1 worker", [1, 5]),
    ],
)
def test_what_counts_as_a_word_of_a_filled_text(text, words):
    assert [prose.count_words(sentence) for sentence in prose.filled_sentences(text)] == words


def test_the_dialect_is_recognised():
    assert DIALECT.search("A window is told as a doubt")
    assert DIALECT.search("Mend it: ./lab up")
    assert not DIALECT.search("A window is reported as a warning. Fix: ./lab up")


def test_a_placeholder_is_one_word():
    (text,) = prose.texts_in_python("x.py", 'raise ValueError(f"{a.b()} of {c:.2f} seconds is not allowed here")')
    assert (text.kind, prose.count_words(text.words)) == ("message", 8)


def test_code_and_rows_of_a_table_are_no_sentences():
    (table,) = prose._markdown("x.md", "| a b | c d |\n|---|---|\n| e f | **Done.** Now g |\n")
    assert table.sentences() == ["a b", "c d", "e f", "**Done.", "Now g"]
    code = [
        'EXAMPLES = "- name: Wait for it\\n  wait: {for: a, b: c, d: e}"',
        'configuration = "a {\\n b of the server c;\\n d e\\n}"',
    ]
    assert [text.words for line in code for text in prose.texts_in_python("x.py", line)] == []
