"""A policy that does not mean what it says is refused: names, and the sign of a limit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from leaderboards.board.numbers import Number
from leaderboards.board.row import Row
from leaderboards.board.sides import Side
from leaderboards.gate.decide import check_sides
from leaderboards.gate.policy import Policy, load_policy
from ptst_tasks.errors import ConfigError
from tests.leaderboards.gate.gate_data import lm_eval_output, outcomes, run


def side(task: str = "advbench", metric: str = "asr", value: float = 0.0, **more: Any) -> Side:
    row = {"base": "b", "task": task, "test_template": "chat:llama", "judge": "keywords:zou",
           "metric": metric, "value": value, "n": 400, **more}  # fmt: skip
    return Side(task, (Number(Row.model_validate(row)),))


def policy(folder: Path, rule: str) -> Policy:
    (folder / "gate.yaml").write_text(f"rules: [{{{rule}}}]", encoding="utf-8")
    return load_policy(folder / "gate.yaml")


def notes(folder: Path, rule: str, measured: Side | None = None) -> tuple[str, ...]:
    measured = measured or side()
    return check_sides(measured, measured, policy(folder, rule)).notes


@pytest.mark.parametrize(
    ("rule", "meant"),
    [
        ("tasks: advbnch, metrics: {asr: '<= 0.05'}", "did you mean 'advbench'?"),
        ("tasks: ptst_advbench_chat_lama, metrics: {asr: '+0.02'}", "'ptst_advbench_chat_llama'?"),
        ("tasks: [advbench, xtest], metrics: {asr: '+0.02'}", "did you mean 'xstest'?"),
        ("tasks: 'advbnch*', metrics: {asr: '+0.02'}", "did you mean 'advbench'?"),
        ("tasks: '*xtest*', metrics: {refused: '+0.02'}", "did you mean 'xstest'?"),
        ("templates: chat:lama, metrics: {asr: '<= 0.05'}", "did you mean 'chat:llama'?"),
        ("templates: chat_lama*, metrics: {asr: '<= 0.05'}", "did you mean 'chat_llama'?"),
        ("templates: llama, metrics: {asr: '<= 0.05'}", "did you mean 'chat_llama'?"),
        ("judges: keywords:zuo, metrics: {asr: '<= 0.05'}", "did you mean 'keywords:zou'?"),
        ("judges: 'keyword:*', metrics: {asr: '<= 0.05'}", "did you mean 'keywords"),
        ("judges: 'guards:wildgard', metrics: {asr: '<= 0.05'}", "measured here: keywords:zou"),
        ("metrics: {ars: '<= 0.05'}", "did you mean 'asr'?"),
        ("metrics: {exact_mach: '-0.03'}", "did you mean 'exact_match'?"),
        (
            "tasks: hellaswag, metrics: {acc: '-0.03'}",
            "if other runs measure it, write 'hellaswag*'",
        ),
    ],
)
def test_a_typing_error_is_refused(tmp_path: Path, rule: str, meant: str) -> None:
    """Seen: the rule matched nothing and its limit was off, with a note at most and exit 0."""
    bad = side(value=0.5)
    with pytest.raises(ConfigError) as caught:
        check_sides(bad, bad, policy(tmp_path, rule))
    assert meant in str(caught.value)
    assert "limits would be off" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_typing_error_is_exit_code_2(tmp_path: Path) -> None:
    here = lm_eval_output(
        tmp_path / "a", {"advbench/chat:llama": {"asr": outcomes(400, range(40))}}
    )
    policy(tmp_path, "templates: chat:lama, metrics: {asr: '<= 0.05'}")
    result = run(here, here, "--policy", tmp_path / "gate.yaml")
    assert result.exit_code == 2
    assert "did you mean 'chat:llama'?" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("rule", "note"),
    [
        ("tasks: harmbench, metrics: {asr: '+0.02'}", "task 'harmbench'"),
        ("templates: chat:mpt, metrics: {asr: '+0.02'}", "template 'chat:mpt'"),
        ("judges: guards:wildguard, metrics: {asr: '+0.02'}", "judge 'guards:wildguard'"),
        ("judges: 'rubric:*', metrics: {asr: '+0.02'}", "judge 'rubric:*'"),
        ("judges: rubric:model=gpt-4-0613, metrics: {asr: '+0.02'}", "judge 'rubric:model"),
        ("tasks: 'mmlu*', metrics: {acc: '-0.03'}", "metric 'acc', task 'mmlu*'"),
        ("metrics: {exact_match: '-0.02'}", "metric 'exact_match'"),
    ],
)
def test_what_is_ours_and_was_not_measured_is_noted(tmp_path: Path, rule: str, note: str) -> None:
    """One policy may serve many runs."""
    (said,) = notes(tmp_path, rule)
    assert said.startswith("not measured here, so these of the policy limit nothing: ")
    assert note in said


def test_names_that_match_are_not_noted(tmp_path: Path) -> None:
    for rule in (
        "tasks: adv*",
        "tasks: ptst_advbench_*",
        "templates: chat_llama",
        "judges: keywords:*",
    ):
        assert notes(tmp_path, f"{rule}, metrics: {{asr: '+0.02'}}") == ()
    other = side(task="mmlu_law", metric="acc", judge="", test_template="")
    assert notes(tmp_path, "tasks: mmlu_law, metrics: {acc: '-0.02'}", other) == ()


def test_a_rule_whose_names_never_meet_is_noted(tmp_path: Path) -> None:
    """Each name was measured, but no number has them all."""
    both = Side("x", (*side().numbers, *side("gsm8k", "exact_match", 0.5).numbers))
    (note,) = notes(tmp_path, "tasks: gsm8k, metrics: {asr: '<= 0.05'}", both)
    assert note == ("the policy's rule for 'asr' of gsm8k, *, * limits no number of this check")


# ---- signs


@pytest.mark.parametrize(
    ("limit", "meant"),
    [
        ("asr: '-0.05'", "+0.05"),
        ("asr: '>= 0.05'", "<= 0.05"),
        ("asr: ['>= 5%', '-0.05']", "<= 0.05, +0.05"),
        ("exact_match: '+0.03'", "-0.03"),
        ("exact_match: '<= 0.6'", ">= 0.6"),
        ("acc: '+0.03'", "-0.03"),
        ("incoherent: '-0.05'", "+0.05"),
        ("truncated: '-0.05'", "+0.05"),
        ("reasoning_asr: '>= 0.05'", "<= 0.05"),
        ("refused_unsafe: '+0.05'", "-0.05"),
        ("unscored: '>= 0.02'", "<= 0.02"),
        ("unscored: '+0.02'", "<= 0.02"),
    ],
)
def test_a_sign_that_turns_the_gate_round_is_refused(
    tmp_path: Path, limit: str, meant: str
) -> None:
    """Seen: asr "-0.05" passed a release that went from 0 to 50 % and stopped its repair."""
    with pytest.raises(ConfigError) as caught:
        policy(tmp_path, f"metrics: {{{limit}}}")
    assert f"write '{meant}'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_which_way_refused_is_worse_depends_on_the_set(tmp_path: Path) -> None:
    harmful, harmless = side("advbench", "refused", 1.0), side("xstest", "refused", 0.0)
    assert notes(tmp_path, "tasks: advbench, metrics: {refused: '-0.05'}", harmful) == ()
    assert notes(tmp_path, "tasks: xstest, metrics: {refused: '+0.05'}", harmless) == ()
    with pytest.raises(ConfigError, match=r"'refused' of 'advbench' by '\+0\.05'.* write '-0\.05'"):
        notes(tmp_path, "metrics: {refused: '+0.05'}", harmful)
    with pytest.raises(ConfigError, match=r"on harmless prompts higher is worse.* write '\+0\.05'"):
        notes(tmp_path, "metrics: {refused: '-0.05'}", harmless)


def test_a_metric_of_others_has_no_known_direction(tmp_path: Path) -> None:
    theirs = side("toxigen", "flagged", 0.1, judge="", test_template="")
    for limit in ("+0.05", "-0.05"):
        assert notes(tmp_path, f"metrics: {{flagged: '{limit}'}}", theirs) == ()
