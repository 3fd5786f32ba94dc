"""Packages: what ptst's own metadata asks for, beside what is installed and can be imported."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from leaderboards.doctor.finding import Finding
from ptst_tasks import __version__
from ptst_tasks.errors import said

__all__ = ["MAKERS", "complete", "extras", "faults", "package_lines"]

MAKERS = frozenset({"test", "docs", "dev"})
"""Extras of those who change ptst; users need none of them."""
_FIRST = 120
_UNKNOWN = "it is run from a folder and is not installed, so what it needs is not known"


def package_lines() -> Iterator[Finding]:
    """Ptst itself, then each of its extras."""
    python = f"Python {platform.python_version()}"
    if _version("ptst") is None:
        yield Finding("package", "ptst", "broken", f"{__version__}, {python}; {_UNKNOWN}",
                   "pip install -e FOLDER")  # fmt: skip
        return
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
    broken = [why for one in asked if _version(one.name) and (why := _import_fault(one.name))]
    return [*lost, *_old(asked), *broken]


@cache
def _import_fault(name: str) -> str:
    """Why a package cannot be imported; empty if it can. What it prints meanwhile is not ours to show."""
    module = _module_of(name)
    with ExitStack() as quiet:
        quiet.enter_context(_hushed())
        quiet.enter_context(warnings.catch_warnings(action="ignore"))
        try:
            importlib.import_module(module)
        except (Exception, SystemExit) as e:  # whatever a library does when it is loaded
            return f"{name} {_version(name)} cannot be imported ({said(e)[:_FIRST]})"
    return ""


@contextmanager
def _hushed() -> Iterator[None]:
    """Nothing is printed, by libraries in C either, which know no `sys.stdout`."""
    with Path(os.devnull).open("w") as nowhere, ExitStack() as after:
        for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
            if stream is not None:
                stream.flush()
            try:
                kept = os.dup(number)
            except OSError:  # it is closed
                continue
            after.callback(os.close, kept)
            after.callback(os.dup2, kept, number)
            os.dup2(nowhere.fileno(), number)
        with redirect_stdout(nowhere), redirect_stderr(nowhere):
            yield
        nowhere.flush()


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
