"""Where a study's files are: relative to the YAML that names them, whatever folder it is run from.

A value that is there relative to the YAML's folder is taken from there; else one that is there
relative to the current folder, as all were once, with a note; else it stays a name (a hub id, a
training set's name). What the study said is kept beside what was found, for labels and records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from adapters_train.data import TRAINING_SETS
from leaderboards.run import made_bases
from ptst_tasks.engines.engine_args import PATHS
from ptst_tasks.errors import ConfigError
from ptst_tasks.own_data import is_remote, split_off

__all__ = ["put_back", "resolve"]

_JUDGES_FILES = {"replay": "file", "rubric": "rubric", "guards": "model"}


def resolve(data: dict[str, Any], folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Puts found paths in the place of relative ones.

    Args:
        data: The YAML, changed in place.
        folder: The YAML's.

    Returns:
        Place -> what the study said, of every value that was changed; and notes.
    """
    told: dict[str, Any] = {}
    notes: list[str] = []
    for parent, key, place, must in list(_places(data)):
        value = parent[key]
        if not isinstance(value, str) or not value or "\0" in value or Path(value).is_absolute():
            continue
        of_data = place.startswith(("train.data", "test.options.custom", "test.custom."))
        path, split = split_off(value, folder) if of_data else (value, "")
        found, note = _find(path, folder, must and not (of_data and is_remote(value)))
        found += split
        if note:
            notes.append(f"{place} {value!r} {note}")
        if found != value:
            told[place], parent[key] = value, found
    judges: Any = data.get("judges")
    for at, spec in enumerate(judges if isinstance(judges, list) else ()):
        if isinstance(spec, str) and (found := _judge(spec, folder)) != spec:
            told[f"judges.{at}"], judges[at] = spec, found
    for name, own in _own_sets(data):
        spec = own.get("judge")
        if isinstance(spec, str) and (found := _judge(spec, folder)) != spec:
            told[f"test.custom.{name}.judge"], own["judge"] = spec, found
    return told, notes


def _judge(spec: str, folder: Path) -> str:
    """A judge's spec with the files in it that lie beside the study, and nowhere from here."""
    name, colon, rest = spec.partition(":")
    if name == "panel":
        return name + colon + ";".join(_judge(part, folder) for part in rest.split(";"))
    return name + colon + ",".join(_judge_part(name, part, folder) for part in rest.split(","))


def _judge_part(judge: str, part: str, folder: Path) -> str:
    setting, sign, value = part.partition("=")
    if not sign and judge == "replay":
        setting, sign, value = "file", "=", part
    if value and setting.strip() == _JUDGES_FILES.get(judge) and not Path(value).is_absolute():
        beside = folder / value
        if _is_there(beside) and not _is_there(Path(value)):
            return f"{setting}{sign}{beside}"
    return part


def _find(value: str, folder: Path, must: bool) -> tuple[str, str]:
    """The path to use, and what to say of it."""
    beside, here = folder / _at_home(value), Path(value)
    if _is_there(beside):
        if _is_there(here) and not _same(beside, here):
            return str(beside), (
                f"is taken from beside the study ({str(beside)!r}); the current folder has one, too"
            )
        return str(here if _is_there(here) else beside), ""
    if _is_there(here):
        return value, (
            "is taken from the current folder, since there is none beside the study; write it relative "
            "to the study's file"
        )
    return (str(beside) if must else value), ""


def _at_home(value: str) -> Path:
    try:
        return Path(value).expanduser()
    except RuntimeError as e:
        raise ConfigError(
            f"{value!r} begins with the home of a user whom this machine does not know; write the "
            "whole path"
        ) from e


def _places(data: Mapping[str, Any]) -> Iterator[tuple[Any, Any, str, bool]]:
    """(parent, key, its name, whether it can only be a path) of every value that may be one."""
    train, test, args = data.get("train"), data.get("test"), data.get("engine_args")
    served = data.get("engine") == "openai"
    if isinstance(base := data.get("base"), str) and not served and not made_bases.is_made(base):
        yield data, "base", "base", False
    if "templates" in data:
        yield data, "templates", "templates", True
    if isinstance(train, dict):
        if isinstance(name := train.get("data"), str) and name not in TRAINING_SETS:
            yield train, "data", "train.data", False
        settings = train.get("settings")
        before = settings.get("unaligned") if isinstance(settings, dict) else None
        if isinstance(before, str) and not made_bases.is_made(before):
            yield settings, "unaligned", "train.settings.unaligned", False
        rows = train.get("adapters")
        for at, row in enumerate(rows if isinstance(rows, list) and not served else ()):
            if isinstance(row, dict) and "path" in row:
                yield row, "path", f"train.adapters.{at}.path", True
    options = test.get("options") if isinstance(test, dict) else None
    for name in ("custom", "bertscore"):
        if isinstance(options, dict) and name in options:
            yield options, name, f"test.options.{name}", name == "custom"
            if isinstance(own := options[name], dict) and "path" in own:
                yield own, "path", f"test.options.{name}.path", True
    for name, own in _own_sets(data):
        if "path" in own:
            yield own, "path", f"test.custom.{name}.path", True
    kind = data.get("engine", "hf")
    for name in PATHS.get(kind, ()) if isinstance(kind, str) else ():
        if isinstance(args, dict) and name in args:
            yield args, name, f"engine_args.{name}", False


def _own_sets(data: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The sets of the user's own, by name."""
    test = data.get("test")
    custom = test.get("custom") if isinstance(test, dict) else None
    for name, own in custom.items() if isinstance(custom, dict) else ():
        if isinstance(own, dict):
            yield name, own


def put_back(values: dict[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """A dumped study with what it said in the place of what was found."""
    for place, value in told.items():
        values = _with(values, place.split("."), value)
    return values


def _with(values: Any, way: list[str], value: Any) -> Any:
    """The same with another value in one place; unchanged if that was left out of the dump."""
    step, *rest = way
    if isinstance(values, dict) and step in values:
        return {**values, step: _with(values[step], rest, value) if rest else value}
    if isinstance(values, list | tuple) and step.isdigit() and int(step) < len(values):
        new = list(values)
        new[int(step)] = _with(new[int(step)], rest, value) if rest else value
        return type(values)(new)
    return values


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # too long for a name
        return False


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
