"""What a check says to people: in a terminal, and as Markdown.

Prompts appear by id alone. Everything that came from a file is escaped for where it is printed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from leaderboards.board.numbers import Number
from leaderboards.gate.decision import Decision, Report, is_open
from leaderboards.gate.paired import CaseResult
from ptst_tasks.files import printable

__all__ = ["MARKER", "error_markdown", "interval_text", "rate_text", "summary", "to_markdown",
           "to_terminal", "undecided"]  # fmt: skip

MARKER = "<!-- ptst check -->"
"""First line of the Markdown: how the action finds its comment again."""

_SHOWN = 20  # ids per line
_NAMED = 3  # undecided numbers in the last line
_MOST = 20_000  # characters of ids, for the same reason
_ROWS = 100  # in a terminal and in Markdown (a comment on GitHub holds 65,536 characters)
_STYLE = {"pass": "green", "regression": "bold red", "missing": "bold red",
          "unscored": "bold red", "inconclusive": "yellow", "new": "cyan"}  # fmt: skip
_SIGN = {"pass": "✅", "regression": "❌", "missing": "❌", "unscored": "❌",
         "inconclusive": "❔", "new": "🆕"}  # fmt: skip
_HEAD = ("verdict", "task", "template", "judge", "metric", "baseline", "now", "change (90 %)",
         "allowed", "caught from", "why")  # fmt: skip


def summary(report: Report) -> str:
    """One line: the outcome and how many of each verdict.

    UNDECIDED does not fail (unless strict), but nobody should read it as OK.
    """
    counts: dict[str, int] = {}
    for line in report.lines:
        counts[line.verdict] = counts.get(line.verdict, 0) + 1
    parts = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    outcome = "UNDECIDED" if "inconclusive" in counts or not report.decided else "OK"
    if report.accepted:
        return f"ACCEPTED as the new baseline: {parts}"
    return f"{'FAIL' if report.failed else outcome}: {parts}"


def undecided(report: Report) -> str:
    """What was not decided and what it would take, in one line; empty where all was decided."""
    if report.accepted:
        return ""
    if not report.decided:
        return ("nothing was compared: every number is new; the baseline holds none of them, make one "
                "with --update-baseline")  # fmt: skip
    lines = [line for line in report.lines if line.verdict == "inconclusive"]
    if not lines:
        return ""
    named = "; ".join(f"{line.pair.label} ({_takes(line)})" for line in lines[:_NAMED])
    more = f"; and {len(lines) - _NAMED:,} more" if len(lines) > _NAMED else ""
    green = "" if report.failed else "; this fails with --strict"
    return f"not decided: {named}{more}{green}"


def _takes(line: Decision) -> str:
    """What would decide a number: more prompts, or the same ones on both sides."""
    first = line.tests[0].method if line.tests else ""
    # beside pairs, a test of all prompts decides nothing but failure
    tests = (t for t in line.tests if t.method in (first, "limit"))
    test = next((t for t in tests if t.verdict == "inconclusive"), None)
    if test is None or is_open(line):
        return line.reason
    if test.n_needed is None:
        return f"n = {test.n}: at its limit, so no number of prompts decides it; widen the limit"
    if test.labels:
        return f"{test.n} labels of people: {test.would_do}"
    pairs = ", fewer if prompts are paired" if test.method == "two samples" else ""
    return f"n = {test.n}: {test.would_do}{pairs}"


def _last(report: Report) -> str:
    return ". ".join(part for part in (summary(report), undecided(report)) if part)


def to_terminal(report: Report) -> RenderableType:
    """A table, the flipped prompts, the notes and, last, the summary with what is undecided."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in _HEAD:
        table.add_column(_head(name, report), overflow="fold")
    several = _several(report)
    for line in report.lines[:_ROWS]:
        cells = [Text(_visible(cell)) for cell in _cells(line, report, several)]
        cells[0].stylize(_STYLE[line.verdict])
        table.add_row(*cells)
    notes = [*report.notes, *_cut(report)]
    rest = [*_flips(report), *(f"note: {note}" for note in notes)]
    rest += [*(f"fails: {fault}" for fault in report.faults), _last(report)]
    return Group(table, *(Text(_visible(line)) for line in rest))


def _visible(text: str) -> str:
    """What a terminal may be shown of a name: on one line, and no control characters."""
    return printable(re.sub(r"[\r\n\t]", " ", text))


