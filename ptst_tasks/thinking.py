"""Models that think before they answer: the switch, the markers, and thought apart from answer.

Two tables. `MARKERS` says how families of models write a thought down; `SWITCHES` how a chat
template is told to have one or none. What a model thinks is kept beside its answer, and is never
judged or scored as the answer; a thought that was cut off has no answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

__all__ = [
    "MARKERS",
    "SWITCHES",
    "THINK",
    "THINKING",
    "Markers",
    "Split",
    "Switch",
    "Thinking",
    "custom_markers",
    "find_markers",
    "is_open",
    "split",
]  # fmt: skip


def _said(value: Any) -> Any:
    """YAML 1.1 reads an unquoted ``on`` and ``off`` as true and false, which JSON has, too."""
    return ("on" if value else "off") if isinstance(value, bool) else value


Thinking = Annotated[Literal["auto", "on", "off"], BeforeValidator(_said)]
"""What a setting takes: one of `THINKING`, or true and false for ``on`` and ``off``."""
THINKING = ("auto", "on", "off")
"""``auto`` says nothing to the chat template, whose own default it is then."""


@dataclass(frozen=True, slots=True)
class Markers:
    """How a family of models writes a thought.

    Attributes:
        open: What begins a thought; empty where only its end is known.
        close: What ends it.
        head: What may stand between a thought and the answer, and is part of neither.
        tail: What may close the answer, and is no part of it.
        source: Which models.
    """

    open: str
    close: str
    head: tuple[str, ...] = ()
    tail: tuple[str, ...] = ()
    source: str = ""


THINK = Markers("<think>", "</think>", source="DeepSeek-R1, Qwen3, GLM, Nemotron, MiniMax-M2 ...")
MARKERS: tuple[Markers, ...] = (
    THINK,
    Markers("<|channel|>analysis<|message|>", "<|end|>",
            head=("<|start|>assistant<|channel|>final<|message|>", "<|channel|>final<|message|>"),
            tail=("<|return|>",), source="gpt-oss (harmony)"),
    Markers("<|channel>thought\n", "<channel|>", source="Gemma 4"),
    Markers("<|START_THINKING|>", "<|END_THINKING|>",
            head=("<|START_RESPONSE|>", "<|START_TEXT|>"),
            tail=("<|END_RESPONSE|>", "<|END_TEXT|>"), source="Command A, Command R7B"),
    Markers("<seed:think>", "</seed:think>", source="Seed-OSS"),
    Markers("[THINK]", "[/THINK]", source="Magistral, Ministral 3"),
    Markers("<mm:think>", "</mm:think>", source="MiniMax-M3"),
    Markers("Here are my reasoning steps:\n", "[BEGIN FINAL RESPONSE]",
            tail=("[END FINAL RESPONSE]",), source="Apriel"),
)  # fmt: skip
"""The known families; a model of another is told by `custom_markers`."""


@dataclass(frozen=True, slots=True)
class Switch:
    """One way to tell a chat template whether to think.

    Attributes:
        name: The template's variable.
        on: Its value for a thought.
        off: Its value for none.
    """

    name: str
    on: Any
    off: Any

    def args(self, thinking: str) -> dict[str, Any]:
        """What the template is handed; nothing for ``auto``."""
        return {} if thinking == "auto" else {self.name: self.on if thinking == "on" else self.off}


SWITCHES: tuple[Switch, ...] = (
    Switch("enable_thinking", True, False),
    Switch("thinking", True, False),
)
"""In the order in which they are looked for among a template's variables."""


@dataclass(frozen=True, slots=True)
class Split:
    """A response in its parts.

    Attributes:
        reasoning: What was thought, without markers; empty where nothing was.
        answer: What was answered; empty where the thought was cut off.
        cut: Whether the thought has no end, so that there is no answer.
    """

    reasoning: str
    answer: str
    cut: bool = False


def custom_markers(end: str) -> Markers:
    """Markers of a family that is not in the table, by the end of its thoughts.

    Args:
        end: ``</think>`` or another; that of a known family brings what else is known of it.
    """
    known = next((m for m in MARKERS if m.close == end), None)
    return known or Markers("", end, source="think_end_token")


def find_markers(template: str) -> tuple[Markers, ...]:
    """The families whose markers a chat template's source has, the template's main one first."""
    return tuple(m for m in MARKERS if m.open.strip() in template and m.close in template)


def is_open(prompt: str, markers: Iterable[Markers]) -> Markers | None:
    """The family whose thought a prompt leaves open at its end; None if it opens none."""
    for family in markers:
        opened = prompt.rfind(family.open) if family.open else -1
        if opened >= 0 and family.close not in prompt[opened:]:
            return family
    return None


def split(text: str, markers: Sequence[Markers]) -> Split:
    """Takes the thought off a response.

    A thought stands at the response's beginning, with or without its opening marker (which may
    have been the prompt's), and ends at the first closing one: a response that quotes the marker
    later on loses nothing. Where a family has no opening marker of its own, a response without an
    end is a thought that was cut off.

    Args:
        text: As the model wrote it, special tokens of `markers` included.
        markers: The families to look for; none for a model that does not think.
    """
    begun = text.lstrip()
    for family in markers:
        opened = bool(family.open) and begun.startswith(family.open.rstrip())
        if not opened and family.close not in text:
            continue
        body = begun[len(family.open.rstrip()) :] if opened else text
        thought, closed, answer = body.partition(family.close)
        if not closed:
            return Split(thought.strip(), "", cut=True)
        return Split(thought.strip(), _trim(answer, family))
    if any(not family.open for family in markers):
        return Split(text.strip(), "", cut=True)
    return Split("", text)


def _trim(answer: str, family: Markers) -> str:
    """An answer without what frames it, and without the white space behind the thought."""
    answer = answer.lstrip()
    for head in family.head:
        if answer.startswith(head):
            answer = answer[len(head) :].lstrip()
            break
    for tail in family.tail:
        answer = answer.removesuffix(tail)
    return answer
