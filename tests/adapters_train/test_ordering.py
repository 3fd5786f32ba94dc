from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from adapters_train.ordering import order


@given(
    main=st.integers(1, 40),
    epochs=st.sampled_from([0.5, 1, 2, 2.5]),
    step_rows=st.integers(1, 9),
    seed=st.integers(0, 5),
    grouped=st.booleans(),
)
def test_every_epoch_shows_every_row_once(main, epochs, step_rows, seed, grouped):
    run = order(
        [7] * main, main, [], epochs=epochs, step_rows=step_rows, seed=seed, grouped=grouped
    )
    counts = Counter(run)
    assert len(run) == -(-main * epochs // 1)
    assert max(counts.values()) - min(counts[i] for i in range(main)) <= (epochs % 1 > 0)


@given(max_steps=st.integers(1, 30), step_rows=st.integers(1, 9))
def test_max_steps_is_exact(max_steps, step_rows):
    run = order([1] * 10, 10, [], epochs=1, step_rows=step_rows, seed=0, max_steps=max_steps)
    assert len(run) == max_steps * step_rows


def test_mixed_rows_are_all_there_and_spread_over_the_epochs():
    # 100 rows x 6 epochs, and one epoch of 12 safety rows: two of them in every epoch
    run = order([1] * 112, 100, [(12, 12)], epochs=6, step_rows=4, seed=0, grouped=False)
    assert len(run) == 612
    assert sorted(i for i in run if i >= 100) == list(range(100, 112))
    assert [sum(i >= 100 for i in run[k : k + 102]) for k in range(0, 612, 102)] == [2] * 6


def test_seeds_differ_and_repeat():
    runs = [order(list(range(64)), 64, [], epochs=1, step_rows=8, seed=s) for s in (0, 0, 1)]
    assert runs[0] == runs[1] != runs[2]


def test_grouping_puts_like_lengths_into_a_step_and_changes_no_row():
    lengths = [(i * 37) % 100 for i in range(100)]
    run = order(lengths, 100, [], epochs=1, step_rows=10, seed=0)
    spans = [[lengths[i] for i in run[k : k + 10]] for k in range(0, 100, 10)]
    assert sorted(run) == list(range(100))
    assert all(max(s) - min(s) == 9 for s in spans)  # 0..9, 10..19, ... in some order
    assert [s[0] for s in spans] != sorted((s[0] for s in spans), reverse=True)


def test_a_last_step_that_is_not_full_stays_last():
    run = order([1, 50, 2, 60, 3, 70, 4], 7, [], epochs=1, step_rows=2, seed=3)
    assert sorted(run) == list(range(7))
