"""How answers to a user's own questions are scored: numbers as numbers, options by letter or text.

The published sets are scored by the paper's and lm-eval's expressions (`metrics`), which read 3.9 as
3 and know the letters of English alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from ptst_tasks.shapes.numeric import number
from ptst_tasks.shapes.option_forms import flat

__all__ = ["choice", "numeric"]

Doc = Mapping[str, Any]
_ANSWER = re.compile(r"(?is).*\bthe answer is\s*[:：]\s*([^\n]*)")
_LETTER = re.compile(r"[(\[]?([A-Za-z])[)\].:,]*")
_LETTER_FIRST = re.compile(r"[(\[]?([A-Za-z])(?:[)\].:,]+\s*|\s+(?=[(\[–—-]))(\S.*)")
_LETTERED = re.compile(r"(?s)[(\[]?([A-Z])[)\].:]+\s*(\S.*)")
_AROUND = " ([)].–—-"
_LISTED = re.compile(r"\s*[,;/&\n]\s*|(?:^|\s+)(?:and|or)\s+")
_EMPHASIS = re.compile(r"\*\*|__|(?<![\w`])`|`(?![\w`])")
_WRAPPED = ("**", "__", "*", "_", "`", '"', "'", "“”", "‘’", "«»", "$", "()", "[]", "{}")
_ENDS = re.compile(r"[\"'”’»*`)\]]*(?:$|[.,;:!?。](?=\s|$)|\s+(?=[(\[]))")
"""What may follow an option's text: no more of a word or a number."""


def numeric(doc: Doc, results: Sequence[str]) -> dict[str, float]:
    """Whether the number that was found in the response is the answer: 42 is 42.0 and 042."""
    return {"exact_match": float(_value(results[0]) == _value(doc["answer"]) is not None)}


def _value(said: str) -> Decimal | None:
    return number(said.rpartition("####")[2])


def choice(doc: Doc, results: Sequence[str]) -> dict[str, float]:
    """Whether what the response gives behind its last "The answer is:" is the right option.

    An option is given by its letter, its text or both, in any language; case is ignored where that
    leaves one. A letter alone is always the letter, also where another option's text is that letter.
    """
    found = _ANSWER.match(results[0])
    meant = _meant(found[1], doc) if found else None
    return {"exact_match": float(meant == doc["label"])}


def _meant(said: str, doc: Doc) -> int | None:
    """The option that is given; None if it is none, or another beside it."""
    texts = [flat(text) for text in doc["choices"]]
    for form in _forms(said):
        if (letter := _LETTER.fullmatch(form)) and letter[1].upper() in doc["labels"]:
            return int(doc["labels"].index(letter[1].upper()))
        for fold in (str, str.casefold):
            if (at := _one(flat(form), texts, fold)) is not None:
                return at
    for form in _forms(said):
        if (at := _with_more(form, texts, doc)) is not None:
            return at
    return None


def _forms(said: str) -> Iterator[str]:
    """What was said, the same without what people wrap an answer in, and without marks of emphasis."""
    yield from _unwrapped(said)
    if (bare := _EMPHASIS.sub("", said)) != said:
        yield from _unwrapped(bare)


def _unwrapped(said: str) -> Iterator[str]:
    said = said.strip()
    while said:
        yield said
        bare = said.rstrip(".") if len(said) > 1 else said
        for marks in _WRAPPED:
            left, right = (marks[0], marks[1]) if len({*marks}) > 1 else (marks, marks)
            if bare.startswith(left) and bare.endswith(right) and len(bare) > len(left + right):
                said = bare[len(left) : -len(right)].strip()
                break
        else:
            if not said.startswith(("**", "__")):  # "**The answer is:** B"
                return
            said = said[2:].strip()


def _one(said: str, texts: Sequence[str], fold: Callable[[str], str]) -> int | None:
    hits = [i for i, text in enumerate(texts) if fold(text) == fold(said)]
    return hits[0] if len(hits) == 1 else None


def _with_more(form: str, texts: Sequence[str], doc: Doc) -> int | None:
    """An option with words behind it: letter and text, or a reason."""
    if (first := _LETTER_FIRST.fullmatch(form)) and first[1].upper() in doc["labels"]:
        at = int(doc["labels"].index(first[1].upper()))
        return at if _other(first[2], at, texts, doc) is None else None
    said = flat(form).casefold()
    hits = [
        (len(text), i)
        for i, text in enumerate(texts)
        if said.startswith(text.casefold()) and _ENDS.match(said, len(text.casefold()))
    ]
    most = [i for length, i in hits if length == max(hits)[0]]
    if len(most) != 1:
        return None
    at = most[0]
    rest = said[len(texts[at].casefold()) :].lstrip(" .,;:!?")
    return at if _other(rest, at, texts, doc) is None else None


def _other(rest: str, at: int, texts: Sequence[str], doc: Doc) -> int | None:
    """Another option that is listed behind the first."""
    own = re.escape(texts[at])
    rest = re.sub(rf"(?i)^[\s(\[–—-]*{own}(?![\w-])[\s)\],.;]*", "", rest) if own else rest
    named = _option(rest.strip(_AROUND), texts, doc)  # whole: a text may hold a comma
    for part in _LISTED.split(rest) if named is None else ():
        if part := part.strip(_AROUND):
            named = _option(part, texts, doc)
            if named != at:  # another one, or what is no list: a reason
                break
    return named if named != at else None


def _option(part: str, texts: Sequence[str], doc: Doc) -> int | None:
    """The option that a part of a list is: its letter, its letter and text, or its text."""
    if (letter := _LETTER.fullmatch(part)) and letter[1].upper() in doc["labels"]:
        return int(doc["labels"].index(letter[1].upper()))
    if (letter := _LETTERED.fullmatch(part)) and letter[1] in doc["labels"]:
        at = int(doc["labels"].index(letter[1]))
        if flat(letter[2]).casefold().startswith(texts[at].casefold()):  # and no "E. coli"
            return at
    return _one(flat(part), texts, str.casefold)
