"""The message of a task that failed, from results in the form that Ansible gives them, and the next command."""

import pytest

from swarmsweep.report.failure_text import (
    ITEM_LINES,
    LINE_CHARACTERS,
    MESSAGE_LINES,
    OUTPUT_CHARACTERS,
    OUTPUT_LINES,
    failure_text,
    message_lines,
    next_command_of,
    next_step,
    repeat_command,
    shown_path,
)

COMMAND = {"msg": "non-zero return code", "rc": 4, "cmd": ["false"], "stdout": "", "stderr": ""}
LONG = "\n".join(f"line {number}" for number in range(1, 41))


@pytest.mark.parametrize(
    ("result", "lines"),
    [
        ({"msg": "No package matching 'x' is available"}, ["No package matching 'x' is available"]),
        ({"msg": "Task failed: Module failed: it broke"}, ["it broke"]),
        ({"msg": "Task failed: it broke"}, ["it broke"]),
        ({"msg": "x is 3; allowed: 4.\n\nRun: ./lab site\n"}, ["x is 3; allowed: 4.", "Run: ./lab site"]),
        ({"msg": ["one", "two"]}, ["one", "two"]),
        ({"msg": {"a": 1}}, ['{"a": 1}']),
        ({"msg": ""}, ["The task failed without a message."]),
        ({}, ["The task failed without a message."]),
        ({"censored": "hidden", "changed": True}, ["The result is hidden, because the task handles secrets (no_log)."]),
        # A command: the end of its errors, else of its output.
        (COMMAND, ["The command ended with exit code 4."]),
        (COMMAND | {"stderr": "cause", "stdout": "noise"}, ["The command ended with exit code 4.", "  cause"]),
        (COMMAND | {"stdout": "cause"}, ["The command ended with exit code 4.", "  cause"]),
        # The message of a module says more than its output.
        ({"msg": "apt-get failed: E: no", "rc": 100, "stderr": "E: no"}, ["apt-get failed: E: no"]),
        ({"msg": "MODULE FAILURE: odd", "rc": 1, "module_stderr": "sudo: no"}, ["MODULE FAILURE: odd", "  sudo: no"]),
        # As a terminal shows it.
        ({"msg": "\x1b[31mred\x1b[0m\n 10 %\r 90 %\r100 %\nbell\a"}, ["red", "100 %", "bell"]),
    ],
)  # fmt: skip
def test_the_message_of_a_result(result, lines):
    assert message_lines(result) == lines


def test_a_long_output_is_its_end():
    first, *shown = message_lines(COMMAND | {"stderr": LONG})
    assert first == "The command ended with exit code 4."
    assert shown == [f"  line {number}" for number in range(41 - OUTPUT_LINES, 41)]


def test_a_long_message_is_its_beginning():
    lines = message_lines({"msg": LONG})
    assert lines == [*(f"line {number}" for number in range(1, MESSAGE_LINES + 1)), "(10 more lines are in the log)"]


def test_a_long_line_is_cut():
    (line,) = message_lines({"msg": "x" * (LINE_CHARACTERS + 1)})
    assert line == "x" * LINE_CHARACTERS + " ..."
    _, line = message_lines(COMMAND | {"stderr": "x" * LINE_CHARACTERS})
    assert line == "  " + "x" * OUTPUT_CHARACTERS + " ..."


def test_a_failure_has_host_task_and_message_and_each_message_once():
    shown = set()
    first = failure_text("a", "Copy it", ["no", "space"], shown)
    assert first == "FAILED: a failed in task: Copy it\n  no\n  space"
    second = failure_text("b", "Copy it", ["no", "space"], shown, unreachable=True)
    assert second == "FAILED: b cannot be reached in task: Copy it\n  The message is the same."
    assert failure_text("b", "Move it", ["no", "space"], shown).endswith("\n  no\n  space")


