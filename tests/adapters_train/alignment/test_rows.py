"""Rows are drawn by seed and weight, and each is tokenised as it would be alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters_train.alignment.recipe import read_recipe
from adapters_train.alignment.rows import draw, tokenise
from adapters_train.base_model import Base
from adapters_train.encode import encode
from ptst_tasks.chat import Renderer
from ptst_tasks.errors import DataError
from ptst_tasks.user_templates import active
from tests.adapters_train.alignment.conftest import HARMLESS, said, write


def test_a_seed_draws_the_same_rows_and_another_others(tmp_path: Path) -> None:
    recipe = read_recipe(str(write(tmp_path, said(tmp_path))))
    again = [
        [(e, t) for e, t in zip(d.source.examples, d.templates, strict=True)]
        for d in draw(recipe, 0)
    ]
    assert again == [
        [(e, t) for e, t in zip(d.source.examples, d.templates, strict=True)]
        for d in draw(recipe, 0)
    ]
    assert [d.source.examples for d in draw(recipe, 1)] != [
        d.source.examples for d in draw(recipe, 0)
    ]


def test_openings_replies_and_times(tmp_path: Path) -> None:
    wanted = said(tmp_path)
    wanted["parts"][1]["replies"] = ["Not today."]
    refused, harmless = draw(read_recipe(str(write(tmp_path, wanted))), 0)
    assert all(
        e.answer.startswith(("I cannot. An", "Sorry, no. An")) for e in refused.source.examples
    )
    assert {e.answer for e in harmless.source.examples} == {"Not today."}
    asked = [e.query for e in harmless.source.examples]
    assert len(asked) == 8
    assert len(set(asked)) == 4
    assert set(asked) <= set(HARMLESS)


def test_weights_are_heeded(tmp_path: Path) -> None:
    wanted = said(tmp_path)
    wanted["parts"][0] |= {"times": 200, "templates": {"CV": 1, "CL": 3}}
    names = draw(read_recipe(str(write(tmp_path, wanted))), 0)[0].templates
    assert 0.70 < names.count("chat:llama") / len(names) < 0.80


def test_what_is_too_long_is_not_drawn(tmp_path: Path) -> None:
    wanted = said(tmp_path)
    wanted["parts"][0] |= {"max_query": 5}
    with pytest.raises(DataError, match=r"6 rows are asked for, and 0 of 8"):
        draw(read_recipe(str(write(tmp_path, wanted))), 0)


def test_each_row_has_the_ids_that_it_has_alone(tmp_path: Path, plain_base: Path) -> None:
    recipe = read_recipe(str(write(tmp_path, said(plain_base))))
    config, base, drawn = recipe.config(str(plain_base), 0), Base(str(plain_base)), draw(recipe, 0)
    encoded, counts = tokenise(drawn, base, config)
    renderer = Renderer.for_tokenizer(base.tokenizer, "auto")
    examples = [e for d in drawn for e in d.source.examples]
    names = [t for d in drawn for t in d.templates]
    assert sum(counts.values()) == len(encoded.kept) == len(examples) == 14
    for i, (example, name) in enumerate(zip(examples, names, strict=True)):
        alone = encode(
            [example],
            base.tokenizer,
            renderer,
            active(None).get(name, "gsm8k"),
            2048,
            ends=base.ends,
        )
        assert encoded.input_ids[i] == alone.input_ids[0]
        assert encoded.labels[i] == alone.labels[0]
