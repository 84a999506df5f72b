"""Requests to addresses outside the lab are not sent: real Locust, a lab on 127.0.0.1 and another host on 127.0.0.2."""

import pytest

from tests.loadgen.locust_run import LOCUST, run, serve

pytestmark = pytest.mark.skipif(LOCUST is None, reason="locust is not installed")

CODES = (301, 302, 303, 307, 308)
# Where a redirect leads: {0} is the lab's port, {1} the other host's. True: within the lab, so it is followed.
REDIRECTS = {
    "other-host": ("http://127.0.0.2:{1}/in", False),
    "other-port": ("http://127.0.0.1:{1}/in", False),
    "without-scheme": ("//127.0.0.2:{1}/in", False),
    "https": ("https://127.0.0.1:{0}/in", False),
    "user-is-the-lab": ("http://127.0.0.1:{0}@127.0.0.2:{1}/in?token=secret", False),
    # Parsers differ on what stands before the @; both clients take it for a user, and ask the lab.
    "backslash": ("http://127.0.0.2:{1}\\@127.0.0.1:{0}/in", True),
    "relative": ("/in", True),
    "absolute": ("http://127.0.0.1:{0}/in", True),
    "with-user": ("HTTP://somebody:x@127.0.0.1:{0}/in", True),
}
SCENARIO = """
import os
from locust import FastHttpUser, HttpUser, constant, task

other = os.environ["OTHER"]

class AnyUser({client}):
    wait_time = constant(0)
    # Locust gives --host to the class; only one that sets it later leaves.
    host = other

    def on_start(self):
        for method, path in {asked}:
            self.client.request(method, path, data=b"row" if method == "POST" else None, name=method + " " + path)
        self.client.get(other + "/in?token=secret", name="absolute URL")
        self.client.base_url = other
        self.client.get("/in", name="other host of the user")

    @task
    def nothing(self):
        pass
"""


@pytest.fixture(scope="module", params=["FastHttpUser", "HttpUser"])
def loaded(request, tmp_path_factory):
    """Return (outcome, the lab's server, the other's) after one user has sent each request once."""

    def respond(handler):
        parts = handler.path.split("/")
        code, location = (int(parts[2]), REDIRECTS[parts[1]][0]) if parts[1] in REDIRECTS else (200, None)
        handler.send_response(code)
        if location:
            handler.send_header("location", location.format(lab.port, other.port))
        handler.send_header("content-length", "2")
        handler.end_headers()
        handler.wfile.write(b"ok")

    asked = [(method, f"/{name}/{code}") for name in REDIRECTS for code in CODES for method in ("GET", "POST")]
    with serve("127.0.0.1", respond) as lab, serve("127.0.0.2", respond) as other:
        scenario = SCENARIO.format(client=request.param, asked=asked)
        url = f"http://127.0.0.2:{other.port}"
        # All of on_start must fit into the probe of one user and this window, on a busy machine too.
        outcome = run(tmp_path_factory.mktemp("run"), scenario, f"http://127.0.0.1:{lab.port}", 4.0, OTHER=url)
        yield outcome, lab, other


def test_the_other_host_is_never_connected_to(loaded):
    _, _, other = loaded
    assert other.connections == 0


@pytest.mark.parametrize("name", [name for name, (_, inside) in REDIRECTS.items() if not inside])
def test_a_redirect_out_of_the_lab_is_one_failed_request(loaded, name):
    outcome, lab, _ = loaded
    for code in CODES:
        for method in ("GET", "POST"):
            row = outcome.rows[f"{method} /{name}/{code}"]
            assert (row["Request Count"], row["Failure Count"]) == ("1", "1"), (method, code)
            # The first hop has reached the lab.
            assert lab.asked[method, f"/{name}/{code}"] == 1


@pytest.mark.parametrize("name", [name for name, (_, inside) in REDIRECTS.items() if inside])
def test_a_redirect_within_the_lab_is_followed(loaded, name):
    outcome, _, _ = loaded
    for code in CODES:
        for method in ("GET", "POST"):
            row = outcome.rows[f"{method} /{name}/{code}"]
            assert (row["Request Count"], row["Failure Count"]) == ("1", "0"), (method, code)


def test_only_what_is_followed_reaches_the_lab_twice(loaded):
    _, lab, _ = loaded
    inside = sum(1 for _, followed in REDIRECTS.values() if followed)
    # With the method of the code: 307 and 308 keep POST.
    found = (lab.asked["GET", "/in"], lab.asked["POST", "/in"])
    assert found == (inside * (len(CODES) + 3), inside * 2)


@pytest.mark.parametrize("name", ["absolute URL", "other host of the user"])
def test_a_request_of_the_scenario_s_own_is_blocked_too(loaded, name):
    outcome, _, _ = loaded
    assert (outcome.rows[name]["Request Count"], outcome.rows[name]["Failure Count"]) == ("1", "1")


def test_targets_are_named_and_counted_without_path_and_query(loaded):
    outcome, lab, other = loaded
    each = len(CODES) * 2
    expected = {
        # other-host, without-scheme and user-is-the-lab, and two of the scenario's own.
        f"http://127.0.0.2:{other.port}": 3 * each + 2,
        f"http://127.0.0.1:{other.port}": each,
        f"https://127.0.0.1:{lab.port}": each,
    }
    assert outcome.worker["left_lab"] == expected
    texts = {text for texts in outcome.failures.values() for text in texts} | set(outcome.worker["errors"])
    assert any(f"not sent to http://127.0.0.2:{other.port}: " in text for text in texts)
    assert not [text for text in texts if "/in" in text or "secret" in text]


def test_the_recorder_has_the_same_requests_as_locust(loaded):
    outcome, _, _ = loaded
    assert outcome.worker["requests"] == sum(int(row["Request Count"]) for row in outcome.rows.values())
    failed = sum(int(row["Failure Count"]) for row in outcome.rows.values())
    assert sum(outcome.worker["errors"].values()) == failed
