"""What a results file must look like where judging reads it; what looks otherwise is damage."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from ptst_tasks.errors import DataError
from ptst_tasks.record import KEY, TaskRecord, misfits
from ptst_tasks.replies import families_in

__all__ = ["asked_of", "damaged", "expect", "misshapen", "ours_of"]

Json = dict[str, Any]


# Fields of a task's record that judging reads, where they are there.
_READ = ("kind", "set", "template", "judges", "judge_settings", "judge_weights", "judge_models",
         "judge_failed", "judge_canaries", "markers", "thinks")  # fmt: skip


def ours_of(file: Path, data: Json, name: str) -> TaskRecord:
    """What a task of ours says of itself; empty for another's.

    Raises:
        DataError: If it is of ours and damaged.
    """
    config = data["configs"][name]
    metadata = config.get("metadata") if isinstance(config, dict) else None
    ours = metadata.get(KEY) if isinstance(metadata, dict) else None
    if ours is None and not name.startswith("ptst_"):
        return {}
    where = f"configs.{name}"
    for value, place in ((config, ""), (metadata, ".metadata"), (ours, f".metadata.{KEY}")):
        expect(value, dict, file, where + place)
    assert isinstance(ours, dict)
    for field_name, value, shape in misfits(ours, _READ):
        expect(value, shape, file, f"{where}.metadata.{KEY}.{field_name}")
    try:
        families_in(ours)
    except ValueError as e:
        raise damaged(file, f"{where}.metadata.{KEY}.markers", e, "markers of thoughts") from e
    for judge in ours.get("judges") or ():
        expect(judge, str, file, f"{where}.metadata.{KEY}.judges")
    for judge, settings in (ours.get("judge_settings") or {}).items():
        expect(settings, (dict, type(None)), file, f"judge_settings of {judge!r}")
    if name in data.get("results", {}):
        expect(data["results"][name], dict, file, f"results.{name}")
    return cast(TaskRecord, ours)


def asked_of(file: Path, data: Json, name: str) -> int | None:
    """How many prompts of a task were asked, as lm_eval says; None where it does not.

    Raises:
        DataError: If it says so in no number.
    """
    one = data.get("n-samples", {}).get(name)
    if one is None:
        return None
    asked = expect(one, dict, file, f"n-samples.{name}").get("effective")
    if asked is not None and (isinstance(asked, bool) or not isinstance(asked, int) or asked < 0):
        raise damaged(file, f"n-samples.{name}.effective", asked, "a number of prompts")
    return asked


_CALLED: dict[type, str] = {dict: "an object", list: "a list", str: "text", bool: "true or false"}


def expect(value: Any, shape: type | tuple[type, ...], file: Path, place: str) -> Any:
    """A value of the shape that it must have.

    Raises:
        DataError: If it has another.
    """
    if not isinstance(value, shape):
        named = shape if isinstance(shape, type) else shape[0]
        raise damaged(file, place, value, _CALLED[named])
    return value


def damaged(file: Path, place: str, value: Any, expected: str) -> DataError:
    """What to say of a value that nothing of ours or of lm_eval wrote there."""
    return DataError(f"{str(file)!r}: {place} is {str(value)[:40]!r}, expected {expected}: damaged; "
                     "evaluate again or delete the file")  # fmt: skip


_MOST_PROMPTS = 1 << 26
_OWN = frozenset({"doc", "doc_id", "resps", "filter", "metrics"})


def misshapen(row: Json) -> str:
    """What is wrong with a line of samples, without what it says; empty for nothing."""
    doc, answers, number = row.get("doc"), row.get("resps"), row.get("doc_id")
    if not isinstance(doc, dict) or not isinstance(doc.get("prompt"), str):
        return "doc holds no prompt"
    if not isinstance(doc.get("id", ""), str | int):
        return "doc.id is no name"
    first = answers[0] if isinstance(answers, list) and answers else None
    if not isinstance(first, list) or not first or not isinstance(first[0], str):
        return "resps holds no response"
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < _MOST_PROMPTS:
        return "doc_id is no prompt's number"
    if not isinstance(row.get("filter", ""), str):
        return "filter is no name"
    names = row.get("metrics", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return "metrics is no list of names"
    return "metrics names a field of its own" if _OWN & set(names) else ""
