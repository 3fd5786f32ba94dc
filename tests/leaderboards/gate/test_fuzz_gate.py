"""Whatever stands in a policy, in lm_eval's output or in a baseline's outcomes: read, or refused."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from leaderboards.board import csvio
from leaderboards.board.collect import collect
from leaderboards.board.paper import PUBLISHED, compare, remarks
from leaderboards.board.rendering import FORMATS, render, terminal
from leaderboards.board.row import Row
from leaderboards.board.sides import read_side, sidecar, write_baseline
from leaderboards.board.tables import grids, left_out, tracks
from leaderboards.gate import report as gate_report
from leaderboards.gate import report_files
from leaderboards.gate.decide import check_sides
from leaderboards.gate.policy import load_policy
from ptst_tasks.errors import PTSTError
from tests.fuzz import TEXT, bent, fuzz
from tests.leaderboards.gate.gate_data import lm_eval_output, outcomes

TASKS = {
    "advbench/chat:llama": {"asr": outcomes(6, [1], [2]), "refused": outcomes(6, [0, 3])},
    "gsm8k/chat:llama": {"exact_match": outcomes(6, range(4))},
}
POLICY = {
    "alpha": "0.05", "power": "0.8", "strict": "true", "may_differ": ["base", "limit"],
    "defaults": "true", "rules": [
        {"tasks": ["adv*"], "templates": ["*"], "judges": ["keywords:*"],
         "metrics": {"asr": ["<= 0.5", "+0.05"], "unscored": "<= 0.5", "refused": "off"}},
        {"metrics": {"exact_match": "-10%", "asr": {"increase": "0.1"}}},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz")
    lm_eval_output(folder / "lm", TASKS)
    write_baseline(read_side(folder / "lm"), folder / "b.csv")
    return folder


@fuzz
@given(policy=bent(POLICY))
def test_fuzz_a_policy_decides_or_is_refused(policy: Any, good: Path) -> None:
    file = good / "policy.yaml"
    text = yaml.safe_dump(policy, allow_unicode=True)
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    side = read_side(good / "lm")
    try:
        report = check_sides(side, side, load_policy(file))
    except PTSTError:
        return
    _reported(report)


def _reported(report: Any) -> None:
    json.loads(report_files.to_json(report))
    assert report_files.to_junit(report).startswith("<?xml")
    gate_report.to_markdown(report).encode("utf-8", "backslashreplace")


RESULTS = {
    "results": {}, "configs": {}, "n-samples": {}, "date": 1738324800.0, "n-shot": {},
    "versions": {}, "config": {}, "lm_eval_version": "0.4.13", "chat_template_sha": "",
}  # fmt: skip


@fuzz
@given(data=st.data())
def test_fuzz_results_are_read_or_refused(data: st.DataObject, good: Path) -> None:
    """The whole way: a board of them in every format, and a check against what was good."""
    lm = good / "bent"
    shutil.rmtree(lm, ignore_errors=True)
    shutil.copytree(good / "lm", lm)
    (file,) = lm.rglob("results_*.json")
    found = data.draw(bent({**RESULTS, **json.loads(file.read_text())}))
    file.write_text(json.dumps(found))
    _read(lm, good)


@fuzz
@given(data=st.data(), junk=st.binary(max_size=4))
def test_fuzz_samples_are_read_or_refused(data: st.DataObject, junk: bytes, good: Path) -> None:
    lm = good / "bent"
    shutil.rmtree(lm, ignore_errors=True)
    shutil.copytree(good / "lm", lm)
    for file in lm.rglob("samples_*.jsonl"):
        rows = [json.loads(line) for line in file.read_bytes().split(b"\n") if line]
        lines = data.draw(bent(rows))
        text = "\n".join(map(json.dumps, lines if isinstance(lines, list) else [lines])).encode()
        at = data.draw(st.integers(0, len(text)))
        file.write_bytes(text[:at] + junk + text[at:] if data.draw(st.booleans()) else text)
    _read(lm, good)


def _read(lm: Path, good: Path) -> None:
    with suppress(PTSTError):
        rows, _ = collect([lm])
        tables = grids(rows)
        for fmt in FORMATS if tables else ():
            render(tables, fmt).encode("utf-8", "backslashreplace")
    try:
        report = check_sides(
            read_side(good / "b.csv"), read_side(lm), load_policy(None), allow_mismatch=True
        )
    except PTSTError:
        return
    _reported(report)


@fuzz
@given(data=st.data(), junk=st.binary(max_size=4), cut=st.booleans())
def test_fuzz_outcomes_are_read_or_refused(
    data: st.DataObject, junk: bytes, cut: bool, good: Path
) -> None:
    file = good / "c.csv"
    shutil.copy(good / "b.csv", file)
    rows = [json.loads(x) for x in sidecar(good / "b.csv").read_bytes().split(b"\n") if x]
    lines = data.draw(bent(rows))
    text = "\n".join(map(json.dumps, lines if isinstance(lines, list) else [lines])).encode()
    at = data.draw(st.integers(0, len(text)))
    sidecar(file).write_bytes(text[:at] + junk + (b"" if cut else text[at:]))
    with suppress(PTSTError):
        side = read_side(file)
        assert check_sides(side, side, load_policy(None)).lines


NAMES = st.one_of(TEXT, st.sampled_from(["chat:llama", "chat:vanilla", "m:0", "m:1", "advbench"]))
ROW = {
    "base": NAMES, "adapter": NAMES, "train_data": NAMES, "train_template": NAMES,
    "test_template": NAMES, "task": NAMES, "judge": NAMES,
    "metric": st.sampled_from(["asr", "asr", "exact_match", "rougeL", "score", "asr_std", ""]),
    "value": st.one_of(st.none(), st.floats(0, 1), st.floats(-1e300, 1e300)),
    "n": st.one_of(st.just(0), st.just(40), st.integers(0, 10**9)),
    "unscored": st.integers(0, 5), "seed": st.one_of(st.none(), st.integers(0, 2**64)),
    "decoding_seed": st.one_of(st.none(), st.integers(-5, 5)), "step": st.one_of(st.none(), st.just(7)),
    "decoding": st.one_of(NAMES, st.just('{"a": 1}')), "prompting": NAMES,
    "date": st.one_of(NAMES, st.just("2025-01-31T12:00:00Z")), "error": NAMES,
}  # fmt: skip
PAPER = csvio.read(PUBLISHED / "llama2-gsm8k.csv")


@fuzz
@given(drawn=st.lists(st.fixed_dictionaries(ROW), min_size=1, max_size=4), pool=st.booleans())
def test_fuzz_rows_become_tables_and_verdicts(drawn: list[Any], pool: bool, good: Path) -> None:
    """What a leaderboard may hold can be laid out, compared with the paper's, and checked."""
    with suppress(PTSTError, ValidationError):
        csvio.write([Row.model_validate(values) for values in drawn], good / "r.csv")
        rows = collect([good / "r.csv"])[0]
        tables = grids(rows, pool=pool)
        for fmt in FORMATS if tables else ():
            render(tables, fmt).encode("utf-8", "backslashreplace")
        terminal(tables)
        tracks(rows, ("asr", "exact_match"), pool=pool)
        left_out(rows, pool=pool)
        found = compare(rows, PAPER, pool=pool)
        remarks(found, rows, PAPER, pool=pool)
        assert all(len(one.line()) == 11 for one in found)
    with suppress(PTSTError):
        side = read_side(good / "r.csv")
        _reported(check_sides(side, side, load_policy(None)))
