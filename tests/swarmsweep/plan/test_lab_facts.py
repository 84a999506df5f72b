"""What is known of the lab without asking a host: files of runs, and the inventory, also damaged ones."""

import json
import os
from types import SimpleNamespace

import pytest
from run_folder import put

from swarmsweep.plan import lab_facts
from swarmsweep.plan.host_facts import API_RESERVE_BYTES
from swarmsweep.plan.lab_facts import _hosts, known_api_hosts, known_other_seconds
from swarmsweep.plan.plan import OTHER_SECONDS_PER_STEP, make_plan
from swarmsweep.plan.planned import as_json
from swarmsweep.plan.run_folder import attempt_dir, newest_runs, write_plan
from swarmsweep.sweep.sweep_file import parse_sweep

GIB = 1024**3
VIRTUAL = """\
lab:
  children:
    api: {hosts: {lab-api: {ansible_host: 198.18.0.11}}}
    load: {hosts: {lab-load: {ansible_host: 198.18.0.12}}}
"""
REAL = VIRTUAL.replace("198.18.0", "192.0.2")
SWEEP = b"""\
name: x
slo: {p95_ms: 100}
load: {users: 40, spawn_rate: 20, warmup_seconds: 5, measure_seconds: 12}
matrix: {replicas: [1, 2, 3, 4, 5, 6], cpus: [0.5], memory: [256M], workers: [1]}
"""
SEARCH = SWEEP.replace(b"users: 40, spawn_rate: 20, warmup_seconds: 5, measure_seconds: 12", b"mode: capacity")


def run(reports, second=1, name="lab-api", sweep=SWEEP):
    """A run that began at this time, with a host with this number of CPUs."""
    hosts = {"api": [{"name": name, "cpus": second, "memory_bytes": 8 * GIB}], "load": []}
    plan = make_plan(parse_sweep(sweep, "x.yml"), hosts, run_id=f"20261122T1145{second:02}Z-x")
    return write_plan(plan, reports), plan


def inventory(folder, text=VIRTUAL):
    """The folder of an inventory."""
    put(folder / "x", {})
    (folder / "hosts.yml").write_text(text)
    return folder


def test_hosts_are_those_of_the_newest_run_of_the_inventory(tmp_path):
    lab, reports = inventory(tmp_path / "lab"), tmp_path / "reports"
    for second, name in ((3, "lab-api"), (5, "lab-api"), (7, "another")):
        run(reports, second, name)
    found = known_api_hosts([lab], reports)
    assert [(host["name"], host["cpus"]) for host in found.facts] == [("lab-api", 5)]
    assert found.source == "as in run 20261122T114505Z-x"
    assert known_api_hosts([lab / "hosts.yml"], reports) == found  # the file itself is an inventory, too


def test_hosts_are_those_of_all_inventories(tmp_path):
    """A later one adds hosts, and variables of the same hosts. A script may name any hosts."""
    more = inventory(tmp_path / "more", "api: {hosts: {lab-api: {ansible_host: 10.0.0.7}, lab-api2: {}}}\n")
    found = _hosts([inventory(tmp_path / "lab"), more])
    assert list(found["api"]) == ["lab-api", "lab-api2"]
    assert found["api"]["lab-api"]["ansible_host"] == "10.0.0.7"
    assert list(found["load"]) == list(_hosts([tmp_path / "lab"])["load"])
    assert _hosts([more]) is None
    script = tmp_path / "hosts.sh"
    script.write_text("#!/bin/sh\necho '{}'\n")
    assert _hosts([tmp_path / "lab", script]) is None


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "[lab:children]\napi\n",
        "- 1\n",
        "lab: [\n",
        "lab: {children: {api: {hosts: {a: }}}}",
        "a: {b: 1}",
        "a: {hosts: {b: 1}}",
        "a: &a\n  children: *a\n",
        "[" * 5000,
    ],
)
def test_an_inventory_that_is_not_understood_leaves_the_newest_run(tmp_path, text):
    lab, reports = tmp_path / "lab", tmp_path / "reports"
    if text is not None:
        inventory(lab, text)
    run(reports, 5, "another-host")
    assert known_api_hosts([lab], reports).facts[0]["name"] == "another-host"
    assert known_api_hosts([lab], tmp_path / "none").facts == ()


def test_virtual_machines_that_no_run_has_seen_are_as_they_would_be_made(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3, 8, 9})
    monkeypatch.setattr(lab_facts, "total_memory_bytes", lambda: 16 * GIB)
    found = known_api_hosts([inventory(tmp_path / "lab")], tmp_path / "reports")
    (host,) = found.facts
    assert host["name"] == "lab-api"
    assert host["cpus"] == 3  # half of the six cores
    assert host["memory_bytes"] == 16 * GIB * 40 // 100
    assert host["reserve_memory_bytes"] == API_RESERVE_BYTES
    assert "./lab up" in found.source


