"""Which cells get a scaling law, and what is said where there is none."""

import pytest
from capacity_run import CapacityRun
from rows import at_limit, plan_of

from swarmsweep.choose.modes import choice_of
from swarmsweep.choose.scaling import scalings_of
from swarmsweep.choose.scaling_law import ScalingLaw
from swarmsweep.report.report import read_cells

OPEN = "not_saturated"
TRUE = ScalingLaw(rate_of_one_rps=400.0, contention=0.05, coherency=0.002, residual_percent=0.0)


def scalings(*rows):
    plan = plan_of({"mode": "fixed", "locustfile": "predict.py"})
    return scalings_of(choice_of(plan, list(rows)))


def grown(counts, axis="replicas", **more):
    return [at_limit(TRUE.rate_at(count), **{axis: count}, **more) for count in counts]


@pytest.mark.parametrize("axis", ["replicas", "workers"])
def test_a_law_over_an_axis(axis):
    (found,) = scalings(*grown((1, 2, 4, 8), axis))
    assert (found.axis, found.residual_percent) == (axis, pytest.approx(0, abs=1e-3))
    assert (found.law.contention, found.law.coherency) == (
        pytest.approx(0.05, abs=1e-4),
        pytest.approx(0.002, abs=1e-5),
    )
    assert axis not in found.config
    assert [point.count for point in found.points] == [1, 2, 4, 8]
    assert [count for count, _ in found.fitted] == list(range(1, 10))
    assert found.fitted[-1][1] == pytest.approx(TRUE.rate_at(9), rel=1e-4)


def test_groups_of_other_cells_have_laws_of_their_own():
    rows = [*grown((1, 2, 3)), *grown((1, 2, 3), cpus=1.0), *grown((1, 2), cpus=0.25)]
    assert [scaling.config["cpus"] for scaling in scalings(*rows)] == [0.5, 1.0]


def test_the_mean_over_attempts_is_fitted():
    rows = [at_limit(90.0, 1000.0 / 9, replicas=1), at_limit(200.0, replicas=2), at_limit(300.0, replicas=3)]
    (found,) = scalings(*rows)
    assert found.points[0].rps == pytest.approx(100.0)
    assert found.law.contention == pytest.approx(0, abs=1e-3)


def test_cells_that_may_serve_more_are_no_points_of_the_law():
    rows = [*grown((1, 2, 4)), at_limit(500.0, replicas=8, bottleneck="generator")]
    (found,) = scalings(*rows)
    assert [point.at_least for point in found.points] == [False, False, False, True]
    assert found.fitted[-1][0] == 5 and found.law is not None


def test_too_few_rates_are_no_law():
    (found,) = scalings(*grown((1, 2)), at_limit(500.0, replicas=3, bottleneck=OPEN))
    assert (found.law, found.residual_percent, found.fitted) == (None, None, [])


def test_rates_that_do_not_fit_have_a_residual_alone():
    rows = [at_limit(100.0), at_limit(200.0, replicas=2), at_limit(210.0, replicas=4)]
    (found,) = scalings(*rows)
    assert (found.law, found.fitted) == (None, [])
    assert found.residual_percent > 5


def test_searches_have_laws_over_their_capacities(tmp_path):
    run = CapacityRun(tmp_path).fill(spread=0.001)
    found = scalings_of(choice_of(run.plan, read_cells(run.dir, run.plan)))
    assert [(scaling.axis, scaling.config["cpus"]) for scaling in found] == [("replicas", 0.5), ("replicas", 1)]
    assert all(scaling.law and scaling.law.residual_percent < 2 for scaling in found)


def test_sentences(golden):
    """What is said of each outcome."""
    full = [at_limit(100.0), at_limit(200.0, replicas=2), at_limit(210.0, replicas=4)]
    turned = [at_limit(rate, workers=n) for n, rate in ((1, 100.0), (2, 180.0), (4, 240.0), (8, 200.0))]
    cases = {
        "a law": grown((1, 2, 4, 8)),
        "three points": [at_limit(100.0), at_limit(190.0, replicas=2), at_limit(270.0, replicas=3)],
        "more serve less": turned,
        "no fit": full,
        "too few": [*grown((1, 2)), at_limit(500.0, replicas=3, bottleneck=OPEN)],
    }
    golden("scaling.yml", {name: [one.sentence for one in scalings(*rows)] for name, rows in cases.items()})
