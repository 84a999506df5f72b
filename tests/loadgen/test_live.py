"""The file of what a load does now, in real Locust processes: its figures are those of the records."""

import json
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from swarmsweep.report.live_load import keep_live
from tests.loadgen.test_conductor import Lab
from tests.loadgen.users_run import LOCUST, PLAIN, base_user, run_users

pytestmark = pytest.mark.skipif(LOCUST is None, reason="locust is not installed")

# Of each request of the server, see http_peer.py.
SLOT_MS = 20
# At each edge of the two seconds, one request of each user may be in the next one in Locust's statistics.
USERS = 5


class Reader:
    """Keeps each version of live.json, from a thread."""

    def __init__(self, folder: Path) -> None:
        self.path, self.seen = folder / "live.json", []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Reader":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.05):
            with suppress(OSError):
                version = json.loads(self.path.read_text())
                if not self.seen or self.seen[-1] != version:
                    self.seen.append(version)


def test_the_figures_of_users_are_those_of_the_records(tmp_path):
    with Reader(tmp_path) as reader:
        recorded = run_users(tmp_path, base_user(0.02, fixed_count=USERS) + PLAIN, users=USERS, measure_seconds=6)
    assert [version["stage"] for version in reader.seen if version["stage"] == "window"]
    ends = [start + latency_ms / 1000 for start, latency_ms, _ in recorded.requests]
    compared = 0
    for version in reader.seen:
        upto = version["measured_at"]
        ended = sum(upto - 2 <= end < upto for end in ends)
        assert 2 * version["rps"] == pytest.approx(ended, abs=2 * USERS)
        assert (version["failures_per_second"], version["probe"], version["offered"]) == (0, None, None)
        # Without workers, there are no reports of them.
        assert (version["p50_ms"], version["p95_ms"]) == (None, None)
        if version["stage"] == "window" and ended:
            compared += 1
            assert version["users"] == USERS
            assert version["stage_seconds"] == 6
            # The controller takes it.
            keep_live(json.dumps(version), tmp_path / "kept")
            assert json.loads((tmp_path / "kept").read_text())["rps"] == version["rps"]
    assert compared >= 2
    assert not reader.path.exists()


def test_a_search_shows_what_each_probe_offers_and_gets(tmp_path):
    pytest.importorskip("hdrh", reason="hdrhistogram is not installed")
    with ExitStack() as stack:
        lab = Lab(stack, tmp_path)
        lab.start()
        with Reader(lab.out) as reader:
            lab.let_begin()
            code, capacity = lab.finish()
        assert code == 0, lab.logs()
    probes = {trial["trial"]: trial for trial in capacity["trials"]}
    shown = [version for version in reader.seen if version["probe"] is not None]
    assert {version["probe"] for version in shown} <= probes.keys()
    assert len({version["probe"] for version in shown}) >= 3
    for version in shown:
        trial = probes[version["probe"]]
        rate = trial["rate_rps"]
        offered = (trial["connections"], "connections") if rate is None else (rate, "requests/s")
        assert (version["stage"], version["offered"], version["offered_unit"]) == (trial["purpose"], *offered)
    # While a probe runs, not only at its end.
    known = [version for version in shown if version["rps"] > 0 and version["p95_ms"] is not None]
    assert {version["probe"] for version in known} - {1, 2}
    # Each slot of the server takes so long.
    assert all(SLOT_MS * 0.9 <= version["p50_ms"] <= version["p95_ms"] for version in known)
    assert not reader.path.exists()
