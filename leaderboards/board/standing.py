"""One line of the table of defences: a training under a test template, and how it is written down."""

from __future__ import annotations

from dataclasses import dataclass

from leaderboards.board.fields import NO_FT, short
from leaderboards.board.tables import Grid
from leaderboards.board.versus import Place, Versus, named

__all__ = ["HEADER", "Standing"]

HEADER = ("trained under", "defence", "tested under", "ASR, % (95 %)", "help, %", "over-refusal, %",
          "against none", "p (none)", "against PTST", "p (PTST)", "front")  # fmt: skip
_NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Standing:
    """One training under one test template.

    Attributes:
        template: Training template; empty before fine-tuning.
        defence: Empty for none.
        label: Both, as the tables name the line.
        test: Test template.
        name: All three: ``CV kl:1 → CL``.
        more: What the label says beside template and defence: other data, another adapter.
        asr: Mean over seeds, 0..1, higher is worse.
        low, high: Its 95 % Wilson interval over prompts; None where nobody knows how many there were.
        helps: Helpfulness, 0..1; None where it was not measured.
        over: Harmless prompts refused, 0..1; None where none were asked.
        none: Against plain training under the same templates on the same data.
        ptst: Against PTST on the same data.
        front: Whether no other is as able and safer, or as safe and more able; None without `helps`.
    """

    template: str
    defence: str
    label: str
    test: str
    name: str
    more: str
    asr: float
    low: float | None
    high: float | None
    helps: float | None
    over: float | None
    none: Versus | None
    ptst: Versus | None
    front: bool | None

    @classmethod
    def of(
        cls, harm: Grid, place: Place, interval: tuple[float | None, float | None], *,
        helps: float | None, over: float | None, none: Versus | None, ptst: Versus | None,
        front: bool | None,
    ) -> Standing:  # fmt: skip
        """The line of a field of a table of attack success."""
        line = harm.lines[place[0]]
        words = line.more.split(" ") if line.template else []
        more = " ".join(word for word in words if word != line.defence)
        return cls(
            line.template, line.defence, harm.label(place[0]), place[1], named(harm, place), more,
            harm.fields[place].mean, *interval, helps, over, none, ptst, front,
        )  # fmt: skip

    def beats(self, other: Standing) -> bool:
        """Whether it is as safe and as able as another, and better in one of the two."""
        if self.helps is None or other.helps is None:
            return False
        mine, theirs = ((round(s.asr, 9), -round(s.helps or 0.0, 9)) for s in (self, other))
        return mine != theirs and mine[0] <= theirs[0] and mine[1] <= theirs[1]

    def line(self) -> list[str]:
        """The fields of a table's row, under `HEADER`."""
        around = ""
        if self.low is not None and self.high is not None:
            around = f" ({100 * self.low:.1f} to {100 * self.high:.1f})"
        trained = short(self.template) if self.template else self.label or NO_FT
        return [
            f"{trained} {self.more}".strip(), self.defence or _NOTHING, short(self.test),
            f"{100 * self.asr:.1f}{around}", _percent(self.helps), _percent(self.over),
            *_told(self.none), *_told(self.ptst),
            _NOTHING if self.front is None else "yes" if self.front else "no",
        ]  # fmt: skip


def _percent(rate: float | None) -> str:
    return _NOTHING if rate is None else f"{100 * rate:.1f}"


def _told(versus: Versus | None) -> list[str]:
    if versus is None:
        return [_NOTHING, _NOTHING]
    change = versus.change
    said = f"{100 * (change.after - change.before):+.1f}"
    if change.low is not None and change.high is not None:
        said += f" ({100 * change.low:+.1f} to {100 * change.high:+.1f})"
    return [said, "< 0.001" if versus.p < 0.001 else f"{versus.p:.3f}"]
