"""What a rate needs: the cheapest measured configuration with a replica to spare."""

import pytest
from capacity_run import deployment
from rows import plan_of

from swarmsweep.choose.modes import choice_of
from swarmsweep.choose.sizing import sizing_of
from swarmsweep.lab.prices import Prices
from swarmsweep.plan.planned import PlannedCell
from swarmsweep.results.cell import merge

MIB = 1024**2
EUR = Prices(cpu_hour=0.1, gib_hour=0.02, currency="EUR")


def row(replicas, rate, cpus=0.5, workers=1, **changes):
    """A valid row whose conservative rate is ``rate``."""
    config = {"replicas": replicas, "cpus": cpus, "memory_bytes": 512 * MIB, "workers": workers}
    cell = PlannedCell(id=f"r{replicas}-c{cpus}", config=config, memory="512M")
    plan = plan_of({"mode": "capacity", "locustfile": "predict_open.py"}, [cell])
    return merge(plan, cell, [deployment(1, rate / 0.96, **changes)])


def sized(rows, target=None, prices=None):
    """The sizing of a run of these rows."""
    load = {"mode": "capacity", "profile": "standard", "locustfile": "predict_open.py", "target_rps": target}
    cells = [PlannedCell(id=row.id, config=row.config, memory="512M") for row in rows]
    return sizing_of(choice_of(plan_of(load, cells, prices=prices), rows))


# Rows as (replicas, conservative rate), the target, the configuration, and the replicas to spare.
SIZES = {
    "two of three hold it": ([(3, 480)], 300, "r3-c0.5", 1),
    "two of three do not": ([(3, 440)], 300, "r3-c0.5", 0),
    "exactly": ([(3, 450)], 300, "r3-c0.5", 1),
    "one has none to spare": ([(1, 1000)], 300, "r1-c0.5", 0),
    "the cheapest with one to spare": ([(1, 400), (2, 650), (4, 1200)], 300, "r2-c0.5", 1),
    "the recommended one has one": ([(2, 800), (4, 1200)], 300, "r2-c0.5", 1),
    "several to spare": ([(4, 1400)], 300, "r4-c0.5", 3),
    "without a target, the rate is its own": ([(2, 650)], None, "r2-c0.5", 0),
}


@pytest.mark.parametrize(("given", "target", "cell_id", "spare"), SIZES.values(), ids=SIZES)
def test_a_rate_needs_replicas_and_one_to_spare(given, target, cell_id, spare):
    sizing = sized([row(*one) for one in given], target)
    assert (sizing.cell_id, sizing.spare_replicas) == (cell_id, spare)


def test_no_configuration_is_sized_beyond_what_was_measured():
    assert sized([row(2, 100)], 300) is None


def test_the_sentence_has_rate_configuration_spare_and_cost(golden):
    sentences = {
        name: sized([row(*one) for one in given], target, EUR).sentence for name, (given, target, _, _) in SIZES.items()
    }
    golden("sizing.yml", sentences)
    assert sentences["two of three hold it"] == (
        "For 300 requests/s: 3 x 0.5 CPU, 512M, one to spare, 131.40 EUR a month."
    )
    assert " CPU equivalents." in sized([row(3, 480)], 300).sentence
    assert "512M, 2 workers each, one to spare" in sized([row(3, 480, workers=2)], 300).sentence


def of_users(replicas, users, **changes):
    """A row of a search with users, of whom each sends half a request per second."""
    return row(replicas, users / 2, verified_users=users, estimate_users=users / 0.96, **changes)


# Rows as (replicas, verified users), the target, the configuration, the replicas to spare, and the first words.
USERS = {
    "two of three hold them": ([(3, 480)], 300, "r3-c0.5", 1, "For 300 users: 3 x 0.5 CPU, 512M, one to spare,"),
    "one replica": ([(1, 1000)], 300, "r1-c0.5", 0, "For 300 users: 1 x 0.5 CPU, 512M, none to spare,"),
    "with one to spare": ([(1, 400), (2, 650)], 300, "r2-c0.5", 1, "For 300 users: 2 x 0.5 CPU, 512M, one to spare,"),
    "no target": ([(2, 650)], None, "r2-c0.5", 0, "For 650 users: 2 x 0.5 CPU, 512M,"),
}


@pytest.mark.parametrize(("given", "target", "cell_id", "spare", "words"), USERS.values(), ids=USERS)
def test_a_number_of_users_needs_replicas_too(given, target, cell_id, spare, words):
    load = {"mode": "capacity", "profile": "standard", "locustfile": "predict.py", "target_users": target}
    rows = [of_users(*one) for one in given]
    cells = [PlannedCell(id=one.id, config=one.config, memory="512M") for one in rows]
    sizing = sizing_of(choice_of(plan_of(load, cells), rows))
    assert (sizing.cell_id, sizing.spare_replicas, sizing.users) == (cell_id, spare, target)
    assert sizing.rate_rps == pytest.approx((target or given[0][1]) / 2)
    assert sizing.sentence.startswith(words)
    assert ("set load.target_users" in sizing.sentence) is (target is None)


def test_a_load_of_users_is_not_sized():
    cell = row(1, 100)
    load = {"mode": "fixed", "users": 16, "locustfile": "predict.py"}
    assert sizing_of(choice_of(plan_of(load, [PlannedCell(id=cell.id, config=cell.config, memory="")]), [cell])) is None
