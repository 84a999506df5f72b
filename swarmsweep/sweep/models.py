"""The content of a sweep file: a model for each of its mappings. docs/sweep.schema.json is made from them."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError

from swarmsweep.sweep import values as v
from swarmsweep.sweep.scalars import read_text
from swarmsweep.sweep.slo_limits import SloLimits
from swarmsweep.sweep.yaml_tree import Entries

MAX_CELLS = 2000  # at 20 s each that is half a day; a larger number is a typing error
MAX_EXCLUDES = 200  # a longer list should be a list of cells in `cells`
MAX_CASES = 100  # more would be a table that is too large to read

# The tags of the variants of a union, as in the place of an error of pydantic, each with its position there.
TAGS = {"<fixed>": 0, "<capacity>": 1, "<one>": 0, "<many>": 1}


def _finish(schema: dict[str, Any], model: "type[Section]") -> None:
    """Add to a JSON schema which unnamed keys are allowed, and how many keys there must be."""
    if isinstance(further := schema["additionalProperties"], dict):
        schema["patternProperties"] = {f"^{model.further_keys}$": further}
        schema.setdefault("properties", {})
        schema["additionalProperties"] = False
    if model.min_keys:
        schema["minProperties"] = model.min_keys


class Section(BaseModel):
    """A mapping of the sweep file. None stands for a key that is left out."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=_finish)
    min_keys: ClassVar[int] = 0
    # The pattern of keys that have no name here, where there may be any.
    further_keys: ClassVar[str] = v.ENVIRONMENT_AXIS
    _written: Entries = PrivateAttr()

    @property
    def written(self) -> Entries:
        """The mapping as it was written, with its place and lines."""
        return self._written

    def given(self) -> dict[str, Any]:
        """The values that were written, in the order of the file."""
        return {key: getattr(self, key) for key in self._written}

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, node: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        if node == {} and cls.min_keys:
            raise PydanticCustomError("empty", "is empty")
        section = read(node)
        section._written = node
        return section


class AxesPattern(Section):
    """What cells have in common: the axes here, and environment variables of the API in capitals."""

    model_config = ConfigDict(extra="allow")
    min_keys = 1
    __pydantic_extra__: dict[v.EnvironmentAxis, v.Variable]
    replicas: v.Replicas | None = None
    cpus: v.Cpus | None = None
    memory: v.Memory | None = None
    workers: v.ApiWorkers | None = None
    image: v.AxisValue | None = None
    locustfile: v.Scenario | None = None
    variant: v.AxisValue | None = None


class CellAxes(AxesPattern):
    """One cell, in full."""

    min_keys = 0
    replicas: v.Replicas
    cpus: v.Cpus
    memory: v.Memory
    workers: v.ApiWorkers


class Matrix(Section):
    """The product of all axes. A single value stands for a list of one."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[v.EnvironmentAxis, v.OneOrMore[v.Variable]]
    replicas: v.OneOrMore[v.Replicas]
    cpus: v.OneOrMore[v.Cpus]
    memory: v.OneOrMore[v.Memory]
    workers: v.OneOrMore[v.ApiWorkers]
    image: v.OneOrMore[v.AxisValue] | None = None
    locustfile: v.OneOrMore[v.Scenario] | None = None
    variant: v.OneOrMore[v.AxisValue] | None = None

    def axes(self) -> dict[str, list[Any]]:
        """The values of each axis, in the order of the file."""
        return {axis: value if isinstance(value, list) else [value] for axis, value in self.given().items()}


class When(Section):
    """Which cells a case is for: on each axis one value, or several of which any will do."""

    model_config = ConfigDict(extra="allow")
    min_keys = 1
    __pydantic_extra__: dict[v.EnvironmentAxis, v.OneOrMore[v.Variable]]
    replicas: v.OneOrMore[v.Replicas] | None = None
    cpus: v.OneOrMore[v.Cpus] | None = None
    memory: v.OneOrMore[v.Memory] | None = None
    workers: v.OneOrMore[v.ApiWorkers] | None = None
    image: v.OneOrMore[v.AxisValue] | None = None
    locustfile: v.OneOrMore[v.Scenario] | None = None
    variant: v.OneOrMore[v.AxisValue] | None = None


class FixedCase(Section):
    """Another load of users for some of the cells."""

    min_keys = 2
    when: When
    users: v.Users | None = None
    spawn_rate: v.SpawnRate | None = None
    warmup_seconds: v.WarmupSeconds | None = None
    measure_seconds: v.MeasureSeconds | None = None
    wait_seconds: v.WaitSeconds | None = None
    workers: v.LocustWorkers | None = None


class CapacityCase(Section):
    """Another search for some of the cells."""

    min_keys = 2
    when: When
    profile: v.Profile | None = None
    arrivals: v.Arrivals | None = None
    timeout_seconds: v.TimeoutSeconds | None = None
    spawn_rate: v.SpawnRate | None = None
    wait_seconds: v.WaitSeconds | None = None
    workers: v.LocustWorkers | None = None


class Variables(Section):
    """Environment variables of Locust's processes."""

    model_config = ConfigDict(extra="allow")
    min_keys = 1
    __pydantic_extra__: dict[v.EnvironmentAxis, v.VariableText]


