"""The current step of a benchmark, one line per step."""

import sys


def say(text: str) -> None:
    """Print to stderr, so that the table can be redirected alone."""
    print(f"==> {text}", file=sys.stderr, flush=True)
