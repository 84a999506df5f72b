"""What may change before a run is resumed: each change of a figure is refused, what only judges is noted."""

import copy
from pathlib import Path

import pytest

from swarmsweep.errors import LabError
from swarmsweep.lab.keyed_environment import keyed_environment
from swarmsweep.lab.prices import Prices
from swarmsweep.plan.plan import make_plan
from swarmsweep.results.identity import (
    MAX_LINES,
    Difference,
    lab_differences,
    price_differences,
    refuse,
    sweep_differences,
)
from swarmsweep.sweep.checked import checked
from swarmsweep.sweep.matrix import Cell
from swarmsweep.sweep.sweep_file import parse_sweep

SWEEP = b"""\
name: quick
slo: {p95_ms: 100}
load: {users: 40, cases: [{when: {replicas: 2}, users: 20}]}
matrix: {replicas: [1, 2], cpus: [0.5, 1], memory: [256M], workers: [1], image: ["mine:1", "mine:2"]}
"""
SEARCH = b"""\
name: search
slo: {p95_ms: 100}
load: {mode: capacity, profile: standard}
matrix: {replicas: [1, 2], cpus: [1], memory: [256M], workers: [1]}
"""
API = {
    "name": "lab-api", "cpus": 4, "memory_bytes": 8 * 1024**3, "swap_bytes": 0, "os_id": "debian", "os_version": "12",
    "kernel": "6.1", "cgroup_version": 2, "cpu_model": "a", "boot_time": 1, "reserve_memory_bytes": 1024**3,
}  # fmt: skip
HOSTS = {"api": [API], "load": [API | {"name": "lab-load", "cpu_model": None}]}
NOW = {
    "images": {"api": "a:1 sha256:1", "proxy": "p:1 sha256:2", "service cache": "redis:7 sha256:4"},
    "axis_images": {"mine:1": "sha256:3", "mine:2": None},
    "programs": {"locustfiles/predict.py": "0123", "loadgen": "4567"},
    "model": {"version": "1", "accuracy": 0.88},
    "haproxy_config": "lab_haproxy_01234",
    "api": {"lab_api_port": 8000, "lab_api_variant": "onnx", "lab_api_user": "", "lab_api_writable": []},
    "versions": {"docker": "20", "ansible-core": "2.19"},
}


def planned(sweep=SWEEP, **options):
    """The plan of a sweep."""
    return make_plan(parse_sweep(sweep, "sweeps/x.yml"), HOSTS, run_id="20261122T114512Z-quick", **options)


def sentences(differences: list[Difference]) -> list[str]:
    return [difference.sentence() for difference in differences]


# A change of the file: the text, its replacement, and the differences that change figures, or the judgement alone.
FILE_CHANGES = {
    "nothing": (SWEEP, b"name", b"name", [], []),
    "a comment": (SWEEP, b"name", b"# later\nname", [], []),
    "the name": (SWEEP, b"quick", b"other", [], ["name: planned quick, now other"]),
    "the SLO of an endpoint": (
        SWEEP,
        b"95_ms: 100",
        b'95_ms: 100, endpoints: {"GET /a": {p50_ms: 9}}',
        [],
        [
            "slo.endpoints.GET /a.max_failure_percent: planned not set, now 1",
            "slo.endpoints.GET /a.p50_ms: planned not set, now 9",
        ],
    ),
    "the SLO of users": (SWEEP, b"95_ms: 100", b"95_ms: 50", [], ["slo.p95_ms: planned 100, now 50"]),
    "another limit": (
        SWEEP, b"p95_ms: 100", b"p99_ms: 100", [],
        ["slo.p95_ms: planned 100, now not set", "slo.p99_ms: planned not set, now 100"],
    ),
    "the SLO of a search": (SEARCH, b"95_ms: 100", b"95_ms: 90", ["slo.p95_ms: planned 100, now 90"], []),
    "the load of all": (
        SWEEP, b"{users: 40", b"{measure_seconds: 31, users: 40", ["load.measure_seconds: planned 30, now 31"], []
    ),
    "the load of a case": (
        SWEEP, b"users: 20", b"users: 21",
        [f"load.{key} of r2-c0.5-m256M-w1-imagemine_1-" for key in ("users", "spawn_rate")], [],
    ),
    "a profile": (
        SEARCH, b"standard", b"smoke",
        ["load.profile: planned standard, now smoke", "load.budget_seconds: planned "], [],
    ),
    "the attempts": (SWEEP, b"name", b"repeat: 3\nname", ["repeat: planned 1, now 3"], []),
    "a seed": (SWEEP, b"name", b"seed: 8\nname", ["seed: planned 7, now 8"], []),
    "the seed it has": (SWEEP, b"name", b"seed: 7\nname", [], []),
    "a cell less": (SEARCH, b"[1, 2]", b"[1]", ["cell r2-c1-m256M-w1: planned part of the run, now missing"], []),
    "a cell more": (
        SEARCH, b"[1, 2]", b"[1, 2, 3]", ["cell r3-c1-m256M-w1: planned missing, now in the file"], []
    ),
}  # fmt: skip


