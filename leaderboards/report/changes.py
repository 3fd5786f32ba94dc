"""Two runs: per number what `ptst check` says, and exactly the prompts that turned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from leaderboards.board.fields import short
from leaderboards.board.row import Row
from leaderboards.board.sides import Side
from leaderboards.gate.decide import check_sides
from leaderboards.gate.decision import RANK, Decision, Report
from leaderboards.gate.match import Pair
from leaderboards.gate.policy import Policy
from leaderboards.gate.report import interval_text, rate_text, summary, undecided
from leaderboards.report.naming import Naming
from leaderboards.report.sayable import told_of
from leaderboards.report.table import AnswerTable

__all__ = ["Changes", "changes"]

_NO_ANSWER = frozenset({"incoherent", "truncated", "unscored", "reasoning_asr"})
"""Metrics of which a change is none of what was answered to a prompt."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What a check says, for the page.

    Attributes:
        summary: Its outcome in one line, with what is not decided.
        failed: Whether the gate would stop the release.
        notes: What a reader should know of the comparison.
        lines: A number each: verdict, names, rates, change, and the samples that turned.
    """

    summary: str
    failed: bool
    notes: list[str]
    lines: list[dict[str, Any]]

    @property
    def turned(self) -> tuple[list[int], list[int]]:
        """Samples that got worse by one of the numbers of which that is said, and better."""
        told = [line for line in self.lines if line["metric"] not in _NO_ANSWER]
        return [at for one in told for at in one["worse"]], [
            at for one in told for at in one["better"]
        ]


def changes(
    before: Side, after: Side, policy: Policy, table: AnswerTable, naming: Naming
) -> Changes:
    """Compares two runs as `ptst check` does; what was not measured alike is compared, and said.

    Raises:
        ConfigError, DataError: As `leaderboards.gate.decide.check_sides`.
    """
    report = check_sides(_final(before), _final(after), policy, allow_mismatch=True)
    report = _sendable(report, naming)
    said = ". ".join(part for part in (summary(report), undecided(report)) if part)
    several = len({line.pair.row.base for line in report.lines}) > 1
    lines = [_line(line, report, table, several) for line in report.lines]
    lines.sort(key=lambda line: (RANK[line["verdict"]], -line["turned"][0]))
    return Changes(said, report.failed, list(report.notes), lines)


def _sendable(report: Report, naming: Naming) -> Report:
    """The same with names, notes and reasons that are fit to be sent on."""
    pairs = [_pair(line.pair, naming) for line in report.lines]
    known = naming.known()
    lines = [
        replace(line, pair=pair, reason=told_of(line.reason, known))
        for line, pair in zip(report.lines, pairs, strict=True)
    ]
    notes = dict.fromkeys(told_of(note, known) for note in report.notes)
    return replace(report, lines=tuple(lines), notes=tuple(notes))


def _pair(pair: Pair, naming: Naming) -> Pair:
    old, new = (number and replace(number, row=naming.rows([number.row])[0])
                for number in (pair.baseline, pair.current))  # fmt: skip
    return Pair(old, new)


def _final(side: Side) -> Side:
    """Without the copies that were kept along training: a release is none of them."""
    return replace(side, numbers=tuple(n for n in side.numbers if n.row.step is None))


def _line(line: Decision, report: Report, table: AnswerTable, several: bool) -> dict[str, Any]:
    row = line.pair.row
    worse, better = _turned(line)
    return {
        "verdict": line.verdict,
        "fails": report.fails(line),
        "set": row.task,
        "model": _trained(row, several),
        "test": f"{short(row.test_template)} {row.attack}".rstrip(),
        "judge": row.judge,
        "metric": row.metric,
        "baseline": rate_text(line.pair.baseline),
        "now": rate_text(line.pair.current),
        "change": interval_text(line),
        "worse": _rows(line, worse, table),
        "better": _rows(line, better, table),
        "turned": [len(worse), len(better)],
        "why": line.reason,
    }


def _trained(row: Row, several: bool) -> str:
    """What was trained, as the samples name it; of which base, where there are several."""
    mixed = row.train_data.partition("+")[2]
    parts = [short(row.train_template), f"+{mixed}" if mixed else "",
             row.defence, "" if row.seed is None else f"seed {row.seed}"]  # fmt: skip
    what = " ".join(part for part in parts if part) or row.adapter
    return (what or "before fine-tuning") + (f" of {row.base}" if several else "")


def _turned(line: Decision) -> tuple[list[str], list[str]]:
    """Ids of prompts whose outcome got worse, and better, where both sides know them."""
    old, new = line.pair.baseline, line.pair.current
    if not (old and new and old.outcomes is not None and new.outcomes is not None):
        return [], []
    bad = 0 if line.limits.lower_is_worse else 1
    pairs = [(i, old.outcomes[i], new.outcomes[i]) for i in new.outcomes if i in old.outcomes]
    pairs = [(i, was, is_) for i, was, is_ in pairs if None not in (was, is_) and was != is_]
    return [i for i, _, is_ in pairs if is_ == bad], [i for i, was, _ in pairs if was == bad]


def _rows(line: Decision, ids: list[str], table: AnswerTable) -> list[int]:
    """Where these prompts' answers stand among the samples."""
    number = line.pair.current
    places = ((1, number.home, i) for i in ids) if number else iter(())
    return [table.places[place] for place in places if place in table.places]
