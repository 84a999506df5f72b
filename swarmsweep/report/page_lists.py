"""The lists in summary.md: exceptions, bottlenecks, checks, retries, doubts and last log lines."""

import html
import re
from typing import Any

from swarmsweep.markdown import markdown
from swarmsweep.report.page_rows import figure

# Different exception texts that the page shows of a cell; cell.json has all of them.
MAX_EXCEPTIONS = 10


def unsplit_of(cells: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Valid cells that do not say where the time of a request goes, and why."""
    unknown = [cell for cell in cells if cell["status"] == "valid" and cell["request_parts"] is None]
    reason = "its API counts no requests at /metrics"
    return [{"id": cell["id"], "reason": markdown(cell["metrics_problem"] or reason)} for cell in unknown]


def exceptions_of(cell: dict[str, Any]) -> dict[str, Any]:
    """What the tasks of a cell raised, the most frequent text first."""
    texts = sorted(cell["exceptions"].items(), key=lambda entry: (-entry[1], entry[0]))
    shown = [{"text": markdown(text), "count": count} for text, count in texts[:MAX_EXCEPTIONS]]
    return {
        "id": cell["id"],
        "raised": cell["task_exceptions"],
        "failed_percent": figure(cell["failed_task_percent"]),
        "texts": shown,
        "other_texts": len(texts) - len(shown),
    }


def bottleneck_of(cell: dict[str, Any]) -> dict[str, str]:
    """What held a cell back, and the evidence."""
    return {
        "id": cell["id"],
        "word": cell["bottleneck"].replace("_", " "),
        "evidence": markdown(cell["bottleneck_evidence"] or "no evidence was stored"),
    }


def failed_checks_of(cells: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Checks that failed or could not be made, said once for each cell and attempt."""
    entries = []
    for cell in cells:
        if cell["status"] == "infeasible":
            continue
        for check in cell["checks"]:
            if check["passed"] is True or (check["passed"] is None and cell["status"] == "failed"):
                continue
            verdict = "not checked" if check["passed"] is None else "doubt" if check["warning"] else "failed"
            entry = {
                "verdict": verdict,
                "name": check["name"].replace("_", " "),
                "sentence": markdown(check["sentence"]),
            }
            entries.append({"id": cell["id"], "attempt": str(check["attempt"]), **entry})
    return entries


def retries_of(cells: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Attempts that were invalid and made again, and why; the second one is the one that counts."""
    return [
        {
            "id": cell["id"],
            "attempt": str(retry["attempt"]),
            "reason": markdown(retry["reason"] or "no reason was stored"),
        }
        for cell in cells
        for retry in cell["retries"]
    ]


def doubts_of(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Doubts of the plan, each with the cells that share it."""
    shared: dict[str, list[str]] = {}
    for cell in cells:
        for doubt in cell["doubts"]:
            shared.setdefault(doubt, []).append(cell["id"])
    return [{"text": markdown(doubt), "ids": ids} for doubt, ids in shared.items()]


def log_of(cell: dict[str, Any]) -> dict[str, Any]:
    """The last log lines of a dead replica, for a <pre> element; terminal colours and other controls are dropped."""
    lines = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", str(line)) for line in cell["log_tail"]]
    clean = [re.sub(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]", " ", line)[:500] for line in lines]
    return {"id": cell["id"], "status": cell["status"], "lines": [html.escape(line, quote=False) for line in clean]}
