"""Were two numbers measured alike? Everything that decides a number, named where it differs.

What is compared stands in `leaderboards.gate.compared`. What one side alone recorded (a leaderboard
of an older version, a file made by hand) is noted and never held against it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from operator import attrgetter

from leaderboards.board.lm_args import was_sampled
from leaderboards.board.numbers import Number
from leaderboards.board.row import Row
from leaderboards.gate.compared import compared
from leaderboards.gate.match import Pair

__all__ = ["mismatches", "same_weights"]

_JSON = frozenset({"decoding", "prompting", "judge_settings", "engine_args"})
_NAMES = frozenset({"base", "judge"})  # an empty one says: none
_KIND = attrgetter("base_files", "data_fingerprint", "asked", "prompts", "task_version", "scoring",
                   "engine")  # fmt: skip
_ONE_SIDE = ": recorded on one side only, not compared"
_SAMPLING = ("temperature", "top_p", "top_k", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff")
_SAME_ENGINE = {"hf-auto": "hf", "huggingface": "hf"}  # lm-eval's other names of one class


def mismatches(pairs: Iterable[Pair], may_differ: Iterable[str]) -> tuple[list[str], list[str]]:
    """What was not measured alike, and what nobody recorded.

    Args:
        pairs: Numbers with both sides, or with one (passed over).
        may_differ: Columns that are not compared; `base` stands for its weights too.

    Returns:
        Differences (``decoding: max_gen_toks 512 became 256 (4 numbers)``), and notes on facts that
        one side alone recorded.
    """
    free = set(may_differ) | ({"base_digest"} if "base" in may_differ else set())
    facts = {column: name for column, name in compared().items() if column not in free}
    read = attrgetter("task", *facts)
    differ: Counter[str] = Counter()
    unknown: dict[str, None] = {}
    for pair in pairs:
        if pair.baseline is None or pair.current is None:
            continue
        old, new = pair.baseline.row, pair.current.row
        if old.error or new.error or read(old) == read(new):  # a failed cell has no number
            continue
        for column, name in facts.items():
            if column == "asked" and _told_otherwise(pair.baseline, pair.current):
                continue
            for different, text in _compare(column, name, old, new):
                if different:
                    differ[text] += 1
                else:
                    unknown[text] = None
    return (
        [f"{text} ({count} numbers)" for text, count in differ.items()],
        list(unknown),
    )


def _told_otherwise(old: Number, new: Number) -> bool:
    """Whether the prompts themselves, or their number, say more than the digest of their ids.

    Absent prompts then count as missing verdicts (`leaderboards.gate.decide`), which is no refusal.
    """
    fewer = new.row.n + new.row.unscored < old.row.n + old.row.unscored
    return fewer or (old.outcomes is not None and new.outcomes is not None)


def same_weights(a: Row, b: Row) -> bool:
    """Whether digests show one model under two names (a local path on two machines)."""
    return bool(a.base_digest) and a.base_digest == b.base_digest


def _compare(column: str, name: str, old: Row, new: Row) -> Iterator[tuple[bool, str]]:
    """(whether it is a difference or was recorded on one side only, the text)."""
    a, b = (_normal(column, getattr(row, column)) for row in (old, new))
    if a == b or (column == "base" and same_weights(old, new)):
        return
    if column == "base_digest" and a and b and a.split(":")[0] != b.split(":")[0]:
        yield False, f"{name}: digests of two kinds, not compared"
    elif column == "limit" and old.asked and old.asked == new.asked:
        return  # a limit beyond the set's end: the same rows were asked
    elif column in _JSON:
        yield from _by_key(name, (a, old.engine), (b, new.engine), _alike(old, new))
    elif (a and b) or column in _NAMES:
        yield True, f"{name} {_short(a)} became {_short(b)}"
    elif column == "limit" and _alike(old, new) and old.asked:
        yield True, f"{name} {a or 'none'} became {b or 'none'}"
    else:
        yield False, f"{name}{_ONE_SIDE}"


def _alike(old: Row, new: Row) -> bool:
    """Whether both rows come from writers that record the same, so that an absence says "not set"."""
    noted = all(row.engine or row.lm_eval_version or row.date for row in (old, new))
    return noted and [bool(v) for v in _KIND(old)] == [bool(v) for v in _KIND(new)]


@lru_cache(4096)
def _by_key(
    name: str, one: tuple[str, str], other: tuple[str, str], alike: bool
) -> tuple[tuple[bool, str], ...]:
    """Differences of two JSON objects, key by key, and the keys that one side alone holds."""
    (a, old_engine), (b, new_engine) = one, other
    old, new = _object(a), _object(b)
    if name == "decoding" and old and new:
        old, new = _decoding(old, old_engine), _decoding(new, new_engine)
    if old is None or new is None or (not (old and new) and not alike):  # by hand, or not noted
        known = bool(a and b)
        return ((known, f"{name} {_short(a)} became {_short(b)}" if known else name + _ONE_SIDE),)
    keys = sorted(k for k in old.keys() | new.keys() if old.get(k) != new.get(k))
    alone = [] if alike else [k for k in keys if (k in old) != (k in new)]
    texts = (f"{name}: {k} {_short(old.get(k))} became {_short(new.get(k))}"
             for k in keys if k not in alone)  # fmt: skip
    out = [(True, text) for text in [", ".join(texts)] if text]
    if alone:
        out.append((False, f"{name}: {', '.join(alone)}{_ONE_SIDE[1:]}"))
    return tuple(out)


def _object(text: str) -> dict[str, object] | None:
    try:
        value = json.loads(text) if text else {}
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _decoding(options: dict[str, object], engine: str) -> dict[str, object]:
    """Options as they act: greedy answers have no temperature, however it is written down."""
    if not options:
        return options
    sampled = was_sampled(engine, {"do_sample": False, **options})
    kept = {k: v for k, v in options.items() if sampled or k not in _SAMPLING}
    return {**kept, "do_sample": sampled}


def _normal(column: str, value: object) -> str:
    """One spelling of what is one thing: stock lm-eval's ``hf`` is the engine of ``ptst-hf``."""
    text = "" if value is None else str(value)
    if column == "engine":
        text = text.removeprefix("ptst-")
        return _SAME_ENGINE.get(text, text)
    return text.removeprefix("torch.") if column == "dtype" else text


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
