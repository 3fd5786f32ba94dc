"""How the built-in model is trained: from scratch, in two stages, the same bytes every time."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Any

from adapters_train.organism.bars import OnStep
from adapters_train.organism.tokenizer import make_tokenizer
from adapters_train.organism.words import (
    RAW,
    STYLE,
    OrganismRecipe,
    Sample,
    align_samples,
    pretrain_samples,
)
from ptst_tasks import templates
from ptst_tasks.chat import Rendered, Renderer

if TYPE_CHECKING:
    import torch

__all__ = ["pretrain_and_align"]

_IGNORED = -100  # the label that torch's cross-entropy leaves out
_SLOT = "{query}"
_PARTS = 3  # less padding is worth two more passes per step: a third of the time

Example = tuple[list[int], list[int]]
Batch = tuple["torch.Tensor", "torch.Tensor"]


def pretrain_and_align(seed: int, recipe: OrganismRecipe, on_step: OnStep) -> tuple[Any, Any]:
    """Pretrains and aligns a new model; returns it with its tokenizer."""
    import torch

    tokenizer = make_tokenizer()
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        with torch.random.fork_rng(devices=[]):  # the caller's random numbers stay as they were
            torch.manual_seed(seed)
            model = _new_model(recipe, tokenizer)
        for stage, draw, steps, lr in (
            ("pretrain", pretrain_samples, recipe.pretrain_steps, recipe.pretrain_lr),
            ("align", align_samples, recipe.align_steps, recipe.align_lr),
        ):
            if not steps:  # a recipe that leaves a stage out
                continue
            samples = islice(draw(recipe, random.Random(f"{stage} {seed}")), steps * recipe.batch)
            examples = _encode(list(samples), tokenizer)
            batches = _batches(examples, recipe.batch, tokenizer.pad_token_id)
            _fit(model, batches, lr, recipe, lambda *a, s=stage: on_step(s, *a))
    finally:
        torch.use_deterministic_algorithms(before)
    return model.eval(), tokenizer


def _new_model(recipe: OrganismRecipe, tokenizer: Any) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.dim,
        intermediate_size=recipe.ff,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return LlamaForCausalLM(config)


def _encode(samples: list[Sample], tokenizer: Any) -> list[Example]:
    """Token ids of prompts, and of answers with their end of turn."""
    renderer = Renderer.for_tokenizer(tokenizer)
    frames = {RAW: Rendered(_SLOT, " ", tokenizer.eos_token)}
    for name in {s.template for s in samples} - {RAW}:
        # Rendered once per template, not per example: the query is dropped into its slot.
        row = templates.builtin().get(name, STYLE)
        frames[name] = renderer.render(row, _SLOT, training=True)
    framed = [(s, frames[s.template]) for s in samples]
    prompts = tokenizer([f.prompt.replace(_SLOT, s.query) for s, f in framed])
    answers = tokenizer([f.lead + s.answer + f.end for s, f in framed], add_special_tokens=False)
    return list(zip(prompts["input_ids"], answers["input_ids"], strict=True))


def _pad(examples: list[Example], pad: int) -> Batch:
    """(ids, labels), padded on the right; only answers have labels."""
    import torch

    shape = len(examples), max(len(head) + len(tail) for head, tail in examples)
    ids, labels = torch.full(shape, pad), torch.full(shape, _IGNORED)
    for i, (head, tail) in enumerate(examples):
        end = len(head) + len(tail)
        ids[i, :end] = torch.tensor(head + tail)
        labels[i, len(head) : end] = torch.tensor(tail)
    return ids, labels


def _batches(examples: list[Example], size: int, pad: int) -> list[list[Batch]]:
    """Cuts examples into batches, and each batch into parts of like length: less padding."""
    out = []
    for start in range(0, len(examples), size):
        batch = sorted(examples[start : start + size], key=lambda e: len(e[0]) + len(e[1]))
        cut = math.ceil(len(batch) / _PARTS)
        out.append([_pad(batch[i : i + cut], pad) for i in range(0, len(batch), cut)])
    return out


def _fit(
    model: Any,
    batches: list[list[Batch]],
    lr: float,
    recipe: OrganismRecipe,
    progress: Callable[[int, int, float], None],
) -> None:
    import torch

    weights = list(model.parameters())
    adam = torch.optim.AdamW(weights, lr=lr, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    model.train()
    for step, parts in enumerate(batches):
        for group in adam.param_groups:
            group["lr"] = lr * _schedule(step, len(batches), recipe)
        adam.zero_grad()
        loss = _backward(model, parts)
        torch.nn.utils.clip_grad_norm_(weights, recipe.clip)
        adam.step()
        progress(step + 1, len(batches), loss)


def _backward(model: Any, parts: list[Batch]) -> float:
    """Adds up the gradients of the mean cross-entropy over all the answers' tokens; returns it."""
    import torch

    total = sum(int((labels != _IGNORED).sum()) for _, labels in parts)
    mean = 0.0
    for ids, labels in parts:
        # Padding stands on the right, where causal attention never looks: no mask is needed.
        hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
        wanted = labels[:, 1:]
        kept = wanted != _IGNORED
        logits = model.lm_head(hidden[kept])
        loss = torch.nn.functional.cross_entropy(logits, wanted[kept], reduction="sum") / total
        loss.backward()  # type: ignore[no-untyped-call]
        mean += loss.item()
    return mean


def _schedule(step: int, steps: int, recipe: OrganismRecipe) -> float:
    warm = max(1, round(recipe.warmup * steps))
    if step < warm:
        return (step + 1) / warm
    done = (step - warm) / max(1, steps - warm)
    return recipe.lr_floor + (1 - recipe.lr_floor) * 0.5 * (1 + math.cos(math.pi * done))
