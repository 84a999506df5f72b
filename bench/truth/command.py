"""`./lab bench truth`: the error of the tool on servers whose capacity is known.

Each setting is a queue with known service time and slots behind HAProxy, as in the lab. The same generator and search
as in a sweep find its capacity. This is compared with the capacity by queueing theory. Then pairs of equal cells are
deployed repeatedly and compared, as a sweep compares two configurations. There, "better" and "worse" are false.
"""

import argparse
import itertools
import os
import random
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from bench.lib import cores, machine, result
from bench.lib.environments import LOCUST
from bench.lib.options import whole
from bench.lib.paths import RESULTS, ROOT
from bench.lib.progress import say
from bench.lib.result import number
from bench.lib.workspace import workspace
from bench.truth import accuracy, deployment, haproxy, parallel
from bench.truth.accuracy import PAIRS, Assessed, Pair
from bench.truth.deployment import SearchResult, Setting, Site
from swarmsweep.errors import LabError
from swarmsweep.search import PROFILES

RESULT = RESULTS / "truth.json"
# Short and long services, few and many slots, strict and lax limits, two percentiles, both kinds of arrivals.
SETTINGS = (
    Setting("4ms-1slot", 4, 1, {"p95_ms": 25}),
    Setting("4ms-4slots", 4, 4, {"p95_ms": 25}),
    Setting("8ms-4slots-p99", 8, 4, {"p99_ms": 50}),
    Setting("10ms-8slots", 10, 8, {"p95_ms": 30}),
    Setting("20ms-8slots", 20, 8, {"p95_ms": 60}),
    Setting("5ms-8slots", 5, 8, {"p95_ms": 30}),
    Setting("5ms-4slots-constant", 5, 4, {"p95_ms": 20}, arrivals="constant"),
    # Locust's own client costs some ten times as much as the lean one, so the rates are lower.
    Setting("arrivals-20ms-8slots", 20, 8, {"p95_ms": 60}, by="arrivals"),
    Setting("arrivals-40ms-8slots-p99", 40, 8, {"p99_ms": 140}, by="arrivals"),
    Setting("arrivals-20ms-4slots-constant", 20, 4, {"p95_ms": 80}, arrivals="constant", by="arrivals"),
    # Users who think for at least 40 responses come at nearly random times, so the truth is that of random arrivals.
    Setting("users-20ms-8slots", 20, 8, {"p95_ms": 60}, by="users", think_seconds=(0.2, 2.6)),
)
# The cell of the pairs. A low rate, so that many can be loaded at a time.
TWIN = Setting("twin", 20, 4, {"p95_ms": 70})
TWIN_PROFILE = "smoke"
# Deployments at a time for each core. A setting takes some 18 % of a core, a cell of a pair some 8 %. Starting Locust
# takes a whole core for a second or two, and pairs do that all the time: so settings come first, undisturbed by them.
SETTINGS_PER_CORE, PAIRS_PER_CORE = 2, 5


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Options of the command."""
    parser = argparse.ArgumentParser(
        prog="./lab bench truth", description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--settings", type=whole(0, len(SETTINGS)), default=len(SETTINGS), help="number of settings")
    parser.add_argument("--profile", choices=sorted(PROFILES), default="standard", help="profile of each search")
    parser.add_argument("--pairs", type=whole(0, 100), default=PAIRS, help="number of pairs of equal cells")
    parser.add_argument("--deployments", type=whole(2, 10), default=3, help="deployments of each cell of a pair")
    count = len(os.sched_getaffinity(0))
    several = whole(1, 100)
    parser.add_argument(
        "--setting-lanes", type=several, default=SETTINGS_PER_CORE * count, help="settings measured at a time"
    )
    parser.add_argument(
        "--pair-lanes", type=several, default=PAIRS_PER_CORE * count, help="cells of pairs measured at a time"
    )
    parser.add_argument(
        "--seed", type=int, default=random.randrange(10**6), help="seed of the arrivals and of the order"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> None:
    """Measure, print the tables, write the file.

    Raises:
        LabError: it cannot be measured here, or a part of it failed.
    """
    options = parse(arguments)
    if not options.settings and not options.pairs:
        raise LabError("--settings 0 --pairs 0: there is nothing to do")
    cores.choose(os.sched_getaffinity(0))
    program = haproxy.program()
    LOCUST.install()
    started = time.monotonic()
    with workspace() as (folder, _):
        site = Site(program, folder)
        with parallel.cores_used() as shares:
            assessed, pairs = run(options, site)
    content, text = conclude(options, site, assessed, pairs, shares)
    content["bench_seconds"] = round(time.monotonic() - started, 1)
    result.write(RESULT, content)
    print(text)
    say(f"Written: {RESULT.relative_to(ROOT)}")


def run(options: argparse.Namespace, site: Site) -> tuple[list[Assessed], list[Pair]]:
    """Settings, then pairs; of each, some at a time."""
    searches = [
        partial(assess, site, setting, options.profile, options.seed + place)
        for place, setting in enumerate(SETTINGS[: options.settings])
    ]
    assessed = parallel.run_limited(searches, options.setting_lanes, site.stopping, "settings")
    blocks = list(itertools.product(range(1, options.pairs + 1), range(1, options.deployments + 1)))
    twins = [partial(both, site, options.seed, pair, block) for pair, block in blocks]
    results = parallel.run_limited(twins, options.pair_lanes, site.stopping, "blocks of pairs")
    return assessed, accuracy.compare_pairs(dict(zip(blocks, results, strict=True)), options.pairs)


def assess(site: Site, setting: Setting, profile: str, seed: int) -> Assessed:
    """Find the capacity of a setting, and work out what it is."""
    outcome = measure(site, setting, profile, seed, with_path=True)
    assessed = Assessed(setting, outcome, accuracy.true_rps(setting, outcome.path_ms))
    rate, error = outcome.capacity.estimate_rps, assessed.error_percent(outcome.capacity.estimate_rps)
    estimate = "nothing" if rate is None else f"{number(rate)} ({error:+.1f} %)"
    say(
        f"{setting.name}: truth {number(assessed.truth_rps)} requests/s, found {estimate}, "
        f"{outcome.load_seconds:.0f} s of load"
    )
    return assessed


def both(site: Site, seed: int, pair: int, block: int) -> tuple[SearchResult, SearchResult]:
    """One block of a pair: each of its two cells once, in random order."""
    results = {}
    for cell in random.Random(f"{seed}/{pair}/{block}").sample("ab", 2):
        own_seed = random.Random(f"{seed}/{pair}/{block}/{cell}").randrange(2**31)
        results[cell] = measure(site, TWIN, TWIN_PROFILE, own_seed, with_path=False)
    return results["a"], results["b"]


def measure(site: Site, setting: Setting, profile: str, seed: int, with_path: bool) -> SearchResult:
    """One deployment. One that fails is retried once, as in a sweep, and the result says so."""
    try:
        return deployment.measure(site, setting, profile, seed, with_path)
    except LabError as error:
        say(f"{setting.name}: retried, because: {error}")
        site.retries.append(str(error))
        return deployment.measure(site, setting, profile, seed, with_path)


def conclude(
    options: argparse.Namespace,
    site: Site,
    assessed: Sequence[Assessed],
    pairs: Sequence[Pair],
    shares: Mapping[str, float],
) -> tuple[dict[str, Any], str]:
    """The file's content and the tables."""
    targets, warnings = accuracy.targets(assessed, pairs), accuracy.warnings_about(assessed, shares)
    if site.retries:
        warnings.append(
            f"{len(site.retries)} deployments failed and were retried; stop other programs, then measure again"
        )
    facts = {
        "doubts": warnings,
        "seed": options.seed,
        "settings": {"count": len(assessed), "profile": options.profile},
        "pairs": {**accuracy.summarize_pairs(pairs), "deployments": options.deployments, "profile": TWIN_PROFILE},
        "retries": site.retries,
        "lanes": {"settings": options.setting_lanes, "pairs": options.pair_lanes},
        "shares_of_cores": dict(shares),
        "machine": machine.facts(),
        "versions": machine.versions(LOCUST.python, ("locust", "geventhttpclient", "gevent", "httptools"))
        | {"haproxy": haproxy.version(site.haproxy)},
    }
    rows = [*map(accuracy.setting_row, assessed), *map(accuracy.pair_row, pairs), *targets]
    content = result.as_json(rows, (), {}, facts)
    content["ratios"] = {row.name: row.value for row in targets}
    parts = [accuracy.settings_table(assessed)] if assessed else []
    parts += [accuracy.pairs_table(pairs)] if pairs else []
    parts += [result.limit_table(targets, "the tool's own error"), "\n".join(f"Warning: {text}" for text in warnings)]
    return content, "\n\n".join(parts).rstrip()
