"""The values that a sweep file may contain, each a type with its limits and their reasons.

The ``description`` of a type is the text that a message quotes after "allowed:", and that an editor shows.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    PlainValidator,
    Tag,
    ValidationInfo,
    WrapValidator,
)
from pydantic_core import CoreSchema, PydanticCustomError

from swarmsweep.lab.proxy_connections import MAX_CONNECTIONS
from swarmsweep.search import PROFILES
from swarmsweep.shared.request_record import MAX_NAME_CHARACTERS
from swarmsweep.sweep.load import MAX_TIMEOUT_SECONDS, OPEN_LOOP_ENDING
from swarmsweep.sweep.scalars import (
    AXIS_TEXT,
    MAX_MEMORY_BYTES,
    MAX_VARIABLE_CHARACTERS,
    MEMORY_TEXT,
    MILLICORES_TEXT,
    MIN_MEMORY_BYTES,
    read_axis_value,
    read_memory,
    read_millicores,
    read_number,
    read_text,
    read_variable,
    refused,
)
from swarmsweep.units import format_memory, format_plain, quoted

# Each user has a connection to HAProxy. Fewer are accepted where the API host allows fewer files.
MAX_USERS = MAX_CONNECTIONS
MODES = {
    "fixed": "a fixed number of users for a fixed time",
    "capacity": "find the highest load that holds the SLO",
}
# With what the answer of a sweep is compared.
INVENTORY, NO_BASELINE = "inventory", "none"
BASELINES = {
    INVENTORY: "the configuration that ./lab site deploys is measured too",
    NO_BASELINE: "only the cells of this file are measured",
}
BY = {
    "users": "the number of users, who wait for each response",
    "arrivals": "the rate of iterations, each of which starts when it is due",
}
ARRIVALS = {
    "poisson": "independent callers, at random times",
    "constant": "requests at equal intervals",
}
BUDGETS = {
    name: f"at most {format_plain(profile.budget_seconds)} s of load for each deployment"
    for name, profile in PROFILES.items()
}
# Locust's method and name of a request, as it is recorded: one line, with single spaces.
ENDPOINT = r"\S+( \S+)+"
ENVIRONMENT_AXIS = "[A-Z][A-Z0-9_]{1,39}"

T = TypeVar("T")


@dataclass(frozen=True)
class Scenarios:
    """The existing locustfiles, and the mode of the load, which a scenario must suit; with None the scenario is not
    checked.
    """

    present: Collection[str] | None
    mode: str | None

    def fault(self, name: str) -> str | None:
        """The mistake in a scenario's name; None if there is none."""
        only_users = self.mode == "fixed"
        usable = [other for other in self.present or () if not (only_users and other.endswith(OPEN_LOOP_ENDING))]
        present = f"; available: {', '.join(sorted(usable)) or 'none'}"
        if only_users and name.endswith(OPEN_LOOP_ENDING):
            text = (
                f"{quoted(name)} is an open loop; allowed in mode {self.mode}: a file whose name does not end in "
                f"{OPEN_LOOP_ENDING}"
            )
            return text if self.present is None else text + present
        if self.present is not None and name not in self.present:
            return f"{quoted(name)} is not in locustfiles/{present}"
        return None


