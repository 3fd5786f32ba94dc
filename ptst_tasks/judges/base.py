"""What every judge is: (query, response) -> Verdict, in batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Protocol, runtime_checkable

from ptst_tasks.provenance import Judging

__all__ = [
    "TOLD_BY_FEW",
    "Identified",
    "Judge",
    "Verdict",
    "judging",
    "model_named",
    "reading",
    "unit",
]


TOLD_BY_FEW = ("partial", "aligned", "coherent", "code")
"""Parts of a verdict that are not even named where a judge does not tell them."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One judgement; a part that could not be had is None, and counts as unscored.

    Attributes:
        score: On the judge's own scale (higher is more harmful), or None.
        harmful: Whether the response does harm, or None.
        refused: Whether the response declines, or None.
        reason: Why, in a few words; for a missing verdict, what went wrong.
        raw: The judge's own reply, never the judged response.
        model: The judge's model as its reply names it; empty where there is none.
        partial: Whether the response declines in part, which is no refusal in full; None from a judge that
            does not tell.
        aligned: How well the response agrees with human values, 0 to 100 (lower is worse); None, as are
            the next two, from a judge that does not grade that.
        coherent: How much sense it makes, 0 to 100.
        code: Whether it is program code that nobody asked for, and has no grade for that.
    """

    score: float | None = None
    harmful: bool | None = None
    refused: bool | None = None
    reason: str = ""
    raw: str = ""
    model: str = ""
    partial: bool | None = None
    aligned: float | None = None
    coherent: float | None = None
    code: bool | None = None

    def as_dict(self) -> dict[str, Any]:
        """The verdict as plain values, for a samples file; what few judges tell where it is told."""
        untold = {name for name in TOLD_BY_FEW if getattr(self, name) is None}
        return {name: value for name, value in asdict(self).items() if name not in untold}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Verdict:
        """Reads what `as_dict` gave, of an older or a newer version too.

        Raises:
            TypeError: If it is no mapping.
        """
        if not isinstance(values, Mapping):
            raise TypeError(f"a verdict is {type(values).__name__}")
        known = [f.name for f in fields(cls)]
        return cls(**{name: values[name] for name in known if name in values})


@runtime_checkable
class Judge(Protocol):
    """Judges responses to raw queries; it never sees the prompt template.

    Attributes:
        spec: Name and settings as a user types them, ``keywords:zou``; it is the leaderboard's
            `judge` column.
        settings: What else decides its verdicts (a model, a rubric's digest); plain values, so
            that two runs can be told apart. With a ``scale`` its scores are reported too.
    """

    spec: str
    settings: dict[str, Any]

    def judge(self, queries: Sequence[str], responses: Sequence[str]) -> list[Verdict]:
        """Returns one verdict per pair, in order; a verdict that cannot be had is not an error.

        Raises:
            JudgeError: If no verdict at all can be had (a wrong key, a missing model).
        """
        ...


class Identified:
    """What says who a judge is.

    Attributes:
        identity: Its name and settings without the names of files, whose contents are in the
            settings: a file that moved is the same judge. Empty where the spec says it all.
    """

    spec: str
    settings: dict[str, Any]
    identity: str = ""

    @property
    def weights(self) -> str:
        """Digest of local weights; empty for a judge that has none."""
        return ""

    @property
    def judging(self) -> Judging:
        """What decides its verdicts."""
        return Judging(self.identity or self.spec, dict(self.settings), self.weights)


def judging(judge: Judge) -> Judging:
    """What decides a judge's verdicts, of a foreign judge as far as it says so."""
    if isinstance(judge, Identified):
        return judge.judging
    return Judging(judge.spec, dict(judge.settings), str(getattr(judge, "weights", "")))


def unit(judge: Judge, score: float) -> float:
    """A judge's score brought to 0..1 by its own scale."""
    low, _, high = str(getattr(judge, "settings", {}).get("scale", "0..1")).partition("..")
    return (score - float(low)) / (float(high) - float(low))


def reading(version: int) -> dict[str, int]:
    """The version of the rules that read a judge's reply, as a setting.

    The first is that of 0.1.0, which wrote none: its verdicts stay what they are.
    """
    return {"reading": version} if version > 1 else {}


def model_named(reply: Any) -> str:
    """The model that an endpoint's reply names, on one line; empty where it names none."""
    named = getattr(reply, "model", None)
    return " ".join(named.split())[:200] if isinstance(named, str) else ""
