"""The loads of a run in words."""

import pytest

from swarmsweep.search import PROFILES
from swarmsweep.sweep.load import CapacityLoad, Load
from swarmsweep.sweep.load_text import load_sentence, other_loads

USERS = Load(users=40, spawn_rate=20, wait_seconds=(0, 0.05)).as_json()
SEARCH = CapacityLoad(timeout_seconds=1.2, budget_seconds=60, profile="smoke").as_json()


@pytest.mark.parametrize(
    ("load", "sentence"),
    [
        (
            USERS,
            "40 users (20 started per second) with 0 to 0.05 s of think time, 10 s of warm-up thrown away, 30 s "
            "measured, 1 Locust worker(s), scenario predict.py, trials per cell: 3",
        ),
        (
            SEARCH,
            "search for the highest rate that holds the SLO: closed probe, bracket, bisection to "
            f"{100 * PROFILES['smoke'].resolution:.0f} %, confirmation, "
            "at most 60 s of load for each deployment (profile smoke), poisson arrivals, "
            "no answer after 1.2 s is a failure, 1 Locust worker(s), scenario predict_open.py, deployments per cell: 3",
        ),
        (
            SEARCH | {"profile": "standard", "budget_seconds": 420, "target_rps": 250.5},
            "search for the highest rate that holds the SLO: closed probe, bracket, bisection to 8 %, confirmation, "
            "at most 420 s of load for each deployment (profile standard), poisson arrivals, "
            "no answer after 1.2 s is a failure, 250.5 requests/s are wanted, 1 Locust worker(s), "
            "scenario predict_open.py, deployments per cell: 3",
        ),
        (
            SEARCH | {"profile": "of an earlier version"},
            "search for the highest rate that holds the SLO: closed probe, bracket, bisection, confirmation, "
            "at most 60 s of load for each deployment (profile of an earlier version), poisson arrivals, "
            "no answer after 1.2 s is a failure, 1 Locust worker(s), scenario predict_open.py, deployments per cell: 3",
        ),
    ],
    ids=["users", "smoke", "target", "old"],
)
def test_the_load_of_most_cells_is_one_sentence(load, sentence):
    assert load_sentence({"load": load, "repeat": 3}) == sentence


@pytest.mark.parametrize(
    ("load", "other", "text"),
    [
        (USERS, {"users": 2, "measure_seconds": 50}, "2 users, 50 s measured"),
        (SEARCH, {"profile": "publish", "budget_seconds": 1200}, "profile publish, at most 1200 s of load for each"),
        (SEARCH, {"arrivals": "constant"}, "constant arrivals"),
        (SEARCH, {"timeout_seconds": 5.0, "workers": 2}, "no answer after 5 s is a failure, 2 Locust worker\\(s\\)"),
    ],
)
def test_other_loads_say_what_differs_and_for_which_cells(load, other, text):
    cells = [{"id": "a", "load": load}, {"id": "b", "load": load | other}, {"id": "c", "load": load | other}]
    (found,) = other_loads({"load": load, "cells": cells})
    assert found["ids"] == ["b", "c"]
    assert found["text"].replace("\\", "").startswith(text.replace("\\", ""))
