"""What the gate compares between two sides, and which number belongs to which."""

from __future__ import annotations

import json
from typing import Any

import pytest

from leaderboards.board.numbers import Number
from leaderboards.board.row import Row
from leaderboards.board.sides import Side
from leaderboards.gate.compared import compared
from leaderboards.gate.decide import check_sides
from leaderboards.gate.decision import Report
from leaderboards.gate.policy import Policy, default_policy
from ptst_tasks.errors import DataError
from ptst_tasks.provenance import gate_facts

OPTIONS = {"max_gen_toks": 512, "until": ["</s>"], "do_sample": False, "top_k": 50}
RECORDED = {  # as a run folder has it
    "base_digest": "sha256:b", "base_files": "f", "data_fingerprint": "rows", "asked": "ids",
    "prompts": "tokens", "thinking": "auto", "task_version": "1", "scoring": "s",
    "decoding": json.dumps(OPTIONS), "engine": "hf", "dtype": "bfloat16", "judge_weights": "w", "judge_model": "m",
    "engine_args": '{"quantization":"awq"}', "judge_settings": '{"rubric":"v1"}',
    "prompting": '{"style":"gsm8k"}', "date": "2025-01-31T12:00:00Z",
}  # fmt: skip


def side(name: str, **facts: Any) -> Side:
    row = {"base": "tiny", "task": "advbench", "test_template": "chat:llama", "judge": "keywords:zou",
           "metric": "asr", "value": 0.0, "n": 400}  # fmt: skip
    return Side(name, (Number(Row.model_validate({**row, **facts})),))


def compare(old: Side, new: Side, policy: Policy | None = None, **options: Any) -> Report:
    return check_sides(old, new, policy or default_policy(), **options)


CHANGES = {
    "base": "other", "base_digest": "sha256:c", "base_files": "g", "data_fingerprint": "others",
    "limit": 4, "asked": "four", "prompts": "other tokens", "thinking": "off",
    "task_version": "2", "scoring": "t",
    "decoding": json.dumps({**OPTIONS, "top_k": 1, "do_sample": True}), "engine": "vllm",
    "dtype": "float16", "engine_args": "", "judge": "rubric:gpt", "judge_settings": "",
    "judge_weights": "v", "judge_model": "n", "prompting": '{"style":"openai"}', "decoding_seed": 1,
}  # fmt: skip


def test_what_is_compared_is_the_provenance_records() -> None:
    """Every fact that the record declares for the gate is walked over below."""
    assert set(gate_facts()) < set(compared())
    assert set(CHANGES) == set(compared())


@pytest.mark.parametrize("column", sorted(CHANGES))
def test_each_fact_that_differs_is_refused(column: str) -> None:
    """Seen: another limit, engine or dtype was compared without a word."""
    more: dict[str, Any] = {"limit": 400, "asked": "ids"} if column == "limit" else {}
    more |= {"decoding_seed": 0} if column == "decoding_seed" else {}
    old = side("old", **{**RECORDED, **more})
    change = {column: CHANGES[column]} | ({"asked": "four"} if column == "limit" else {})
    if column == "base":
        change["base_digest"] = ""  # or it is one model under two names
    new = side("new", **{**RECORDED, **more, **change})
    with pytest.raises(DataError, match="was not measured like 'old'") as caught:
        compare(old, new)
    assert compared()[column] in str(caught.value)
    assert compare(old, new, allow_mismatch=True).lines[0].verdict == "pass"
    free = default_policy().model_copy(update={"may_differ": (*change,)})
    assert compare(old, new, free).lines[0].verdict == "pass"
    old_row = side("0.1.0", decoding='{"max_gen_toks":512}', engine="hf")  # no such column then
    if column not in ("base", "judge", "engine", "decoding"):
        assert compare(old_row, new).lines[0].verdict == "pass"


@pytest.mark.parametrize(
    ("a", "b"),
    [("hf", "ptst-hf"), ("huggingface", "hf"), ("hf-auto", "ptst-hf"), ("vllm", "ptst-vllm")],
)
def test_an_engine_has_one_name(a: str, b: str) -> None:
    report = compare(side("old", engine=a), side("new", engine=b, dtype="torch.float16"))
    assert report.notes == ("dtype: recorded on one side only, not compared",)
    with pytest.raises(DataError, match="dtype 'float16' became 'bfloat16'"):
        compare(
            side("old", engine=a, dtype="torch.float16"), side("new", engine=b, dtype="bfloat16")
        )


