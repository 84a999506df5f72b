"""Searches whose probes contradict each other: their sentences, and the probe whose figures stand for the deployment.

The probes were recorded on a host with noisy neighbours (see contradictions.json), shortened to what is read here.
"""

import json
from pathlib import Path

import msgspec
import pytest

from swarmsweep.judge.capacity import capacity_of
from swarmsweep.judge.next_step import Counts
from swarmsweep.judge.shown_probe import shown_probe
from swarmsweep.raw.search_files import SearchFile
from swarmsweep.search import BAD, GENERATOR, GOOD

SLO = {"p95_ms": 250, "max_failure_percent": 1}
RECORDED = json.loads((Path(__file__).parents[2] / "data/users-search-2.47.0/contradictions.json").read_text())


def read(name):
    """A recorded search, and its capacity."""
    record = RECORDED[name]
    counts = {row["trial"]: Counts(row["offered"], row["within_limits"], 0, row["ok_rps"]) for row in record["trials"]}
    search = msgspec.convert(record, SearchFile)
    return search, capacity_of(search, counts, SLO)


# Of each search: verified users, their rate, the probe that is shown, and the sentence.
SEARCHES = {
    # 5 users for 5 and 8 s. The 5 s of 6 users do not count, because 6 users missed the SLO in another probe.
    "held once by one more, then missed": (5, 15.125, 6, "5 users held the SLO for 13 s. 6 users did not."),
    # 8 users for 5 and 7 s. 16 users held it for 5 s, and 14 missed it.
    "held by more, and just long enough": (8, 151 / 7, 8, "8 users held the SLO for 12 s. 14 users did not."),
    # 14 users for 5 and 8 s, and 15 for 8 s. The rate is that of the 8 s, whose latencies are shown.
    "held by one more": (14, 40.0, 6, "14 or more users held the SLO for 21 s. 16 users did not."),
    "held twice, and missed by one fewer": (
        *(None, None, 8),
        "13 users held the SLO for 13 s, but 12 users missed it. "
        "No lower number of users held it for the 12 s that a verified number of users needs.",
    ),
    # Shown are the 12 users of probe 3, and neither the 18 of probe 5 nor the 24 of probe 4.
    "held, then missed at two numbers": (
        *(None, None, 3),
        "18 users held the SLO for 5 s, but 15 users missed it, and so did 18 users in another probe. "
        "No lower number of users held it for the 12 s that a verified number of users needs.",
    ),
}


@pytest.mark.parametrize("name", RECORDED)
def test_only_probes_that_count_are_in_words_and_figures(name):
    users, rps, shown, sentence = SEARCHES[name]
    search, found = read(name)
    assert (found.verified_users, found.sentence) == (users, sentence)
    assert found.verified_rps == pytest.approx(rps)
    assert shown_probe(search.probes, users).number == shown
    assert found.verified_probe == (shown if users else None)


def probes(*rows):
    """Probes of (rate, seconds, verdict), numbered from 2, after an unloaded one."""
    unloaded = {"trial": 1, "purpose": "unloaded", "kind": "closed", "connections": 1, "seconds_settle": 0}
    opened = [
        {
            "trial": number,
            "purpose": "bisect",
            "kind": "poisson",
            "rate_rps": rate,
            "seconds_settle": 0,
            "seconds_measure": seconds,
            "verdict": verdict,
        }
        for number, (rate, seconds, verdict) in enumerate(rows, 2)
    ]
    trials = [unloaded | {"seconds_measure": 1, "verdict": "probe"}, *opened]
    return msgspec.convert({"order": {}, "profile": {"verify_seconds": 60}, "trials": trials}, SearchFile)


@pytest.mark.parametrize(
    ("rows", "verified", "shown"),
    [
        # The longest at the verified rate, or the last of several.
        ([(80, 60, GOOD), (80, 20, GOOD), (85, 90, GOOD), (90, 60, BAD)], 80, 2),
        ([(80, 60, GOOD), (80, 60, GOOD), (90, 60, BAD)], 80, 3),
        # The highest below each that failed, not the highest that held.
        ([(60, 20, GOOD), (70, 20, GOOD), (90, 20, GOOD), (80, 20, BAD)], None, 3),
        # A rate that also failed does not stand for the deployment.
        ([(60, 20, GOOD), (70, 30, GOOD), (70, 20, BAD)], None, 2),
        # Nothing held below: the lowest rate that was made.
        ([(90, 20, BAD), (80, 20, BAD), (70, 20, GENERATOR)], None, 3),
        ([(90, 20, GOOD), (80, 20, BAD)], None, 3),
        ([(90, 20, GENERATOR), (80, 20, GENERATOR)], None, 3),
        ([], None, None),
    ],
)
def test_the_probe_that_is_shown_does_not_flatter(rows, verified, shown):
    found = shown_probe(probes(*rows).probes, verified)
    assert (None if found is None else found.number) == shown


@pytest.mark.parametrize(
    ("rows", "sentence", "step"),
    [
        (
            [(90, 60, GOOD), (80, 60, BAD)],
            "90.0 requests/s held the SLO for 60 s, but 80.0 requests/s missed it. No lower rate held it.",
            "80.0 requests/s missed the SLO, but the higher rate of 90.0 held it. So",
        ),
        (
            [(90, 60, GOOD), (90, 60, BAD)],
            "90.0 requests/s held the SLO for 60 s, but missed it in another probe. No lower rate held it.",
            "90.0 requests/s missed the SLO, but held it in another probe. So",
        ),
    ],
)
def test_a_rate_that_held_and_none_below_is_no_capacity(rows, sentence, step):
    found = capacity_of(probes(*rows), {}, {"p95_ms": 100})
    assert (found.verified_rps, found.sentence) == (None, sentence)
    assert found.next_step.startswith(step)
