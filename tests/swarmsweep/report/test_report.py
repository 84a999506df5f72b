"""A whole run folder -> the report."""

import csv
import html
import io
import json
import re
import shutil
from datetime import UTC, datetime

import pytest
from capacity_run import LARGE_SWEEP, CapacityRun, deployment
from capacity_run import SWEEP as CAPACITY_SWEEP
from run_folder import MIB, SWEEP, Run, Traffic, busy, metrics_text, put

from swarmsweep.errors import InputError, LabError
from swarmsweep.markdown import MISSING, markdown, one_line
from swarmsweep.plan.row import ProbeRow, Retry
from swarmsweep.plan.row_file import NEWER_KEYS
from swarmsweep.plan.run_folder import newest_run
from swarmsweep.report.report import write_report
from swarmsweep.report.summary_json import SUMMARY_KEYS
from swarmsweep.results.identity import Difference
from swarmsweep.results.manifest import continue_manifest
from swarmsweep.results.measure import measure_attempt, measure_run

MANIFEST = {
    "versions": {"locust": "2.47.0", "docker": "20.10.24", "odd": "a|b <script>alert(1)</script>"},
    "hosts": [{"name": "lab-api", "kernel": "6.18"}, {"name": "lab-load", "kernel": "6.18"}],
    "images": {"api": "sha256:" + "0" * 64},
    "model": None,
    "commands": [
        "ansible-playbook sweep.yml -i inventory/lab -e sweep=sweeps/my_quick.yml -e seed=7",
        # As an earlier version stored it.
        "ansible-playbook sweep.yml -e ansible_become_pass=hunter2",
    ],
    "seed": 7,
}


@pytest.fixture
def reported(finished_run) -> Run:
    """The finished run, measured and reported."""
    put(finished_run.dir / "manifest.json", MANIFEST)
    for step in finished_run.plan.steps:
        measure_attempt(finished_run.dir, step.cell_id, step.attempt)
    write_report(finished_run.dir, finished_run.reports_dir)
    return finished_run


def test_the_commands_of_a_page_name_the_inventory_and_the_settings_of_the_run(reported):
    command = "ansible-playbook sweep.yml -i inventory/mine -e sweep=a.yml -e lab_api_image=b:2 -e seed=7"
    put(reported.dir / "manifest.json", MANIFEST | {"commands": [command]})
    page = write_report(reported.dir, reported.reports_dir).read_text()
    following = f"reports/{reported.plan.run_id}/next.yml -e lab_api_image=b:2"
    assert f"`LAB_INVENTORY=inventory/mine ./lab sweep {following}`" in page
    comments = " ".join((reported.dir / "next.yml").read_text().replace("\n#", "").split())
    assert f"To start it: LAB_INVENTORY=inventory/mine ./lab sweep {following} " in comments


@pytest.mark.parametrize(
    ("inventory", "end"), [("inventory/mine", "`, which reads no inventory."), ("inventory/lab", "`.")]
)
def test_the_last_line_says_why_its_command_names_no_inventory(reported, monkeypatch, inventory, end):
    """The command gives the same page, whatever LAB_INVENTORY is."""
    put(reported.dir / "manifest.json", MANIFEST | {"inventories": [inventory]})
    pages = []
    for variable in ("inventory/mine", "inventory/lab"):
        monkeypatch.setenv("LAB_INVENTORY", variable)
        pages.append(write_report(reported.dir, reported.reports_dir).read_text())
    assert pages[0] == pages[1]
    assert pages[0].rstrip().endswith(f"Rebuild both pages: `./lab report {reported.plan.run_id}{end}")


def test_the_commands_of_the_reasons_name_the_inventory(reported):
    put(reported.dir / "manifest.json", MANIFEST | {"inventories": ["inventory/mine"]})
    (path,) = (
        path for path in reported.dir.glob("cells/*/cell.json") if json.loads(path.read_text())["status"] == "failed"
    )
    row = json.loads(path.read_text())
    path.unlink()
    put(path, row | {"reason": "see ./lab logs api"})
    page = write_report(reported.dir, reported.reports_dir).read_text()
    assert "see LAB_INVENTORY=inventory/mine ./lab logs api" in page
    assert "see ./lab" not in page and "inventories" not in page
    summary = json.loads((reported.dir / "summary.json").read_text())
    assert "see LAB_INVENTORY=inventory/mine ./lab logs api" in [cell["reason"] for cell in summary["cells"]]


