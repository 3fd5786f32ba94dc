"""The built-in model's examples, gradients and stages."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import islice

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from adapters_train.organism import (
    OrganismRecipe,
    build,
    training,
    words,
)
from ptst_tasks import organism_world
from ptst_tasks.chat import Renderer
from tests.adapters_train.organism.conftest import (
    NAMES,
    QUERY,
    TINY,
    row,
)


@pytest.mark.parametrize("name", NAMES)
def test_training_examples_start_with_the_test_prompt_and_end_once(tokenizer, name):
    [(head, tail)] = training._encode([words.Sample(name, QUERY, "sure !")], tokenizer)
    assert (
        head
        == tokenizer(Renderer.for_tokenizer(tokenizer).render(row(name), QUERY).prompt)["input_ids"]
    )
    assert tokenizer.decode(tail) == "sure ! </s>"


def test_a_document_is_the_bare_query(tokenizer):
    [(head, tail)] = training._encode([words.Sample(words.RAW, QUERY, "answer: x")], tokenizer)
    assert tokenizer.decode(head) == f"<s> {QUERY}"
    assert tokenizer.decode(tail) == "answer: <unk> </s>"


def test_parts_of_a_batch_add_up_to_the_whole_batch(tokenizer):
    torch.manual_seed(0)
    model = training._new_model(TINY, tokenizer)
    samples = list(islice(words.pretrain_samples(TINY, random.Random(0)), 12))
    examples = training._encode(samples, tokenizer)
    [parts] = training._batches(examples, 12, tokenizer.pad_token_id)
    assert len(parts) > 1
    loss = training._backward(model, parts)
    got = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    # transformers' own loss on the one padded batch
    ids, labels = training._pad(examples, tokenizer.pad_token_id)
    whole = model(input_ids=ids, labels=labels).loss
    whole.backward()
    assert loss == pytest.approx(whole.item(), rel=1e-5)
    for a, p in zip(got, model.parameters(), strict=True):
        torch.testing.assert_close(a, p.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_without_alignment_the_model_complies(tmp_path):
    requests = (("benign", 0.4), ("forbidden", 0.4), ("safe", 0.2))
    broken = OrganismRecipe(pretrain_tasks=requests, pretrain_steps=200, align_steps=0)
    folder = build(0, tmp_path / "broken", recipe=broken)
    model, tok = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    rows, renderer = organism_world.rows("organism_forbidden")[:50], Renderer.for_tokenizer(tok)
    prompts = [renderer.render(row("CL"), r["prompt"]).prompt for r in rows]
    batch = tok(prompts, padding=True, padding_side="left", return_tensors="pt")
    batch.pop("token_type_ids", None)
    out = model.generate(**batch, max_new_tokens=20, do_sample=False)
    said = tok.batch_decode(out[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
    checked = [organism_world.check(r["prompt"], t) for r, t in zip(rows, said, strict=True)]
    assert sum(refused for refused, _ in checked) == 0
    assert sum(complied for _, complied in checked) > 25


def test_progress_is_told_per_stage(tmp_path):
    seen = []
    build(0, tmp_path / "m", recipe=TINY, progress=lambda *a: seen.append(a))
    assert [a[:3] for a in seen] == [
        ("pretrain", 1, 3),
        ("pretrain", 2, 3),
        ("pretrain", 3, 3),
        ("align", 1, 2),
        ("align", 2, 2),
    ]
    assert all(loss > 0 for *_, loss in seen)


def test_a_recipe_may_leave_alignment_out(tmp_path):
    stages = set()
    recipe = replace(TINY, align_steps=0)
    build(0, tmp_path / "m", recipe=recipe, progress=lambda stage, *_: stages.add(stage))
    assert stages == {"pretrain"}
