"""Sweep files: what is accepted, and for each kind of mistake the line, the key and the advice."""

import difflib
import re
from dataclasses import replace
from pathlib import Path

import pytest

from swarmsweep.errors import InputError
from swarmsweep.plan.plan import make_plan
from swarmsweep.sweep.checked import checked
from swarmsweep.sweep.modes import MAX_LOAD_SECONDS, MAX_RAMP_SECONDS
from swarmsweep.sweep.sweep_file import load_sweep, parse_sweep

ROOT = Path(__file__).parents[3]
# Lines: 1 name, 2 slo, 3 load, 4 matrix, 5 to 8 the axes, 9 more
GOOD = """\
name: quick
slo: {p95_ms: 500}
load: {users: 50}
matrix:
  replicas: [1, 2]
  cpus: [0.5, 1]
  memory: [600M]
  workers: [2]
"""


def parse(text: str | bytes):
    """Sweep of a text."""
    return parse_sweep(text.encode() if isinstance(text, str) else text, "sweeps/x.yml")


def refusal(text: str | bytes) -> str:
    """The message with which the text is refused."""
    with pytest.raises(InputError) as caught:
        parse(text)
    return str(caught.value)


def swap(old: str, new: str) -> str:
    """The good file with one piece replaced."""
    assert old in GOOD
    return GOOD.replace(old, new)


def test_defaults_fill_what_the_file_leaves_out():
    sweep = parse(GOOD)
    assert sweep.load.mode == "fixed"
    assert sweep.load.spawn_rate == 50
    assert sweep.load.wait_seconds is None
    assert (sweep.repeat, sweep.seed) == (1, None)
    assert (sweep.slo, sweep.slo_endpoints) == ({"p95_ms": 500, "max_failure_percent": 1}, {})
    assert [cell.id for cell in sweep.cells] == [
        "r1-c0.5-m600M-w2",
        "r1-c1-m600M-w2",
        "r2-c0.5-m600M-w2",
        "r2-c1-m600M-w2",
    ]


@pytest.mark.parametrize(
    ("slo", "total", "endpoints"),
    [
        (
            'endpoints: {"POST /predict": {p95_ms: 200}}',
            1,
            {"POST /predict": {"max_failure_percent": 1, "p95_ms": 200}},
        ),
        # The limit for failures of all requests is that of each endpoint without its own.
        (
            'max_failure_percent: 5, endpoints: {"GET /a": {p50_ms: 2}, "GET /b": {max_failure_percent: 0}}',
            5,
            {"GET /a": {"max_failure_percent": 5, "p50_ms": 2}, "GET /b": {"max_failure_percent": 0}},
        ),
    ],
)
def test_limits_of_endpoints(slo, total, endpoints):
    sweep = parse(swap("p95_ms: 500", slo))
    assert sweep.slo == {"max_failure_percent": total}
    assert sweep.slo_endpoints == endpoints


@pytest.mark.parametrize("name", ["quick", "default", "taller5", "taller5-small", "evolution", "capacity", "scaling"])
def test_shipped_sweeps_are_good(name):
    sweep = load_sweep(ROOT / "sweeps" / f"{name}.yml")
    assert sweep.name == name


def test_taller5_is_the_four_rows_of_the_workshop():
    sweep = parse_sweep((ROOT / "sweeps" / "taller5.yml").read_bytes(), "sweeps/taller5.yml")
    assert [cell.id for cell in sweep.cells] == [
        "r1-c1-m2G-w2",
        "r2-c1-m1G-w2",
        "r4-c1-m600M-w4",
        "r4-c2-m1G-w4",
    ]
    assert (sweep.load.users, sweep.load.spawn_rate, sweep.load.wait_seconds) == (1000, 50, (4, 9))
    assert (sweep.load.workers, sweep.load.warmup_seconds, sweep.load.measure_seconds) == (8, 15, 60)


def test_taller5_small_has_a_quarter_of_the_cpu():
    whole, small = (load_sweep(ROOT / "sweeps" / f"{name}.yml").cells for name in ("taller5", "taller5-small"))
    assert [replace(cell, cpus=cell.cpus / 4, extra=(("variant", "native"),)) for cell in whole] == list(small)