def table_of(page: str, section: str = "## Every configuration") -> list[list[str]]:
    """Cells of the table of a section, the header first."""
    text = page.partition(f"{section}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[field.strip() for field in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines if "---" not in line]


def parts(page: str, *sections: str) -> str:
    """The answer, which stands before the first section, and these sections."""
    answer, *rest = re.split(r"^(?=## )", page, flags=re.MULTILINE)
    kept = [text for text in rest if text.splitlines()[0].removeprefix("## ") in sections]
    assert len(kept) == len(sections)
    return "".join([answer, *kept])


def test_summary_json_has_the_contract(reported):
    summary = json.loads((reported.dir / "summary.json").read_text())
    assert list(summary) == [
        *("schema", "run_id", "sweep", "colocated", "slo", "resumed", "cells", "recommendation", "rules", "scaling"),
        *("baseline", "sizing", "money", "next_sweep"),
    ]
    assert [list(cell) for cell in summary["cells"]] == [list(SUMMARY_KEYS)] * 6
    assert [cell["status"] for cell in summary["cells"]] == [
        "valid",
        "valid",
        "valid",
        "invalid",
        "failed",
        "infeasible",
    ]
    good = summary["cells"][1]
    assert good["config"] == {"replicas": 1, "cpus": 0.5, "memory_bytes": 268435456, "workers": 1}
    assert good["rps"] == pytest.approx((6000 - 3) / 12, abs=1e-6)
    assert set(good["api"]) == {
        *("cpu_cores", "throttled_percent", "memory_peak_bytes", "shared_memory_peak_bytes", "oom_kills", "restarts")
    }
    assert (good["meets_slo"], good["capacity_rps"], good["trials"]) == (True, None, 1)
    (host,) = good["hosts"]
    assert (host["name"], host["group"], host["memory_total_bytes"]) == ("lab-api", "api", 4096 * MIB)
    assert host["sent_bytes_per_second"] == pytest.approx(MIB)
    assert summary["recommendation"]["cell_id"] == "r1-c0.5-m256M-w1"
    dead = summary["cells"][4]
    assert (dead["rps"], dead["users"], dead["bottleneck"]) == (None, None, "memory")
    assert (reported.reports_dir / "summary.json").read_bytes() == (reported.dir / "summary.json").read_bytes()


def test_a_verdict_near_the_limit_is_undecided_on_the_page(tmp_path):
    """p95 is 86 ms, and the limit 100 ms."""
    run = Run(tmp_path, SWEEP.replace(b"p95_ms: 120", b"p95_ms: 100"))
    run.record("r1-c0.5-m256M-w1", Traffic(busy(6000)))
    measure_attempt(run.dir, "r1-c0.5-m256M-w1", 1)
    page = write_report(run.dir, tmp_path).read_text()
    assert "Whether it holds the SLO is undecided" in page and "| undecided | valid |" in page
    assert 'meets SLO: "undecided" if' in page
    assert re.search(r"`r1-c0.5-m256M-w1` is undecided: p95 86\.\d ms \(interval .*, limit 100 ms\)\n", page)
    cell = json.loads((run.dir / "summary.json").read_text())["cells"][1]
    low, high = cell["latency_intervals_ms"]["p95"]
    assert (cell["meets_slo"], low < 100 < high) == (None, True)


def test_summary_page_answers_first(reported, golden):
    page = (reported.dir / "summary.md").read_text()
    golden("summary_fixed.md", page)
    assert page.startswith("> **")  # both machines share one host
    assert page.index("**r1-c0.5-m256M-w1**") < page.index("## Every configuration")
    assert "1.04 times" in page
    rows = table_of(page)
    assert len(rows) == 1 + 6
    assert {len(row) for row in rows} == {19}
    by_status = {row[-1].split(":")[0]: row for row in rows[1:]}
    assert by_status["infeasible"][7:-2] == by_status["failed"][7:-2]
    assert set(by_status["infeasible"][6:-1]) == {MISSING}
    assert [row[0].removeprefix("**→** ") for row in rows[1:]] == [cell.id for cell in reported.plan.cells]
    assert [row[0].startswith("**→** ") for row in rows[1:]].index(True) == 1
    assert "`r1-c0.25-m256M-w1` **cpu throttled**" in page
    assert "`r1-c0.5-m32M-w1` **memory**" in page


def test_the_page_shows_what_tasks_raised_with_counts(run, golden):
    texts = {"KeyError: 'prediction'": 1200, "ValueError: <b>|": 30, **{f"OSError: {n}": 1 for n in range(10)}}
    run.record("r1-c0.5-m256M-w1", Traffic(busy(6000), raised=texts))
    measure_attempt(run.dir, "r1-c0.5-m256M-w1", 1)
    page = write_report(run.dir, run.reports_dir).read_text()
    golden("summary_exceptions.md", page)
    assert "`r1-c0.5-m256M-w1`: exceptions in tasks: 1240. " in page and "20.7 %" in page
    assert "1200 times: KeyError: 'prediction'" in page
    assert "30 times: ValueError: &lt;b&gt;\\|" in page
    (cell,) = [c for c in json.loads((run.dir / "summary.json").read_text())["cells"] if c["status"] == "valid"]
    assert (cell["failures"], cell["failure_percent"], cell["task_exceptions"]) == (0, 0.0, 1240)
    assert cell["failed_task_percent"] == pytest.approx(100 * 1240 / 6000, abs=1e-6)
    assert cell["meets_slo"] is False
    table = list(csv.DictReader(io.StringIO((run.dir / "summary.csv").read_text())))
    assert "1240" in {row["task_exceptions"] for row in table}


def test_lower_bounds_are_shown_as_such(run, golden):
    run.record("r1-c0.5-m256M-w1", Traffic(busy(6000), waited_ms=[40_000.0] * 100, raised={}))
    measure_attempt(run.dir, "r1-c0.5-m256M-w1", 1)
    page = write_report(run.dir, run.reports_dir).read_text()
    (row,) = [row for row in table_of(page) if row[-1] == "valid"]
    assert row[8].startswith(">= ")
    assert (row[10].startswith(">= "), row[11]) == (False, ">= 40000.0")
    golden("summary_lower_bounds.md", page)
    assert "100 of 6100 requests" in page
    (cell,) = [c for c in json.loads((run.dir / "summary.json").read_text())["cells"] if c["status"] == "valid"]
    assert cell["lower_bounds"] == ["mean", "p99"]
    page = write_page_without(run)
    assert "of 6100" not in page and ">=" not in page


WORKERS = SWEEP.replace(b"workers: [1]}\ninclude", b"workers: [1, 2]}\ninclude")


def test_an_axis_workers_that_changes_nothing_makes_its_cells_invalid(tmp_path, golden):
    run = Run(tmp_path / "reports", WORKERS)
    counted = {"r1-c0.25-m256M-w1": 2, "r1-c0.25-m256M-w2": 2, "r1-c0.5-m256M-w1": 1, "r1-c0.5-m256M-w2": 3}
    for cell_id, count in counted.items():
        run.record(cell_id, Traffic(busy(6000), raised={}, server_processes=count))
        measure_attempt(run.dir, cell_id, 1)
    golden("summary_workers.md", write_report(run.dir, run.reports_dir).read_text())
    rows = {row["id"]: row for row in json.loads((run.dir / "summary.json").read_text())["cells"]}
    assert {name: (rows[name]["status"], rows[name]["server_processes"]) for name in counted} == {
        "r1-c0.25-m256M-w1": ("invalid", 2),
        "r1-c0.25-m256M-w2": ("invalid", 2),
        "r1-c0.5-m256M-w1": ("valid", 1),
        "r1-c0.5-m256M-w2": ("valid", 3),
    }
    assert rows["r2-c0.5-m256M-w2"]["server_processes"] is None
    # An attempt is not to blame for what only the rows together show, so none is retried.
    trials = (run.attempt(name) / "trial.json" for name in counted)
    assert {json.loads(path.read_text())["status"] for path in trials} == {"valid"}
    table = {row["id"]: row for row in csv.DictReader((run.dir / "summary.csv").open(newline=""))}
    assert (table["r1-c0.5-m256M-w2"]["server_processes"], table["r2-c0.5-m256M-w2"]["server_processes"]) == ("3", "")


def test_behind_a_proxy_the_number_of_all_processes_decides(tmp_path):
    run = Run(tmp_path / "reports", WORKERS)
    counted = {"r1-c0.25-m256M-w1": 5, "r1-c0.25-m256M-w2": 6, "r1-c0.5-m256M-w1": 5, "r1-c0.5-m256M-w2": 5}
    for cell_id, processes in counted.items():
        run.record(cell_id, Traffic(busy(6000), raised={}, server_processes=2, processes=processes))
        measure_attempt(run.dir, cell_id, 1)
    page = write_report(run.dir, run.reports_dir).read_text()
    rows = {row["id"]: row for row in json.loads((run.dir / "summary.json").read_text())["cells"]}
    statuses = [rows[name]["status"] for name in counted]
    assert statuses == ["valid", "valid", "invalid", "invalid"]
    assert "workers 1 and 2 had 2 and 2 server processes in each replica, and 5 and 6 processes in all" in page
    assert "2 server processes of 5 processes in all with workers 1 and 2" in rows["r1-c0.5-m256M-w1"]["reason"]


def write_page_without(run) -> str:
    """The page of a run whose requests all had their response."""
    shutil.rmtree(run.attempt("r1-c0.5-m256M-w1"))
    run.record("r1-c0.5-m256M-w1", Traffic(busy(6000), raised={}))
    measure_attempt(run.dir, "r1-c0.5-m256M-w1", 1)
    return write_report(run.dir, run.reports_dir).read_text()


def test_what_logs_and_manifest_hold_stays_inert(reported):
    page = (reported.dir / "summary.md").read_text()
    assert "<script>" not in page
    assert "\x1b" not in page
    assert "Killed &lt;script&gt; | 137" in page  # within <pre>
    assert r"versions" in page and r"a\|b &lt;script&gt;" in page
    assert f"- `{MANIFEST['commands'][0]}`" in page
    assert "- `ansible-playbook sweep.yml -e 'ansible_become_pass=***'`" in page
    assert "hunter2" not in page
    assert "- 1.name: lab-api" in page
    assert f"### model\n\n- {MISSING}" in page


def test_a_resume_with_another_sweep_file_is_in_page_and_summary(reported, golden):
    summary = json.loads((reported.dir / "summary.json").read_text())
    assert summary["resumed"] == []
    slo = Difference(name="slo.p95_ms", planned="120", now="50")
    for hour, differences in enumerate(([], [slo, Difference(name="name", planned="quick", now="other|`x`")])):
        continue_manifest(reported.dir, "./lab", differences, datetime(2026, 11, 22, hour, tzinfo=UTC))
    stored = json.loads((reported.dir / "manifest.json").read_text())
    key = {"key": "0" * 32, "values": {"WORK": "1" * 32}}
    put(reported.dir / "manifest.json", stored | {"environment": key})
    page = write_report(reported.dir, reported.reports_dir).read_text()
    golden("resumed.md", parts(page, "Environment"))
    resumed = json.loads((reported.dir / "summary.json").read_text())["resumed"]
    assert [(entry["at"], len(entry["differences"])) for entry in resumed] == [
        ("2026-11-22T00:00:00Z", 0),
        ("2026-11-22T01:00:00Z", 2),
    ]
    assert "1" * 32 not in page
    # The figures are those of the plan.
    assert "SLO: p95 at most 120 ms" in page


@pytest.mark.parametrize("damage", ["{torn", '{"resumed": 7}', '{"resumed": [{"at": 7}]}'])
def test_what_is_not_known_of_resumes_is_null(reported, damage):
    (reported.dir / "manifest.json").write_text(damage)
    write_report(reported.dir, reported.reports_dir)
    assert json.loads((reported.dir / "summary.json").read_text())["resumed"] is None


def test_a_damaged_manifest_costs_its_section_alone(reported):
    whole = (reported.dir / "summary.md").read_text()
    (reported.dir / "manifest.json").write_text("{torn")
    page = write_report(reported.dir, reported.reports_dir).read_text()
    assert "manifest.json: is not valid JSON" in page and "versions and digests are not shown" in page
    assert page.partition("### manifest")[0] == whole.partition("### versions")[0]


def test_csv_is_one_line_a_cell_and_holds_no_formula(reported):
    text = (reported.dir / "summary.csv").read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["id"] for row in rows] == [cell.id for cell in reported.plan.cells]
    assert rows[1]["meets_slo"] == "true"
    assert float(rows[1]["p95_ms"]) < 100
    assert (rows[4]["rps"], rows[4]["reason"]) == ("", "out of memory: killed at the 32M limit | =1+1")


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r\n=HYPERLINK(1)"])
def test_a_reason_that_looks_like_a_formula_is_quoted(run, start):
    run.record_death("r1-c0.5-m32M-w1", "crash", start)
    measure_attempt(run.dir, "r1-c0.5-m32M-w1", 1)
    write_report(run.dir, run.reports_dir)
    rows = list(csv.DictReader((run.dir / "summary.csv").open(newline="")))
    assert rows[4]["reason"] == "'" + start.strip()


