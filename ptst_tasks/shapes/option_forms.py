"""The options of a question, in the forms that people's files have: columns, a list, key and value."""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ptst_tasks.shapes.row_cells import Fields, RowFaultError, parsed, text

__all__ = ["LISTS", "Offered", "flat", "has_options", "read_options"]

LISTS = ("choices", "options", "endings", "candidates")
_COLUMN = re.compile(r"(option|choice|ending|opt|op|sol|)[_ -]?([a-j]|\d{1,2})")
_LETTER = re.compile(r"\(?([A-Za-z])[).:]?")
_LETTER_AND_TEXT = re.compile(r"(?s)\(?([A-Za-z])[).:]\s+(.*)")
_CARRIED = re.compile(r"(?s)\s*(\(?)([A-Za-z])([).:]{1,2})\s+(.*\S.*)")
_PAIRS = (("key", "value"), ("label", "text"), ("label", "value"), ("key", "text"), ("id", "text"))


def has_options(fields: Fields) -> bool:
    """Whether a row has options in one of the forms; takes nothing."""
    lists = (parsed(fields.peek(name)) for name in fields.filled(LISTS))
    return any(isinstance(v, list | tuple | Mapping) and v for v in lists) or bool(_columns(fields))


@dataclass(frozen=True, slots=True)
class Offered:
    """The options of a row by their places.

    Attributes:
        keys: What the file calls each; empty where its place alone says it.
        texts: What each says; empty for one that holds nothing.
        labels: The letter of each.
    """

    keys: tuple[str, ...]
    texts: tuple[str, ...]
    labels: tuple[str, ...]

    def by_key(self, answer: Any) -> list[int]:
        """Places that a key of the file's own names."""
        said = text(answer).strip().lower()
        return [i for i, key in enumerate(self.keys) if key and key.lower() == said]

    def by_letter(self, answer: Any) -> list[int]:
        """Places that a letter names, alone or before the option's text."""
        said = text(answer).strip()
        if found := _LETTER.fullmatch(said):
            return self._lettered(found[1].upper())
        if found := _LETTER_AND_TEXT.fullmatch(said):
            places = [i for i, label in enumerate(self.labels) if label == found[1].upper()]
            return [i for i in places if self.texts[i].strip() == found[2].strip()]
        return []

    def _lettered(self, letter: str) -> list[int]:
        """The place that a letter has, and that of a text which begins so where all begin so."""
        begun = [_CARRIED.fullmatch(value) for value in self.texts]
        own = [i for i, one in enumerate(begun) if one and one[2].upper() == letter]
        if any(value and not one for value, one in zip(self.texts, begun, strict=True)):
            own = []
        named = [i for i, label in enumerate(self.labels) if label == letter]
        return sorted({*named, *own})

    def by_text(self, answer: Any) -> list[int]:
        """Places of options with this text."""
        said = text(answer).strip()
        return [i for i, value in enumerate(self.texts) if value and value.strip() == said]

    def is_there(self, at: int) -> bool:
        """Whether an option stands at a place."""
        return 0 <= at < len(self.texts)

    def told(self) -> str:
        """The labels, for a message."""
        return ", ".join(
            label for label, value in zip(self.labels, self.texts, strict=True) if value
        )


def read_options(fields: Fields, said: tuple[str, ...] = ()) -> Offered:
    """Reads the options of a row.

    Args:
        fields: The row.
        said: Columns of the options, if they are none of the usual.

    Raises:
        KeyError: If it has none.
        RowFaultError: If they cannot be meant.
    """
    pairs = _found(fields, said)
    keys = [key.strip() for key, _, _ in pairs]
    texts = [text(value, where) for _, value, where in pairs]
    texts = [value if value.strip() else "" for value in texts]
    if len({key.lower() for key in keys if key}) < len([key for key in keys if key]):
        raise RowFaultError(f"names an option twice, in {', '.join(keys)}")
    if sum(map(bool, texts)) < 2 or len(texts) > len(string.ascii_uppercase):
        raise RowFaultError(
            f"has {sum(map(bool, texts))} options that hold anything, expected 2 to 26"
        )
    keys, texts = _without_letters(keys, texts)
    return Offered(tuple(keys), tuple(texts), tuple(_labels(keys)))


def _lettered(keys: Sequence[str]) -> bool:
    return all(re.fullmatch("[A-Za-z]", key) for key in keys)


def _labels(keys: Sequence[str]) -> Sequence[str]:
    """The letter of each: the file's own, or that of its place."""
    return [key.upper() for key in keys] if _lettered(keys) else string.ascii_uppercase[: len(keys)]


def flat(said: str) -> str:
    """A text as it is compared: with single spaces, and without a full stop at its end."""
    said = " ".join(unicodedata.normalize("NFC", said).split())
    return said[:-1] if re.fullmatch(r".*[^.\s]\.", said) else said


