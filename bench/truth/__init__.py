"""The tool against servers of known capacity."""