def test_scaling_compares_replicas_and_workers_of_two_stages():
    sweep = load_sweep(ROOT / "sweeps" / "scaling.yml")
    cells = {(cell.replicas, cell.workers, cell.cpus, dict(cell.extra)["variant"]) for cell in sweep.cells}
    for variant, cpus in (("no_redundant_mlflow", 0.9), ("onnx", 0.1)):
        assert {(1, 1, cpus, variant), (2, 1, cpus, variant), (1, 2, cpus, variant)} <= cells
    # The scaling law needs three points of each.
    assert {(3, 1, 0.1, "onnx"), (1, 3, 0.1, "onnx")} <= cells
    assert {sweep.load_of(cell).wait_seconds for cell in sweep.cells} == {(0, 0)}


def test_evolution_is_the_ladder_of_the_api_in_its_order():
    sweep = load_sweep(ROOT / "sweeps" / "evolution.yml")
    variants = (ROOT / "app/covertype_api/variants.py").read_text()
    ladder = re.findall(r'^    "(\w+)": ', variants[variants.index("\nPRESETS") :], re.MULTILINE)
    assert len(ladder) == 9
    assert [dict(cell.extra)["variant"] for cell in sweep.cells] == [*ladder, "onnx", "onnx"]
    scenarios = [sweep.load_of(cell).locustfile for cell in sweep.cells]
    assert scenarios == ["predict.py"] * 9 + ["normalize.py", "empty.py"]
    # Only the code differs. Slow stages get less load.
    assert {(cell.replicas, cell.cpus, cell.memory, cell.workers) for cell in sweep.cells} == {(1, 0.2, "1G", 1)}
    users = [sweep.load_of(cell).users for cell in sweep.cells]
    assert users == [2] * 5 + [8] * 2 + [32] * 4


def test_evolution_fits_one_machine_and_a_quarter_of_an_hour():
    host = {"name": "lab-api", "cpus": 1, "memory_bytes": 3 * 1024**3, "reserve_memory_bytes": 1536 * 1024**2}
    plan = make_plan(load_sweep(ROOT / "sweeps" / "evolution.yml"), {"api": [host], "load": []})
    assert [cell.infeasible_reason for cell in plan.cells] == [None] * 11
    assert plan.estimate_seconds.total < 12 * 60


def test_capacity_fits_one_machine_and_six_minutes():
    host = {"name": "lab-api", "cpus": 1, "memory_bytes": 3 * 1024**3, "reserve_memory_bytes": 1536 * 1024**2}
    plan = make_plan(load_sweep(ROOT / "sweeps" / "capacity.yml"), {"api": [host], "load": []})
    assert [cell.infeasible_reason for cell in plan.cells] == [None] * 4
    assert {cell.load["profile"] for cell in plan.cells} == {"smoke"}
    assert plan.estimate_seconds.total < 6 * 60


def test_a_list_of_as_many_cells_as_are_allowed_can_be_written():
    row = "- {replicas: %d, cpus: %s, memory: 1024M, workers: 12, OMP_NUM_THREADS: 12, variant: onnx_batched} # why\n"
    rows = "".join(row % (replicas, cpus) for replicas in range(1, 101) for cpus in range(1, 21))
    text = GOOD[: GOOD.index("matrix")] + "cells:\n" + rows
    assert len(parse(text).cells) == 2000
    assert "2001 cells" in refusal(text + "include: [{replicas: 1, cpus: 1, memory: 1G, workers: 1}]\n")


GOOD_FILES = [
    (b"\xef\xbb\xbf" + GOOD.encode(), 4),  # byte-order mark
    (GOOD.replace("\n", "\r\n").encode(), 4),
    (b"---\n" + GOOD.encode(), 4),
    (GOOD.encode() + b"# a comment\twith a tab\n", 4),
    (GOOD.encode() + b"seed: 0\nrepeat: 20\n", 4),
    (GOOD.encode() + b"exclude: [{replicas: 2, cpus: 1}]\n", 3),
    (GOOD.encode() + b"exclude: []\ninclude: []\n", 4),
    (GOOD.encode() + b"include: [{replicas: 1, cpus: 2, memory: 32m, workers: 1}]\n", 5),
    (GOOD.encode() + b"  locustfile: [predict.py, empty.py]\n", 8),
    (GOOD.encode() + b"  locustfile: [a.py, b.py]\nexclude: [{locustfile: b.py, cpus: 1}]\n", 6),
    (GOOD.encode() + b"include: [{replicas: 1, cpus: 1, memory: 600M, workers: 2, locustfile: empty.py}]\n", 5),
    (GOOD.encode() + b"  variant: [onnx, 'sklearn']\n  OMP_NUM_THREADS: [1]\n", 8),
    (swap("[600M]", "[600M, 1G, 1.5gb, 700000K, '512mb']").encode(), 20),
    (swap("cpus: [0.5, 1]", "cpus: [0.25, 0.333]").encode(), 4),
    (swap("[1, 2]", "2").replace("[0.5, 1]", "0.5").replace("[600M]", "600M").replace("[2]", "2").encode(), 1),
    (GOOD.encode() + b"  variant: onnx\n  image: mine:1\n  locustfile: empty.py\n  LEVEL: -1\n", 4),
]


