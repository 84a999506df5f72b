"""The running containers, with recorded responses of a Docker Engine on its unix socket."""

from __future__ import annotations

import json
import socketserver
import threading
import time
from http.server import BaseHTTPRequestHandler

import pytest

from sampler import containers
from sampler.cgroups import ContainerCgroup, parse_mounts
from sampler.containers import Container, ContainerWatch, read_containers
from sampler.docker_engine import DockerEngine
from tests.sampler.test_server_processes import RECORDED, write_proc
from tests.sampler.trees import CONTAINER, OTHER, V2_FILES, V2_ONLY, write_tree


@pytest.fixture
def engine_socket(tmp_path):
    """A unix socket that replays responses of Docker Engine 20.10. `answers` may be changed while it runs."""
    answers: dict = {}
    seen: list = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            seen.append(self.path)
            body = answers.get(self.path.split("?")[0])
            data = json.dumps(body if body is not None else {"message": "No such container"}).encode()
            self.send_response(200 if body is not None else 404)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def address_string(self):
            return "unix"

        def log_message(self, *_):
            pass

    class Server(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True

    path = tmp_path / "docker.sock"
    with Server(str(path), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield path, answers, seen
        server.shutdown()


def test_the_watch_follows_the_running_containers(tmp_path, engine_socket):
    path, answers, seen = engine_socket
    write_tree(tmp_path, V2_FILES, lambda name: f"docker/{CONTAINER}/{name}")
    (tmp_path / "proc/4242").mkdir(parents=True)
    (tmp_path / "proc/4242/cgroup").write_text(f"0::/docker/{CONTAINER}\n")
    mounts = parse_mounts(V2_ONLY, tmp_path)
    stacks = {"bench_api": True, "bench_platform": False}
    watch = ContainerWatch(DockerEngine(str(path)), stacks, tmp_path / "proc", mounts)

    answers["/containers/json"] = [
        {"Id": CONTAINER, "State": "running", "Labels": labels("bench_platform", "proxy")},
        {"Id": OTHER, "State": "running", "Labels": labels("bench_api", "api")},
        {"Id": "f" * 64, "State": "running", "Labels": labels("shop", "api")},
    ]
    answers[f"/containers/{CONTAINER}/json"] = {"Id": CONTAINER, "State": {"Status": "running", "Pid": 4242}}
    watch.refresh()  # OTHER died between the two questions: 404
    assert set(watch.containers) == {CONTAINER}
    found = watch.containers[CONTAINER]
    assert (found.service, found.pid, found.memory) == ("bench_platform_proxy", 4242, False)
    assert "com.docker.stack.namespace" in seen[0]
    assert not [target for target in seen if "f" * 64 in target], "a container of another stack is not looked at"
    inspected = len(seen)
    watch.refresh()
    assert [target for target in seen[inspected:] if CONTAINER in target] == [], "a known container is not asked again"

    answers["/containers/json"] = []
    watch.refresh()
    assert watch.containers == {}


def test_the_processes_of_the_api_are_counted_and_not_too_often(tmp_path, engine_socket, monkeypatch):
    path, answers, _ = engine_socket
    record = RECORDED["uvicorn_workers_2"]
    write_tree(tmp_path, V2_FILES, lambda name: f"docker/{CONTAINER}/{name}")
    group = tmp_path / f"sys/fs/cgroup/docker/{CONTAINER}"
    pids = write_proc(tmp_path / "proc", record)
    (tmp_path / f"proc/{pids[0]}/cgroup").write_text(f"0::/docker/{CONTAINER}\n")
    answers["/containers/json"] = [{"Id": CONTAINER, "State": "running", "Labels": labels("bench_api", "api")}]
    answers[f"/containers/{CONTAINER}/json"] = {"Id": CONTAINER, "State": {"Status": "running", "Pid": pids[0]}}

    def watch(memory: bool, port: int | None) -> ContainerWatch:
        mounts = parse_mounts(V2_ONLY, tmp_path)
        made = ContainerWatch(DockerEngine(str(path)), {"bench_api": memory}, tmp_path / "proc", mounts, port)
        made.refresh()
        return made

    def shown(of: ContainerWatch) -> object:
        line = read_containers(of.containers)[CONTAINER]
        return line["server_processes"], line["processes"]

    (group / "cgroup.procs").write_text("")
    counting = watch(True, record["port"])
    assert shown(counting) == (None, None)
    (group / "cgroup.procs").write_text("\n".join(map(str, pids)))
    counting.next_count_seconds = 0.0
    counting.refresh()
    assert shown(counting) == (2, None)
    counting.next_count_seconds = 0.0
    counting.refresh()
    assert shown(counting) == (2, 4)
    # Counting took CPU time, of which it may use a small share.
    assert counting.next_count_seconds > time.monotonic()
    (group / "cgroup.procs").write_text("")
    counting.refresh()
    assert shown(counting) == (2, 4)
    monkeypatch.setattr(containers, "COUNT_SECONDS", -1.0)
    assert shown(counting) == (None, None)
    assert watch(True, None).containers[CONTAINER].counted == (None, None)
    (group / "cgroup.procs").write_text("\n".join(map(str, pids)))
    assert watch(False, record["port"]).containers[CONTAINER].counted == (None, None)


def labels(stack: str, service: str) -> dict[str, str]:
    return {"com.docker.stack.namespace": stack, "com.docker.swarm.service.name": f"{stack}_{service}"}


def test_a_silent_daemon_keeps_the_known_containers_and_is_reported_once(tmp_path, capsys):
    watch = ContainerWatch(DockerEngine(str(tmp_path / "none.sock")), {"a": True}, tmp_path, [])
    watch.containers = {CONTAINER: Container(ContainerCgroup(unified=tmp_path))}
    watch.refresh()
    watch.refresh()
    assert set(watch.containers) == {CONTAINER}
    assert capsys.readouterr().err.count("none.sock") == 1
