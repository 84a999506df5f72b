"""Each layer knows each mode of a load."""

import pytest

import swarmsweep.choose.modes
import swarmsweep.plan.modes
import swarmsweep.raw.modes
import swarmsweep.report.modes
import swarmsweep.results.identity
import swarmsweep.results.modes
import swarmsweep.sweep.modes
from swarmsweep.sweep.load import CAPACITY, FIXED, KINDS

LAYERS = {
    "the sweep file": swarmsweep.sweep.modes.MODES,
    "the plan": swarmsweep.plan.modes.MODES,
    "raw files": swarmsweep.raw.modes.READERS,
    "results": swarmsweep.results.modes.VERDICTS,
    "the identity of a run": swarmsweep.results.identity.SLO_IS_MEASURED,
    "the choice": swarmsweep.choose.modes.CHOICES,
    "the page": swarmsweep.report.modes.PAGES,
}


def test_a_load_has_one_of_two_modes():
    assert list(KINDS) == [FIXED, CAPACITY]
    assert [kind.__dataclass_fields__["mode"].default for kind in KINDS.values()] == list(KINDS)


@pytest.mark.parametrize("layer", LAYERS)
def test_each_layer_knows_each_mode(layer):
    assert set(LAYERS[layer]) == set(KINDS)
