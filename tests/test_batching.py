"""The batcher by itself: what is joined, what is not, and who suffers from whom."""

import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from audio_grpc.backends.batching import Batcher

FOREVER = 3600.0


class Squares:
    """Remembers the batches that it squared; a string cannot be squared."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may_run = threading.Semaphore(0)
        self.started = threading.Semaphore(0)

    def freely(self, key: Hashable, items: list[int]) -> list[int]:
        self.batches.append(sorted(items, key=str))
        return [item * item for item in items]

    def when_allowed(self, key: Hashable, items: list[int]) -> list[int]:
        self.started.release()
        assert self.may_run.acquire(timeout=60)
        return self.freely(key, items)


@contextmanager
def callers(batcher: Batcher[int, int], count: int) -> Iterator[Callable[..., "Future[int]"]]:
    """That many threads take part from the beginning; each submits what it is told, and leaves."""
    together = threading.Barrier(count)

    def call(key: Hashable, item: int, size: int = 1) -> int:
        with batcher.taking_part():
            together.wait(60)
            return batcher.submit(key, item, size)

    with ThreadPoolExecutor(count) as pool:
        yield lambda *arguments: pool.submit(call, *arguments)


def test_what_waits_together_runs_together() -> None:
    squares = Squares()
    with callers(Batcher(squares.freely, size=8, wait_seconds=FOREVER), 3) as submit:
        results = [submit("a", item) for item in (2, 3, 4)]
        assert [result.result(60) for result in results] == [4, 9, 16]
    assert squares.batches == [[2, 3, 4]]


def test_a_caller_who_is_alone_does_not_wait() -> None:
    squares = Squares()
    batcher = Batcher(squares.freely, size=8, wait_seconds=FOREVER)
    with batcher.taking_part():
        assert [batcher.submit("a", item) for item in (2, 3)] == [4, 9]
    assert squares.batches == [[2], [3]]


def test_a_caller_who_leaves_is_not_waited_for() -> None:
    squares = Squares()
    batcher = Batcher(squares.freely, size=8, wait_seconds=FOREVER)
    with callers(batcher, 1) as submit:
        with batcher.taking_part():
            waiting = submit("a", 2)
            assert not waiting.done()
        assert waiting.result(60) == 4


def test_nobody_is_waited_for_longer_than_configured() -> None:
    squares = Squares()
    batcher = Batcher(squares.freely, size=8, wait_seconds=0.001)
    with batcher.taking_part(), callers(batcher, 1) as submit:
        assert submit("a", 2).result(60) == 4


def test_a_full_batch_waits_for_nobody() -> None:
    squares = Squares()
    batcher = Batcher(squares.freely, size=2, wait_seconds=FOREVER)
    with batcher.taking_part(), callers(batcher, 2) as submit:
        results = [submit("a", item) for item in (2, 3)]
        assert [result.result(60) for result in results] == [4, 9]
    assert squares.batches == [[2, 3]]


def test_no_batch_is_larger_than_configured() -> None:
    squares = Squares()
    with callers(Batcher(squares.freely, size=3, wait_seconds=FOREVER), 7) as submit:
        assert sum(one.result(60) for one in [submit("a", 1) for _ in range(7)]) == 7
    assert sorted(map(len, squares.batches)) == [1, 3, 3]


def test_an_item_can_count_for_several_and_be_larger_than_a_batch() -> None:
    squares = Squares()
    with callers(Batcher(squares.freely, size=4, wait_seconds=FOREVER), 3) as submit:
        results = [submit("a", 2, 9), submit("a", 3, 2), submit("a", 4, 2)]
        assert [result.result(60) for result in results] == [4, 9, 16]
    assert [2] in squares.batches


def test_different_keys_stay_apart() -> None:
    squares = Squares()
    with callers(Batcher(squares.freely, size=8, wait_seconds=FOREVER), 4) as submit:
        results = [submit(key, item) for item, key in enumerate("abab")]
        assert [result.result(60) for result in results] == [0, 1, 4, 9]
    assert sorted(squares.batches) == [[0, 2], [1, 3]]


def test_members_do_not_suffer_for_each_other() -> None:
    squares = Squares()
    with callers(Batcher(squares.freely, size=8, wait_seconds=FOREVER), 3) as submit:
        results = [submit("a", 2), submit("a", "x"), submit("a", 4)]
        assert [results[0].result(60), results[2].result(60)] == [4, 16]
        with pytest.raises(TypeError):
            results[1].result(60)


def test_a_worker_runs_one_batch_at_a_time() -> None:
    squares = Squares()
    with callers(Batcher(squares.when_allowed, size=1, wait_seconds=0.0), 6) as submit:
        results = [submit("a", 1) for _ in range(6)]
        for _ in range(6):
            assert squares.started.acquire(timeout=60)
            assert not squares.started.acquire(blocking=False)
            squares.may_run.release()
        assert [result.result(60) for result in results] == [1] * 6


def test_several_workers_run_several_batches_at_the_same_time() -> None:
    squares = Squares()
    batcher = Batcher(squares.when_allowed, size=1, wait_seconds=0.0, workers=2)
    with callers(batcher, 2) as submit:
        results = [submit("a", 2), submit("a", 3)]
        assert squares.started.acquire(timeout=60)
        assert squares.started.acquire(timeout=60), "the second did not wait for the first"
        squares.may_run.release(2)
        assert [result.result(60) for result in results] == [4, 9]
