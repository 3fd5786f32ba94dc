"""The bytes of a file of rows, whatever it is packed in.

gzip, bzip2, xz and zip are the standard library's; zstd is pyarrow's, since Python 3.11 has none.
What is unpacked is counted: a small file that unpacks to a whole disk is refused on the way, not
when memory is full.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

__all__ = [
    "FILE_TYPES",
    "PACKINGS",
    "DataFile",
    "FileFaultError",
    "find_kind",
    "most_bytes",
]

FILE_TYPES = ("jsonl", "ndjson", "json", "csv", "tsv", "parquet", "arrow", "feather")
PACKINGS = ("gz", "zst", "bz2", "xz", "zip")

_ODD = (*PACKINGS, "xlsx", "xls", "ods")  # of a zip's files, these may hold rows, too
_BLOCK = 2**16
_MOST, _RATIO = 2**29, 100  # text packs 3 to 20 times; bombs pack a thousand times
_DAMAGE = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError)


class FileFaultError(Exception):
    """What is wrong with a file, and in which line."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of rows and how it is packed.

    Attributes:
        path: Where it is.
        kind: One of `FILE_TYPES`.
        packing: One of `PACKINGS`, or empty.
        member: Which file of a zip.
    """

    path: Path
    kind: str
    packing: str = ""
    member: str = ""

    @property
    def suffix(self) -> str:
        """As people know it: ``.csv``, ``.jsonl.gz``."""
        return f".{self.kind}" + (f".{self.packing}" if self.packing else "")

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Its bytes, unpacked.

        Raises:
            FileFaultError: If it is damaged, locked, or unpacks to more than is sane.
        """
        with ExitStack() as stack:
            if not self.packing:
                yield stack.enter_context(self.path.open("rb"))
                return
            with _damage(self.packing):
                inner = _unpack(self, stack)
            yield io.BufferedReader(_Counted(inner, self), 2**16)


def find_kind(path: Path, name: str = "") -> DataFile:
    """Says what a file is by its name; a zip by what is in it.

    Args:
        path: The file.
        name: What it is called, where that is not the path's name (a download's address).

    Raises:
        FileFaultError: If the name says no kind that is read here, or a zip holds not one file.
    """
    called = Path(re.split(r"[?#]", name)[0] or path).name
    *_, kind, packing = ("", "", *called.lower().split("."))
    if packing in FILE_TYPES:
        return DataFile(path, packing)
    if packing == "zip":
        return _find_member(path, kind)
    if packing in PACKINGS and kind in FILE_TYPES:
        return DataFile(path, kind, packing)
    shown = f".{kind}.{packing}" if packing in PACKINGS and kind else Path(called).suffix
    if packing in ("xlsx", "xls", "ods"):
        raise FileFaultError(f"a sheet ({shown}) is not read; save it as csv")
    raise FileFaultError(
        f"unknown file type {shown!r}; use one of {', '.join(FILE_TYPES)}, packed with "
        f"{', '.join(PACKINGS)} or not"
    )


def most_bytes(path: Path) -> int:
    """How many bytes a packed file may unpack to."""
    return max(_MOST, _RATIO * path.stat().st_size)


def _find_member(path: Path, kind: str) -> DataFile:
    with _damage("zip"), zipfile.ZipFile(path) as found:
        names = [
            i.filename for i in found.infolist()
            if not i.is_dir() and "__MACOSX/" not in i.filename
            and not i.filename.rpartition("/")[2].startswith(".")
        ]  # fmt: skip
    typed = [(n, s) for n in names if (s := n.lower().rpartition(".")[2]) in (*FILE_TYPES, *_ODD)]
    if not typed and len(names) == 1 and kind in FILE_TYPES and "." not in names[0]:
        typed = [(names[0], kind)]
    if len(typed) == 1 and typed[0][1] in FILE_TYPES:
        return DataFile(path, typed[0][1], "zip", typed[0][0])
    shown = ", ".join(repr(n) for n, _ in typed[:6]) or ", ".join(map(repr, names[:6])) or "nothing"
    raise FileFaultError(
        f"the zip holds {shown}, expected exactly one file of rows ({', '.join(FILE_TYPES)})"
    )


def _unpack(file: DataFile, stack: ExitStack) -> IO[bytes]:
    if file.packing == "zip":
        found = stack.enter_context(zipfile.ZipFile(file.path))
        return stack.enter_context(found.open(file.member))
    raw = stack.enter_context(file.path.open("rb"))
    return stack.enter_context(_OPENERS[file.packing](raw))


def _zst(raw: BinaryIO) -> Any:
    import pyarrow as pa

    return pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd")


class _Streams(io.RawIOBase):
    """Streams one behind the other; the library's readers drop whatever follows the first and is none."""

    def __init__(self, raw: BinaryIO, make: Callable[[], Any]) -> None:
        self._raw, self._make, self._one, self._left = raw, make, make(), b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            if self._one.eof:
                self._left = self._behind(self._one.unused_data)
                if not self._left:
                    return 0
                self._one = self._make()
            elif self._one.needs_input and not self._left:
                self._left = self._raw.read(_BLOCK)
                if not self._left:
                    raise EOFError("it ends within a stream")
            data, self._left = self._one.decompress(self._left, len(buffer)), b""
            if data:
                buffer[: len(data)] = data
                return len(data)

    def _behind(self, left: bytes) -> bytes:
        """What follows a stream, and the zeros that may fill up a file."""
        while not (found := left.lstrip(b"\0")):
            left = self._raw.read(_BLOCK)
            if not left:
                return b""
        return found


_OPENERS: dict[str, Callable[[BinaryIO], Any]] = {
    "gz": lambda raw: gzip.GzipFile(fileobj=raw, mode="rb"),
    "bz2": lambda raw: _Streams(raw, bz2.BZ2Decompressor),
    "xz": lambda raw: _Streams(raw, lzma.LZMADecompressor),
    "zst": _zst,
}


@contextmanager
def _damage(packing: str) -> Iterator[None]:
    """Says what a damaged or locked file is; errors of the operating system go on as they are."""
    try:
        yield
    except _DAMAGE as e:
        raise FileFaultError(f"the {packing} data are damaged, or not whole: {e}") from e
    except OSError as e:  # the libraries', which have words and no number
        if e.errno is not None:
            raise
        raise FileFaultError(f"the {packing} data are damaged, or not whole: {e}") from e
    except RuntimeError as e:  # zipfile's
        raise FileFaultError(f"the zip is locked with a password; unpack it yourself ({e})") from e


class _Counted(io.RawIOBase):
    """Unpacked bytes up to a limit."""

    def __init__(self, inner: IO[bytes], file: DataFile) -> None:
        self._inner, self._file, self._left = inner, file, most_bytes(file.path)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _damage(self._file.packing):
            data = self._inner.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            most, size = most_bytes(self._file.path), self._file.path.stat().st_size
            raise FileFaultError(
                f"its {size:,} bytes unpack to more than {most:,}; unpack it yourself if that is meant"
            )
        buffer[: len(data)] = data
        return len(data)
