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


# The texts of an open-loop scenario, and the reason why a search ended.
SEARCH = """
import os
from pathlib import Path
from loadgen.common.secrets_folder import set_secrets
from loadgen.master.search_record import SearchRecord
from loadgen.open.probe_log import ProbeLog
from loadgen.common.outputs import write_json
from search import PROFILES
set_secrets()
folder, token = Path(os.environ["SWEEP_OUTPUT_DIR"]), os.environ["API_TOKEN"]
log = ProbeLog(folder / "requests.f64", 0.0, 0, 0.0, 1.0, None, "GET", "/")
for reason in (f"{token} is no price", "no price", f"{token} is no price"):
    log.explain(reason)
log.close()
write_json(folder / "probe.json", log.summarize())
record = SearchRecord(folder, PROFILES["smoke"], PROFILES["smoke"])
record.error = f"ValueError: {token}"
record.write()
"""


def test_what_a_search_records_has_no_secret(tmp_path):
    secrets, output = tmp_path / "secrets", tmp_path / "output"
    secrets.mkdir()
    output.mkdir()
    (secrets / "API_TOKEN").write_text("canary-3f9a\n")
    # The folder of the package `search`, as on a load host.
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'swarmsweep'}"}
    environment |= {"SWEEP_SECRETS_DIRECTORY": str(secrets), "SWEEP_OUTPUT_DIR": str(output)}
    subprocess.run([sys.executable, "-c", SEARCH], env=environment, check=True, timeout=60)
    errors = json.loads((output / "probe.json").read_text())["errors"]
    assert errors == {"*** is no price": 2, "no price": 1}
    assert json.loads((output / "capacity.json").read_text())["error"] == "ValueError: ***"
