"""Typed, bounded fields of a sweep file: node -> value, with every mistake collected rather than only the first."""

import difflib
import re
from collections.abc import Collection
from dataclasses import dataclass, field

from swarmsweep.errors import InputError
from swarmsweep.sweep.yaml_tree import Mapping, Node, Scalar, Sequence
from swarmsweep.units import format_memory, format_plain, parse_memory, quoted

MAX_PROBLEMS = 20  # one screen; mending twenty usually mends the rest

_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+")
_NULL = {"", "~", "null", "Null", "NULL"}
# Its requests are sent when they are due, whatever became of the earlier ones; any other scenario is a closed loop.
OPEN_LOOP_ENDING = "_open.py"
_LOCUSTFILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}\.py", re.ASCII)
_TRUTH = {"y", "n", "yes", "no", "true", "false", "on", "off"}

# What YAML 1.1 or a habit from elsewhere would turn into another number, and how to write it.
_NUMBER_TRAPS = (
    (re.compile(r"[-+]?[0-9]+(:[0-9]+)+(\.[0-9]*)?"), "is a base-60 number in YAML; write a plain number of seconds"),
    (re.compile(r"[-+]?[0-9][0-9_.]*_[0-9_.]*"), "has underscores; write the digits alone"),
    (re.compile(r"[-+]?0[0-9oO][0-7]*"), "looks octal; write it without the leading zero"),
    (re.compile(r"[-+]?0[xXbB][0-9a-fA-F]+"), "is not decimal; write decimal digits"),
    (re.compile(r"[-+]?[0-9.]+[eE][-+]?[0-9]+"), "has an exponent; write the number out"),
    (re.compile(r"[-+]?\.?(nan|inf|infinity)", re.IGNORECASE), "is not a finite number"),
    (re.compile(r"\+[0-9.]+"), "has a plus sign; leave it out"),
    (re.compile(r"-?\.[0-9]+"), "begins with a point; write a 0 before it"),
    (re.compile(r"-?[0-9]+\."), "ends with a point; leave it out"),
    (re.compile(r"[0-9]+,[0-9]+"), "has a comma; write a point"),
)


@dataclass(frozen=True)
class Bounds:
    """The allowed range of a number, what it counts, and why the range ends where it does."""

    low: float
    high: float
    what: str
    why: str
    whole: bool = False
    decimals: int = 3

    def describe(self) -> str:
        """The range as an error quotes it."""
        kind = "whole numbers " if self.whole else ""
        return f"{kind}{format_plain(self.low)} to {format_plain(self.high)} {self.what} ({self.why})"


BOUNDS = {
    "replicas": Bounds(1, 100, "replicas", "a Swarm service of more is no longer two machines", whole=True),
    "cpus": Bounds(0.01, 512, "CPUs per replica", "0.01 is Docker's minimum, 512 is beyond any one host"),
    "workers": Bounds(1, 128, "uvicorn workers per replica", "each is a process with its own model", whole=True),
    "load.users": Bounds(
        1,
        9_000,
        "simulated users",
        "HAProxy of the lab takes 9,000 connections (platform_proxy_max_connections)",
        whole=True,
    ),
    "load.spawn_rate": Bounds(0.01, 10_000, "users per second", "Locust cannot start them faster"),
    "load.warmup_seconds": Bounds(0, 3_600, "seconds", "an hour of warm-up is a mistake"),
    "load.measure_seconds": Bounds(1, 86_400, "seconds", "a day per trial is the most"),
    "load.wait_seconds": Bounds(0, 3_600, "seconds", "think time of one user"),
    "load.target_rps": Bounds(0.1, 1_000_000, "requests per second", "what the API must sustain"),
    "load.timeout_seconds": Bounds(0.1, 60, "seconds", "a minute is no answer to one request"),
    "load.workers": Bounds(1, 128, "Locust workers", "one per core of the load hosts is enough", whole=True),
    "slo.mean_ms": Bounds(0.001, 600_000, "milliseconds", "ten minutes is no answer"),
    "slo.p50_ms": Bounds(0.001, 600_000, "milliseconds", "ten minutes is no answer"),
    "slo.p95_ms": Bounds(0.001, 600_000, "milliseconds", "ten minutes is no answer"),
    "slo.p99_ms": Bounds(0.001, 600_000, "milliseconds", "ten minutes is no answer"),
    "slo.max_failure_percent": Bounds(0, 100, "percent of requests, and of executed tasks", "0 allows no failure"),
    "repeat": Bounds(1, 20, "trials of each cell", "20 fresh deployments show the spread", whole=True),
    "seed": Bounds(0, 2**32 - 1, "as seed", "32 bits", whole=True),
}
MEMORY_LOW_BYTES = 6 * 1024**2  # Docker refuses a smaller limit
MEMORY_HIGH_BYTES = 16 * 1024**4  # beyond any one host


