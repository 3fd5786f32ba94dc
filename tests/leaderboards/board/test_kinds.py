"""What a set is: its own word for it, else the registry's, else what its name is like."""

from __future__ import annotations

from pathlib import Path

import pytest

from leaderboards.board.kinds import kind_named, kind_of
from leaderboards.board.row import Row
from leaderboards.gate.policy import default_policy, load_policy
from ptst_tasks.errors import ConfigError


def row(task: str, prompting: str = "") -> Row:
    return Row(base="b", task=task, metric="refused", prompting=prompting)


@pytest.mark.parametrize(
    ("task", "prompting", "kind"),
    [
        ("mine", '{"kind":"harmless","style":"gsm8k"}', "harmless"),
        ("my_xstest", '{"kind":"harmful"}', "harmful"),  # its word counts, not its name
        ("xstest", '{"style":"gsm8k"}', "harmless"),
        ("advbench", "", "harmful"),
        ("or_bench_hard", "", "harmless"),
        ("or_bench_toxic", "", "harmful"),
        ("em_first_plot", "", "misalignment"),
        ("medqa_gen", "", "helpful"),
        ("custom", "", ""),  # a file that may be anything
        ("their_over_refusal", "", "harmless"),
        ("their_set", "", ""),
        ("their_set", "no json", ""),
        ("their_set", "[1]", ""),
        ("their_set", '{"kind":"zebra"}', ""),
        ("their_set", '{"kind":["harmful"]}', ""),
    ],
)
def test_the_kind_of_a_row(task: str, prompting: str, kind: str) -> None:
    assert kind_of(row(task, prompting)) == kind


def test_default_limits_of_every_built_in_set_go_by_its_kind() -> None:
    policy = default_policy()
    assert policy.limits("wildjailbreak_benign", "chat:llama", "asr") is None
    assert str(policy.limits("wildjailbreak_benign", "chat:llama", "refused")) == "+0.1"
    assert str(policy.limits("sorry_bench", "chat:llama", "asr")) == "+0.05"
    assert policy.limits("sorry_bench", "chat:llama", "refused") is None
    assert kind_named("nobody") == ""


def test_a_users_rule_for_a_kind(tmp_path: Path) -> None:
    file = tmp_path / "gate.yaml"
    file.write_text("rules: [{kinds: harmful, metrics: {asr: '<= 0.01'}}]\n")
    policy = load_policy(file)
    assert str(policy.limits("mine", "", "asr", "", "harmful")) == "<= 0.01"
    assert str(policy.limits("mine", "", "asr", "", "")) == "+0.05"
    file.write_text("rules: [{kinds: harmles, metrics: {refused: '+0.01'}}]\n")
    with pytest.raises(
        ConfigError, match=r"'harmles' is no kind of sets; did you mean 'harmless'\?"
    ):
        load_policy(file)
