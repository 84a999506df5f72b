"""`./lab bench generator`: the load generator against FastHttpUser and wrk, on one core, nginx on the other."""

import argparse
import os
import random
import time
from collections.abc import Sequence

from bench.generator.interleaved import InterleavedRun
from bench.lib import cores, result, wrk
from bench.lib.environments import LOCUST
from bench.lib.options import count
from bench.lib.paths import RESULTS, ROOT
from bench.lib.progress import say
from bench.lib.workspace import workspace

RESULT = RESULTS / "generator.json"


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Options of the command."""
    parser = argparse.ArgumentParser(
        prog="./lab bench generator",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--rounds", type=count, default=3, help="loads of each generator; values are medians over them")
    parser.add_argument("--seconds", type=count, default=3, help="how long each load is measured")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="seed of the order within each round")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> None:
    """Measure, print the tables, write the file.

    Raises:
        LabError: a generator counted what nginx did not, had failures, or cannot be run here.
    """
    options = parse(arguments)
    chosen = cores.choose(os.sched_getaffinity(0))
    wrk.install()
    LOCUST.install()
    started = time.monotonic()
    with workspace(chosen.client) as (folder, stack):
        content, text = InterleavedRun(options, chosen, folder, stack).run()
    content["bench_seconds"] = round(time.monotonic() - started, 1)
    result.write(RESULT, content)
    print(text)
    say(f"Written: {RESULT.relative_to(ROOT)}")