@pytest.mark.parametrize(("sweep", "old", "new", "figures", "judgement"), FILE_CHANGES.values(), ids=FILE_CHANGES)
def test_a_change_of_the_sweep_file(sweep, old, new, figures, judgement):
    assert old in sweep
    changed = checked(parse_sweep(sweep.replace(old, new, 1), "sweeps/x.yml"))
    found = sweep_differences(planned(sweep, seed=7), changed, None)
    assert [len(differences) for differences in found] == [len(figures), len(judgement)], found
    for differences, words in zip(found, (figures, judgement), strict=True):
        assert all(said.startswith(begin) for said, begin in zip(sentences(differences), words, strict=True)), found


def test_the_seed_of_the_command_wins_over_that_of_the_file():
    plan = planned(seed=7)
    same, other = (checked(parse_sweep(text + SWEEP, "x.yml")) for text in (b"seed: 7\n", b"seed: 8\n"))
    assert sweep_differences(plan, other, 7) == ([], [])
    assert sentences(sweep_differences(plan, same, 8)[0]) == ["seed: planned 7, now 8"]


def changed(document: dict, place: tuple, value: object) -> dict:
    """A copy of a document with another value at that place; without the key where the value is `...`."""
    document = copy.deepcopy(document)
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return document


# What the lab has now: place and value in hosts or in the entries of the manifest, and the difference.
HOST_CHANGES = [
    (("api", 0, "boot_time"), 2, None),
    (("api", 0, "memory_bytes"), int(8 * 1024**3 * 0.995), None),
    (("api", 0, "memory_bytes"), 7 * 1024**3, "memory_bytes of host lab-api: planned 8589934592, now 7516192768"),
    (("api", 0, "cpus"), 2, "cpus of host lab-api: planned 4, now 2"),
    (("api", 0, "swap_bytes"), 1, "swap_bytes of host lab-api: planned 0, now 1"),
    (("api", 0, "os_id"), "ubuntu", "os_id of host lab-api: planned debian, now ubuntu"),
    (("api", 0, "os_version"), "13", "os_version of host lab-api: planned 12, now 13"),
    (("api", 0, "kernel"), "6.2", "kernel of host lab-api: planned 6.1, now 6.2"),
    (("api", 0, "cgroup_version"), 1, "cgroup_version of host lab-api: planned 2, now 1"),
    (("api", 0, "cpu_model"), "b", "cpu_model of host lab-api: planned a, now b"),
    (("api", 0, "cpu_model"), None, None),
    (("load", 0, "cpu_model"), "b", None),
    (("load", 0, "name"), "other", "hosts of group load: planned lab-load, now other"),
    (("load",), [], "hosts of group load: planned lab-load, now none"),
]
LAB_CHANGES = [
    (("images", "api"), "a:1 sha256:9", "image of api: planned a:1 sha256:1, now a:1 sha256:9"),
    (("images", "api"), ..., "image of api: planned a:1 sha256:1, now not set"),
    (
        ("images", "service cache"),
        "redis:7 sha256:9",
        "image of service cache: planned redis:7 sha256:4, now redis:7 sha256:9",
    ),
    (("axis_images", "mine:1"), "sha256:9", "image mine:1 of the sweep file: planned sha256:3, now sha256:9"),
    (("axis_images", "mine:2"), "sha256:9", "image mine:2 of the sweep file: planned not set, now sha256:9"),
    (("programs", "locustfiles/predict.py"), "9", "file or folder locustfiles/predict.py: planned 0123, now 9"),
    (("programs", "locustfiles/new.py"), "9", "file or folder locustfiles/new.py: planned not set, now 9"),
    (("model", "version"), "2", "model, version: planned 1, now 2"),
    (("haproxy_config",), "lab_haproxy_9", "HAProxy's configuration: planned lab_haproxy_01234, now lab_haproxy_9"),
    (("api", "lab_api_variant"), "naive", "setting lab_api_variant: planned onnx, now naive"),
    (("api", "lab_api_user"), "1000", "setting lab_api_user: planned empty, now 1000"),
    (("api", "lab_api_writable"), ["/a", "/b"], "setting lab_api_writable: planned empty, now /a, /b"),
    # As `-e lab_api_port=8000` gives it.
    (("api", "lab_api_port"), "8000", None),
    (("versions", "docker"), "28", "version of docker: planned 20, now 28"),
    (("versions", "ansible-core"), "3", None),
]