def test_the_same_files_give_the_same_bytes(reported):
    files = ["summary.json", "summary.csv", "summary.md", "summary.html", "next.yml", "plots/rps.svg"]
    before = [(reported.dir / name).read_bytes() for name in files]
    for name in files:
        (reported.dir / name).unlink()
    measure_run(reported.dir)
    write_report(reported.dir, reported.reports_dir)
    assert [(reported.dir / name).read_bytes() for name in files] == before


def test_an_unfinished_run_says_so(run, golden):
    run.record("r1-c0.5-m256M-w1", Traffic(busy(6000)))
    measure_attempt(run.dir, "r1-c0.5-m256M-w1", 1)
    page = write_report(run.dir, run.reports_dir).read_text()
    golden("summary_unfinished.md", page)
    assert "**4 of 6 " in page
    assert [row[-1] for row in table_of(page)[1:]].count("not measured") == 4
    summary = json.loads((run.dir / "summary.json").read_text())
    assert [cell["status"] for cell in summary["cells"]] == [None, "valid", None, None, None, "infeasible"]


def test_a_run_without_any_measurement_still_reports(run, golden):
    golden("summary_unmeasured.md", write_report(run.dir, run.reports_dir).read_text())
    assert json.loads((run.dir / "summary.json").read_text())["recommendation"]["cell_id"] is None


