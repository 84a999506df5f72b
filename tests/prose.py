"""The texts of the project that a person reads, with their file and line."""

import ast
import io
import re
import subprocess
import textwrap
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]

# Recorded output of other programs, lock files and generated files, which the project did not write.
NOT_OURS = re.compile(
    r"^tests/(data|golden|plugins/data|bench/.*/data)/|^docs/(example/|.*\.json$)|^locks/|(^|/)requirements[^/]*\.txt$|uv\.lock$|^reports/"
)

# A string of fewer words is a name, a key or a format.
MIN_WORDS_OF_A_MESSAGE = 5

# A word of a sentence; a figure, a path or a command is one word too.
WORD = re.compile(r"[^\s]*[A-Za-z0-9][^\s]*")


@dataclass(frozen=True)
class Text:
    """A passage of prose. `kind` is page, message, comment or name (of a test, with spaces)."""

    kind: str
    path: str
    line: int
    words: str

    def sentences(self) -> list[str]:
        """The passage as sentences: a blank line, a full stop, an item of a list or a cell of a table ends one."""
        parts = re.split(r"\n\s*\n|\n\s*(?:[-*]|\d+\.)\s|\s\|\s|(?<=[.!?])[\"')\]*]*\s+(?=[^a-z])", self.words)
        return [" ".join(part.split()) for part in parts if WORD.search(part)]


def count_words(sentence: str) -> int:
    return len(WORD.findall(sentence))


# In a filled text these are one word each, because a reader takes each in at once, however long it is:
# - a passage in backquotes, a text in quotes, a URL, a path: foreign text,
# - the place of an error before its text: sweeps/x.yml:8: matrix.cpus[1]:
# - a list of names or figures, each perhaps with a note in parentheses: smoke (60 s), standard (420 s) or publish.
_QUOTED = re.compile(r"`[^`]*`|\"[^\"]*\"|(?<!\w)'[^']*'(?!\w)")
_PLACE = re.compile(r"(?m)^[\w./-]+:(?:\d+:)+ (?:[\w.]+(?:\[\d+\])?(?:\.\w+)*: )?")
_ITEM = r"[^\s,;:()]+(?: \([^)]*\))?"
_LIST = re.compile(rf"(?:{_ITEM}, )+{_ITEM},? (?:and|or) {_ITEM}|(?:{_ITEM}, ){{2,}}{_ITEM}")
# A row has columns with two spaces or more between them.
_COLUMNS = re.compile(r"(?<=\S) {2,}(?=\S)")
# A line that begins in lower case, behind one that was long enough to be broken, goes on with its sentence.
_CONTINUED = re.compile(r"(?m)(^.{80,})\n(?=[a-z(])(?!\S+: )")


def filled_sentences(text: str) -> list[str]:
    """The sentences of a text with its values, each with one word for what a reader takes in at once.

    Beside what ends a sentence in a template, a semicolon ends one: errors and evidence are clauses that are read one
    by one. Each line is read alone, unless it is continued.
    """
    lines = _CONTINUED.sub(r"\1 ", re.sub(r"\n {9,}(?=\S)", " ", text))
    found = []
    for cell in _COLUMNS.split(lines.replace("\n", "\n\n")):
        words = _LIST.sub("X", _QUOTED.sub("X", _PLACE.sub("X ", cell)))
        for sentence in Text("page", "", 1, words).sentences():
            found += [part for part in re.split(r";\s", sentence) if WORD.search(part)]
    return found


def long_sentences(texts: Iterable[str], most: int) -> list[str]:
    """The filled sentences with more words than ``most``, each with its number."""
    counted = ((count_words(sentence), sentence) for text in texts for sentence in filled_sentences(text))
    return [f"{count} words: {sentence}" for count, sentence in counted if count > most]


