"""Scenarios beside the files that Locust is started with: their modules may be called as those of the package."""

import pytest

from tests.loadgen.locust_run import LOCUST, run, serve

pytestmark = pytest.mark.skipif(LOCUST is None, reason="locust is not installed")

# Modules of loadgen/, which lay beside the scenarios' folder once, and its folders.
NAMES = (
    *("boundary", "closed", "common", "drain", "master", "outputs", "recovery", "workers"),
    *("atomic_file", "request_record", "shared"),
)
SCENARIO = f"""
import {", ".join(NAMES)}
from locust import HttpUser, constant, task

class Visitor(HttpUser):
    wait_time = constant(0.05)

    @task
    def ask(self):
        self.client.get("/" + master.NAME)
"""


def respond(handler) -> None:
    handler.send_response(200)
    handler.send_header("content-length", "0")
    handler.end_headers()


def test_a_scenario_has_modules_of_its_own_with_names_of_the_package(tmp_path):
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(f"NAME = {name!r}\n")
    with serve("127.0.0.1", respond) as server:
        outcome = run(tmp_path, SCENARIO, f"http://127.0.0.1:{server.port}", 0.5)
        assert set(server.asked) == {("GET", "/master")}
    # Locust may end a user that has just begun a request: it is recorded, and may never have reached the server.
    responses = outcome.worker["requests"] - outcome.worker["unreported"]
    assert 0 < responses <= server.asked.total() <= outcome.worker["requests"]
    assert outcome.worker["errors"] == {}
