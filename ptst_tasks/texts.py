"""The text of a file of rows: UTF-8, or what its byte order mark says.

It is decoded here, line by line, because `io.TextIOWrapper` does not know in which line a byte is
wrong.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from ptst_tasks.unpacking import DataFile, FileFaultError

__all__ = ["text_lines", "whole_text"]

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_MAGIC = {
    b"\x1f\x8b": "a gzip file; name it .gz behind its type",
    b"PK\x03\x04": "a zip file or an Excel sheet; name a zip .zip, save a sheet as csv",
    b"\x28\xb5\x2f\xfd": "a zstd file; name it .zst behind its type",
    b"\xfd7zXZ": "an xz file; name it .xz behind its type",
    b"\xd0\xcf\x11\xe0": "an Excel sheet; save it as csv",
    b"ARROW1\0": "an Arrow file; name it .arrow",
}


def text_lines(file: DataFile, *, old_mac: bool = False) -> Iterator[str]:
    r"""The lines of a file of text, with their ends.

    A line ends with ``\n`` and nothing else: never ``str.splitlines``, which also cuts at U+2028
    and others, and those may stand inside a text.

    Args:
        file: The file.
        old_mac: Whether a lone ``\r`` ends a line, where it ends the first one (in csv).

    Raises:
        FileFaultError: If a line is not in the file's encoding.
    """
    with file.open() as stream:
        found = _wide_lines(stream, name) if (name := _encoding(stream)) else _utf8_lines(stream)
        lone = False
        for number, line in enumerate(found, start=1):
            if old_mac and number == 1:
                lone = bool(re.search(r"\r(?!\n)", re.sub(r'"[^"]*"', "", line)))
            if lone and "\r" in line:
                yield from re.split(r"(?<=\r)(?!\n)", line)
            else:
                yield line


def _utf8_lines(stream: BinaryIO) -> Iterator[str]:
    for number, raw in enumerate(stream, start=1):
        data = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
        try:
            yield data.decode()
        except UnicodeDecodeError as e:
            raise _not_text(e, f"line {number}", " of it") from e


def _wide_lines(stream: BinaryIO, encoding: str) -> Iterator[str]:
    with io.TextIOWrapper(stream, encoding, newline="\n") as text:
        try:
            yield from text
        except UnicodeDecodeError as e:
            raise FileFaultError(f"not {encoding.upper()}, as its first bytes say ({e.reason}); "
                                 "save it as UTF-8") from e  # fmt: skip


def whole_text(file: DataFile) -> str:
    """The text of a file.

    Raises:
        FileFaultError: If it is not in the file's encoding.
    """
    with file.open() as stream:
        encoding = _encoding(stream)
        data = stream.read()
    try:
        return data.decode(encoding or "utf-8-sig")
    except UnicodeDecodeError as e:
        if encoding:
            raise FileFaultError(f"not {encoding.upper()}, as its first bytes say ({e.reason}); "
                                 "save it as UTF-8") from e  # fmt: skip
        number = data[: e.start].count(b"\n") + 1
        raise _not_text(e, f"line {number}", "") from e


def _encoding(stream: Any) -> str:
    """What a byte order mark says, if it is not UTF-8.

    Raises:
        FileFaultError: If the first bytes are those of a file that is no text.
    """
    head = stream.peek(8)
    if what := next((what for magic, what in _MAGIC.items() if head.startswith(magic)), ""):
        raise FileFaultError(f"its bytes are those of {what}")
    name = next((name for mark, name in _BOMS if head.startswith(mark)), "utf-8")
    return "" if name == "utf-8" else name


def _not_text(e: UnicodeDecodeError, where: str, of: str) -> FileFaultError:
    return FileFaultError(
        f"{where} is not UTF-8 (byte {e.object[e.start]:#04x} at {e.start:,}{of}); save it as UTF-8"
    )