def filled_texts(path: Path) -> list[str]:
    """The texts of a page with values, or of a table of messages in YAML. Log lines of other programs are left out."""
    source = path.read_text()
    if path.suffix == ".yml":
        return list(_strings(yaml.safe_load(source)))
    if path.suffix == ".md":
        page = re.sub(r"<pre>.*?</pre>", "", source, flags=re.DOTALL)
        # Lines of a template are broken, and a sentence goes on in the next line.
        return [re.sub(r"\n(?!\s*[-*|]|\s*\n)\s*", " ", text.words) for text in _markdown(path.name, page)]
    return [source]


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield from _strings(key)
            yield from _strings(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _strings(entry)


def tracked_files() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for path in listed.splitlines() if not NOT_OURS.search(path) and (ROOT / path).is_file()]


def texts_of(path: str) -> Iterator[Text]:
    """Return all passages of a file. A file of a type that this module cannot read has none."""
    source = (ROOT / path).read_text(errors="replace")
    if path.endswith(".py"):
        yield from texts_in_python(path, source)
    elif path.endswith(".md"):
        yield from _markdown(path, source)
    elif path.endswith(".md.j2"):
        yield from _markdown(path, without_jinja(source))
    elif path.endswith((".yml", ".yaml", ".yml.j2")):
        yield from _comments(path, source, _kind_of_yaml(path))
        yield from _yaml_values(path, source)
    elif path.endswith((".sh", ".j2", ".cfg", ".toml", "Dockerfile")) or source.startswith("#!"):
        yield from _comments(path, source, "comment")
        yield from _shell_messages(path, source)


def _kind_of_yaml(path: str) -> str:
    """Comments in files that a user edits are pages. Comments in a task file are comments."""
    return "page" if path.startswith(("sweeps/", "inventory/")) or "/defaults/" in path else "comment"


def without_jinja(source: str) -> str:
    source = re.sub(r"\{#.*?#\}", " ", source, flags=re.DOTALL)
    source = re.sub(r"\{%.*?%\}", " ", source, flags=re.DOTALL)
    return re.sub(r"\{\{.*?\}\}", "X", source, flags=re.DOTALL)


def _markdown(path: str, source: str) -> Iterator[Text]:
    source = re.sub(
        r"^ *```.*?^ *```", lambda code: "\n" * code.group().count("\n"), source, flags=re.DOTALL | re.MULTILINE
    )
    source = re.sub(r"<!--.*?-->", " ", source, flags=re.DOTALL)
    source = re.sub(r"\]\([^)]*\)", "]", source)
    source = re.sub(r"`[^`\n]*`", "`X`", source)
    line = 1
    for passage in re.split(r"(\n\s*\n)", source):
        if WORD.search(passage):
            yield Text("page", path, line, re.sub(r"(?m)^\||\|$", " | ", re.sub(r"(?m)^(#+|>) ", "", passage)))
        line += passage.count("\n")


def texts_in_python(path: str, source: str) -> Iterator[Text]:
    tree = ast.parse(source)
    docstrings = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node
        ):
            first = node.body[0].value
            docstrings.add(id(first))
            yield Text("comment", path, first.lineno, _quoted_as_one_word(ast.get_docstring(node)))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield Text("name", path, node.lineno, node.name.removeprefix("test_").replace("_", " "))
    yield from _messages(path, tree, docstrings)
    yield from _python_comments(path, source)


def _messages(path: str, node: ast.AST, docstrings: set[int]) -> Iterator[Text]:
    """Strings of several words, with a placeholder as one word. The parts of an f-string are one message."""
    if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in {"DOCUMENTATION", "RETURN", "EXAMPLES"}:
        for words in _described(yaml.safe_load(node.value.value)):
            yield from _message(path, node.lineno, words)
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
        yield from _message(path, node.lineno, node.value)
        return
    if isinstance(node, ast.JoinedStr):
        parts = [str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values]
        yield from _message(path, node.lineno, "".join(parts))
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                yield from _messages(path, part.value, docstrings)
        return
    for child in ast.iter_child_nodes(node):
        yield from _messages(path, child, docstrings)


def _described(documented: object) -> Iterator[str]:
    """Return the descriptions in the documentation of an Ansible module, which is YAML."""
    if isinstance(documented, list):
        for item in documented:
            yield from _described(item)
    elif isinstance(documented, dict):
        for key, value in documented.items():
            if key in {"description", "short_description", "name"} and not isinstance(value, dict):
                yield from [value] if isinstance(value, str) else value
            else:
                yield from _described(value)


