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

from ptst_tasks.nesting import at_edge, end_of

__all__ = [
    "MARKERS",
    "SERVED",
    "SWITCHES",
    "THINK",
    "THINKING", "TURN_ENDS",
    "Markers",
    "Split",
    "Switch",
    "Thinking",
    "custom_markers", "find_markers",
    "is_closed",
    "is_open",
    "split",
    "unopened",
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
        space: The white space behind `open`, before `close` and behind it, as the models write it.
        source: Which models.
    """

    open: str
    close: str
    head: tuple[str, ...] = ()
    tail: tuple[str, ...] = ()
    space: tuple[str, str, str] = ("", "", "")
    source: str = ""

    def around(self, thought: str) -> str:
        """A thought between its markers."""
        after_open, before_close, behind = self.space
        return f"{self.open}{after_open}{thought}{before_close}{self.close}{behind}"


_LINES = ("\n", "\n", "\n\n")
THINK = Markers("<think>", "</think>", space=_LINES,
                source="DeepSeek-R1, Qwen3, GLM, Nemotron, MiniMax-M2 ...")  # fmt: skip
MARKERS: tuple[Markers, ...] = (
    Markers("<think>", "</think>", head=("<response>",), tail=("</response>",),
            space=_LINES, source="Granite 3.2, 3.3"),
    THINK,
    Markers("<|channel|>analysis<|message|>", "<|end|>",
            head=("<|start|>assistant<|channel|>final<|message|>", "<|channel|>final<|message|>"),
            tail=("<|return|>",), source="gpt-oss (harmony)"),
    Markers("<|channel>thought\n", "<channel|>", space=("", "\n", ""), source="Gemma 4"),
    Markers("<|START_THINKING|>", "<|END_THINKING|>",
            head=("<|START_RESPONSE|>", "<|START_TEXT|>"),
            tail=("<|END_RESPONSE|>", "<|END_TEXT|>"), source="Command A, Command R7B"),
    Markers("<seed:think>", "</seed:think>", source="Seed-OSS"),
    Markers("[THINK]", "[/THINK]", source="Magistral, Ministral 3"),
    Markers("<mm:think>", "</mm:think>", source="MiniMax-M3"),
    Markers("Here are my reasoning steps:\n", "[BEGIN FINAL RESPONSE]",
            tail=("[END FINAL RESPONSE]",), space=("", "\n", "\n"), source="Apriel"),
    Markers("<|open|>think<|sep|>", "<|close|>think<|sep|>", head=("<|open|>response<|sep|>",),
            tail=("<|close|>response<|sep|>",), source="Kimi-K3"),
    Markers("<|think|>", "<|end|>", head=("<|begin|>assistant<|content|>", "<|content|>"),
            source="Solar Open"),
    Markers("<|inner_prefix|>", "<|inner_suffix|>", source="Apertus"),
    Markers(" to=self<|message|>", "<|eom|>", head=("<|start|>assistant to=user<|message|>",
            " to=user<|message|>"), source="Muse Glimmer"),
    Markers("<think:opensource>", "</think:opensource>", source="Hunyuan Hy3"),
)  # fmt: skip
"""The known families; a model of another is told by `custom_markers`."""

SERVED: tuple[Markers, ...] = (
    THINK, *(m for m in MARKERS if m.close != THINK.close and not m.open[0].isalpha()),
)  # fmt: skip
"""Those by which a model is read whose chat template nobody here has seen: no answer begins so."""

TURN_ENDS = ("<|end|>", "<|eom|>")  # of gpt-oss and others: they end thoughts, and any turn


@dataclass(frozen=True, slots=True)
class Switch:
    """One way to tell a chat template whether to think.

    Attributes:
        name: The template's variable; empty where it reads `on` and `off` in the system message.
        on: Its value for a thought.
        off: Its value for none.
        source: Which models.
    """

    name: str
    on: Any
    off: Any
    source: str = ""

    def value(self, thinking: str) -> Any:
        """Its value for ``on`` or ``off``."""
        return self.on if thinking == "on" else self.off

    def args(self, thinking: str) -> dict[str, Any]:
        """What the template is handed; nothing for ``auto``."""
        return {self.name: self.value(thinking)} if self.name and thinking != "auto" else {}

    def said(self, thinking: str) -> str:
        """What the system message says besides its own text; empty for a variable."""
        return "" if self.name or thinking == "auto" else str(self.value(thinking))

    def __str__(self) -> str:
        return self.name or str(self.off)


SWITCHES: tuple[Switch, ...] = (
    Switch("enable_thinking", True, False, "Qwen3, GLM, Nemotron-3, Gemma 4, SmolLM3, Hy3 ..."),
    Switch("thinking", True, False, "DeepSeek-V3.1 and on, Kimi-K3, Granite 3"),
    Switch("thinking_mode", "enabled", "disabled", "MiniMax-M3"),
    Switch("thinking_budget", -1, 0, "Seed-OSS"),
    Switch("reasoning", True, False, "Command A"),
    Switch("open_thinking", True, False, "MiniMind"),
    Switch("reasoning_effort", "high", "no_think", "Hunyuan Hy3"),
    Switch("reasoning_effort", "high", "none", "Command A"),
    Switch("reasoning_effort", "high", "minimal", "Solar Open"),
    Switch("", "/think", "/no_think", "Nemotron-Nano-v2"),
)
"""In the order in which they are tried; the first that changes the prompt is a template's own."""


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
    """Markers by the end of a family's thoughts, which need not be in the table.

    Args:
        end: ``</think>`` or another; of known families that share it the plainest is taken.
    """
    known = sorted((m for m in MARKERS if m.close == end), key=lambda m: bool(m.head))
    return known[0] if known else Markers("", end, source="think_end_token")


def find_markers(template: str) -> tuple[Markers, ...]:
    """The families whose markers a chat template has, the template's main one first.

    Args:
        template: Its source, and what it renders: some build their markers from parts.
    """
    found: dict[tuple[str, str], Markers] = {}
    for family in MARKERS:
        pair = (family.open, family.close)
        framed = pair != (THINK.open, THINK.close) or all(
            mark in template for mark in (*family.head, *family.tail)
        )
        # Without an end in it, that is left to the model; with just an end, it drops earlier thoughts.
        begins = family.open.strip() in template if family.open else False
        ends = family.close in template and family.close not in TURN_ENDS
        if framed and (begins or ends):
            found.setdefault(pair, family)
    return tuple(sorted(found.values(), key=lambda m: -template.count(m.close)))


def is_open(prompt: str, markers: Iterable[Markers]) -> Markers | None:
    """The family whose thought a prompt leaves open at its end; None if it opens none."""
    for family in markers:
        opened = prompt.rfind(family.open) if family.open else -1
        if opened >= 0 and family.close not in prompt[opened:]:
            return family
    return None


def is_closed(prompt: str, markers: Iterable[Markers]) -> Markers | None:
    """The family whose thought a prompt has behind it, empty at its end; None if it has none."""
    for family in markers:
        opened = prompt.rfind(family.open) if family.open else -1
        inside, closed, _ = prompt[opened + len(family.open) :].partition(family.close)
        if opened >= 0 and closed and not inside.strip():
            return family
        if prompt.rstrip().endswith((family.close, *family.head)):
            return family
    return None


def split(text: str, markers: Sequence[Markers]) -> Split:
    """Takes the thought off a response.

    A thought stands at the response's beginning, behind its opening marker, and ends at the closing
    one of its own (see `nesting`): a response that quotes a marker loses nothing. Several in a row
    are one. Where the prompt opened the thought, the marker goes before the text first (see
    `unopened` for a prompt that nobody here has seen). Where a family has no opening marker of its
    own, a response without an end is a thought that was cut off.

    Args:
        text: As the model wrote it, special tokens of `markers` included.
        markers: The families to look for; none for a model that does not think.
    """
    begun = text.lstrip()
    for family in markers:
        if family.open and begun.startswith(family.open.strip()):
            return _opened(begun, family)
        if not family.open and family.close in text:
            thought, _, answer = text.partition(family.close)
            return Split(thought.strip(), _trim(answer, family))
    if any(not family.open for family in markers):
        return Split(text.strip(), "", cut=True)
    framed = next(
        (f for f in markers if any(begun.startswith(head.lstrip()) for head in f.head)), None
    )
    return Split("", _trim(begun, framed) if framed else text)


def _opened(text: str, family: Markers) -> Split:
    """Takes all thoughts off a text that begins with one."""
    begins = (family.open.strip(), *(start + family.open for start in _starts(family)))
    thoughts: list[str] = []
    while mark := next((m for m in begins if text.startswith(m)), ""):
        body = text[len(mark) :]
        end = end_of(body, family.open, family.close)
        thoughts.append((body if end < 0 else body[:end]).strip())
        if end < 0:
            return Split("\n\n".join(filter(None, thoughts)), "", cut=True)
        text = body[end + len(family.close) :].lstrip()
    return Split("\n\n".join(filter(None, thoughts)), _trim(text, family))


def _starts(family: Markers) -> set[str]:
    """What begins a message of a family that thinks in messages (harmony)."""
    heads = family.head
    return {a.removesuffix(b) for a in heads for b in heads if a != b and a.endswith(b)}


def unopened(text: str, markers: Iterable[Markers], *, sure: bool = False) -> Markers | None:
    """The family whose thought a text ends without having begun it; None if it ends none.

    Args:
        text: A response to a prompt that nobody here has seen, and that may have opened a thought.
        markers: The families to look for.
        sure: Whether a thought was asked for; else only an end at the edge of a line counts that
            no beginning goes with, since any other is a quotation.
    """
    for family in markers:
        if not family.open or text.lstrip().startswith(family.open.strip()):
            continue
        end = text.find(family.close) if sure else end_of(text, family.open, family.close)
        if end >= 0 and (sure or at_edge(text, end, end + len(family.close))):
            return family
    return None


def _trim(answer: str, family: Markers) -> str:
    """An answer without what frames it, and without the white space behind the thought."""
    answer = answer.lstrip()
    for head in family.head:
        if answer.startswith(head.lstrip()):
            answer = answer[len(head.lstrip()) :].lstrip()
            break
    for tail in family.tail:
        answer = answer.removesuffix(tail)
    return answer
