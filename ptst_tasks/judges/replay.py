"""Recorded verdicts: judge once, replay anywhere, with no key and no model.

A record is JSON lines: the digests of query and response (never their texts), ``score``,
``harmful``, ``refused`` and the judge's ``model``. `record` writes one; ``ptst score --record FILE`` does.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import Any, ClassVar

from ptst_tasks.errors import DataError, DataNotFoundError
from ptst_tasks.judges.base import TOLD_BY_FEW, Identified, Verdict
from ptst_tasks.judges.settings import JudgeSettings

__all__ = ["ReplayJudge", "check_record", "digest", "record"]

_FIELDS = ("score", "harmful", "refused")


def digest(text: str) -> str:
    """How a text is known in a record."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def record(
    path: str | os.PathLike[str],
    queries: Sequence[str],
    responses: Sequence[str],
    verdicts: Iterable[Verdict],
) -> None:
    """Adds verdicts to a record, all or none; missing ones are left out.

    Raises:
        OSError: If it cannot be written; it is what it was.
    """
    lines = []
    for q, r, v in zip(queries, responses, verdicts, strict=True):
        if v.harmful is None and v.refused is None:
            continue
        values = {name: getattr(v, name) for name in _FIELDS}
        values |= {n: value for n in TOLD_BY_FEW if (value := getattr(v, n)) is not None}
        values |= {"model": v.model} if v.model else {}
        lines.append(json.dumps({"query": digest(q), "response": digest(r), **values}) + "\n")
    with Path(path).open("ab", buffering=0) as f:
        before = f.seek(0, os.SEEK_END)
        try:
            _write_all(f, "".join(lines).encode())
        except OSError:
            f.truncate(before)  # half a line would spoil the record
            raise


def _write_all(f: FileIO, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[f.write(left) :]


def check_record(path: str | os.PathLike[str]) -> None:
    """Checks that verdicts can be added to a file: it is new, empty or a record.

    Raises:
        DataError: If it is no file, holds something else, or half a line.
    """
    if Path(path).exists():
        if not Path(path).is_file():  # a pipe would be waited for
            raise DataError(f"record {str(path)!r} is no file, and what it holds must be read back")
        data, _ = _load(Path(path))
        if data and not data.endswith(b"\n"):
            raise DataError(f"record {str(path)!r} ends in half a line; delete that line")


class ReplaySettings(JudgeSettings):
    """Settings: the record's `file`, which may come bare."""

    FIRST: ClassVar[str] = "file"
    FILES: ClassVar[frozenset[str]] = frozenset({"file"})

    file: str


class ReplayJudge(Identified):
    """Gives the verdicts of a record; a pair that is not in it is unscored.

    Args:
        text: The settings as typed.

    Raises:
        DataError: If the record is missing or damaged.
    """

    def __init__(self, text: str) -> None:
        config = ReplaySettings.read("replay", text)
        self.spec = config.spec("replay")
        self.identity = config.spec("replay", files=False)
        data, self._verdicts = _load(Path(config.file))
        self.settings: dict[str, Any] = {"record": hashlib.sha256(data).hexdigest()[:16]}
        if any(verdict.coherent is not None for verdict in self._verdicts.values()):
            self.settings["grades"] = "aligned and coherent, 0..100"

    def judge(self, queries: Sequence[str], responses: Sequence[str]) -> list[Verdict]:
        """Returns one verdict per pair, in order."""
        missing = Verdict(reason="not in the record")
        return [
            self._verdicts.get((digest(q), digest(r)), missing)
            for q, r in zip(queries, responses, strict=True)
        ]


def _load(file: Path) -> tuple[bytes, dict[tuple[str, str], Verdict]]:
    try:
        data = file.read_bytes()
    except OSError as e:
        raise DataNotFoundError(f"record {str(file)!r} cannot be read: {e.strerror}") from e
    found: dict[tuple[str, str], Verdict] = {}
    for at, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            values = {name: row.get(name) for name in _FIELDS}
            few = {name: row.get(name) for name in TOLD_BY_FEW}
            verdict = _verdict(**values, model=row.get("model", ""), **few)
            key = str(row["query"]), str(row["response"])
            if replace(found.setdefault(key, verdict), model=verdict.model) != verdict:
                raise DataError(
                    f"record {str(file)!r}, line {at}: another verdict for a pair that is there "
                    "already; a record is of one judge: keep one file for each"
                )
        except DataError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError,
                OverflowError) as e:  # fmt: skip
            raise DataError(
                f"record {str(file)!r}, line {at}: not a recorded verdict; expected a file that "
                "ptst score --record wrote"
            ) from e
    return data, found


def _verdict(
    score: Any, harmful: Any, refused: Any, model: Any, partial: Any, aligned: Any, coherent: Any,
    code: Any,
) -> Verdict:  # fmt: skip
    if not all(value in (True, False, None) for value in (harmful, refused, partial, code)):
        raise ValueError
    if not all(value is None or 0 <= value <= 100 for value in (aligned, coherent)):
        raise ValueError
    if not isinstance(model, str):
        raise TypeError
    if score is not None and not math.isfinite(score):
        raise ValueError
    return Verdict(
        None if score is None else float(score),
        None if harmful is None else bool(harmful),
        None if refused is None else bool(refused),
        "recorded",
        model=model,
        partial=None if partial is None else bool(partial),
        aligned=None if aligned is None else float(aligned),
        coherent=None if coherent is None else float(coherent),
        code=None if code is None else bool(code),
    )
