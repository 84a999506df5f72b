"""next.yml and what the page says of it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rows import plan_of

from swarmsweep.choose.next_sweep import NextSweep
from swarmsweep.report.next_file import next_section, next_summary, next_text
from swarmsweep.results.manifest import commands_of
from swarmsweep.sweep.sweep_file import parse_sweep

TEXT = b"""\
name: x
slo: {p95_ms: 100}
load: {users: 4, secrets: {TOKEN: ../keys/token, OTHER: /etc/token, MINE: ~/token, ITS: lab_api_secrets}}
cells: [{replicas: 1, cpus: 0.5, memory: 256M, workers: 1}]
"""
SWEEP = parse_sweep(TEXT, "sweeps/x.yml")
PLAN = plan_of({"mode": "fixed"}, run_id="20261122T114512Z-x", sweep_file="sweeps/x.yml")


def test_a_relative_secret_keeps_its_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_dir = Path("reports/20261122T114512Z-x")
    run_dir.mkdir(parents=True)
    for folder in (run_dir, run_dir.resolve()):
        secrets = parse_sweep(next_text(folder, PLAN, NextSweep(("a",), SWEEP, 60)).encode(), "n.yml").load.secrets
        assert secrets == {
            "TOKEN": "../../keys/token", "OTHER": "/etc/token", "MINE": "~/token", "ITS": "lab_api_secrets",
        }  # fmt: skip
    assert (run_dir / "../../keys/token").resolve() == Path("sweeps/../keys/token").resolve()


def test_the_head_has_command_minutes_and_reasons(tmp_path, monkeypatch):
    # The folder is a relative one: the paths of secrets would be as long as the folder of the test.
    monkeypatch.chdir(tmp_path)
    following = NextSweep(("Why\nit `is`.",), replace(SWEEP, repeat=3), 125)
    text = next_text(Path("reports/20261122T114512Z-x"), PLAN, following)
    lines = text.splitlines()
    assert lines[0] == "# yaml-language-server: $schema=../../docs/sweep.schema.json"
    words = " ".join(line.removeprefix("#").strip() for line in lines if line.startswith("#"))
    assert "It takes about 2 min 5 s, for 1 cell x 3 deployments" in words
    assert "./lab sweep reports/20261122T114512Z-x/next.yml" in words
    assert "- Why it `is`." in words
    assert max(map(len, lines)) <= 120


def test_a_command_in_a_reason_is_one_line(tmp_path):
    command = f"LAB_INVENTORY={20 * 'long/'} ./lab sweep -e resume=x"
    following = NextSweep((f"1 cell is left. To measure it: {command}.",), command=command)
    assert next_text(tmp_path, PLAN, following).splitlines()[1:] == [
        "# - 1 cell is left. To measure it:",
        f"#   {command}",
    ]


def test_the_command_is_one_line_and_names_the_folder_of_the_runs(tmp_path):
    stored = {"commands": ["ansible-playbook sweep.yml -e lab_reports=/srv/runs"], "reports": "/srv/my runs"}
    (tmp_path / "manifest.json").write_text(json.dumps(stored | {"inventories": [40 * "long-" + "inventory"]}))
    lines = next_text(tmp_path, PLAN, NextSweep(("Why.",), SWEEP, 125)).splitlines()
    (command,) = (line for line in lines if "./lab sweep" in line)
    assert command == (
        f"# LAB_INVENTORY={40 * 'long-'}inventory ./lab sweep '/srv/my runs/20261122T114512Z-x/next.yml' "
        "-e lab_reports=/srv/runs"
    )
    section = next_section(PLAN, NextSweep(("Why.",), SWEEP, 125), commands_of(tmp_path))
    assert section.command == f"`{command.removeprefix('# ')}`"


@pytest.mark.parametrize(
    ("following", "command", "file", "minutes"),
    [
        (NextSweep(("a|b",), SWEEP, 90), "`./lab sweep reports/20261122T114512Z-x/next.yml`", "next.yml", 1.5),
        (NextSweep(("a|b",)), "", None, None),
    ],
)
def test_the_page_and_the_summary_have_the_same(following, command, file, minutes):
    section, summary = next_section(PLAN, following), next_summary(following)
    assert (section.command, section.reasons) == (command, [r"a\|b"])
    assert (summary.file, summary.minutes, summary.reasons) == (file, minutes, ["a|b"])
