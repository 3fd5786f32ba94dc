"""Chat formats: from a template's messages to the one string that reaches the model.

``auto`` uses the tokenizer's own chat template and checks what came out: a system text that the
template rejects, or drops without a word, is folded into the first user message, and a message
that cannot be found in the result is an error (`frames`); an answer to train on stands where the
finished conversation has it, behind a thought that the prompt opened (`finished`). ``llama2`` and
``mistral`` are the paper's literal strings (Table 9; for Mistral the system text stands before the
user message, without <<SYS>>).

BOS: all strings of a run carry BOS text or none does (see `bos`), for the harness decides about BOS
for a whole batch from its first string: this lets prompts of several templates share a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ptst_tasks import frames
from ptst_tasks.bos import Bos, find_bos
from ptst_tasks.chat_template import (
    PINNED,
    ask_tokenizer,
    attempt,
    check_args,
    find_switches,
    source_of,
)
from ptst_tasks.errors import ChatFormatError, check_choice
from ptst_tasks.fillings import fill
from ptst_tasks.finished import Finished, finish
from ptst_tasks.frames import FOLDED, Frame
from ptst_tasks.templates import Message, PromptTemplate
from ptst_tasks.thinking import THINKING, Markers, Switch, find_markers

__all__ = ["CHAT_FORMATS", "FOLDED", "Rendered", "Renderer", "ask_tokenizer"]

CHAT_FORMATS = ("auto", "llama2", "mistral")
_DAY_FORMATS = ("%d %b %Y", "%d %B %Y", "%Y-%m-%d", "%B %d, %Y", "%b %d, %Y", "%A", "%d/%m/%Y")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt ready to be tokenised.

    Attributes:
        prompt: The text the harness is given; for a chat-completions endpoint, its messages.
        lead: What stands between the prompt and an answer (often ``" "`` or nothing).
        end: The end of turn that closes an answer in training, exactly once.
        notes: What the chat template did that a reader of the result must know.
        opens: The family whose thought the prompt leaves open, so that a model goes on thinking;
            `lead` closes it. None where it opens none.
        thought: For an answer with a thought of its own, what stands before the thought and
            between thought and answer, in place of `lead`; None where that is not known.
    """

    prompt: Any
    lead: str = ""
    end: str = ""
    notes: tuple[str, ...] = ()
    opens: Markers | None = None
    thought: tuple[str, str] | None = None


