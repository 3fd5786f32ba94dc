"""The best adapter under the limit, in a folder of its own that no trainer rotates away.

    OUTPUT/best-000200/       the adapter, and best.json: its step, and what was measured of it
    OUTPUT/best               a link to it

A new one is written aside and renamed, the link is turned to it, and then the last one goes: a process
that is killed at any moment leaves a whole adapter behind ``best``.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ptst_tasks.digests import read_json, write_json
from ptst_tasks.files import working

__all__ = ["BestSoFar", "save_model", "sweep"]

FACTS = "best.json"


class BestSoFar:
    """Keeps one adapter.

    Args:
        folder: The callback's.
        greater: Whether a greater value is better.
    """

    def __init__(self, folder: Path, *, greater: bool) -> None:
        self.folder, self.link, self._greater = folder, folder / "best", greater

    @property
    def facts(self) -> dict[str, Any] | None:
        """What ``best.json`` says; None where there is none."""
        return read_json(self.link / FACTS)

    def beats(self, value: float) -> bool:
        """Whether this value is better than that of the one that is kept."""
        kept = (self.facts or {}).get("value")
        if not isinstance(kept, int | float):
            return True
        return value > kept if self._greater else value < kept

    def keep(self, saved: Path, facts: Mapping[str, Any]) -> None:
        """Puts a saved model in the place of the one that is kept.

        Args:
            saved: A folder beside the link, which takes its new name.
            facts: At least its ``step``.

        Raises:
            OSError: If it cannot be put there; the last one stays then.
        """
        write_json(saved / FACTS, dict(facts))
        target = self.folder / f"best-{facts['step']:06}"
        if target.exists():  # measured again after a resume; the link may lead here
            target = self.folder / f"best-{facts['step']:06}-{saved.name[-12:-4]}"
        saved.rename(target)
        turned = working(self.link)
        turned.symlink_to(target.name, target_is_directory=True)
        turned.replace(self.link)
        for old in self.folder.glob("best-*"):
            if old != target:
                shutil.rmtree(old, ignore_errors=True)


def save_model(model: Any, tokenizer: Any, folder: Path) -> None:
    """Writes what is trained: of a peft model the adapter, else the whole model with its tokenizer."""
    if hasattr(model, "peft_config"):
        active = model.active_adapter
        model.save_pretrained(folder, selected_adapters=[active])
        if (named := folder / active).is_dir():  # peft gives any but "default" a folder of its own
            for file in named.iterdir():
                file.rename(folder / file.name)
            named.rmdir()
    else:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)  # peft's empty model card


def sweep(folder: Path) -> None:
    """Removes what a killed process was writing."""
    for left in [*folder.glob(".*.tmp"), *folder.glob("cells/.*.tmp")]:
        with contextlib.suppress(OSError):
            shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
    linked = (folder / "best").resolve()
    for whole in folder.glob("best-*"):  # renamed, and the link was not turned yet
        if (folder / "best").exists() and whole.resolve() != linked:
            shutil.rmtree(whole, ignore_errors=True)
