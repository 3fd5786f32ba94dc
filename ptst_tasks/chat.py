"""Chat formats: from a template's messages to the one string that reaches the model.

``auto`` uses the tokenizer's own chat template and checks what came out: a system text that the
template rejects, or drops without a word, is folded into the first user message, and a message
that cannot be found in the result is an error. ``llama2`` and ``mistral`` are the paper's literal
strings (Table 9; for Mistral the system text stands before the user message, without <<SYS>>).

BOS: all strings of a run carry BOS text or none does (see `bos`), for the harness decides about BOS
for a whole batch from its first string: this lets prompts of several templates share a batch.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ptst_tasks.bos import Bos, find_bos
from ptst_tasks.errors import ChatFormatError, check_choice, said
from ptst_tasks.templates import Message, PromptTemplate
from ptst_tasks.thinking import THINKING, Markers, find_markers

__all__ = ["CHAT_FORMATS", "FOLDED", "Rendered", "Renderer", "ask_tokenizer"]

CHAT_FORMATS = ("auto", "llama2", "mistral")
FOLDED = "system prompt folded into the first user message"
PINNED = datetime.date(2024, 7, 26)
_DAY_FORMATS = ("%d %b %Y", "%d %B %Y", "%Y-%m-%d", "%B %d, %Y", "%b %d, %Y", "%A", "%d/%m/%Y")
_ANSWER = "ptstanswer"

# Templates that print today's date would give another prompt every day. These names shadow
# what transformers offers to them (`strftime_now`) and what they read (`date_string`).
_PINNED_ARGS: dict[str, Any] = {
    "strftime_now": PINNED.strftime,
    "date_string": PINNED.strftime("%d %b %Y"),
}


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
        apply: (messages, add_generation_prompt) -> text, the tokenizer's chat template; None
            where there is none. An endpoint's ``apply`` returns its messages unchanged.
        bos: What the tokenizer puts before a string by itself.
        keep_bos: True where the engine suppresses that BOS, so the string must carry it.
        eos: The end-of-sequence text, the end of turn of text templates.
        missing: What to say when a chat template is needed and there is none.
        thinking: ``auto``, ``on`` or ``off``.
        markers: The families of thoughts that the model may write; empty for one that does not
            think.
    """

    fmt: str = "auto"
    apply: Callable[[list[Message], bool], Any] | None = None
    bos: Bos = field(default_factory=Bos)
    keep_bos: bool = False
    eos: str = ""
    missing: str = ""
    thinking: str = "auto"
    markers: tuple[Markers, ...] = ()
    _ends: dict[str, tuple[str, str]] = field(default_factory=dict)

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
        """Builds a renderer for a transformers tokenizer; `args` go to its chat template."""
        has_template = bool(getattr(tokenizer, "chat_template", None))
        return cls(
            fmt=fmt,
            apply=ask_tokenizer(tokenizer, args or {}) if has_template else None,
            bos=find_bos(tokenizer),
            eos=tokenizer.eos_token or "",
            missing=f"the tokenizer {tokenizer.name_or_path!r} has no chat template",
            thinking=thinking,
            markers=find_markers(_source(tokenizer)),
        )

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
            history: Earlier turns, question and answer; each question is filled in as `query` is.
            training: Also find `lead` and `end`, which costs one more rendering per message shape.

        Raises:
            ChatFormatError: If a chat template is needed and missing, or loses a message.
        """
        if not template.is_chat:
            return Rendered(
                self._with_bos(template.text(query, system_prompt)), template.lead, self.eos
            )
        messages = template.messages(query, system_prompt)
        if self.fmt != "auto":
            literal = _literal(messages, template.close, self.fmt)
            return Rendered(self._with_bos(literal), " ", self.eos or "</s>")
        text, messages, notes = self._auto(messages, template.name)
        if not isinstance(text, str):
            return Rendered(text, notes=notes)
        lead, end = self._answer(template, messages, text) if training else ("", "")
        return Rendered(self._strip_bos(text), lead, end, notes + self.bos.notes(text))

    def describe(self) -> dict[str, Any]:
        """Says what the chat template does on its own, for a manifest.

        Returns:
            ``system_role``: whether it takes a system message; ``default_system``: the text it
            adds when there is none; ``dated``: whether it prints the day (pinned here).
        """
        asked = [{"role": "user", "content": "ptstquestion"}]
        text, _ = self._try([{"role": "system", "content": "ptstsystem"}, *asked])
        bare = str(self._try(asked)[0])
        before, takes_system, after = str(text).partition("ptstsystem")
        adds = takes_system and bare.startswith(before) and bare.endswith(after)
        return {
            "system_role": bool(takes_system),
            "default_system": bare[len(before) : len(bare) - len(after)] if adds else "",
            "dated": any(PINNED.strftime(day) in bare for day in _DAY_FORMATS),
        }

    def _carries_bos(self) -> bool:
        return self.keep_bos or (self.bos.alters and self.fmt == "auto" and self.apply is not None)

    def _with_bos(self, text: str) -> str:
        return self.bos.before(text) if self._carries_bos() else text

    def _strip_bos(self, text: str) -> str:
        if not self._carries_bos():
            return text.removeprefix(self.bos.text)
        return text if text.startswith(self.bos.text) else self.bos.before(text)

    def _auto(
        self, messages: list[Message], name: str
    ) -> tuple[Any, list[Message], tuple[str, ...]]:
        text, fault = self._try(messages)
        notes: tuple[str, ...] = ()
        if messages[0]["role"] == "system" and (text is None or not _holds(text, messages, 0)):
            messages = _fold(messages)
            text, fault = self._try(messages)
            notes = (FOLDED,)
        if text is None:
            raise ChatFormatError(f"the chat template fails on {name!r}: {fault}")
        for i, message in enumerate(messages):
            if not _holds(text, messages, i):
                raise ChatFormatError(
                    f"the chat template loses the {message['role']} message of {name!r} "
                    f"({message['content'][:60]!r}); use chat_format llama2 or mistral, or a text template"
                )
        return text, messages, notes

    def _try(self, messages: list[Message], *, ask: bool = True) -> tuple[Any, str]:
        import jinja2

        if self.apply is None:
            raise ChatFormatError(
                f"{self.missing or 'there is no chat template'}, and chat:* templates need one: pass "
                "--apply_chat_template with a chat model, set chat_format to llama2 or mistral in "
                "--metadata, or choose text:* templates"
            )
        try:
            return self.apply(messages, ask), ""
        except (  # templates raise the first two to reject a role, the rest of themselves
            jinja2.TemplateError, TypeError, ValueError, LookupError, ArithmeticError, RecursionError
        ) as e:  # fmt: skip
            return None, said(e) if isinstance(e, LookupError) else " ".join(str(e).split())

    def _answer(
        self, template: PromptTemplate, messages: list[Message], prompt: str
    ) -> tuple[str, str]:
        """Finds what the chat template writes before and after an answer; the same for all queries."""
        key = f"{template.name}/{template.style}/{len(messages)}"
        if key not in self._ends:
            answered = [*messages, {"role": "assistant", "content": _ANSWER}]
            full, fault = self._try(answered, ask=False)
            if full is None:
                raise ChatFormatError(
                    f"the chat template fails on an answer to {template.name!r}: {fault}"
                )
            before, found, after = str(full).rpartition(_ANSWER)
            if not found:
                raise ChatFormatError(
                    f"the chat template loses the assistant message of {template.name!r}"
                )
            lead = before[len(prompt) :] if before.startswith(prompt) else ""
            self._ends[key] = lead, after.rstrip() or self.eos
        return self._ends[key]


def ask_tokenizer(tokenizer: Any, args: Mapping[str, Any]) -> Callable[[list[Message], bool], str]:
    """Wraps a tokenizer's chat template; dates are pinned to 26 July 2024."""

    def apply(messages: list[Message], add_generation_prompt: bool) -> str:
        return str(
            tokenizer.apply_chat_template(
                messages,
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
                **{**_PINNED_ARGS, **args},
            )
        )

    return apply