def _is_code(words: str) -> bool:
    """Return whether a string of several lines is a program, a mapping in YAML or a configuration with braces."""
    if "\n" not in words.strip():
        return False
    if re.search(r"[{;]\s*\n", words):
        return True
    try:
        ast.parse(textwrap.dedent(words))
        return True
    except SyntaxError:
        pass
    try:
        return isinstance(yaml.safe_load(words), dict)
    except yaml.YAMLError:
        return False


def _message(path: str, line: int, words: str) -> Iterator[Text]:
    if _is_code(words):
        return
    if len(re.findall(r"[A-Za-z]{2,}", words)) >= MIN_WORDS_OF_A_MESSAGE and " " in words:
        yield Text("message", path, line, _quoted_as_one_word(words))


def _quoted_as_one_word(words: str) -> str:
    """A command or a name in backquotes is one word."""
    return re.sub(r"`[^`\n]*`", "`X`", words)


def _python_comments(path: str, source: str) -> Iterator[Text]:
    block, start, last = [], 0, -1
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT or token.string.startswith("#!"):
            continue
        if token.start[0] != last + 1 and block:
            yield Text("comment", path, start, _quoted_as_one_word("\n".join(block)))
            block = []
        if not block:
            start = token.start[0]
        block.append(token.string.lstrip("# ").rstrip())
        last = token.start[0]
    if block:
        yield Text("comment", path, start, _quoted_as_one_word("\n".join(block)))


def _comments(path: str, source: str, kind: str) -> Iterator[Text]:
    block, start = [], 0
    for number, line in enumerate([*source.splitlines(), ""], 1):
        found = re.match(r"\s*#(?!!)\s?(.*)", line)
        if found:
            if not block:
                start = number
            block.append(found.group(1))
            continue
        if block:
            yield Text(kind, path, start, _quoted_as_one_word("\n".join(block)))
            block = []
        at_the_end = re.search(r"\s#\s(.*)", line)
        if at_the_end and "'" not in line[: at_the_end.start()]:
            yield Text(kind, path, number, _quoted_as_one_word(at_the_end.group(1)))


def _yaml_values(path: str, source: str) -> Iterator[Text]:
    """Names of plays and tasks, and values that are prose: messages of a check, descriptions of an option."""
    lines = source.splitlines()
    for number, line in enumerate(lines, 1):
        found = re.match(
            r"(\s*)(?:- )?(name|msg|fail_msg|success_msg|description|short_description|label|block_line):\s*(.*)", line
        )
        if not found:
            continue
        key, value = found.group(2), found.group(3)
        indent = len(line) - len(line.lstrip())
        folded = [value] if value not in {">-", ">", "|", "|-"} else []
        for after in lines[number:]:
            if after.strip() and len(after) - len(after.lstrip()) <= indent:
                break
            folded.append(after.strip())
        words = re.sub(r"\{\{.*?\}\}", "X", "\n".join(folded), flags=re.DOTALL) if key != "name" else value
        if len(re.findall(r"[A-Za-z]{2,}", words)) >= 2:
            yield Text("comment" if key == "name" else "message", path, number, _quoted_as_one_word(words.strip("\"'")))


def _shell_messages(path: str, source: str) -> Iterator[Text]:
    for number, line in enumerate(source.splitlines(), 1):
        found = re.search(r"\b(?:die|say|fail|echo)\s+(\"(?:[^\"\\]|\\.)*\"|'[^']*')", line)
        if found:
            yield from _message(path, number, re.sub(r"\$\{[^}]*\}|\$\w+|\$\([^)]*\)", "X", found.group(1)[1:-1]))
    if path == "lab":
        for usage in re.finditer(r"<<'TEXT'\n(.*?)\nTEXT\n", source, re.DOTALL):
            start = source[: usage.start()].count("\n") + 2
            for number, line in enumerate(re.sub(r"\n {16,}", " ", usage.group(1)).splitlines(), start):
                yield Text("page", path, number, line)
