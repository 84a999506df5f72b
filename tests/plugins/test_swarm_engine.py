"""Requests to Docker: deadlines, and errors that name the fix."""

from __future__ import annotations

import time

import pytest
from ansible.module_utils import swarm_engine
from ansible.module_utils.hidden_text import encode
from ansible.module_utils.swarm_engine import HarnessError


def test_log_lines_are_bounded_and_plain():
    data = b"\x1b[32mINFO\x1b[0m: started\n" + b"x" * 10_000 + b"\n\xff\n"
    lines = swarm_engine.clean_lines(data)
    assert lines[0] == "INFO: started"
    assert len(lines[1]) == swarm_engine.LOG_LINE_CHARACTERS
    assert len(lines) == 3


def test_no_log_line_has_a_secret(monkeypatch):
    monkeypatch.setattr(swarm_engine, "_hidden", [])
    swarm_engine.hide_in_logs(encode([b"canary-1\n", b"other-22"]))
    # A secret at the place where a line is cut would be shown in part.
    before = "x" * (swarm_engine.LOG_LINE_CHARACTERS - 4)
    lines = swarm_engine.clean_lines(f"GET /?t=canary-1 \x1b[1mother-22\x1b[0m\n{before}canary-1\n".encode())
    assert lines == ["GET /?t=*** ***", f"{before}***"]


def test_a_secret_that_is_a_word_of_docker_hides_no_line_of_another_host(monkeypatch):
    pytest.importorskip("docker", reason="the Docker SDK for Python is needed for its exceptions")
    monkeypatch.setattr(swarm_engine, "_hidden", [])
    swarm_engine.hide_in_logs(encode([b"docker"]))

    class Manager:
        def service_logs(self, _service, **_options):
            details = "com.docker.swarm.node.id=n1,com.docker.swarm.task.id="
            return [f"{details}{task} {task} says docker\n{details}{task} \n".encode() for task in ("t1", "t2")]

    lines = swarm_engine.Service(Manager(), "lab_api_api").log({"ID": "t2", "Status": {}}, 40)
    assert lines == ["t2 says ***", ""]


def test_a_command_that_hangs_is_ended(tmp_path, monkeypatch):
    script = tmp_path / "docker"
    script.write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(swarm_engine, "COMMAND_TIMEOUT_SECONDS", 0.2)
    with pytest.raises(HarnessError, match=r"docker stack rm bench. did not end"):
        swarm_engine.run_docker("stack", "rm", "bench")


def test_a_missing_command_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HarnessError, match=r"docker command is missing on this host\. Run: \./lab site"):
        swarm_engine.run_docker("stack", "rm", "bench")


class TestPoll:
    """The one loop behind every wait."""

    @pytest.fixture(autouse=True)
    def _need_docker(self):
        pytest.importorskip("docker", reason="the Docker SDK for Python is needed for its exceptions")

    def test_the_first_response_ends_the_wait(self):
        answers = iter([None, None, "ready"])
        assert swarm_engine.poll(lambda: next(answers), time.monotonic() + 60) == "ready"

    def test_it_looks_at_least_once_and_ends_at_the_deadline(self):
        asked = []
        assert swarm_engine.poll(lambda: asked.append(1), time.monotonic() - 1) is None
        assert asked == [1]

    def test_a_request_that_the_daemon_missed_is_repeated(self):
        answers = iter([ConnectionError("reset"), "ready"])

        def ask():
            answer = next(answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

        assert swarm_engine.poll(ask, time.monotonic() + 60) == "ready"

    def test_a_daemon_that_stays_silent_is_a_broken_bench(self, monkeypatch):
        monkeypatch.setattr(swarm_engine, "SILENCE_SECONDS", 0.0)

        def ask():
            raise ConnectionError("refused")

        with pytest.raises(HarnessError, match=r"has not responded.*refused"):
            swarm_engine.poll(ask, time.monotonic() + 60)
