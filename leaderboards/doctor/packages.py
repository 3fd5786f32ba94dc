"""Packages: what ptst's own metadata asks for, beside what is installed and can be imported."""

from __future__ import annotations

import importlib.util
import platform
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from leaderboards.doctor.finding import Finding
from leaderboards.doctor.imports import import_faults
from ptst_tasks import __version__

__all__ = ["MAKERS", "complete", "extras", "faults", "package_lines"]

MAKERS = frozenset({"test", "docs", "dev"})
"""Extras of those who change ptst; users need none of them."""
_FIRST = 120
_TRIED: dict[str, str] = {}
"""Module -> why it cannot be imported, of those that were tried in this process."""
_UNKNOWN = "it is run from a folder and is not installed, so what it needs is not known"


def package_lines() -> Iterator[Finding]:
    """Ptst itself, then each of its extras."""
    python = f"Python {platform.python_version()}"
    if _version("ptst") is None:
        yield Finding("package", "ptst", "broken", f"{__version__}, {python}; {_UNKNOWN}",
                   "pip install -e FOLDER")  # fmt: skip
        return
    every = [one for extra in ("", *extras()) for one in _asked(extra)]
    _import_faults(tuple(one.name for one in every if _version(one.name)))  # in one go
    wrong = _faults(_asked(""))
    yield Finding("package", "ptst", "broken" if wrong else "ok", f"{__version__}, {python}{_list(wrong)}",
               _mend("ptst") if wrong else "")  # fmt: skip
    for extra in extras():
        yield _extra_line(extra)


def extras() -> list[str]:
    """The extras that users may want, in the order of the project's file."""
    if _version("ptst") is None:
        return []
    named = metadata.metadata("ptst").get_all("Provides-Extra") or []
    return [str(name) for name in named if name not in MAKERS]


def complete(extra: str) -> bool:
    """Whether all of an extra is installed, in versions that it asks for; False where nobody knows."""
    if _version("ptst") is None:
        return False
    return not _missing(_asked(extra)) and not _old(_asked(extra))


def faults(extra: str) -> list[str]:
    """What of an extra does not work here: missing, too old, or there and not to be imported."""
    return _faults(_asked(extra))


def _extra_line(extra: str) -> Finding:
    asked, mend = _asked(extra), _mend(f"ptst[{extra}]")
    if missing := _missing(asked):
        return Finding(
            "package", f"ptst[{extra}]", "absent", f"not installed: {', '.join(missing)}", mend
        )
    if wrong := _faults(asked):
        return Finding("package", f"ptst[{extra}]", "broken", _list(wrong).lstrip("; "), mend)
    found = ", ".join(f"{one.name} {metadata.version(one.name)}" for one in asked)
    return Finding("package", f"ptst[{extra}]", "ok", found)


def _mend(what: str) -> str:
    return f"pip install --upgrade '{what}'"


def _list(wrong: Sequence[str]) -> str:
    return "".join(f"; {fault}" for fault in wrong)


def _asked(extra: str) -> tuple[Requirement, ...]:
    """What an extra asks for, and what the extras ask for that it is made of; the core's for ``""``."""
    out: dict[str, Requirement] = {}
    for text in _requires():
        one = Requirement(text)
        always = one.marker is None or one.marker.evaluate({"extra": ""})
        if always != (not extra) or not (
            one.marker is None or one.marker.evaluate({"extra": extra})
        ):
            continue
        if one.name == "ptst":
            out |= {inner.name: inner for part in sorted(one.extras) for inner in _asked(part)}
        else:
            out[one.name] = one
    return tuple(out.values())


def _requires() -> list[str]:
    try:
        return metadata.requires("ptst") or []
    except metadata.PackageNotFoundError:  # which `package_lines` tells
        return []


def _missing(asked: Sequence[Requirement]) -> list[str]:
    return [one.name for one in asked if _version(one.name) is None]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _old(asked: Sequence[Requirement]) -> list[str]:
    found = {one: _version(one.name) for one in asked}
    return [
        f"{one.name} is {have}, expected {one.specifier}"
        for one, have in found.items()
        if have is not None and not one.specifier.contains(have, prereleases=True)
    ]


def _faults(asked: Sequence[Requirement]) -> list[str]:
    """Missing, too old, or there and not to be imported."""
    lost = [f"{name} is not installed" for name in _missing(asked)]
    there = tuple(one.name for one in asked if _version(one.name))
    return [*lost, *_old(asked), *_import_faults(there)]


def _import_faults(names: tuple[str, ...]) -> list[str]:
    """Which of some packages cannot be imported, and why."""
    modules = {name: _module_of(name) for name in names}
    new = tuple(m for m in dict.fromkeys(modules.values()) if m not in _TRIED)
    _TRIED.update(import_faults(new))
    return [
        f"{name} {_version(name)} cannot be imported ({_TRIED[module][:_FIRST]})"
        for name, module in modules.items()
        if _TRIED[module]
    ]


def _module_of(name: str) -> str:
    """The module of a distribution: its own name, as most have it, or what its files say."""
    own = canonicalize_name(name).replace("-", "_")
    if importlib.util.find_spec(own) is not None:
        return own
    return _modules().get(canonicalize_name(name), own)


@cache
def _modules() -> Mapping[str, str]:
    """Distribution -> a module that it brings."""
    found = metadata.packages_distributions()
    return {
        canonicalize_name(owner): module
        for module, owners in found.items()
        for owner in owners
        if not module.startswith("_")
    }
