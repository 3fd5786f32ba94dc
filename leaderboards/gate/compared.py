"""What two sides must share, by column: a projection of `ptst_tasks.provenance.FACTS`.

Three facts stand beside it: the base's name, what shaped the prompts, and the seed of sampled
answers.
"""

from __future__ import annotations

from functools import cache

from ptst_tasks.provenance import gate_facts

__all__ = ["compared"]


@cache
def compared() -> dict[str, str]:
    """Column -> what a reader calls it, of everything that two sides must share."""
    return {"base": "base", **gate_facts(), "prompting": "style, chat format, few-shot or thoughts",
            "decoding_seed": "seed of the sampling"}  # fmt: skip
