"""What is wrong with a study: the types of its YAML, in a user's words, and the rest without it."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from ptst_tasks.errors import ConfigError, PTSTError, did_you_mean

__all__ = ["FaultsError", "FaultsFound", "blocked", "check_plain", "places", "pruned",
           "type_faults"]  # fmt: skip

_MOST = 20_000
"""Values of one study, aliases counted wherever they stand: a few lines of YAML can mean billions."""


class FaultsError(ConfigError):
    """Several things are wrong with a study; the message holds the first.

    Args:
        faults: All of them.
    """

    def __init__(self, faults: list[str]) -> None:
        more = f" ({len(faults) - 1} more; ptst run --dry-run lists all)" if faults[1:] else ""
        super().__init__(f"{faults[0]}{more}")
        self.faults = faults


@dataclass
class FaultsFound:
    """What is wrong with a study, as far as it was found; and the fields concerned."""

    faults: list[PTSTError]
    wrong: set[str]


def check_plain(data: Mapping[Any, Any]) -> None:
    """Refuses what YAML can say and a study's record cannot hold.

    Raises:
        ConfigError: On dates, sets, binary, numbers that are none, NULs, values that hold themselves,
            and too many of them.
    """
    _size(data, "", {}, ())


def _size(value: Any, where: str, known: dict[int, int], above: tuple[int, ...]) -> int:
    if not isinstance(value, dict | list):
        _check_leaf(value, where)
        return 1
    if id(value) in above:
        raise ConfigError(
            f"{where or 'the file'} holds itself (a YAML alias inside its own anchor)"
        )
    if id(value) in known:
        return known[id(value)]
    total, inner = 1, (*above, id(value))
    for key, part in value.items() if isinstance(value, dict) else enumerate(value):
        place = f"{where}.{key}" if where else str(key)
        if isinstance(value, dict) and not isinstance(key, str):
            raise ConfigError(
                f"{where or 'the file'} has the field {key!r}, expected a name; put it into quotes"
            )
        if isinstance(value, dict):
            _check_leaf(key, f"a field's name in {where or 'the file'}")
        total += _size(part, place, known, inner)
        if total > _MOST:
            raise ConfigError(f"{where or 'the file'} holds more than {_MOST:,} values")
    known[id(value)] = total
    return total


def _check_leaf(value: Any, where: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{where} is {value!r}, expected a number")
    if isinstance(value, str):
        if "\0" in value:
            raise ConfigError(f"{where} holds a NUL character; leave it out")
        if any("\ud800" <= c <= "\udfff" for c in value):
            raise ConfigError(f"{where} holds half a character ({value[:40]!r}); leave it out")
        return
    if value is not None and not isinstance(value, bool | int | float):
        raise ConfigError(
            f"{where} is {value!r:.80} to YAML, a {type(value).__name__}; quote it to make it text"
        )


def type_faults(error: ValidationError, file: str, model: type[BaseModel]) -> list[PTSTError]:
    """One error for each fault; of a value that may be of several kinds, one.

    Args:
        error: What pydantic found.
        file: The study's.
        model: What it was read as, whose fields are named to whoever misspelt one.
    """
    seen: dict[tuple[Any, ...], PTSTError] = {}
    # A field that is missing is often one that was misspelt.
    for fault in sorted(error.errors(include_url=False), key=lambda f: f["type"] == "missing"):
        own = fault.get("ctx", {}).get("error")
        loc = fault["loc"]
        if isinstance(own, PTSTError):
            seen.setdefault((str(own),), own)
        else:
            seen.setdefault(loc, ConfigError(f"study {file!r}: {_words(fault, loc, model)}"))
    return list(seen.values())


def _words(fault: Any, loc: tuple[int | str, ...], model: type[BaseModel]) -> str:
    where = ".".join(str(part) for part in loc) or "the file"
    kind, value = fault["type"], fault["input"]
    if kind == "extra_forbidden":
        known = _fields(model, loc[:-1])
        name = str(loc[-1])
        return (
            f"{where}: unknown field {name!r}; {did_you_mean(name, known)}known: {', '.join(known)}"
        )
    if kind == "missing":
        return f"{where}: Field required"
    shown = (
        f"{value!r:.80}"
        if not isinstance(value, str)
        else repr(value[:60]) + ("..." if value[60:] else "")
    )
    if kind == "tuple_type":
        meant = f"[{value}]" if isinstance(value, str | int | float) else "[...]"
        return f"{where}: expected a list, got {shown}; did you mean {meant[:80]}?"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"{where}: expected 'field: value' lines, got {shown}"
    if kind == "string_pattern_mismatch":
        return f"{where}: expected one line that can be shown{_no_at(loc)}, got {shown}"
    if kind == "string_too_long":
        return f"{where}: expected at most 200 characters, got {len(value)}: {shown}"
    return f"{where}: {fault['msg'].removeprefix('Value error, ')}, got {shown}{_hint(loc, value)}"


def _no_at(loc: tuple[int | str, ...]) -> str:
    return ", without @" if "adapters" in loc else ""


def _hint(loc: tuple[int | str, ...], value: Any) -> str:
    if loc == ("test", "limit") and value in ("all", "none", 0, -1):
        return "; leave limit out to ask all rows"
    return ""


def _fields(model: type[BaseModel], loc: tuple[int | str, ...]) -> tuple[str, ...]:
    """Names that a study has at a place."""
    for part in loc:
        field = model.model_fields.get(str(part))
        model = next(_models(field.annotation), model) if field else model
    return tuple(model.model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The model that a field holds, by itself or in a list."""
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield kind


def pruned(data: Mapping[str, Any], error: ValidationError) -> dict[str, Any]:
    """The data without the values that are wrong; a base that is missing gets a name."""
    out: dict[str, Any] = copy.deepcopy(dict(data))
    # A set of the user's own goes as a whole: without its kind it would have one fault more.
    found = {
        f["loc"][:3] if f["loc"][:2] == ("test", "custom") else f["loc"] for f in error.errors()
    }
    for loc in sorted(found, key=str, reverse=True):  # of a list the last first
        if loc == ("base",):
            out["base"] = "?"
        else:
            _drop(out, loc)
    return out


def _drop(data: Any, loc: tuple[int | str, ...]) -> None:
    """Drops a value; if it is not there, what it is missing from."""
    for at, step in enumerate(loc):
        there = step in data if isinstance(data, dict) else (
            isinstance(data, list) and isinstance(step, int) and step < len(data))  # fmt: skip
        if not there:
            return
        inner = data[step]
        below = loc[at + 1] if at + 1 < len(loc) else None
        known = isinstance(inner, list) or (isinstance(inner, dict) and below in inner)
        if below is None or not known:
            del data[step]
            return
        data = inner


def places(error: ValidationError) -> set[str]:
    """The fields concerned, two names deep where that helps: ``base``, ``test.limit``."""
    out = set()
    for fault in error.errors():
        loc = [str(part) for part in fault["loc"]]
        out.add(".".join(loc[:2] if loc[:1] in (["test"], ["train"]) else loc[:1]))
    return out


def blocked(needs: tuple[str, ...], wrong: set[str]) -> bool:
    """Whether a check needs what is wrong; ``train.*`` is all of train."""
    return any(
        n in wrong or (n.endswith("*") and any(w.startswith(n[:-1]) for w in wrong)) for n in needs
    )
