"""Logs of inspect_ai, unpacked beside themselves into what lm_eval writes, for everything that reads it.

    LOGS/2026-01-31T12-00-00_advbench_ID.eval
    LOGS/2026-01-31T12-00-00_advbench_ID.eval.ptst/log.json          of which log it is
    LOGS/2026-01-31T12-00-00_advbench_ID.eval.ptst/MODEL/results_DATE.json, samples_TASK_DATE.jsonl

Done once, and again where the log has changed; `ptst score` adds its verdicts there, and never to
the log. What an earlier state held stays, as a hidden folder beside it.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ptst_tasks.digests import read_json
from ptst_tasks.errors import DataError, said
from ptst_tasks.files import file_name, working

__all__ = ["is_log", "unpack", "unpack_below"]

log = logging.getLogger(__name__)
_FORM = 1
"""Raised when a log is read to other numbers."""
_NAMED = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}[:-]\d{2}[:-]\d{2}.*\.json")
"""As inspect names a log, and knows one."""


def is_log(path: Path) -> bool:
    """Whether a path is a log of inspect's."""
    return path.is_file() and (path.suffix == ".eval" or bool(_NAMED.fullmatch(path.name)))


def unpack(file: Path) -> Path:
    """The folder of what a log holds, made where it is not there yet; says what is odd about the log.

    Raises:
        DataError: If the log cannot be read, or the folder cannot be written.
    """
    out = file.with_name(f"{file.name}.ptst")
    try:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        if not _is_of(out, digest):
            _write(file, out, digest)
        notes = _told(out).get("notes")
    except OSError as e:
        raise DataError(f"{str(file)!r} cannot be unpacked beside itself: {said(e)}; copy it into a "
                        "folder that you may write to") from e  # fmt: skip
    for note in notes if isinstance(notes, list) else ():
        _say(f"{file.name}: {note}")
    return out


def unpack_below(folder: Path) -> None:
    """Unpacks every log below a folder.

    Logs that another log of the same task has finished, and logs of other tasks beside ours, are
    passed over, and told of once.

    Raises:
        DataError: If one is damaged or unfinished, or all are of other tasks.
    """
    from ptst_tasks.for_inspect.logs import ForeignError, UnfinishedError

    good: set[str] = set()
    cut: list[UnfinishedError] = []
    foreign: list[ForeignError] = []
    for file in _logs(folder):
        try:
            good.add(str(_told(unpack(file)).get("task_id")))
        except UnfinishedError as e:
            cut.append(e)
        except ForeignError as e:
            foreign.append(e)
    if left := [one for one in cut if one.task_id not in good]:
        raise left[-1]
    if foreign and not good:
        raise foreign[0]
    for unfinished in cut:
        _say(f"{unfinished}: passed over, another log has finished it")
    for other in foreign:
        _say(f"{other}: passed over")


def _logs(folder: Path) -> Iterator[Path]:
    found = {*folder.rglob("*.eval"), *folder.rglob("[0-9]*.json")}
    for file in sorted(found):
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if not hidden and is_log(file):
            yield file


@functools.cache
def _say(text: str) -> None:
    log.warning("%s", text)


def _told(out: Path) -> dict[str, Any]:
    """Of which log a folder is, and what was odd about it."""
    return read_json(out / "log.json") or {}


def _is_of(out: Path, digest: str) -> bool:
    found = _told(out)
    return (found.get("digest"), found.get("form")) == (digest, _FORM)


def _write(file: Path, out: Path, digest: str) -> None:
    """Writes the folder whole or not at all; one that another process wrote meanwhile stays."""
    from ptst_tasks.for_inspect.logs import Reading, read

    readings: list[Reading] = read(file)
    notes = list(dict.fromkeys(note for reading in readings for note in reading.notes))
    if out.is_dir():
        notes.append(f"has changed since it was read; what `ptst score` had added is in "
                     f"{_put_aside(out).name!r}: score it again")  # fmt: skip
    aside = working(out)
    try:
        for reading in readings:
            _put(aside / file_name(reading.model), reading)
        told = {"digest": digest, "form": _FORM, "task_id": readings[0].task_id, "notes": notes}
        (aside / "log.json").write_text(json.dumps(told), encoding="utf-8")
        aside.rename(out)
    except OSError:
        if not _is_of(out, digest):
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _put_aside(out: Path) -> Path:
    number = 1
    while (kept := out.with_name(f".{out.name}.{number}")).exists():
        number += 1
    return out.rename(kept)


def _put(folder: Path, reading: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(line, default=str) + "\n" for line in reading.lines)
    samples = folder / f"samples_{reading.task}_{reading.date}.jsonl"
    samples.write_text(lines, encoding="utf-8", newline="\n")
    text = json.dumps(reading.results, indent=2, default=str)
    (folder / f"results_{reading.date}.json").write_text(text, encoding="utf-8", newline="\n")