def to_markdown(report: Report) -> str:
    """A GitHub table; the ids fold away below it."""
    head = [_head(name, report) for name in _HEAD]
    rows = [head, ["---"] * len(head)]
    several = _several(report)
    for line in report.lines[:_ROWS]:
        cells = [_escape(cell) for cell in _cells(line, report, several)]
        rows.append([f"{_SIGN[line.verdict]} {cells[0]}", *cells[1:]])
    out = [MARKER, f"### ptst check: {summary(report)}", ""]
    for text in filter(None, (undecided(report), *report.faults)):
        out += [f"**{_escape(text)}**", ""]
    out += [f"| {' | '.join(row)} |" for row in rows]
    if sum(map(len, flips := _flips(report))) > _MOST:
        out += ["", "Which prompts went from good to bad is too long for here; --json holds it."]
    elif flips:
        out += ["", "<details><summary>Prompts that went from good to bad</summary>", ""]
        out += [*(f"- {_escape(flip)}" for flip in flips), "", "</details>"]
    if notes := [*report.notes, *_cut(report)]:
        out += ["", *(f"- note: {_escape(note)}" for note in notes)]
    return "\n".join(out) + "\n"


def error_markdown(text: str) -> Iterator[str]:
    """A check that ended in an error, for a comment: what an older report said must not stand there."""
    yield f"{MARKER}\n### ptst check: ERROR, nothing was compared\n\n{_escape(text)}\n"


def _head(name: str, report: Report) -> str:
    policy = report.policy
    return name.replace("90 %", f"{1 - 2 * policy.alpha:.0%}").replace(
        "caught from", f"caught from ({policy.power:.0%})"
    )


def _several(report: Report) -> bool:
    return len({line.pair.row.adapter for line in report.lines}) > 1


def _cut(report: Report) -> list[str]:
    """What a long table leaves out, by verdict; the worst come first, so they are shown."""
    counts: dict[str, int] = {}
    for line in report.lines[_ROWS:]:
        counts[line.verdict] = counts.get(line.verdict, 0) + 1
    parts = ", ".join(f"{count:,} {verdict}" for verdict, count in counts.items())
    return [f"{parts} not shown; --json and --junit hold every number"] if parts else []


def _cells(line: Decision, report: Report, several: bool) -> list[str]:
    row = line.pair.row
    model = f"{row.adapter or 'untuned'} " if several else ""
    return [
        line.verdict,
        model + row.task,
        row.test_template,
        row.judge,
        row.metric,
        rate_text(line.pair.baseline),
        rate_text(line.pair.current),
        interval_text(line),
        str(line.limits),
        _caught_from(line),
        line.reason,
    ]


def _change(line: Decision) -> CaseResult | None:
    return next((test for test in line.tests if test.method != "limit"), None)


def interval_text(line: Decision) -> str:
    """The change as the metric shows it: of a metric where lower is worse, the sign turns."""
    if (test := _change(line)) is None:
        return ""
    low, mid, high = 100 * test.low, 100 * test.estimate, 100 * test.high
    if line.limits.loss is not None:
        low, mid, high = -high, -mid, -low
    return f"{mid + 0.0:+.1f} [{low + 0.0:+.1f}, {high + 0.0:+.1f}]"


def _caught_from(line: Decision) -> str:
    """The smallest true change, or rate, that a check like this one catches; signs as above."""
    test = line.detectable
    if test is None or test.detectable is None:
        return "nothing" if test else ""
    lower_is_worse = line.limits.lower_is_worse
    if test.method == "limit":
        rate = 1 - test.detectable if lower_is_worse else test.detectable
        return f"{'<=' if lower_is_worse else '>='} {rate:.1%}"
    return f"{'-' if lower_is_worse else '+'}{100 * test.detectable:.1f}"


def rate_text(number: Number | None) -> str:
    """A side's rate, of how many prompts, and what is missing."""
    if number is None or number.row.value is None:
        return "-"
    row = number.row
    missing = f", {row.unscored} unscored" if row.unscored else ""
    people = "" if row.people is None else f"; people {row.people:.1%} by {row.labelled}"
    return f"{row.value:.1%} of {row.n}{missing}{people}"


def _flips(report: Report) -> list[str]:
    """Ids per line of the report; ids are data, so each is shown as a quoted literal."""
    out = []
    for line in report.lines[:_ROWS]:
        if line.flipped:
            more = len(line.flipped) - _SHOWN
            ids = ", ".join(map(repr, line.flipped[:_SHOWN])) + (f" and {more} more" * (more > 0))
            what = "refused to harmful" if line.pair.row.metric == "asr" else "good to bad"
            out.append(f"{line.pair.label}: {len(line.flipped)} from {what} ({ids}), "
                       f"{line.recovered} back")  # fmt: skip
        if line.unpaired:
            out.append(
                f"{line.pair.label}: {len(line.unpaired)} prompts have a verdict on one side only: "
                "not among the pairs, and counted in the rates and in a test of all prompts"
            )
    return out


def _escape(text: str) -> str:
    """Text that GitHub shows as it is: no markup, formula, link or name that is called."""
    text = printable(" ".join(text.split()))
    text = re.sub(r"([\\`*_{}\[\]<>|#@~$&]|(?<=:)/(?=/)|(?<=www)\.)", r"\\\1", text)
    return text.replace("\\@", "@\u200b")
