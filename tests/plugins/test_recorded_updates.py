"""How a roll-out ends, with recorded responses of Docker 20.10: one roll-out went well, one was rolled back.

data/updates-docker-20.10.json has for each scenario the service, all its tasks, and which of them are of its present
specification. Unused fields were removed. The new replica of the update that was rolled back exits with 1.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible.module_utils import swarm_stack, swarm_tasks

RECORDED = json.loads((Path(__file__).parent / "data" / "updates-docker-20.10.json").read_text())
LAST_WORDS = "covertype_api: API_VARIANT is 'bogus': choose one of prints, no_prints"


class Replay:
    """Responds as Docker did in one scenario."""

    def __init__(self, scenario: str) -> None:
        self.recorded = RECORDED[scenario]

    def services(self, filters):
        return [self.recorded["service"]]

    def tasks(self, filters=None):
        new = self.recorded["up_to_date"]
        return [task for task in self.recorded["tasks"] if task["ID"] in new or not (filters or {}).get("_up-to-date")]

    def inspect_container(self, container_id):
        return {"Id": container_id, "State": {"Running": False}}

    def events(self, **_options):
        return []

    def logs(self, container_id, **_options):
        return f"{LAST_WORDS}\n".encode()


@pytest.mark.parametrize(
    ("scenario", "running", "converged", "hopeless"),
    [
        ("updated", 1, True, False),
        # The old replica still serves. Only the new ones count.
        ("updating", 0, False, False),
        ("rolling-back", 1, False, False),
        ("rolled-back", 1, False, True),
        # The running specification was deployed again, so nothing is left of the failure.
        ("deployed-again", 1, True, False),
    ],
)
def test_a_roll_out_is_over_when_docker_says_so(scenario, running, converged, hopeless):
    replay = Replay(scenario)
    state = swarm_tasks.assess_service(replay.recorded["service"], replay.tasks(filters={"_up-to-date": True}))
    assert (state.running, state.converged, state.hopeless) == (running, converged, hopeless)


def test_a_roll_out_that_swarm_took_back_is_reported_at_once_with_the_last_log_lines(golden):
    pytest.importorskip("docker", reason="the Docker SDK for Python is needed for its exceptions")
    problem, services = swarm_stack.wait_for_stack(Replay("rolled-back"), "lab_api", {}, 2, 60, 40)
    golden("stack_taken_back.txt", f"{problem}\n")
    _, cause, words = problem.splitlines()
    assert cause.startswith("lab_api_api: ") and cause.endswith("code 1 (error)")
    assert words.strip() == LAST_WORDS
    assert services == [
        {
            "name": "lab_api_api",
            "wanted": 1,
            "running": 1,
            "error": "update rollback_completed: rollback completed",
            "reason_code": "crash",
            "reason": "replica 1 exited with code 1 (error)",
        }
    ]
