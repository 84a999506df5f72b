"""The command line, run as users run it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from swarmsweep.cli import main

ROOT = Path(__file__).parents[2]
QUICK = str(ROOT / "sweeps" / "quick.yml")


@pytest.fixture
def quick(tmp_path) -> str:
    """A copy of the quick sweep, away from the repository's locustfiles."""
    path = tmp_path / "sweeps" / "quick.yml"
    path.parent.mkdir()
    path.write_bytes(Path(QUICK).read_bytes())
    return str(path)


def module(*arguments: str) -> subprocess.CompletedProcess:
    """``python -m swarmsweep`` from the repository's root."""
    command = [sys.executable, "-m", "swarmsweep", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_module_refuses_a_bad_file_without_a_traceback(tmp_path):
    bad = tmp_path / "bad.yml"
    bad.write_text("name: X\n")
    done = module("check", str(bad))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: {bad}:1: load: is missing\n")
    assert "Traceback" not in done.stderr


def test_a_full_disk_for_the_output_is_an_error_without_a_traceback():
    command = [sys.executable, "-m", "swarmsweep", "plan", QUICK]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "error: [Errno 28] No space left on device\n")


def test_checking_loads_no_heavy_library(quick):
    heavy = "{'numpy', 'pandas', 'jinja2', 'ansible'}"
    code = f"import sys; from swarmsweep.cli import main; main(sys.argv[1:]); print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code, "check", quick], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_check_reports_every_file(quick, tmp_path, capsys):
    bad = tmp_path / "bad.yml"
    bad.write_text("")
    assert main(["check", str(bad), quick, str(tmp_path / "none.yml")]) == 2
    out, err = capsys.readouterr()
    assert "valid: 7 cells x 1 attempt\n" in out
    assert "is empty" in err and "no such sweep file" in err


def plan_of(capsys, *arguments: str) -> str:
    """What `plan` prints where nothing is known of the lab unless an option says so."""
    assert main(["plan", "--inventory", os.devnull, "--reports-dir", "/none", *arguments]) == 0
    return capsys.readouterr().out


def without_place_and_time(out: str, folder: str | Path) -> str:
    """The same text wherever the test runs, and whenever: without the folder and the times of the clock."""
    time = r"(?:[A-Z][a-z]{2} \d+ [A-Z][a-z]{2} (?:\d{4} )?)?\d\d:\d\d [A-Z0-9+-]+"
    return re.sub(time, "TIME", out.replace(str(folder), "FOLDER"))


def test_plan_prints_cells_reasons_and_duration(quick, capsys, tmp_path, golden):
    out = plan_of(capsys, quick, "--api-cpus", "1", "--api-memory", "4G")
    golden("cli_plan.txt", without_place_and_time(out, tmp_path))
    assert re.search(r"^1  r1-c0\.1-m256M-w1 +33 \(21 \+ 12\)$", out, re.MULTILINE)
    assert re.search(r"^7  r1-c2-m256M-w1 +-  .*2 CPUs", out, re.MULTILINE)
    assert "6 deployments: 2 min 6 s" in out


def test_plan_with_a_seed_prints_the_order(quick, capsys):
    first = plan_of(capsys, quick, "--seed", "5")
    assert "at random by seed 5 (from --seed):" in first
    assert (
        plan_of(capsys, quick, "--seed", "5").split("Order")[1].splitlines()[:2]
        == (first.split("Order")[1].splitlines()[:2])
    )


def test_plan_takes_the_seed_of_the_file(quick, capsys):
    path = Path(quick)
    path.write_text(path.read_text() + "seed: 11\n")
    assert "by seed 11 (from the sweep file):" in plan_of(capsys, quick)
    assert "by seed 7 (from --seed):" in plan_of(capsys, quick, "--seed", "7")


def test_plan_warns_of_oversubscription(quick, capsys, tmp_path, golden):
    out = plan_of(capsys, quick, "--api-cpus", "0.75")
    golden("cli_plan_oversubscribed.txt", without_place_and_time(out, tmp_path))
    assert "have 0.75" in out


def test_plan_shows_users_and_seconds_where_cells_differ(quick, capsys):
    path = Path(quick)
    path.write_text(path.read_text().replace("matrix:", "  cases: [{when: {cpus: 0.1}, users: 4}]\nmatrix:", 1))
    out = plan_of(capsys, quick, "--api-cpus", "1", "--api-memory", "4G")
    assert re.search(r"^1  r1-c0\.1-m256M-w1   4 users +32 \(20 \+ 12\)$", out, re.MULTILINE)
    assert re.search(r"^2  r1-c0\.5-m256M-w1   40 users +33 \(21 \+ 12\)$", out, re.MULTILINE)
    assert re.search(r"^7  r1-c2-m256M-w1     40 users +-  .*2 CPUs", out, re.MULTILINE)
    assert "6 deployments: 2 min 4 s" in out


