"""The two modes of a load: what is accepted, and for each mistake the line, the key and what is allowed."""

import re

import pytest

from swarmsweep.errors import InputError
from swarmsweep.search import PROFILES, needed_seconds
from swarmsweep.sweep.load import CapacityLoad, load_from_json
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


def refusal(*arguments: str) -> list[str]:
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


GOOD_SLOS = [
    ("p95_ms: 300", 1.2),
    ("p95_ms: 40", 1),  # at least a second
    ("p95_ms: 250", 1),
    ("p99_ms: 2500", 10),
    ("p99_ms: 9000", 10),  # at most ten
    ("p50_ms: 100, p99_ms: 1000, p95_ms: 400", 4),  # of the largest limit
    ("mean_ms: 500", 2),
    ("mean_ms: 500, p95_ms: 100, max_failure_percent: 0", 2),
]


@pytest.mark.parametrize(("slo", "seconds"), GOOD_SLOS)
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
# Each row: of the load, and the line and the key that must be named.
BAD = [
    ("users: 50", 5, "load.users"),
    ("warmup_seconds: 5", 5, "load.warmup_seconds"),
    ("measure_seconds: 5", 5, "load.measure_seconds"),
    ("wait_seconds: [0, 1]", 5, "load.wait_seconds"),
    ("profiel: smoke", 5, "load.profiel"),
    ("profile: quick", 5, "load.profile"),
    ("profile: 1", 5, "load.profile"),
    ("profile: [smoke]", 5, "load.profile"),
    ("arrivals: uniform", 5, "load.arrivals"),
    ("arrivals:", 5, "load.arrivals"),
    ("target_rps: 0", 5, "load.target_rps"),
    ("target_rps: many", 5, "load.target_rps"),
    ("timeout_seconds: 61", 5, "load.timeout_seconds"),
    ("timeout_seconds: 0", 5, "load.timeout_seconds"),
    ("timeout_seconds: 0.3", 5, "load.timeout_seconds"),
    ("workers: 129", 5, "load.workers"),
    ("by: rate", 5, "load.by"),
    ("by: users\n  locustfile: predict_open.py", 5, "load.by"),
    ("by: arrivals\n  locustfile: predict_open.py", 5, "load.by"),
    ("by: arrivals\n  wait_seconds: [1, 2]", 6, "load.wait_seconds"),
    ("by: arrivals\n  spawn_rate: 5", 6, "load.spawn_rate"),
    ("spawn_rate: 5", 5, "load.spawn_rate"),
    ("user_classes: [A]", 5, "load.user_classes"),
    ("arrivals: poisson\n  locustfile: predict.py", 5, "load.arrivals"),
    ("locustfile: predict.py\n  wait_seconds: [20, 30]", 6, "load.wait_seconds"),
    ("locustfile: predict.py\n  wait_seconds: [3, 5]\n  profile: smoke", 6, "load.wait_seconds"),
    ("locustfile: predict.py\n  wait_seconds: [100, 200]", 6, "load.wait_seconds"),
    ("locustfile: predict.py\n  " + CASE % "wait_seconds: [30, 30]", 6, "load.cases[0].wait_seconds"),
    ("locustfile: predict.py\n  users: 5", 6, "load.users"),
    ("locustfile: none_open.py", 5, "load.locustfile"),
    (CASE % "users: 2", 5, "load.cases[0].users"),
    (CASE % "measure_seconds: 2", 5, "load.cases[0].measure_seconds"),
    (CASE % "target_rps: 2", 5, "load.cases[0].target_rps"),
    (CASE % "profile: tiny", 5, "load.cases[0].profile"),
    (CASE % "arrivals: 3", 5, "load.cases[0].arrivals"),
    (CASE % "timeout_seconds: 0.2", 5, "load.cases[0].timeout_seconds"),
    ("cases: [{when: {replicas: 2}}]", 5, "load.cases[0]"),
]


@pytest.mark.parametrize(("load", "line", "key"), BAD)
def test_a_mistake_in_capacity_mode_names_line_and_key(load, line, key):
    lines = refusal(load)
    assert any(row.startswith(f"sweeps/x.yml:{line}: {key}: ") for row in lines), lines


