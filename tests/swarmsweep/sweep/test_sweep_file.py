"""Sweep files: what is accepted, and for each kind of mistake the line, the key and the advice."""

import re
from pathlib import Path

import pytest

from swarmsweep.errors import InputError
from swarmsweep.plan.plan import make_plan
from swarmsweep.sweep import load_section
from swarmsweep.sweep.fields import BOUNDS
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
    assert sweep.load.wait_seconds == (0, 0)
    assert (sweep.repeat, sweep.seed) == (1, None)
    assert sweep.slo.limits() == {"p95_ms": 500, "max_failure_percent": 1}
    assert [cell.id for cell in sweep.cells] == [
        "r1-c0.5-m600M-w2",
        "r1-c1-m600M-w2",
        "r2-c0.5-m600M-w2",
        "r2-c1-m600M-w2",
    ]


@pytest.mark.parametrize("name", ["quick", "default", "taller5", "evolution", "capacity"])
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


def test_evolution_is_the_ladder_of_the_api_in_its_order():
    sweep = load_sweep(ROOT / "sweeps" / "evolution.yml")
    variants = (ROOT / "app/covertype_api/variants.py").read_text()
    ladder = re.findall(r'^    "(\w+)": ', variants[variants.index("\nPRESETS") :], re.MULTILINE)
    assert len(ladder) == 9
    assert [dict(cell.extra)["variant"] for cell in sweep.cells] == [*ladder, "onnx", "onnx"]
    scenarios = [sweep.load_of(cell).locustfile for cell in sweep.cells]
    assert scenarios == ["predict.py"] * 9 + ["normalize.py", "empty.py"]
    # Nothing but the code differs, and slow stages get less.
    assert {(cell.replicas, cell.cpus, cell.memory, cell.workers) for cell in sweep.cells} == {(1, 0.2, "1G", 1)}
    users = [sweep.load_of(cell).users for cell in sweep.cells]
    assert users == [2] * 5 + [8] * 2 + [32] * 4


def test_evolution_fits_one_machine_and_a_quarter_of_an_hour():
    host = {"name": "lab-api", "cpus": 1, "memory_bytes": 3 * 1024**3, "reserve_memory_bytes": 1536 * 1024**2}
    plan = make_plan(load_sweep(ROOT / "sweeps" / "evolution.yml"), {"api": [host], "load": []})
    assert [cell["infeasible_reason"] for cell in plan["cells"]] == [None] * 11
    assert plan["estimate_seconds"]["total"] < 12 * 60


def test_capacity_fits_one_machine_and_six_minutes():
    host = {"name": "lab-api", "cpus": 1, "memory_bytes": 3 * 1024**3, "reserve_memory_bytes": 1536 * 1024**2}
    plan = make_plan(load_sweep(ROOT / "sweeps" / "capacity.yml"), {"api": [host], "load": []})
    assert [cell["infeasible_reason"] for cell in plan["cells"]] == [None] * 4
    assert {cell["load"]["profile"] for cell in plan["cells"]} == {"smoke"}
    assert plan["estimate_seconds"]["total"] < 6 * 60


def test_a_list_of_as_many_cells_as_are_allowed_can_be_written():
    row = "- {replicas: %d, cpus: %s, memory: 1024M, workers: 12, OMP_NUM_THREADS: 12, variant: onnx_batched} # why\n"
    rows = "".join(row % (replicas, cpus) for replicas in range(1, 101) for cpus in range(1, 21))
    text = GOOD[: GOOD.index("matrix")] + "cells:\n" + rows
    assert len(parse(text).cells) == 2000
    assert "makes 2001 cells in all" in refusal(text + "include: [{replicas: 1, cpus: 1, memory: 1G, workers: 1}]\n")


@pytest.mark.parametrize(
    ("bytes_of_file", "cells"),
    [
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
    ],
)
def test_good_variants(bytes_of_file, cells):
    assert len(parse(bytes_of_file).cells) == cells


def test_cells_stand_in_for_the_matrix():
    text = (
        GOOD[: GOOD.index("matrix")]
        + "cells:\n- {replicas: 4, cpus: 2, memory: 1G, workers: 4, GREETING: roundrobin}\n"
    )
    (cell,) = parse(text).cells
    assert cell.id == "r4-c2-m1G-w4-GREETINGroundrobin"
    assert cell.config()["GREETING"] == "roundrobin"