@pytest.mark.parametrize(("data", "cells"), GOOD_FILES)
def test_good_variants(data, cells):
    assert len(parse(data).cells) == cells


# What people sweep by the environment, and the text that the container gets.
VARIABLES = [
    ("['--threads 2', \"--threads 4\"]", ["--threads 2", "--threads 4"]),
    ("[/models/a, /models/b]", ["/models/a", "/models/b"]),
    ("['0,1', 0]", ["0,1", "0"]),
    ("[-1, 1]", ["-1", "1"]),
    ("['', /usr/lib/x.so]", ["", "/usr/lib/x.so"]),
    ("[true, no, 'on']", ["true", "no", "on"]),
    ("[1.10, 1.1, 010, 1e3, 1_000, .5]", ["1.10", "1.1", "010", "1e3", "1_000", ".5"]),
    ("[A=1, 'a: b #c', '$HOME', '{{ x }}', 'it''s']", ["A=1", "a: b #c", "$HOME", "{{ x }}", "it's"]),
    ('["a\\nb", "\\u00e9"]', ["a\nb", "\u00e9"]),
    ("-Xmx512m -Dx=y", ["-Xmx512m -Dx=y"]),
]


@pytest.mark.parametrize(("written", "values"), VARIABLES)
def test_a_variable_is_the_text_that_was_written(written, values):
    cells = parse(swap("[1, 2]", "1").replace("[0.5, 1]", "1") + f"  OPTIONS: {written}\n").cells
    assert [cell.config()["OPTIONS"] for cell in cells] == values
    assert len({cell.id for cell in cells}) == len(values)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]{1,120}", cell.id) for cell in cells)
    # The same text chooses the cell again.
    case = f"cases: [{{when: {{OPTIONS: {written}}}, users: 2}}]"
    sweep = parse(swap("[1, 2]", "1").replace("users: 50", f"users: 50, {case}") + f"  OPTIONS: {written}\n")
    assert {sweep.load_of(cell).users for cell in sweep.cells} == {2}


def test_a_variable_that_is_too_long_is_refused():
    assert parse(GOOD + f"  LEVEL: {'x' * 8192}\n").cells
    message = refusal(GOOD + f"  LEVEL: {'x' * 8193}\n")
    assert message.startswith("sweeps/x.yml:9: matrix.LEVEL: has 8193 characters; allowed: any text of up to 8192 ")


def test_cells_stand_in_for_the_matrix():
    text = (
        GOOD[: GOOD.index("matrix")]
        + "cells:\n- {replicas: 4, cpus: 2, memory: 1G, workers: 4, GREETING: roundrobin}\n"
    )
    (cell,) = parse(text).cells
    assert cell.id == "r4-c2-m1G-w4-GREETINGroundrobin"
    assert cell.config()["GREETING"] == "roundrobin"


BAD_NUMBERS = [
    "two",
    "'1'",
    '"2"',
    "yes",
    "true",
    "no",
    "1:30",
    "1_000",
    "0o10",
    "010",
    "0x10",
    "0b11",
    "1e3",
    "1.0e3",
    ".nan",
    ".inf",
    "-.inf",
    "NaN",
    "inf",
    "+1",
    ".5",
    "1.",
    "'1,5'",
    "0",
    "-1",
    "0.001",
    "513",
    "1000000000",
    "1" * 40,
    "0.1234",
    "~",
    "",
    "null",
    "[1]",
    "{a: 1}",
    "\u0663",  # an Arabic digit three
    "1 CPU",
    "50%",
    "$(id)",
    "'{{ 1 }}'",
    "2026-11-22",
]


