"""What was measured, as Markdown and JSON, written anew after every part."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Row = dict[str, Any]


class OutOfTimeError(BaseException):
    """A part took longer than it may; nothing below the parts catches it."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the measurement.

    Attributes:
        table: Title of the table that its rows go to.
        name: What is measured.
        seconds: It may take so long; with a quarter of that left, it is not begun.
        run: Adds rows to the list it is handed.
    """

    table: str
    name: str
    seconds: float
    run: Callable[[list[Row]], None]


@dataclass
class Report:
    """All tables, and what was left out.

    Attributes:
        head: What the machine is.
        folder: Where the files go.
        tables: Title -> rows.
        said: What a reader must know.
        faults: Parts that ended in an error nobody expected.
    """

    head: dict[str, str]
    folder: Path
    tables: dict[str, list[Row]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        """Adds a line for the reader, and prints it."""
        print(line, flush=True)
        self.said.append(line)

    def markdown(self) -> str:
        """The whole as one page."""
        lines = ["# GPU lines", "", *(f"* {k}: {v}" for k, v in self.head.items() if v)]
        for title, rows in self.tables.items():
            if rows:
                lines += ["", f"## {title}", "", *_table(rows)]
        if self.said:
            lines += ["", "## To be known", "", *(f"* {line}" for line in self.said)]
        return "\n".join(lines) + "\n"

    def write(self) -> None:
        """Writes ``gpu.md`` and ``gpu.json``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "gpu.md").write_text(self.markdown(), encoding="utf-8")
        whole = {"head": self.head, "tables": self.tables, "said": self.said, "faults": self.faults}
        text = json.dumps(whole, indent=1, default=str) + "\n"
        (self.folder / "gpu.json").write_text(text, encoding="utf-8")


def run_parts(parts: Sequence[Part], report: Report, end: float, free: Callable[[], None]) -> None:
    """Runs parts in the order of their worth until the time is over.

    Args:
        parts: What to run.
        report: Takes their rows.
        end: When all must be over, by `time.monotonic`.
        free: Gives memory back, after each.
    """
    for part in parts:
        rows = report.tables.setdefault(part.table, [])
        left = end - time.monotonic()
        if left < part.seconds / 4:
            report.say(f"{part.name}: left out, {max(0, left):.0f} s were left of the whole time")
            continue
        start = time.monotonic()
        if trouble := _run(part, rows, min(part.seconds, left), report.faults):
            report.say(f"{part.name}: {trouble}")
        print(f"{part.name}: {time.monotonic() - start:.0f} s", flush=True)
        free()  # here, where no frame of the part is held by an error any more
        report.write()


def _run(part: Part, rows: list[Row], seconds: float, faults: list[str]) -> str:
    """Runs one part; returns what went wrong, in a line, or nothing."""
    import torch

    from ptst_tasks.errors import PTSTError

    try:
        with _at_most(seconds):
            part.run(rows)
    except OutOfTimeError:
        return f"stopped after its {seconds:.0f} s; what is in the table was measured before"
    except torch.OutOfMemoryError as e:
        return f"out of memory: {_first(e)}"
    except PTSTError as e:
        return _first(e)
    except Exception as e:  # one part's fault must not take the others' minutes with it
        faults.append(part.name)
        return f"failed, {type(e).__name__}: {_first(e)}"
    return ""


def _first(e: Exception) -> str:
    return (str(e).strip().splitlines() or ["no word"])[0][:200]


@contextlib.contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise OutOfTimeError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.01))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _table(rows: Sequence[Row]) -> Iterator[str]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    yield "| " + " | ".join(names) + " |"
    yield "|" + "---|" * len(names)
    for row in rows:
        yield "| " + " | ".join(_cell(row.get(name, "")) for name in names) + " |"


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
