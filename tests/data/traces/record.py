"""Writes the evidence of a measured attempt to a trace.

Run: python tests/data/traces/record.py reports/<run>/cells/<cell>/attempt-<n> TRACE.json
"""

import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3]))
sys.path.append(str(Path(__file__).parents[2] / "swarmsweep"))

from evidence_json import to_json

from swarmsweep.judge.build_evidence import evidence_of
from swarmsweep.judge.search_outcome import search_outcome
from swarmsweep.plan.run_folder import planned_cell, read_plan
from swarmsweep.raw.attempt import read_attempt


def main(folder: Path, trace: Path) -> None:
    """Read the attempt as `measure` does, and write the evidence that it is judged by."""
    plan = read_plan(folder.parents[2])
    cell = planned_cell(plan, folder.parent.name)
    raw = read_attempt(folder, plan.load_of(cell), plan.slo)
    record = to_json(evidence_of(raw, search_outcome(raw.search, plan.slo), plan, cell))
    # Only the part of Docker's records that is judged. A trace has no logs.
    for name in ("deploy", "after"):
        kept = ("status", "containers", "restarts", "changed", "oom_killed")
        record[name] = {key: value for key, value in record[name].items() if key in kept}
    trace.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