def test_plan_knows_the_hosts_and_seconds_of_earlier_runs(finished_run, quick, capsys, golden):
    reports = str(finished_run.reports_dir)
    assert main(["plan", quick, "--inventory", os.devnull, "--reports-dir", reports]) == 0
    by_run = capsys.readouterr().out
    assert re.search(rf"^API hosts: .*1 CPU .*4\.0 GiB.*1\.0 GiB.*{finished_run.dir.name}", by_run, re.MULTILINE)
    assert re.search(r" -  .*one replica needs 2 CPUs", by_run)
    assert main(["plan", quick, "--inventory", os.devnull, "--reports-dir", reports, "--api-cpus", "2"]) == 0
    by_option = capsys.readouterr().out
    assert re.search(r"^API hosts: .*2 CPUs .*4\.0 GiB.*1\.0 GiB", by_option, re.MULTILINE)
    assert " -  " not in by_option
    golden("cli_plan_hosts.yml", {"by a run": by_run.splitlines()[1:3], "by an option": by_option.splitlines()[1:3]})


def test_plan_without_a_file_is_of_the_default_sweep():
    done = module("plan", "--reports-dir", "/none")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("sweep:     sweeps/default.yml: 32 cells and the baseline\n")
    # As inventory/lab has it.
    assert re.search(r"^33  r1-c0\.5-m512M-w1 .*the baseline", done.stdout, re.MULTILINE)
    assert "API hosts: lab-api with" in done.stdout and "./lab up" in done.stdout


@pytest.mark.parametrize("seed", ["abc", "-1", "1.5", str(2**63)])
def test_plan_refuses_what_is_no_seed(quick, capsys, seed):
    assert main(["plan", quick, f"--seed={seed}"]) == 2
    assert "is not valid; allowed: whole numbers 0 to" in capsys.readouterr().err


