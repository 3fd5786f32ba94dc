"""From examples to token ids: the prompt exactly as at test, then the answer and one end of turn.

The prompt is tokenised alone, as the harness does, so its ids are the test prompt's. The answer's
ids are those that follow it when prompt and answer are tokenised together: what the model would
have to generate. Where the two would merge across the border (then no split is right) the answer
is tokenised behind the prompt's last line instead, or alone.
"""

from __future__ import annotations

import itertools
import re
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from adapters_train.answers import THOUGHT, Completion, complete, earlier, remarks
from adapters_train.data import Example
from ptst_tasks.bos import encode_prompts
from ptst_tasks.chat import Rendered, Renderer
from ptst_tasks.errors import ChatFormatError, ConfigError, DataError
from ptst_tasks.finished import is_of_lead
from ptst_tasks.templates import PromptTemplate

__all__ = ["IGNORED", "Encoded", "encode"]

IGNORED = -100
"""Label of a token that takes no part in the loss."""
_CHUNK = 4096  # rows tokenised at a time: as lists, token ids take ten times their memory


@dataclass(slots=True)
class Encoded:
    """Rows ready to train on.

    Attributes:
        input_ids: Prompt and answer.
        labels: The same, with `IGNORED` over the prompt.
        openings: How many of a row's learnt tokens are the chat template's, before the row's own.
        kept: Index of the example of each row.
        truncated: Rows that lost the end of their answer.
        dropped: Rows whose answer did not fit at all.
        thoughts: Rows kept that have a thought of their own.
        said: What the chat template did to every row that a reader must know.
        remarks: What was done to some rows, and to how many.
        end: The end of turn.
    """

    input_ids: list[array[int]] = field(default_factory=list)
    labels: list[array[int]] = field(default_factory=list)
    openings: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    truncated: int = 0
    dropped: int = 0
    thoughts: int = 0
    said: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    end: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """All that a reader must know."""
        return self.said + self.remarks


def encode(
    examples: Sequence[Example],
    tokenizer: Any,
    renderer: Renderer,
    template: PromptTemplate,
    max_length: int,
    *,
    drop_long: bool = False,
    ends: Sequence[int] = (),
) -> Encoded:
    """Renders and tokenises.

    Args:
        examples: What to train on.
        tokenizer: A transformers tokenizer.
        renderer: Its renderer.
        template: The prompt template.
        max_length: Tokens of prompt and answer together.
        drop_long: Drop rows without room for their answer.
        ends: Further tokens that end an answer at test, which none can hold.

    Raises:
        ConfigError: If the base has no end of turn.
        DataError: If an answer contains the end of turn or a thought without its end, or answers do
            not fit at all.
        ChatFormatError: If the chat template cannot render the template.
    """
    out, counts, special = Encoded(), Counter[str](), _special(tokenizer)
    for start in range(0, len(examples), _CHUNK):
        chunk = examples[start : start + _CHUNK]
        _encode_chunk(
            out, counts, start, chunk, tokenizer, renderer, template, max_length, ends, special
        )
    if counts[THOUGHT] == len(examples):  # then no answer stands behind the lead
        counts = Counter({note: n for note, n in counts.items() if not is_of_lead(note)})
    _check_lost(out, max_length, len(examples), drop_long)
    out.said, out.remarks = remarks(counts, len(examples))
    return out


def _encode_chunk(
    out: Encoded,
    counts: Counter[str],
    start: int,
    examples: Sequence[Example],
    tokenizer: Any,
    renderer: Renderer,
    template: PromptTemplate,
    max_length: int,
    more_ends: Sequence[int],
    special: re.Pattern[str] | None,
) -> None:
    kind = "example" if any(e.history for e in examples) else "row"  # a row may make several
    rows = [f"{kind} {start + i + 1} ({e.query[:60]!r})" for i, e in enumerate(examples)]
    histories = [
        earlier(e.history, renderer.markers, row, literal=renderer.fmt != "auto")
        for e, row in zip(examples, rows, strict=True)
    ]
    rendered = [
        _render(renderer, template, replace(e, history=history), row)
        for e, (history, _), row in zip(examples, histories, rows, strict=True)
    ]
    prompts = encode_prompts(tokenizer, [r.prompt for r in rendered])
    _check_no_eos(tokenizer, rendered[0].prompt, prompts[0])
    end_ids = {r.end: _end_ids(tokenizer, r) for r in {r.end: r for r in rendered}.values()}
    ends = {end: _end_texts(tokenizer, [*ids, *more_ends]) for end, ids in end_ids.items()}
    written = [
        complete(e.answer, r, renderer.markers, ends[r.end], row, special)
        for e, r, row in zip(examples, rendered, rows, strict=True)
    ]
    completions = _completions(tokenizer, rendered, prompts, [w.text for w in written])
    openings = _openings(tokenizer, rendered, prompts, written, completions)
    out.end = rendered[0].end
    counts.update(note for r in rendered for note in dict.fromkeys(r.notes))
    counts.update(remark for w in written for remark in w.remarks)
    counts.update(remark for _, said in histories for remark in said)
    for i, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
        end = end_ids[rendered[i].end]
        if completion[-len(end) :] != end:
            raise DataError(
                f"{rows[i]}: the answer runs into the end of turn {rendered[i].end!r}: as tokens it "
                "is another text; leave the row out"
            )
        size = len(prompt)
        if written[i].thought and size + len(completion) > max_length:
            # A row that is cut must keep some of its answer: of a thought alone nothing is learnt.
            size += len(completion) - len(_plain(tokenizer, written[i].answer))
        if _add(out, start + i, prompt, completion, max_length, size, written[i].thought):
            out.openings.append(openings[i])


