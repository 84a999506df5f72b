"""A short run of all generators."""

import argparse
import os
import sys
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.generator import interleaved
from bench.generator.figures import PARTS, RATIOS
from bench.lib.cores import Cores

CORE = min(os.sched_getaffinity(0))


def test_whole_bench(tmp_path, monkeypatch, nginx_program, wrk_program):
    """One short round: every generator runs, is counted by nginx, and gets into the tables. Its speed is not judged."""
    if missing := [name for name in ("locust", "httptools", "hdrh") if find_spec(name) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    here = SimpleNamespace(python=Path(sys.executable), folder=Path(sys.prefix), path=f"{sys.prefix}/bin:/usr/bin:/bin")
    monkeypatch.setattr(interleaved, "LOCUST", here)
    options = argparse.Namespace(rounds=1, seconds=1, seed=1)
    with ExitStack() as stack:
        content, text = interleaved.InterleavedRun(options, Cores(server=CORE, client=CORE), tmp_path, stack).run()
    rows = {row["name"]: row for row in content["rows"]}
    assert set(rows) == {"fasthttpuser", *PARTS, "wrk"}
    for name in ("fasthttpuser", *PARTS):
        assert rows[name]["nginx_counted"] == rows[name]["locust_counted"] >= rows[name]["requests"] > 0
    for name in PARTS:
        assert rows[name]["offered"] == rows[name]["ok"] + rows[name]["dropped"]
    assert set(content["ratios"]) == {ratio.name for ratio in RATIOS}
    assert all(value > 0 for value in content["ratios"].values())
    assert "over_fasthttpuser" in text
    assert text.count("same count") == 4
