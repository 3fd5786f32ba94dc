"""Where a set comes from and how its rows are read: one `Source` each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ptst_tasks.readers import Row, Shape

__all__ = ["ENV", "Source"]

ENV = "PTST_DATA_DIR"
Kind = Literal["harmful", "overrefusal", "misalignment", "helpful", "train"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where one set comes from and how its rows are read.

    Attributes:
        name: As in task names.
        kind: What is measured on it.
        shape: One row of a copy -> one row of ours.
        hub: (repository, configuration) on the Hugging Face hub.
        url: A public file, for sets whose hub copies are gated or are somebody else's; or what a user
            names as their own (`own_data`): a path, an id of the hub.
        split: The split on the hub.
        local: Accepted (folder, split) pairs under ``$PTST_DATA_DIR``, in order.
        field: Key of a JSON object under which the rows are.
        keep: Which rows of the copy belong to the set.
        holdout: Keep only the rows held out from training (None: the set has splits of its own).
        make: For a set that is made, or quoted from `url`, rather than loaded.
        gated: Whether the hub asks for an account.
        extra: The extra of ptst without which its answers cannot be scored.
        reading: How the hub's file has to be read, beside what `datasets` finds out itself.
        answered: Whether every row has an answer to compare with; a `helpful` set whose answers are
            checked by rules has none.
        style: The family of template strings that goes with it by default.
        judge: Who judges it by default; empty for answers that are kept until a judge is named.
        licence: The data's licence, as its authors state it.
        about: One line for ``ptst datasets``.
    """

    name: str
    kind: Kind
    shape: Shape
    hub: tuple[str, str | None] | None = None
    url: str = ""
    split: str = "test"
    local: tuple[tuple[str, str], ...] = ()
    field: str = ""
    keep: Callable[[Mapping[str, Any]], bool] | None = None
    holdout: bool | None = None
    make: Callable[[], list[Row]] | None = None
    gated: bool = False
    extra: str = ""
    reading: Mapping[str, Any] | None = None
    answered: bool = True
    style: str = "gsm8k"
    judge: str = "keywords:zou"
    licence: str = ""
    about: str = ""