def _render(renderer: Renderer, template: PromptTemplate, e: Example, row: str) -> Rendered:
    try:
        return renderer.render(template, e.query, e.system_prompt, history=e.history, training=True)
    except ChatFormatError as error:
        if row.startswith(("row 1 ", "example 1 ")):  # then it is about all of them
            raise
        raise ChatFormatError(f"{row}: {error}") from error


def _completions(
    tokenizer: Any, rendered: Sequence[Rendered], prompts: list[list[int]], answers: list[str]
) -> list[list[int]]:
    joint = encode_prompts(
        tokenizer, [r.prompt + a for r, a in zip(rendered, answers, strict=True)]
    )
    return [
        both[len(prompt) :]
        if both[: len(prompt)] == prompt
        else _apart(tokenizer, r.prompt, answer)
        for both, prompt, r, answer in zip(joint, prompts, rendered, answers, strict=True)
    ]


def _openings(
    tokenizer: Any, rendered: Sequence[Rendered], prompts: list[list[int]],
    written: Sequence[Completion], completions: list[list[int]],
) -> list[int]:  # fmt: skip
    """Tokens that each completion begins with and that hold nothing of the row's own."""
    some = [i for i, w in enumerate(written) if w.opening]
    heads = _completions(
        tokenizer, [rendered[i] for i in some], [prompts[i] for i in some],
        [written[i].opening for i in some],
    )  # fmt: skip
    out = [0] * len(written)
    for i, head in zip(some, heads, strict=True):
        # A last token that the answer shares with the opening is the answer's first.
        alike = (a == b for a, b in zip(head, completions[i], strict=False))
        out[i] = sum(itertools.takewhile(bool, alike))
    return out


def _apart(tokenizer: Any, prompt: str, answer: str) -> list[int]:
    """Ids of an answer whose first characters would merge with the prompt's last ones."""
    last_line = prompt.rstrip().rpartition("\n")[2][-20:]
    head, both = _plain(tokenizer, last_line), _plain(tokenizer, last_line + answer)
    return both[len(head) :] if both[: len(head)] == head else _plain(tokenizer, answer)


def _plain(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _end_ids(tokenizer: Any, rendered: Rendered) -> list[int]:
    ids = _plain(tokenizer, rendered.end) if rendered.end else []
    marks = {*tokenizer.all_special_ids, *tokenizer.get_added_vocab().values()}
    while ids and ids[0] not in marks:  # some tokenizers write a space token first
        del ids[0]
    unknown = tokenizer.unk_token_id in ids and tokenizer.unk_token not in rendered.end
    if not ids or unknown:
        raise ConfigError(
            f"the base has no end-of-turn token: its tokenizer {tokenizer.name_or_path!r} knows no "
            f"{rendered.end or 'eos_token'!r}; set the tokenizer's eos_token, or choose another "
            "chat_format"
        )
    return ids


def _end_texts(tokenizer: Any, ids: list[int]) -> tuple[str, ...]:
    """What no answer can hold: the special tokens of its end, and the end of a text.

    Each of them alone would end an answer at test, or garble how it is read.
    """
    marks = {*tokenizer.all_special_ids, *tokenizer.get_added_vocab().values()}
    held = [i for i in [*ids, tokenizer.eos_token_id] if i in marks]
    return tuple(dict.fromkeys(tokenizer.convert_ids_to_tokens(held)))


def _special(tokenizer: Any) -> re.Pattern[str] | None:
    """Finds the special tokens in a text; None where there are none."""
    added = tokenizer.added_tokens_decoder.values()
    tokens = {*tokenizer.all_special_tokens, *(t.content for t in added if t.special)} - {""}
    longest_first = sorted(tokens, key=lambda t: (-len(t), t))
    return re.compile("|".join(map(re.escape, longest_first))) if tokens else None


def _check_no_eos(tokenizer: Any, prompt: str, ids: list[int]) -> None:
    if ids[-1:] == [tokenizer.eos_token_id] and not prompt.endswith(tokenizer.eos_token):
        raise ConfigError(
            f"the tokenizer {tokenizer.name_or_path!r} ends every prompt with its end-of-sequence "
            "token; save it with add_eos_token=false"
        )


def _add(
    out: Encoded, i: int, prompt: list[int], completion: list[int], max_length: int, size: int,
    thought: bool,
) -> bool:  # fmt: skip
    """Adds a row, if it fits; `size` tokens of it stand before its answer."""
    if size >= max_length:
        out.dropped += 1
        return False
    out.thoughts += thought
    out.truncated += len(prompt) + len(completion) > max_length
    out.kept.append(i)
    out.input_ids.append(array("i", (prompt + completion)[:max_length]))
    out.labels.append(array("i", ([IGNORED] * len(prompt) + completion)[:max_length]))
    return True


def _check_lost(out: Encoded, max_length: int, rows: int, drop_long: bool) -> None:
    if out.dropped and not (drop_long and out.kept):
        raise DataError(
            f"{out.dropped} of {rows} rows have a prompt of {max_length} tokens or more (a thought of "
            "their own counted), so nothing of their answer is left; raise max_length, or set drop_long "
            "to leave them out"
        )
