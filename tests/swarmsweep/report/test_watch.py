"""`./lab watch`: which run, when it ends, and what it prints on a terminal, for a script and in a log."""

import contextlib
import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from swarmsweep.cli import main
from swarmsweep.errors import LabError
from swarmsweep.lab import lock
from swarmsweep.lab.lock_holder import holder_of
from swarmsweep.lab.processes import started_at
from swarmsweep.report.live_load import LiveLoad, NoFigures
from swarmsweep.report.progress_file import FILE, CellProgress, Now, RunProgress
from swarmsweep.report.watch import JsonLines, versions, watched_run
from swarmsweep.report.watch_screen import Screen, sparkline
from swarmsweep.report.watch_text import Lines, best_line
from tests.swarmsweep.report.test_live_load import WINDOW
from tests.swarmsweep.report.test_progress import CHEAP, DEAR, MIDDLE, Sweep

ROOT = Path(__file__).parents[3]
CELLS = [
    CellProgress(id=CHEAP, status="failed", reason="needed more than its memory", rps=None),
    CellProgress(id=MIDDLE, status="valid", rps=412.4, p95_ms=88.2, meets_slo=True),
    CellProgress(id=DEAR),
]
LOAD = msgspec.convert(WINDOW, LiveLoad)
NOW = Now(cell_id=DEAR, attempt=1, is_retry=False, position=3, of=3, phase="load", started_at=1_000.0,
          expected_seconds=30.0, load=LOAD)  # fmt: skip
RUN = RunProgress(run_id="20261122T114512Z-quick", sweep="quick", mode="fixed", state="running", process=os.getpid(),
                  process_started=started_at(os.getpid()), started_at=900.0, written_at=1_012.0, steps=3, steps_done=2,
                  seconds_left=18.0, ends_at=1_030.0, now=NOW, cells=CELLS, best=CELLS[1], best_holds_slo=True,
                  last="2/3 r1-c0.5-m256M-w1: valid, 412 requests/s")  # fmt: skip
ENDED = replace(RUN, state="ended", now=None, seconds_left=0.0, steps_done=3)
END = f"{datetime.fromtimestamp(ENDED.written_at):%H:%M}"
# An invalid attempt of a real run had this reason.
REASON = (
    "27.8, 35.0, 43.4 requests/s in the thirds of the window: they differ by a factor of 1.56 (limit 1.36); "
    "noisy neighbours used 0.91 cores of lab-load (limit 0.1), which had no free core"
)


@pytest.fixture
def run_dir(tmp_path):
    return Sweep(tmp_path).dir


def write(run_dir: Path, run: RunProgress) -> None:
    new = run_dir / "new"
    new.write_bytes(msgspec.json.encode(run))
    new.replace(run_dir / FILE)


def lines(*runs: RunProgress, seconds=1.0) -> list[str]:
    """What is printed without a terminal, where the versions come so many seconds after each other."""
    out = io.StringIO()
    view = Lines(out)
    for number, run in enumerate(runs):
        view.show(run, 1_012.0 + number * seconds)
    return out.getvalue().splitlines()


LOADED = "3/3 r2-c0.5-m256M-w1: load, 12 s of about 30 s: window, 412 requests/s, p95 12.3 ms, 40 users"


def test_lines_are_those_that_are_new():
    begun = replace(RUN, now=replace(NOW, phase="deploy", load=None))
    assert lines(begun, begun, RUN, RUN, ENDED, seconds=0) == [
        RUN.last,
        "3/3 r2-c0.5-m256M-w1: deploy, 12 s of about 30 s",
        LOADED,
        f"sweep quick: 3 of 3 attempts. The sweep has ended at {END}, after 1 min 52 s. Run {RUN.run_id}",
        "best: r1-c0.5-m256M-w1, 412.4 requests/s, p95 88.2 ms",
    ]


def test_a_run_that_ended_before_today_has_its_date():
    out = io.StringIO()
    Lines(out).show(replace(ENDED, best=None), ENDED.written_at + 3 * 86400)
    day = f"{datetime.fromtimestamp(ENDED.written_at):%Y-%m-%d}"
    assert f"The sweep has ended on {day} at {END}, after 1 min 52 s" in out.getvalue()
    assert out.getvalue().splitlines()[-1] == "no cell can be compared"


