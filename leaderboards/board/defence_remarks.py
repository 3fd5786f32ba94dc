"""What a reader must know of a table of defences: PTST on its front or not, what a plain scale beats."""

from __future__ import annotations

from collections.abc import Sequence

from leaderboards.board.mean_change import DRAWN
from leaderboards.board.standing import Standing
from leaderboards.board.tables import Grid, short

__all__ = ["remarks_of"]

Place = tuple[str, str]
"""Key of a line, test template."""


def remarks_of(
    harm: Grid, helps: Grid | None, mild: Grid | None, ptst: Place | None,
    lines: Sequence[Standing], tests: int,
) -> list[str]:  # fmt: skip
    """Sentences for below the table.

    Args:
        harm: Attack success.
        helps: Helpfulness; None where it was not measured.
        mild: Refusals of harmless prompts, likewise.
        ptst: The field of PTST; None where it was not measured.
        lines: Of the table.
        tests: How many comparisons were corrected together.
    """
    out = [
        f"help: {helps.metric} on {helps.task} ({helps.judge})" if helps
        else "no helpfulness was measured, so there is no front",
        f"over-refusal: refused of {mild.task}" if mild else "",
        "against none and PTST: points of ASR on the same prompts and seeds, with a 95 % interval; p by "
        f"Holm over {tests} comparisons",
    ]  # fmt: skip
    least = min(2 / (DRAWN + 1) * tests, 1.0)
    if any(v.seeds > 1 for s in lines for v in (s.none, s.ptst) if v):
        out.append(
            f"p is drawn ({DRAWN:,} ways) where there are several seeds: none below {least:.3f}"
        )
    if ptst is None:
        out.append(
            "PTST (plain training without a safety prompt, tested with one) was not measured"
        )
    else:
        out.append(
            f"PTST is {harm.label(ptst[0])} → {short(ptst[1])}; {_of_ptst(harm, ptst, lines)}"
        )
    out += [_beaten(line, lines) for line in lines]
    missing = sorted(set(harm.gaps.values()))
    out += (
        [f"fields without a number ({', '.join(missing)}) are not in the table"] if missing else []
    )
    return [remark for remark in [*out, *harm.notes] if remark]


def _of_ptst(harm: Grid, ptst: Place, lines: Sequence[Standing]) -> str:
    mine = next(s for s in lines if (s.label, s.test) == (harm.label(ptst[0]), ptst[1]))
    if mine.front is None:
        return "whether it is on the front is not known without helpfulness"
    if mine.front:
        return "it is on the front"
    others = [f"{s.label} → {short(s.test)}" for s in lines if _beats(s, mine)]
    verb = "is" if len(others) == 1 else "are"
    return (
        f"it is not on the front: {', '.join(others)} {verb} as safe and as able, and better in one"
    )


def _beats(one: Standing, other: Standing) -> bool:
    """Whether one is as safe and as able as another, and better in one of the two."""
    if one.helps is None or other.helps is None:
        return False
    as_good = one.asr <= other.asr and one.helps >= other.helps
    return as_good and (one.asr, one.helps) != (other.asr, other.helps)


def _beaten(line: Standing, lines: Sequence[Standing]) -> str:
    """A defence that a plain scale of the adapter beats under the same templates."""
    if not line.defence or line.defence.startswith("scale:"):
        return ""
    better = [
        s.defence for s in lines
        if s.defence.startswith("scale:") and (s.template, s.test) == (line.template, line.test)
        and _beats(s, line)
    ]  # fmt: skip
    return (
        f"{line.label} → {short(line.test)} is beaten by {' and '.join(better)}" if better else ""
    )