@pytest.mark.parametrize(("place", "value", "said"), HOST_CHANGES)
def test_a_change_of_a_machine(place, value, said):
    found = lab_differences(planned(), NOW, changed(HOSTS, place, value), NOW)
    assert sentences(found) == ([said] if said else [])


@pytest.mark.parametrize(("place", "value", "said"), LAB_CHANGES)
def test_a_change_of_what_runs(place, value, said):
    found = lab_differences(planned(), NOW, HOSTS, changed(NOW, place, value))
    assert sentences(found) == ([said] if said else [])


# As a manifest of an earlier version lacks it.
@pytest.mark.parametrize("key", NOW)
def test_what_was_not_recorded_cannot_be_compared(key):
    (found,) = lab_differences(planned(), changed(NOW, (key,), ...), HOSTS, NOW)
    assert found.planned == "not recorded"


VARIABLE = "variable WORK of lab_api_env"
ENVIRONMENTS = [
    ({"WORK": "0.02", "A": "1"}, []),
    ({"WORK": "0.3", "A": "1"}, [f"{VARIABLE}: planned one value, now another value"]),
    ({"A": "1"}, [f"{VARIABLE}: planned one value, now not set"]),
    ({"WORK": "0.02", "A": "1", "B": ""}, ["variable B of lab_api_env: planned not set, now set"]),
]


@pytest.mark.parametrize(("environment", "said"), ENVIRONMENTS)
def test_a_change_of_the_environment(tmp_path, environment, said):
    before = {"environment": keyed_environment({"WORK": "0.02", "A": "1"}, tmp_path / "key")}
    now = {"environment": keyed_environment(environment, tmp_path / "key")}
    assert sentences(lab_differences(planned(), before, HOSTS, now)) == said