@dataclass(frozen=True)
class Problem:
    """One mistake: its line, the path of the key, and what is wrong and allowed."""

    line: int
    key: str
    text: str


@dataclass
class Reader:
    """Reads nodes into values. A method returns None for what it refused and has then noted the problem.

    ``scenarios`` are the names of the locustfiles that there are, ``mode`` is that of the load, once it was read, which
    a scenario must suit; None does not judge them.
    """

    where: str
    scenarios: Collection[str] | None = None
    mode: str | None = None
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, line: int, key: str, text: str) -> None:
        """Note one problem."""
        self.problems.append(Problem(line, key, text))

    def stop_if_refused(self) -> None:
        """Raise `InputError` with all problems so far, by line, at most `MAX_PROBLEMS`."""
        if not self.problems:
            return
        ordered = sorted(set(self.problems), key=lambda problem: (problem.line, problem.key, problem.text))
        lines = [f"{self.where}:{p.line}: {p.key + ': ' if p.key else ''}{p.text}" for p in ordered[:MAX_PROBLEMS]]
        if len(ordered) > MAX_PROBLEMS:
            lines.append(f"... and {len(ordered) - MAX_PROBLEMS} more")
        lines.append(f"No host was touched. Mend the file, then check it: python -m swarmsweep check {self.where}")
        raise InputError("\n".join(lines))

    def mapping(
        self,
        node: Node,
        key: str,
        allowed: tuple[str, ...],
        required: tuple[str, ...] = (),
        misplaced: Collection[tuple[str, str]] = (),
        also: str = "",
    ) -> Mapping | None:
        """A mapping with known keys only; unknown, repeated and missing ones are noted.

        ``misplaced`` are keys that are known, but not here, each with what to say; ``also`` are words for those that no
        list can name.
        """
        if not isinstance(node, Mapping):
            self.refuse(node.line, key, f"{describe(node)} stands here; a mapping with {', '.join(allowed)} is needed")
            return None
        prefix = f"{key}." if key else ""
        told = dict(misplaced)
        for name, line in node.key_lines.items():
            if name in told:
                self.refuse(line, prefix + name, told[name])
            elif name not in allowed:
                self.refuse(
                    line,
                    prefix + shown_key(name),
                    f"is unknown{_nearest(name, allowed)}; allowed: {', '.join((*allowed, also) if also else allowed)}",
                )
        for name, line, first in node.repeated:
            self.refuse(line, prefix + shown_key(name), f"is given twice (first on line {first}); keep one")
        for name in required:
            if name not in node.entries:
                self.refuse(node.line, prefix + name, "is missing")
        return node

    def items(self, node: Node, key: str, what: str) -> list[Node] | None:
        """The nodes of a list that is not empty."""
        if not isinstance(node, Sequence):
            self.refuse(node.line, key, f"{describe(node)} stands here; a list is needed, as {what}")
            return None
        if not node.items:
            self.refuse(node.line, key, f"is an empty list; write at least one value, as {what}")
            return None
        return node.items

    def number(self, node: Node, key: str, bounds: Bounds) -> int | float | None:
        """A plain decimal number within ``bounds``; whole values come back as int."""
        fault = _number_fault(node)
        if fault is None:
            assert isinstance(node, Scalar)
            value = float(node.text)
            if bounds.whole and not _INTEGER.fullmatch(node.text):
                fault = f"{shown_number(node)} is not a whole number"
            elif not bounds.low <= value <= bounds.high:
                fault = f"{shown_number(node)} is out of range"
            elif len(node.text.partition(".")[2].rstrip("0")) > bounds.decimals:
                fault = f"{shown_number(node)} has more than {bounds.decimals} decimals"
            else:
                return int(value) if value.is_integer() else value
        self.refuse(node.line, key, f"{fault}; allowed: {bounds.describe()}")
        return None

    def memory(self, node: Node, key: str) -> int | None:
        """Docker memory text -> bytes."""
        allowed = (
            f"{format_memory(MEMORY_LOW_BYTES)} (Docker's minimum) to {format_memory(MEMORY_HIGH_BYTES)} per replica"
        )
        if not isinstance(node, Scalar):
            self.refuse(node.line, key, f"{describe(node)} stands here; allowed: {allowed}")
            return None
        if not node.quoted and node.text in _NULL:
            self.refuse(node.line, key, f"is empty; allowed: {allowed}")
            return None
        try:
            size_bytes = parse_memory(node.text)
        except InputError as error:
            self.refuse(node.line, key, f"{error}; {allowed}")
            return None
        if not MEMORY_LOW_BYTES <= size_bytes <= MEMORY_HIGH_BYTES:
            self.refuse(node.line, key, f"{quoted(node.text)} is out of range; allowed: {allowed}")
            return None
        return size_bytes

    def text(self, node: Node, key: str, pattern: re.Pattern[str], allowed: str) -> str | None:
        """Text that fully matches ``pattern``; a plain number, truth value or null is no text."""
        fault = None
        if not isinstance(node, Scalar):
            fault = f"{describe(node)} stands here"
        elif not node.quoted and (kind := plain_kind(node.text)) != "text":
            fault = "is empty" if kind == "null" else f"{quoted(node.text)} is a {kind} in YAML, put it in quotes"
        elif not pattern.fullmatch(node.text):
            fault = f"{quoted(node.text)} does not fit"
        if fault is None:
            assert isinstance(node, Scalar)
            return node.text
        self.refuse(node.line, key, f"{fault}; allowed: {allowed}")
        return None

    def choice(self, node: Node, key: str, meanings: dict[str, str]) -> str | None:
        """One of a few words; ``meanings`` has what each means."""
        allowed = ", ".join(f"{word} ({meaning})" for word, meaning in meanings.items())
        return self.text(node, key, re.compile("|".join(map(re.escape, meanings))), allowed)

    def scenario(self, node: Node, key: str) -> str | None:
        """The name of a locustfile that is there and suits the mode of the load."""
        name = self.text(node, key, _LOCUSTFILE, "the plain name of a file in locustfiles/, ending in .py")
        suits = name is not None and self._suits_mode(node.line, key, name)
        return name if suits and self.has_scenario(node.line, key, name) else None

    def has_scenario(self, line: int, key: str, name: str) -> bool:
        """Whether a locustfile is there; noted when not."""
        if self.scenarios is None or name in self.scenarios:
            return True
        self.refuse(line, key, f"{quoted(name)} is not in locustfiles/; {self._present()}")
        return False

    def _suits_mode(self, line: int, key: str, name: str) -> bool:
        """Whether a scenario is of the kind that the mode of the load needs; noted when not."""
        if self.mode is None or name.endswith(OPEN_LOOP_ENDING) is (self.mode == "capacity"):
            return True
        kind, need = ("a closed loop", "ends") if self.mode == "capacity" else ("an open loop", "does not end")
        text = f"{quoted(name)} is {kind}; allowed in mode {self.mode}: a file whose name {need} in {OPEN_LOOP_ENDING}"
        self.refuse(line, key, text + (f"; {self._present()}" if self.scenarios is not None else ""))
        return False

    def _present(self) -> str:
        """The locustfiles that there are and that the mode can use."""
        wanted = None if self.mode is None else self.mode == "capacity"
        names = [name for name in self.scenarios or () if wanted in (None, name.endswith(OPEN_LOOP_ENDING))]
        return f"present: {', '.join(sorted(names)) or 'none'}"


