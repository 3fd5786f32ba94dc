"""The first token: who writes BOS, and what its being text does to the word behind it.

A string without BOS text gets BOS from the tokenizer, one with it is tokenised as it stands; the
harness decides that for a whole batch by its first string. With most tokenizers both ways give the
same ids, and then no string carries BOS text. Some SentencePiece tokenizers write ``▁[`` for the
first word of a string and ``[`` behind BOS text, which is what ``apply_chat_template`` gives: with
those every string carries BOS text, a chat template's as the template wrote it, and any other with
a space behind, by which its ids stay what they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["UNCARRIED", "UNWRITTEN", "Bos", "encode_prompts", "find_bos"]

UNWRITTEN = "the tokenizer puts a BOS first that the chat template does not write"
UNCARRIED = "the first word's token is not the one that apply_chat_template(tokenize=True) gives"
_PROBES = ("a", "[INST] a", "Question: a", "<|user|>\na")
_SPACES = (" ", "\u2581")  # a text that begins with one is given no second


@dataclass(frozen=True, slots=True)
class Bos:
    """What a tokenizer does before a plain string.

    Attributes:
        text: What it puts there by itself, nearly always BOS ("" for nothing).
        gap: What stands between BOS text and a plain string, so that its ids stay what they are.
        alters: Whether a string's first word has other ids directly behind BOS text.
        lost: Whether it has, and no `gap` is known.
    """

    text: str = ""
    gap: str = ""
    alters: bool = False
    lost: bool = False

    def before(self, text: str) -> str:
        """A plain string with BOS text, of the same ids as without."""
        gap = "" if text.startswith(_SPACES) else self.gap
        return f"{self.text}{gap}{text}" if self.text else text

    def notes(self, rendered: str) -> tuple[str, ...]:
        """How a chat template's prompt differs from its own ids, which a reader must know."""
        if not self.text:
            return ()
        if not rendered.startswith(self.text):
            return (UNWRITTEN,)
        return (UNCARRIED,) if self.lost else ()


def find_bos(tokenizer: Any) -> Bos:
    """Tries what a tokenizer puts before a plain string by itself."""
    whole, plain = _ids(tokenizer, "a", special=True), _ids(tokenizer, "a")
    starts = (i for i in range(len(whole)) if whole[i : i + len(plain)] == plain)
    added = whole[: next(starts, 0)]
    if not added or not set(added) <= set(tokenizer.all_special_ids):
        return Bos()
    text = "".join(tokenizer.convert_ids_to_tokens(added))
    want = [_ids(tokenizer, probe) for probe in _PROBES]
    for gap in ("", " "):
        if [_ids(tokenizer, f"{text}{gap}{probe}") for probe in _PROBES] == [
            [*added, *ids] for ids in want
        ]:
            # What carries BOS text is known by it, to us and to the harness.
            carried = bool(gap) and text == tokenizer.bos_token
            return Bos(text, gap, alters=carried, lost=bool(gap) and not carried)
    return Bos(text, lost=True)


def encode_prompts(tokenizer: Any, prompts: Sequence[str]) -> list[list[int]]:
    """Tokenises prompts as lm-eval's HF model does: BOS comes once, by text or by itself."""
    ids: list[list[int]] = [[] for _ in prompts]
    written = [bool(tokenizer.bos_token) and p.startswith(tokenizer.bos_token) for p in prompts]
    for has_bos in (True, False):
        where = [i for i, w in enumerate(written) if w == has_bos]
        if where:
            texts = [prompts[i] for i in where]
            found = tokenizer(texts, add_special_tokens=not has_bos)["input_ids"]
            for i, row in zip(where, found, strict=True):
                ids[i] = list(row)
    return ids


def _ids(tokenizer: Any, text: str, *, special: bool = False) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=special))
