"""No load and no DNS request goes to another machine."""

import pytest

from bench.lib.loopback import require_loopback, send_request
from swarmsweep.errors import LabError


def is_refused(url: str) -> bool:
    """Whether no load may go to that address."""
    try:
        require_loopback(url)
    except LabError:
        return True
    return False


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/predict", "http://127.8.9.10/", "http://[::1]:80/"])
def test_loopback(url):
    assert not is_refused(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.1:8000/",
        "http://198.18.0.11:8080/predict",
        "http://0.0.0.0:8000/",
        "http://localhost:8000/",  # a name, which a resolver may lead anywhere
        "http://127.0.0.1.example.org/",
        "http://user@example.org/127.0.0.1",
        "127.0.0.1:8000",
        "",
    ],
)
def test_others_are_refused(url):
    assert is_refused(url)
    with pytest.raises(LabError, match=r"127\.0\.0\.0/8"):
        require_loopback(url)
    with pytest.raises(LabError, match=r"127\.0\.0\.0/8"):
        send_request(url)