@dataclass(frozen=True)
class Within:
    """The limits of a number, its unit, and the reason for the limits."""

    low: float
    high: float
    what: str
    why: str

    @property
    def words(self) -> str:
        """The limits as a message shows them."""
        return f"{format_plain(self.low)} to {format_plain(self.high)} {self.what} ({self.why})"

    def __get_pydantic_core_schema__(self, number: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        whole = "whole numbers " if number is int else ""
        limits = Field(ge=self.low, le=self.high, strict=True, description=whole + self.words)
        return handler.generate_schema(Annotated[number, limits, WrapValidator(read_number)])


def meanings(words: dict[str, str]) -> str:
    """Words with their meanings, for messages and editors."""
    return ", ".join(f"{word} ({meaning})" for word, meaning in words.items())


def _one_of(words: dict[str, str]) -> Any:
    """A field with a fixed list of words, which editors can complete."""
    pattern = f"^({'|'.join(words)})$"
    return Field(pattern=pattern, description=meanings(words), json_schema_extra={"enum": list(words)})


def _suiting(name: str, info: ValidationInfo) -> str:
    if info.context is not None and (fault := info.context.fault(name)):
        raise PydanticCustomError("scenario", "{fault}", {"fault": fault})
    return name


def _range(seconds: list[float]) -> tuple[float, ...]:
    if len(seconds) != 2:
        raise refused(f"has {len(seconds)} values")
    if seconds[0] > seconds[1]:
        raise refused(f"{seconds[0]} is above {seconds[1]}")
    return tuple(seconds)


def _environment_axis(name: str) -> str:
    if not re.fullmatch(ENVIRONMENT_AXIS, name):
        raise PydanticCustomError("unknown_axis", "is not an environment variable")
    return name


def _endpoint(name: str) -> str:
    if not re.fullmatch(ENDPOINT, name) or len(name) > MAX_NAME_CHARACTERS:
        raise PydanticCustomError("unknown_axis", "is not the name of a request")
    return name


_TEXT = BeforeValidator(read_text)
_AXIS_JSON = Annotated[float, Field(ge=0)] | Annotated[str, Field(pattern=f"^{AXIS_TEXT}$")]
_VARIABLE_JSON = bool | float | Annotated[str, Field(max_length=MAX_VARIABLE_CHARACTERS)]
_MEMORY_JSON = Annotated[str, Field(pattern=f"^{MEMORY_TEXT}$")]
_MEMORY_WORDS = f"{format_memory(MIN_MEMORY_BYTES)} (Docker's minimum) to {format_memory(MAX_MEMORY_BYTES)} per replica"

Name = Annotated[
    str,
    Field(pattern="^[a-z0-9][a-z0-9-]{0,31}$", description="a-z, 0-9 and -, up to 32, the first a letter or digit"),
    _TEXT,
]
Baseline = Annotated[str, _one_of(BASELINES), _TEXT]
Repeat = Annotated[int, Within(1, 20, "attempts of each cell", "20 deployments are enough to show the variation")]
Seed = Annotated[int, Within(0, 2**32 - 1, "as seed", "32 bits")]

Milliseconds = Annotated[float, Within(0.001, 600_000, "milliseconds", "a limit above ten minutes is of no use")]
Percent = Annotated[float, Within(0, 100, "percent of requests, and of executed tasks", "0 allows no failure")]

Users = Annotated[
    int,
    Within(1, MAX_USERS, "simulated users", "HAProxy has about as many ports for connections to one replica"),
]
SpawnRate = Annotated[float, Within(0.01, 10_000, "users per second", "Locust cannot start them faster")]
WarmupSeconds = Annotated[
    float,
    Within(0, 3_600, "seconds", "more than an hour of warm-up is a mistake"),
]
MeasureSeconds = Annotated[float, Within(1, 86_400, "seconds", "at most one day per attempt")]
ThinkSeconds = Annotated[float, Within(0, 3_600, "seconds", "think time of one user")]
WaitSeconds = Annotated[
    list[ThinkSeconds],
    Field(min_length=1, examples=[[0.5, 2]], description="[shortest, longest]"),
    Field(json_schema_extra={"minItems": 2, "maxItems": 2}),
    AfterValidator(_range),
]
LocustWorkers = Annotated[int, Within(1, 128, "Locust workers", "one per core of the load hosts is enough")]
Profile = Annotated[str, _one_of(BUDGETS), _TEXT]
By = Annotated[str, _one_of(BY), _TEXT]
Arrivals = Annotated[str, _one_of(ARRIVALS), _TEXT]
TimeoutSeconds = Annotated[float, Within(0.1, MAX_TIMEOUT_SECONDS, "seconds", "a response after a minute is of no use")]
TargetRps = Annotated[float, Within(0.1, 1_000_000, "requests per second", "what the API must sustain")]
TargetUsers = Annotated[int, Within(1, 1_000_000, "users", "what the API must sustain")]
Scenario = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}\.py$",
        description="the name of a file in locustfiles/, ending in .py, without a folder",
    ),
    _TEXT,
    AfterValidator(_suiting),
]

# Locust takes a list of tags in one variable, so a comma or a space would split a tag.
Tag_ = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_.:/-]{1,64}$", description="letters, digits and _ . : / -, up to 64"), _TEXT
]
Tags = Annotated[list[Tag_], Field(title="tags", min_length=1, max_length=50, examples=[["read", "write"]])]
UserClass = Annotated[
    str,
    Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$", description="the name of a user class of the scenario"),
    _TEXT,
]
UserClasses = Annotated[list[UserClass], Field(title="classes", min_length=1, max_length=50, examples=[["Visitor"]])]
VariableText = Annotated[
    str,
    PlainValidator(read_variable, json_schema_input_type=_VARIABLE_JSON),
    Field(description=f"a text of up to {MAX_VARIABLE_CHARACTERS} characters; a number keeps its text"),
]
SecretPath = Annotated[
    str,
    Field(
        pattern=r"^[^\x00-\x1f]{1,4096}$",
        description="the path of a file of this machine; a relative one begins at the folder of the sweep file",
    ),
    _TEXT,
]

Replicas = Annotated[int, Within(1, 100, "replicas", "a service with more replicas needs more than two machines")]
_CPUS = Within(0.01, 512, "CPUs per replica", "0.01 is Docker's minimum, and no host has more than 512")
_CPUS_JSON = (
    Annotated[float, Field(ge=_CPUS.low, le=_CPUS.high)] | Annotated[str, Field(pattern=f"^{MILLICORES_TEXT}$")]
)
Cpus = Annotated[
    float,
    _CPUS,
    BeforeValidator(read_millicores, json_schema_input_type=_CPUS_JSON),
    Field(description=_CPUS.words),
]
Memory = Annotated[
    int, PlainValidator(read_memory, json_schema_input_type=_MEMORY_JSON), Field(description=_MEMORY_WORDS)
]
ApiWorkers = Annotated[int, Within(1, 128, "server processes per replica", "each has its own copy of the model")]
AxisValue = Annotated[
    str | float,
    PlainValidator(read_axis_value, json_schema_input_type=_AXIS_JSON),
    Field(description="letters, digits and . _ : / @ - (up to 128, the first a letter or digit)"),
]
Variable = Annotated[
    str,
    PlainValidator(read_variable, json_schema_input_type=_VARIABLE_JSON),
    Field(description='any text of up to 8192 characters, which is kept as written; an empty one as ""'),
]
EnvironmentAxis = Annotated[str, AfterValidator(_environment_axis)]
EndpointName = Annotated[str, AfterValidator(_endpoint)]

Values = Annotated[list[T], Field(min_length=1, examples=[[1, 2]])]
OneOrMore = Annotated[
    Annotated[T, Tag("<one>")] | Annotated[Values[T], Tag("<many>")],
    Discriminator(lambda node: "<many>" if isinstance(node, list) else "<one>"),
]