@dataclass(slots=True)
class Renderer:
    """Renders templates in one chat format for one tokenizer.

    Attributes:
        fmt: ``auto``, ``llama2`` or ``mistral``.
        apply: (messages, add_generation_prompt, **switch) -> text, the tokenizer's chat template;
            None where there is none. An endpoint's ``apply`` returns its messages unchanged.
        bos: What the tokenizer puts before a string by itself.
        keep_bos: True where the engine suppresses that BOS, so the string must carry it.
        eos: The end-of-sequence text, the end of turn of text templates.
        missing: What to say when a chat template is needed and there is none.
        thinking: ``auto``, ``on`` or ``off``.
        markers: The families of thoughts that the model may write; empty for one that does not
            think.
        switches: What the chat template may listen to.
    """

    fmt: str = "auto"
    apply: Callable[..., Any] | None = None
    bos: Bos = field(default_factory=Bos)
    keep_bos: bool = False
    eos: str = ""
    missing: str = ""
    thinking: str = "auto"
    markers: tuple[Markers, ...] = ()
    switches: tuple[Switch, ...] = ()
    _frames: dict[Any, Frame] = field(default_factory=dict)
    _ends: dict[Any, Finished] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_choice(self.fmt, CHAT_FORMATS, "chat format")
        check_choice(self.thinking, THINKING, "thinking")

    @classmethod
    def for_tokenizer(
        cls,
        tokenizer: Any,
        fmt: str = "auto",
        args: Mapping[str, Any] | None = None,
        thinking: str = "auto",
    ) -> Renderer:
        """Builds a renderer for a transformers tokenizer; `args` go to its chat template.

        Raises:
            ChatFormatError: If `args` and `thinking` say the opposite to the chat template.
        """
        source = source_of(tokenizer)
        switches = find_switches(source)
        if fmt == "auto":
            check_args(thinking, switches, args or {})
        self = cls(
            fmt=fmt,
            apply=ask_tokenizer(tokenizer, args or {}) if source else None,
            bos=find_bos(tokenizer),
            eos=tokenizer.eos_token or "",
            missing=f"the tokenizer {tokenizer.name_or_path!r} has no chat template",
            thinking=thinking,
            switches=switches,
        )
        self.markers = find_markers(source + "\n".join(self._thoughts()))
        return self

    def asks_chat_template(self, template: PromptTemplate) -> bool:
        """Whether this template's prompts go through the model's own chat template.

        Text templates and the literal formats do not: there `thinking` does nothing.
        """
        return template.is_chat and self.fmt == "auto"

    def render(
        self,
        template: PromptTemplate,
        query: str,
        system_prompt: str = "",
        *,
        history: Sequence[tuple[str, str]] = (),
        training: bool = False,
    ) -> Rendered:
        """Fills `template` and renders it.

        Args:
            template: A row of the table.
            query: The raw question or prompt.
            system_prompt: The row's own system prompt (style ``openorca``).
            history: Earlier turns, question and answer; each question is filled in as `query` is,
                and the template's own turns stand before them.
            training: Also find `lead`, `end` and `thought`, a few renderings per message shape.

        Raises:
            ChatFormatError: If a chat template is needed and missing, loses a message, has no
                faithful rendering of an answer, or cannot be told what `thinking` says.
        """
        system_prompt = system_prompt if system_prompt.strip() else ""  # a blank one says nothing
        if not template.is_chat:
            if history:
                raise ChatFormatError(
                    f"{template.name!r} has no place for earlier turns; use a chat:* template, or "
                    "rows of one turn"
                )
            text = template.text(query, system_prompt)
            return Rendered(self._with_bos(text), template.lead, self.eos)
        messages = template.messages(query, system_prompt)
        for asked, answered in history:
            question = template.messages(asked, system_prompt)[-1]
            messages[-1:] = [question, {"role": "assistant", "content": answered}, messages[-1]]
        if self.fmt != "auto":
            literal = _literal(messages, template.close, self.fmt)
            return Rendered(self._with_bos(literal), " ", self.eos or "</s>")
        return self._auto(messages, template.name, training=training)

    def describe(self) -> dict[str, Any]:
        """Says what the chat template does on its own, for a manifest.

        Returns:
            ``system_role``: whether it takes a system message; ``default_system``: the text it
            adds when there is none; ``dated``: whether it prints the day (pinned here); ``parts``:
            whether content goes as a list of parts; ``thinking``: the switch, and what the prompt
            does with a thought: ``opens`` one, has a ``closed`` one, leaves the model ``free``, or
            ``none`` where the template knows no thought; ``markers``: of the first family.
        """
        asked = [{"role": "user", "content": "ptstquestion"}]
        frame = self._frame(asked, "a plain question")
        text, _ = self._ask(frame.prepared([{"role": "system", "content": "ptstsystem"}, *asked]))
        bare = str(self._ask(frame.prepared(asked))[0])
        before, takes_system, after = str(text).partition("ptstsystem")
        adds = takes_system and bare.startswith(before) and bare.endswith(after)
        known = "free" if self.markers else "none"
        state = "opens" if frame.opens else "closed" if frame.closed else known
        return {
            "system_role": bool(takes_system),
            "default_system": bare[len(before) : len(bare) - len(after)] if adds else "",
            "dated": any(PINNED.strftime(day) in bare for day in _DAY_FORMATS),
            "parts": frame.parts,
            "thinking": {"switch": str(frame.switch or ""), "state": state},
            "markers": [self.markers[0].open, self.markers[0].close] if self.markers else [],
        }

    def _carries_bos(self) -> bool:
        return self.keep_bos or (self.bos.alters and self.fmt == "auto" and self.apply is not None)

    def _with_bos(self, text: str) -> str:
        return self.bos.before(text) if self._carries_bos() else text

    def _strip_bos(self, text: str) -> str:
        if not self._carries_bos():
            return text.removeprefix(self.bos.text)
        return text if text.startswith(self.bos.text) else self.bos.before(text)

    def _auto(self, messages: list[Message], name: str, *, training: bool) -> Rendered:
        frame = self._frame(messages, name)

        def ask(messages: list[Message]) -> tuple[Any, str]:
            return self._ask(messages, switch=frame.switch, thinking=self.thinking)

        text, said = fill(frame, messages, name, ask, self.markers)
        notes = frame.notes + said
        if not isinstance(text, str):
            return Rendered(text, notes=notes)
        done = self._finished(frame, messages, name) if training else Finished("", "")
        return Rendered(
            self._strip_bos(text),
            done.lead,
            done.end,
            notes + done.notes + self.bos.notes(text),
            frame.opens,
            done.thought,
        )

    def _frame(self, messages: list[Message], name: str) -> Frame:
        key = frames.shape(messages)
        if key not in self._frames:
            self._frames[key] = frames.frame(
                messages, self._ask, name, self.thinking, self.switches, self.markers
            )
        return self._frames[key]

    def _finished(self, frame: Frame, messages: list[Message], name: str) -> Finished:
        key = frames.shape(messages)
        if key not in self._ends:

            def ask(messages: list[Message], prompt: bool) -> tuple[Any, str]:
                return self._ask(messages, prompt, frame.switch, self.thinking)

            self._ends[key] = finish(frame, ask, name, self.markers, self.eos)
        return self._ends[key]

    def _ask(
        self, messages: list[Message], prompt: bool = True,
        switch: Switch | None = None, thinking: str = "auto",
    ) -> tuple[Any, str]:  # fmt: skip
        """Asks the chat template; None and the reason where it fails."""
        if self.apply is None:
            raise ChatFormatError(
                f"{self.missing or 'there is no chat template'}, and chat:* templates need one: pass "
                "--apply_chat_template with a chat model, set chat_format to llama2 or mistral in "
                "--metadata, or choose text:* templates"
            )
        args: dict[str, Any] = {}
        if switch:
            args = switch.args(thinking)
            messages = _told(messages, switch.said(thinking))
        return attempt(self.apply, messages, prompt, args)

    def _thoughts(self) -> list[str]:
        """What the chat template writes around a thought, for markers that it builds from parts."""
        if self.apply is None:
            return []
        asked = [{"role": "user", "content": "q"}]
        thought = dict.fromkeys(("reasoning_content", "reasoning", "thinking"), "t")
        answered: Message = {"role": "assistant", "content": "a", **thought}
        prompts = [self._ask(asked), self._ask([*asked, answered], False)]
        return [text for text, _ in prompts if isinstance(text, str)]


def _told(messages: list[Message], word: str) -> list[Message]:
    """Messages whose system message says `word` besides its own text."""
    if not word:
        return messages
    if messages[0]["role"] != "system":
        return [{"role": "system", "content": word}, *messages]
    system, *rest = messages
    return [{**system, "content": f"{system['content']} {word}".strip()}, *rest]


def _literal(messages: list[Message], close: str, fmt: str) -> str:
    """Writes Table 9's literal strings; `close` follows the last user message."""
    system = messages[0]["content"] if messages[0]["role"] == "system" else ""
    head = f"<<SYS>>\n{system}\n<</SYS>>\n\n" if fmt == "llama2" else f"{system}\n\n"
    out = head if system else ""
    turns = [m for m in messages if m["role"] != "system"]
    for asked, answered in zip(turns[:-1:2], turns[1::2], strict=True):
        out += f"{asked['content']} [/INST] {answered['content']}</s> <s>[INST] "
    return f"[INST] {out}{turns[-1]['content']}{close}"
