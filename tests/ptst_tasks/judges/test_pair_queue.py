"""A pair that is put back is asked after all others."""

from __future__ import annotations

from ptst_tasks.judges.pair_queue import PairQueue, PendingPair


def test_a_pair_that_is_put_back_comes_last_with_what_it_used_up() -> None:
    queue = PairQueue(PendingPair(name, "q", "r") for name in "ab")
    first = next(queue)
    first.attempt = 1
    queue.put_back(first)
    assert bool(queue)
    assert [(pair.key, pair.attempt) for pair in queue] == [("b", 0), ("a", 1)]
    assert not queue