def test_a_run_without_a_valid_cell_says_what_to_remove(run, golden):
    """A cell that only the generator made invalid, others that are disturbed, too small or broken."""
    put(run.dir / "manifest.json", MANIFEST)
    run.record("r1-c0.25-m256M-w1", Traffic(busy(2400), worker_cpu_percent=97.0))
    run.record("r1-c0.5-m256M-w1", Traffic(busy(6000), haproxy_extra=900))
    run.record("r2-c0.25-m256M-w1", Traffic(busy(6000), timeline={"workers_lost": 1}))
    run.record_death("r2-c0.5-m256M-w1", "crash", "replica 2 exited with code 1; 3 times")
    reason = "replica 1 needed more than its memory limit of 32M: killed by the kernel (exit 137, OOM)"
    run.record_death("r1-c0.5-m32M-w1", "oom", reason)
    for step in run.plan.steps:
        measure_attempt(run.dir, step.cell_id, step.attempt)
    page = write_report(run.dir, run.reports_dir).read_text()
    golden("summary_no_valid.md", page)
    summary = json.loads((run.dir / "summary.json").read_text())
    states = ["invalid", "invalid", "invalid", "failed", "failed", "infeasible"]
    assert [cell["status"] for cell in summary["cells"]] == states
    assert summary["recommendation"]["cell_id"] is None
    assert "**Before you rely on it**" not in page and "To use the configuration" not in page


def test_two_machines_have_no_banner_and_extra_axes_a_column(tmp_path):
    sweep = SWEEP.replace(b"workers: [1]}", b"workers: [1], variant: [onnx, sklearn]}")
    run = Run(tmp_path, sweep, colocated=False)
    page = write_report(run.dir, tmp_path).read_text()
    assert page.startswith("# Sweep quick")
    header, *rows = table_of(page)
    column = header.index("variant")
    assert [row[column] for row in rows] == ["onnx", "sklearn"] * 4 + [MISSING, MISSING]


def test_repeated_trials_show_their_spread(tmp_path):
    run = Run(tmp_path, SWEEP + b"repeat: 2\n")
    for number, count in ((1, 1200), (2, 2400)):
        run.record("r1-c0.5-m256M-w1", Traffic(busy(count)), number=number)
        measure_attempt(run.dir, "r1-c0.5-m256M-w1", number)
    assert "| 150.0 (100.0 to 200.0) |" in write_report(run.dir, tmp_path).read_text()


def test_only_the_newest_run_is_copied(tmp_path):
    old = Run(tmp_path, run_id="20261121T000000Z-quick")
    new = Run(tmp_path, run_id="20261122T000000Z-quick")
    cell_id = new.plan.steps[0].cell_id
    new.record(cell_id, Traffic(busy(1200)))
    measure_attempt(new.dir, cell_id, 1)
    (tmp_path / "zz-notes").mkdir()
    write_report(new.dir, tmp_path)
    write_report(old.dir, tmp_path)
    assert newest_run(tmp_path) == new.dir
    page = (tmp_path / "summary.md").read_text()
    assert "20261122T000000Z-quick" in page and "20261121T000000Z-quick" not in page
    links = re.findall(r"\]\(([^)]+)\)", page)
    assert f"{new.dir.name}/cells/" in links
    assert [link for link in links if not (tmp_path / link).exists()] == []


def test_a_missing_run_is_reported_with_the_command(tmp_path):
    with pytest.raises(InputError, match=r"holds no run yet. To start one: \./lab sweep"):
        newest_run(tmp_path)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"id": "other"}', '{"id": "r1-c0.5-m256M-w1", "config": {}}'])
def test_a_damaged_cell_is_named_and_nothing_is_published(reported, content):
    before = (reported.dir / "summary.md").read_bytes()
    path = reported.dir / "cells" / "r1-c0.5-m256M-w1" / "cell.json"
    path.write_text(content)
    with pytest.raises(LabError, match=r"cell\.json"):
        write_report(reported.dir, reported.reports_dir)
    assert (reported.dir / "summary.md").read_bytes() == before


