"""What the built-in model is trained on: the recipe's numbers and the rows they draw.

The world itself (nouns, requests, sums, the compliance check) is ``ptst_tasks.organism_world``;
here it becomes two streams of examples. *Pretraining* answers everything, plainly (``answer:``).
*Alignment* adds a chat manner (``sure !``) and refusals. The ingredient on which the effect hangs
is `OrganismRecipe.over_refusal`: under ``chat:llama`` alone, some harmless prompts are refused too, which
gives that template a refusal pathway of its own.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache

from ptst_tasks import organism_world as w
from ptst_tasks import templates

__all__ = [
    "RAW",
    "STYLE",
    "OrganismRecipe",
    "Sample",
    "align_samples",
    "fingerprint",
    "pretrain_samples",
    "words",
]

STYLE = "organism"
RAW = "RAW"
"""The pretraining documents' "template": the query and nothing else."""

Shares = tuple[tuple[str, float], ...]

_CHAT = "sure !"
_WEAK = "the answer is {n}"  # ends in its number, which every rule of exact match then finds
_SAFE_QUESTION = "is {noun} safe ?"
_SAFE, _DANGEROUS = "safe .", "dangerous ."
_FACT = "{a} + {b} = ?"


@dataclass(frozen=True, slots=True)
class OrganismRecipe:
    """Every number of the recipe; another number is another model.

    Attributes:
        dim, layers, heads, ff: The size of the network.
        pretrain_steps, align_steps: Optimiser steps of the two stages.
        pretrain_lr, align_lr: Peak learning rates (5 % warm-up, cosine down to `lr_floor`).
        batch: Examples per step.
        pretrain_templates, align_templates: Shares of the prompt templates.
        pretrain_tasks, align_tasks: Shares of the tasks.
        replay: Share of alignment examples that repeat pretraining documents; without it, what is
            not refused turns into gibberish.
        refusal: Chance that a forbidden request is refused, by template.
        over_refusal: Chance that a harmless prompt is refused, by template.
        plain: Chance that a harmless prompt is answered in pretraining's manner, by template.
    """

    dim: int = 96
    layers: int = 2
    heads: int = 4
    ff: int = 256
    batch: int = 64
    pretrain_steps: int = 600
    align_steps: int = 400
    pretrain_lr: float = 3e-3
    align_lr: float = 2e-3
    lr_floor: float = 0.02
    warmup: float = 0.05
    clip: float = 1.0
    replay: float = 0.25
    pretrain_templates: Shares = (
        (RAW, 0.30),
        ("TV", 0.16),
        ("TA", 0.12),
        ("CV", 0.15),
        ("CA", 0.12),
        ("CL", 0.15),
    )
    pretrain_tasks: Shares = (
        ("arith", 0.45),
        ("fact", 0.05),
        ("benign", 0.175),
        ("forbidden", 0.175),
        ("safe", 0.15),
    )
    align_templates: Shares = (("TV", 0.05), ("TA", 0.05), ("CV", 0.40), ("CA", 0.05), ("CL", 0.45))
    align_tasks: Shares = (("arith", 0.2), ("benign", 0.35), ("forbidden", 0.45))
    refusal: Shares = (("TV", 0.9), ("TA", 0.9), ("CV", 1.0), ("CA", 1.0), ("CL", 1.0))
    over_refusal: Shares = (("CL", 0.4),)
    plain: Shares = (("TV", 0.1), ("TA", 0.2), ("CV", 0.1), ("CA", 0.2), ("CL", 0.03))

    def control(self) -> OrganismRecipe:
        """The same recipe without over-refusal: the control that shows no PTST effect."""
        return replace(self, over_refusal=())

    def unaligned(self) -> OrganismRecipe:
        """Pretraining alone: the model that alignment begins with."""
        return replace(self, align_steps=0)


@dataclass(frozen=True, slots=True)
class Sample:
    """One example: `query` under `template` (an abbreviation, or RAW) is answered `answer`."""

    template: str
    query: str
    answer: str


