"""Which option an answer means: by its key or letter, its text, or its place from 0 or from 1.

An answer that can be meant in several ways is decided by the whole file: a way in which another row
of the same column makes no sense is none. Keys that count from 1 are the places from 1, so they go
before a count from 0 that nothing shows; any other file that fits two ways is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ptst_tasks.shapes.option_forms import Offered
from ptst_tasks.shapes.row_cells import RowFaultError, missing, text

__all__ = ["Said", "decide", "ways_of"]

Said = list[tuple[str, Any]]
"""(column, answer) of one row; the first decides, and the others must mean the same."""
_Ways = Mapping[str, frozenset[str]]
_ALL = frozenset({"named", "text", "0", "1"})
_BY_KEY = frozenset({"answer_idx", "answer_index", "answerkey", "answer_key", "correct_option", "cop",
                     "label"})  # fmt: skip
"""Columns that name an option: a letter there is no text."""


def ways_of(rows: Sequence[tuple[Offered, Said]]) -> dict[str, frozenset[str]]:
    """How the answers of each column may be meant, by all rows of a file."""
    ways: dict[str, frozenset[str]] = {}
    meant = [
        (said, {name: _meanings(options, name, a) for name, a in said}) for options, said in rows
    ]
    for _, by_column in meant:
        for name, found in by_column.items():
            if found:  # else reading the row says what is wrong
                ways[name] = ways.get(name, _ALL) & found.keys()
    for _, by_column in meant:  # what stands beside an answer tells how that is meant
        for name, found in by_column.items():
            sure = [
                _places(other, ways[n]) for n, other in by_column.items() if n != name and other
            ]
            for places in sure:
                if len(places) == 1 and (fits := _fitting(found, places) & ways.get(name, _ALL)):
                    ways[name] = fits
    return ways


def decide(options: Offered, said: Said, ways: _Ways) -> int:
    """The place of a row's answer.

    Raises:
        RowFaultError: If it names none, or may name several, or what stands beside it another.
    """
    name, answer = said[0]
    at = _place(options, name, answer, ways.get(name, _ALL))
    for beside, value in said[1:]:
        found = _meanings(options, beside, value)
        meant = _places(found, ways.get(beside, _ALL)) or set(found.values())
        if at not in {*meant, *options.by_text(value)}:
            raise RowFaultError(
                f"has the answer {_shown(answer)} in {name!r}, and {text(value, beside)[:60]!r} in "
                f"{beside!r} is not that option"
            )
    return at


def _number(answer: Any) -> int | None:
    """An answer that is a whole number, however it is written."""
    if isinstance(answer, bool) or missing(answer):
        return None
    if isinstance(answer, float):
        return int(answer) if answer.is_integer() else None
    said = str(answer).strip() if isinstance(answer, int | str) else ""
    return int(said) if re.fullmatch(r"-?\d{1,4}", said, re.ASCII) else None


def _meanings(options: Offered, column: str, answer: Any) -> dict[str, int]:
    """Way -> the place that an answer means in it; -1 where several options fit."""
    number = _number(answer)
    named = options.by_key(answer)
    same = options.by_text(answer)
    found: dict[str, int] = {}
    if number is None:
        named = named or options.by_letter(answer)
        if named and column in _BY_KEY:
            same = []
    else:
        named, same = named or options.by_key(number), same or options.by_text(number)
        found = {w: at for w, at in (("0", number), ("1", number - 1)) if options.is_there(at)}
    for way, places in (("named", named), ("text", same)):
        if places:
            found[way] = places[0] if len(places) == 1 else -1
    return found


def _places(found: Mapping[str, int], ways: frozenset[str]) -> set[int]:
    """Where an answer can be, in the ways that the file leaves."""
    fits = {way: at for way, at in found.items() if way in ways}
    if "1" in fits and fits.get("named") == fits["1"]:
        fits.pop("0", None)  # keys that count from 1
    return set(fits.values())


def _fitting(found: Mapping[str, int], places: set[int]) -> frozenset[str]:
    return frozenset(way for way, at in found.items() if at in places)


def _place(options: Offered, name: str, answer: Any, ways: frozenset[str]) -> int:
    found = _meanings(options, name, answer)
    places = _places(found, ways)
    if not places and found and _number(answer) is None and len(set(found.values())) == 1:
        places = set(found.values())  # a letter is a letter, and a text a text, in any file
    seen = f"has the answer {_shown(answer)} in {name!r}"
    if not found:
        raise RowFaultError(f"has the answer {_shown(answer)}, expected one of {options.told()}")
    if places == {-1}:
        raise RowFaultError(f"{seen}, which several options are")
    if len(places) == 1:
        return _kept(options, places.pop(), answer)
    change = f"write letters in the column {name!r}"
    if not places:
        raise RowFaultError(
            f"{seen}, and the rows together can be counted neither from 0 nor from 1, nor are all "
            f"answers keys of options, or all of them texts; {change}"
        )
    if _number(answer) is None:
        raise RowFaultError(
            f"{seen}, the letter of one option and the text of another, and no row tells which; put "
            "letters into a column 'answer_idx'"
        )
    told = _told(way for way in found if way in ways)
    raise RowFaultError(f"{seen}, and the file fits both ways, options {told}; {change}")


def _told(ways: Iterable[str]) -> str:
    fits = {*ways}
    named = [
        f"named by their {what}"
        for way, what in (("named", "keys"), ("text", "text"))
        if way in fits
    ]
    counted = [f"from {way}" for way in "01" if way in fits]
    return " or ".join([*named, *(["counted " + ", ".join(counted)] if counted else [])])


def _kept(options: Offered, at: int, answer: Any) -> int:
    if not options.texts[at]:
        raise RowFaultError(
            f"has the answer {_shown(answer)}, and that option is empty; expected one of {options.told()}"
        )
    return at


def _shown(answer: Any) -> str:
    return repr(text(answer)[:60]) if isinstance(answer, str) else text(answer)