@pytest.mark.parametrize(
    ("state", "holds_slo", "words"),
    [
        ("running", True, "best so far: "),
        ("running", False, "no cell meets the SLO yet, nearest: "),
        ("ended", True, "best: "),
        ("interrupted", False, "no cell meets the SLO, nearest: "),
    ],
)
def test_what_is_open_is_open_only_while_the_sweep_runs(state, holds_slo, words):
    assert best_line(replace(RUN, state=state, best_holds_slo=holds_slo)).startswith(words)


def test_a_load_without_figures_says_since_when_and_why():
    lost = NoFigures(since=1_004.0, reason="the connection to the load host ended with exit code 255")
    silent = replace(RUN, now=replace(NOW, load=None, no_figures=lost))
    words = "no figures of the load for 8 s: the connection to the load host ended with exit code 255"
    assert lines(silent)[-1] == f"3/3 {DEAR}: load, 12 s of about 30 s: {words}"
    assert words in drawn(silent)


def test_a_long_load_is_shown_now_and_then():
    shown = lines(*[RUN] * 21)
    assert [line for line in shown if "3/3" in line] == [
        LOADED, LOADED.replace("12 s", "22 s"), LOADED.replace("12 s", "32 s"),
    ]  # fmt: skip


def test_between_attempts_the_phase_is_shown():
    assert lines(replace(RUN, now=None, phase="Write the summary", last=None)) == ["Write the summary"]


def test_for_a_script_each_version_is_one_line():
    out = io.StringIO()
    for run in (RUN, ENDED):
        JsonLines(out).show(run, 0.0)
    shown = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [one["state"] for one in shown] == ["running", "ended"]
    assert shown[0]["now"]["load"]["rps"] == WINDOW["rps"]


def test_it_ends_with_the_run(run_dir):
    write(run_dir, RUN)
    seen = []
    for run in versions(run_dir, look_seconds=0.01):
        seen.append(run.state)
        write(run_dir, ENDED)
    assert seen == ["running", "ended"]


def test_a_run_whose_process_has_gone_is_interrupted(run_dir):
    gone = subprocess.Popen(["true"])
    gone.wait()
    write(run_dir, replace(RUN, process=gone.pid, process_started="1"))
    states = [run.state for run in versions(run_dir, look_seconds=0.01, silent_seconds=0.05)]
    assert states == ["running", "interrupted"]


def test_a_run_that_is_silent_and_still_runs_goes_on(run_dir):
    write(run_dir, RUN)
    threading.Timer(0.3, write, (run_dir, ENDED)).start()
    assert [run.state for run in versions(run_dir, look_seconds=0.01, silent_seconds=0.01)] == ["running", "ended"]


@pytest.fixture
def other():
    """A process that lives until the test ends it."""
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


def takes_lock(locks: Path, process: int, run: Path | None = None) -> None:
    command = ["ansible-playbook", "sweep.yml", "-i", "inventory/lab"]
    sweep = holder_of(process, command, Path("/srv/clone"), 1_795_000_000.0, None if run is None else str(run))
    lock.acquire(locks / "lab/sweep.lock", sweep)


@contextlib.contextmanager
def then(*steps):
    """Do these, one after the other, once something was printed on standard error. Yields what was printed."""
    said = io.StringIO()

    def do():
        while not said.getvalue():
            time.sleep(0.01)
        for step, *arguments in steps:
            step(*arguments)

    thread = threading.Thread(target=do, daemon=True)
    with contextlib.redirect_stderr(said):
        thread.start()
        yield said
    thread.join(60)