def _without_letters(keys: list[str], texts: list[str]) -> tuple[list[str], list[str]]:
    """Letters that every option carries before its text are its key, not to be written twice.

    They are letters of a list if they are written alike and are among its first, be some left out:
    ``E. coli`` and ``S. aureus`` are names.
    """
    found = [_CARRIED.fullmatch(value) for value in texts if value]
    carried = [one[2].upper() for one in found if one]
    alike = {(one[1], one[3], one[2].isupper()) for one in found if one}
    most = string.ascii_uppercase[: len(texts) + 2]
    if (
        len(carried) < len(found)
        or len({*carried}) < len(found)
        or len(alike) > 1
        or max(carried) > most[-1]
    ):
        return keys, texts
    letters = iter(carried)
    each = [next(letters) if value else "" for value in texts]
    if not any(keys):
        if len(found) < len(texts):
            each = _filled(each)
        keys = each
    elif any(letter and letter != label for letter, label in zip(each, _labels(keys), strict=True)):
        if not _lettered(keys):
            return keys, texts
        raise RowFaultError(
            f"has options with the keys {', '.join(keys)} whose texts begin with the letters "
            f"{', '.join(carried)}; keep one"
        )
    bare = iter(one[4].strip() for one in found if one)
    return keys, [next(bare) if value else "" for value in texts]


def _filled(letters: list[str]) -> list[str]:
    """Letters for empty options too, that no other has."""
    free = iter(x for x in string.ascii_uppercase if x not in letters)
    return [letter or next(free) for letter in letters]


def _found(fields: Fields, said: tuple[str, ...]) -> list[tuple[str, Any, str]]:
    """(key, text, column) of every option, wherever they are."""
    if len(said) > 1:
        if lost := [name for name in said if name not in fields.names()]:
            raise KeyError(", ".join(lost))
        return [("", fields.take(name), name) for name in said]
    lists, columns = fields.filled(said or LISTS), [] if said else _columns(fields)
    if len(lists) + len(columns) > 1:
        found = [*lists, *(next(iter(group.values())) for group in columns)]
        raise RowFaultError(f"has options in {' and in '.join(map(repr, found))}; keep one")
    if lists:
        return _pairs(parsed(fields.take(lists[0])), lists[0])
    if columns:
        return [(_key(key), fields.take(name), name) for key, name in columns[0].items()]
    usual = f"{', '.join(LISTS)}, or columns as A, B; option_a, option_b; choice1, choice2"
    raise KeyError(said[0] if said else usual)


def _key(key: str) -> str:
    """Columns counted from 1 may have answers counted from 0, as choice1 and choice2 of COPA."""
    return key if key.isalpha() else ""


def _columns(fields: Fields) -> list[dict[str, str]]:
    """Groups of columns that are options: key -> column."""
    groups: dict[tuple[str, bool], dict[str, str]] = {}
    for name in fields.names():
        found = _COLUMN.fullmatch(name)
        if found and name not in fields.taken and (found[1] or found[2].isalpha()):
            # A column called 1 is anybody's.
            groups.setdefault((found[1], found[2].isalpha()), {})[found[2]] = name
    out = []
    for (prefix, lettered), group in groups.items():
        if not prefix and "b" not in group:
            continue  # columns a and d of a table are no options
        ordered = sorted(group, key=str if lettered else int)
        if len(fields.filled(group.values())) > 1 and ordered[0] in ("a", "0", "1", "00", "01"):
            out.append({key: group[key] for key in ordered})
    return out


def _pairs(value: Any, column: str) -> list[tuple[str, Any, str]]:
    """(key, text, column) of every option under one column."""
    if isinstance(value, Mapping):
        for key, said in _PAIRS:
            keys, texts = parsed(value.get(key)), parsed(value.get(said))
            if isinstance(keys, list | tuple) and isinstance(texts, list | tuple):
                return _zipped(keys, texts, column)
        pairs = [(str(key), option, column) for key, option in value.items()]
        if all(re.fullmatch("[A-Za-z]", key) for key, _, _ in pairs):
            return sorted(pairs, key=lambda pair: pair[0].lower())
        if all(re.fullmatch(r"\d+", key) for key, _, _ in pairs):
            return sorted(pairs, key=lambda pair: int(pair[0]))
        return pairs
    if not isinstance(value, list | tuple):
        raise RowFaultError(
            f"has a {type(value).__name__} where a list of options is expected, in the column {column!r}"
        )
    return [_pair(option, column) for option in value]


def _zipped(keys: Sequence[Any], texts: Sequence[Any], column: str) -> list[tuple[str, Any, str]]:
    if len(keys) != len(texts):
        raise RowFaultError(f"has {len(keys)} keys and {len(texts)} texts in the column {column!r}")
    return [(text(key, column), option, column) for key, option in zip(keys, texts, strict=True)]


def _pair(option: Any, column: str) -> tuple[str, Any, str]:
    if isinstance(option, Mapping):
        for key, said in _PAIRS:
            if key in option and said in option:
                return text(option[key], column), option[said], column
        names = ", ".join(map(str, option))[:80]
        raise RowFaultError(
            f"has an option with {names} in the column {column!r}, expected key, value"
        )
    return "", option, column
