"""What a request says about itself on the way."""

import logging
from collections.abc import Callable

logger = logging.getLogger("covertype_api.request")


def print_everything(what: str, value: object) -> None:
    """As a service does whose author debugged it with prints and left them in."""
    print(f"{what}: {value}", flush=True)


def log_everything(what: str, value: object) -> None:
    """A record at level DEBUG; nothing is formatted unless somebody listens."""
    logger.debug("%s: %s", what, value)


def choose_request_log(name: str) -> Callable[[str, object], None] | None:
    """What the choice ``logging`` means; None where no handler would receive it."""
    if name == "prints":
        return print_everything
    return log_everything if logger.isEnabledFor(logging.DEBUG) else None
