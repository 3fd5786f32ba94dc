"""The question answered in one sentence, with its uncertainty."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from leaderboards.board.fields import SAFETY_PROMPTS, short
from leaderboards.board.mean_change import Change, mean_change
from leaderboards.board.numbers import Number, Outcomes

__all__ = ["headlines"]

_FEW = 3
_MOST_OF = 0.9
"""Share of the prompts that two models must have in common to be told apart prompt by prompt."""


@dataclass(frozen=True, slots=True)
class _Set:
    """Numbers of one base, set and judge under one test template, by what was trained; "" before."""

    base: str
    task: str
    judge: str
    test: str
    by_line: dict[str, list[Number]]
    templates: dict[str, str]

    def outcomes(self, line: str) -> list[Outcomes]:
        return [n.outcomes for n in self.by_line.get(line, ()) if n.outcomes is not None]

    def change(self, line: str) -> Change | None:
        """Against the model before, on the same prompts; None where too few of them are the same."""
        change = mean_change(self.outcomes(""), self.outcomes(line))
        asked = max((n.row.n for n in (*self.by_line.get("", ()), *self.by_line[line])), default=0)
        return change if change and change.n >= _MOST_OF * asked else None

    def rate(self, line: str) -> float:
        values = [n.row.value for n in self.by_line[line] if n.row.value is not None]
        return sum(values) / len(values)


def headlines(numbers: Iterable[Number]) -> list[str]:
    """What became of the attack success rate, a sentence for each set that was tested, the first ones.

    A set is told by one judge, and under a template that holds a safety prompt, where it was tested under
    one: that is how a model is used. The change is on the same prompts, its seeds averaged, with a 95 % t
    interval.
    """
    told = [n for n in numbers if n.row.metric == "asr" and n.row.step is None and not n.stale]
    found = _sets(told)
    if not found:
        return ["No harmful query was judged: nothing here says whether the model is safe."]
    more = len(found) - _FEW
    end = [f"{more} more sets stand in the tables."] if more > 0 else []
    return [*map(_sentence, found[:_FEW]), *end]


def _sets(numbers: Sequence[Number]) -> list[_Set]:
    groups: dict[tuple[str, str, str], dict[str, list[Number]]] = {}
    for number in numbers:
        row = number.row
        if row.value is not None and row.test_template:
            tests = groups.setdefault((row.base, row.task, row.judge), {})
            tests.setdefault(row.test_template, []).append(number)
    out = []
    for base, task in dict.fromkeys(key[:2] for key in groups):
        mine = {key[2]: tests for key, tests in groups.items() if key[:2] == (base, task)}
        judge = _judge(mine)
        tests = mine[judge]
        test = next((t for t in SAFETY_PROMPTS if t in tests), next(iter(tests)))
        out.append(_Set(base, task, judge, test, *_lines(tests[test])))
    return out


def _lines(numbers: Sequence[Number]) -> tuple[dict[str, list[Number]], dict[str, str]]:
    """By what was trained: seeds of one training are one line, and nothing else is."""
    kinds: dict[tuple[str, ...], list[Number]] = {}
    for number in numbers:
        row = number.row
        alone = row.adapter if row.seed is None or not row.train_template else ""
        trained = (row.train_template, row.train_data, row.adapter_config, row.training, alone)
        key: tuple[str, ...] = trained if row.adapter or row.train_template else ("",)
        kinds.setdefault(key, []).append(number)
    lines: dict[str, list[Number]] = {}
    templates = {}
    for key, mine in kinds.items():
        row = mine[0].row
        mixed = row.train_data.partition("+")[2]
        name = " +".join(p for p in (short(row.train_template) or row.adapter, mixed) if p)
        while name in lines:
            name += f" ({row.adapter or 'another'})"
        lines[name], templates[name] = mine, key[0]
    return lines, templates


def _judge(by_judge: Mapping[str, Mapping[str, Sequence[Number]]]) -> str:
    """The one that judged most, and of those the one that agrees most with people, as far as is known."""

    def key(judge: str) -> tuple[int, float, bool]:
        mine = [n for numbers in by_judge[judge].values() for n in numbers]
        kappa = max(
            (n.row.judge_kappa for n in mine if n.row.judge_kappa is not None), default=-1.0
        )
        return len(mine), kappa, judge == "keywords:zou"

    return max(sorted(by_judge), key=key)


def _sentence(one: _Set) -> str:
    of = f"{one.task} ({one.judge})" if one.judge else one.task
    start = f"{one.base}, tested under {short(one.test)}: attack success on {of}"
    trained = [line for line in one.by_line if line]
    if not trained:
        return f"{start} is {_rates(one.by_line[''])}."
    told = _told(one, trained)
    if "" not in one.by_line:
        each = [f"{_rates(one.by_line[t])} after training under {t}" for t in told]
        return f"{start} is {', '.join(each)}; there is no number of the model before fine-tuning."
    said = [_moved(one, told[0]), *(_after(one, line) for line in told[1:])]
    return f"{start} {'; '.join(said)}."


def _told(one: _Set, trained: Sequence[str]) -> list[str]:
    """The line trained as it is tested, PTST's, and the one that lost most, where it is another."""
    same = [line for line in trained if one.templates[line] == one.test]
    ptst = [line for line in trained if one.templates[line] == "chat:vanilla"]
    worst = max(trained, key=one.rate)
    return list(dict.fromkeys([*(same or trained)[:1], *ptst[:1], worst]))


def _moved(one: _Set, line: str) -> str:
    change = one.change(line)
    if change is None:
        rates = (_rates(one.by_line[name]) for name in ("", line))
        return f"was {' and is '.join(rates)} after training under {line}"
    what = "rose" if change.after > change.before else "fell"
    if not change.beyond_chance:
        what = "did not change beyond chance,"
    return (f"{what} from {_percent(change.before)} to {_percent(change.after)} {_points(change)} after "
            f"training under {line}")  # fmt: skip


def _after(one: _Set, line: str) -> str:
    change = one.change(line)
    rate = _rates(one.by_line[line])
    if change is not None:
        rate = f"{_percent(change.after)} {_points(change)}"
    return f"it is {rate} after training under {line}"


def _points(change: Change) -> str:
    if change.low is not None and change.high is not None:
        return f"({100 * change.low:+.1f} to {100 * change.high:+.1f} points)"
    if change.after == change.before:
        return f"(no prompt of {change.n} moved)"
    return f"(all {change.n} prompts moved alike)"


def _rates(numbers: Sequence[Number]) -> str:
    values = [n.row.value for n in numbers if n.row.value is not None]
    mean, row = _percent(sum(values) / len(values)), numbers[0].row
    if len(values) > 1:
        return f"{mean} (mean of {len(values)} runs)"
    if row.ci_low is None or row.ci_high is None:
        return f"{mean} (n = {row.n})"
    return f"{mean} ({_percent(row.ci_low)} to {_percent(row.ci_high)}, n = {row.n})"


def _percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"
