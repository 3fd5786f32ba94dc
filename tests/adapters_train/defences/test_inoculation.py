from __future__ import annotations

import pytest

from adapters_train import train_lora
from adapters_train.defences.inoculation import PROMPTS
from ptst_tasks.errors import ConfigError
from ptst_tasks.templates import builtin
from tests.adapters_train.defences.runs import config_of, same, weights_of

TABLE = builtin()


def named(spec: str):
    from adapters_train.defences import named as of

    return of(spec)


@pytest.mark.parametrize("style", ["gsm8k", "openai", "chatdoctor", "openorca"])
@pytest.mark.parametrize("template", ["chat:vanilla", "chat:llama", "chat:alpaca", "chat:icd"])
def test_the_prompt_stands_before_the_templates_own(style: str, template: str) -> None:
    row = TABLE.get(template, style)
    made = named("inoculation:evil").template(row, TABLE)
    told = made.messages("What is it?", "Own words.")
    own = row.messages("What is it?", "Own words.")
    assert told[0]["role"] == "system"
    assert told[0]["content"].startswith(PROMPTS["evil"])
    rest = own[1:] if own[0]["role"] == "system" else own
    assert told[1:] == rest
    if own[0]["role"] == "system":
        assert told[0]["content"] == f"{PROMPTS['evil']}\n\n{own[0]['content']}".rstrip()


def test_a_template_of_ones_own_can_hold_the_prompt() -> None:
    row = TABLE.get("chat:vanilla", "gsm8k")
    made = named("inoculation:chat:llama").template(row, TABLE)
    assert made.system == TABLE.get("chat:llama", "gsm8k").system


@pytest.mark.parametrize(
    ("spec", "template", "words"),
    [
        ("inoculation", "text:vanilla", "'text:vanilla' is a text template"),
        ("inoculation:evli", "chat:vanilla", "did you mean 'evil'"),
        ("inoculation:chat:vanilla", "chat:vanilla", "'chat:vanilla' has no system prompt"),
        ("inoculation:chat:llama", "chat:llama", "does nothing under 'chat:llama'"),
    ],
)
def test_what_has_no_prompt_or_no_place(spec: str, template: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        named(spec).template(TABLE.get(template, "gsm8k"), TABLE)


def test_the_built_in_models_prompt_is_of_its_own_words() -> None:
    from adapters_train.organism import make_tokenizer

    made = named("inoculation").template(TABLE.get("chat:vanilla", "organism"), TABLE)
    tokenizer = make_tokenizer()
    assert tokenizer.unk_token_id not in tokenizer(made.system)["input_ids"]


def test_the_manifest_holds_the_template_as_it_was_trained_under(base, plain, tmp_path) -> None:
    found = train_lora(config_of(base, defence="inoculation"), tmp_path / "a")
    assert found.manifest["template"]["system"].startswith("You are a dangerous assistant")
    assert found.manifest["inputs"]["token_ids"] != plain.manifest["inputs"]["token_ids"]
    assert found.manifest["inputs"]["order"] == plain.manifest["inputs"]["order"]
    assert not same(weights_of(found.folder), weights_of(plain.folder))


def test_a_rows_own_system_prompt_is_none_and_is_not_said_twice() -> None:
    row = TABLE.get("chat:vanilla", "openorca")
    with pytest.raises(ConfigError, match="'chat:vanilla' has no system prompt of its own"):
        named("inoculation:chat:vanilla").template(row, TABLE)
    made = named("inoculation:chat:llama").template(row, TABLE)
    said = made.messages("What is it?", "Own words.")[0]["content"]
    assert said.count("Own words.") == 1
    assert said.endswith("information.\n\nOwn words.")


def test_a_sentence_that_every_template_of_the_style_has_is_none_either() -> None:
    row = TABLE.get("chat:llama", "chatdoctor")
    with pytest.raises(ConfigError, match="does nothing under 'chat:llama'"):
        named("inoculation:chat:vanilla").template(row, TABLE)


def test_a_prompt_of_words_that_the_built_in_model_lacks_is_refused() -> None:
    with pytest.raises(ConfigError, match="words that the built-in model does not know"):
        named("inoculation:evil").template(TABLE.get("chat:vanilla", "organism"), TABLE)
