"""nginx with a constant response: its counters, from a text and from a running server."""

import os
from collections.abc import Iterator

import pytest

from bench.generator import nginx
from bench.lib.loopback import send_request
from swarmsweep.errors import LabError

CORE = min(os.sched_getaffinity(0))
STATUS = """Active connections: 291
server accepts handled requests
 16630948 16630946 31070465
Reading: 6 Writing: 179 Waiting: 106
"""


def test_status_of_nginx():
    assert nginx.parse_status(STATUS) == 31070465


@pytest.mark.parametrize("text", ["", "<html>404</html>", STATUS.replace("31070465", "")])
def test_an_invalid_status_is_refused(text):
    with pytest.raises(LabError, match="status is not understood"):
        nginx.parse_status(text)


@pytest.fixture
def server(tmp_path, nginx_program) -> Iterator[str]:
    url, tree = nginx.start(tmp_path, CORE)
    yield url
    tree.end()


def test_nginx_responds_as_the_api_and_counts(server):
    before = nginx.requests(server)
    for body in (b'{"rows":[]}', None, b"x" * 1000):
        response = send_request(server + nginx.PATH, body)
        assert (response.status, response.body.decode()) == (200, nginx.RESPONSE_BODY)
        assert response.headers["x-served-by"] == "nginx/1"
    assert nginx.requests(server) - before - 1 == 3
