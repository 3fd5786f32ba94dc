"""Where a built-in model is kept: a folder that is whole or not there, made once and checked."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from adapters_train.organism.bars import OnStep, quiet
from adapters_train.organism.card import MANIFEST, broken, save
from adapters_train.organism.tokenizer import CHAT_TEMPLATE
from adapters_train.organism.training import pretrain_and_align
from adapters_train.organism.words import OrganismRecipe, fingerprint
from ptst_tasks.digests import read_json
from ptst_tasks.errors import ConfigError
from ptst_tasks.files import working

__all__ = ["VERSION", "build", "cached"]

VERSION = 1
"""Raised when the same recipe and world would give other weights than before."""

_RESERVE = "reserve"


def build(
    seed: int,
    out: Path,
    *,
    control: bool = False,
    recipe: OrganismRecipe | None = None,
    progress: OnStep = quiet,
) -> Path:
    """Trains the model and saves it; a folder that already holds this very model is kept.

    The same seed gives the same bytes of weights on one machine type with as many threads.

    Args:
        seed: Draws the first weights and the order of the examples; the world is always the same.
        out: The folder. It appears, by a rename, when the model is whole.
        control: Leave over-refusal out (`OrganismRecipe.control`).
        recipe: Other numbers than the recipe's.
        progress: Told about every step.

    Raises:
        ConfigError: If `out` cannot be written, or holds something else.
    """
    out = Path(out).absolute()
    recipe = recipe or OrganismRecipe()
    recipe = recipe.control() if control else recipe
    identity = _identity(seed, control, recipe)
    if _holds(out, identity):
        return out
    with _aside(out, identity) as folder:
        model, tokenizer = pretrain_and_align(seed, recipe, progress)
        (folder / _RESERVE).unlink()
        save(model, tokenizer, folder, {**identity, "recipe": asdict(recipe)})
    return out


def cached(
    seed: int,
    control: bool = False,
    *,
    recipe: OrganismRecipe | None = None,
    progress: OnStep = quiet,
) -> Path:
    """`build` in the user's cache folder, ``$XDG_CACHE_HOME/ptst`` (``~/.cache/ptst``)."""
    recipe = recipe or OrganismRecipe()
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    identity = _identity(seed, control, recipe.control() if control else recipe)
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:12]
    out = Path(home) / "ptst" / f"organism-{seed}{'-control' if control else ''}-{digest}"
    _drop_damaged(out)
    return build(seed, out, control=control, recipe=recipe, progress=progress)


def _drop_damaged(out: Path) -> None:
    """Removes a cached model that is not whole: it is made again, the same bytes.

    Raises:
        ConfigError: If it cannot be removed.
    """
    if not out.is_dir() or not any(out.iterdir()) or not (why := broken(out)):
        return
    print(f"note: {why}; the built-in model is made again", file=sys.stderr)
    aside = working(out)
    try:
        out.rename(aside)
    except FileNotFoundError:  # another process was first
        return
    except OSError as e:
        raise _unwritable(out, e) from None
    shutil.rmtree(aside, ignore_errors=True)


def _identity(seed: int, control: bool, recipe: OrganismRecipe) -> dict[str, Any]:
    """What tells one built-in model from another."""
    shape = hashlib.sha256(CHAT_TEMPLATE.encode()).hexdigest()[:12]
    world = fingerprint(recipe)
    return {"seed": seed, "control": control, "world": world, "chat": shape, "version": VERSION}


def _holds(out: Path, identity: dict[str, Any]) -> bool:
    """Whether `out` is this very model; a folder that is anything else is left alone."""
    try:
        if out.is_file():
            raise ConfigError(f"{str(out)!r} is a file; the built-in model needs an own folder")
        if not out.is_dir() or not any(out.iterdir()):
            return False
    except OSError as e:
        raise _unwritable(out, e) from None
    manifest = read_json(out / MANIFEST)
    if manifest is None:
        raise ConfigError(
            f"{str(out)!r} holds something, and not a built-in model: it has no readable "
            f"{MANIFEST}; choose an empty or new folder"
        )
    found = {key: manifest.get(key) for key in identity}
    if found != identity:
        raise ConfigError(
            f"{str(out)!r} holds another built-in model, {found}; wanted {identity}: "
            "choose another folder or remove that one"
        )
    return True


@contextmanager
def _aside(out: Path, identity: dict[str, Any]) -> Iterator[Path]:
    """A folder beside `out` that takes its name if the block ends well, and else disappears."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _sweep(out)
        folder = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as e:
        raise _unwritable(out, e) from None
    try:
        # Room for the files is taken now, so that a full disk is told before a minute of training.
        (folder / _RESERVE).write_bytes(bytes(8 * 2**20))
        yield folder
        folder.chmod(0o755)  # mkdtemp's own is for the owner alone
        folder.rename(out)
    except OSError as e:
        if not _holds(out, identity):  # else another process was first, with the same bytes
            raise _unwritable(out, e) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(out: Path) -> None:
    """Removes what a build that was killed yesterday or before left beside `out`."""
    for left in out.parent.iterdir():
        with suppress(OSError):  # another start may have been faster
            old = time.time() - left.stat().st_mtime > 24 * 3600
            if old and left.name.startswith(f".{out.name}-"):
                shutil.rmtree(left, ignore_errors=True)


def _unwritable(out: Path, e: OSError) -> ConfigError:
    return ConfigError(
        f"cannot write the built-in model to {str(out)!r}: {e.strerror or e}; "
        "choose an empty or new folder, or set XDG_CACHE_HOME to a place with room"
    )
