"""Checks of the SLO with the mode of the load."""

from swarmsweep.sweep.load import CAPACITY
from swarmsweep.sweep.models import Sections
from swarmsweep.sweep.problems import Problems

# A search judges a rate by all requests together.
WITHOUT_ENDPOINTS = (CAPACITY,)


def refuse_endpoints(sections: Sections, problems: Problems) -> None:
    """Note limits for single endpoints where the load is not judged by them."""
    if sections.slo is None or sections.slo.endpoints is None or sections.load is None:
        return
    mode, written = sections.load.mode, sections.slo.written
    if mode in WITHOUT_ENDPOINTS:
        text = f"mode {mode} judges all requests together; allowed in mode fixed"
        problems.add(written.line_of("endpoints"), written.place("endpoints"), text)
