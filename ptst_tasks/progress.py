"""What long work reports while it goes: a bar where somebody looks, now and then a line in a log.

One class for whatever takes minutes: a run, a training, the built-in model.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import IO, Any

__all__ = ["Bar", "Progress"]


class Progress:
    """What long work reports; this one says nothing."""

    def start(self, what: str, total: int) -> None:
        """Something of `total` steps begins."""

    def label(self, what: str) -> None:
        """What is being done now, without a new total."""

    def advance(self, steps: int) -> None:
        """So many steps more are done."""

    def done(self) -> None:
        """It is over."""


class Bar(Progress):
    """Progress on standard error: a bar with the time left, or plain lines where it is no terminal.

    Args:
        unit: What the steps are ("prompts"), for the plain lines.
        first: Seconds to the first plain line; what is over sooner says nothing.
        every: Seconds between two of them.
        stream: Where; standard error.
        terminal: Whether that is a terminal; found out if it is not said.
    """

    def __init__(
        self,
        *,
        unit: str = "",
        first: float = 5.0,
        every: float = 30.0,
        stream: IO[str] | None = None,
        terminal: bool | None = None,
    ) -> None:
        from rich.console import Console

        console = Console(file=stream, stderr=stream is None)
        drawn = console.is_terminal if terminal is None else terminal
        self._way: Progress = (
            _Drawn(console) if drawn else _Told(unit, first, every, stream or sys.stderr)
        )

    def start(self, what: str, total: int) -> None:
        """Something of `total` steps begins."""
        self._way.start(what, total)

    def label(self, what: str) -> None:
        """What is being done now, without a new total."""
        self._way.label(what)

    def advance(self, steps: int) -> None:
        """So many steps more are done."""
        self._way.advance(steps)

    def done(self) -> None:
        """It is over; a bar's line stays."""
        self._way.done()


class _Drawn(Progress):
    def __init__(self, console: Any) -> None:
        from rich import progress as rich

        self._bar = rich.Progress(
            rich.TextColumn("{task.description}"),
            rich.BarColumn(),
            rich.MofNCompleteColumn(),
            rich.TimeElapsedColumn(),
            rich.TextColumn("left"),
            rich.TimeRemainingColumn(),
            console=console,
        )
        self._task: Any = None

    def start(self, what: str, total: int) -> None:
        self._bar.start()
        self._task = self._bar.add_task(what, total=total)

    def label(self, what: str) -> None:
        self._bar.update(self._task, description=what)

    def advance(self, steps: int) -> None:
        self._bar.advance(self._task, steps)

    def done(self) -> None:
        self._bar.stop()
        for task in self._bar.tasks:
            self._bar.update(task.id, visible=False)


class _Told(Progress):
    """A thread tells, so that a step of an hour is not an hour's silence."""

    def __init__(self, unit: str, first: float, every: float, stream: IO[str]) -> None:
        self._unit, self._first, self._every, self._stream = unit, first, every, stream
        self._over: threading.Event | None = None
        self._told = False

    def start(self, what: str, total: int) -> None:
        self.done()
        self._what, self._total, self._label, self._steps = what, total, "", 0
        self._begun, self._told, self._over = time.monotonic(), False, threading.Event()
        threading.Thread(target=self._work, args=(self._over,), daemon=True).start()

    def label(self, what: str) -> None:
        self._label = what

    def advance(self, steps: int) -> None:
        self._steps += steps

    def done(self) -> None:
        if self._over is None:
            return
        self._over.set()
        self._over = None
        if self._told:  # whoever read that it began reads how it ended
            self._tell(over=True)

    def _work(self, over: threading.Event) -> None:
        wait = self._first
        while not over.wait(wait):
            self._told, wait = True, self._every
            self._tell()

    def _tell(self, *, over: bool = False) -> None:
        seconds = time.monotonic() - self._begun
        label = f" ({self._label})" if self._label and not over else ""
        unit = f" {self._unit}" if self._unit else ""
        line = f"{self._what}{label}: {self._steps:,}/{self._total:,}{unit} in {_time(seconds)}"
        left = self._total - self._steps
        if self._steps and left > 0 and not over:
            line += f", about {_time(seconds / self._steps * left)} left"
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):  # a log that is full or closed ends no run
            pass


def _time(seconds: float) -> str:
    """``45 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
