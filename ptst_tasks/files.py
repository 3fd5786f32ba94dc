"""Names, working files and lines on disk: the one place that makes each.

A name from a YAML or a CSV becomes a file's name here or not at all; what is being written has a
name that no other process of any machine can have, and is gone if it cannot be finished; lines end
with a line feed and nothing else, since answers hold the rest of Unicode's line ends.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
import socket
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

from ptst_tasks.errors import ConfigError, DataError, said

__all__ = ["check_outputs", "check_writable", "dump_json", "file_name", "lines", "printable",
           "read_text", "read_yaml", "replacing", "working", "write_text"]  # fmt: skip

_FREE = frozenset("._-@=+,")
_LONGEST = 120
"""Bytes of a name: 255 are a file system's limit, and suffixes and working names are longer."""
_MOST_NODES = 100_000


def file_name(name: str) -> str:
    """A name as a file's or folder's name, the same for the same name and another for another.

    Letters, digits and ``._-@=+,`` stay as they are, so that the usual names do not change; the
    rest becomes ``%XX``, a dot at the start too. Long names end in a digest.
    """
    plain = "".join(c if c.isalnum() or c in _FREE else _escaped(c) for c in name)
    if plain.startswith("."):
        plain = "%2E" + plain[1:]
    if len(plain.encode()) > _LONGEST:
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        plain = plain.encode()[: _LONGEST - 17].decode("utf-8", "ignore") + "~" + digest
    return plain or "%"


def _escaped(character: str) -> str:
    return "".join(f"%{b:02X}" for b in character.encode("utf-8", "surrogatepass"))


def printable(text: str) -> str:
    """Text that every stream takes: half characters (lone surrogates) and controls are escaped."""
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)