def refused_number(value: str) -> str:
    """The message about a file with this number of CPUs."""
    return refusal(swap("cpus: [0.5, 1]", f"cpus:\n  - 0.5\n  - {value}"))


@pytest.mark.parametrize("value", BAD_NUMBERS)
def test_bad_number_names_file_line_key_and_range(value):
    message = refused_number(value)
    assert message.startswith("sweeps/x.yml:8: matrix.cpus[1]: ")
    assert "0.01 to 512" in message


BAD_MEMORY = [
    "512",
    "1.5",
    "600 MiB",
    "2 GiB",
    "1T",
    "lots",
    "-1G",
    "NaN",
    "1_000M",
    "1e3M",
    "600 M",
    "600M;reboot",
    "5M",
    "0M",
    "16385G",
    "yes",
    "~",
    "[1G]",
    "\u0666\u0660\u0660M",
]


def refused_memory(value: str) -> str:
    """The message about a file with this amount of memory."""
    return refusal(swap("memory: [600M]", f"memory:\n  - {value}"))


@pytest.mark.parametrize("value", BAD_MEMORY)
def test_bad_memory_names_file_line_key_and_range(value):
    message = refused_memory(value)
    assert message.startswith("sweeps/x.yml:8: matrix.memory[0]: ")
    assert "6M" in message