class SecretFiles(Section):
    """Environment variables of Locust's processes, each with the file that has its value."""

    model_config = ConfigDict(extra="allow")
    min_keys = 1
    __pydantic_extra__: dict[v.EnvironmentAxis, v.SecretPath]


_MODE = Field(description=v.meanings(v.MODES))
_CASES = Field(
    title="cases", min_length=1, max_length=MAX_CASES, examples=[[{"when": {"variant": "slow"}, "users": 2}]]
)


class FixedSection(Section):
    """A fixed number of users for a fixed time."""

    mode: Annotated[Literal["fixed"], _MODE, BeforeValidator(read_text)] = "fixed"
    users: v.Users
    spawn_rate: v.SpawnRate | None = None
    warmup_seconds: v.WarmupSeconds | None = None
    measure_seconds: v.MeasureSeconds | None = None
    wait_seconds: v.WaitSeconds | None = None
    workers: v.LocustWorkers | None = None
    locustfile: v.Scenario | None = None
    env: Variables | None = None
    secrets: SecretFiles | None = None
    tags: v.Tags | None = None
    exclude_tags: v.Tags | None = None
    user_classes: v.UserClasses | None = None
    cases: Annotated[list[FixedCase], _CASES] | None = None


class CapacitySection(Section):
    """The highest rate that holds the SLO, or the highest number of users."""

    mode: Annotated[Literal["capacity"], _MODE, BeforeValidator(read_text)]
    by: v.By | None = None
    profile: v.Profile | None = None
    arrivals: v.Arrivals | None = None
    timeout_seconds: v.TimeoutSeconds | None = None
    spawn_rate: v.SpawnRate | None = None
    wait_seconds: v.WaitSeconds | None = None
    workers: v.LocustWorkers | None = None
    target_rps: v.TargetRps | None = None
    target_users: v.TargetUsers | None = None
    locustfile: v.Scenario | None = None
    env: Variables | None = None
    secrets: SecretFiles | None = None
    tags: v.Tags | None = None
    exclude_tags: v.Tags | None = None
    user_classes: v.UserClasses | None = None
    cases: Annotated[list[CapacityCase], _CASES] | None = None


def mode_of(load: Any) -> str | None:
    """The mode of the section `load`, fixed by default; None for an unknown mode."""
    mode = load.get("mode", "fixed") if isinstance(load, Entries) else "fixed"
    return mode if isinstance(mode, str) and mode in v.MODES else None


def _tag(load: Any) -> str | None:
    mode = mode_of(load)
    return None if mode is None else f"<{mode}>"


LoadSection = Annotated[
    Annotated[FixedSection, Tag("<fixed>")] | Annotated[CapacitySection, Tag("<capacity>")], Discriminator(_tag)
]
_CELL = {"replicas": 1, "cpus": 1, "memory": "1G", "workers": 2}
_EXCLUDED = {"replicas": 4, "memory": "2G"}


class EndpointSlo(Section):
    """Upper limits for the requests of one name. Without a limit of its own, failures have that of all requests."""

    min_keys = 1
    mean_ms: v.Milliseconds | None = None
    p50_ms: v.Milliseconds | None = None
    p95_ms: v.Milliseconds | None = None
    p99_ms: v.Milliseconds | None = None
    max_failure_percent: v.Percent | None = None


class EndpointSlos(Section):
    """Limits for single endpoints, each by Locust's method and name."""

    model_config = ConfigDict(extra="allow")
    min_keys = 1
    further_keys = v.ENDPOINT
    __pydantic_extra__: dict[v.EndpointName, EndpointSlo]


class Slo(Section):
    """What "good" means: upper limits, None where the sweep sets none."""

    min_keys = 1
    mean_ms: v.Milliseconds | None = None
    p50_ms: v.Milliseconds | None = None
    p95_ms: v.Milliseconds | None = None
    p99_ms: v.Milliseconds | None = None
    # A server with only error responses is fast. So without a limit of its own, at most 1 % of requests may fail.
    max_failure_percent: v.Percent = 1
    endpoints: EndpointSlos | None = None

    def limits(self) -> SloLimits:
        """The limits that are set."""
        total = {name: value for name, value in self if value is not None and name != "endpoints"}
        given = {} if self.endpoints is None else self.endpoints.given()
        usual = {"max_failure_percent": self.max_failure_percent}
        return SloLimits(total, {name: usual | limits.given() for name, limits in given.items()})


class Sections(Section):
    """The sections of a sweep file that are there."""

    name: v.Name | None = None
    slo: Slo | None = None
    load: LoadSection | None = None
    matrix: Matrix | None = None
    cells: (
        Annotated[list[CellAxes], Field(title="cells", min_length=1, max_length=MAX_CELLS, examples=[[_CELL]])] | None
    ) = None
    exclude: Annotated[list[AxesPattern], Field(title="entries", max_length=MAX_EXCLUDES, examples=[[_EXCLUDED]])] = []
    include: Annotated[list[CellAxes], Field(title="cells", max_length=MAX_CELLS, examples=[[_CELL]])] = []
    baseline: v.Baseline | None = None
    repeat: v.Repeat = 1
    seed: v.Seed | None = None


class SweepFile(Sections):
    """A sweep file: a matrix or a list of cells, the load on each of them, and what counts as good."""

    # See `cell_rules`.
    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["matrix"]}, {"required": ["cells"]}]})
    name: v.Name
    slo: Slo
    load: LoadSection