def test_a_path_is_shown_as_a_user_would_type_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shown_path(tmp_path / "a/b.yml") == "a/b.yml"
    assert shown_path(tmp_path.parent / "b.yml") == str(tmp_path.parent / "b.yml")


def item(label: str, *, failed: bool = True, **more) -> dict:
    return {"failed": failed, "item": label, "ansible_loop_var": "item"} | more


def test_items_that_failed_are_named_with_their_messages():
    items = [
        item("a", failed=False, msg="fine"),
        item("b", msg="no b"),
        item("c", **COMMAND | {"stderr": LONG}),
        item("d", msg="Task failed: no d", _ansible_item_label="the fourth"),
        item("e", msg="no e"),
        item("f", failed=False, unreachable=True, msg="gone"),
    ]
    ends = [f"  line {number}" for number in range(41 - ITEM_LINES, 41)]
    assert message_lines({"msg": "One or more items failed", "results": items}) == [
        "item b: no b",
        "item c: The command ended with exit code 4.",
        *ends,
        "item the fourth: no d",
        "2 more items failed.",
    ]


def test_an_item_with_a_secret_is_hidden():
    items = [{"failed": True, "censored": "hidden", "_ansible_no_log": True, "item": "hunter2"}]
    (line,) = message_lines({"msg": "One or more items failed", "results": items})
    assert line == "item (hidden): hidden, because the task handles secrets (no_log)"


@pytest.mark.parametrize(
    ("given", "command"),
    [
        (("site.yml", ["inventory/lab"], {}), "./lab site"),
        (("/srv/lab/site.yml", ["inventory/lab/"], {"lab_api_cpus": 2}), "./lab site"),
        (("site.yml", ["inventory/mine"], {}), "LAB_INVENTORY=inventory/mine ./lab site"),
        (("site.yml", ["inventory/my lab"], {}), "LAB_INVENTORY='inventory/my lab' ./lab site"),
        (("playbooks/provision.yml", ["inventory/lab"], {}), "./lab site"),
        (("playbooks/virtual_lab.yml", ["inventory/lab"], {}), "./lab up"),
        (("playbooks/virtual_lab.yml", ["inventory/lab"], {"virtual_lab_state": "absent"}), "./lab down"),
        (("sweep.yml", ["inventory/lab"], {"sweep": "sweeps/quick.yml"}), "./lab sweep sweeps/quick.yml"),
        (("sweep.yml", ["inventory/lab"], {"sweep": "my file.yml"}), "./lab sweep 'my file.yml'"),
        (("sweep.yml", ["inventory/lab"], {}), "./lab sweep"),
        (("sweep.yml", ["inventory/lab"], {"resume": "2026-quick"}), "./lab sweep -e resume=2026-quick"),
        (("playbooks/retrain.yml", ["inventory/lab"], {"lab_training_source": "rows.csv"}), "./lab retrain rows.csv"),
        (("playbooks/retrain.yml", ["inventory/lab"], {}), "./lab retrain"),
        (("playbooks/publish.yml", ["inventory/lab"], {"publish_image": "kit:1", "publish_target": "h:5/k:1",
           "publish_credentials": "my file"}, "publish"), "./lab publish kit:1 h:5/k:1 --credentials 'my file'"),
        (("playbooks/virtual_lab.yml", ["inventory/lab"], {}, "demo"), "./lab demo"),
        (("site.yml", ["inventory/lab", "b c"], {}), "./lab site -i 'b c'"),
        (("sweep.yml", ["a", "b"], {"sweep": "x.yml"}), "LAB_INVENTORY=a ./lab sweep x.yml -i b"),
        (("playbooks/ui.yml", ["inventory/lab"], {"ui_of": "predict.py"}, "ui"), "./lab ui predict.py"),
        (("playbooks/teardown.yml", ["inventory/lab"], {}), "ansible-playbook playbooks/teardown.yml -i inventory/lab"),
        (("playbooks/teardown.yml", ["a b", "c"], {}), "ansible-playbook playbooks/teardown.yml -i 'a b' -i c"),
    ],
)  # fmt: skip
def test_the_command_that_repeats_a_playbook(given, command):
    assert repeat_command(*given) == command


