"""Strict YAML: bytes -> mappings, lists and texts with their places in the file, and no feature that a sweep does not
need.

A scalar stays the text as written: YAML 1.1 would silently turn ``1:30`` into 90 and ``no`` into false. Aliases, tags,
several documents and repeated keys are refused, because they hide the meaning of a file.
"""

import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer, ComposerError, MaxDepthExceededError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode
from ruamel.yaml.nodes import Node as YamlNode

from swarmsweep.errors import InputError
from swarmsweep.sweep.problems import Problems
from swarmsweep.units import quoted

MAX_BYTES = 256 * 1024  # a list of 2,000 cells, each with a few axes and a comment; no sweep may have more
MAX_DEPTH = 8  # the deepest useful path, load.cases[0].when.variant[0], is six deep

# Characters that YAML calls printable, https://yaml.org/spec/1.1/#c-printable
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")  # the result of the escape "\\ud800"; no encoding has it
_SECOND_DOCUMENT = {"but found another document": "a second YAML document begins; a sweep file must hold one"}
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_.-]{1,40}", re.ASCII)


class Text(str):
    """One value as written, its place in the file (``load.users``), its line (from 1), and whether it has quotes."""

    key: str
    line: int
    quoted: bool


class Items(list["Node"]):
    """A list, with its place in the file and its line (from 1)."""

    key: str
    line: int


class Entries(dict[str, "Node"]):
    """A mapping in the order of the file, with its place, its line (from 1), and the line of each key."""

    key: str
    line: int
    key_lines: dict[str, int]

    def place(self, name: str) -> str:
        """The place of a key of this mapping, as an error names it."""
        plain = name if _PLAIN_KEY.fullmatch(name) else quoted(name)
        return f"{self.key}.{plain}" if self.key else plain

    def line_of(self, *names: str) -> int:
        """The line of the first of these keys that exists, else that of the mapping."""
        return next((self.key_lines[name] for name in names if name in self), self.line)


Node = Text | Items | Entries


def read_tree(data: bytes, problems: Problems) -> Node:
    """The tree of a YAML file. Repeated keys are noted in ``problems``, and the first of them counts.

    Raises `InputError`, with file and line, for a text that is not YAML or is outside the subset.
    """
    where = problems.where
    text = _decode(data, where)
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = _PlainComposer
    yaml.max_depth = MAX_DEPTH + 1  # the scalars in the deepest mapping count too
    try:
        root = yaml.compose(text)
    except MaxDepthExceededError as error:
        raise InputError(
            f"{_at(where, error)}: is nested more than {MAX_DEPTH} levels deep; allowed: fewer levels"
        ) from error
    except ComposerError as error:
        raise InputError(f"{_at(where, error)}: {_SECOND_DOCUMENT.get(error.problem, error.problem)}") from error
    except MarkedYAMLError as error:
        raise InputError(f"{_at(where, error)}: is not valid YAML: {error.problem or error.context}") from error
    except (YAMLError, ValueError, OverflowError) as error:  # the last two: an escape beyond the last character
        raise InputError(f"{where}: is not valid YAML: {' '.join(str(error).split())}") from error
    if root is None:
        raise InputError(f"{where}: is empty; a sweep file has name, slo, load and matrix")
    return _tree(root, "", problems)


class _PlainComposer(Composer):
    """Composes one document without aliases, anchors and tags."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.parser.peek_event()
        fault = None
        if event.anchor is not None:
            fault = f"uses the anchor or alias {event.anchor!r}; write the value out where it is used"
        elif getattr(event, "ctag", None) is not None:
            fault = f"uses the tag {str(event.ctag)!r}; write the plain value"
        elif _HALF_CHARACTER.search(getattr(event, "value", "")):
            fault = "is not valid YAML: found invalid Unicode character escape code"
        if fault:
            raise ComposerError(problem=fault, problem_mark=event.start_mark)
        return super().compose_node(parent, index)


def _at(where: str, error: MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return where if mark is None else f"{where}:{mark.line + 1}"


def _decode(data: bytes, where: str) -> str:
    if len(data) > MAX_BYTES:
        raise InputError(
            f"{where}: has more than {MAX_BYTES:,} bytes; allowed: up to {MAX_BYTES:,}. "
            "A sweep file is about a page of text"
        )
    try:
        text = data.decode("utf-8-sig")  # editors on Windows write a byte-order mark first; it has no meaning here
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{where}:{line}: is not UTF-8 text; save it as UTF-8") from error
    if bad := _UNPRINTABLE.search(text):
        line = text.count("\n", 0, bad.start()) + 1
        raise InputError(f"{where}:{line}: holds the control character {bad[0]!r}; remove it")
    for number, line_text in enumerate(text.splitlines(), start=1):
        indentation = line_text[: len(line_text) - len(line_text.lstrip(" \t"))]
        if "\t" in indentation and line_text.strip():
            raise InputError(f"{where}:{number}: is indented with a tab; YAML allows spaces only")
    return text


def _tree(node: YamlNode, key: str, problems: Problems) -> Node:
    """Convert a node of the library to ours; no deeper than `MAX_DEPTH`."""
    tree: Node
    line = node.start_mark.line + 1
    if isinstance(node, ScalarNode):
        tree = Text(node.value)
        tree.quoted = bool(node.style)
    elif isinstance(node, MappingNode):
        tree = Entries()
        tree.key_lines = {}
        tree.key = key
        for name_node, value in node.value:
            _add(tree, name_node, value, problems)
    else:
        tree = Items(_tree(item, f"{key}[{number}]", problems) for number, item in enumerate(node.value))
    tree.key, tree.line = key, line
    return tree


def _add(mapping: Entries, name_node: YamlNode, value: YamlNode, problems: Problems) -> None:
    line = name_node.start_mark.line + 1
    if not isinstance(name_node, ScalarNode):
        where = f"{problems.where}:{line}"
        raise InputError(f"{where}: a list or mapping is used as a key; keys must be plain words")
    name = str(name_node.value)
    if name in mapping:
        problems.add(line, mapping.place(name), f"is given twice (first on line {mapping.key_lines[name]}); keep one")
        return
    mapping.key_lines[name] = line
    mapping[name] = _tree(value, mapping.place(name), problems)
    if mapping[name] == "":  # which the library places where the next key begins
        mapping[name].line = line