# Each row: the file, the line and the key that must be named.
BAD_FILES = [
    # the whole file
    (b"", None, ""),
    (b"# nothing\n", None, ""),
    (b"just text\n", 1, ""),
    (b"- 1\n", 1, ""),
    (b"name: [\n", 2, ""),
    (b"name: quick\n\tslo: 1\n", 2, ""),
    (b"name: caf\xe9\n", 1, ""),
    ("name: quick\n".encode("utf-16"), 1, ""),
    (b"name: qu\x00ick\n", 1, ""),
    (b"name: qu\x1bick\n", 1, ""),
    (b"# x\n" * 70_000, None, ""),
    (GOOD + "---\n" + GOOD, 9, ""),
    (GOOD + "exclude: " + "[" * 50 + "]" * 50 + "\n", 9, ""),
    (GOOD.replace("[1, 2]", "&a [1, 2]"), 5, ""),
    (GOOD.replace("[2]", "*a"), 8, ""),
    (GOOD.replace("quick", "!!python/object/apply:os.system [id]"), 1, ""),
    (GOOD.replace("users: 50", "users: !!int '50'"), 3, ""),
    (GOOD + "? [a, b]\n: 1\n", 9, ""),
    # keys
    (GOOD + "repeet: 2\n", 9, "repeet"),
    (GOOD + "<<: {seed: 1}\n", 9, ""),
    (GOOD + "'{{ 7*7 }}': 1\n", 9, ""),
    (GOOD + "name: again\n", 9, "name"),
    (GOOD + "  cpus: [2]\n", 9, "matrix.cpus"),
    (GOOD + "  gpus: [2]\n", 9, "matrix.gpus"),
    (GOOD + "  N: [2]\n", 9, "matrix.N"),
    (swap("users", "usres"), 3, "load.usres"),
    (swap("p95_ms", "p95"), 2, "slo.p95"),
    (swap("name: quick\n", ""), 1, "name"),
    (swap("slo: {p95_ms: 500}\n", ""), 1, "slo"),
    (swap("load: {users: 50}\n", ""), 1, "load"),
    (swap("{users: 50}", "{spawn_rate: 5}"), 3, "load.users"),
    (swap("{p95_ms: 500}", "{}"), 2, "slo"),
    (swap("slo: {p95_ms: 500}", "slo:"), 2, "slo"),
    (swap("  workers: [2]\n", ""), 5, "matrix.workers"),
    (GOOD[: GOOD.index("matrix")], 1, "matrix"),
    (GOOD + "cells: [{replicas: 1, cpus: 1, memory: 1G, workers: 1}]\n", 9, "cells"),
    # names
    (swap("quick", "Quick"), 1, "name"),
    (swap("quick", "-x"), 1, "name"),
    (swap("quick", "a" * 33), 1, "name"),
    (swap("quick", "../../etc"), 1, "name"),
    (swap("quick", "'a\\n'"), 1, "name"),
    (swap("quick", "'a b'"), 1, "name"),
    (swap("quick", "'x;touch /tmp/pwn'"), 1, "name"),
    (swap("quick", "123"), 1, "name"),
    (swap("quick", "no"), 1, "name"),
    (swap("quick", ""), 1, "name"),
    (swap("quick", "[quick]"), 1, "name"),
    # load
    (swap("users: 50", "users: 28001"), 3, "load.users"),
    (swap("users: 50", "users: 28001"), 3, "load.users"),
    (swap("users: 50", "users: 901, spawn_rate: 1"), 3, "load.spawn_rate"),
    (swap("users: 50", "users: 9000, spawn_rate: 0.5"), 3, "load.spawn_rate"),
    (swap("users: 50", "users: 50, measure_seconds: 86000"), 3, "load.measure_seconds"),
    (swap("users: 50", "users: 50, warmup_seconds: 3600, measure_seconds: 82400"), 3, "load.measure_seconds"),
    (swap("users: 50", "users: 2.5"), 3, "load.users"),
    (swap("users: 50", "users: 50.0"), 3, "load.users"),
    (swap("users: 50", "users: 50, mode: capacity"), 3, "load.users"),
    (swap("users: 50", "users: 50, mode: closed"), 3, "load.mode"),
    (swap("users: 50", "users: 50, measure_seconds: 86401"), 3, "load.measure_seconds"),
    (swap("users: 50", "users: 50, measure_seconds: 0"), 3, "load.measure_seconds"),
    (swap("users: 50", "users: 50, warmup_seconds: -1"), 3, "load.warmup_seconds"),
    (swap("users: 50", "users: 50, spawn_rate: 0"), 3, "load.spawn_rate"),
    (swap("users: 50", "users: 50, workers: 129"), 3, "load.workers"),
    (swap("users: 50", "users: 5, workers: 6"), 3, "load.workers"),
    (swap("users: 50", "users: 50, wait_seconds: 1"), 3, "load.wait_seconds"),
    (swap("users: 50", "users: 50, wait_seconds: [1]"), 3, "load.wait_seconds"),
    (swap("users: 50", "users: 50, wait_seconds: [2, 1]"), 3, "load.wait_seconds"),
    (swap("users: 50", "users: 50, wait_seconds: [a, 1]"), 3, "load.wait_seconds[0]"),
    (swap("users: 50", "users: 50, locustfile: ../predict.py"), 3, "load.locustfile"),
    (swap("users: 50", "users: 50, locustfile: predict"), 3, "load.locustfile"),
    (swap("users: 50", "users: 50, locustfile: --help.py"), 3, "load.locustfile"),
    (swap("users: 50", "users: 50, locustfile: .hidden.py"), 3, "load.locustfile"),
    # slo
    (swap("p95_ms: 500", "p95_ms: 0"), 2, "slo.p95_ms"),
    (swap("p95_ms: 500", "p99_ms: -5"), 2, "slo.p99_ms"),
    *(
        (swap("p95_ms: 500", f"endpoints: {endpoints}"), 2, f"slo.endpoints{place}")
        for endpoints, place in [
            ("{}", ""),
            ("[1]", ""),
            ("{predict: {p95_ms: 2}}", ".predict"),
            ('{"POST  /predict": {p95_ms: 2}}', ".'POST  /predict'"),
            ('{"POST /predict": {}}', ".'POST /predict'"),
            ('{"POST /predict": 200}', ".'POST /predict'"),
            ('{"POST /predict": {p90_ms: 200}}', ".'POST /predict'.p90_ms"),
            ('{"POST /predict": {p95_ms: -1}}', ".'POST /predict'.p95_ms"),
        ]
    ),
    (swap("p95_ms: 500", "max_failure_percent: 101"), 2, "slo.max_failure_percent"),
    # matrix
    (swap("[1, 2]", "[]"), 5, "matrix.replicas"),
    (swap("[1, 2]", "{a: 2}"), 5, "matrix.replicas"),
    (swap("[1, 2]", ""), 5, "matrix.replicas"),
    (swap("[1, 2]", "101"), 5, "matrix.replicas"),
    (swap("[1, 2]", "[1, 1]"), 5, "matrix.replicas[1]"),
    (swap("[600M]", "[1G, 1024M]"), 7, "matrix.memory[1]"),
    (swap("[1, 2]", "[101]"), 5, "matrix.replicas[0]"),
    (swap("  workers: [2]", "  workers: [129]"), 8, "matrix.workers[0]"),
    (swap("[1, 2]", str(list(range(1, 101)))).replace("[0.5, 1]", str(list(range(1, 101)))), 5, "matrix"),
    (GOOD + "  variant: [no]\n", 9, "matrix.variant[0]"),
    (GOOD + "  variant: ['a b']\n", 9, "matrix.variant[0]"),
    (GOOD + "  variant: ['$(id)']\n", 9, "matrix.variant[0]"),
    (GOOD + "  variant: ['{{ lookup(1) }}']\n", 9, "matrix.variant[0]"),
    (GOOD + "  LEVEL: [1, '1']\n", 9, "matrix.LEVEL[1]"),
    (GOOD + "  LEVEL: [~]\n", 9, "matrix.LEVEL[0]"),
    (GOOD + "  LEVEL:\n", 9, "matrix.LEVEL"),
    (GOOD + "  LEVEL: [[1]]\n", 9, "matrix.LEVEL[0]"),
    (GOOD + "  LEVEL: {a: 1}\n", 9, "matrix.LEVEL"),
    (GOOD + "  image: ['-v']\n", 9, "matrix.image[0]"),
    (GOOD + "  image: [-3]\n", 9, "matrix.image[0]"),
    (GOOD + "  variant: [1_000]\n", 9, "matrix.variant[0]"),
    (GOOD + "  locustfile: [../predict.py]\n", 9, "matrix.locustfile[0]"),
    (GOOD + "  locustfile: [predict]\n", 9, "matrix.locustfile[0]"),
    (GOOD + "  locustfile: [3]\n", 9, "matrix.locustfile[0]"),
    (GOOD + "  locustfile: [a.py, a.py]\n", 9, "matrix.locustfile[1]"),
    # exclude, include, cells
    (GOOD + "exclude: {replicas: 1}\n", 9, "exclude"),
    (GOOD + "exclude: [{}]\n", 9, "exclude[0]"),
    (GOOD + "exclude: [{replicas: 3}]\n", 9, "exclude[0]"),
    (GOOD + "exclude: [{replica: 1}]\n", 9, "exclude[0].replica"),
    (GOOD + "exclude: [{memory: 600M}]\n", 1, "exclude"),
    (GOOD + "include: [{replicas: 1}]\n", 9, "include[0].cpus"),
    (GOOD + "include: [{replicas: 1, cpus: 1, memory: 614400K, workers: 2}]\n", 9, "r1-c1-m600M-w2"),
    (GOOD + "include: 3\n", 9, "include"),
    (swap(GOOD[GOOD.index("matrix") :], "cells: []\n"), 4, "cells"),
    (swap(GOOD[GOOD.index("matrix") :], "cells: [3]\n"), 4, "cells[0]"),
    # repeat and seed
    (GOOD + "repeat: 0\n", 9, "repeat"),
    (GOOD + "repeat: 21\n", 9, "repeat"),
    (GOOD + "seed: -1\n", 9, "seed"),
    (GOOD + "seed: 1.5\n", 9, "seed"),
]


