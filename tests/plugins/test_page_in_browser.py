"""Locust's page in the Chromium of Debian: a person starts a load of a real HAProxy, and sees it."""

import pytest

from bench.truth import haproxy
from tests.browser import chromium
from tests.loadgen.locust_run import LOCUST, serve
from tests.plugins.page_run import serve_page, wait_until

SCENARIO = """
from locust import FastHttpUser, constant, task

class Visitor(FastHttpUser):
    wait_time = constant(0.1)

    @task
    def ask(self):
        self.client.get("/ok")
"""
WAIT_MS = 60_000


def respond(handler):
    handler.send_response(200)
    handler.send_header("content-length", "2")
    handler.end_headers()
    handler.wfile.write(b"ok")


@pytest.fixture
def page(tmp_path):
    """Return (Locust's page with two workers before HAProxy, the server behind it)."""
    if LOCUST is None:
        pytest.skip("locust is not installed")
    program = haproxy.program()
    with serve("127.0.0.1", respond) as server:
        url, processes = haproxy.start(program, tmp_path, server.port, [])
        try:
            with serve_page(tmp_path / "load", SCENARIO, url, 2) as running:
                yield running, server
        finally:
            processes.end()


def requests_shown(view) -> int:
    """Number of requests that the table of the page has for GET /ok."""
    cells = view.locator("table tr", has_text="/ok").first.locator("td").all_inner_texts()
    return int(cells[2].replace(",", "")) if len(cells) > 2 and cells[2].strip() else 0


def test_a_load_is_started_in_the_page_and_its_figures_move(page):
    from playwright.sync_api import expect

    running, server = page
    with chromium() as browser:
        context = browser.new_context(viewport={"width": 1200, "height": 900})
        view = context.new_page()
        view.set_default_timeout(WAIT_MS)
        view.goto(running.url)
        # The form proposes the load that ./lab ui was given.
        expect(view.locator("input[name=userCount]")).to_have_value("4", timeout=WAIT_MS)
        # Another address is refused, in words that the form shows.
        host = view.locator("input[name=host]")
        lab = host.input_value()
        host.fill("http://127.0.0.2:1")
        start = view.get_by_role("button", name="Start", exact=True)
        start.click()
        view.get_by_text("The load may not leave the lab").wait_for()
        assert running.stats()["state"] == "ready"
        host.fill(lab)
        start.click()
        view.locator("table tr", has_text="/ok").first.wait_for()
        first = wait_until(lambda: requests_shown(view))
        wait_until(lambda: requests_shown(view) > first)
        view.get_by_role("tab", name="Charts").click()
        # A chart is drawn with the first figures.
        view.locator("canvas").first.wait_for(state="attached")
        assert server.asked["GET", "/ok"] > first
        view.get_by_role("button", name="Stop", exact=True).click()
        wait_until(lambda: running.stats()["state"] == "stopped")
        context.close()
