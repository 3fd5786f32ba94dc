"""Finds a study by its path, or a ready one by its name, and reads it with all that is wrong in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import (
    ValidationError,
)

from leaderboards.run import study_paths
from leaderboards.run.study import Study
from leaderboards.run.study_errors import (
    FaultsError,
    FaultsFound,
    check_plain,
    places,
    pruned,
    type_faults,
)
from ptst_tasks.errors import ConfigError, UnknownNameError, said
from ptst_tasks.files import read_yaml
from ptst_tasks.keys import check_no_keys, hidden

if TYPE_CHECKING:
    pass

__all__ = ["STUDIES", "check_values", "load", "load_with_faults", "study_file"]

STUDIES = Path(__file__).parents[1] / "studies"
"""Where the ready ones are."""


def study_file(name: str) -> Path:
    """Returns the file of a study: a path, or the name of a ready one.

    Raises:
        ConfigError: If it is a folder, or cannot be looked at.
        UnknownNameError: If it is neither.
    """
    ready = {p.stem: p for p in STUDIES.glob("*.yaml")}
    try:
        if Path(name).is_file() or Path(name).is_fifo():
            return Path(name)
        if Path(name).is_dir() and name not in ready:
            inside = next(iter(sorted(p.name for p in Path(name).glob("*.y*ml"))), "")
            hint = f"; did you mean {str(Path(name) / inside)!r}?" if inside else ""
            raise ConfigError(f"study {name!r} is a folder, expected a YAML file{hint}")
    except OSError as e:
        raise ConfigError(f"study {name[:80]!r} cannot be read: {said(e)}") from e
    if name not in ready:
        if Path(name).suffix in (".yaml", ".yml"):
            near = ", ".join(sorted(ready))
            raise ConfigError(f"study {name!r} is not there; ready studies: {near}")
        raise UnknownNameError("study", name, ready)
    return ready[name]


def load(which: str, **overrides: Any) -> Study:
    """Reads a study.

    Raises:
        ConfigError: If the file is no YAML, or a field is wrong or unknown.
        UnknownNameError: If it names a template, a set or a format that is in no table.
    """
    study, found = load_with_faults(which, **overrides)
    if len(found.faults) > 1:
        raise FaultsError([said(fault) for fault in found.faults])
    if found.faults:
        raise found.faults[0]
    assert study is not None
    return study


def load_with_faults(which: str, **overrides: Any) -> tuple[Study | None, FaultsFound]:
    """Reads a study with all that is wrong with it.

    Returns:
        The study without the fields that cannot be read, None if nothing of it can; and what is
        wrong, with the fields concerned.

    Raises:
        ConfigError: If the file is no YAML.
    """
    file = study_file(which)
    data = _read(file)
    told: dict[str, Any] = {}
    notes: list[str] = []
    if file.parent != STUDIES:
        told, notes = study_paths.resolve(data, file.parent)
    data = {"name": file.stem, **data, **overrides}
    found = FaultsFound([], set())
    for _ in range(8):  # what was wrong is left out, until the rest can be looked at
        try:
            study = Study.model_validate(data, context=found)
        except ValidationError as e:
            found.faults += type_faults(e, str(file), Study)
            found.wrong |= places(e)
            data = pruned(data, e)
        else:
            # What the file does not say was not found anywhere else.
            study._said.update(
                {k: v for k, v in told.items() if k.partition(".")[0] not in overrides}
            )
            study._notes.extend(notes)
            return study, found
    return None, found


def _read(file: Path) -> dict[str, Any]:
    """A study's file as plain values, without secrets.

    Raises:
        ConfigError: If it is no YAML of 'field: value' lines, or holds what no study can.
    """
    try:
        data = read_yaml(file, what="study")
    except ConfigError as e:
        raise ConfigError(hidden(str(e))) from None
    if data is None:
        raise ConfigError(f"study {str(file)!r} is empty, expected 'field: value' lines")
    if not isinstance(data, dict):
        raise ConfigError(
            f"study {str(file)!r} holds {hidden(repr(data))[:80]}, expected 'field: value' lines"
        )
    check_values(data, f"study {str(file)!r}")
    return data


def check_values(data: Mapping[str, Any], where: str) -> None:
    """Refuses secrets, and what a study's record cannot hold.

    Raises:
        ConfigError: If there is any; says where.
    """
    try:
        check_plain(data)
        check_no_keys(data, known=_fields_like_keys(data), free=_FREE_TEXT)
    except ConfigError as e:
        raise ConfigError(f"{where}: {e}") from None


_FREE_TEXT = ("test.options.prefill", "test.gen_kwargs")


def _fields_like_keys(data: Mapping[str, Any]) -> tuple[str, ...]:
    return ("api_key_env",) if data.get("engine") == "openai" else ()
