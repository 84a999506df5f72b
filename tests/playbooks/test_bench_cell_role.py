"""How the role bench_cell turns a step into orders that the other programs accept."""

import json
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from msgspec import to_builtins

from sampler.main import parse_arguments
from swarmsweep.plan.role_steps import load_limits
from swarmsweep.search import PROFILES, Search, UserSearch

ROOT = Path(__file__).parents[2]
ROLE = ROOT / "roles/bench_cell"
# Values that the tests look at, templated once per host.
WANTED = (
    "__bench_cell_locust",
    "__bench_cell_prepare",
    "__bench_cell_time_limit_seconds",
    "kept_timeout_seconds",
    "__bench_cell_variant",
)
FIXED = {
    "mode": "fixed", "users": 50, "spawn_rate": 25.0, "warmup_seconds": 5, "measure_seconds": 15.5,
    "wait_seconds": [0, 0.5], "workers": 2, "locustfile": "predict.py",
}  # fmt: skip
CAPACITY = {
    "mode": "capacity", "profile": "standard", "budget_seconds": 420, "arrivals": "poisson", "timeout_seconds": 2.0,
    "target_rps": None, "workers": 3, "locustfile": "predict_open.py",
}  # fmt: skip


def step(load: dict, **config) -> dict:
    config = {"replicas": 2, "cpus": 0.5, "memory_bytes": 629145600, "workers": 4} | config
    return {
        "position": 1,
        "of": 1,
        "cell_id": "a",
        "attempt": 1,
        "block": 1,
        "seed": 2**31 - 1,
        "config": config,
        **to_builtins(load_limits(load, config)),
    }


# Each case is two hosts of one play, so Ansible starts once for all.
CASES: list[dict] = []


def case(load: dict, of_step: dict, **variables: object) -> int:
    """Request the values of a step. Return their index in the fixture `rendered`."""
    given = {
        "bench_cell_step": of_step,
        "bench_cell_load": load, "bench_cell_load_seconds": of_step["load_seconds"],
        "bench_cell_slo": {"p95_ms": 300, "max_failure_percent": 1}, "bench_cell_api_hosts": ["lab-api"],
        "bench_cell_load_hosts": ["lab-load"], "bench_cell_lab_name": "my-lab", "bench_cell_stack": {"env": {}},
        "api_stack_timeout_seconds": 120, "api_stack_replicas": 1,
    }  # fmt: skip
    CASES.append(given | variables)
    return len(CASES) - 1


@pytest.fixture(scope="module")
def rendered(play, tmp_path_factory) -> list[dict[str, dict]]:
    """The values of each case by the role's own files: {host: {name: value}}."""
    folder = tmp_path_factory.mktemp("role")
    kept = yaml.safe_load((ROOT / "roles/api_stack/tasks/kept.yml").read_text())
    # The kept API gets the same setting.
    timeout = next(task["swarm_stack_converged"] for task in kept if "swarm_stack_converged" in task)["timeout_seconds"]
    files = [ROLE / "defaults/main.yml", ROLE / "vars/main.yml"]
    common = {name: value for file in files for name, value in yaml.safe_load(file.read_text()).items()}
    common |= {"ansible_connection": "local", "bench_cell_run": str(folder), "kept_timeout_seconds": timeout}
    common["wanted"] = "{{ {" + ", ".join(f"'{name}': {name}" for name in WANTED) + "} }}"
    # The variables of a host have priority over the role's defaults, as in a sweep. `item` is that of the role's loop.
    sides = ("lab-api", "lab-load")
    hosts = {f"{side}-{number}": given | {"item": side} for number, given in enumerate(CASES) for side in sides}
    (folder / "hosts.json").write_text(json.dumps({"all": {"vars": common, "hosts": hosts}}))
    content = "{{ groups['all'] | map('extract', hostvars, 'wanted') | to_json }}"
    task = {"ansible.builtin.copy": {"dest": f"{folder}/found.json", "content": content}}
    (folder / "play.yml").write_text(json.dumps([{"hosts": "all[0]", "gather_facts": False, "tasks": [task]}]))
    result = play(folder / "play.yml", folder / "hosts.json")
    assert result.returncode == 0, result.stdout + result.stderr
    found = dict(zip(hosts, json.loads((folder / "found.json").read_text()), strict=True))
    return [{side: found[f"{side}-{number}"] for side in sides} for number in range(len(CASES))]


