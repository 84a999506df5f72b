"""How many replicas of a measured configuration a rate needs, with one to spare, and what they cost. For searches.

A replica to spare keeps the SLO while another one restarts. With k of r replicas, a configuration is taken to hold k/r
of its rate. This is a lower bound, because replicas share a host and its proxy: each of fewer ones serves at least as
much. No configuration is sized for more replicas than were measured, because that would need an upper bound.
"""

import math

from msgspec import Struct

from swarmsweep.choose.capacity_load import HEADROOM, conservative_rps, eligible_cells
from swarmsweep.choose.modes import Choice
from swarmsweep.choose.target import Target, target_of
from swarmsweep.choose.ties import plain_order
from swarmsweep.plan.row import Row
from swarmsweep.results.slo import ROUNDED_SHARE
from swarmsweep.sweep.load import CAPACITY, mode_of
from swarmsweep.sweep.matrix import axis_text
from swarmsweep.units import format_figure, format_memory, format_plain


class Sizing(Struct, frozen=True, kw_only=True):
    """What a rate needs.

    ``rate_rps`` is the target of the sweep; without one, the conservative rate of the recommended configuration. It is
    that of ``users``, where the target is their number.
    ``spare_replicas`` is the number of replicas beyond those that the rate needs.
    """

    rate_rps: float
    cell_id: str
    spare_replicas: int
    sentence: str
    users: int | None = None


def sizing_of(choice: Choice) -> Sizing | None:
    """The cheapest configuration that holds the target with a replica to spare, else the recommended one.

    None for a load of users, and where no configuration is recommended.
    """
    chosen = choice.chosen
    if chosen is None or mode_of(choice.plan.load) != CAPACITY:
        return None
    target = target_of(choice.plan.load)
    able = [row for row in eligible_cells(choice.candidates) if reaches(row, target)] if target else []
    safe = [row for row in able if target and spare_replicas(row, target.rps_of(row))]
    cheapest = min(safe, key=lambda row: plain_order(row, choice.tariff), default=chosen)
    best = chosen if chosen in safe else cheapest
    rate_rps = target.rps_of(best) if target else conservative_rps(best) or 0.0
    spare = spare_replicas(best, rate_rps)
    return Sizing(
        rate_rps=float(rate_rps),
        cell_id=best.id,
        spare_replicas=spare,
        sentence=_sentence(choice, best, target, spare),
        users=int(target.wanted) if target and target.is_users else None,
    )


def needed_rps(row: Row, target: Target) -> float:
    """The conservative rate that a configuration must have: the target with its headroom."""
    return target.rps_of(row) * HEADROOM * (1 - ROUNDED_SHARE)


def reaches(row: Row, target: Target) -> bool:
    """Whether a configuration has this rate."""
    return (conservative_rps(row) or 0) >= needed_rps(row, target)


def spare_replicas(row: Row, rate_rps: float) -> int:
    """The number of replicas that may be missing while the others hold the rate."""
    replicas, rate = int(row.config["replicas"]), conservative_rps(row)
    if not rate:
        return 0
    # A rate has four digits.
    used = math.ceil(replicas * rate_rps / rate - replicas * ROUNDED_SHARE)
    return max(0, replicas - max(1, used))


def short_config(row: Row) -> str:
    """A configuration in words: '3 x 0.5 CPU, 512M'. Workers and other axes follow where they are not usual."""
    config = row.config
    words = [f"{config['replicas']} x {format_plain(config['cpus'])} CPU", format_memory(config["memory_bytes"])]
    if config["workers"] != 1:
        words.append(f"{config['workers']} workers each")
    core = ("replicas", "cpus", "memory_bytes", "workers")
    return ", ".join([*words, *(f"{axis} {axis_text(config[axis])}" for axis in config if axis not in core)])


def _sentence(choice: Choice, best: Row, target: Target | None, spare: int) -> str:
    chosen = choice.chosen
    number = {0: "none", 1: "one"}.get(spare, str(spare))
    config, cost = short_config(best), choice.tariff.words(best.config)
    if target is None:
        return _own_size(best, f"{config}, {cost}")
    what = "number" if target.is_users else "rate"
    sentence = f"For {target.text}: {config}, {number} to spare, {cost}."
    if best is not chosen:
        alone = f"This is {best.id}. It still holds the {what} if a replica fails, and the recommended one does not."
        return f"{sentence} {alone}"
    if not spare:
        none = f"No tested configuration that reaches {HEADROOM} times the {what} also holds it if a replica fails."
        return f"{sentence} {none}"
    return sentence


def _own_size(row: Row, words: str) -> str:
    """Without a target: what was measured is what it is for. Of users, so many as have this rate."""
    rps, capacity = conservative_rps(row) or 0.0, row.capacity
    if capacity is None or capacity.verified_users is None:
        return f"For {format_figure(rps)} requests/s: {words}. To size for another rate, set load.target_rps."
    users = Target(capacity.verified_users, is_users=True).words_of(row, rps)
    return f"For {users}: {words}. To size for another number, set load.target_users."
