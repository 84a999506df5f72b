"""What a benchmark does now, one line a step."""

import sys


def say(text: str) -> None:
    """To stderr, so that the table can be redirected alone."""
    print(f"==> {text}", file=sys.stderr, flush=True)