def plain_kind(text: str) -> str:
    """What a scalar without quotes means: 'null', 'truth value', 'number' (also in a trap's form) or 'text'."""
    if text in _NULL:
        return "null"
    if text.lower() in _TRUTH:
        return "truth value"
    if is_plain_number(text) or any(trap.fullmatch(text) for trap, _ in _NUMBER_TRAPS):
        return "number"
    return "text"


def is_plain_number(text: str) -> bool:
    """Whether the text is a number as this project writes them: decimal digits with at most one point."""
    return len(text) <= 30 and bool(_INTEGER.fullmatch(text) or _DECIMAL.fullmatch(text))


def _number_fault(node: Node) -> str | None:
    if not isinstance(node, Scalar):
        return f"{describe(node)} stands here, not a number"
    if node.quoted:
        hint = f", write {node.text} without quotes" if is_plain_number(node.text) else ", not a number"
        return f"{quoted(node.text)} is text in quotes{hint}"
    if is_plain_number(node.text):
        return None
    if node.text in _NULL:
        return "is empty"
    if node.text.lower() in _TRUTH:
        return f"{quoted(node.text)} is a truth value in YAML, not a number"
    for trap, advice in _NUMBER_TRAPS:
        if trap.fullmatch(node.text):
            return f"{quoted(node.text)} {advice}"
    return f"{quoted(node.text)} is not a number"


def shown_number(node: Scalar) -> str:
    """A number as written, for an error."""
    return node.text


def shown_key(name: str) -> str:
    """A key as an error quotes it: as it is when it is a plain word, else in quotes on one line."""
    return name if re.fullmatch(r"[A-Za-z0-9_.-]{1,40}", name, re.ASCII) else quoted(name)


def describe(node: Node) -> str:
    """What a node is, for an error about its kind."""
    if isinstance(node, Mapping):
        return "a mapping"
    if isinstance(node, Sequence):
        return "a list"
    return "nothing" if node.text in _NULL and not node.quoted else f"the single value {quoted(node.text)}"


def _nearest(name: str, allowed: tuple[str, ...]) -> str:
    match = difflib.get_close_matches(name.lower()[:40], allowed, n=1, cutoff=0.6)
    return f" (did you mean {match[0]}?)" if match else ""
