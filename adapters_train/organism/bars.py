"""How a build tells how far it is: a hook after every step, and bars for people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

__all__ = ["OnStep", "quiet", "show_progress"]


class OnStep(Protocol):
    """Told after every optimiser step how far a stage is."""

    def __call__(self, stage: str, step: int, steps: int, loss: float) -> None:
        """`step` counts from 1 to `steps`."""


def quiet(stage: str, step: int, steps: int, loss: float) -> None:
    """Shows nothing."""


@contextmanager
def show_progress() -> Iterator[OnStep]:
    """Draws one bar per stage on the standard error, with the loss and the time left."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn())
    loss_column = TextColumn("loss {task.fields[loss]:.3f}")
    with Bars(*columns, loss_column, TimeRemainingColumn(), console=Console(stderr=True)) as bars:
        rows: dict[str, Any] = {}

        def progress(stage: str, step: int, steps: int, loss: float) -> None:
            if stage not in rows:
                rows[stage] = bars.add_task(stage, total=steps, loss=loss)
            bars.update(rows[stage], completed=step, loss=loss)

        yield progress