@pytest.mark.parametrize(("text", "line", "key"), BAD_FILES)
def test_bad_file_names_line_and_key(text, line, key):
    message = refusal(text)
    where = "sweeps/x.yml: " if line is None else f"sweeps/x.yml:{line}: "
    assert any(row.startswith(where + (f"{key}: " if key else "")) for row in message.splitlines()), message


def changed_lines(text: str | bytes) -> str:
    """What makes the good file a bad one: the lines that go (-) and come (+), or the start of another file."""
    if isinstance(text, bytes):
        return repr(text[:60])
    return "\n".join(line for line in difflib.ndiff(GOOD.splitlines(), text.splitlines()) if line[0] in "+-")


def test_the_messages_about_bad_files(golden):
    end = refusal(swap("quick", "Quick")).splitlines()[-1]
    refused = {
        "cpus": {value: refused_number(value) for value in BAD_NUMBERS},
        "memory": {value: refused_memory(value) for value in BAD_MEMORY},
        "files": {changed_lines(text): refusal(text) for text, _, _ in BAD_FILES},
    }
    rows = {
        name: [{"given": given, "refused": text.removesuffix(f"\n{end}")} for given, text in table.items()]
        for name, table in refused.items()
    }
    golden("sweep_file_errors.yml", rows | {"the last line of most": end})


