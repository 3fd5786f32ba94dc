"""Rows of JSON and JSON lines, under either name, by the standard library's `json`.

pandas takes the last of two equal keys and turns large numbers into others; pyarrow turns texts
that look like dates into dates and large numbers into floats. `json` with a hook for pairs and
numbers alters nothing: a key that stands twice and a number that no float can hold are refused.
"""

from __future__ import annotations

import json
import math
import sys
from typing import Any

from ptst_tasks.texts import text_lines, whole_text
from ptst_tasks.unpacking import DataFile, FileFaultError

__all__ = ["read_json"]

Record = dict[str, Any]


def read_json(file: DataFile, field: str) -> list[Record]:
    """Reads a list of rows, or rows on lines of their own, whatever the file is called.

    Args:
        file: The file.
        field: Key of an object under which the rows are.

    Raises:
        FileFaultError: With the line, if it is neither.
    """
    first = next((line for line in text_lines(file) if line.strip()), "")
    if file.kind != "json" and not first.lstrip().startswith("["):
        return _lines(file)
    try:
        found = _parse(whole_text(file))
    except RecursionError as e:
        raise FileFaultError("it is nested too deeply") from e
    except json.JSONDecodeError as e:
        if e.msg != "Extra data":
            raise FileFaultError(f"line {e.lineno}: {_said(e)}") from e
        return _lines(file)
    return _listed(found, field)


def _lines(file: DataFile) -> list[Record]:
    rows = []
    for number, line in enumerate(text_lines(file), start=1):
        if not line.strip():  # white space of other kinds, or a byte order mark alone
            continue
        try:
            row = _parse(line)
        except RecursionError as e:
            raise FileFaultError(f"line {number} is nested too deeply") from e
        except json.JSONDecodeError as e:
            raise FileFaultError(f"line {number}: {_said(e)}") from e
        except ValueError as e:
            raise FileFaultError(f"line {number}: {e}") from e
        if not isinstance(row, dict) or not row:
            raise FileFaultError(
                f"line {number} holds {_kind(row)}, expected a list of rows, an object on each line"
            )
        rows.append(row)
    return rows


def _listed(found: Any, field: str) -> list[Record]:
    if isinstance(found, dict):
        if field not in found:
            raise FileFaultError(_no_rows(found, field))
        found = found[field]
    if not isinstance(found, list):
        raise FileFaultError(f"expected a list of rows, found {_kind(found)}")
    for number, row in enumerate(found, start=1):
        if not isinstance(row, dict) or not row:
            raise FileFaultError(f"row {number} is {_kind(row)}, expected an object")
    return found


def _no_rows(found: Record, field: str) -> str:
    keys = ", ".join(map(repr, list(found)[:8])) or "an empty object"
    told = f"expected a list of rows, or one under {field!r}; found {keys}"
    kinds, sizes = {type(v) for v in found.values()}, {str(v.keys() if isinstance(v, dict) else len(v))
                    for v in found.values() if isinstance(v, dict | list)}  # fmt: skip
    if len(sizes) == 1 and (kinds == {dict} or (kinds == {list} and len(found) > 1)):
        told += ": columns, as it seems; with pandas, write to_json(orient='records')"
    if not any(isinstance(value, dict | list) for value in found.values()):
        told += "; a single row goes into a .jsonl file"
    return told


def _parse(text: str) -> Any:
    found = json.loads(text, object_pairs_hook=_once, parse_float=_float, parse_constant=_constant)
    if "\\u0000" in text and _has_nul(found):
        raise ValueError("a text holds a NUL (\\u0000), which no model is asked; take it out")
    return found


def _has_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_nul(part) for pair in value.items() for part in pair)
    return any(map(_has_nul, value)) if isinstance(value, list) else "\0" in str(value)


def _said(e: json.JSONDecodeError) -> str:
    if e.msg == "Extra data":
        at = f"at character {e.colno}"
        return f"more follows behind the first value, {at}; expected an object on each line"
    return f"{e.msg} at character {e.colno}"


def _kind(value: Any) -> str:
    """A value as JSON names it."""
    if value in ({}, []):
        return "an empty object" if value == {} else "an empty list"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return "a text" if isinstance(value, str) else "a number"


def _once(pairs: list[tuple[str, Any]]) -> Record:
    out = {sys.intern(key): value for key, value in pairs}  # a name is kept once, not once a row
    if len(out) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in out if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object; keep one")
    return out


def _float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"the number {digits[:20]} is too large; write it as text, in quotes")
    return value


def _constant(name: str) -> float:
    if name != "NaN":  # pandas and numpy write NaN where a value is missing
        raise ValueError(f"{name} is no number of JSON's; write it as text, in quotes")
    return math.nan