# Each row: the file, the line that must be named, and words that the message must hold.
BAD_NUMBERS = [
    ("two", "'two' is not a number"),
    ("'1'", "write 1 without quotes"),
    ('"2"', "write 2 without quotes"),
    ("yes", "truth value"),
    ("true", "truth value"),
    ("no", "truth value"),
    ("1:30", "base-60"),
    ("1_000", "underscores"),
    ("0o10", "octal"),
    ("010", "octal"),
    ("0x10", "not decimal"),
    ("0b11", "not decimal"),
    ("1e3", "exponent"),
    ("1.0e3", "exponent"),
    (".nan", "not a finite number"),
    (".inf", "not a finite number"),
    ("-.inf", "not a finite number"),
    ("NaN", "not a finite number"),
    ("inf", "not a finite number"),
    ("+1", "plus sign"),
    (".5", "begins with a point"),
    ("1.", "ends with a point"),
    ("'1,5'", "not a number"),
    ("0", "out of range"),
    ("-1", "out of range"),
    ("0.001", "out of range"),
    ("513", "out of range"),
    ("1000000000", "out of range"),
    ("1" * 40, "is not a number"),
    ("0.1234", "more than 3 decimals"),
    ("~", "is empty"),
    ("", "is empty"),
    ("null", "is empty"),
    ("[1]", "a list stands here"),
    ("{a: 1}", "a mapping stands here"),
    ("\u0663", "is not a number"),  # an Arabic digit three
    ("1 CPU", "is not a number"),
    ("50%", "is not a number"),
    ("$(id)", "is not a number"),
    ("'{{ 1 }}'", "not a number"),
    ("2026-11-22", "is not a number"),
]


@pytest.mark.parametrize(("value", "words"), BAD_NUMBERS)
def test_bad_number_names_file_line_key_and_range(value, words):
    message = refusal(swap("cpus: [0.5, 1]", f"cpus:\n  - 0.5\n  - {value}"))
    assert message.startswith("sweeps/x.yml:8: matrix.cpus[1]: ")
    assert words in message
    assert "0.01 to 512 CPUs per replica" in message
    assert "python -m swarmsweep check sweeps/x.yml" in message


BAD_MEMORY = [
    ("512", "write 512M or 512G"),
    ("1.5", "write 1.5M or 1.5G"),
    ("600MiB", "write 600M"),
    ("2 GiB", "write 2G"),
    ("1T", "not an amount"),
    ("lots", "not an amount"),
    ("-1G", "negative"),
    ("NaN", "not an amount"),
    ("1_000M", "not an amount"),
    ("1e3M", "not an amount"),
    ("600 M", "not an amount"),
    ("600M;reboot", "not an amount"),
    ("5M", "out of range"),
    ("0M", "out of range"),
    ("16385G", "out of range"),
    ("yes", "not an amount"),
    ("~", "is empty"),
    ("[1G]", "a list stands here"),
    ("\u0666\u0660\u0660M", "not an amount"),
]


@pytest.mark.parametrize(("value", "words"), BAD_MEMORY)
def test_bad_memory_says_how_to_write_it(value, words):
    message = refusal(swap("memory: [600M]", f"memory:\n  - {value}"))
    assert message.startswith("sweeps/x.yml:8: matrix.memory[0]: ")
    assert words in message
    assert "6M (Docker's minimum)" in message


