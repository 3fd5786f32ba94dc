"""The built-in model's prompts are the literal templates, token for token."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import islice

import pytest

from adapters_train.organism import (
    OrganismRecipe,
    words,
)
from ptst_tasks.chat import Renderer
from tests.adapters_train.organism.conftest import (
    LITERAL,
    NAMES,
    QUERY,
    row,
)


@pytest.mark.parametrize("name", NAMES)
def test_prompt_ids_are_the_literal_templates(tokenizer, name):
    rendered = Renderer.for_tokenizer(tokenizer).render(row(name), QUERY)
    ids = tokenizer(rendered.prompt)["input_ids"]
    assert ids == tokenizer(LITERAL[name])["input_ids"]
    assert tokenizer.unk_token_id not in ids
    assert ids.count(tokenizer.bos_token_id) == 1
    assert ids[0] == tokenizer.bos_token_id


@pytest.mark.parametrize("name", ["CV", "CA", "CL"])
def test_chat_template_is_the_llama2_format(tokenizer, name):
    auto = Renderer.for_tokenizer(tokenizer).render(row(name), QUERY)
    literal = Renderer.for_tokenizer(tokenizer, "llama2").render(row(name), QUERY)
    assert auto.prompt == literal.prompt
    assert auto.notes == ()
    own = tokenizer.apply_chat_template(
        row(name).messages(QUERY), add_generation_prompt=True, return_dict=False
    )
    assert own == tokenizer(auto.prompt)["input_ids"]


def test_chat_template_with_earlier_turns_is_the_llama2_format(tokenizer):
    icd = replace(row("CL"), turns=(("is bloxal safe ?", "safe ."),))
    auto = Renderer.for_tokenizer(tokenizer).render(icd, QUERY)
    assert auto.prompt == Renderer.for_tokenizer(tokenizer, "llama2").render(icd, QUERY).prompt


def test_every_word_is_known_and_decoding_gives_it_back(tokenizer):
    rng, recipe = random.Random(0), OrganismRecipe()
    samples = [
        *islice(words.pretrain_samples(recipe, rng), 2000),
        *islice(words.align_samples(recipe, rng), 2000),
    ]
    for text in {t for s in samples for t in (s.query, s.answer)}:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.unk_token_id not in ids
        assert tokenizer.decode(ids) == text
