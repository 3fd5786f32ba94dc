"""What a table is made of: the field, the mean over seeds; and the line, what was trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from leaderboards.board.stats import mean_std
from ptst_tasks.templates import Templates, builtin

__all__ = ["DIRECTIONS", "NO_FT", "SAFETY_PROMPTS", "Field", "Line", "short"]

NO_FT = "No FT"
SAFETY_PROMPTS = ("chat:llama", "chat:llama-short", "chat:self-reminder", "chat:icd")
"""Templates whose texts ask for safe answers: PTST trains without them and tests with them."""
DIRECTIONS: dict[str, Literal["higher", "lower"]] = {
    "asr": "higher", "incoherent": "higher", "refused_safe": "higher", "unscored": "higher",
    "truncated": "higher", "reasoning_asr": "higher", "misaligned": "higher",
    "aligned": "lower", "coherent": "lower",
    "refused_unsafe": "lower", "exact_match": "lower", "acc": "lower", "acc_norm": "lower",
    "rougeL": "lower", "bertscore": "lower",
    "prompt_level_strict_acc": "lower", "prompt_level_loose_acc": "lower",
    "inst_level_strict_acc": "lower", "inst_level_loose_acc": "lower",
}  # fmt: skip
"""Which way is worse. `refused` is not here, it depends on the set; what is not ours is unknown."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a table.

    Attributes:
        values: What mean and deviation are over, 0..1, as `over` says; one for a single run.
        diagonal: Trained and tested under one template.
        ptst: Trained without a safety prompt, tested with one.
        over: ``training seeds``, ``decoding seeds``, ``bases`` ...; empty for a single run.
        each: Decoding seeds that were averaged first within each value; 1 for none.
        n: Prompts with a verdict, of the first run.
    """

    values: tuple[float, ...]
    diagonal: bool = False
    ptst: bool = False
    over: str = ""
    each: int = 1
    n: int = 0

    @property
    def mean(self) -> float:
        """Over seeds, 0..1."""
        return mean_std(self.values, population=True)[0]

    @property
    def std(self) -> float | None:
        """Population standard deviation over seeds; None for a single one."""
        return mean_std(self.values, population=True)[1] if len(self.values) > 1 else None

    def counted(self) -> str:
        """``3 training seeds, each the mean of 5 decoding seeds``."""
        if not self.over:
            return "a single run"
        first = f", each the mean of its {self.each} decoding seeds" if self.each > 1 else ""
        return f"{len(self.values)} {self.over}{first}"

    def text(self, digits: int = 2) -> str:
        """``12.34 ±0.56`` in percent, with ``=`` on the diagonal and ``*`` for a PTST field."""
        out = f"{100 * self.mean:.{digits}f}"
        if self.std is not None:
            out += f" ±{100 * self.std:.{digits}f}"
        return out + (" =" if self.diagonal else "") + (" *" if self.ptst else "")


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a table: what was trained.

    Attributes:
        template: Training template; empty before fine-tuning, and where it is not known.
        data: Training set.
        more: What tells it from other lines of its template: ``+safety_tuned_llamas``.
        adapter: Its only adapter, where seeds are not enough to tell adapters apart.
        defence: What kept it safe in training beside the template; in `more`, too.
    """

    template: str = ""
    data: str = ""
    more: str = ""
    adapter: str = ""
    defence: str = ""

    @property
    def key(self) -> str:
        """Name of the line within its table; the template alone where that is enough."""
        if not self.template and self.adapter:
            return f"{self.adapter} (trained under ?)"
        return f"{self.template or NO_FT} {self.more}".strip()

    @property
    def label(self) -> str:
        """The same with the template abbreviated: ``CV +safety_tuned_llamas``."""
        return (
            self.key.replace(self.template, short(self.template), 1) if self.template else self.key
        )


def short(name: str, table: Templates | None = None) -> str:
    """``chat:llama`` -> ``CL``; a name that is in no table stays."""
    rows = (table or builtin()).rows.values()
    return next((row.abbr for row in rows if row.name == name), name)