BAD_FILES = [
    # the whole file
    (b"", None, "is empty"),
    (b"# nothing\n", None, "is empty"),
    (b"just text\n", 1, "the single value 'just text' stands here"),
    (b"- 1\n", 1, "a list stands here"),
    (b"name: [\n", 2, "is not valid YAML"),
    (b"name: quick\n\tslo: 1\n", 2, "indented with a tab"),
    (b"name: caf\xe9\n", 1, "is not UTF-8"),
    ("name: quick\n".encode("utf-16"), 1, "is not UTF-8"),
    (b"name: qu\x00ick\n", 1, "control character"),
    (b"name: qu\x1bick\n", 1, "control character"),
    (b"# x\n" * 70_000, None, "more than 262144 bytes"),
    (GOOD + "---\n" + GOOD, 9, "a second document"),
    (GOOD + "exclude: " + "[" * 50 + "]" * 50 + "\n", 9, "nested more than"),
    (GOOD.replace("[1, 2]", "&a [1, 2]"), 5, "anchor or alias 'a'"),
    (GOOD.replace("[2]", "*a"), 8, "anchor or alias 'a'"),
    (GOOD.replace("quick", "!!python/object/apply:os.system [id]"), 1, "tag"),
    (GOOD.replace("users: 50", "users: !!int '50'"), 3, "tag"),
    (GOOD + "? [a, b]\n: 1\n", 9, "keys are plain words"),
    # keys
    (GOOD + "repeet: 2\n", 9, "repeet: is unknown (did you mean repeat?)"),
    (GOOD + "<<: {seed: 1}\n", 9, "is unknown"),
    (GOOD + "'{{ 7*7 }}': 1\n", 9, "is unknown"),
    (GOOD + "name: again\n", 9, "name: is given twice (first on line 1)"),
    (GOOD + "  cpus: [2]\n", 9, "matrix.cpus: is given twice (first on line 6)"),
    (GOOD + "  gpus: [2]\n", 9, "matrix.gpus: is unknown (did you mean cpus?)"),
    (GOOD + "  N: [2]\n", 9, "variant, and environment variables of the API in capitals (A-Z, 0-9 and _, 2 to 40"),
    (swap("users", "usres"), 3, "load.usres: is unknown (did you mean users?)"),
    (swap("p95_ms", "p95"), 2, "slo.p95: is unknown (did you mean p95_ms?)"),
    (swap("name: quick\n", ""), 1, "name: is missing"),
    (swap("slo: {p95_ms: 500}\n", ""), 1, "slo: is missing"),
    (swap("load: {users: 50}\n", ""), 1, "load: is missing"),
    (swap("{users: 50}", "{spawn_rate: 5}"), 3, "load.users: is missing"),
    (swap("{p95_ms: 500}", "{}"), 2, "slo: is empty"),
    (swap("slo: {p95_ms: 500}", "slo:"), 2, "nothing stands here"),
    (swap("  workers: [2]\n", ""), 5, "matrix.workers: is missing"),
    (GOOD[: GOOD.index("matrix")], 1, "matrix: is missing"),
    (GOOD + "cells: [{replicas: 1, cpus: 1, memory: 1G, workers: 1}]\n", 9, "cells: stands beside matrix"),
    # names
    (swap("quick", "Quick"), 1, "name: 'Quick' does not fit"),
    (swap("quick", "-x"), 1, "does not fit"),
    (swap("quick", "a" * 33), 1, "does not fit"),
    (swap("quick", "../../etc"), 1, "does not fit"),
    (swap("quick", "'a\\n'"), 1, "does not fit"),
    (swap("quick", "'a b'"), 1, "does not fit"),
    (swap("quick", "'x;touch /tmp/pwn'"), 1, "does not fit"),
    (swap("quick", "123"), 1, "is a number in YAML, put it in quotes"),
    (swap("quick", "no"), 1, "is a truth value in YAML, put it in quotes"),
    (swap("quick", ""), 1, "name: is empty"),
    (swap("quick", "[quick]"), 1, "name: a list stands here"),
    # load
    (swap("users: 50", "users: 9001"), 3, "load.users: 9001 is out of range; allowed: whole numbers 1 to 9000"),
    (swap("users: 50", "users: 9001"), 3, "(platform_proxy_max_connections)"),
    (swap("users: 50", "users: 901, spawn_rate: 1"), 3, "901 users in 901 s; allowed: up to 900 s"),
    (swap("users: 50", "users: 9000, spawn_rate: 0.5"), 3, "load.spawn_rate: 0.5 users per second start 9000 users"),
    (swap("users: 50", "users: 50, measure_seconds: 86000"), 3, "take 86,011 s together; allowed: up to 86,000 s"),
    (
        swap("users: 50", "users: 50, warmup_seconds: 3600, measure_seconds: 82400"),
        3,
        "load.measure_seconds: starting the users, warm-up and measuring take 86,001 s",
    ),
    (swap("users: 50", "users: 2.5"), 3, "load.users: 2.5 is not a whole number"),
    (swap("users: 50", "users: 50.0"), 3, "is not a whole number"),
    (swap("users: 50", "users: 50, mode: capacity"), 3, "load.users: belongs to mode fixed"),
    (
        swap("users: 50", "users: 50, mode: closed"),
        3,
        "load.mode: 'closed' does not fit; allowed: fixed (so many users",
    ),
    (swap("users: 50", "users: 50, measure_seconds: 86401"), 3, "load.measure_seconds: 86401 is out of range"),
    (swap("users: 50", "users: 50, measure_seconds: 0"), 3, "out of range"),
    (swap("users: 50", "users: 50, warmup_seconds: -1"), 3, "out of range"),
    (swap("users: 50", "users: 50, spawn_rate: 0"), 3, "out of range"),
    (swap("users: 50", "users: 50, workers: 129"), 3, "out of range"),
    (swap("users: 50", "users: 5, workers: 6"), 3, "6 workers share 5 users"),
    (swap("users: 50", "users: 50, wait_seconds: 1"), 3, "a list is needed"),
    (swap("users: 50", "users: 50, wait_seconds: [1]"), 3, "has 1 values"),
    (swap("users: 50", "users: 50, wait_seconds: [2, 1]"), 3, "2 is above 1"),
    (swap("users: 50", "users: 50, wait_seconds: [a, 1]"), 3, "load.wait_seconds[0]: 'a' is not a number"),
    (swap("users: 50", "users: 50, locustfile: ../predict.py"), 3, "load.locustfile: '../predict.py' does not fit"),
    (swap("users: 50", "users: 50, locustfile: predict"), 3, "ending in .py"),
    (swap("users: 50", "users: 50, locustfile: --help.py"), 3, "does not fit"),
    (swap("users: 50", "users: 50, locustfile: .hidden.py"), 3, "does not fit"),
    # slo
    (swap("p95_ms: 500", "p95_ms: 0"), 2, "slo.p95_ms: 0 is out of range"),
    (swap("p95_ms: 500", "p99_ms: -5"), 2, "slo.p99_ms"),
    (swap("p95_ms: 500", "max_failure_percent: 101"), 2, "0 to 100 percent"),
    # matrix
    (swap("[1, 2]", "[]"), 5, "matrix.replicas: is an empty list"),
    (swap("[1, 2]", "2"), 5, "matrix.replicas: the single value '2' stands here; a list is needed"),
    (swap("[1, 2]", "[1, 1]"), 5, "matrix.replicas[1]: is the same value as matrix.replicas[0]"),
    (swap("[600M]", "[1G, 1024M]"), 7, "matrix.memory[1]: is the same value"),
    (swap("[1, 2]", "[101]"), 5, "matrix.replicas[0]: 101 is out of range"),
    (swap("  workers: [2]", "  workers: [129]"), 8, "matrix.workers[0]: 129 is out of range"),
    (swap("[1, 2]", str(list(range(1, 101)))).replace("[0.5, 1]", str(list(range(1, 101)))), 5, "has 10000 cells"),
    (GOOD + "  variant: [no]\n", 9, "matrix.variant[0]: 'no' is a truth value"),
    (GOOD + "  variant: ['a b']\n", 9, "does not fit"),
    (GOOD + "  variant: ['$(id)']\n", 9, "does not fit"),
    (GOOD + "  variant: ['{{ lookup(1) }}']\n", 9, "does not fit"),
    (GOOD + "  image: ['-v']\n", 9, "does not fit"),
    (GOOD + "  image: [-3]\n", 9, "matrix.image[0]"),
    (GOOD + "  variant: [1_000]\n", 9, "is a number in YAML"),
    (
        GOOD + "  locustfile: [../predict.py]\n",
        9,
        "matrix.locustfile[0]: '../predict.py' does not fit; allowed: the plain",
    ),
    (GOOD + "  locustfile: [predict]\n", 9, "ending in .py"),
    (GOOD + "  locustfile: [3]\n", 9, "matrix.locustfile[0]: '3' is a number in YAML"),
    (GOOD + "  locustfile: [a.py, a.py]\n", 9, "matrix.locustfile[1]: is the same value as matrix.locustfile[0]"),
    # exclude, include, cells
    (GOOD + "exclude: {replicas: 1}\n", 9, "exclude: a mapping stands here; a list is needed"),
    (GOOD + "exclude: [{}]\n", 9, "exclude[0]: is empty"),
    (GOOD + "exclude: [{replicas: 3}]\n", 9, "exclude[0]: matches no cell"),
    (GOOD + "exclude: [{replica: 1}]\n", 9, "exclude[0].replica: is unknown (did you mean replicas?)"),
    (GOOD + "exclude: [{memory: 600M}]\n", 1, "leaves no cell"),
    (GOOD + "include: [{replicas: 1}]\n", 9, "include[0].cpus: is missing"),
    (GOOD + "include: [{replicas: 1, cpus: 1, memory: 614400K, workers: 2}]\n", 9, "r1-c1-m600M-w2: is given twice"),
    (GOOD + "include: 3\n", 9, "include: the single value '3' stands here"),
    (swap(GOOD[GOOD.index("matrix") :], "cells: []\n"), 4, "cells: is an empty list"),
    (swap(GOOD[GOOD.index("matrix") :], "cells: [3]\n"), 4, "cells[0]: the single value '3' stands here"),
    # repeat and seed
    (GOOD + "repeat: 0\n", 9, "repeat: 0 is out of range"),
    (GOOD + "repeat: 21\n", 9, "out of range"),
    (GOOD + "seed: -1\n", 9, "seed: -1 is out of range"),
    (GOOD + "seed: 1.5\n", 9, "not a whole number"),
]


