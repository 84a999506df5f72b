"""`Evidence` as JSON and back, for the traces in tests/data/traces, and traces with some fields changed."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from swarmsweep.judge.concurrency import Concurrency
from swarmsweep.judge.evidence import Evidence, Flow, Second
from swarmsweep.plan.row import RequestParts
from swarmsweep.raw.api_usage import ApiUsage
from swarmsweep.raw.closed_loop import SentCounts
from swarmsweep.raw.deployment import Deployment, StateAfterLoad
from swarmsweep.raw.haproxy import ProxyDelta
from swarmsweep.raw.machine_usage import ContainerUsage, MachineUsage
from swarmsweep.raw.tasks import TaskCounts
from swarmsweep.raw.timeline import Timeline

# A peak of its own is written out; mostly it is the window that is shown, with its usage and machines.
SAME = "flow"
RECORDED = {"deploy": Deployment, "after": StateAfterLoad, "timeline": Timeline, "request_parts": RequestParts}
# Figures that are not measured any more.
GONE = ("network_bytes_per_second", "p50_ms")
TRACES = Path(__file__).parents[1] / "data" / "traces"


def to_json(evidence: Evidence) -> dict[str, Any]:
    """All of it, as `from_json` takes it."""
    record = asdict(evidence)
    for name in RECORDED:
        record[name] = msgspec.to_builtins(getattr(evidence, name))
    if evidence.peak is not None and evidence.peak == evidence.flow:
        record["peak"] = SAME
        del record["peak_usage"], record["peak_machines"]
    return record


def from_json(record: Mapping[str, Any]) -> Evidence:
    """The evidence; raises `TypeError` or `KeyError` when a field is unknown or missing."""
    fields = dict(record)
    for name, kind in RECORDED.items():
        fields[name] = msgspec.convert(fields[name], kind | None)
    fields["flow"] = _flow(fields["flow"])
    fields["usage"], fields["machines"] = ApiUsage(**fields["usage"]), _machines(fields["machines"])
    if fields["peak"] == SAME:
        fields |= {"peak": fields["flow"], "peak_usage": fields["usage"], "peak_machines": fields["machines"]}
    else:
        fields["peak"] = _flow(fields["peak"])
        fields["peak_usage"] = ApiUsage(**fields["peak_usage"])
        fields["peak_machines"] = _machines(fields["peak_machines"])
    fields["sent"] = SentCounts(**fields["sent"]) if fields.get("sent") else None
    fields["proxy"] = None if fields["proxy"] is None else ProxyDelta(**fields["proxy"])
    known = fields.get("concurrency") or {}
    parts = tuple(known.get("parts_rps") or ())
    fields["concurrency"] = Concurrency(**known | {"parts_rps": parts})
    return Evidence(**fields)


def _flow(record: Mapping[str, Any] | None) -> Flow | None:
    if record is None:
        return None
    seconds = tuple(
        Second(**{key: value for key, value in second.items() if key not in GONE}) for second in record["seconds"]
    )
    tasks = TaskCounts(**record["tasks"]) if record.get("tasks") else None
    bounds = tuple(record.get("lower_bounds") or ())
    return Flow(
        **{**record, "window": tuple(record["window"]), "seconds": seconds, "tasks": tasks, "lower_bounds": bounds}
    )


def _machines(record: Mapping[str, Any]) -> dict[str, MachineUsage]:
    return {
        host: MachineUsage(
            **{key: value for key, value in machine.items() if key not in GONE}
            | {"containers": {name: ContainerUsage(**one) for name, one in machine["containers"].items()}}
        )
        for host, machine in record.items()
    }


def record(name: str) -> dict[str, Any]:
    """A recorded trace."""
    return json.loads((TRACES / f"{name}.json").read_text())


def change(trace: Any, path: str, value: Any) -> None:
    """Set the field at a dotted path; after '*', each of a list gets its own value."""
    head, _, rest = path.partition(".")
    if head == "*":
        assert len(trace) == len(value), path
        for one, own in zip(trace, value, strict=True):
            change(one, rest, own)
    elif rest:
        change(trace[head], rest, value)
    else:
        assert head in trace, f"{path} is no field of the trace"
        assert trace[head] != value, f"{path} is {value} already"
        trace[head] = value


def changed(of: str, **settings: Any) -> Evidence:
    """Evidence of a trace with some fields set."""
    trace = record(of)
    for path, value in settings.items():
        change(trace, path, value)
    return from_json(trace)
