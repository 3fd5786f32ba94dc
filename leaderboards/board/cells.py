r"""Any text as a cell of a CSV that no spreadsheet runs, and back.

A cell that a spreadsheet would run (it begins with ``=``, ``+``, ``-``, ``@``, and is no number) has
an apostrophe in front; a cell with half characters (lone surrogates) or control characters, line
ends included, is an apostrophe and a JSON string (``'"a\ud800b"``). A cell that looks like one of
these already has one apostrophe more. All other cells, and those of files without escapes, are what
they say.
"""

from __future__ import annotations

import json
import re

__all__ = ["cell", "uncell"]

_RUNS = re.compile("'*[=+\\-@\uff1d\uff0b\uff0d\uff20]|'+\"")
_SIGNED = re.compile(r"[+-][0-9]+(\.[0-9]+)?")
_NO_TEXT = re.compile("[\x00-\x1f\ud800-\udfff]")


def cell(value: str) -> str:
    """A text as a cell: what a spreadsheet would run, and what is no text, is escaped."""
    if _NO_TEXT.search(value):
        quoted = json.dumps(value, ensure_ascii=False)
        return "'" + quoted.encode("utf-8", "backslashreplace").decode()
    return f"'{value}" if _RUNS.match(value) and not _SIGNED.fullmatch(value) else value


def uncell(value: str) -> str:
    """The text of a cell."""
    if not value.startswith("'") or not _RUNS.match(value):
        return value
    if value[1] != '"':
        return value[1:]
    try:
        found = json.loads(value[1:])
    except (ValueError, RecursionError):
        return value
    return found if isinstance(found, str) else value
