"""The built-in model: a tiny chat model, trained from scratch and aligned in about a minute.

It needs no hub, no GPU and no weights, and it is a normal Hugging Face folder: the same trainer,
tasks and harness that serve a 7B serve it. What it may show and what not is in its model card.

`words` draws what it reads, `tokenizer` splits it, `training` trains, `card` writes the folder,
`cache` keeps it; the world itself is ``ptst_tasks.organism_world``.
"""

from __future__ import annotations

from adapters_train.organism.bars import OnStep, show_progress
from adapters_train.organism.cache import VERSION, build, cached
from adapters_train.organism.tokenizer import CHAT_TEMPLATE, make_tokenizer
from adapters_train.organism.words import OrganismRecipe

__all__ = [
    "CHAT_TEMPLATE",
    "VERSION",
    "OnStep",
    "OrganismRecipe",
    "build",
    "cached",
    "make_tokenizer",
    "show_progress",
]
