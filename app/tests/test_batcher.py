"""Requests that share a batch: each gets its own rows, and none waits without end."""

import asyncio

import pytest

from covertype_api.batcher import MicroBatcher

# Nothing below waits so long: the last row of a full batch ends the wait.
LONG_SECONDS = 600.0


class Doubler:
    """Predicts twice each row, fails at -1, and notes the batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def predict(self, rows: list[int]) -> list[int]:
        self.batches.append(list(rows))
        if -1 in rows:
            raise ValueError("a row that fails")
        return [2 * row for row in rows]


def predict(requests: list[list[int]], wait_seconds: float, max_rows: int) -> tuple[list, list[list[int]]]:
    """Results (or errors) of requests that arrive at the same time, and the batches they went in."""
    doubler = Doubler()

    async def run() -> list:
        batcher = MicroBatcher(doubler.predict, wait_seconds, max_rows)
        return await asyncio.gather(*(batcher.predict(rows) for rows in requests), return_exceptions=True)

    return asyncio.run(run()), doubler.batches


@pytest.mark.parametrize(
    ("requests", "wait_seconds", "max_rows", "batches"),
    [
        ([[1]], 0.001, 64, [[1]]),
        ([[1], [2], [3]], 0.001, 64, [[1, 2, 3]]),
        ([[1], [2], [3]], LONG_SECONDS, 3, [[1, 2, 3]]),
        # A request is never split.
        ([[1], [2, 3], [4, 5, 6], [7, 8], [9, 10]], LONG_SECONDS, 3, [[1, 2, 3], [4, 5, 6], [7, 8, 9, 10]]),
        ([[1, 2, 3, 4, 5]], LONG_SECONDS, 3, [[1, 2, 3, 4, 5]]),
    ],
)
def test_requests_share_batches(requests, wait_seconds, max_rows, batches):
    results, seen = predict(requests, wait_seconds, max_rows)
    assert results == [[2 * row for row in rows] for rows in requests]
    assert seen == batches


def test_a_failure_reaches_all_of_its_batch_and_no_other_request():
    results, _ = predict([[1], [-1], [2], [3]], LONG_SECONDS, 2)
    assert [type(result) for result in results] == [ValueError, ValueError, list, list]
    assert results[2:] == [[4], [6]]


def test_a_client_that_hung_up_does_not_disturb_the_others():
    async def run() -> list[int]:
        batcher = MicroBatcher(Doubler().predict, LONG_SECONDS, 3)
        gone, stays = (asyncio.create_task(batcher.predict([row])) for row in (1, 2))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        last = await batcher.predict([3])
        return [*await stays, *last]

    assert asyncio.run(run()) == [4, 6]