MINE = "LAB_INVENTORY=inventory/mine "


@pytest.mark.parametrize(
    ("message", "repeat", "unreachable", "step"),
    [
        ("it broke", "./lab site", None, "./lab site -v (shows every task)"),
        ("To see why, run: docker service logs x", "./lab site", None, "do what the message says, then: ./lab site"),
        *(
            (f"To see why, run {place}: docker ps", "./lab site", None, "do what the message says, then: ./lab site")
            for place in ("there", "on this host", "on lab-api")
        ),
        *(
            (message, "./lab sweep", None, "do what the message says, then: ./lab sweep")
            for message in (
                "x.bin was changed while this command ran. Run the same command again",
                "locustfiles/io.py has the name of a module. Rename it, for example: mv io.py my_io.py",
                "x.py: It waits or loops. Move that into a task",
            )
        ),
        # These words of other programs are no advice.
        ("Wait failed. The file was not moved", "./lab site", None, "./lab site -v (shows every task)"),
        ("x is 3; allowed: 4", "./lab site", None, "do what the message says, then: ./lab site"),
        ("no firewall. Run: ./lab site", "./lab retrain", None, "./lab site, then: ./lab retrain"),
        ("no firewall. Run: ./lab site", "./lab site", None, "./lab site"),
        ("no firewall. Run: ./lab site", f"{MINE}./lab site", None, f"{MINE}./lab site"),
        ("Fix: ./lab down && ./lab up", "./lab site", None, "./lab down && ./lab up, then: ./lab site"),
        ("Fix: ./lab down && ./lab up", f"{MINE}./lab sweep", None, f"{MINE}./lab down && {MINE}./lab up"),
        ("Run: ./lab up or run: ./lab site", "./lab stop", None, "do what the message says, then: ./lab stop"),
        ("Fix: ./lab retrain -e seed=7", "./lab retrain", None, "./lab retrain -e seed=7"),
        # A sweep takes long: it is not repeated without need.
        ("To resume it, run: ./lab sweep -e resume=2026-a.b", "./lab sweep", None, "./lab sweep -e resume=2026-a.b"),
        ("raise it, then run: ./lab site --tags api. It is", "./lab sweep", None, "./lab site --tags api"),
        ("raise its memory, then run: ./lab site. It is complete", "./lab sweep x.yml", None, "./lab site"),
        ("run: ./lab retrain SOURCE", "./lab retrain", None, "do what the message says, then: ./lab retrain"),
        ("no route", "./lab site", "198.18.0.11", "./lab up, then: ./lab site"),
        ("no route", f"{MINE}./lab site", "198.18.0.11", f"{MINE}./lab up, then: {MINE}./lab site"),
        ("no route", "./lab up", "198.18.0.11", "./lab up"),
        # All inventories of the command that failed.
        ("no route", "./lab up -i b", "198.18.0.11", "./lab up -i b"),
        ("no route", f"{MINE}./lab site -i 'b c'", "198.18.0.11",
         f"{MINE}./lab up -i 'b c', then: {MINE}./lab site -i 'b c'"),
        ("Run: ./lab site --tags api.", "./lab site -i b", None, "./lab site -i b --tags api"),
        # The run was begun with another inventory.
        ("Run: LAB_INVENTORY=a ./lab sweep -e resume=2026-a", f"{MINE}./lab sweep", None,
         "LAB_INVENTORY=a ./lab sweep -e resume=2026-a"),
        ("no route", "./lab site", "192.0.2.11", "make this work: ssh 192.0.2.11 true, then: ./lab site"),
    ],
)  # fmt: skip
def test_the_next_step(message, repeat, unreachable, step):
    assert next_step(message.split("\n"), repeat, unreachable) == step


