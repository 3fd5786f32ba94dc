"""Looks in the file of verdicts: kept with what they stand for, and none that is damaged is believed."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ptst_tasks.errors import ConfigError
from ptst_tasks.judges.base import Verdict
from ptst_tasks.judges.look_store import LookStore
from ptst_tasks.judges.looks import Look, Watched

FIRST = Look("2026", "01", "10", "0 1", {"m": 2})
SECOND = Watched(Look("2027", "11", "10", "1 1", {"m": 2}), FIRST)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LookStore]:
    with LookStore(str(tmp_path / "c.sqlite")) as found:
        yield found


def put(store: LookStore, *keys: str, owed: bool = True) -> None:
    for key in keys:
        store.put(key, Verdict(1.0, True), owed=owed)


def test_a_verdict_is_owed_a_look_and_gets_one(store: LookStore) -> None:
    put(store, "a", "b")
    put(store, "unwatched", owed=False)
    assert store.under(["a", "b", "unwatched", "none"]) == (Counter(), ["a", "b"])
    one = store.keep("judge", Watched(FIRST), ["a"])
    assert store.under(["a", "b"]) == (Counter({one: 1}), ["b"])
    two = store.keep("judge", SECOND, ["a", "b"])  # a has one
    assert store.under(["a", "b"]) == (Counter({one: 1, two: 1}), [])
    assert store.read([one, two], 2) == {one: Watched(FIRST), two: SECOND}
    assert store.past("judge", 2) == ([SECOND.now, FIRST], [])
    assert store.past("another", 2) == ([], [])


def test_one_that_was_there_is_not_owed_anew(store: LookStore) -> None:
    put(store, "a", owed=False)
    put(store, "a")
    assert store.under(["a"]) == (Counter(), [])


def test_more_keys_than_one_query_takes(store: LookStore) -> None:
    keys = [str(n) for n in range(1201)]
    put(store, *keys)
    assert len(store.under(keys)[1]) == 1201
    one = store.keep("judge", Watched(FIRST), keys)
    assert store.under(keys) == (Counter({one: 1201}), [])


def test_what_stays_without(store: LookStore) -> None:
    put(store, "a", "b")
    one = store.keep("judge", Watched(FIRST), ["a"])
    store.forgo(["a", "b"])
    assert store.under(["a", "b"]) == (Counter({one: 1}), [])


def test_a_batch_is_found_again(store: LookStore) -> None:
    assert store.of_batch("judge", "b_1", 2) is None
    one = store.keep("judge", SECOND, [], batch="b_1")
    assert store.of_batch("judge", "b_1", 2) == one
    assert store.of_batch("another", "b_1", 2) is None


WRONG = [
    "{", "[]", "null", "5", json.dumps({"now": None, "before": None}), '{"now": {"when": "x"}}',
    *(json.dumps({"now": {**vars_, **bent}, "before": None})
      for vars_ in [{"when": "2026", "harmful": "01", "refused": "10", "grades": "0 1", "models": {}}]
      for bent in [{"when": 5}, {"harmful": "zz"}, {"harmful": "1"}, {"grades": "x y"}, {"grades": "nan 1"},
                   {"models": []}, {"models": {"m": None}}, {"more": 1}, {"when": "\x1b[31m"}]),
]  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_a_damaged_look_is_none_and_goes_with_the_next(
    store: LookStore, text: str, tmp_path: Path
) -> None:
    put(store, "a")
    one = store.keep("judge", Watched(FIRST), ["a"])
    with closing(sqlite3.connect(tmp_path / "c.sqlite")) as db, db:
        db.execute("UPDATE looks SET look = ?", (text,))
    assert store.read([one], 2) == {}
    assert store.past("judge", 2) == ([], [one])
    two = store.keep("judge", Watched(FIRST), [], damaged=[one])
    assert two != one
    assert store.past("judge", 2) == ([FIRST], [])


def test_what_cannot_be_kept_is_said_and_changes_nothing(store: LookStore, tmp_path: Path) -> None:
    put(store, "a")
    with closing(sqlite3.connect(tmp_path / "c.sqlite")) as db, db:
        db.execute("CREATE TABLE looks (other TEXT)")
    with pytest.raises(ConfigError, match=r"judge cache .* cannot be used"):
        store.keep("judge", Watched(FIRST), ["a"])
    assert store.under(["a"]) == (Counter(), ["a"])