@pytest.mark.parametrize(("text", "memory"), [(REAL, 16 * GIB), (VIRTUAL, GIB)])
def test_hosts_that_no_run_has_seen_are_unknown(tmp_path, monkeypatch, text, memory):
    monkeypatch.setattr(lab_facts, "total_memory_bytes", lambda: memory)
    found = known_api_hosts([inventory(tmp_path / "lab", text)], tmp_path / "reports")
    assert found.facts == ()
    assert "--api-cpus and --api-memory" in found.source


LABELLED = """\
lab:
  children:
    api:
      hosts:
        lab-api: {ansible_host: 192.0.2.11}
        lab-api2: {ansible_host: 192.0.2.13, lab_labels: {disk: ssd}}
        lab-api3: {ansible_host: 192.0.2.14, lab_labels: {disk: ssd, generation: 2}}
    load: {hosts: {lab-load: {ansible_host: 192.0.2.12}}}
"""


@pytest.mark.parametrize(
    ("settings", "carriers"),
    [
        # The run was planned with another placement.
        (None, ["lab-api"]),
        ("lab_api_placement: '{{ other }}'", ["lab-api"]),
        ("lab_api_placement: {}", ["lab-api", "lab-api2", "lab-api3"]),
        ("lab_api_placement: {disk: ssd}", ["lab-api2", "lab-api3"]),
        ("lab_api_placement: {generation: '2'}", ["lab-api3"]),
        ("lab_api_placement: {}\nlab_api_on_manager: false", ["lab-api2", "lab-api3"]),
        # The labels are elsewhere, or no host has them.
        ("lab_api_placement: {rack: a}", ["lab-api"]),
    ],
)
def test_replicas_are_planned_on_the_hosts_that_the_inventory_wants_now(tmp_path, settings, carriers):
    lab, reports = inventory(tmp_path / "lab", LABELLED), tmp_path / "reports"
    if settings is not None:
        (lab / "group_vars/all").mkdir(parents=True)
        (lab / "group_vars/all/lab.yml").write_text(settings)
    names = ("lab-api", "lab-api2", "lab-api3")
    hosts = [{"name": name, "cpus": 2, "carries_replicas": name == "lab-api"} for name in names]
    plan = make_plan(parse_sweep(SWEEP, "x.yml"), {"api": hosts, "load": []}, run_id="20261122T114501Z-x")
    write_plan(plan, reports)
    found = known_api_hosts([lab], reports)
    assert [host["name"] for host in found.facts if host["carries_replicas"]] == carriers


def test_replicas_are_planned_between_the_groups_that_the_inventory_has_now(tmp_path):
    lab, reports = inventory(tmp_path / "lab", LABELLED), tmp_path / "reports"
    (lab / "group_vars/all").mkdir(parents=True)
    settings = lab / "group_vars/all/lab.yml"
    hosts = [{"name": name, "cpus": 2} for name in ("lab-api", "lab-api2", "lab-api3")]
    plan = make_plan(parse_sweep(SWEEP, "x.yml"), {"api": hosts, "load": []}, run_id="20261122T114501Z-x")
    write_plan(plan, reports)
    settings.write_text("lab_api_placement: {}\nlab_api_on_manager: false\nlab_api_spread: disk")
    assert [host["spread_group"] for host in known_api_hosts([lab], reports).facts] == ["ssd"] * 3
    # A host with replicas lacks the label, which a sweep refuses.
    settings.write_text("lab_api_placement: {}\nlab_api_spread: disk")
    assert known_api_hosts([lab], reports).facts == tuple(hosts)


@pytest.mark.parametrize(("cpuset", "count"), [("0", 1), ("0-2", 3), ("0-2,5", 4), ("3,5,10-11", 4)])
def test_cores_of_a_cpuset(cpuset, count):
    assert lab_facts._count(cpuset) == count


def measured(run_dir, plan, gaps, loads, mode="fixed", start=1000.0):
    """Deployments of the plan's steps, each so long after the one before, with so much load; None: no load."""
    for step, gap, load in zip(plan.steps, gaps, loads, strict=False):
        folder = attempt_dir(run_dir, step.cell_id, step.attempt)
        put(folder / "deploy.json", {"started_at": start})
        if load is not None and mode == "capacity":
            put(folder / "locust" / "capacity.json", {"load_seconds": load})
        elif load is not None:
            # The clock of another host is an hour ahead.
            put(folder / "locust" / "timeline.json", {"spawn_started": start + 3600, "window_end": start + 3600 + load})
        start += gap


