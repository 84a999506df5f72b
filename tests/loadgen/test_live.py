"""The file of what a load of users does now, in real Locust processes: its figures are those of the records."""

import json

import pytest

from swarmsweep.report.live_load import keep_live
from tests.loadgen.live_file import Reader
from tests.loadgen.users_run import LOCUST, PLAIN, base_user, run_users

pytestmark = pytest.mark.skipif(LOCUST is None, reason="locust is not installed")

# At each edge of the two seconds, one request of each user may be in the next one in Locust's statistics.
USERS = 5


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