def test_all_mistakes_of_a_file_are_reported_at_once_in_order():
    message = refusal(swap("[1, 2]", "[0, two]").replace("quick", "Quick").replace("600M", "600"))
    lines = [row.split(":")[1] for row in message.splitlines()[:-1]]
    assert lines == ["1", "5", "5", "7"]


def test_what_cannot_be_together_is_reported_beside_values_that_are_refused():
    cases = "[{when: {cpus: 1}, users: no}, {when: {cpus: 9}, users: 1}, {when: {cpus: 1}, spawn_rate: 0.05}]"
    text = swap("load: {users: 50}", f"load: {{users: 50, workers: 51, cases: {cases}}}").replace("quick", "Quick")
    keys = [row.split(": ")[1] for row in refusal(text + "exclude: [{cpus: 7}]\nrepeat: 0\n").splitlines()[:-1]]
    assert keys == [
        "name",
        "load.cases[0].users",
        "load.cases[1].workers",
        "load.cases[2].spawn_rate",
        "load.cases[2].workers",
        "load.workers",
        "exclude[0]",
        "repeat",
    ]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[1, 2]", "[1.10]", "matrix.replicas[0]: 1.10 is not a whole number"),
        ("[0.5, 1]", "[600.50]", "matrix.cpus[0]: 600.50 is out of range"),
        ("[600M]", "[0.001G]", "matrix.memory[0]: '0.001G' is out of range"),
        (
            "users: 50",
            "users: 50, cases: [{when: {memory: 1.20G}, users: 2}]",
            "no cell has the value 1.20G; allowed: 600M",
        ),
        (
            "users: 50",
            "users: 50, cases: [{when: {cpus: 1.10}, users: 2}]",
            "no cell has the value 1.10; allowed: 0.5, 1",
        ),
        (
            "users: 50",
            "users: 50, cases: [{when: {variant: '1.10'}, users: 2}]",
            "no cell has the value '1.10', because no cell has the axis variant; allowed: replicas, cpus",
        ),
    ],
)
def test_a_message_shows_what_was_written(old, new, words):
    assert words in refusal(swap(old, new))


def test_many_mistakes_are_cut_at_twenty(golden):
    message = refusal(swap("[1, 2]", str(["x"] * 30).replace("'", "")))
    lines = message.splitlines()
    assert [line.startswith("sweeps/x.yml:5: matrix.replicas[") for line in lines] == [True] * 20 + [False] * 2
    golden("sweep_file_many_errors.txt", "\n".join(lines[19:]) + "\n")
    assert "10 more" in lines[20]


def test_a_huge_product_is_counted_without_being_built():
    hundred = str(list(range(1, 101)))
    many = str([f"{size}M" for size in range(10, 1010)]).replace("'", "")
    text = swap("[1, 2]", hundred).replace("[0.5, 1]", hundred).replace("[600M]", many).replace("[2]", hundred)
    assert "1000000000 cells" in refusal(text)


def test_unreadable_path_is_refused(tmp_path, golden):
    (tmp_path / "other.yml").write_text(GOOD)
    messages = {}
    for name, path in {"missing": tmp_path / "missing.yml", "a folder": tmp_path, "a name": "a\0b"}.items():
        with pytest.raises(InputError) as refused:
            load_sweep(path)
        messages[name] = str(refused.value).replace(str(tmp_path), "FOLDER")
    golden("sweep_file_unreadable.yml", messages)
    assert "other.yml" in messages["missing"]