def test_two_limits_that_ask_the_same_rows_are_one() -> None:
    """--limit 1000 of a set of 400 asks 400."""
    old, new = side("old", **{**RECORDED, "limit": 1000}), side("new", **RECORDED)
    assert compare(old, new).notes == ()


def test_more_keys_than_an_older_row_are_noted() -> None:
    """Run folders hold every option; lm_eval's rows a few, under the same names."""
    new = {**OPTIONS, "repetition_penalty": 1.0, "temperature": 1.0}
    old_row = side("old", engine="hf", decoding='{"max_gen_toks":512,"until":["</s>"]}')
    new_row = side("new", **{**RECORDED, "decoding": json.dumps(new)})
    notes = compare(old_row, new_row).notes
    assert "decoding: repetition_penalty recorded on one side only, not compared" in notes
    other = side("new", **{**RECORDED, "decoding": json.dumps({**new, "max_gen_toks": 64})})
    with pytest.raises(DataError, match="decoding: max_gen_toks 512 became 64"):
        compare(old_row, other)
    # both from run folders: a key that one lacks is a difference
    with pytest.raises(DataError, match=r"repetition_penalty None became 1\.0"):
        compare(side("old", **RECORDED), new_row)


def test_sampling_is_not_taken_for_an_option_nobody_noted() -> None:
    """lm_eval's rows leave do_sample out where it is false; temperature says nothing there."""
    greedy = side("old", engine="hf", decoding='{"max_gen_toks":512}')
    sampled = side(
        "new", engine="hf", decoding='{"max_gen_toks":512,"do_sample":true,"temperature":1.0}'
    )
    with pytest.raises(DataError, match="do_sample False became True"):
        compare(greedy, sampled)
    same = side(
        "new", engine="hf", decoding='{"max_gen_toks":512,"do_sample":false,"temperature":1.0}'
    )
    assert compare(greedy, same).notes == ()


def _sampled(name: str, seeds: Any, bad: int = 0, **facts: Any) -> Side:
    numbers = [n for seed in seeds
               for n in side(name, decoding_seed=seed, value=bad / 400, **facts).numbers]  # fmt: skip
    return Side(name, tuple(numbers))


def test_sampled_runs_are_matched_seed_by_seed() -> None:
    """Five seeds of one cell are five numbers; with seeds on one side only there is a choice to make."""
    report = compare(_sampled("old", range(5)), _sampled("new", range(5), 60))
    assert [line.verdict for line in report.lines] == ["regression"] * 5
    assert [line.pair.label[-9:] for line in report.lines] == [
        f"sampled {seed}" for seed in range(5)
    ]
    with pytest.raises(DataError, match=r"--current-only decoding_seed="):
        compare(side("old"), _sampled("new", range(5)))
    with pytest.raises(DataError, match="seed of the sampling '0' became '1'"):
        compare(_sampled("old", [0]), _sampled("new", [1]))


def test_a_merged_model_of_its_own_name_needs_one_word() -> None:
    policy = default_policy().model_copy(update={"may_differ": ("base",)})
    old, new = (side(n, base=n, base_digest=f"sha256:{n}") for n in ("v1", "v2"))
    assert compare(old, new, policy).notes == ()


def test_a_baseline_newer_than_the_run_is_named() -> None:
    """Seen: the two sides swapped, or last week's run checked again, without a word."""
    old, new = (side(d, date=f"{d}T12:00:00Z") for d in ("2025-01-31", "2025-02-01"))
    assert compare(old, new).notes == ()
    (note,) = compare(new, old).notes
    assert note.startswith("the baseline is newer than this run: it was measured 2025-02-01T12")
    assert compare(side("x", date="today"), old).notes == ()


def test_a_number_with_odd_facts_costs_no_more() -> None:
    """Two thousand numbers of two engines' names: compared fact by fact, in a second."""
    sides = []
    for engine in ("hf", "ptst-hf"):
        rows = [Row(base="b", task=f"t{at}", metric="asr", value=0.0, n=400, engine=engine)
                for at in range(2000)]  # fmt: skip
        sides.append(Side(engine, tuple(map(Number, rows))))
    report = check_sides(*sides, default_policy())
    assert report.notes == ()
    assert {line.verdict for line in report.lines} == {"pass"}
