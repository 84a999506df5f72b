"""The turns of the classes of users in the probe of one user, and the messages of master and workers about them."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from loadgen.shared.request_record import UNLOADED_REQUESTS, UNLOADED_SECONDS

# Master -> worker: a class has its turn. Worker -> master: it has enough requests. Master -> worker: the probe is over.
TURN, ENOUGH, OVER = "unloaded_turn", "unloaded_enough", "unloaded_over"
# The first request of a name may meet cold code and does not count, so a class needs two more for a mean.
FEWEST_REQUESTS = 3


class Turn(NamedTuple):
    """The part of the probe that one user of a class has: it ends after so many requests or seconds."""

    user_class: str
    requests: int = UNLOADED_REQUESTS
    seconds: float = UNLOADED_SECONDS
    is_last: bool = True


def turns_of(users: Iterable[str]) -> list[Turn]:
    """The turns of a load whose users have these classes: `UNLOADED_REQUESTS` in total, shared by their numbers.

    With more classes than requests, those with the fewest users have no turn.
    """
    counts = Counter(users).most_common(UNLOADED_REQUESTS)
    if not counts:
        return []
    fewest = min(FEWEST_REQUESTS, UNLOADED_REQUESTS // len(counts))
    rest, total = UNLOADED_REQUESTS - fewest * len(counts), sum(count for _, count in counts)
    return [
        Turn(name, fewest + rest * count // total, is_last=position == len(counts))
        for position, (name, count) in enumerate(counts, start=1)
    ]
