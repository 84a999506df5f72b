"""HAProxy's statistics: a recorded CSV of HAProxy 2.6, and a socket that replays it."""

from __future__ import annotations

import socketserver
import threading
from pathlib import Path

import pytest
from ansible.module_utils import haproxy_stats
from ansible.module_utils.haproxy_stats import HaproxyError, Server

# One server was up and marked down by hand, one has nothing listening, one is in maintenance.
STAT = (Path(__file__).parent / "data" / "haproxy-2.6-stat.csv").read_text()


def test_servers_of_a_real_response():
    assert haproxy_stats.list_servers(STAT, "api") == [
        Server("api-1", "DOWN", "L7OK", "127.0.0.1", check_code=200),
        Server("api-2", "DOWN", "L4CON", "127.0.0.1", check_text="Connection refused"),
        Server("api-3", "MAINT", "", "127.0.0.1"),
    ]


def test_a_missing_backend_is_named_with_those_that_exist():
    with pytest.raises(HaproxyError, match=r"no backend 'web'; it has: api"):
        haproxy_stats.list_servers(STAT, "web")


@pytest.mark.parametrize(
    ("status", "check_status", "proven", "takes"),
    [
        ("UP", "L7OK", True, True),
        ("UP", "* L7OK", True, True),
        ("UP", "L4OK", True, True),
        ("UP", "L7OKC", True, True),
        ("UP 1/5", "INI", False, True),  # just resolved, no check yet: HAProxy already sends requests
        ("UP 1/5", "* L7OK", False, True),  # the check that passed was of the server's last life
        ("UP 4/5", "L7STS", False, True),
        ("UP", "L7TOUT", False, True),
        ("DOWN", "L7OK", False, False),
        ("DOWN 1/2", "L4CON", False, False),
        ("MAINT (resolution)", "", False, False),
        ("MAINT", "L7OK", False, False),
        ("no check", "", False, True),
        ("DRAIN", "L7OK", False, True),
    ],
)
def test_what_counts_as_up(status, check_status, proven, takes):
    server = Server("api-1", status, check_status, "10.0.1.5")
    assert (server.proven_up, server.takes_requests) == (proven, takes)


UP_5, UP_6 = Server("api-1", "UP", "L7OK", "10.0.1.5"), Server("api-2", "UP", "L7OK", "10.0.1.6")
UNUSED = Server("api-9", "MAINT (resolution)", "", "")
FRESH = Server("api-3", "UP 1/5", "INI", "10.0.1.7")
HIDDEN = Server("api-1", "UP", "L7OK", "")


@pytest.mark.parametrize(
    ("servers", "replicas", "addresses", "ready"),
    [
        ([UP_5, UP_6, UNUSED], 2, {"10.0.1.5", "10.0.1.6"}, True),
        ([UP_5, UP_6, UNUSED], 2, set(), True),
        ([UP_5, UNUSED], 2, {"10.0.1.5", "10.0.1.6"}, False),
        ([UP_5, UP_6], 1, {"10.0.1.5"}, False),  # a server of the cell before
        ([UP_5, UP_6], 2, {"10.0.1.5", "10.0.1.8"}, False),  # the same, and the new one is not known yet
        ([UP_5, UP_6, FRESH], 2, set(), False),
        ([HIDDEN, UNUSED], 1, {"10.0.1.5"}, True),  # the socket's level hides addresses
        ([UNUSED], 1, set(), False),
    ],
)
def test_are_ready(servers, replicas, addresses, ready):
    assert haproxy_stats.are_ready(servers, replicas, frozenset(addresses)) is ready


@pytest.mark.parametrize(
    ("result", "code", "text", "got"),
    [
        ("L7STS", 404, "Not Found", "status 404 (Not Found)"),
        ("L7STS", 404, "", "status 404"),
        ("* L7STS", 0, "", ""),
        ("L4CON", None, "Connection refused", "connection refused"),
        ("L4CON", None, "", "connection failed"),
        ("L4TOUT", None, "", "no connection in time"),
        ("L7TOUT", None, "", "no response in time"),
        ("L7RSP", None, "", "no valid HTTP response"),
        ("INI", None, "", ""),
        ("L7OK", 200, "OK", ""),
    ],
)
def test_what_a_check_got_in_words(result, code, text, got):
    server = Server("api-1", "DOWN", result, "10.0.1.5", check_code=code, check_text=text)
    assert server.got == got
    assert haproxy_stats.describe([server]) == f"api-1 DOWN {result}" + (f" ({got})" if got else "")


def test_describe():
    assert haproxy_stats.describe([UP_5, FRESH, UNUSED]) == "api-1 UP L7OK, api-3 UP 1/5 INI"
    assert haproxy_stats.describe([UNUSED]) == "no server has an address yet"


@pytest.fixture
def haproxy(tmp_path):
    """A unix socket that responds as HAProxy did. `said` lists the commands that it got."""
    said: list[str] = []
    answers = {
        "show stat": STAT.replace("api,api-1,0,0,0,0,,0,0,0,,0,,0,0,0,0,DOWN", "api,api-1,,,,,,,,,,,,,,,,UP"),
        "set server": "\n",
    }

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            command = self.rfile.readline().decode().strip()
            said.append(command)
            key = next((key for key in answers if command.startswith(key)), None)
            self.wfile.write((answers[key] if key else "Unknown command.\n").encode())

    path = str(tmp_path / "haproxy.sock")
    with socketserver.ThreadingUnixStreamServer(path, Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield path, answers, said
        server.shutdown()


def test_forget_marks_only_servers_that_take_requests(haproxy):
    path, _, said = haproxy
    assert haproxy_stats.forget_servers(path, "api") is True
    assert said == ["show stat", "set server api/api-1 health down"]


def test_forget_ends_requests_that_a_server_still_has(haproxy):
    path, answers, said = haproxy
    answers["show stat"] = answers["show stat"].replace("api,api-2,0,0,0,", "api,api-2,0,0,7,")
    answers["shutdown sessions"] = "\n"
    assert haproxy_stats.forget_servers(path, "api") is True
    assert said[1:] == ["set server api/api-1 health down", "shutdown sessions server api/api-2"]


def test_forget_reports_when_the_socket_refuses(haproxy):
    path, answers, _ = haproxy
    answers["set server"] = "Permission denied\n"
    assert haproxy_stats.forget_servers(path, "api") is False


def test_another_socket_is_refused(haproxy):
    path, answers, _ = haproxy
    answers["show stat"] = "HTTP/1.1 400 Bad Request\r\n"
    with pytest.raises(HaproxyError, match="not HAProxy's statistics socket"):
        haproxy_stats.show_stat(path)


def test_a_missing_socket_is_named(tmp_path):
    with pytest.raises(HaproxyError, match=r"none\.sock: No such file"):
        haproxy_stats.show_stat(str(tmp_path / "none.sock"))
