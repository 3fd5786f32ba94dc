"""What results say of canaries: the looks at judges that verdicts were given under."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ptst_tasks.judges.looks import Watched, worst

__all__ = ["Stands"]


class Stands:
    """The looks that verdicts were given under: of a task, or of a run.

    Attributes:
        looks: Judge's name -> its looks, by their numbers in its cache; none where nothing is known.
        verdicts: Judge's name -> verdicts that have one.
    """

    def __init__(self) -> None:
        self.looks: dict[str, dict[int, Watched]] = {}
        self.verdicts = Counter[str]()

    def add(self, other: Stands) -> None:
        """Adds those of more verdicts."""
        for name, looks in other.looks.items():
            self.looks.setdefault(name, {}).update(looks)
        self.verdicts += other.verdicts

    def worst(self) -> dict[str, Watched]:
        """Judge's name -> the two of its looks that differ most; see `looks.worst`."""
        return {
            name: worst([looks[number] for number in sorted(looks, reverse=True)])
            for name, looks in self.looks.items()
            if looks
        }

    def told(self) -> dict[str, dict[str, Any] | None]:
        """As it stands in results, by name; None of a judge behind an endpoint that has no look."""
        found = {
            name: {**one.told(), "verdicts": self.verdicts[name]}
            for name, one in self.worst().items()
        }
        return {name: found.get(name) for name in self.looks}