@pytest.mark.parametrize(("text", "line", "words"), BAD_FILES)
def test_bad_file_names_line_and_mistake(text, line, words):
    message = refusal(text)
    where = "sweeps/x.yml:" if line is None else f"sweeps/x.yml:{line}:"
    assert any(row.startswith(where) and words in row for row in message.splitlines()), message


def test_all_mistakes_of_a_file_are_told_at_once_in_order():
    message = refusal(swap("[1, 2]", "[0, two]").replace("quick", "Quick").replace("600M", "600"))
    lines = [row.split(":")[1] for row in message.splitlines()[:-1]]
    assert lines == ["1", "5", "5", "7"]


def test_many_mistakes_are_cut_at_twenty():
    message = refusal(swap("[1, 2]", str(["x"] * 30).replace("'", "")))
    assert message.count("is not a number") == 20
    assert "and 10 more" in message


def test_a_huge_product_is_counted_without_being_built():
    hundred = str(list(range(1, 101)))
    many = str([f"{size}M" for size in range(10, 1010)]).replace("'", "")
    text = swap("[1, 2]", hundred).replace("[0.5, 1]", hundred).replace("[600M]", many).replace("[2]", hundred)
    assert "has 1000000000 cells" in refusal(text)


def test_further_axes_are_a_parameter():
    with pytest.raises(InputError, match=r"matrix\.variant: is unknown"):
        parse_sweep((GOOD + "  variant: [onnx]\n").encode(), "x.yml", extra_axes=())
    assert len(parse_sweep((GOOD + "  depth: [3]\n").encode(), "x.yml", extra_axes={"depth"}).cells) == 4