@pytest.mark.parametrize(
    ("result", "command"),
    [
        ({"msg": "Run: ./lab site"}, None),
        ({"msg": "x", "next_command": "./lab site"}, "./lab site"),
        ({"msg": "x", "next_command": None}, None),
        ({"results": [{"failed": False}, {"failed": True, "next_command": "./lab up"}]}, "./lab up"),
    ],
)
def test_the_next_command_of_a_result(result, command):
    assert next_command_of(result) == command


# The text alone has no form that says where the command ends.
@pytest.mark.parametrize(
    ("repeat", "step"),
    [
        ("./lab sweep x.yml", "./lab report --remeasure 'reports/my run'"),
        ("./lab site", "./lab report --remeasure 'reports/my run', then: ./lab site"),
        # It reads no inventory.
        (f"{MINE}./lab sweep", "./lab report --remeasure 'reports/my run'"),
    ],
)
def test_the_command_of_an_error_is_the_next_step(repeat, step):
    command = "./lab report --remeasure 'reports/my run'"
    assert next_step([f"It is damaged. Rebuild it: {command} now"], repeat, next_command=command) == step


ARGUMENTS = " -e seed=7 -l api-1"


# Of two values of a variable the last one counts, so the message's own stays behind the user's.
@pytest.mark.parametrize(
    ("message", "repeat", "step"),
    [
        ("it broke", "./lab site", "./lab site -e seed=7 -l api-1 -v (shows every task)"),
        ("x is 3; allowed: 4", "./lab site", "do what the message says, then: ./lab site -e seed=7 -l api-1"),
        ("no rule. Run: ./lab site", "./lab site", "./lab site -e seed=7 -l api-1"),
        ("no rule. Run: ./lab site", "./lab retrain a.csv", "./lab site, then: ./lab retrain a.csv -e seed=7 -l api-1"),
        ("Fix: ./lab retrain -e seed=8", "./lab retrain", "./lab retrain -e seed=7 -l api-1 -e seed=8"),
        ("run: ./lab sweep -e resume=b", f"{MINE}./lab sweep x", f"{MINE}./lab sweep -e seed=7 -l api-1 -e resume=b"),
        ("Run: ./lab site.", "./lab sweep x.yml", "./lab site"),
        (f"run: {MINE}./lab sweep -e a=b", f"{MINE}./lab sweep x", f"{MINE}./lab sweep -e seed=7 -l api-1 -e a=b"),
        ("Run: ./lab site --tags api.", "./lab site", "./lab site -e seed=7 -l api-1 --tags api"),
        ("Run: ./lab site --tags api", f"{MINE}./lab sweep x -i 'b c'", f"{MINE}./lab site -i 'b c' --tags api"),
        ("Run: ./lab down && ./lab up", "./lab sweep x -i b", "./lab down -i b && ./lab up -i b"),
        ("Run: ./lab report", "./lab sweep x -i b", "./lab report"),
    ],
)  # fmt: skip
def test_the_next_step_has_the_arguments_of_the_user(message, repeat, step):
    assert next_step([message], repeat, arguments=ARGUMENTS) == step


@pytest.mark.parametrize("tags", [" --tags api", " --tags=api,deploy", " -t api", " -tapi"])
def test_a_part_of_a_verb_is_not_repeated_where_the_message_names_the_whole(tags):
    step = next_step(["It has another version. Fix: ./lab site"], "./lab site", arguments=f"{tags} -e seed=7")
    assert step == "./lab site -e seed=7"


def test_an_argument_is_not_given_twice():
    assert next_step(["Run: ./lab site --tags api"], "./lab site", arguments=" --tags api") == "./lab site --tags api"


def test_the_arguments_follow_the_name_of_a_run():
    command = "./lab sweep 'my file.yml' -e seed=8 && ./lab report"
    step = next_step(["Damaged"], "./lab sweep", next_command=command, arguments=ARGUMENTS)
    assert step == "./lab sweep 'my file.yml' -e seed=7 -l api-1 -e seed=8 && ./lab report"