# What may have a secret is compared, and never shown.
def test_a_change_of_a_hidden_setting(tmp_path):
    before, now = (
        {"hidden": keyed_environment({"lab_api_command": f"serve --api-key {key}"}, tmp_path / "key")}
        for key in ("hunter2", "hunter3")
    )
    assert "hunter" not in str((before, now))
    assert lab_differences(planned(), before, HOSTS, before) == []
    found = sentences(lab_differences(planned(), before, HOSTS, now))
    assert found == ["setting lab_api_command: planned one value, now another value"]
    assert sentences(lab_differences(planned(), {}, HOSTS, now)) == [
        "settings that may have secrets: planned not recorded, now recorded"
    ]


def test_an_environment_of_another_key_cannot_be_compared(tmp_path):
    before, now = ({"environment": keyed_environment({"A": "1"}, tmp_path / name)} for name in "ab")
    (found,) = lab_differences(planned(), before, HOSTS, now)
    assert found.name == "the key by which values of lab_api_env are compared (secrets/environment.key in .lab/NAME)"
    for damaged in ({}, {"environment": 7}, {"environment": now["environment"] | {"values": 7}}):
        (found,) = lab_differences(planned(), damaged, HOSTS, now)
        assert found.sentence() == "lab_api_env: planned not recorded, now recorded"


def test_the_refusal_names_each_difference_and_how_to_go_on(golden):
    now = changed(NOW, ("images", "api"), "a:2 sha256:3")
    differences = lab_differences(planned(), NOW, changed(HOSTS, ("api", 0, "cpus"), 2), now)
    with pytest.raises(LabError) as refused:
        refuse(Path("reports/RUN"), planned(), differences)
    golden("resume_refused.txt", f"{refused.value}\n")
    many = [Difference(name=f"cell {number}", planned="missing", now="in the file") for number in range(MAX_LINES + 2)]
    with pytest.raises(LabError, match=r"cell 19: .*\n- and 2 more\n"):
        refuse(Path("reports/RUN"), planned(), many)
    assert refuse(Path("reports/RUN"), planned(), []) is None


EUR = Prices(cpu_hour=0.04, currency="EUR")


@pytest.mark.parametrize(
    ("begun", "now", "said"),
    [
        (None, None, []),
        (EUR, EUR, []),
        (None, EUR, ["lab_prices: planned not set, now cpu_hour 0.04, gib_hour 0, host_hour 0 EUR"]),
        (EUR, None, ["lab_prices: planned cpu_hour 0.04, gib_hour 0, host_hour 0 EUR, now not set"]),
    ],
)
def test_other_prices_are_a_difference_of_the_judgement(begun, now, said):
    assert sentences(price_differences(planned(prices=begun), now)) == said


MATRIX = SEARCH.replace(b"mode: capacity, profile: standard", b"users: 40")
BASELINE = Cell(1, 0.5, 512 * 1024**2, 1)
ADDED = BASELINE.id
# The plan's baseline, a change of the file, and the differences that change figures, or the judgement alone.
BASELINE_CHANGES = {
    "the same file": (BASELINE, b"name", b"# x\nname", [], []),
    "left out now": (BASELINE, b"name", b"baseline: none\nname", [], [f"baseline: planned {ADDED}, now none"]),
    "in the file now": (
        BASELINE, b"name", b"include: [{replicas: 1, cpus: 0.5, memory: 512M, workers: 1}]\nname", [], []
    ),
    "another cell": (BASELINE, b"[1, 2]", b"[1]", ["cell r2-c1-m256M-w1: planned part of the run, now missing"], []),
    "no baseline": (None, b"name", b"baseline: none\nname", [], []),
}  # fmt: skip


@pytest.mark.parametrize(
    ("baseline", "old", "new", "figures", "judgement"), BASELINE_CHANGES.values(), ids=BASELINE_CHANGES
)
def test_a_baseline_is_no_cell_of_the_file(baseline, old, new, figures, judgement):
    plan = planned(MATRIX, baseline=baseline)
    found = sweep_differences(plan, checked(parse_sweep(MATRIX.replace(old, new, 1), "sweeps/x.yml")), None)
    assert [sentences(differences) for differences in found] == [figures, judgement]
