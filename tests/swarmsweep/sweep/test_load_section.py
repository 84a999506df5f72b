"""The two modes of a load: what is accepted, and for each mistake the line, the key and what is allowed."""

import pytest

from swarmsweep.errors import InputError
from swarmsweep.search import PROFILES
from swarmsweep.sweep.load import CapacityLoad
from swarmsweep.sweep.sweep_file import parse_sweep

# Lines: 1 name, 2 slo, 3 load, 4 mode, 5 more of the load, 6 the matrix
FILE = """\
name: x
slo: {%s}
load:
  mode: capacity
  %s
matrix: {replicas: [1, 2], cpus: [0.5, 1], memory: [600M], workers: [2]}
%s
"""
SCENARIOS = ["predict.py", "empty.py", "predict_open.py", "empty_open.py"]


def parse(load: str = "# nothing more", slo: str = "p95_ms: 300", more: str = ""):
    """Sweep in capacity mode with this in its load, its SLO, and after its matrix."""
    return parse_sweep((FILE % (slo, load, more)).encode(), "sweeps/x.yml", scenarios=SCENARIOS)


def told(*arguments: str) -> list[str]:
    """The lines of the refusal."""
    with pytest.raises(InputError) as caught:
        parse(*arguments)
    return str(caught.value).splitlines()


def test_defaults_of_capacity_mode():
    assert parse().load == CapacityLoad(
        timeout_seconds=1.2,
        budget_seconds=PROFILES["standard"].budget_seconds,
        profile="standard",
        arrivals="poisson",
        target_rps=None,
        workers=1,
        locustfile="predict_open.py",
        mode="capacity",
    )


def test_every_setting_of_capacity_mode():
    load = parse(
        "profile: smoke\n  arrivals: constant\n  target_rps: 250.5\n  timeout_seconds: 3\n  workers: 4\n"
        "  locustfile: empty_open.py"
    ).load
    assert (load.profile, load.arrivals, load.target_rps, load.timeout_seconds) == ("smoke", "constant", 250.5, 3)
    assert (load.workers, load.locustfile, load.seconds) == (4, "empty_open.py", PROFILES["smoke"].budget_seconds)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_load_lasts_as_long_as_its_profile_may(profile):
    assert parse(f"profile: {profile}").load.seconds == PROFILES[profile].budget_seconds


@pytest.mark.parametrize(
    ("slo", "seconds"),
    [
        ("p95_ms: 300", 1.2),
        ("p95_ms: 40", 1),  # at least a second
        ("p95_ms: 250", 1),
        ("p99_ms: 2500", 10),
        ("p99_ms: 9000", 10),  # at most ten
        ("p50_ms: 100, p99_ms: 1000, p95_ms: 400", 4),  # of the largest limit
        ("mean_ms: 500", 2),
        ("mean_ms: 500, p95_ms: 100, max_failure_percent: 0", 2),
    ],
)
def test_the_usual_timeout_is_four_times_the_largest_limit(slo, seconds):
    assert parse(slo=slo).load.timeout_seconds == pytest.approx(seconds)


def test_cells_may_have_open_loop_scenarios_of_their_own():
    more = "include: [{replicas: 1, cpus: 1, memory: 1G, workers: 2, locustfile: empty_open.py}]"
    sweep = parse(more=more)
    assert [sweep.load_of(cell).locustfile for cell in sweep.cells] == ["predict_open.py"] * 4 + ["empty_open.py"]


def test_a_case_changes_what_it_names_and_the_budget_with_the_profile():
    sweep = parse(
        "target_rps: 90\n  cases: [{when: {replicas: 2}, profile: smoke, arrivals: constant}, "
        "{when: {cpus: 1}, timeout_seconds: 5, workers: 2}]"
    )
    loads = {cell.id: sweep.load_of(cell) for cell in sweep.cells}
    smoke, slow, usual = (loads[f"r{name}-m600M-w2"] for name in ("2-c1", "1-c1", "1-c0.5"))
    assert (smoke.profile, smoke.seconds, smoke.arrivals) == ("smoke", PROFILES["smoke"].budget_seconds, "constant")
    assert (slow.profile, slow.timeout_seconds, slow.workers) == ("standard", 5, 2)
    assert usual == sweep.load
    assert {load.target_rps for load in loads.values()} == {90}


