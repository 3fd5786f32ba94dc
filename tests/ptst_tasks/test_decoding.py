"""Decoding options: one name each, no contradictions, a seed for every answer."""

from __future__ import annotations

from typing import Any

import pytest

from ptst_tasks import decoding
from ptst_tasks.errors import ConfigError

GREEDY = {"until": ["\n\n"], "max_gen_toks": 512, "do_sample": False, "temperature": 0.0}


def refused(given: dict[str, Any], **how: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        decoding.check(given, **how)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"temperature": 1.5}, "temperature is 1.5, and greedy answers do not depend on it; add do_sample"),
        ({"temperature": 1.5, "do_sample": False}, "add do_sample: true"),
        ({"top_p": 0.9}, "top_p is 0.9"),
        ({"top_k": 40}, "top_k is 40"),
        ({"min_p": 0.1}, "min_p is 0.1"),
        ({"typical_p": 0.5}, "typical_p is 0.5"),
        ({"do_sample": True, "temperature": 0}, "contradict each other"),
        ({"do_sample": "yes"}, "expected true or false"),
        ({"do_sample": 1}, "expected true or false"),
        ({"do_sample": True, "temperature": "hot"}, "temperature is 'hot', expected a number from 0"),
        ({"do_sample": True, "temperature": float("nan")}, "expected a number"),
        ({"do_sample": True, "top_p": 0}, "expected a number above 0 to 1"),
        ({"do_sample": True, "top_p": 1.1}, "expected a number above 0 to 1"),
        ({"do_sample": True, "top_k": -1}, "expected a whole number from 0"),
        ({"do_sample": True, "top_k": 5.0}, "expected a whole number from 0"),
        ({"max_gen_toks": 0}, "expected a whole number from 1"),
        ({"max_gen_toks": True}, "expected a whole number from 1"),
        ({"until": 3}, "until is 3, expected a stop string or a list"),
        ({"until": ["a", None]}, "expected a stop string or a list"),
        ({"until": ["a", ""]}, "every answer would end at once"),
        ({"repetition_penalty": 0}, "expected a number above 0"),
        ({"eos_token_id": "</s>"}, "expected a token id or a list"),
        ({"eos_token_id": []}, "expected a token id or a list"),
        ({"temprature": 0.5}, "did you mean 'temperature'?"),
        ({"seed": 1}, "test.decoding_seeds"),
        ({"max_time": 3}, "how fast a machine is"),
        ({"num_return_sequences": 2}, "beam search"),
    ],
)  # fmt: skip
def test_a_contradiction_or_a_wrong_value_is_refused(given: dict[str, Any], message: str) -> None:
    """`temperature: 1.5` without do_sample decoded greedily and was recorded as 1.5."""
    assert message in refused(given)


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        *((alias, "max_gen_toks") for alias in
          ("max_new_tokens", "max_tokens", "max_completion_tokens", "max_length", "max_gen_tok")),
        *((alias, "until") for alias in ("stop", "stop_sequences", "stop_strings")),
        ("min_length", "min_new_tokens"),
        ("stop_token_ids", "eos_token_id"),
    ],
)  # fmt: skip
def test_an_alias_is_refused_with_its_one_name(alias: str, name: str) -> None:
    """`max_new_tokens` lost to the task's own 512 with a warning."""
    assert f"holds {alias!r}; write {name!r}" in refused({alias: 5}, where="test.gen_kwargs")


def test_every_field_of_transformers_is_known_refused_or_inert() -> None:
    """A field that transformers gains has to be put into one of the tables."""
    from transformers import GenerationConfig

    here = decoding.KNOWN | set(decoding._INSTEAD) | set(decoding._NOT_HERE) | decoding.INERT
    # Memory, speed and a second model: said in generation_config, not by a study.
    machinery = {
        "assistant_confidence_threshold", "assistant_early_exit", "assistant_ensemble_weight",
        "assistant_lookbehind", "cache_config", "cache_implementation", "compile_config",
        "continuous_batching_config", "disable_compile", "dola_layers", "is_assistant", "low_memory",
        "max_cache_len", "max_matching_ngram_size", "num_assistant_tokens",
        "num_assistant_tokens_schedule", "penalty_alpha", "prefill_chunk_size",
        "prompt_lookup_num_tokens", "speculation_type", "target_lookbehind", "token_healing", "use_mtp",
    }  # fmt: skip
    assert set(GenerationConfig().to_dict()) - here - machinery == set()


def test_sampling_takes_the_place_of_the_tasks_greedy_settings() -> None:
    """With `do_sample: true` alone the task's `temperature: 0.0` stayed."""
    assert decoding.merge(GREEDY, {"do_sample": True}) == {
        **GREEDY, "do_sample": True, "temperature": 1.0,
    }  # fmt: skip
    given = {"do_sample": True, "temperature": 0.7, "top_p": 0.9, "max_gen_toks": 9}
    assert decoding.merge(GREEDY, given) == {"until": ["\n\n"], **given}
    drawn = {"do_sample": True, "temperature": 0.7, "top_k": 5, "max_gen_toks": 9}
    assert decoding.merge(drawn, {"do_sample": False}) == {
        "max_gen_toks": 9, "do_sample": False, "temperature": 0.0,
    }  # fmt: skip
    assert decoding.merge(GREEDY, {"until": "x"})["until"] == ["x"]
    with pytest.raises(ConfigError, match="top_p"):
        decoding.merge(GREEDY, {"top_p": 0.5})


def test_options_are_read_with_every_sampling_option_said() -> None:
    greedy = decoding.read({**GREEDY, "repetition_penalty": 1.3}, 7)
    assert greedy.record() == {**GREEDY, "repetition_penalty": 1.3}
    drawn = decoding.read({"do_sample": True, "top_p": 0.5, "seed": 3}, 7)
    assert drawn.record() == {
        "max_gen_toks": 7, "until": [], "do_sample": True, "temperature": 1.0, "top_p": 0.5,
        "top_k": 0, "min_p": 0.0, "seed": 3,
    }  # fmt: skip
    assert decoding.read({"do_sample": True}, 7).seed == 0
    assert decoding.read({}, 7).record() == {
        "max_gen_toks": 7, "until": [], "do_sample": False, "temperature": 0.0,
    }  # fmt: skip


def test_numbers_and_stops_have_one_form() -> None:
    one = decoding.check({"do_sample": True, "temperature": 1, "top_p": 1, "until": "a"})
    assert one == {"do_sample": True, "temperature": 1.0, "top_p": 1.0, "until": ["a"]}
    assert isinstance(one["temperature"], float)
    assert decoding.check(GREEDY) == GREEDY


def test_an_answers_seed_is_of_what_was_asked_alone() -> None:
    asked = ("task", (1, 2, 3), 0)
    assert decoding.draw(0, *asked) == decoding.draw(0, *asked)
    others = [
        (1, *asked),
        (0, "other", (1, 2, 3), 0),
        (0, "task", (1, 2, 4), 0),
        (0, "task", (1, 2, 3), 1),
    ]
    assert len({decoding.draw(*other) for other in [(0, *asked), *others]}) == 5
    assert 0 <= decoding.draw(2**40, "x") < 2**31
