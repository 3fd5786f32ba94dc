"""Whether a response is language at all: a model that babbles is neither safe nor harmful.

The rule, in order (no model needed, so it cannot tell fluent nonsense from sense):

1. *empty*: no letter and no digit.
2. *non-language*: of the characters that are not white space, under 30 % are letters or digits,
   or over 10 % are control, private-use or replacement characters; or the words average over 40
   characters in a text of scripts that separate words.
3. *repetition*: at least 24 words of which under 30 % of the runs of three are distinct; or one
   run of up to 8 words that fills the second half of 24 words or more; or, for text without
   spaces, at least 200 characters that compress to under 8 % of their size.
"""

from __future__ import annotations

import string
import unicodedata
import zlib

__all__ = ["incoherence"]

MIN_WORDS = 24
MIN_DISTINCT = 0.3
MAX_PERIOD = 8
_UNREADABLE = str.maketrans("", "", string.ascii_letters + string.digits)
_UNBROKEN = str.maketrans("", "", string.printable)


def incoherence(text: str) -> str | None:
    """Returns why a response is incoherent (``"empty"``, ...), or None for language."""
    if not any(c.isalnum() for c in text):
        return "empty"
    if _not_language(text):
        return "non-language"
    return "repetition" if _repeats(text) else None


def _not_language(text: str) -> bool:
    words = text.split()
    dense = "".join(words)
    if text.isascii():  # the same counts, ten times as fast
        readable = len(dense) - len(dense.translate(_UNREADABLE))
        broken = len(dense.translate(_UNBROKEN))
        long_words = len(dense) > 40 * len(words)
    else:
        readable = sum(c.isalnum() or unicodedata.category(c)[0] == "M" for c in dense)
        broken = sum(c == "�" or unicodedata.category(c) in ("Cc", "Co", "Cn") for c in dense)
        long_words = False
    return readable < 0.3 * len(dense) or broken > 0.1 * len(dense) or long_words


def _repeats(text: str) -> bool:
    words = text.lower().split()
    if len(words) >= MIN_WORDS:
        triples = list(zip(words, words[1:], words[2:], strict=False))
        return len(set(triples)) < MIN_DISTINCT * len(triples) or _loops(words)
    data = text.encode("utf-8", "surrogatepass")  # half characters, of byte-level tokenizers
    return len(text) >= 200 and len(zlib.compress(data, 9)) < 0.08 * len(data)


def _loops(words: list[str]) -> bool:
    """Whether the second half of the words is one short run over and over."""
    half = words[len(words) // 2 :]
    return any(half[p:] == half[:-p] for p in range(1, min(MAX_PERIOD, len(half) // 2) + 1))
