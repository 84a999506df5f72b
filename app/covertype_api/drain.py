"""Serving for a while after a signal to end, so that a proxy can notice first."""

import asyncio
import logging
import signal
import threading
from types import FrameType

logger = logging.getLogger("covertype_api")
_begun = threading.Event()


def has_begun() -> bool:
    """Whether this process received a signal to end."""
    return _begun.is_set()


def delay_the_end(seconds: float) -> None:
    """Give SIGTERM to the server's own handler only ``seconds`` after it came; a second one at once.

    Call on the main thread, in the running event loop, when the server has set its handlers.
    """
    if seconds == 0 or threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    end = signal.getsignal(signal.SIGTERM)

    def begin(number: int, frame: FrameType | None) -> None:
        if has_begun():
            end(number, frame)
            return
        _begun.set()
        logger.info("received the signal to end: serving for %g more seconds", seconds)
        loop.call_soon_threadsafe(loop.call_later, seconds, end, number, None)

    signal.signal(signal.SIGTERM, begin)