CASE = "cases: [{when: {replicas: 2}, %s}]"
# Each row: of the load, the line that must be named, and words of that line.
BAD = [
    (
        "users: 50",
        5,
        "load.users: belongs to mode fixed (so many users for so long); allowed in mode capacity: mode, prof",
    ),
    ("spawn_rate: 5", 5, "load.spawn_rate: belongs to mode fixed"),
    ("warmup_seconds: 5", 5, "load.warmup_seconds: belongs to mode fixed"),
    ("measure_seconds: 5", 5, "load.measure_seconds: belongs to mode fixed"),
    ("wait_seconds: [0, 1]", 5, "load.wait_seconds: belongs to mode fixed"),
    ("profiel: smoke", 5, "load.profiel: is unknown (did you mean profile?)"),
    (
        "profile: quick",
        5,
        "load.profile: 'quick' does not fit; allowed: smoke (at most 60 s of load for each deployment), ",
    ),
    ("profile: 1", 5, "load.profile: '1' is a number in YAML"),
    ("profile: [smoke]", 5, "load.profile: a list stands here"),
    ("arrivals: uniform", 5, "load.arrivals: 'uniform' does not fit; allowed: poisson ("),
    ("arrivals:", 5, "load.arrivals: is empty"),
    ("target_rps: 0", 5, "load.target_rps: 0 is out of range; allowed: 0.1 to 1000000 requests per second"),
    ("target_rps: many", 5, "load.target_rps: 'many' is not a number"),
    ("timeout_seconds: 61", 5, "load.timeout_seconds: 61 is out of range; allowed: 0.1 to 60 seconds"),
    ("timeout_seconds: 0", 5, "load.timeout_seconds: 0 is out of range"),
    (
        "timeout_seconds: 0.3",
        5,
        "load.timeout_seconds: 0.3 s end a request before slo.p95_ms of 300 ms is over; allowed: more than 0.3",
    ),
    ("workers: 129", 5, "load.workers: 129 is out of range"),
    (
        "locustfile: predict.py",
        5,
        "load.locustfile: 'predict.py' is a closed loop; allowed in mode capacity: a file whose name ends in _open.py; "
        "present: empty_open.py, predict_open.py",
    ),
    ("locustfile: none_open.py", 5, "'none_open.py' is not in locustfiles/; present: empty_open.py, predict_open.py"),
    (CASE % "users: 2", 5, "load.cases[0].users: belongs to mode fixed"),
    (CASE % "measure_seconds: 2", 5, "allowed in mode capacity: profile, arrivals, timeout_seconds, workers"),
    (CASE % "target_rps: 2", 5, "load.cases[0].target_rps: is unknown"),
    (CASE % "profile: tiny", 5, "load.cases[0].profile: 'tiny' does not fit"),
    (CASE % "arrivals: 3", 5, "load.cases[0].arrivals: '3' is a number"),
    (CASE % "timeout_seconds: 0.2", 5, "load.cases[0].timeout_seconds: 0.2 s end a request before slo.p95_ms"),
    (
        "cases: [{when: {replicas: 2}}]",
        5,
        "changes nothing; name at least one of profile, arrivals, timeout_seconds, work",
    ),
]


@pytest.mark.parametrize(("load", "line", "words"), BAD)
def test_a_mistake_in_capacity_mode_names_line_key_and_what_is_allowed(load, line, words):
    lines = told(load)
    assert any(row.startswith(f"sweeps/x.yml:{line}: ") and words in row for row in lines), lines


