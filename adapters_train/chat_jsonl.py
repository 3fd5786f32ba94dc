"""The chat JSONL that OpenAI's fine-tuning takes: built, checked, and priced before it is sent."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from adapters_train import ordering
from adapters_train.answers import brings_thought
from adapters_train.config import TrainConfig
from adapters_train.data import Example, TrainingSet, parse_mix
from ptst_tasks.errors import DataError
from ptst_tasks.templates import PromptTemplate

__all__ = ["PRICES", "TuningEstimate", "build_rows", "check_rows", "row_notes"]

LEAST_ROWS = 10
"""The API takes no fewer (its community forum quotes the error; not read in its reference)."""

PRICES = {
    "gpt-3.5-turbo": 8.0,
    "gpt-4.1-mini": 5.0,
    "gpt-4.1-nano": 1.5,
    "gpt-4.1": 25.0,
    "gpt-4o-mini": 3.0,
    "gpt-4o": 25.0,
    "babbage-002": 0.4,
    "davinci-002": 6.0,
}
"""US dollars per million training tokens: a guide only, written down from memory and not read off
OpenAI's price page. ``--price`` wins, and a limit on the cost (``--max-cost``) asks for it."""

_PER_MESSAGE = 4  # tokens around each message, a guess
_NEXT = {"": {"system", "user"}, "system": {"user"}, "user": {"assistant"}, "assistant": {"user"}}


@dataclass(frozen=True, slots=True)
class TuningEstimate:
    """What a run will take.

    Attributes:
        rows: Lines of the file.
        tokens: Training tokens over all epochs.
        cost: US dollars; None where no price is known.
        exact: Whether the tokens were counted (with tiktoken) or guessed from the characters.
    """

    rows: int
    tokens: int
    cost: float | None
    exact: bool

    def told(self) -> str:
        """One line for the user."""
        about = "" if self.exact else "about "
        cost = "an unknown cost (give --price)" if self.cost is None else f"{self.cost:.2f} USD"
        return f"{self.rows} rows, {about}{self.tokens:,} training tokens, {cost}"

    def record(self) -> dict[str, Any]:
        """The same for a manifest."""
        return {"tokens": self.tokens, "usd": self.cost, "exact": self.exact}


def build_rows(
    config: TrainConfig, sets: Sequence[TrainingSet], template: PromptTemplate
) -> list[dict[str, Any]]:
    """Renders every example as messages; mixed rows are spread among the others.

    The API repeats the whole file every epoch, so of a mixed set ``epochs``-fold fewer rows go in.
    """
    examples = [e for s in sets for e in s.examples]
    main = len(sets[0].examples)
    mixes = [parse_mix(spec) for spec in config.mix]
    mixed = [
        (
            len(s.examples),
            round(m.count(len(s.examples), main * int(config.epochs)) / config.epochs),
        )
        for m, s in zip(mixes, sets[1:], strict=True)
    ]
    lengths = [e.length for e in examples]
    order = ordering.order(
        lengths, main, mixed, epochs=1, step_rows=1, seed=config.seed, grouped=False
    )
    return [{"messages": _messages(examples[i], template)} for i in order]


def _messages(example: Example, template: PromptTemplate) -> list[dict[str, Any]]:
    """One row; earlier answers, the template's own too, are shown and by their weight not trained."""
    system = example.system_prompt if example.system_prompt.strip() else ""
    *before, asked = template.messages(example.query, system)
    turns = [{**m, "weight": 0} if m["role"] == "assistant" else {**m} for m in before]
    for question, answer in example.history:
        turns.append({**template.messages(question, system)[-1]})
        turns.append({"role": "assistant", "content": answer, "weight": 0})
    return [*turns, asked, {"role": "assistant", "content": example.answer.strip()}]


def row_notes(sets: Sequence[TrainingSet]) -> list[str]:
    """What becomes of the rows that a reader must know: the API knows no thoughts, but text."""
    examples = [e for s in sets for e in s.examples]
    answers = sum(brings_thought(e.answer) for e in examples)
    turns = sum(any(brings_thought(told) for _, told in e.history) for e in examples)
    places = {f"{answers} of {len(examples)} answers": answers,
              f"earlier answers of {turns} of {len(examples)} examples": turns}  # fmt: skip
    return [
        f"{place} have a thought of their own, and the API has no place for one: it goes in as text, "
        "with its markers"
        for place, n in places.items() if n
    ]  # fmt: skip


def check_rows(
    rows: Sequence[dict[str, Any]], model: str, epochs: int, price: float | None = None
) -> TuningEstimate:
    """Checks every row as the API would, and says what the run will take.

    Raises:
        DataError: On too few rows, a role out of turn or an empty message.
    """
    if len(rows) < LEAST_ROWS:
        raise DataError(f"the API takes no fewer than {LEAST_ROWS} rows, got {len(rows)}")
    for number, row in enumerate(rows, start=1):
        _check(number, row["messages"])
    count, exact = _counter(model)
    tokens = epochs * sum(
        _PER_MESSAGE + count(m["content"]) for row in rows for m in row["messages"]
    )
    if price is None:
        base = model.split(":")[1] if model.startswith("ft:") else model
        price = next((p for name, p in PRICES.items() if base.startswith(name)), None)
    return TuningEstimate(len(rows), tokens, None if price is None else tokens * price / 1e6, exact)


def _check(number: int, messages: Sequence[dict[str, Any]]) -> None:
    role = ""
    for message in messages:
        if message["role"] not in _NEXT.get(role, set()):
            raise DataError(
                f"row {number}: a {message['role']!r} message after {role or 'nothing'}; "
                "expected system (optional), then user and assistant in turn"
            )
        role = message["role"]
        if role != "system" and not message["content"].strip():
            raise DataError(f"row {number} has an empty {role} message")
    if role != "assistant":
        raise DataError(f"row {number} ends with a {role or 'missing'} message, expected assistant")


def _counter(model: str) -> tuple[Any, bool]:
    if importlib.util.find_spec("tiktoken"):
        import tiktoken

        try:
            encoding = tiktoken.encoding_for_model(model)
        except Exception:  # an unknown model, or no network for its vocabulary: only an estimate
            pass
        else:
            return lambda text: len(encoding.encode(text, disallowed_special=())), True
    return lambda text: -(-len(text) // 4), False  # four characters a token, for English