# Both are results, and not missing measurements.
@pytest.mark.parametrize("name", ["cell.json", ""], ids=["file", "folder"])
def test_a_row_that_is_a_link_to_a_missing_file_is_damaged(reported, name):
    link = reported.dir / "cells" / "r1-c0.5-m256M-w1" / name
    moved = link.rename(reported.dir / "elsewhere")
    link.symlink_to(reported.dir / "nowhere")
    before = (reported.dir / "summary.md").read_bytes()
    with pytest.raises(
        LabError, match=r"cell\.json: is damaged: .* is a link to a missing file or folder.*--remeasure"
    ):
        write_report(reported.dir, reported.reports_dir)
    assert (reported.dir / "summary.md").read_bytes() == before
    # A link to a file or folder that is there is read.
    link.unlink()
    link.symlink_to(moved)
    write_report(reported.dir, reported.reports_dir)
    assert (reported.dir / "summary.md").read_bytes() == before


@pytest.mark.parametrize("mode", ["steps", ["fixed"], None])
def test_a_run_of_a_mode_that_is_not_known_is_refused(run, mode):
    plan = json.loads((run.dir / "plan.json").read_text())
    put(run.dir / "plan.json", plan | {"load": plan["load"] | {"mode": mode}})
    with pytest.raises(LabError, match="this version knows fixed and capacity"):
        write_report(run.dir, run.reports_dir)


@pytest.mark.parametrize("text", ["a|b", "<b>", "[x](y)", "`x`", "*x*", "# x", "a\nb\r\nc", "\x1b[31mred", "x\u2028y"])
def test_markdown_text_is_one_inert_line(text):
    safe = markdown(text)
    assert "\n" not in safe and "<" not in safe
    assert not re.search(r"(?<!\\)[|`*#\[\]]", safe)
    assert one_line(one_line(text)) == one_line(text)


# What GitHub would make a link of, or show in another order; a reader sees the text itself.
@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("see https://evil.example/x_y?a=1#b", "see https://evil.example/x_y?a=1#b"),
        ("HTTP://a.example and ftp://b.example", "HTTP://a.example and ftp://b.example"),
        ("(www.evil.example) WWW.x.y", "(www.evil.example) WWW.x.y"),
        ("invoice\u202egnp.exe \u2066a\u2069 \u200fb", "invoicegnp.exe a b"),
    ],
)
def test_markdown_makes_no_link_of_a_url_and_keeps_its_order(text, seen):
    safe = markdown(text)
    assert "://" not in safe and "www." not in safe.lower()
    assert html.unescape(re.sub(r"\\(.)", r"\1", safe)) == seen
    assert one_line(text) == seen


# --- An evolution ---------------------------------------------------------------------------------------------------

EVOLUTION = b"""\
name: quick
slo: {p95_ms: 2000}
load:
  users: 40
  measure_seconds: 12
  cases: [{when: {variant: [slow, dead]}, users: 2, warmup_seconds: 3}]
matrix: {variant: [slow, dead, fast], replicas: [1], cpus: [0.5], memory: [256M], workers: [1]}
include: [{replicas: 1, cpus: 0.5, memory: 256M, workers: 1, variant: fast, locustfile: empty.py}]
"""
CORE = "r1-c0.5-m256M-w1"
SLOW = {"database": 10.0, "mlflow": 300.0, "preparing": 20.0, "inference": 50.0}


@pytest.fixture
def evolution(tmp_path) -> Run:
    """Two stages, one that died between them, and a yardstick."""
    run = Run(tmp_path / "reports", EVOLUTION, colocated=False)
    slow = metrics_text("/predict", 30, 400.0, SLOW, variant="slow", model="each_request", columns="memory")
    fast = metrics_text("/predict", 9, 2.0, {"inference": 0.5}, variant="fast", model="once", columns="memory")
    empty = metrics_text("/empty", 9, 0.5, {}, variant="fast", model="once", columns="memory")
    run.record(f"{CORE}-variantslow", Traffic(busy(30, users=2, think_ms=0), think_ms=0, metrics=[slow], outside=3))
    run.record_death(f"{CORE}-variantdead", "oom", "out of memory at 256M")
    run.record(f"{CORE}-variantfast", Traffic(busy(1200, think_ms=0), think_ms=0, metrics=[fast]))
    yardstick = Traffic(busy(2400, think_ms=0), think_ms=0, metrics=[empty], target=("GET", "/empty"))
    run.record(f"{CORE}-locustfileempty-variantfast", yardstick)
    for step in run.plan.steps:
        measure_attempt(run.dir, step.cell_id, step.attempt)
    return run


def test_summary_json_has_the_parts_of_a_request_and_the_choices(evolution):
    write_report(evolution.dir, evolution.reports_dir)
    slow, dead, fast, empty = json.loads((evolution.dir / "summary.json").read_text())["cells"]
    assert slow["choices"] == {"variant": "slow", "model": "each_request", "columns": "memory"}
    parts = slow["request_parts"]
    assert (parts["endpoint"], parts["requests"], parts["mean_ms"]) == ("/predict", 30, pytest.approx(400))
    assert parts["parts_ms"] == pytest.approx(SLOW | {"rest": 20.0})
    assert fast["request_parts"]["parts_ms"]["mlflow"] is None
    assert empty["request_parts"]["endpoint"] == "/empty"
    assert (dead["request_parts"], dead["choices"]) == (None, None)
    assert [cell["users"] for cell in (slow, dead, fast, empty)] == [2, None, 40, 40]


def test_the_ladder_is_a_table_in_the_order_of_the_file(evolution, golden):
    page = write_report(evolution.dir, evolution.reports_dir).read_text()
    golden("summary_evolution.md", page)
    rows = table_of(page, "## The ladder")[1:]
    assert [[row[0], row[2]] for row in rows] == [
        ["slow", "2.50"],
        ["dead", MISSING],
        ["fast", "100.0"],
        ["GET /empty of fast", "200.0"],
    ]
    assert [row[4] for row in rows] == ["x1", MISSING, "x40", "x80"]
    assert [row[5:11] for row in rows] == [
        ["400.0", "2", "75", "5", "12", "5"],
        [MISSING] * 6,
        ["2.00", MISSING, MISSING, MISSING, "25", "75"],
        ["0.50", MISSING, MISSING, MISSING, MISSING, "100"],
    ]
    assert [row[-1] for row in rows] == ["valid", "failed: out of memory at 256M", "valid", "valid"]