# Each row: the SLO, of the load, and the line and the key that must be named.
BAD_SLOS = [
    ("max_failure_percent: 1", "# -", 4, "load.mode"),
    ("p95_ms: 10000", "# -", 4, "load.timeout_seconds"),
    ("p95_ms: 60000", "# -", 4, "load.timeout_seconds"),
    ("p50_ms: 100, p99_ms: 2000", "timeout_seconds: 2", 5, "load.timeout_seconds"),
    ('p95_ms: 100, endpoints: {"POST /predict": {p95_ms: 90}}', "# -", 2, "slo.endpoints"),
]


@pytest.mark.parametrize(("slo", "load", "line", "key"), BAD_SLOS)
def test_an_slo_that_capacity_mode_cannot_search_by(slo, load, line, key):
    lines = refusal(load, slo)
    assert any(row.startswith(f"sweeps/x.yml:{line}: {key}: ") for row in lines), lines


@pytest.mark.parametrize("limit", ["p95_ms: 10000", "p95_ms: 59999"])
def test_a_long_limit_needs_a_longer_timeout(limit):
    assert parse("timeout_seconds: 60", limit).load.timeout_seconds == 60


def test_the_defaults_of_a_search_with_users():
    load = parse("locustfile: predict.py").load
    assert (load.varies, load.think_seconds, load.users_per_second) == ("users", None, 100)
    stored = load.as_json()
    assert stored.items() >= {"by": "users", "spawn_rate": 100, "wait_seconds": None, "timeout_seconds": 1.2}.items()
    assert "arrivals" not in stored
    again = load_from_json(stored)
    assert (again.varies, again.as_json()) == ("users", stored)
    # Without a locustfile, it is that of mode fixed.
    assert parse("by: users").load.locustfile == "predict.py"
    assert parse("by: users\n  workers: 3").load.users_per_second == 300


def test_a_search_by_arrivals_has_neither_think_time_nor_a_ramp():
    load = parse("by: arrivals\n  arrivals: constant\n  user_classes: [C]").load
    assert (load.varies, load.locustfile, load.user_classes) == ("arrivals", "predict.py", ("C",))
    stored = load.as_json()
    assert stored.items() >= {"by": "arrivals", "arrivals": "constant", "timeout_seconds": 1.2}.items()
    assert stored.keys().isdisjoint({"spawn_rate", "wait_seconds"})
    assert load_from_json(stored).as_json() == stored


def test_every_setting_of_a_search_with_users():
    load = parse(
        "locustfile: empty.py\n  by: users\n  profile: publish\n  spawn_rate: 20\n  wait_seconds: [1, 4]\n"
        "  tags: [a]\n  exclude_tags: [b]\n  user_classes: [C]\n  target_rps: 30"
    ).load
    assert (load.by, load.users_per_second, load.think_seconds) == ("users", 20, 2.5)
    assert (load.tags, load.exclude_tags, load.user_classes, load.target_rps) == (("a",), ("b",), ("C",), 30)


@pytest.mark.parametrize(("wait", "profile"), [("[3.3, 3.3]", "smoke"), ("[4, 9]", "standard"), ("[0, 0]", "smoke")])
def test_a_think_time_may_be_a_third_of_a_step(wait, profile):
    load = parse(f"locustfile: predict.py\n  wait_seconds: {wait}\n  profile: {profile}").load
    assert needed_seconds(load.think_seconds) <= load.budget_seconds


def test_each_cell_is_searched_as_its_scenario_needs_it():
    more = "include: [{replicas: 1, cpus: 1, memory: 1G, workers: 1, locustfile: predict.py}]"
    sweep = parse("# -", "p95_ms: 300", more)
    loads = [sweep.load_of(cell) for cell in sweep.cells]
    assert [load.varies for load in loads] == ["rate"] * 4 + ["users"]
    assert ["by" in load.as_json() for load in loads] == [False] * 4 + [True]


FIXED = """\
name: x
slo: {p95_ms: 300}
load:
  users: 50
  %s
matrix: {replicas: [1, 2], cpus: [0.5, 1], memory: [600M], workers: [2], locustfile: [%s]}
"""