def test_a_sweep_that_prepares_its_run_is_waited_for(run_dir, tmp_path, other):
    write(run_dir, ENDED)
    begun = Sweep(tmp_path / "later").dir
    # As a run that is resumed: its progress is that of the sweep before.
    write(begun, replace(ENDED, process=1, process_started="1"))
    locks = tmp_path / "locks"
    takes_lock(locks, other.pid)
    theirs = replace(RUN, process=other.pid, process_started=started_at(other.pid))
    with then((takes_lock, locks, other.pid, begun), (time.sleep, 0.5), (write, begun, theirs)) as said:
        assert watched_run(None, tmp_path, locks) == begun
        assert (begun / FILE).read_bytes() == msgspec.json.encode(theirs)
    assert said.getvalue().count("This command waits for it: `ansible-playbook sweep.yml") == 1


def test_a_sweep_that_ends_before_its_run_begins_is_an_error(run_dir, tmp_path, other):
    write(run_dir, ENDED)
    takes_lock(tmp_path / "locks", other.pid)
    with then((other.kill,), (other.wait,)), pytest.raises(LabError, match="the sweep ended before it measured"):
        watched_run(None, tmp_path, tmp_path / "locks")
    assert watched_run(None, tmp_path, tmp_path / "locks") == run_dir