@pytest.mark.parametrize(("size", "advice"), [("4 GiB", "write 4G;"), ("4", "write 4M or 4G")])
def test_bad_option_is_refused_like_a_bad_file(quick, capsys, size, advice):
    assert main(["plan", quick, "--api-memory", size]) == 2
    assert advice in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [[], ["fly"], ["plan", QUICK, "--api-cpus", "none"], ["plan", QUICK, "--api-cpus", "-1"]]
)
def test_usage_errors_exit_2(arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


@pytest.mark.parametrize(
    "arguments", [["--help"], ["check", "--help"], ["plan", "--help"], ["report", "--help"], ["--version"]]
)
def test_help_needs_nothing(arguments):
    done = module(*arguments)
    assert (done.returncode, done.stderr) == (0, "")


def test_report_takes_the_newest_run_and_measures_again(finished_run, capsys):
    reports = str(finished_run.reports_dir)
    assert main(["report", "--reports-dir", reports]) == 0
    sentence, path = capsys.readouterr().out.splitlines()
    assert sentence == "No configuration has been measured yet (1 infeasible)."
    assert path == f"summary: {finished_run.dir / 'summary.md'}"
    for step in finished_run.plan.steps:
        (finished_run.attempt(step.cell_id) / "trial.json").write_text("{}")  # measured by an older version
    assert main(["report", str(finished_run.dir), "--reports-dir", reports, "--remeasure"]) == 0
    recomputed, sentence, again = capsys.readouterr().out.splitlines()
    assert recomputed.startswith("attempts that were recomputed from their raw files: 5")
    assert sentence.startswith("Take r1-c0.5-m256M-w1 (1 replica x 0.5 CPU, 256M, 1 worker each). It is the cheapest")
    assert again == path
    assert "Take **r1-c0.5-m256M-w1**" in (finished_run.dir / "summary.md").read_text()
    # As after a kill between the attempt of a cell and its row.
    (row,) = finished_run.dir.glob("cells/r1-c0.5-m256M-w1/cell.json")
    before = row.read_bytes()
    row.unlink()
    assert main(["report", "--reports-dir", reports]) == 0
    assert row.read_bytes() == before


@pytest.mark.parametrize(("path", "code", "words"), [("none", 2, "no such run folder"), (".", 1, "not a run folder")])
def test_report_of_what_is_no_run(tmp_path, capsys, path, code, words):
    assert main(["report", str(tmp_path / path), "--reports-dir", str(tmp_path)]) == code
    assert words in capsys.readouterr().err


def test_a_plan_refuses_several_workers_where_the_image_decides(quick, tmp_path, capsys):
    settings = tmp_path / "inventory/group_vars/all/lab.yml"
    settings.parent.mkdir(parents=True)
    given = ["plan", quick, "--inventory", str(tmp_path / "inventory"), "--reports-dir", "/none"]
    Path(quick).write_text(Path(quick).read_text().replace("workers: [1]", "workers: [1, 2]"))
    for value, code in (('""', 2), ("WEB_CONCURRENCY", 0)):
        settings.write_text(f"lab_api_workers_env: {value}\n")
        assert main(given) == code
    assert "workers has the values 1 and 2, but lab_api_workers_env is empty" in capsys.readouterr().err


def test_a_plan_reads_several_inventories_of_which_the_last_one_wins(quick, tmp_path, capsys):
    """As `./lab sweep -i MORE` does. One of several may have settings alone."""
    first, more = tmp_path / "first", tmp_path / "more"
    shutil.copytree(ROOT / "inventory/lab", first)
    settings = more / "group_vars/all/lab.yml"
    settings.parent.mkdir(parents=True)
    given = ["plan", quick, "--inventory", str(first), "-i", str(more), "--reports-dir", "/none"]
    Path(quick).write_text(Path(quick).read_text().replace("workers: [1]", "workers: [1, 2]"))
    for value, code in (('""', 2), ("WEB_CONCURRENCY", 0)):
        settings.write_text(f"lab_api_workers_env: {value}\n")
        assert main(given) == code
    found = capsys.readouterr()
    assert "lab_api_workers_env is empty" in found.err
    # The hosts are those of the first one.
    assert f"as LAB_INVENTORY={first} ./lab up would create them" in " ".join(found.out.split())
    assert main([*given, "-i", "/none"]) == 2
    assert "the inventory '/none' does not exist" in capsys.readouterr().err


def test_plan_shows_the_part_that_a_sweep_would_measure(quick, capsys, tmp_path, golden):
    given = (quick, "--api-cpus", "1", "--api-memory", "4G", "--seed", "7")
    part = ("--only", "r1-*", "--only", "*-c0.1-*", "--max-minutes", "1.5")
    out = plan_of(capsys, *given, *part)
    golden("cli_plan_part.txt", without_place_and_time(out, tmp_path))
    left = [line for line in out.splitlines() if "left out by --only 'r1-*' --only '*-c0.1-*'" in line]
    assert [line.split()[1] for line in left] == ["r2-c0.5-m256M-w1"]
    assert re.search(r"About [1-4] of 5 deployments can end within --max-minutes 1\.5\.", " ".join(out.split()))
    whole = plan_of(capsys, *given, "--max-minutes", "600")
    assert whole.endswith("All of them can end within --max-minutes 600.\n")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--only", "r9-*"), "matches no cell; allowed: patterns with * and ? for these ids: r1-c0.1-m256M-w1"),
        (("--max-minutes", "soon"), "allowed: a number of minutes above 0"),
        (("--max-minutes", "0.1"), "so no step could begin"),
    ],
)
def test_a_part_that_cannot_be_measured_is_refused(quick, capsys, given, words):
    assert main(["plan", quick, "--inventory", os.devnull, "--reports-dir", "/none", *given]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "variable", "command"),
    [
        (["check", "BAD"], "inventory/mine", "LAB_INVENTORY=inventory/mine ./lab plan "),
        (["check", "BAD"], "inventory/lab", "check it: ./lab plan "),
        (["plan", "BAD", "--inventory", "inventory/mine"], "", "LAB_INVENTORY=inventory/mine ./lab plan "),
        # The option is what is read.
        (["plan", "BAD", "--inventory", "inventory/lab"], "inventory/mine", "check it: ./lab plan "),
        (["report", "--reports-dir", "/none"], "inventory/mine", "LAB_INVENTORY=inventory/mine ./lab sweep"),
        (["report", "/none"], "inventory/mine", "report on the newest run: ./lab report"),
    ],
)
def test_the_commands_of_an_error_name_the_inventory(tmp_path, monkeypatch, capsys, arguments, variable, command):
    bad = tmp_path / "bad.yml"
    bad.write_text("name: X\n")
    monkeypatch.setenv("LAB_INVENTORY", variable)
    assert main([str(bad) if word == "BAD" else word for word in arguments]) == 2
    assert command in capsys.readouterr().err


def test_a_plan_refuses_an_inventory_that_does_not_exist(quick, capsys):
    assert main(["plan", quick, "--inventory", "/none"]) == 2
    assert "the inventory '/none' does not exist; allowed: " in capsys.readouterr().err


def test_a_plan_refuses_a_setting_that_nothing_reads(quick, tmp_path, capsys):
    settings = tmp_path / "mine/group_vars/all/lab.yml"
    settings.parent.mkdir(parents=True)
    settings.write_text("lab_api_wrtiable: [/a]\n")
    assert main(["plan", quick, "--inventory", str(tmp_path / "mine"), "--reports-dir", "/none"]) == 2
    assert f"allowed: lab_api_writable. It is set by {settings}. " in capsys.readouterr().err


def test_a_plan_names_the_inventory_in_its_commands(quick, tmp_path, capsys):
    inventory = tmp_path / "mine"
    shutil.copytree(ROOT / "inventory/lab", inventory)
    assert main(["plan", quick, "--inventory", str(inventory), "--reports-dir", "/none"]) == 0
    assert f"as LAB_INVENTORY={inventory} ./lab up would" in " ".join(capsys.readouterr().out.split())