def test_the_ladder_has_a_picture_that_is_linked(evolution):
    page = write_report(evolution.dir, evolution.reports_dir).read_text()
    assert "](plots/ladder.svg)" in page
    assert "GET /empty of fast" in (evolution.dir / "plots/ladder.svg").read_text()
    top = (evolution.reports_dir / "summary.md").read_text()
    assert f"]({evolution.dir.name}/plots/ladder.svg)" in top


def test_other_loads_are_shown_with_their_cells(evolution):
    page = write_report(evolution.dir, evolution.reports_dir).read_text()
    slow, dead = f"`{CORE}-variantslow`", f"`{CORE}-variantdead`"
    assert f": {slow}, {dead}\n" in page
    assert f": `{CORE}-locustfileempty-variantfast`\n" in page


def test_a_yardstick_is_never_recommended(evolution):
    write_report(evolution.dir, evolution.reports_dir)
    summary = json.loads((evolution.dir / "summary.json").read_text())
    # GET /empty is the fastest, and predicts nothing.
    assert summary["recommendation"]["cell_id"] == f"{CORE}-variantfast"
    assert f"{CORE}-locustfileempty" not in summary["recommendation"]["sentence"]


@pytest.mark.parametrize(("include", "chosen"), [(True, None), (False, f"{CORE}-locustfileempty")])
def test_where_every_cell_is_a_yardstick_one_of_them_is_chosen(tmp_path, include, chosen):
    sweep = SWEEP.replace(b"workers: [1]}", b"workers: [1], locustfile: [empty.py]}")
    run = Run(tmp_path, sweep if include else sweep[: sweep.index(b"include")])
    run.record(f"{CORE}-locustfileempty", Traffic(busy(6000)))
    measure_attempt(run.dir, f"{CORE}-locustfileempty", 1)
    write_report(run.dir, tmp_path)
    assert json.loads((run.dir / "summary.json").read_text())["recommendation"]["cell_id"] == chosen


def test_csv_has_the_parts_the_choices_and_the_ladder(evolution):
    write_report(evolution.dir, evolution.reports_dir)
    rows = list(csv.DictReader((evolution.dir / "summary.csv").open(newline="")))
    slow, dead, fast, empty = rows
    assert (slow["request_endpoint"], slow["request_count"], slow["request_mlflow_ms"]) == ("/predict", "30", "300.0")
    assert (fast["request_mlflow_ms"], fast["request_inference_ms"], fast["choice_model"]) == ("", "0.5", "once")
    assert (empty["request_rest_ms"], empty["ladder_stage"]) == ("0.5", "GET /empty of fast")
    assert (dead["request_endpoint"], dead["choice_model"], dead["ladder_factor"]) == ("", "", "")
    assert [float(row["ladder_factor"]) for row in (slow, fast, empty)] == pytest.approx([1, 40, 80], rel=1e-5)


@pytest.mark.parametrize(
    ("broken", "page_name"),
    [
        ({"metrics_problem": "replica 1: GET /metrics: status 404 | <x>"}, "summary_metrics_refused.md"),
        ({}, "summary_metrics_absent.md"),
    ],
)
def test_a_stage_that_does_not_say_where_its_time_goes_is_named(evolution, golden, broken, page_name):
    folder = evolution.attempt(f"{CORE}-variantfast")
    for path in folder.glob("metrics-*.prom"):
        path.unlink()
    put(folder / "after.json", json.loads((folder / "after.json").read_text()) | broken)
    measure_run(evolution.dir)
    page = write_report(evolution.dir, evolution.reports_dir).read_text()
    golden(page_name, parts(page, "The ladder"))
    row = table_of(page, "## The ladder")[3]
    assert (row[2], row[4], row[5:11], row[-1]) == ("100.0", "x40", [MISSING] * 6, "valid")


def test_a_sweep_without_stages_has_no_ladder(reported):
    page = (reported.dir / "summary.md").read_text()
    assert "## The ladder" not in page and "another load" not in page
    assert not (reported.dir / "plots/ladder.svg").exists()
    assert "ladder_stage" not in (reported.dir / "summary.csv").read_text()


def test_cells_of_an_earlier_version_are_reported_with_what_they_have(reported):
    for path in reported.dir.glob("cells/*/cell.json"):
        row = json.loads(path.read_text())
        put(path, {key: row[key] for key in row if key not in NEWER_KEYS})
    write_report(reported.dir, reported.reports_dir)
    cells = json.loads((reported.dir / "summary.json").read_text())["cells"]
    assert [list(cell) for cell in cells] == [list(SUMMARY_KEYS)] * 6
    assert [cell["request_parts"] for cell in cells] == [None] * 6
    assert [cell["hosts"] for cell in cells] == [None] * 6
    assert "The use of the hosts is not known" in (reported.dir / "summary.md").read_text()


# --- Retries --------------------------------------------------------------------------------------------------------


def test_retried_attempts_are_reported(reported, golden):
    path = reported.dir / "cells" / "r1-c0.5-m256M-w1" / "cell.json"
    row = json.loads(path.read_text())
    put(path, row | {"retries": [{"attempt": 1, "reason": "9 % of the CPU was stolen | <b>"}]})
    page = write_report(reported.dir, reported.reports_dir).read_text()
    golden("summary_one_retry.md", parts(page, "Are the figures valid?"))
    assert "9 % of the CPU was stolen \\| &lt;b&gt;\n" in page
    assert "1 of 5 " not in page  # at most 20 %
    summary = json.loads((reported.dir / "summary.json").read_text())
    assert [len(cell["retries"]) for cell in summary["cells"]] == [0, 1, 0, 0, 0, 0]
    put(path, row | {"retries": [{"attempt": 1, "reason": "stolen"}, {"attempt": 1, "reason": None}]})
    page = write_report(reported.dir, reported.reports_dir).read_text()
    golden("summary_two_retries.md", parts(page, "Are the figures valid?"))
    assert "- 2 of 5 " in page