def lines_in_fixed_mode(load: str, mode: str = "mode: fixed") -> list[str]:
    """The lines of the refusal of a load in fixed mode."""
    with pytest.raises(InputError) as caught:
        parse_sweep((FIXED % (f"{mode}\n  {load}", "empty.py")).encode(), "sweeps/x.yml", scenarios=SCENARIOS)
    return str(caught.value).splitlines()


def test_a_search_with_users_may_have_their_number_as_its_target():
    load = parse("by: users\n  target_users: 300").load
    stored = load.as_json()
    assert (load.target_users, load.target_rps, stored["target_users"]) == (300, None, 300)
    assert load_from_json(stored).as_json() == stored


@pytest.mark.parametrize(
    ("load", "text"),
    [
        ("target_users: 5", "is for a scenario of users, and predict_open.py is an open loop"),
        ("by: arrivals\n  target_users: 5", "has no effect on iterations that start when they are due"),
        ("by: users\n  target_rps: 5\n  target_users: 5", "is a second target; allowed: target_rps or target_users"),
        ("by: users\n  target_users: 0", "0 is out of range; allowed: whole numbers 1 to 1000000 users"),
    ],
)
def test_a_number_of_users_is_refused_where_it_means_nothing(load, text):
    with pytest.raises(InputError, match=re.escape(text)):
        parse(load)


# Each row: of the load, and the key that must be named.
BAD_IN_FIXED_MODE = [
    ("profile: smoke", "load.profile"),
    ("target_rps: 5", "load.target_rps"),
    ("arrivals: poisson", "load.arrivals"),
    ("timeout_seconds: 5", "load.timeout_seconds"),
    ("cases: [{when: {replicas: 2}, profile: smoke}]", "load.cases[0].profile"),
    ("locustfile: predict_open.py", "load.locustfile"),
]


@pytest.mark.parametrize("mode", ["# the usual one", "mode: fixed"])
@pytest.mark.parametrize(("load", "key"), BAD_IN_FIXED_MODE)
def test_settings_of_capacity_mode_are_refused_in_fixed_mode(mode, load, key):
    lines = lines_in_fixed_mode(load, mode)
    assert any(row.startswith(f"sweeps/x.yml:6: {key}: ") for row in lines), lines


def test_cells_of_fixed_mode_have_no_open_loop():
    with pytest.raises(InputError, match=r"x\.yml:6: matrix\.locustfile\[1\]: 'predict_open\.py' "):
        parse_sweep((FIXED % ("# -", "empty.py, predict_open.py")).encode(), "x.yml")


BAD_MODES = ["capacty", "1", "", "[fixed]"]


def lines_of_mode(mode: str) -> list[str]:
    """The lines of the refusal of a mode."""
    text = (FILE % ("p95_ms: 300", "users: 2\n  profile: x", "")).replace("capacity", mode)
    with pytest.raises(InputError) as caught:
        parse_sweep(text.encode(), "sweeps/x.yml")
    return str(caught.value).splitlines()


@pytest.mark.parametrize("mode", BAD_MODES)
def test_a_slip_in_the_mode_is_one_mistake(mode):
    refused, _ = lines_of_mode(mode)
    assert refused.startswith("sweeps/x.yml:4: load.mode: ")


def test_the_messages_about_bad_loads(golden):
    refused = {
        "mode": {mode: lines_of_mode(mode) for mode in BAD_MODES},
        "capacity": {load: refusal(load) for load, _, _ in BAD},
        "slo": {f"{slo}; {load}": refusal(load, slo) for slo, load, _, _ in BAD_SLOS},
        "fixed": {load: lines_in_fixed_mode(load) for load, _ in BAD_IN_FIXED_MODE},
    }
    # The last line is the same for all, and stands in sweep_file_errors.yml.
    assert len({lines[-1] for table in refused.values() for lines in table.values()}) == 1
    rows = {
        name: [{"given": given, "refused": "\n".join(lines[:-1])} for given, lines in table.items()]
        for name, table in refused.items()
    }
    golden("sweep_load_errors.yml", rows)
