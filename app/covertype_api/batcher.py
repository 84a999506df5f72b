"""Micro-batches: rows of requests that arrive together are predicted in one call."""

import asyncio
from collections.abc import Callable

from covertype_api.decoder import Row


class MicroBatcher:
    """Collects rows for at most ``wait_seconds``, or until there are ``max_rows``, then predicts all of them at once.

    ``predict`` returns one class for each row. When it raises, every request of the batch gets the error.
    """

    def __init__(self, predict: Callable[[list[Row]], list[int]], wait_seconds: float, max_rows: int) -> None:
        self._predict, self._wait_seconds, self._max_rows = predict, wait_seconds, max_rows
        self._rows: list[Row] = []
        self._waiting: list[tuple[asyncio.Future[list[int]], int]] = []
        self._timer: asyncio.TimerHandle | None = None

    async def predict(self, rows: list[Row]) -> list[int]:
        """Classes of ``rows``, when their batch is done."""
        loop = asyncio.get_running_loop()
        result: asyncio.Future[list[int]] = loop.create_future()
        self._rows += rows
        self._waiting.append((result, len(rows)))
        if len(self._rows) >= self._max_rows:
            self._flush()
        elif self._timer is None:
            self._timer = loop.call_later(self._wait_seconds, self._flush)
        return await result

    def _flush(self) -> None:
        rows, waiting, timer = self._rows, self._waiting, self._timer
        self._rows, self._waiting, self._timer = [], [], None
        if timer is not None:
            timer.cancel()
        try:
            classes = self._predict(rows)
        except Exception as error:  # each request must get it; none may wait without end
            for result, _ in waiting:
                if not result.done():
                    result.set_exception(error)
            return
        start = 0
        for result, count in waiting:
            # A client that hung up has cancelled its request.
            if not result.done():
                result.set_result(classes[start : start + count])
            start += count
