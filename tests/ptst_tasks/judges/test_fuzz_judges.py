"""What people and endpoints write for judges, bent: no exception but ours."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ptst_tasks import judges
from ptst_tasks.errors import PTSTError
from ptst_tasks.judges import batch
from ptst_tasks.judges.cache import VerdictCache
from ptst_tasks.judges.replay import digest
from tests.fuzz import TEXT, bent, fuzz, json_like
from tests.ptst_tasks.judges.server import grade

URL = "base_url=http://127.0.0.1:9/v1"
NAMES = ["model", "base_url", "api_key_env", "output", "temperature", "max_tokens", "concurrency",
         "timeout", "attempts", "backoff", "outage", "price_in", "price_out", "rubric", "harmful_at",
         "name", "engine", "dtype", "revision", "batch_size", "file", "api_key"]  # fmt: skip
VALUE = st.one_of(
    TEXT,
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(
        [
            "0",
            "1",
            "json",
            "none",
            "http://h/v1",
            "http://[",
            "9" * 5000,
            "sk-0123456789abcd",
            "wildguard",
        ]
    ),
)
SETTINGS = st.lists(st.tuples(st.sampled_from(NAMES), VALUE).map("=".join), max_size=4).map(
    ",".join
)
JUDGE = st.one_of(
    TEXT,
    st.tuples(st.sampled_from(sorted(judges.REGISTRY)), st.one_of(SETTINGS, TEXT)).map(":".join),
    SETTINGS.map(lambda more: f"rubric:model=m,{URL},{more}"),
)
SPEC = st.one_of(
    JUDGE, st.tuples(st.sampled_from(["majority", "mean", "most"]), st.lists(JUDGE, max_size=3)).map(
        lambda p: ";".join([f"panel:{p[0]}", *p[1]])))  # fmt: skip


@fuzz
@given(SPEC)
def test_fuzz_the_names_of_judges(spec: str):
    with suppress(PTSTError):
        made = judges.make(spec)
        assert "sk-0123456789abcd" not in f"{made.spec} {made.settings}"


RECORDED = {"query": digest("q"), "response": digest("r"), "score": 5, "harmful": True,
            "refused": False, "model": "m"}  # fmt: skip


@fuzz
@given(st.lists(st.one_of(bent(RECORDED).map(json.dumps), TEXT), max_size=3))
def test_fuzz_records(tmp_path_factory: Any, rows: list[str]):
    file = Path(tmp_path_factory.getbasetemp()) / "fuzz.jsonl"
    file.write_text("\n".join(rows), encoding="utf-8", errors="surrogatepass")
    with suppress(PTSTError):
        [verdict] = judges.make(f"replay:{file}").judge(["q"], ["r"])
        assert verdict.harmful in (True, False, None)


def line(key: str = "k") -> dict[str, Any]:
    body = grade({"response_format": 1, "messages": []}, 3).body
    return {"custom_id": key, "response": {"status_code": 200, "body": body}}


@fuzz
@given(st.one_of(*(bent(line(k)).map(json.dumps) for k in "kc"), json_like().map(json.dumps), TEXT))
def test_fuzz_the_lines_of_a_batch(row: str):
    judge: Any = judges.make(f"rubric:model=m,{URL}")
    out = batch.Collected("completed")
    with VerdictCache(":memory:") as cache:
        line = row.encode("utf-8", "surrogatepass")
        batch._take(judge, line, {"k": ("q", "r")}, {"c": ("q", "r")}, {}, cache, out)
        assert out.scored == len(cache)
    assert out.scored + out.missing + out.foreign + len(out.canaries) == 1