FIXED_CASE, CAPACITY_CASE = case(FIXED, step(FIXED)), case(CAPACITY, step(CAPACITY))


@pytest.fixture
def fixed(rendered):
    return rendered[FIXED_CASE]


@pytest.fixture
def capacity(rendered):
    return rendered[CAPACITY_CASE]


def test_a_fixed_load_is_what_the_plan_says(fixed):
    assert fixed["lab-load"]["__bench_cell_locust"] == {
        "users": 50,
        "spawn_rate": 25.0,
        "env": {
            "SWEEP_SAME_ANSWERS": "1",
            "SWEEP_WARMUP_SECONDS": "5",
            "SWEEP_MEASURE_SECONDS": "15.5",
            "SWEEP_DRAIN_SECONDS": "120",
            "LOCUST_WAIT_MIN_SECONDS": "0",
            "LOCUST_WAIT_MAX_SECONDS": "0.5",
        },
    }
    # The sum of load, deployment and grace.
    assert int(fixed["lab-load"]["__bench_cell_time_limit_seconds"]) == 26 + 120 + 420


WITHOUT_WAIT = FIXED | {"wait_seconds": None}
WITHOUT_WAIT_CASE = case(WITHOUT_WAIT, step(WITHOUT_WAIT))


def test_without_think_time_in_the_plan_the_scenario_has_its_own(rendered):
    env = rendered[WITHOUT_WAIT_CASE]["lab-load"]["__bench_cell_locust"]["env"]
    assert not [name for name in env if "WAIT" in name]


CHECK_CASE = case(FIXED, step(FIXED), bench_cell_first_response=True)


# The response may hold what must not reach a report.
def test_only_a_check_keeps_the_first_response(rendered, fixed):
    found = rendered[CHECK_CASE]["lab-load"]
    assert found["__bench_cell_locust"]["env"]["SWEEP_FIRST_RESPONSE"] == "1"
    assert "SWEEP_FIRST_RESPONSE" not in fixed["lab-load"]["__bench_cell_locust"]["env"]


IMAGES = [
    (case(load, step(load, **config), bench_cell_stack={"env": {}, "image": image}), expected)
    for load, config, image, expected in [
        (FIXED, {}, "", "1"),
        (FIXED, {}, "my-api:1", "0"),
        (FIXED, {"image": "my-api:2"}, "", "0"),
        (CAPACITY, {}, "my-api:1", "0"),
    ]
]


@pytest.mark.parametrize(("number", "expected"), IMAGES)
def test_responses_are_compared_for_the_labs_own_image_alone(rendered, number, expected):
    assert rendered[number]["lab-load"]["__bench_cell_locust"]["env"]["SWEEP_SAME_ANSWERS"] == expected


SERVICES_CASE = case(FIXED, step(FIXED), bench_cell_stack={"env": {}, "container": {"services": [{"name": "cache"}]}})


def test_services_of_the_user_are_sampled_as_postgresql_is(rendered, fixed):
    prepare = rendered[SERVICES_CASE]["lab-api"]["__bench_cell_prepare"]
    assert " --cpu-stack my-lab_platform --cpu-stack my-lab_services --port " in prepare
    assert "my-lab_services" not in fixed["lab-api"]["__bench_cell_prepare"]


VARIANT_CASE = case(FIXED, step(FIXED, variant="naive"))


def test_the_axis_variant_reaches_an_image_of_the_user_too(rendered, fixed):
    assert rendered[VARIANT_CASE]["lab-load"]["__bench_cell_variant"] == {"API_VARIANT": "naive"}
    assert fixed["lab-load"]["__bench_cell_variant"] == {}


NUMBERS = ("bench_cell_ready_timeout_seconds", "bench_cell_load_grace_seconds", "api_stack_timeout_seconds")
TEXT_CASE = case(FIXED, step(FIXED), **dict.fromkeys(NUMBERS, "300"), api_stack_replicas="2")


# Numbers given with -e on the command line are text.
def test_numbers_may_be_text(rendered):
    found = rendered[TEXT_CASE]["lab-load"]
    assert int(found["__bench_cell_time_limit_seconds"]) == 26 + 300 + 300
    assert int(found["kept_timeout_seconds"]) == 300 * 3


