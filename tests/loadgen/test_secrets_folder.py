"""The secrets of a load: variables of the process, and no part of what it logs or records."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What a process of a load does: a client refuses the header and quotes it.
PROGRAM = """
import json, logging, os, sys
from loadgen.common.secrets_folder import set_secrets
set_secrets()
import locust.stats, requests
from loadgen.closed.task_log import text_of
from loadgen.common import exact_stats
exact_stats.apply()
stats = locust.stats.RequestStats()
try:
    requests.Request("GET", "http://127.0.0.1:1/", headers={"Authorization": os.environ["API_TOKEN"]}).prepare()
except Exception as error:
    stats.log_error("GET", "/", error)
    logging.exception("request of %s failed", os.environ["API_TOKEN"])
    stats.log_request("GET", f"/?token={os.environ['API_TOKEN']}", 1, 1)
    stats.log_error("GET", f"/?token={os.environ['API_TOKEN']}", error)
    names = [entry.name for group in (stats.entries, stats.errors) for entry in group.values()]
    shown = [text_of(error), *(entry.error for entry in stats.errors.values())]
print("printed", os.environ["API_TOKEN"], "to standard error", file=sys.stderr)
found = {"value": os.environ["API_TOKEN"], "file": os.environ["API_TOKEN_FILE"], "shown": shown, "names": names}
os.write(1, json.dumps(found).encode())
"""


@pytest.mark.parametrize(
    ("content", "value"),
    [("Bearer canary-3f9a\n\n", "Bearer canary-3f9a\n"), ("canary-3f9a\r\nX: 'y\\n'", "canary-3f9a\r\nX: 'y\\n'")],
)
def test_a_secret_is_a_variable_and_in_no_text(tmp_path, content, value):
    (tmp_path / "API_TOKEN").write_bytes(content.encode())
    environment = os.environ | {"SWEEP_SECRETS_DIRECTORY": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["value"].replace("\r\n", "\n") == value.replace("\r\n", "\n")
    assert found["file"] == str(tmp_path / "API_TOKEN")
    assert len(found["shown"]) == 3
    assert sum(name.startswith("/?token=***") for name in found["names"]) == 2
    assert "header value" in done.stderr
    assert re.search(r"printed \*\*\*(\n(\*\*\*)?)? to standard error", done.stderr)
    assert "canary" not in done.stderr + str(found["shown"]) + str(found["names"])
