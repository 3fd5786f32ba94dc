from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ptst_tasks.for_inspect.batches import Batches


def test_what_comes_meanwhile_goes_together_and_never_two_at_a_time() -> None:
    seen: list[list[int]] = []
    first, busy = threading.Event(), threading.Lock()

    def work(items: list[int]) -> list[int]:
        assert busy.acquire(blocking=False)
        seen.append(items)
        if len(seen) == 1:
            first.set()
            while len(batches._waiting) < 9:
                pass
        busy.release()
        return [item * item for item in items]

    batches = Batches(work)
    with ThreadPoolExecutor(10) as pool:
        one = pool.submit(batches, 0)
        first.wait(10)
        more = [pool.submit(batches, n) for n in range(1, 10)]
        assert [f.result(10) for f in [one, *more]] == [n * n for n in range(10)]
    assert seen[0] == [0]
    assert sorted(seen[1]) == list(range(1, 10))


def test_a_batch_that_fails_fails_for_all_of_it_and_the_next_goes_on() -> None:
    def work(items: list[int]) -> list[int]:
        if 0 in items:
            raise ValueError("nothing")
        return items

    batches = Batches(work)
    with pytest.raises(ValueError, match="nothing"):
        batches(0)
    assert batches(1) == 1


def test_a_result_too_few_is_an_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        Batches[int, int](lambda items: [])(1)
