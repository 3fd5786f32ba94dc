"""From what a user calls a base to what libraries can load: one place for every door.

A folder and a hub id stay what they are; ``path/model.gguf`` and ``packaged:NAME`` are read once and kept
as folders. (Bases that are trained first, as the built-in model, are ``leaderboards.run.made_bases``'.)
"""

from __future__ import annotations

from pathlib import Path

from ptst_tasks import gguf_files, packaged

__all__ = ["check_base", "is_read", "local_base", "present_base"]


def is_read(name: str) -> bool:
    """Whether a base must be read into a folder first."""
    return packaged.is_packaged(name) or gguf_files.is_gguf(name)


def check_base(name: str) -> None:
    """Looks at a base that must be read first, as far as that fetches and writes nothing.

    Raises:
        UnknownNameError: If there is no such packaged model.
        ConfigError: If a GGUF file is of no use.
    """
    if packaged.is_packaged(name):
        packaged.find(name)
    elif gguf_files.is_gguf(name):
        gguf_files.check(Path(name))


def local_base(name: str) -> str:
    """What transformers, lm-eval and vLLM are given for a base; fetches and reads what must be.

    Raises:
        UnknownNameError: If there is no such packaged model.
        ConfigError: If it cannot be had or read.
    """
    if packaged.is_packaged(name):
        return str(gguf_files.as_folder(packaged.fetch(name)))
    return str(gguf_files.as_folder(name)) if gguf_files.is_gguf(name) else name


def present_base(name: str) -> str:
    """The same, of what is here already; empty if it has to be fetched or read first."""
    if not is_read(name):
        return name
    if not packaged.is_packaged(name):
        return str(gguf_files.kept(name) or "")
    known = packaged.MODELS.get(name.removeprefix(packaged.PREFIX))
    if known is None or not packaged.is_kept(known):
        return ""
    return str(gguf_files.kept(packaged.kept_file(known)) or "")
