"""The server whose capacity is known: its schedule as a table, and a real one under a real client."""

import http.client
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("httptools", reason="httptools is not installed")

from bench.lib.loopback import send_request
from bench.lib.processes import Tree
from bench.truth import slot_server

SERVER = Path(slot_server.__file__)
SCHEDULES = [
    # slots, service, arrivals, ends
    (1, 2.0, [0, 0, 1, 10], [2, 4, 6, 12]),
    (2, 2.0, [0, 0, 0, 0, 9], [2, 2, 4, 4, 11]),
    (2, 3.0, [0, 1, 2, 3.5, 7.5], [3, 4, 6, 7, 10.5]),
    (3, 1.0, [5, 5, 5, 5.5], [6, 6, 6, 7]),
]


@pytest.mark.parametrize(("slots", "service", "arrivals", "ends"), SCHEDULES)
def test_schedule(slots, service, arrivals, ends):
    queue = slot_server.Slots(service, slots)
    assert [queue.book(arrival) for arrival in arrivals] == ends


@pytest.fixture
def start(tmp_path) -> Iterator:
    trees = []

    def run(service_ms: float, slots: int) -> tuple[int, Tree]:
        command = [sys.executable, str(SERVER), "--service-ms", str(service_ms), "--slots", str(slots)]
        tree = Tree("server", command, dict(os.environ), tmp_path / str(len(trees)))
        trees.append(tree)
        deadline = time.monotonic() + 30
        while not (words := tree.log.read_text().split()):
            assert time.monotonic() < deadline
            tree.require_running()
            time.sleep(0.01)
        return int(words[0]), tree

    yield run
    for tree in trees:
        tree.end()


def figures(port: int) -> dict:
    return json.loads(send_request(f"http://127.0.0.1:{port}/figures").body)


def test_responses_look_like_those_of_the_api(start):
    port, tree = start(1, 1)
    response = send_request(f"http://127.0.0.1:{port}/predict", b'{"rows":[]}')
    assert (response.status, response.body) == (200, slot_server.RESPONSE_BODY)
    assert response.headers["x-served-by"] == f"slots/{tree.root.pid}"
    assert json.loads(response.body)["predictions"] == [2]
    assert send_request(f"http://127.0.0.1:{port}/ready").status == 200
    other = send_request(f"http://127.0.0.1:{port}/predict")
    assert (other.status, json.loads(other.body)) == (404, {"detail": "Not Found"})
    assert figures(port)["served"] == 1


def test_a_connection_is_kept_and_a_bad_request_is_refused(start):
    port, _ = start(1, 1)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for _ in range(3):
        connection.request("POST", "/predict", b"{}")
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, slot_server.RESPONSE_BODY)
    connection.close()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        raw.sendall(b"this is not HTTP\r\n\r\n")
        assert raw.makefile("rb").read().startswith(b"HTTP/1.1 400 ")


def test_as_many_are_served_at_a_time_as_there_are_slots(start):
    """Six requests at once, two slots: in any order, each pair of responses comes one service time after the last."""
    port, _ = start(50, 2)
    url, began = f"http://127.0.0.1:{port}/predict", time.monotonic()
    with ThreadPoolExecutor(6) as pool:
        ended = sorted(pool.map(lambda _: (send_request(url, b"{}").status, time.monotonic() - began), range(6)))
    assert {status for status, _ in ended} == {200}
    # No response is early. How late it is depends on the machine.
    assert all(seconds >= 0.05 * (number // 2 + 1) for number, (_, seconds) in enumerate(ended))
    seen = figures(port)
    assert (seen["served"], seen["abandoned"]) == (6, 0)
    assert 0 <= seen["late_ms"]["p50"] <= seen["late_ms"]["p99"] <= seen["late_ms"]["max"]


def test_health_responds_while_all_slots_are_busy(start):
    port, _ = start(60_000, 1)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as busy:
        busy.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
        time.sleep(0.05)
        assert send_request(f"http://127.0.0.1:{port}/ready").status == 200
        assert figures(port)["served"] == 0


def test_work_that_no_client_waits_for_is_done_all_the_same(start):
    port, _ = start(100, 1)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as gone:
        gone.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
    # This request is queued after the others, so they have ended when its response arrives.
    assert send_request(f"http://127.0.0.1:{port}/predict", b"{}").status == 200
    assert (figures(port)["served"], figures(port)["abandoned"]) == (1, 1)


def test_it_ends_on_a_signal(start):
    _, tree = start(1, 1)
    tree.root.terminate()
    assert tree.root.wait(timeout=30) == 0