@pytest.mark.parametrize(
    ("slo", "load", "words"),
    [
        (
            "max_failure_percent: 1",
            "# -",
            "4: load.mode: capacity needs a limit of latency to search by; set at least one of",
        ),
        ("p95_ms: 10000", "# -", "load.timeout_seconds: 10 s end a request before slo.p95_ms of 10000 ms is over"),
        ("p95_ms: 60000", "# -", "allowed: limits below 60000 ms"),
        (
            "p50_ms: 100, p99_ms: 2000",
            "timeout_seconds: 2",
            "5: load.timeout_seconds: 2 s end a request before slo.p99_ms",
        ),
    ],
)
def test_an_slo_that_capacity_mode_cannot_search_by(slo, load, words):
    assert any(words in row for row in told(load, slo))


@pytest.mark.parametrize("limit", ["p95_ms: 10000", "p95_ms: 59999"])
def test_a_long_limit_needs_a_longer_timeout(limit):
    assert parse("timeout_seconds: 60", limit).load.timeout_seconds == 60


@pytest.mark.parametrize(
    ("more", "where"),
    [
        (
            "include: [{replicas: 1, cpus: 1, memory: 1G, workers: 1, locustfile: predict.py}]",
            "7: include[0].locustfile",
        ),
        ("exclude: [{replicas: 1, locustfile: predict.py}]", "7: exclude[0].locustfile"),
    ],
)
def test_cells_of_capacity_mode_have_no_closed_loop(more, where):
    lines = told("# -", "p95_ms: 300", more)
    assert any(f"x.yml:{where}: 'predict.py' is a closed loop" in row for row in lines), lines


FIXED = """\
name: x
slo: {p95_ms: 300}
load:
  users: 50
  %s
matrix: {replicas: [1, 2], cpus: [0.5, 1], memory: [600M], workers: [2], locustfile: [%s]}
"""


@pytest.mark.parametrize("mode", ["# the usual one", "mode: fixed"])
@pytest.mark.parametrize(
    ("load", "words"),
    [
        (
            "profile: smoke",
            "load.profile: belongs to mode capacity (find the highest rate that holds the SLO); allowed in mode fixed:",
        ),
        ("target_rps: 5", "load.target_rps: belongs to mode capacity"),
        ("arrivals: poisson", "load.arrivals: belongs to mode capacity"),
        ("timeout_seconds: 5", "load.timeout_seconds: belongs to mode capacity"),
        ("cases: [{when: {replicas: 2}, profile: smoke}]", "load.cases[0].profile: belongs to mode capacity"),
        (
            "locustfile: predict_open.py",
            "load.locustfile: 'predict_open.py' is an open loop; allowed in mode fixed: a file whose name does not end "
            "in _open.py; present: empty.py, predict.py",
        ),
    ],
)
def test_settings_of_capacity_mode_are_refused_in_fixed_mode(mode, load, words):
    with pytest.raises(InputError) as caught:
        parse_sweep((FIXED % (f"{mode}\n  {load}", "empty.py")).encode(), "sweeps/x.yml", scenarios=SCENARIOS)
    lines = str(caught.value).splitlines()
    assert any(row.startswith("sweeps/x.yml:6: ") and words in row for row in lines), lines


def test_cells_of_fixed_mode_have_no_open_loop():
    with pytest.raises(InputError, match=r"x\.yml:6: matrix\.locustfile\[1\]: 'predict_open\.py' is an open loop"):
        parse_sweep((FIXED % ("# -", "empty.py, predict_open.py")).encode(), "x.yml")


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        (
            "capacty",
            "'capacty' does not fit; allowed: fixed (so many users for so long), capacity (find the highest rate",
        ),
        ("1", "'1' is a number in YAML"),
        ("", "is empty"),
        ("[fixed]", "a list stands here"),
    ],
)
def test_a_slip_in_the_mode_is_one_mistake(mode, words):
    with pytest.raises(InputError) as caught:
        parse_sweep((FILE % ("p95_ms: 300", "users: 2\n  profile: x", "")).replace("capacity", mode).encode(), "x.yml")
    refused, end = str(caught.value).splitlines()
    assert refused.startswith("x.yml:4: load.mode: ") and words in refused
    assert end.startswith("No host was touched")
