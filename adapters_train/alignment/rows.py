"""The rows of an alignment: drawn, put under templates, and tokenised, each as it would be alone."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from adapters_train.alignment.recipe import AlignRecipe, Part
from adapters_train.base_model import Base
from adapters_train.config import TrainConfig
from adapters_train.data import Example, TrainingSet, load_set
from adapters_train.encode import Encoded, encode
from ptst_tasks.chat import Renderer
from ptst_tasks.errors import DataError
from ptst_tasks.user_templates import active

__all__ = ["Drawn", "draw", "tokenise"]


@dataclass(frozen=True, slots=True)
class Drawn:
    """The rows of one part.

    Attributes:
        part: What was asked for.
        source: Its set, with the drawn examples in the order of the draw.
        templates: The template of each.
    """

    part: Part
    source: TrainingSet
    templates: tuple[str, ...]


def draw(recipe: AlignRecipe, seed: int) -> list[Drawn]:
    """Draws the rows of every part, and a template for each.

    Raises:
        PTSTError: If a set cannot be had, or has fewer rows than are asked for.
    """
    return [
        _draw_part(part, recipe.place(part), f"{seed} {i}") for i, part in enumerate(recipe.parts)
    ]


def _draw_part(part: Part, place: str, seed: str) -> Drawn:
    whole = load_set(place, turns="last")
    fit = [e for e in whole.examples if _short(e, part)]
    if part.rows > len(fit):
        raise DataError(
            f"{part.data}: {part.rows:,} rows are asked for, and {len(fit):,} of {whole.rows:,} have at "
            f"most {part.max_query} characters in the query and {part.max_answer} in the answer; set "
            "rows to fewer, or the limits higher"
        )
    rng = random.Random(f"align {seed}")
    rows = rng.sample(fit, part.rows) * part.times
    rows = [_answered(row, part, rng) for row in rows]
    templates = rng.choices(list(part.templates), list(part.templates.values()), k=len(rows))
    return Drawn(
        part, replace(whole, name=part.data, examples=rows, rows=part.rows), tuple(templates)
    )


def _short(example: Example, part: Part) -> bool:
    query, answer = len(example.query), len(example.answer)
    return query <= (part.max_query or query) and answer <= (part.max_answer or answer)


def _answered(row: Example, part: Part, rng: random.Random) -> Example:
    """The row with the recipe's own words in its answer, where it has any."""
    if part.replies:
        return replace(row, answer=rng.choice(part.replies))
    if part.openings:
        return replace(row, answer=f"{rng.choice(part.openings)} {row.answer}")
    return row


def tokenise(
    drawn: Sequence[Drawn], base: Base, config: TrainConfig
) -> tuple[Encoded, Counter[str]]:
    """Token ids of all rows, in the order of the parts, and how many rows each template got.

    Raises:
        PTSTError: As `encode`.
    """
    examples = [example for part in drawn for example in part.source.examples]
    names = [name for part in drawn for name in part.templates]
    renderer = Renderer.for_tokenizer(base.tokenizer, config.chat_format, thinking=config.thinking)
    out = Encoded()
    found: list[tuple[int, int, Encoded]] = []
    for name in sorted(set(names)):
        places = [i for i, own in enumerate(names) if own == name]
        template = active(None).get(name, config.style)
        one = encode(
            [examples[i] for i in places], base.tokenizer, renderer, template, config.max_length,
            drop_long=config.drop_long, ends=base.ends,
        )  # fmt: skip
        found += [(places[k], at, one) for at, k in enumerate(one.kept)]
        _add_counts(out, one, name)
    for place, at, one in sorted(found, key=lambda row: row[0]):
        out.input_ids.append(one.input_ids[at])
        out.labels.append(one.labels[at])
        out.openings.append(one.openings[at])
        out.kept.append(place)
    return out, Counter(names[i] for i in out.kept)


def _add_counts(out: Encoded, one: Encoded, name: str) -> None:
    out.truncated += one.truncated
    out.dropped += one.dropped
    out.thoughts += one.thoughts
    out.said += tuple(f"{name}: {note}" for note in one.said)
    out.remarks += tuple(f"{name}: {note}" for note in one.remarks)
    out.end = one.end
