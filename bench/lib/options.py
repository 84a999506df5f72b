"""Types of options that several benchmarks have."""

import argparse
from collections.abc import Callable


def whole(minimum: int, maximum: int) -> Callable[[str], int]:
    """The type of an option that is a whole number within bounds, both included, for argparse."""

    def parse(text: str) -> int:
        if not text.isdigit() or not minimum <= int(text) <= maximum:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {minimum} to {maximum}")
        return int(text)

    return parse


# Bounds of rounds, and of seconds of a load: enough for any machine, while a typing error does not cost an hour.
count = whole(1, 60)