@pytest.mark.parametrize(
    ("name", "words"), [("missing.yml", "present: "), (".", "is not a file"), ("a\0b", "cannot be read")]
)
def test_unreadable_path_is_refused(tmp_path, name, words):
    (tmp_path / "other.yml").write_text(GOOD)
    with pytest.raises(InputError, match=words):
        load_sweep(str(tmp_path / name) if name != "." else tmp_path)


def test_locustfile_must_be_there_where_the_folder_is(tmp_path):
    sweeps, locustfiles = tmp_path / "sweeps", tmp_path / "locustfiles"
    sweeps.mkdir()
    (sweeps / "x.yml").write_text(GOOD)
    assert load_sweep(sweeps / "x.yml").name == "quick"  # no folder to look into
    locustfiles.mkdir()
    (locustfiles / "health.py").touch()
    with pytest.raises(InputError, match=r"'predict\.py' is not in locustfiles/; present: health\.py"):
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
    assert f"x.yml:{where}: 'none.py' is not in locustfiles/; present: empty.py, predict.py" in str(caught.value)


@pytest.mark.parametrize(
    "load",
    [
        "users: 9000",
        "users: 900, spawn_rate: 1",
        "users: 50, warmup_seconds: 0, measure_seconds: 85999",
    ],
)
def test_the_longest_loads_that_the_lab_can_bear_are_taken(load):
    assert parse_sweep(swap("users: 50", load).encode(), "x.yml").load.users > 0


@pytest.mark.parametrize(
    ("file", "pattern", "limit"),
    [
        ("locust_host/files/recorder.py", r"^LONGEST_RAMP_SECONDS = ([0-9.]+)$", load_section.MAX_RAMP_SECONDS),
        ("platform/defaults/main.yml", r"^platform_proxy_max_connections: (\d+)$", BOUNDS["load.users"].high),
    ],
)
def test_limits_are_those_of_what_would_cut_a_load_off(file, pattern, limit):
    assert [float(value) for value in re.findall(pattern, (ROOT / "roles" / file).read_text(), re.MULTILINE)] == [limit]


def test_the_sampler_outlives_the_longest_load():
    sampler = (ROOT / "roles/host_metrics/files/sampler.py").read_text()
    longest = int(re.search(r"options\.max_seconds <= (\d+)", sampler).group(1))
    grace = int(
        re.search(r"load_grace_seconds: (\d+)", (ROOT / "roles/bench_cell/defaults/main.yml").read_text()).group(1)
    )
    assert load_section.MAX_LOAD_SECONDS + grace <= longest
