"""The try of a scenario in real Locust, in the folders of a load host: good ones pass, and each fault has its name.

The scenarios are what people bring: whole files, as text. The sentences for the user are tested over the same reports.
"""

import json
import os
import shutil
import subprocess
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest

from bench.lib import load_host
from bench.lib.paths import LOCUST_LOCK
from plugins.module_utils.locust_command import link_scenarios, scenario_files
from swarmsweep.errors import InputError
from swarmsweep.sweep import scenarios
from swarmsweep.sweep.scenario_env import sweep_env
from swarmsweep.sweep.scenario_text import refuse_scenarios

ROOT = Path(__file__).parents[2]

# Importing Locust would change sockets and threads of all tests.
pytestmark = pytest.mark.skipif(find_spec("locust") is None, reason="locust is not installed")

HEAD = "from locust import HttpUser, LoadTestShape, TaskSet, constant, events, task\n"
USER = "class Visitor(HttpUser):\n    @task\n    def index(self):\n        self.client.get('/')\n"
GOOD = {
    "a plain user": HEAD + USER,
    "think time of its own": HEAD + USER + "    wait_time = constant(1)\n",
    "think time of the sweep": (
        "import os\n" + HEAD + "WAIT = float(os.environ['LOCUST_WAIT_MIN_SECONDS'])\n" + USER + "    wait = WAIT\n"
    ),
    "a fast user with a list of tasks": (
        "from locust import FastHttpUser\ndef ask(user):\n    user.client.get('/')\n"
        "class Visitor(FastHttpUser):\n    tasks = [ask]\n"
    ),
    "task sets, nested": (
        HEAD + "class Shop(TaskSet):\n    @task(3)\n    class Cart(TaskSet):\n        @task\n"
        "        def index(self):\n            self.client.get('/')\n"
        "class Visitor(HttpUser):\n    tasks = {Shop: 2}\n"
    ),
    "tasks that a user gets when it starts": (
        HEAD + "class Visitor(HttpUser):\n    def on_start(self):\n        self.tasks = [lambda user: None]\n"
    ),
    "two users": HEAD + USER + USER.replace("Visitor", "Guest"),
    "an abstract base and a user": HEAD + "class Base(HttpUser):\n    abstract = True\n" + USER,
    "listeners": (
        HEAD + "@events.init.add_listener\ndef on_init(environment, web_ui=None, **_):\n    assert environment.web_ui\n"
        "@events.quitting.add_listener\ndef on_quitting(environment, **_):\n    environment.process_exit_code = 1\n"
        + USER
    ),
    "a command line option of its own": (
        HEAD + "@events.init_command_line_parser.add_listener\ndef on_parser(parser):\n"
        "    parser.add_argument('--model', default='a', help='which model')\n" + USER
    ),
    "started by hand": HEAD + USER + "if __name__ == '__main__':\n    raise SystemExit('not as a program')\n",
    "output, and a thread that goes on": (
        "import sys, threading, time\nprint('hello')\nprint('hello', file=sys.stderr)\n"
        "threading.Thread(target=time.sleep, args=(3600,)).start()\n" + HEAD + USER
    ),
    "a shape that it only imports": HEAD + USER + "class Steps(LoadTestShape):\n    abstract = True\n",
    "a Markov chain": (
        "from locust import HttpUser, MarkovTaskSet, transition\nclass Shop(MarkovTaskSet):\n"
        "    @transition('pay')\n    def browse(self):\n        self.client.get('/')\n"
        "    @transition('browse')\n    def pay(self):\n        self.client.get('/')\n"
        "class Visitor(HttpUser):\n    tasks = [Shop]\n"
    ),
    "a task set with a choice of its own": (
        HEAD + "class Shop(TaskSet):\n    def get_next_task(self):\n        return ask\n"
        "def ask(shop):\n    shop.client.get('/')\nclass Visitor(HttpUser):\n    tasks = [Shop]\n"
    ),
    "a sequence": (
        HEAD + "from locust import SequentialTaskSet\nclass Shop(SequentialTaskSet):\n    @task\n"
        "    def index(self):\n        self.client.get('/')\n"
        "class Visitor(HttpUser):\n    tasks = [Shop]\n"
    ),
    "task sets that lead to one another": (
        HEAD + "class Shop(TaskSet):\n    pass\nclass Cart(TaskSet):\n    tasks = [Shop]\nShop.tasks = [Cart]\n"
        "class Visitor(HttpUser):\n    tasks = [Shop]\n"
    ),
    "a class that is called as a task": (
        HEAD + "class Job:\n    def __init__(self, user):\n        user.client.get('/')\n"
        "class Visitor(HttpUser):\n    tasks = [Job]\n"
    ),
    "tasks from a listener of init": (
        HEAD + "class Visitor(HttpUser):\n    pass\n@events.init.add_listener\ndef give(environment, **_):\n"
        "    Visitor.tasks = [lambda user: user.client.get('/')]\n"
    ),
    "tasks from a listener of test_start": (
        HEAD + "class Shop(TaskSet):\n    pass\nclass Visitor(HttpUser):\n    tasks = [Shop]\n"
        "class Plan:\n    def give(self, environment, **_):\n        Shop.tasks = [lambda shop: shop.client.get('/')]\n"
        "events.test_start.add_listener(Plan().give)\n"
    ),
    "tasks from a listener without a module": (
        "import functools\n" + HEAD + "class Visitor(HttpUser):\n    pass\ndef give(rows, environment, **_):\n"
        "    Visitor.tasks = [lambda user: user.client.get('/')]\n"
        "events.init.add_listener(functools.partial(give, [1]))\n"
    ),
    "a user of weight 0 without a task": HEAD + USER + "class Guest(HttpUser):\n    weight = 0\n",
    "a user that runs by itself": (
        HEAD + "class Visitor(HttpUser):\n    def start(self, group):\n        return super().start(group)\n"
    ),
    "tags": "from locust import tag\n" + HEAD + USER.replace("@task", "@tag('a', 'b')\n    @task"),
    "tasks with weights": HEAD + "def ask(user):\n    pass\nclass Visitor(HttpUser):\n    tasks = [(ask, 3)]\n",
    "tasks in a tuple, given afterwards": HEAD + USER.replace("@task", "") + "Visitor.tasks = (Visitor.index,)\n",
    "tasks of a base class": (
        HEAD + USER.replace("Visitor", "Base") + "    abstract = True\nclass Visitor(Base):\n    pass\n"
    ),
    "a client of its own": (
        "import time\nfrom locust import User, events, task\nclass Client:\n    def get(self, path):\n"
        "        fire = events.request.fire\n"
        "        fire(request_type='rpc', name=path, response_time=1, response_length=0, exception=None)\n"
        "class Base(User):\n    abstract = True\n    def __init__(self, environment):\n"
        "        super().__init__(environment)\n        self.client = Client()\n"
        "class Visitor(Base):\n    @task\n    def ask(self):\n        self.client.get('/')\n"
    ),
    "a shape that is imported, and a base of shapes": (
        HEAD
        + "import locust.shape\nfrom locust.shape import LoadTestShape as Shape\n"
        + USER
        + "class Base(Shape):\n    abstract = True\n"
    ),
    "an option with a default of the environment": (
        HEAD + "import os\n@events.init_command_line_parser.add_listener\ndef on_parser(parser):\n"
        "    model = os.environ.get('MODEL', 'a')\n"
        "    parser.add_argument('--model', env_var='MODEL', default=model, include_in_web_ui=True)\n" + USER
    ),
    "its command line": "import sys\nassert sys.argv[0].endswith('locust')\nassert '--headless' in sys.argv\n"
    + HEAD
    + USER,
    "a greenlet": "import gevent\ngevent.spawn(gevent.sleep, 3600)\n" + HEAD + USER,
    "an executor, a process and asyncio": (
        "import asyncio, concurrent.futures, subprocess\n"
        "with concurrent.futures.ThreadPoolExecutor(2) as pool:\n    assert list(pool.map(abs, [-1])) == [1]\n"
        "assert subprocess.check_output(['echo', 'a']) == b'a\\n'\n"
        "async def wait():\n    await asyncio.sleep(0)\nasyncio.run(wait())\n" + HEAD + USER
    ),
    "standard error as a file": (
        "import faulthandler, sys\nfaulthandler.enable()\nsys.stderr.reconfigure(line_buffering=True)\n"
        "sys.stderr.buffer.write(b'hello\\n')\nsys.stderr.writelines(['a', 'b'])\nsys.stderr.isatty()\n" + HEAD + USER
    ),
    "a log of its own": (
        "import logging\nlogging.basicConfig(level=logging.DEBUG, force=True)\nlogging.warning('hello')\n"
        "logging.getLogger().handlers.clear()\n" + HEAD + USER
    ),
    "a file beside it": "from pathlib import Path\nTEXT = Path(__file__).with_name('rows.py').read_text()\n"
    + HEAD
    + USER,
    "a file in a folder beside it": (
        "from pathlib import Path\nIMAGE = (Path(__file__).parent / 'samples/1.png').read_bytes()\n"
        "assert IMAGE == open('samples/1.png', 'rb').read()\n" + HEAD + USER
    ),
    "a module in a folder": "from common.rows import ROWS\nassert ROWS == [7]\n" + HEAD + USER,
    "a module in a folder, imported later": (
        HEAD + "@events.init.add_listener\ndef on_init(environment, **_):\n    from common.late import ROWS\n" + USER
    ),
    "modules beside it": "import rows\nfrom rows import ROWS\nfrom predict import *\n" + HEAD + USER,
    "a file in its working directory": "open('notes.txt', 'w').close()\nopen('notes.txt').read()\n" + HEAD + USER,
    "signals, and what is done at the end": (
        "import atexit, signal\natexit.register(print, 'bye')\nsignal.signal(signal.SIGUSR1, signal.SIG_IGN)\n"
        + HEAD
        + USER
    ),
    "annotations and data classes": (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Row:\n    a: int = 1\n    b: list[Row] | None = None\n" + HEAD + USER
    ),
    "a test function of pytest": "def test_index(session):\n    session.get('http://127.0.0.1/')\n",
}
OPEN = "from open_loop import OpenLoopUser\nclass Visitor(OpenLoopUser):\n    path = '/'\n"
# name: (text, mode, what the report has, what the sentence has: place, cause, fix).
BAD = {
    "syntax": (
        HEAD + "class Visitor(HttpUser)\n    pass\n",
        "fixed",
        {"problem": "error", "type": "SyntaxError", "file": "mine.py", "line": 2},
        ["locustfiles/mine.py:2: SyntaxError: expected ':'", "Correct it"],
    ),
    "a name slips": (
        HEAD + "class Visitor(HtpUser):\n    pass\n",
        "fixed",
        {"problem": "error", "type": "NameError", "line": 2},
        ["locustfiles/mine.py:2: NameError: name 'HtpUser' is not defined"],
    ),
    "a slip in a file beside it": (
        "from helper import ROWS\n" + HEAD + USER,
        "fixed",
        {"problem": "error", "type": "ZeroDivisionError", "file": "helper.py", "line": 2},
        ["locustfiles/helper.py:2: ZeroDivisionError: division by zero"],
    ),
    "a package": (
        HEAD + "import numpy_that_no_host_has.random\n" + USER,
        "fixed",
        {"problem": "error", "missing": "numpy_that_no_host_has"},
        [
            "locustfiles/mine.py:2: ModuleNotFoundError: No module named 'numpy_that_no_host_has'",
            "write the package with 'numpy_that_no_host_has' into this file",
            "locustfiles/requirements.txt",
        ],
    ),
    "a slip in a folder beside it": (
        "from common.helper import ROWS\n" + HEAD + USER,
        "fixed",
        {"problem": "error", "type": "ZeroDivisionError", "file": "common/helper.py", "line": 2},
        ["locustfiles/common/helper.py:2: ZeroDivisionError: division by zero"],
    ),
    "a module that is not in its folder": (
        "from common.gone import ROWS\n" + HEAD + USER,
        "fixed",
        {"problem": "error", "missing": "common.gone"},
        ["locustfiles/mine.py:1: ModuleNotFoundError: No module named 'common.gone'", "put locustfiles/common/gone.py"],
    ),
    "a program of the other mode": (
        OPEN,
        "fixed",
        {"problem": "error", "missing": "open_loop"},
        ["No module named 'open_loop'", "Name the file mine_open.py", "mode: capacity"],
    ),
    "a data file": (
        "from pathlib import Path\nROWS = (Path(__file__).parent / 'rows.csv').read_text().split()\n" + HEAD + USER,
        "fixed",
        {"problem": "error", "type": "FileNotFoundError", "line": 2},
        ["locustfiles/mine.py:2: FileNotFoundError:", "rows.csv", "put the file there"],
    ),
    "a data file by another path": (
        HEAD + "ROWS = open('data/2.csv').read()\n" + USER,
        "fixed",
        {"problem": "error", "type": "FileNotFoundError", "missing": "data/2.csv"},
        ["locustfiles/mine.py:2: FileNotFoundError:", "The file is locustfiles/common/2.csv: open 'common/2.csv'"],
    ),
    "a hidden data file": (
        HEAD + "ROWS = open('.rows/3.csv').read()\n" + USER,
        "fixed",
        {"problem": "error", "type": "FileNotFoundError"},
        ["except hidden files", "rename locustfiles/.rows/3.csv"],
    ),
    "a setting": (
        "import os\n" + HEAD + "TOKEN = os.environ['API_TOKEN']\n" + USER,
        "fixed",
        {"problem": "error", "type": "KeyError", "environ": "API_TOKEN", "line": 3},
        ["locustfiles/mine.py:3: KeyError: 'API_TOKEN'", "env: {API_TOKEN: ...}", "secrets: {API_TOKEN: FILE}"],
    ),
    "a missing key, but not of the environment": (
        HEAD + "RATE = {'a': 1}['b']\n" + USER,
        "fixed",
        {"problem": "error", "type": "KeyError", "environ": None},
        ["locustfiles/mine.py:2: KeyError: 'b'. Correct it"],
    ),
    "it asks a person": (
        HEAD + "NAME = input('name? ')\n" + USER,
        "fixed",
        {"problem": "error", "type": "EOFError"},
        ["locustfiles/mine.py:2: EOFError"],
    ),
    "it raises a BaseException": (
        HEAD + "raise KeyboardInterrupt\n",
        "fixed",
        {"problem": "error", "type": "KeyboardInterrupt", "line": 2},
        ["locustfiles/mine.py:2: KeyboardInterrupt. Correct it"],
    ),
    "no user": (
        HEAD + "ROWS = [1]\n",
        "fixed",
        {"problem": "no_user"},
        ["locustfiles/mine.py: It holds no user class", "HttpUser", "@task"],
    ),
    "abstract users only": (
        HEAD + "class Base(HttpUser):\n    abstract = True\n",
        "fixed",
        {"problem": "abstract", "names": ["Base"]},
        ["All its user classes are abstract (Base)", "Remove 'abstract = True'"],
    ),
    "no task": (
        HEAD + USER + "class Guest(HttpUser):\n    wait_time = constant(1)\n",
        "fixed",
        {"problem": "no_task", "name": "Guest", "line": 6},
        ["locustfiles/mine.py:6: Guest has no task. Add a method with @task"],
    ),
    "a task set without a task, with listeners that give none": (
        HEAD + "@events.quitting.add_listener\ndef on_quitting(environment, **_):\n    pass\n"
        "class Shop(TaskSet):\n    pass\nclass Visitor(HttpUser):\n    tasks = [Shop]\n",
        "fixed",
        {"problem": "no_task", "name": "Shop", "line": 5},
        ["locustfiles/mine.py:5: Shop has no task"],
    ),
    "all users have weight 0": (
        HEAD + USER + "    weight = 0\n",
        "fixed",
        {"problem": "error", "type": "ValueError"},
        ["locustfiles/mine.py: ValueError: There are no users with weight > 0"],
    ),
    "a task set without a task": (
        HEAD + "class Shop(TaskSet):\n    pass\nclass Visitor(HttpUser):\n    tasks = [Shop]\n",
        "fixed",
        {"problem": "no_task", "name": "Shop", "line": 2},
        ["locustfiles/mine.py:2: Shop has no task"],
    ),
    "a shape": (
        HEAD + USER + "class Steps(LoadTestShape):\n    def tick(self):\n        return 5, 5\n",
        "fixed",
        {"problem": "shape", "name": "Steps", "line": 6},
        ["locustfiles/mine.py:6: Steps is a LoadTestShape", "users come from the sweep file"],
    ),
    "one class name in two files": (
        HEAD + USER.replace("Visitor", "OpenLoopUser") + "    path = '/'\n",
        "capacity",
        {"problem": "not_open_loop"},
        ["needs exactly one user class, derived from OpenLoopUser; it holds OpenLoopUser"],
    ),
    "an option of Locust's": (
        HEAD + "@events.init_command_line_parser.add_listener\ndef on_parser(parser):\n"
        "    parser.add_argument('--users', help='how many')\n" + USER,
        "fixed",
        {"problem": "options", "type": "ArgumentError", "line": 4},
        ["locustfiles/mine.py:4: Its command line options", "conflicting option string", "--users"],
    ),
    "an option that must be given": (
        HEAD + "@events.init_command_line_parser.add_listener\ndef on_parser(parser):\n"
        "    parser.add_argument('--model', required=True)\n" + USER,
        "fixed",
        {"problem": "options"},
        ["the following arguments are required: --model", "give it a default"],
    ),
    "a listener that raises": (
        HEAD + "@events.init_command_line_parser.add_listener\ndef on_parser(parser):\n    parser.nothing()\n" + USER,
        "fixed",
        {"problem": "error", "type": "AttributeError", "line": 4},
        ["locustfiles/mine.py:4: AttributeError"],
    ),
    "it ends Python": (
        "import sys\nsys.exit('set MODEL first')\n",
        "fixed",
        {"problem": "exit", "code": 1, "words": "set MODEL first"},
        ["It ended Python with exit code 1", "after it wrote: set MODEL first", "Remove the call of sys.exit"],
    ),
    "it ends Python at once": (
        "import os, sys\nsys.stderr.write('no licence\\n')\nsys.stderr.flush()\nos._exit(3)\n",
        "fixed",
        {"problem": "exit", "code": 3, "words": "no licence"},
        ["It ended Python with exit code 3", "after it wrote: no licence"],
    ),
    "it crashes": (
        "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n",
        "fixed",
        {"problem": "signal", "name": "SIGSEGV"},
        ["SIGSEGV ended Python", "locust --list -f locustfiles/mine.py"],
    ),
    "it waits": (
        "import time\ntime.sleep(3600)\n",
        "fixed",
        {"problem": "time", "seconds": 3.0},
        ["It was not loaded within 3 s", "Move that into a task or into on_start"],
    ),
    "it loops": ("while True: pass\n", "fixed", {"problem": "time"}, ["It was not loaded within 3 s"]),
    "users for capacity": (
        HEAD + USER,
        "capacity",
        {"problem": "not_open_loop", "names": ["Visitor"]},
        ["derived from OpenLoopUser; it holds Visitor", "locustfiles/predict_open.py"],
    ),
    "a number of users for arrivals": (
        HEAD + USER + "    fixed_count = 3\n",
        "arrivals",
        {"problem": "fixed_count", "names": ["Visitor"]},
        ["Visitor sets fixed_count", "Set weight instead, or use load.by: users"],
    ),
    "two users for capacity": (
        OPEN + "class Guest(OpenLoopUser):\n    path = '/b'\n",
        "capacity",
        {"problem": "not_open_loop", "names": ["Guest", "Visitor"]},
        ["it holds Guest, Visitor"],
    ),
}