def test_without_a_valid_cell_neither_page_speaks_of_relying_on_figures(run):
    for step in run.plan.steps:
        run.record_death(step.cell_id, "oom", "killed")
        measure_attempt(run.dir, step.cell_id, step.attempt)
        path = run.dir / "cells" / step.cell_id / "cell.json"
        put(path, json.loads(path.read_text()) | {"retries": [{"attempt": 1, "reason": "late"}]})
    page = write_report(run.dir, run.reports_dir).read_text()
    assert "**Before you measure again**\n\n- 5 of 5 attempts were invalid and were retried. " in page
    text = (run.dir / "summary.html").read_text()
    assert "<h2>Before you measure again</h2>" in text
    assert "Before you rely" not in page and "Before you rely" not in text


def test_a_run_without_retries_says_nothing_of_them(reported):
    page = (reported.dir / "summary.md").read_text()
    assert "**retried**" not in page and "## Capacity" not in page and "A/A" not in page and "twin" not in page


# --- Capacity -------------------------------------------------------------------------------------------------------

CELLS = [f"r{replicas}-c{cpus}-m512M-w1" for replicas in (1, 2, 4) for cpus in ("0.5", "1")]
TWIN = f"{CELLS[0]}-twin"


@pytest.fixture
def searched(tmp_path) -> CapacityRun:
    """Six configurations and a twin, three deployments each; one that died, one the generator was too slow for."""
    run = CapacityRun(tmp_path / "reports").fill()
    slow = {"is_lower_bound": True, "estimate_rps": None, "interval_rps": None, "limited_by": "generator"}
    run.put(CELLS[4], [deployment(number, 1000.0, **slow) for number in (1, 2, 3)], [Retry(attempt=2, reason="late")])
    died = deployment(1, 1.0, status="failed", reason="out of memory", capacity=None, probes=())
    run.put(CELLS[3], [died, died, died])
    return run


def test_capacities_are_a_table(searched, golden):
    page = write_report(searched.dir, searched.reports_dir).read_text()
    golden("summary_capacity.md", page)
    rows = table_of(page, "## Capacity")[1:]
    cells = [*CELLS[:5], f"**→** {CELLS[5]}", f"{TWIN} (twin of {CELLS[0]})"]
    assert [row[0] for row in rows] == cells
    assert len(re.findall(r"[\d.]+", rows[0][3])) == 3  # an estimate and its interval
    assert (rows[4][1], rows[4][2].split()[-1], rows[4][3]) == ("3", "960.0", MISSING)
    assert (rows[4][10] == MISSING, rows[0][10], rows[3][11]) == (False, MISSING, "failed")
    assert set(rows[3][1:7]) == {MISSING}
    assert float(rows[0][8]) == pytest.approx(float(rows[0][2]) / 0.5535, rel=0.01)


def test_the_recommendation_is_of_a_capacity(searched):
    page = write_report(searched.dir, searched.reports_dir).read_text()
    summary = json.loads((searched.dir / "summary.json").read_text())
    assert summary["recommendation"]["cell_id"] == CELLS[5]
    assert page.index(f"**{CELLS[5]}**") < page.index("## Capacity") < page.index("## Every configuration")
    best = summary["cells"][5]
    assert best["capacity_rps"] == best["capacity"]["verified_rps"]
    assert list(best["capacity"]) == [
        *("verified_rps", "at_least", "estimate_rps", "interval_rps", "lower_bound_rps"),
        *("deployments", "between_deployments", "limited_by", "next_step", "verified_users", "estimate_users"),
        "verified_iterations_per_second",
    ]
    assert [cell["twin_of"] for cell in summary["cells"]] == [None] * 6 + [CELLS[0]]


def test_the_page_says_what_to_do_where_no_rate_was_verified(searched):
    step = "Use load.profile: publish, which has up to 1200 s of load for each deployment."
    lost = {"verified_rps": None, "next_step": step, "sentence": "No rate held the SLO."}
    searched.put(CELLS[0], [deployment(number, 150.0, **lost) for number in (1, 2, 3)])
    page = write_report(searched.dir, searched.reports_dir).read_text()
    assert f"- {CELLS[0]}: no rate was verified. {step}" in page.replace("\\", "")
    assert page.replace("\\", "").count(f"No rate held the SLO. {step}") == 3  # of each deployment, above its probes


def test_the_chosen_one_is_compared_with_every_other_that_could_have_been(searched):
    page = write_report(searched.dir, searched.reports_dir).read_text()
    rows = table_of(page, "## Is it better?")[1:]
    assert [row[0] for row in rows] == [f"`{name}`" for name in (*CELLS[:3], CELLS[4])]
    assert [row[4] for row in rows] == ["**better**"] * 3 + ["**undecided**"]
    assert all(re.fullmatch(r"[\d.]+ to [\d.]+", row[2]) for row in rows)


def test_the_twin_says_how_much_is_noise(searched):
    page = write_report(searched.dir, searched.reports_dir).read_text()
    section = page.partition("## Control pair (A/A): one configuration under two names")[2].partition("\n## ")[0]
    assert f"{CELLS[0]}: " in section and f"{TWIN}: " in section
    # The noise, the confidence of the interval, and the least difference that counts.
    assert len(re.findall(r"[\d.]+ %", section)) == 3


def test_noise_that_is_not_controlled_flags_the_run(searched, golden):
    searched.put(TWIN, [deployment(number, 150.0 + number / 10) for number in (1, 2, 3)])
    page = write_report(searched.dir, searched.reports_dir).read_text()
    golden("summary_noise.md", parts(page, "Is it better?", "Control pair (A/A): one configuration under two names"))
    assert {row[4] for row in table_of(page, "## Is it better?")[1:]} == {"**undecided**"}


