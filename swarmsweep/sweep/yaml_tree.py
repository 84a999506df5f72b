"""Strict YAML: text -> a tree of nodes that remember their line, and nothing a sweep file has no use for.

A scalar keeps its text as written, because YAML 1.1 would turn ``1:30`` into 90 and ``no`` into false before anyone
could say so. Aliases, tags, several documents and repeated keys are refused: they hide what a file says.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from swarmsweep.errors import InputError

MAX_BYTES = 256 * 1024  # a list of 2,000 cells, each with a few axes and a comment; no sweep may have more
MAX_DEPTH = 8  # the deepest useful path, load.cases[0].when.variant[0], is six deep

# Characters that YAML calls printable, https://yaml.org/spec/1.1/#c-printable
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Scalar:
    """One value: its text as written, whether it stood in quotes, and its line (from 1)."""

    text: str
    quoted: bool
    line: int


@dataclass(frozen=True)
class Sequence:
    """A list of nodes and its line (from 1)."""

    items: list["Node"]
    line: int


@dataclass(frozen=True)
class Mapping:
    """Keys, as written and in order, with their nodes; ``key_lines`` has the line of each key."""

    entries: dict[str, "Node"]
    key_lines: dict[str, int]
    line: int
    repeated: list[tuple[str, int, int]] = field(default_factory=list)  # key, line, line of the first


Node = Scalar | Sequence | Mapping


def parse(data: bytes, where: str) -> Node:
    """Bytes of a YAML file -> its tree. Raises `InputError` with ``where``:line for anything outside the subset."""
    import yaml  # here, so that `--help` needs nothing but Python

    text = _decode(data, where)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C parser is ten times as fast
    try:
        return _build(yaml, yaml.parse(text, Loader=loader), where)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise InputError(f"{where}{line}: is not valid YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{where}: is not valid YAML: {' '.join(str(error).split())}") from error


def _decode(data: bytes, where: str) -> str:
    if len(data) > MAX_BYTES:
        raise InputError(f"{where}: has more than {MAX_BYTES} bytes; a sweep file is a page of text, is this one?")
    try:
        text = data.decode("utf-8-sig")  # editors on Windows put a byte-order mark first; it means nothing here
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


def _build(yaml, events: Iterator, where: str) -> Node:
    """Parser events -> tree, without recursion, so that no depth of brackets can overflow a stack."""
    root: Node | None = None
    open_nodes: list[tuple[Sequence | Mapping, list[Scalar]]] = []  # each with the key that waits for its value
    documents = 0
    for event in events:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise InputError(f"{where}:{line}: a second document begins; a sweep file holds one")
            continue
        _refuse_hidden(yaml, event, f"{where}:{line}")
        if isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            open_nodes.pop()
            continue
        node = _node(yaml, event, line)
        if node is None:
            continue
        if open_nodes:
            _attach(*open_nodes[-1], node, where)
        else:
            root = node
        if not isinstance(node, Scalar):
            if len(open_nodes) == MAX_DEPTH:
                raise InputError(f"{where}:{line}: is nested more than {MAX_DEPTH} deep")
            open_nodes.append((node, []))
    if root is None:
        raise InputError(f"{where}: is empty; a sweep file has name, slo, load and matrix")
    return root


def _refuse_hidden(yaml, event, where: str) -> None:
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        name = event.anchor
        raise InputError(f"{where}: uses the anchor or alias {name!r}; write the value out where it is used")
    if getattr(event, "tag", None):
        raise InputError(f"{where}: uses the tag {event.tag!r}; write the plain value")


def _node(yaml, event, line: int) -> Node | None:
    if isinstance(event, yaml.ScalarEvent):
        return Scalar(event.value, quoted=bool(event.style), line=line)
    if isinstance(event, yaml.SequenceStartEvent):
        return Sequence([], line)
    if isinstance(event, yaml.MappingStartEvent):
        return Mapping({}, {}, line)
    return None


def _attach(parent: Sequence | Mapping, waiting: list[Scalar], node: Node, where: str) -> None:
    if isinstance(parent, Sequence):
        parent.items.append(node)
        return
    if not waiting:
        if not isinstance(node, Scalar):
            raise InputError(f"{where}:{node.line}: a list or mapping stands where a key should; keys are plain words")
        waiting.append(node)
        return
    key = waiting.pop()
    if key.text in parent.entries:
        parent.repeated.append((key.text, key.line, parent.key_lines[key.text]))
        return
    parent.entries[key.text] = node
    parent.key_lines[key.text] = key.line