@pytest.fixture(scope="module")
def host(tmp_path_factory) -> Path:
    """The folders of a load host, as the role makes them."""
    home = tmp_path_factory.mktemp("host")
    shutil.copytree(ROOT / "locustfiles", home / "locustfiles", ignore=shutil.ignore_patterns("__pycache__"))
    load_host.make(home)
    (home / "locustfiles/rows.py").write_text("ROWS = [1]\n")
    (home / "locustfiles/helper.py").write_text("ROWS = [1]\nROWS[0] / 0\n")
    for name, content in {
        "samples/1.png": "png",
        "common/rows.py": "ROWS = [7]\n",
        "common/late.py": "ROWS = [8]\n",
        "common/helper.py": "ROWS = [1]\nROWS[0] / 0\n",
    }.items():
        (home / "locustfiles" / name).parent.mkdir(exist_ok=True)
        (home / "locustfiles" / name).write_text(content)
    # The folder on the controller, with files that the scenario names otherwise, or that are not copied.
    for name in ("common/2.csv", ".rows/3.csv"):
        (home / "controller" / name).parent.mkdir(parents=True)
        (home / "controller" / name).touch()
    return home


def check(home: Path, name: str, mode: str, seconds: float = 30, more: dict[str, str] | None = None) -> dict:
    """Return the report on a scenario, requested as by plugins/modules/locust_scenarios.py."""
    scenario = home / "locustfiles" / name
    files = scenario_files(home, mode, name)
    work = home / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    link_scenarios(home, work)
    env = {"PATH": os.environ["PATH"], "HOME": str(work), "SWEEP_OUTPUT_DIR": str(work), "SWEEP_HOST": "lab-load"}
    env |= {"LOCUST_WAIT_MIN_SECONDS": "0", "LOCUST_WAIT_MAX_SECONDS": "0.1"} | (more or {})
    command = [sys.executable, home / "check_scenario.py", mode, str(seconds), scenario, *files]
    done = subprocess.run(command, cwd=work, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def name_in(mode: str) -> str:
    """The name of a scenario: mode capacity of this program is that of the open-loop client."""
    return "mine_open.py" if mode == "capacity" else "mine.py"


def check_text(home: Path, text: str, mode: str, seconds: float = 30) -> dict:
    (home / "locustfiles" / name_in(mode)).write_text(text)
    return check(home, name_in(mode), mode, seconds)


TOKEN = "canary-3f9a/x"
# What a scenario does with a secret while it is imported, and the problem. The last one is cut within the secret.
SAYING_A_SECRET = {
    "an exception": ("raise ValueError(f'bad token {TOKEN}')", "error"),
    "a missing file": ("open(TOKEN)", "error"),
    "words on standard error": ("import sys\nprint(f'bad {TOKEN}', file=sys.stderr)\nsys.exit(3)", "exit"),
    "the exit status": ("import sys\nsys.exit(f'bad {TOKEN}')", "exit"),
    "past Python": ("os.write(2, f'bad {TOKEN}'.encode())\nos._exit(3)", "exit"),
    "a long line": ("os.write(2, TOKEN.encode() * 500)\nos._exit(3)", "exit"),
    "a URL": ("from urllib.parse import quote\nraise ValueError(quote(TOKEN, safe=''))", "error"),
    "a text that is cut": ("raise ValueError('x' * (300 - len('ValueError: canary')) + TOKEN)", "error"),
}


@pytest.mark.parametrize(("text", "problem"), SAYING_A_SECRET.values(), ids=SAYING_A_SECRET)
def test_a_report_has_no_secret(host, tmp_path, text, problem):
    (tmp_path / "API_TOKEN").write_text(f"Bearer {TOKEN}\n")
    (host / "locustfiles/mine.py").write_text(f"import os\nTOKEN = os.environ['API_TOKEN'][7:]\n{text}\n")
    report = check(host, "mine.py", "fixed", more={"SWEEP_SECRETS_DIRECTORY": str(tmp_path)})
    assert report["problem"] == problem
    said = json.dumps(report)
    assert "canary" not in said
    assert "***" in said or "x" * 280 in said or report["words"] == ""


@pytest.mark.parametrize("path", sorted((ROOT / "locustfiles").glob("*.py")), ids=lambda path: path.name)
def test_the_shipped_scenarios_are_good(host, path):
    if is_open := path.name.endswith("_open.py"):
        pytest.importorskip("hdrh", reason="hdrhistogram is not installed")
        pytest.importorskip("httptools", reason="httptools is not installed")
    assert check(host, path.name, "capacity" if is_open else "fixed")["problem"] is None


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_what_locust_can_run_is_good(host, text):
    report = check_text(host, text, "fixed")
    assert report["problem"] is None, report


@pytest.mark.parametrize(("text", "mode", "expected", "words"), BAD.values(), ids=BAD)
def test_a_scenario_that_locust_cannot_run_is_refused_with_the_reason(host, text, mode, expected, words):
    report = check_text(host, text, mode, seconds=3 if expected["problem"] == "time" else 30)
    assert {key: report.get(key) for key in expected} == expected, report
    with pytest.raises(InputError) as refused:
        refuse_scenarios({"lab-load": [{"locustfile": name_in(mode), **report}]}, host / "controller")
    for word in words:
        assert word in str(refused.value)


SHOP = (
    "from locust import SequentialTaskSet, tag\n" + HEAD + "class Reader(HttpUser):\n    @tag('read', 'fast')\n"
    "    @task\n    def read(self):\n        self.client.get('/')\n    @task\n    def plain(self):\n        pass\n"
    "class Writer(HttpUser):\n    @task\n    class Steps(SequentialTaskSet):\n        @tag('write')\n        @task\n"
    "        def write(self):\n            self.client.post('/')\n"
    "class Guest(HttpUser):\n    @task\n    def look(self):\n        pass\n"
)
# name: (settings of the load, what the report has, words of the sentence)
CHOSEN = {
    "all": ({}, {"problem": None, "users": ["Guest", "Reader", "Writer"]}, []),
    "one class": ({"user_classes": ["Writer"]}, {"problem": None, "users": ["Writer"]}, []),
    "one tag": (
        {"user_classes": ["Reader", "Writer"], "tags": ["read", "write"]},
        {"problem": None, "users": ["Reader", "Writer"]},
        [],
    ),
    "without a tag": ({"exclude_tags": ["fast"]}, {"problem": None}, []),
    "no such class": (
        {"user_classes": ["Writer", "Visitor"]},
        {"problem": "no_class", "names": ["Visitor"]},
        ["no user class Visitor, which load.user_classes", "allowed: Guest, Reader, Writer"],
    ),
    "no such tag": (
        {"tags": ["slow", "read"]},
        {"problem": "no_tag", "names": ["slow"]},
        ["has the tag slow, which load.tags or load.exclude_tags", "allowed: fast, read, write"],
    ),
    "no task left": (
        {"tags": ["read"]},
        {"problem": "none_left", "name": "Writer", "line": 11},
        ["locustfiles/mine.py:11: Writer has no task left", "load.user_classes"],
    ),
    "none left by exclusion": (
        {"user_classes": ["Writer"], "exclude_tags": ["write"]},
        {"problem": "none_left", "name": "Writer"},
        ["Writer has no task left"],
    ),
    "variables": ({"env": {"MODEL": "a b,c=%d"}}, {"problem": None}, []),
}


@pytest.mark.parametrize(("load", "expected", "words"), CHOSEN.values(), ids=CHOSEN)
def test_classes_tags_and_variables_of_the_sweep_file_are_applied(host, load, expected, words):
    text = SHOP + f"import os\nassert os.environ.get('MODEL') == {load.get('env', {}).get('MODEL')!r}\n"
    (host / "locustfiles/mine.py").write_text(text)
    report = check(host, "mine.py", "fixed", more=sweep_env(load))
    assert {key: report.get(key) for key in expected} == expected, report
    if words:
        with pytest.raises(InputError) as refused:
            refuse_scenarios({"lab-load": [{"locustfile": "mine.py", **report}]}, host / "controller")
        for word in words:
            assert word in str(refused.value)


# Locust itself never starts: the time of the scenario has not begun, and it is not to blame.
def test_a_host_where_locust_does_not_start_is_not_the_scenarios_fault(host):
    (host / "locustfiles/mine.py").write_text(HEAD + USER)
    judge = (
        "import json; from loadgen.check import program as p; p.LOCUST_SECONDS = 0.0; "
        "print(json.dumps(p.judge_in_child('check_scenario.py', 'fixed', 30, {})))"
    )
    files = [str(host / "locustfiles/mine.py")] * 2
    command = [sys.executable, "-c", judge.format(files)]
    done = subprocess.run(command, cwd=host, capture_output=True, text=True, timeout=120, check=False)
    report = json.loads(done.stdout)
    assert report["problem"] == "start", report
    with pytest.raises(InputError, match="Locust itself did not start within 0 s"):
        refuse_scenarios({"lab-load": [{"locustfile": "mine.py", **report}]}, host / "controller")


# Locust would take it for a module of the standard library: the reason why such a name is refused before.
def test_a_name_of_the_standard_library_is_no_scenario(host):
    (host / "locustfiles/io.py").write_text(HEAD + USER)
    try:
        assert check(host, "io.py", "fixed")["problem"] is not None
    finally:
        (host / "locustfiles/io.py").unlink()


def test_the_reserved_names_are_those_of_the_programs_and_of_the_lock(tmp_path):
    load_host.make(tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == scenarios.PROGRAMS
    lock = LOCUST_LOCK.read_text().splitlines()
    locked = {line.partition("==")[0] for line in lock if "==" in line and not line.startswith(("#", " "))}
    modules = {
        module
        for module, owners in metadata.packages_distributions().items()
        if any(owner.lower().replace("_", "-").replace(".", "-") in locked for owner in owners)
    }
    # Names with a dash or a dot cannot be imported.
    assert {name for name in modules if name.isidentifier()} <= scenarios.PACKAGES
