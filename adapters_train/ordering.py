"""The order of the examples, for a whole run, before anything is tokenised.

It depends on the seed, the rows' lengths in characters and the rows per optimiser step; not on
the template, the tokenizer, the number of devices or how a step is split into forward passes.
So two adapters of one seed that differ in their template differ in nothing else.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Sequence

from ptst_tasks.errors import ConfigError

__all__ = ["order"]

WINDOW = 50
"""Steps within which rows of like length are put together (transformers' own choice)."""
MOST = 100_000_000
"""Rows of a run; the largest published set, three times over, is an eighth of it."""


def order(
    lengths: Sequence[int],
    main: int,
    mixed: Sequence[tuple[int, int]],
    *,
    epochs: float,
    step_rows: int,
    seed: int,
    max_steps: int | None = None,
    grouped: bool = True,
) -> list[int]:
    """Returns the index of the example at every place of the run.

    Args:
        lengths: Of all examples: first those of the main set, then of each mixed set.
        main: Examples of the main set.
        mixed: (examples there are, rows wanted) of every mixed set.
        epochs: Passes over the main set; mixed rows are spread evenly over them.
        step_rows: Rows per optimiser step.
        seed: Draws everything.
        max_steps: Cut or go on to exactly so many steps.
        grouped: Put rows of like length into one step.

    Raises:
        ConfigError: If that is nothing at all, or more than anyone can mean.
    """
    wanted = max(
        max_steps * step_rows if max_steps else 0, main * epochs + sum(n for _, n in mixed)
    )
    if not 0 < wanted <= MOST:
        raise ConfigError(
            f"{wanted:,.0f} rows would be gone through; expected 1 to {MOST:,}: look at epochs "
            "(--epochs), max_steps (--max-steps), batch_size (--batch-size) and mix (--mix)"
        )
    rng = random.Random(f"order {seed}")
    total = max(1, math.ceil(main * epochs - 1e-9))
    run = _shuffled_run(rng, main, total, mixed)
    if max_steps is not None:
        wanted = max_steps * step_rows
        while len(run) < wanted:
            run += _shuffled_run(rng, main, total, mixed)
        del run[wanted:]
    return _grouped(run, lengths, step_rows, rng) if grouped else run


def _shuffled_run(
    rng: random.Random, main: int, total: int, mixed: Sequence[tuple[int, int]]
) -> list[int]:
    """One run of the epochs: each is a permutation, with its part of the mixed rows among it."""
    passes = math.ceil(total / main)
    streams = [itertools.islice(_cycle(rng, main, 0), total)]
    start = main
    for size, wanted in mixed:
        streams.append(itertools.islice(_cycle(rng, size, start), wanted))
        start += size
    drawn = [list(stream) for stream in streams]
    run = []
    for i in range(passes):
        part = drawn[0][i * main : (i + 1) * main]
        for rows in drawn[1:]:
            part += rows[len(rows) * i // passes : len(rows) * (i + 1) // passes]
        rng.shuffle(part)
        run += part
    return run


def _cycle(rng: random.Random, size: int, start: int) -> Iterator[int]:
    while True:
        rows = list(range(start, start + size))
        rng.shuffle(rows)
        yield from rows


def _grouped(run: list[int], lengths: Sequence[int], step: int, rng: random.Random) -> list[int]:
    whole = len(run) - len(run) % step  # a last step that is not full stays the last
    out: list[int] = []
    for at in range(0, whole, step * WINDOW):
        window = sorted(
            run[at : min(at + step * WINDOW, whole)], key=lambda i: lengths[i], reverse=True
        )
        steps = [window[k : k + step] for k in range(0, len(window), step)]
        rng.shuffle(steps)
        out += itertools.chain.from_iterable(steps)
    return out + sorted(run[whole:], key=lambda i: lengths[i], reverse=True)