def test_locustfile_must_be_there_where_the_folder_is(tmp_path):
    sweeps, locustfiles = tmp_path / "sweeps", tmp_path / "locustfiles"
    sweeps.mkdir()
    (sweeps / "x.yml").write_text(GOOD)
    assert load_sweep(sweeps / "x.yml").name == "quick"  # the folder does not exist
    locustfiles.mkdir()
    (locustfiles / "health.py").touch()
    with pytest.raises(InputError, match=r"'predict\.py' .*locustfiles/.* health\.py"):
        load_sweep(sweeps / "x.yml")
    (locustfiles / "predict.py").touch()
    assert load_sweep(sweeps / "x.yml").load.locustfile == "predict.py"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (swap("users: 50", "users: 50, locustfile: none.py"), "3: load.locustfile"),
        (GOOD + "  locustfile: [predict.py, none.py]\n", "9: matrix.locustfile[1]"),
        (
            GOOD + "include: [{replicas: 1, cpus: 1, memory: 1G, workers: 1, locustfile: none.py}]\n",
            "9: include[0].locustfile",
        ),
    ],
)
def test_a_scenario_that_is_not_there_is_named_with_its_line(text, where):
    with pytest.raises(InputError) as caught:
        parse_sweep(text.encode(), "x.yml", scenarios=["predict.py", "empty.py"])
    assert re.search(rf"x\.yml:{re.escape(where)}: 'none\.py' .*: empty\.py, predict\.py", str(caught.value))


@pytest.mark.parametrize(
    ("load", "seconds"),
    [
        ("users: 10000, spawn_rate: 500, workers: 8", 3 + 20 + 10 + 30),
        ("users: 900, spawn_rate: 1", 3 + 900 + 10 + 30),
        ("users: 50, warmup_seconds: 0, measure_seconds: 85996", 3 + 1 + 85996),
    ],
)
def test_the_longest_loads_that_the_lab_can_bear_are_taken(load, seconds):
    assert parse_sweep(swap("users: 50", load).encode(), "x.yml").load.seconds == seconds


@pytest.mark.parametrize(
    ("file", "pattern", "limit"),
    [
        ("loadgen/closed/timeline.py", r"^MAX_RAMP_SECONDS = ([0-9.]+)$", MAX_RAMP_SECONDS),
    ],
)
def test_limits_are_those_of_what_would_cut_a_load_off(file, pattern, limit):
    assert [float(value) for value in re.findall(pattern, (ROOT / file).read_text(), re.MULTILINE)] == [limit]


def test_the_sampler_outlives_the_longest_load():
    sampler = (ROOT / "sampler/main.py").read_text()
    longest = int(re.search(r"options\.max_seconds <= (\d+)", sampler).group(1))
    grace = int(
        re.search(r"load_grace_seconds: (\d+)", (ROOT / "roles/bench_cell/defaults/main.yml").read_text()).group(1)
    )
    assert MAX_LOAD_SECONDS + grace <= longest


def test_a_name_alone_is_looked_for_among_the_sweeps(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site.yml").write_text("[]")
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps/quick.yml").write_text(GOOD)
    with pytest.raises(InputError, match=r"^quick\.yml: no such sweep file; available: sweeps/quick\.yml$"):
        load_sweep("quick.yml")


# What a file says of a baseline, and whether it takes one.
BASELINES = [
    (GOOD, True),
    (GOOD + "baseline: inventory\n", True),
    (GOOD + "baseline: none\n", False),
    (GOOD + "include: [{replicas: 1, cpus: 1, memory: 1G, workers: 1}]\n", True),
    (GOOD + "include: [{replicas: 1, cpus: 1, memory: 1G, workers: 1, variant: onnx}]\n", False),
    (swap("workers: [2]", "workers: [2]\n  locustfile: [a.py]"), False),
    (GOOD[: GOOD.index("matrix")] + "cells: [{replicas: 1, cpus: 1, memory: 1G, workers: 1}]\n", False),
]


@pytest.mark.parametrize(("text", "takes"), BASELINES)
def test_a_matrix_of_the_four_axes_takes_a_baseline(text, takes):
    sweep = parse(text)
    assert sweep.takes_baseline is takes
    assert checked(sweep).sweep().takes_baseline is takes
    if not takes and "baseline" not in text:
        said = refusal(text + "baseline: inventory\n")
        assert "baseline: needs a matrix with the axes replicas, cpus, memory and workers alone" in said


@pytest.mark.parametrize("value", ["all", "r1-c1", "", "~", "no"])
def test_a_baseline_is_one_of_two_words(value):
    assert "baseline: " in (said := refusal(GOOD + f"baseline: {value}\n")), said
    assert "inventory (the configuration" in said