def test_one_deployment_of_each_is_not_compared(tmp_path, golden):
    run = CapacityRun(tmp_path, CAPACITY_SWEEP.replace(b"repeat: 3", b"repeat: 1")).fill()
    page = write_report(run.dir, tmp_path).read_text()
    golden("summary_one_deployment.md", parts(page, "Capacity", "Is it better?"))
    assert table_of(page, "## Is it better?") == []
    assert len(re.findall(r"[\d.]+", table_of(page, "## Capacity")[1][3])) == 3  # an interval nevertheless


def test_every_trial_of_every_search_is_folded_away(searched):
    page = write_report(searched.dir, searched.reports_dir).read_text()
    section = page.partition("## The probes of each search")[2].partition("\n## ")[0]
    assert section.count("<details>") == section.count("</details>") == 6
    assert re.search(rf"<summary>{CELLS[0]}: 27 .*13 min 30 s.*</summary>", section)
    probe, first = table_of(page, "## The probes of each search")[1:3]
    assert (probe[1], *re.findall(r"\d+", probe[2])) == ("probe", "12", "25")
    assert (first[1], first[8]) == ("bracket", "good")
    assert first[2].endswith(" 25 s")


def test_what_a_trial_holds_stays_inert(searched):
    odd = ProbeRow(number=1, reason="a|b <script>", verdict="`x`")
    odd_run = [deployment(number, 100.0, probes=(odd,), sentence="# <b>|") for number in (1, 2, 3)]
    searched.put(CELLS[0], odd_run)
    page = write_report(searched.dir, searched.reports_dir).read_text()
    assert "<script>" not in page and "<b>" not in page
    row = table_of(page, "## The probes of each search")[1]
    assert row[:2] + row[3:] == ["1", *[MISSING] * 6, r"\`x\`", r"a\|b &lt;script&gt;"]
    assert row[2].count(MISSING) == 2


def test_the_setting_has_seeds_and_blocks(searched):
    page = write_report(searched.dir, searched.reports_dir).read_text()
    plan = searched.plan
    assert f"- seed of the order: {plan.seed}\n" in page
    for number in (1, 2, 3):
        steps = [step for step in plan.steps if step.block == number]
        told = ", ".join(f"{step.cell_id} (seed {step.seed})" for step in steps)
        assert len(steps) == 7 and f"- block {number} of 3: {told}\n" in page


def test_retries_of_a_search_are_reported(searched):
    page = write_report(searched.dir, searched.reports_dir).read_text()
    assert re.search(rf"^- `{CELLS[4]}` .*2.*: late$", page, re.MULTILINE)


def test_a_target_gives_the_cheapest_cell_and_its_dependence_on_the_headroom(tmp_path, golden):
    sweep = CAPACITY_SWEEP.replace(b"standard}", b"standard, target_rps: 300}")
    run = CapacityRun(tmp_path, sweep).fill()
    page = write_report(run.dir, tmp_path).read_text()
    golden("summary_target.md", parts(page, "Is it better?"))
    assert f"**{CELLS[1]}**" in page
    meets = [row[-2] for row in table_of(page)[1:]]
    assert meets == ["no", "yes", "yes", "yes", "yes", "yes", "no"]


def test_a_smoke_run_says_that_it_is_one(tmp_path, golden):
    sweep = CAPACITY_SWEEP.replace(b"standard", b"smoke").replace(b"repeat: 3", b"repeat: 1")
    run = CapacityRun(tmp_path, sweep).fill()
    page = write_report(run.dir, tmp_path).read_text()
    golden("summary_smoke.md", parts(page))
    assert "## A/A" not in page  # no anchor


def test_the_same_rows_of_a_search_give_the_same_bytes(searched):
    files = ["summary.json", "summary.csv", "summary.md", "summary.html", "next.yml", "plots/rps.svg"]
    write_report(searched.dir, searched.reports_dir)
    before = [(searched.dir / name).read_bytes() for name in files]
    write_report(searched.dir, searched.reports_dir)
    assert [(searched.dir / name).read_bytes() for name in files] == before


def test_an_unfinished_search_reports(tmp_path, golden):
    run = CapacityRun(tmp_path)
    golden("summary_unmeasured_capacity.md", write_report(run.dir, tmp_path).read_text())
    assert json.loads((run.dir / "summary.json").read_text())["recommendation"]["cell_id"] is None


def test_a_run_of_five_hundred_cells_is_reported_whole(tmp_path):
    run = CapacityRun(tmp_path, LARGE_SWEEP).fill()
    page = write_report(run.dir, tmp_path).read_text()
    count = len(run.plan.cells)
    assert count == 501  # and a twin
    assert len(table_of(page, "## Capacity")) == len(table_of(page)) == 1 + count
    assert len(table_of(page, "## Is it better?")) == 1 + count - 2  # neither itself nor the twin
    assert page.partition("## The probes of each search")[2].partition("\n## ")[0].count("<details>") == count
    assert len(table_of(page, "# Sweep large: which configuration, and why")) == 1 + 12  # of the first screen
    assert len(list(csv.DictReader((run.dir / "summary.csv").open(newline="")))) == count


def test_the_ladder_of_a_run_with_a_twin_keeps_to_its_lines(tmp_path):
    sizes = b"replicas: [1, 2, 4], cpus: [0.5, 1]"
    assert sizes in CAPACITY_SWEEP
    sweep = CAPACITY_SWEEP.replace(sizes, b"variant: [native, onnx, onnx_batched], replicas: [2], cpus: [1]")
    run = CapacityRun(tmp_path, sweep).fill()
    write_report(run.dir, tmp_path)
    rows = list(csv.DictReader((run.dir / "summary.csv").open(newline="")))
    assert [row["ladder_stage"] for row in rows] == ["native", "onnx", "onnx_batched", ""]