def test_a_search_is_ordered_as_the_conductor_wants_it(capacity):
    locust = capacity["lab-load"]["__bench_cell_locust"]
    assert (locust["users"], locust["spawn_rate"]) == (3, 3)
    assert set(locust["env"]) == {"SWEEP_SEARCH", "SWEEP_SAME_ANSWERS"}
    order = json.loads(locust["env"]["SWEEP_SEARCH"])
    assert order == {
        "profile": "standard",
        "slo": {"p95_ms": 300, "max_failure_percent": 1},
        "arrivals": "poisson",
        "timeout_seconds": 2.0,
        "seed": 2**31 - 1,
        "workers": 3,
        "connections": 18,
        "max_rps": None,
    }
    Search(PROFILES[order["profile"]], order["slo"], order["connections"], order["arrivals"], order["max_rps"])
    assert int(capacity["lab-load"]["__bench_cell_time_limit_seconds"]) == 2 * 420 + 120 + 420


USERS = {
    "mode": "capacity", "by": "users", "profile": "smoke", "budget_seconds": 60, "timeout_seconds": 1.5,
    "spawn_rate": 20.0, "wait_seconds": [1, 4], "target_rps": None, "workers": 2, "locustfile": "predict.py",
}  # fmt: skip


def users_case(wait: list[float] | None) -> int:
    load = USERS | {"wait_seconds": wait}
    return case(load, step(load) | {"processes": 8}, bench_cell_max_users=900)


WAITS = [(users_case(wait), wait, think) for wait, think in [([1, 4], 2.5), ([0, 0], 0), (None, None)]]


@pytest.mark.parametrize(("number", "wait", "think"), WAITS)
def test_a_search_with_users_is_ordered_as_its_conductor_wants_it(rendered, number, wait, think):
    locust = rendered[number]["lab-load"]["__bench_cell_locust"]
    # The first user alone: the search starts the others.
    assert (locust["users"], locust["spawn_rate"]) == (1, 1)
    waits = {"LOCUST_WAIT_MIN_SECONDS", "LOCUST_WAIT_MAX_SECONDS"} if wait else set()
    assert set(locust["env"]) == {"SWEEP_SEARCH", "SWEEP_SAME_ANSWERS"} | waits
    order = json.loads(locust["env"]["SWEEP_SEARCH"])
    assert order == {
        "by": "users",
        "profile": "smoke",
        "slo": {"p95_ms": 300, "max_failure_percent": 1},
        "timeout_seconds": 1.5,
        "seed": 2**31 - 1,
        "workers": 2,
        "spawn_rate": 20.0,
        "processes": 8,
        "think_seconds": think,
        "max_users": 900,
    }
    named = {name: order[name] for name in ("slo", "spawn_rate", "processes", "think_seconds", "max_users")}
    assert UserSearch(PROFILES[order["profile"]], **named).next().users == 1


def test_a_host_is_prepared_by_commands_that_a_shell_can_read(fixed, capacity):
    for host in ("lab-api", "lab-load"):
        for found in (fixed, capacity):
            command = found[host]["__bench_cell_prepare"]
            subprocess.run(["bash", "-n", "-c", command], check=True)
            stop, rest = command.split(";", 1)
            assert stop == "systemctl stop swarmsweep-my_lab.slice"
            assert rest.split(" && ")[0].strip() == "rm -rf /opt/swarmsweep/trial-my-lab"


@pytest.mark.parametrize("host", ["lab-api", "lab-load"])
def test_the_sampler_understands_its_arguments(capacity, host):
    words = shlex.split(capacity[host]["__bench_cell_prepare"])
    options = parse_arguments(words[words.index("sampler") + 1 :])
    side = host.removeprefix("lab-")
    assert str(options.output) == f"/opt/swarmsweep/trial-my-lab/samples-{side}-{host}.jsonl"
    assert options.max_seconds == 2 * 420 + 120 + 420
    assert (options.stack, options.cpu_stack) == (
        (["my-lab_api"], ["my-lab_platform"]) if side == "api" else (None, [])
    )
    assert options.port == (8000 if side == "api" else None)