def _source(tokenizer: Any) -> str:
    """A tokenizer's chat templates as text; some have several by name."""
    found = getattr(tokenizer, "chat_template", None) or ""
    return found if isinstance(found, str) else "\n".join(map(str, found.values()))


def _holds(text: Any, messages: list[Message], i: int) -> bool:
    """Whether message `i` is in `text`, beyond what the other messages would explain."""
    if not isinstance(text, str):  # an endpoint's messages, passed on as they are
        return True
    wanted = _flat(messages[i]["content"])
    elsewhere = sum(_flat(m["content"]).count(wanted) for k, m in enumerate(messages) if k != i)
    return not wanted or _flat(text).count(wanted) > elsewhere


def _flat(text: str) -> str:
    return " ".join(text.split())  # many templates strip or fold white space


def _fold(messages: list[Message]) -> list[Message]:
    system, first, *rest = messages
    content = (
        f"{system['content']}\n\n{first['content']}" if system["content"] else first["content"]
    )
    return [{"role": first["role"], "content": content}, *rest]


def _literal(messages: list[Message], close: str, fmt: str) -> str:
    """Writes Table 9's literal strings; `close` follows the last user message."""
    system = messages[0]["content"] if messages[0]["role"] == "system" else ""
    head = f"<<SYS>>\n{system}\n<</SYS>>\n\n" if fmt == "llama2" else f"{system}\n\n"
    out = head if system else ""
    turns = [m for m in messages if m["role"] != "system"]
    for asked, answered in zip(turns[:-1:2], turns[1::2], strict=True):
        out += f"{asked['content']} [/INST] {answered['content']}</s> <s>[INST] "
    return f"[INST] {out}{turns[-1]['content']}{close}"