def test_which_run(run_dir, tmp_path):
    assert watched_run(None, tmp_path) == run_dir
    assert watched_run(run_dir.name, tmp_path) == run_dir
    assert watched_run(str(run_dir), Path("/none")) == run_dir
    with pytest.raises(LabError, match=r"no such run folder. To watch the newest run: \./lab watch"):
        watched_run("other", tmp_path)
    with pytest.raises(LabError, match="holds no run yet"):
        watched_run(None, tmp_path / "empty")


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "progress.json: is not valid JSON"),
        (b'{"schema": 1, "run_id": "x"', "progress.json: is not valid JSON"),
        (b"[]", "holds list; expected: an object"),
        (b"{}", "is damaged: Object missing required field"),
        (msgspec.json.encode(replace(RUN, state="paused")), "state is 'paused'"),
        (msgspec.json.encode(replace(RUN, ends_at=1e17)), "ends_at is '1e+17'"),
        (msgspec.json.encode(replace(RUN, seconds_left=1e12)), "seconds_left is '1000000000000.0'"),
        (msgspec.json.encode(RUN).replace(b"412.4", b"NaN"), "is not valid JSON"),
        (msgspec.json.encode(RUN).replace(b"412.4", b"1e999"), "is not valid JSON"),
    ],
)
def test_a_damaged_file_is_named(run_dir, capsys, content, error):
    (run_dir / FILE).write_bytes(content)
    assert main(["watch", str(run_dir)]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith(f"error: {run_dir / FILE}: ") and error in shown


def test_a_file_that_is_removed_while_it_is_watched_is_named(run_dir):
    write(run_dir, RUN)
    with pytest.raises(LabError, match=r"progress\.json: cannot be read"):
        for _ in versions(run_dir, look_seconds=0.01):
            (run_dir / FILE).unlink()


def test_keys_of_a_later_version_are_left_out(run_dir):
    (run_dir / FILE).write_bytes(msgspec.json.encode(ENDED)[:-1] + b', "new": {"x": 1}}')
    assert [run.state for run in versions(run_dir)] == ["ended"]


def test_a_run_of_an_earlier_version_has_nothing_to_watch(run_dir, capsys):
    os.utime(run_dir / "plan.json", (1, 1))
    assert main(["watch", str(run_dir)]) == 1
    assert "progress.json: is missing, because another version" in capsys.readouterr().err


def test_the_command_prints_lines_where_there_is_no_terminal(run_dir, capsys):
    write(run_dir, ENDED)
    assert main(["watch", run_dir.name, "--reports-dir", str(run_dir.parent)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == RUN.last
    assert main(["watch", str(run_dir), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["run_id"] == RUN.run_id


def drawn(run: RunProgress, height: int = 30, width: int = 160) -> str:
    """What the screen shows of a version, as text."""
    out = io.StringIO()
    view = Screen(out)
    view._console.size = (width, height)
    view.show(run, 1_012.0)
    view.close()
    return out.getvalue()


def test_the_screen_has_cells_load_best_and_time_left():
    shown = drawn(RUN)
    assert "sweep quick: 2 of 3 attempts, 18 s left, until " in shown
    assert LOADED in shown
    assert "best so far: r1-c0.5-m256M-w1, 412.4 requests/s, p95 88.2 ms" in shown
    rows = {line.split()[0]: line.split()[1:] for line in shown.splitlines() if line.startswith("r")}
    assert rows[CHEAP] == ["failed", "-", "-", "needed", "more", "than", "its", "memory"]
    assert rows[MIDDLE] == ["valid", "412.4", "88.2", "holds"]
    assert rows[DEAR] == ["running", "-", "-"]


@pytest.mark.parametrize("width", [80, 130, 200])
def test_a_long_reason_takes_no_room_of_figures(width):
    invalid = CellProgress(id="r1-c0.25-m128M-w2", status="invalid", reason=REASON, rps=35.3, p95_ms=645.5)
    rows = drawn(replace(RUN, cells=[invalid, *CELLS], last=None), width=width).splitlines()
    row = next(line for line in rows if line.startswith(invalid.id))
    figures, reason = row[: row.index("27.8,")].split(), row[row.index("27.8,") :]
    assert figures == [invalid.id, "invalid", "35.3", "645.5"]
    assert reason.endswith("…") and reason[:-1] == REASON[: len(reason) - 1] and len(row) == width
    assert [line.split()[:4] for line in rows if line.startswith(MIDDLE)] == [[MIDDLE, "valid", "412.4", "88.2"]]


def test_of_a_long_id_the_end_is_cut_before_a_figure():
    long = CellProgress(id="r1-c0.25-m128M-w2-variantslim-locustfilepredict", status="infeasible", reason=REASON)
    shown = drawn(replace(RUN, cells=[long, *CELLS]), width=80)
    row = next(line for line in shown.splitlines() if line.startswith("r1-c0.25"))
    assert row.split()[0].endswith("…") and row.split()[1:4] == ["infeasible", "-", "-"]


def test_of_many_cells_those_around_the_running_one_are_shown():
    many = [CellProgress(id=f"r{number}") for number in range(500)]
    shown = drawn(replace(RUN, cells=many, now=replace(NOW, cell_id="r250")), height=20)
    rows = [line.split()[0] for line in shown.splitlines() if line.startswith("r") and "requests/s" not in line]
    assert "r250" in rows and len(rows) == 11
    assert "489 more cells" in shown


# Ids and reasons may come from others. rich would read [red] as a style.
def test_markup_in_names_is_text():
    cell = CellProgress(id="[bold]x[/bold]", status="failed", reason="[link=http://x]a\x1b[2J")
    shown = drawn(replace(RUN, cells=[cell], last="[red]y"))
    assert "[bold]x[/bold]" in shown and "[red]y" in shown and "\x1b[2J" not in shown


def test_the_line_of_rates():
    assert sparkline([]) == "" and sparkline([0.0]) == ""
    assert sparkline([0.0, 50.0, 100.0]) == "▁▅█ up to 100 requests/s"


@pytest.fixture
def with_sigint():
    """Processes take SIGINT, also where a shell runs the tests in its background and lets them ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def read_some(terminal: int) -> bytes:
    """What a terminal shows next; nothing after a minute."""
    return os.read(terminal, 65536) if select.select([terminal], [], [], 60)[0] else b""


def test_ctrl_c_on_a_terminal_ends_the_view_alone(run_dir, with_sigint):
    write(run_dir, RUN)
    terminal, end = pty.openpty()
    command = [sys.executable, "-m", "swarmsweep", "watch", str(run_dir)]
    environment = {key: value for key, value in os.environ.items() if key != "CI"} | {"TERM": "xterm"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=end, stdout=end, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        os.close(end)
        seen = b""
        while b"best so far" not in seen and (more := read_some(terminal)):
            seen += more
        process.send_signal(signal.SIGINT)
        try:
            while more := read_some(terminal):
                seen += more
            process.terminate()
        except OSError:  # EIO: the other side is closed
            pass
        error = process.stderr.read()
        assert process.wait(60) == 0
    os.close(terminal)
    assert error.decode() == "The sweep continues. To watch it again: ./lab watch\n"
    # The cursor is shown again.
    assert seen.rindex(b"\x1b[?25h") > seen.rindex(b"\x1b[?25l")
