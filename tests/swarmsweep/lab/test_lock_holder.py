"""Who holds the lock of a lab: what another command is refused for, and when a lock was left behind."""

import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from swarmsweep.lab.lab_command import with_prefix
from swarmsweep.lab.lock_holder import LEASE_SECONDS, Holder, holder_of, judge, lease_of, loss

MINE = holder_of(os.getpid(), ["ansible-playbook", "site.yml"], Path("/srv/a"), 1795000000)
# A process of this machine that lives as long as this test, and one that has ended.
NEAR = holder_of(
    os.getppid(), ["ansible-playbook", "sweep.yml"], Path("/srv/b"), 1795000000, "/r/20261129T120000Z-quick"
)
ENDED = replace(NEAR, started="1")
FAR = replace(NEAR, place="another-boot pid:[1]", process=4711, where="eva@far:/home/eva/swarmsweep")

CASES = {
    "no file": ("", 0, "free", ()),
    "released": ("\n", 0, "free", ()),
    "taken before by the same process": (replace(MINE, run="/r/x", since=7).text(), 9e9, "mine", ()),
    "this machine": (
        NEAR.text(),
        10,
        "held",
        ("`ansible-playbook sweep.yml` (run 20261129T120000Z-quick, since 2026-11-18 ", f"kill {os.getppid()} && "),
    ),
    # A sweep whose controller slept still measures.
    "this machine, not renewed": (NEAR.text(), 9e9, "held", ()),
    "ended on this machine": (ENDED.text(), 0, "stale", ("left behind", "That process has ended.")),
    "another controller": (
        FAR.text(),
        600,
        "held",
        (
            "process 4711 of eva@far:/home/eva/swarmsweep",
            "end it there with: kill 4711 && LAB_INVENTORY=inventory/lab ./lab stop\n",
            "The lock was last renewed 10 min 0 s ago.",
            "the lock ends in 50 min 0 s.",
            "free the lab with: ./lab stop --unlock",
        ),
    ),
    "another controller, long ago": (FAR.text(), LEASE_SECONDS, "stale", ("The lock was last renewed 1 h 0 min ago.",)),
    "a clock of the host that was set back": (FAR.text(), -500, "held", ("renewed 0 s ago",)),
    "damaged": ('{"command": 1', 0, "held", ("cannot be read", "./lab stop --unlock")),
    "another version": ('{"command": "x"}', 3000, "held", ("ends in 10 min 0 s",)),
    "a time beyond the calendar": (replace(FAR, since=1e15).text(), 0, "held", ("cannot be read", "--unlock")),
    "damaged, long ago": ("x", LEASE_SECONDS, "stale", ("cannot be read",)),
}


@pytest.mark.parametrize(("text", "age_seconds", "state", "words"), CASES.values(), ids=CASES)
def test_what_a_lock_means(text, age_seconds, state, words):
    finding = judge(text, age_seconds, MINE)
    assert finding.state == state
    for word in words:
        assert word in finding.sentence
    assert bool(finding.sentence) is (state in ("held", "stale"))


@pytest.mark.parametrize(
    ("command", "stop"),
    [
        ("ansible-playbook sweep.yml -i inventory/mine -K", "LAB_INVENTORY=inventory/mine ./lab stop\n"),
        ("ansible-playbook sweep.yml -i 'my lab' -i b", "LAB_INVENTORY='my lab' ./lab stop -i b\n"),
        ("ansible-playbook sweep.yml -i '***'", "LAB_INVENTORY='***' ./lab stop (replace ***, which hides a value"),
        # Another version, or a damaged file, may have any text.
        ("it's", "LAB_INVENTORY=inventory/lab ./lab stop\n"),
        ("", "LAB_INVENTORY=inventory/lab ./lab stop\n"),
    ],
)
def test_another_controller_ends_its_load_with_its_own_inventory(command, stop):
    sentence = judge(replace(FAR, command=command).text(), 600, MINE).sentence
    assert f"end it there with: kill 4711 && {stop}" in sentence
    # This command's own inventory is for the rest alone.
    shown = with_prefix(sentence, "LAB_INVENTORY=own ")
    assert f"kill 4711 && {stop}" in shown
    assert "free the lab with: LAB_INVENTORY=own ./lab stop --unlock" in shown


def test_only_a_controller_whose_processes_cannot_be_seen_is_unlocked_by_force():
    assert "--unlock" not in judge(NEAR.text(), 10, MINE).sentence


def test_a_holder_is_one_line_of_ascii_without_secrets():
    given = ["ansible-playbook", "sweep.yml", "-e", "lab_reports=/srv/ä", "-e", "dsn=hunter2", "--user", "eva"]
    text = holder_of(os.getpid(), given, Path("/srv/ü"), 1.6).text()
    assert text.isascii() and "\n" not in text
    assert "hunter2" not in text
    assert judge(text, 0, MINE).holder.where.endswith(":/srv/ü")


@pytest.mark.parametrize(
    ("loads", "ready_seconds", "seconds"),
    [((), 120, 3600), ((16, 60), 120, 3600), ((60, 7200), 120, 7200 + 120 + 1800)],
)
def test_a_lease_outlasts_the_longest_attempt(loads, ready_seconds, seconds):
    assert lease_of(loads, ready_seconds) == seconds


def test_a_lost_lock_names_no_time_because_each_lease_has_its_own():
    sentence = loss(judge(FAR.text(), 0, MINE))
    assert "A lock that is not renewed before its lease ends can be taken" in sentence
    assert "hour" not in sentence


def test_the_stored_form_is_stable():
    """Another version of the lab on another controller reads it."""
    assert set(Holder.__struct_fields__) == {
        *("command", "run", "since", "lease_seconds"),
        *("place", "process", "started", "where"),
    }
