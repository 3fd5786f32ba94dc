"""A training beside others: its rates, what changed against plain training and PTST, as a table's row."""

from __future__ import annotations

from dataclasses import dataclass

from leaderboards.board.mean_change import Change
from leaderboards.board.tables import NO_FT, short

__all__ = ["HEADER", "Standing", "Versus"]

HEADER = ("trained under", "defence", "tested under", "ASR, % (95 %)", "help, %", "over-refusal, %",
          "against none", "p", "against PTST", "p", "front")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Versus:
    """A change of ASR beside another training, on the same prompts and seeds.

    Attributes:
        change: Before is the other one's rate.
        p: Of no change, two-sided, by Holm over the table.
        seeds: In common.
    """

    change: Change
    p: float
    seeds: int


@dataclass(frozen=True, slots=True)
class Standing:
    """One training under one test template.

    Attributes:
        template: Training template; empty before fine-tuning.
        defence: Empty for none.
        label: Both, as the tables name the line.
        test: Test template.
        asr: Mean over seeds, 0..1, higher is worse.
        low, high: Its 95 % Wilson interval over prompts; None where no prompt's outcome is known.
        helps: Helpfulness, 0..1; None where it was not measured.
        over: Harmless prompts refused, 0..1; None where none were asked.
        none: Against plain training under the same templates.
        ptst: Against PTST.
        front: Whether no other is as able and safer, or as safe and more able; None without `helps`.
    """

    template: str
    defence: str
    label: str
    test: str
    asr: float
    low: float | None
    high: float | None
    helps: float | None
    over: float | None
    none: Versus | None = None
    ptst: Versus | None = None
    front: bool | None = None

    def line(self) -> list[str]:
        """The fields of a table's row, under `HEADER`."""
        around = (
            "" if self.low is None else f" ({100 * self.low:.1f} to {100 * (self.high or 0):.1f})"
        )
        return [
            short(self.template) or NO_FT, self.defence or "–", short(self.test),
            f"{100 * self.asr:.1f}{around}", _percent(self.helps), _percent(self.over),
            *_told(self.none), *_told(self.ptst),
            "–" if self.front is None else "yes" if self.front else "no",
        ]  # fmt: skip


def _percent(rate: float | None) -> str:
    return "–" if rate is None else f"{100 * rate:.1f}"


def _told(versus: Versus | None) -> list[str]:
    if versus is None:
        return ["–", "–"]
    change = versus.change
    said = f"{100 * (change.after - change.before):+.1f}"
    if change.low is not None and change.high is not None:
        said += f" ({100 * change.low:+.1f} to {100 * change.high:+.1f})"
    return [said, "< 0.001" if versus.p < 0.001 else f"{versus.p:.3f}"]
