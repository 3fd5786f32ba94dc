"""Names, working files and lines on disk: the one place that makes each.

A name from a YAML or a CSV becomes a file's name here or not at all; what is being written has a
name that no other process of any machine can have, and is gone if it cannot be finished; lines end
with a line feed and nothing else, since answers hold the rest of Unicode's line ends.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from ptst_tasks.errors import ConfigError, DataError, said

__all__ = ["check_outputs", "check_writable", "dump_json", "file_name", "lines", "printable",
           "read_text", "read_yaml", "replacing", "working", "write_text"]  # fmt: skip

_FREE = frozenset("._-@=+,")
_LONGEST = 120
"""Bytes of a name: 255 are a file system's limit, and suffixes and working names are longer."""


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

    If the block fails, whatever was written is removed and `target` is what it was.

    Raises:
        OSError: If it cannot be put in place.
    """
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
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as aside:
            aside.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
    except OSError as e:
        raise ConfigError(f"{what + ' ' if what else ''}{str(target)!r} cannot be written: "
                          f"{said(e)}") from e  # fmt: skip


def check_writable(target: Path, what: str) -> None:
    """Tries whether a file could be written, before the work whose result it is to hold.

    Leaves nothing behind, but for folders that had to be made.

    Raises:
        ConfigError: With `what` (a flag), the path, and why not.
    """
    try:
        if target.is_dir():
            raise IsADirectoryError(0, "it is a folder, expected a file")
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(0, "Permission denied")
        aside = working(target)
        aside.touch()
        aside.unlink()
    except OSError as e:
        why = e.strerror or said(e)  # without the working file's name
        raise ConfigError(f"{what} {str(target)!r} cannot be written: {why}") from e


def check_outputs(**targets: Path | None) -> None:
    """`check_writable` for several flags; ``-`` (standard output) and None are fine.

    Args:
        **targets: Flag without its dashes -> file; ``_`` in a name stands for ``-``.

    Raises:
        ConfigError: If one cannot be written, or two are the same file.
    """
    seen: dict[str, str] = {}
    for name, target in targets.items():
        if target is None:
            continue
        flag, place = "--" + name.replace("_", "-"), str(target.absolute())
        if first := seen.get(place):
            raise ConfigError(f"{first} and {flag} are the same file, {str(target)!r}")
        seen[place] = flag
        if str(target) != "-":
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


def read_yaml(file: Path, *, what: str) -> Any:
    """Reads a YAML file of the user's.

    Args:
        file: The file.
        what: What it is, for the message.

    Raises:
        ConfigError: If it cannot be read, is no YAML, or says a key twice, of which YAML would take
            the last without a word.
    """
    text = read_text(file, what=what)
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as e:  # a date of month 13 is a ValueError
        why = (
            "it is nested too deeply" if isinstance(e, RecursionError) else " ".join(str(e).split())
        )
        raise ConfigError(f"{what} {str(file)!r} is not YAML: {why}") from e


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