@pytest.mark.parametrize(
    ("gaps", "loads", "seconds"),
    [
        ([30, 31, 32, 33, 34, 0], [20] * 6, 12),
        ([30, 31, 90_000, 33, 29, 0], [20] * 6, 11),  # interrupted for a day
        ([30, 7, 32, 33, 34, 0], [20, None, 20, 20, 20, 20], 12.5),  # a deployment that failed
        ([30, -500, 530, 33, 29, 0], [20] * 6, 10),  # one that was measured in another order
        ([80, 31, 32, 0], [70, 20, 20, 20], 11),
        ([30, 31, 32], [20] * 3, OTHER_SECONDS_PER_STEP),  # too few for an estimate
        ([30] * 6, [None] * 6, OTHER_SECONDS_PER_STEP),
    ],
)
@pytest.mark.parametrize("mode", ["fixed", "capacity"])
def test_what_a_deployment_takes_beside_its_load(tmp_path, gaps, loads, seconds, mode):
    run_dir, plan = run(tmp_path, 5, sweep=SWEEP if mode == "fixed" else SEARCH)
    measured(run_dir, plan, gaps, loads, mode)
    found = known_other_seconds(tmp_path, "fixed")
    assert found.seconds == seconds
    assert ("an estimate" in found.source) is (len([load for load in loads if load]) < 4)


def test_attempts_that_were_all_retried_in_another_order(tmp_path):
    run_dir, plan = run(tmp_path, 5, sweep=SWEEP)
    measured(run_dir, plan, [30] * len(plan.steps), [20] * len(plan.steps))
    for step in plan.steps:
        folder = attempt_dir(run_dir, step.cell_id, step.attempt)
        folder.rename(folder.with_name(f"{folder.name}.retried-1"))
    backwards = list(reversed(plan.steps))
    retries = SimpleNamespace(steps=backwards)
    measured(run_dir, retries, [30] * len(backwards), [20] * len(backwards), start=5000.0)
    # In the plan's order, the retries lie 30 s apart in the other direction.
    found = known_other_seconds(tmp_path, "fixed")
    assert (found.seconds, found.source) == (10, f"as in run {run_dir.name}")


def test_a_newer_run_without_enough_trials_leaves_the_older(tmp_path):
    old, plan = run(tmp_path, 5)
    measured(old, plan, [35] * 6, [20] * 6)
    run(tmp_path, 7)
    damaged = tmp_path / "20261122T114509Z-x" / "plan.json"
    put(damaged, {"schema": 1})
    (tmp_path / "20261122T114511Z-x").mkdir()
    (tmp_path / "20261122T114511Z-x" / "plan.json").write_text("{torn")
    found = known_other_seconds(tmp_path, "fixed")
    assert (found.seconds, found.source) == (15, f"as in run {old.name}")
    assert known_api_hosts([tmp_path / "none"], tmp_path).facts[0]["cpus"] == 7


@pytest.mark.parametrize("file", ["deploy.json", "locust/timeline.json"])
@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"started_at": "x", "spawn_started": true}'])
def test_damaged_files_are_left_out(tmp_path, file, text):
    run_dir, plan = run(tmp_path)
    measured(run_dir, plan, [35] * 6, [20] * 6)
    step = plan.steps[5]
    (attempt_dir(run_dir, step.cell_id, 1) / file).write_text(text)
    assert known_other_seconds(tmp_path, "fixed").seconds == 15


@pytest.mark.parametrize(
    "change", [{"steps": [{}]}, {"cells": [1]}, {"steps": 3}, {"load": 3}, {"hosts": 3}, {"hosts": {"api": 5}}]
)
def test_a_damaged_plan_is_no_crash(tmp_path, change):
    run_dir, plan = run(tmp_path)
    (run_dir / "plan.json").write_text(json.dumps(as_json(plan) | change))
    assert known_other_seconds(tmp_path, "fixed").seconds == OTHER_SECONDS_PER_STEP
    if "hosts" in change:
        assert known_api_hosts([tmp_path / "none"], tmp_path).facts == ()


def test_a_run_of_the_same_mode_goes_before_a_newer_one(tmp_path):
    for second, sweep, mode, gap in ((1, SEARCH, "capacity", 50), (3, SEARCH, "capacity", 45), (5, SWEEP, "fixed", 33)):
        run_dir, plan = run(tmp_path, second, sweep=sweep)
        measured(run_dir, plan, [gap] * 6, [20] * 6, mode)
    assert known_other_seconds(tmp_path, "capacity").seconds == 25
    assert known_other_seconds(tmp_path, "fixed").seconds == 13


def test_only_the_newest_runs_are_read(tmp_path):
    for second in range(15):
        run(tmp_path, second)
    (tmp_path / "bench").mkdir()
    names = [path.name for path in newest_runs(tmp_path, lab_facts.MAX_RUNS)]
    assert names == [f"20261122T1145{second:02}Z-x" for second in range(14, 4, -1)]
