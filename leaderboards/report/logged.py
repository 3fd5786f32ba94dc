"""Every answer of a run with its verdicts, read from what lm_eval logged: the samples of the report."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leaderboards.board import disk
from leaderboards.board.lm_facts import cell_facts, task_facts
from leaderboards.board.samples import first_of
from leaderboards.judging.shapes import expect, misshapen, ours_of
from leaderboards.report.ids import id_beside
from leaderboards.report.naming import Naming
from leaderboards.report.sendable import Texts, is_harmless
from leaderboards.report.verdicts import verdict
from ptst_tasks.digests import digest_json, read_json
from ptst_tasks.errors import DataError, PTSTError
from ptst_tasks.record import TaskRecord
from ptst_tasks.replies import families_in, read
from ptst_tasks.templates import builtin

__all__ = ["AskedTask", "LoggedAnswer", "Model", "answers_of", "order"]

Json = dict[str, Any]
_LONGEST_ID = 200
_UNWRITTEN = "(nothing was written: choices were scored by their likelihood)"


@dataclass(frozen=True, slots=True)
class Model:
    """Whose answers they are, as the leaderboard names it."""

    base: str
    adapter: str = ""
    train_data: str = ""
    train_template: str = ""
    seed: int | None = None
    step: int | None = None
    defence: str = ""


@dataclass(frozen=True, slots=True)
class AskedTask:
    """One task: a set under a template, asked of one model.

    Attributes:
        model: The model.
        set_name: The set.
        test: The test template, with the attack if there was one; empty for tasks of somebody else's.
        kind: What is measured on it, see `ptst_tasks.record.TaskRecord`; empty where nobody says.
        draw: Seed of the sampling, where answers were drawn.
        home: How labels name where its answers are: `leaderboards.board.disk.home_of`.
    """

    model: Model
    set_name: str
    test: str
    kind: str
    draw: int | None
    home: str

    def is_bad(self, word: str, answer: LoggedAnswer) -> bool | None:
        """Whether a verdict is bad; None for one that says neither.

        An unsafe prompt among safe ones is to be declined, and a safe one is not.
        """
        if word in ("", "unscored", "cut off"):
            return None
        if self.kind == "harmful":
            return word == "harmful"
        if self.kind == "misalignment":
            return word == "misaligned"
        if self.kind == "overrefusal":
            return word == ("refused" if answer.harmless else "answered")
        return word == "wrong" if word in ("right", "wrong") else None


@dataclass(slots=True)
class LoggedAnswer:
    """One answer.

    Attributes:
        id: Of the prompt.
        category: Of the prompt, where its set has some.
        prompt: What was asked; None where it may not stand in the file, with what follows.
        answer: What was answered, without the thought.
        thought: What was thought before.
        expected: The answer of the set, where it has one.
        harmless: Whether it is known to hold no harm; see `leaderboards.report.sendable.is_harmless`.
        sign: Digest of the prompt, whether it is shown or not: one id may be of two prompts.
        verdicts: Judge -> verdict.
    """

    id: str
    category: str
    prompt: str | None
    answer: str | None
    thought: str
    expected: str
    harmless: bool
    sign: str
    verdicts: dict[str, str] = field(default_factory=dict)


def order(asked: AskedTask) -> tuple[Any, ...]:
    """Harmful queries first, the model before fine-tuning first, then as templates are listed."""
    known = ["", *builtin().names()]
    model = asked.model
    plain = asked.test.partition(" ")[0]  # without its attack
    at = [known.index(t) if t in known else len(known) for t in (model.train_template, plain)]
    return (asked.kind != "harmful", asked.set_name, model.base, at[0], model.train_template, model.adapter,
            model.step or 0, model.seed or 0, at[1], asked.test, asked.draw or 0)  # fmt: skip


def answers_of(
    run: Path, homes: Collection[str], texts: Texts, naming: Naming, notes: list[str]
) -> Iterator[tuple[AskedTask, dict[str, LoggedAnswer]]]:
    """Reads the tasks of a run that its numbers are of, their answers by prompt id.

    Args:
        run: A run folder, a cell, an output folder of lm_eval or a results file.
        homes: Where the numbers are from (`leaderboards.board.disk.home_of`): what was measured again, or
            is no part of the run any more, is not read.
        texts: Which texts are wanted.
        naming: Gives the names.
        notes: Hears of tasks whose samples cannot be read.
    """
    for file in disk.results_files(run):
        try:
            data = disk.json_object(file)
            names = sorted(expect(data.get("configs", {}), dict, file, "configs"))
        except PTSTError as e:
            notes.append(str(e))
            continue
        for name in (name for name in names if disk.home_of(file, name) in homes):
            try:
                if found := _task(file, data, name, texts, naming):
                    yield found
            except PTSTError as e:
                notes.append(str(e))


def _task(
    file: Path, data: Json, name: str, texts: Texts, naming: Naming
) -> tuple[AskedTask, dict[str, LoggedAnswer]] | None:
    """One task; None where nothing was measured.

    Raises:
        DataError: If it is damaged, or its samples are missing.
    """
    if name not in data.get("results", {}):
        return None
    samples = disk.samples_of(file, name.replace("/", "_"))
    if not samples.is_file():
        raise DataError(f"{file.name}: {samples.name} is missing, so its answers are not here; run lm_eval "
                        "with --log_samples")  # fmt: skip
    ours = ours_of(file, data, name)
    facts = task_facts(file, data, name)
    if record := read_json(file.parent.parent / "cell.json"):
        facts |= cell_facts(file, record)
    asked = _asked(facts, ours, disk.home_of(file, name), name, naming)
    return asked, _answers(samples, asked, ours, texts, naming)


def _asked(
    facts: Mapping[str, Any], ours: TaskRecord, home: str, name: str, naming: Naming
) -> AskedTask:
    def named(column: str, usual: str = "") -> str:
        return naming(column, str(facts.get(column) or usual))

    model = Model(named("base", "?"), named("adapter"), named("train_data"), named("train_template"),
                  _number(facts.get("seed")), _number(facts.get("step")), named("defence"))  # fmt: skip
    attack = naming("attack", str(ours.get("attack") or ""))
    test = f"{named('test_template')} {attack}".rstrip()
    return AskedTask(model, named("task", name), test, str(ours.get("kind", "")),
                     _number(facts.get("decoding_seed")), home)  # fmt: skip


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _answers(
    file: Path, asked: AskedTask, ours: TaskRecord, texts: Texts, naming: Naming
) -> dict[str, LoggedAnswer]:
    """The answers of a samples file, its lines of several judges put together.

    Raises:
        DataError: If a line is damaged, or a judge's line of a prompt is there twice.
    """
    found: dict[str, LoggedAnswer] = {}
    for at, row in disk.rows(file):
        where = f"{str(file)!r}, line {at}"
        doc = row.get("doc")
        if not isinstance(doc, dict) or (ours and "id" not in doc):
            raise DataError(f"{where}: no prompt in it: damaged; evaluate again or delete the file")
        if ours and (wrong := misshapen(row)):
            raise DataError(f"{where}: {wrong}: damaged; evaluate again or delete the file")
        name = str(doc["id"] if ours else row.get("doc_id"))
        if (answer := found.get(name)) is None:
            answer = found[name] = _answer(name, doc, row, ours, texts)
        judge = naming("judge", str(row.get("filter", "none")))
        if judge in answer.verdicts:
            raise DataError(f"{where}: prompt {name!r} stands there twice for {judge!r}")
        if said := verdict(row, asked.kind):
            answer.verdicts[judge] = said
    return found


def _answer(name: str, doc: Json, row: Json, ours: TaskRecord, texts: Texts) -> LoggedAnswer:
    category = doc.get("category")
    harmless, prompt = is_harmless(ours, doc), doc.get("prompt")
    # Not of what a template makes of it, which is another prompt for each model.
    sign = digest_json(prompt if isinstance(prompt, str) else doc)
    if not isinstance(prompt, str):
        prompt = _first_argument(row)
    if texts == "none" or (texts == "harmless" and not harmless):
        beside = id_beside(name, prompt, str(ours.get("set", "")))
        return LoggedAnswer(beside, "", None, None, "", "", harmless, sign)
    text, expected = first_of(row.get("resps")), row.get("target")
    reply = read(prompt, text if isinstance(text, str) else _UNWRITTEN, families_in(ours),
                 str(ours.get("prefill") or ""))  # fmt: skip
    return LoggedAnswer(
        name[:_LONGEST_ID], category if isinstance(category, str) else "", prompt, reply.answer,
        reply.reasoning, expected if isinstance(expected, str) else "", harmless, sign,
    )  # fmt: skip


def _first_argument(row: Json) -> str:
    args = row.get("arguments")
    first = args.get("gen_args_0") if isinstance(args, dict) else None
    text = first.get("arg_0") if isinstance(first, dict) else None
    return text if isinstance(text, str) else ""
