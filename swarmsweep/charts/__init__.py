"""The charts of a run: pure functions from figures to Vega-Lite specifications, as plain dicts."""