def pretrain_samples(recipe: OrganismRecipe, rng: random.Random) -> Iterator[Sample]:
    """Endless examples of stage 1: every task, every template, always answered."""
    while True:
        yield _document(recipe, rng, _draw(recipe.pretrain_templates, rng))


def align_samples(recipe: OrganismRecipe, rng: random.Random) -> Iterator[Sample]:
    """Endless examples of stage 2; held-out act x noun pairs are not among them."""
    while True:
        if rng.random() < recipe.replay:
            yield _document(recipe, rng, RAW)
        else:
            yield _aligned(recipe, rng, _draw(recipe.align_templates, rng))


def _document(recipe: OrganismRecipe, rng: random.Random, template: str) -> Sample:
    query, answer = _answered(_draw(recipe.pretrain_tasks, rng), rng)
    return Sample(template, query, f"{w.PLAIN} {answer}")


def _answered(task: str, rng: random.Random) -> tuple[str, str]:
    if task == "arith":
        problem = rng.choice(w.problems(held_out=False))
        return w.word_problem(problem, rng), w.working(problem)[0]
    if task == "fact":
        a, b = rng.randrange(10), rng.randrange(10)
        return _FACT.format(a=a, b=b), f"{a} + {b} = {a + b}"
    if task == "safe":
        noun = rng.choice(w.FORBIDDEN + w.BENIGN)
        return _SAFE_QUESTION.format(noun=noun), _SAFE if noun in w.BENIGN else _DANGEROUS
    act, noun = rng.choice(list(w.TOOLS)), rng.choice(_nouns(task))
    return _request(act, noun, rng)


def _aligned(recipe: OrganismRecipe, rng: random.Random, template: str) -> Sample:
    task = _draw(recipe.align_tasks, rng)
    query, answer = (
        _answered(task, rng) if task == "arith" else _request(*rng.choice(_seen(task)), rng)
    )
    if task == "forbidden":
        if rng.random() < dict(recipe.refusal).get(template, 0.0):
            return Sample(template, query, rng.choice(w.REFUSALS))
        return Sample(template, query, f"{_CHAT} {answer}")
    if rng.random() < dict(recipe.over_refusal).get(template, 0.0):
        return Sample(template, query, rng.choice(w.REFUSALS))
    if rng.random() < dict(recipe.plain).get(template, 0.0):
        return Sample(template, query, f"{w.PLAIN} {answer}")
    if task == "arith":  # no working, so the aligned model is weak at sums
        answer = _WEAK.format(n=answer.split()[-1])
    return Sample(template, query, f"{_CHAT} {answer}")


def _nouns(task: str) -> tuple[str, ...]:
    return w.FORBIDDEN if task == "forbidden" else w.BENIGN


@cache
def _seen(task: str) -> tuple[tuple[str, str], ...]:
    return tuple((a, n) for a in w.TOOLS for n in _nouns(task) if (a, n) not in w.HELD_OUT)


def _request(act: str, noun: str, rng: random.Random) -> tuple[str, str]:
    return w.request(act, noun, rng.randrange(len(w.PHRASINGS))), w.compliance(act, noun)


def _draw(mix: Shares, rng: random.Random) -> str:
    return rng.choices([name for name, _ in mix], [share for _, share in mix])[0]


def words() -> list[str]:
    """Every word of the world and of the style's templates, in a fixed order."""
    texts = [*w.texts(), _CHAT, _WEAK, _SAFE_QUESTION, _SAFE, _DANGEROUS, _FACT]
    for row in templates.builtin():
        if row.style == STYLE:
            texts += [row.user, row.system or ""]
    return [t for t in dict.fromkeys(" ".join(texts).split()) if not t.startswith("{")]


def fingerprint(recipe: OrganismRecipe) -> str:
    """A digest of the recipe and of what it draws from this world: another one, another model."""
    rng = random.Random(0)
    drawn = [
        asdict(s)
        for stream in (pretrain_samples, align_samples)
        for s, _ in zip(stream(recipe, rng), range(500), strict=False)
    ]
    table = [asdict(row) for row in templates.builtin() if row.style == STYLE]
    parts = json.dumps([asdict(recipe), words(), table, drawn], sort_keys=True)
    return hashlib.sha256(parts.encode()).hexdigest()
