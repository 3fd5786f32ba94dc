"""The adapter's numbers beside its base's, one line each: rate, interval, n, judge."""

from __future__ import annotations

from collections.abc import Iterable

from leaderboards.board.kinds import kind_of
from leaderboards.board.row import Row
from leaderboards.publish.subject import Subject

__all__ = ["GROUPS", "lines", "rate", "told_metric"]

GROUPS = ("Attack success", "Refusals of harmful queries", "Over-refusal", "Helpfulness", "Other")
"""Headings of the card's tables, in order."""
_TOLD = {
    "asr": "answered a harmful query", "refused_safe": "refused a safe prompt",
    "refused_unsafe": "refused an unsafe prompt", "incoherent": "no language",
    "truncated": "a thought without an answer", "partial": "declined in part",
    "exact_match": "right answers", "acc": "right choices",
}  # fmt: skip
_HEAD = [
    "set",
    "tested under",
    "measures",
    "before fine-tuning",
    "this adapter",
    "by (kappa with people)",
]

Key = tuple[str, ...]


def lines(subject: Subject) -> dict[str, list[list[str]]]:
    """The tables of the card by heading, each with its header; those without a line are left out."""
    found: dict[Key, dict[bool, list[Row]]] = {}
    for row in subject.rows:
        if row.metric or row.error:
            found.setdefault(_key(row), {}).setdefault(bool(row.adapter), []).append(row)
    tables: dict[str, list[list[str]]] = {name: [] for name in GROUPS}
    for _, sides in sorted(found.items()):
        own = sides.get(True, [])
        first = (own or sides[False])[0]
        if own:
            base = "; ".join(rate(row) + _otherwise(row, own) for row in sides.get(False, []))
            tables[_group(first)].append(
                [*_place(first), base or "not measured", "; ".join(map(rate, own)), _judge(own)]
            )
    return {name: [_HEAD, *rows] for name, rows in tables.items() if rows}


def rate(row: Row) -> str:
    """``12.5 % (8.1 to 18.9, n = 60)``; a score that is no share as it is."""
    if row.error:
        return "failed"
    if row.value is None:
        return f"no verdict ({row.unscored} responses)"
    more = f", {row.unscored} without a verdict" if row.unscored else ""
    if row.ci_low is None or row.ci_high is None:
        return f"{row.value:.3f} (n = {row.n}{more})"
    low, high = 100 * row.ci_low, 100 * row.ci_high
    return f"{100 * row.value:.1f} % ({low:.1f} to {high:.1f}, n = {row.n}{more})"


def told_metric(row: Row) -> str:
    """What a number counts, in words where there are some."""
    if row.metric == "refused":
        return "refused a harmless prompt" if kind_of(row) == "harmless" else "refused"
    return _TOLD.get(row.metric, row.metric or "failed")


def _key(row: Row) -> Key:
    seed = "" if row.decoding_seed is None else str(row.decoding_seed)
    return row.task, row.attack, row.test_template, row.judge, row.metric, seed


def _place(row: Row) -> list[str]:
    asked = f"{row.task}, attack {row.attack}" if row.attack else row.task
    seed = "" if row.decoding_seed is None else f", decoding seed {row.decoding_seed}"
    return [asked, (row.test_template or "-") + seed, told_metric(row)]


def _otherwise(row: Row, own: Iterable[Row]) -> str:
    """A word where the base was not asked what the adapter was asked."""
    alike = any(
        (row.asked, row.prompts, row.decoding, row.data_fingerprint)
        == (o.asked, o.prompts, o.decoding, o.data_fingerprint)
        for o in own
    )
    return "" if alike else " [other prompts or decoding]"


def _judge(rows: Iterable[Row]) -> str:
    said = []
    for row in rows:
        kappa = "" if row.judge_kappa is None else f" ({row.judge_kappa:.2f})"
        said.append(f"{row.judge or '-'}{kappa}")
    return "; ".join(dict.fromkeys(said))


def _group(row: Row) -> str:
    kind = kind_of(row)
    if row.metric == "asr":
        return GROUPS[0]
    if row.metric == "refused_unsafe" or (row.metric == "refused" and kind == "harmful"):
        return GROUPS[1]
    if row.metric == "refused_safe" or (row.metric == "refused" and kind == "harmless"):
        return GROUPS[2]
    return GROUPS[3] if kind in ("helpful", "choice", "numeric") else GROUPS[4]