def working(target: Path, what: str = "tmp") -> Path:
    """A name beside `target` for something that is being written.

    It begins with a dot, so that no reader takes it for the thing, and holds host, process and a
    random part: a folder may be shared by machines and containers, whose process ids are alike.
    """
    host = file_name(socket.gethostname())[:24]
    return target.with_name(
        f".{target.name[:80]}.{host}.{os.getpid()}.{secrets.token_hex(4)}.{what}"
    )


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Gives a path to write to, and puts it in `target`'s place at the end.

    If the block fails, whatever was written is removed and `target` is what it was. A link stays a
    link; what is no file (``/dev/stdout``, a pipe) is written to as it is.

    Raises:
        OSError: If it cannot be put in place.
    """
    if _is_stream(target):
        yield target
        return
    target = target.resolve() if target.is_symlink() else target
    aside = working(target)
    try:
        yield aside
        aside.replace(target)
    finally:
        with suppress(OSError):
            if aside.is_dir():
                shutil.rmtree(aside)
            else:
                aside.unlink(missing_ok=True)


def _is_stream(target: Path) -> bool:
    return target.exists() and not target.is_file() and not target.is_dir()


def write_text(target: Path, text: str, *, what: str = "") -> None:
    r"""Writes a file whole or not at all; its folder is made.

    Args:
        target: The file.
        text: Its contents; half characters are escaped as JSON escapes them (``\udc80``).
        what: What asked for it, for the message: a flag, "the study's record".

    Raises:
        ConfigError: If it cannot be written.
    """
    try:
        _make_parent(target)
        with replacing(target) as aside:
            aside.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
    except OSError as e:
        raise ConfigError(f"{what + ' ' if what else ''}{str(target)!r} cannot be written: "
                          f"{said(e)}") from e  # fmt: skip


def _make_parent(target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as e:  # of the system's two words for a file in the way, the plainer
        raise NotADirectoryError(errno.ENOTDIR, "Not a directory", e.filename) from e
    except RecursionError as e:  # a call for each folder
        raise OSError(errno.ENAMETOOLONG, "Too many folders in one another") from e


def check_writable(target: Path, what: str) -> None:
    """Tries whether a file could be written, before the work whose result it is to hold.

    Leaves nothing behind, but for folders that had to be made.

    Raises:
        ConfigError: With `what` (a flag), the path, and why not.
    """
    try:
        if _is_stream(target):
            return
        if target.is_dir():
            raise IsADirectoryError(0, "it is a folder, expected a file")
        _make_parent(target)
        if target.exists():
            target.open("ab").close()  # the system's own word: no permission, read-only, busy
        aside = working(target)
        aside.touch()
        aside.unlink()
    except OSError as e:
        # Without the working file's name; a file in a folder's place is worth naming.
        why = said(e) if isinstance(e, NotADirectoryError) else e.strerror or said(e)
        raise ConfigError(f"{what} {str(target)!r} cannot be written: {why}") from e


_KEPT = ("cell.json", "study.json", "results_*.json", "samples_*.jsonl", "*.outcomes.jsonl",
         "manifest.json", "config.json", "adapter_config.json", "tokenizer*.json",
         "*.safetensors", "*.bin", "*.gguf")  # fmt: skip
"""What was measured, trained or downloaded; no report may take its place."""


def check_outputs(reads: Iterable[Path] = (), /, **targets: Path | None) -> None:
    """`check_writable` for several flags, and that none is written over what is read or was made.

    ``-`` (standard output) and None are fine.

    Args:
        reads: Files and folders that the command reads.
        **targets: Flag without its dashes -> file; ``_`` in a name stands for ``-``.

    Raises:
        ConfigError: If one cannot be written, is read here, was measured, or is another one.
    """
    inputs = {place.resolve() for place in reads}
    seen: dict[Path, str] = {}
    for name, target in targets.items():
        if target is None:
            continue
        flag, place = "--" + name.replace("_", "-"), target.resolve()
        if first := seen.get(place):
            raise ConfigError(f"{first} and {flag} are the same file, {str(target)!r}")
        seen[place] = flag
        if str(target) == "-":
            if getattr(sys.stdout, "name", "") == os.devnull:  # see `command.run`
                raise ConfigError(f"{flag} is '-', and standard output is closed; name a file")
            continue
        kept = any(fnmatch(place.name, pattern) for pattern in _KEPT) and place.exists()
        if (place in inputs and not place.is_dir()) or kept:
            raise ConfigError(f"{flag} {str(target)!r} is read here or was measured, and would be "
                              "written over; name another file")  # fmt: skip
        check_writable(target, flag)


def read_text(file: Path, *, what: str) -> str:
    """Reads a UTF-8 file of the user's, with or without a byte order mark.

    Args:
        file: The file.
        what: What it is, for the message ("study", "policy", "labels").

    Raises:
        ConfigError: If it cannot be read as text.
    """
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as e:
        raise ConfigError(f"{what} {str(file)!r} cannot be read: {e.strerror or said(e)}") from e
    except UnicodeDecodeError as e:
        raise ConfigError(
            f"{what} {str(file)!r} is not UTF-8 (byte {e.object[e.start]:#04x} at {e.start:,}); "
            "save it as UTF-8"
        ) from e


def read_yaml(file: Path, *, what: str, loader: type[Any] | None = None) -> Any:
    """Reads a YAML file of the user's.

    Args:
        file: The file.
        what: What it is, for the message.
        loader: How scalars are read; as YAML's safe loader does, if it is not said.

    Raises:
        ConfigError: If it cannot be read, is no YAML, or says a key twice, of which YAML would take
            the last without a word; or if its aliases make more of it than anyone could read.
    """
    text = read_text(file, what=what)
    try:
        reading = (loader or _Loader)(text)
        try:
            node = reading.get_single_node()
            if node is None:
                return None
            if _size(node, {}) > _MOST_NODES:
                raise yaml.YAMLError("its aliases stand for too many values")
            return reading.construct_document(node)
        finally:
            reading.dispose()
    except (yaml.YAMLError, ValueError, RecursionError) as e:  # a date of month 13 is a ValueError
        why = (
            "it is nested too deeply" if isinstance(e, RecursionError) else " ".join(str(e).split())
        )
        raise ConfigError(f"{what} {str(file)!r} is not YAML: {why}") from e


def _size(node: Any, known: dict[int, int]) -> int:
    """How many values a node stands for with its aliases written out; itself in itself counts once."""
    if id(node) not in known:
        known[id(node)] = 1
        parts = node.value if isinstance(node.value, list) else []
        each = (p for part in parts for p in (part if isinstance(part, tuple) else (part,)))
        known[id(node)] = 1 + sum(_size(part, known) for part in each)
    return known[id(node)]


class _Loader(yaml.SafeLoader):
    """Of two equal keys neither is taken."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen = set()
        for key, _ in node.value:
            name = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else None
            if name and name in seen and key.tag != "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands twice; keep one", key.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep)


def lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file with their numbers, from 1, without empty ones.

    A line ends with a line feed and nothing else: never ``str.splitlines``, which also cuts at
    U+2028, U+2029, U+0085 and form feeds, and those may stand inside a JSON string.

    Raises:
        DataError: If the file cannot be read.
    """
    try:
        with file.open("rb") as found:
            for at, line in enumerate(found, start=1):
                if line.strip():
                    yield at, line
    except OSError as e:
        raise DataError(f"{str(file)!r} cannot be read: {said(e)}") from e


def dump_json(value: Any) -> str:
    """JSON for people: two spaces, Unicode as it is; half characters stay readable as JSON."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n"
    return text.encode("utf-8", "backslashreplace").decode()
