"""All that is published of an adapter, made in memory and looked through before any of it is written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from leaderboards.board.pictures import check_folder, sketches
from leaderboards.board.tables import grids
from leaderboards.publish import eval_results, every_eval
from leaderboards.publish.model_card import MARKER, PICTURE, model_card
from leaderboards.publish.subject import Subject
from ptst_tasks.errors import ConfigError, MissingExtraError, said
from ptst_tasks.files import replacing
from ptst_tasks.keys import find_keys

__all__ = ["CARD", "Bundle", "bundle", "check_place", "write"]

CARD = "README.md"


@dataclass(frozen=True, slots=True)
class Bundle:
    """Files by their names in the repository, and what a user should know."""

    files: Mapping[str, bytes]
    notes: tuple[str, ...]


def bundle(subject: Subject, repo: str = "", *, weights: bool = False) -> Bundle:
    """Makes the card and what goes beside it.

    Args:
        subject: The adapter.
        repo: ``OWNER/NAME``; empty where it is not known yet.
        weights: Whether the weights go along.

    Raises:
        ConfigError: If a text of it would name a place of this machine or a key.
    """
    notes = list(subject.notes)
    picture, title = _picture(subject, notes)
    gsm8k, why = eval_results.gsm8k_results(subject)
    notes += [why] if why else []
    texts = {
        CARD: model_card(subject, repo=repo, picture=title, weights=weights),
        every_eval.FILE: every_eval.every_eval(subject, repo),
        **({eval_results.FILE: gsm8k} if gsm8k else {}),
    }
    for name, text in texts.items():
        _check_sendable(name, text)
    files = {name: text.encode("utf-8", "backslashreplace") for name, text in texts.items()}
    return Bundle({**files, **({PICTURE: picture} if picture else {})}, tuple(notes))


def _picture(subject: Subject, notes: list[str]) -> tuple[bytes, str]:
    """A picture as PNG and what it shows; both empty where there is none.

    The trade-off of harm and helpfulness, or without helpfulness the attack success rates.
    """
    from leaderboards.board import figures

    try:
        drawn = [(p.figure, p.title) for p in sketches(subject.rows, say=lambda _: None)]
        tables = [] if drawn else grids(subject.rows, ("asr",))
        drawn += [(figures.heat_map(grid), grid.title) for grid in tables[:1]]
    except MissingExtraError as e:
        notes.append(f"no picture: {e}")
        return b"", ""
    if not drawn:
        notes.append("no picture: no harmful query was judged under a test template")
        return b"", ""
    with tempfile.TemporaryDirectory() as folder:
        png, _ = figures.save(drawn[0][0], Path(folder) / "p")
        return png.read_bytes(), drawn[0][1]


def _check_sendable(name: str, text: str) -> None:
    """The last look: whatever a name came from, no path of this machine and no key may be in it."""
    data = os.environ.get("PTST_DATA_DIR")
    for place in {Path.cwd(), Path.home(), *([Path(data)] if data else [])}:
        if len(place.parts) > 1 and f"{place}/" in text:
            raise ConfigError(
                f"{name} would name a folder of this machine; nothing was written. Give the base, the set "
                "or the adapter that has a path for a name another one"
            )
    if any(find_keys(text, name, free=(name,))):
        raise ConfigError(f"{name} would hold what looks like a key; nothing was written")


def check_place(folder: Path) -> None:
    """Tries whether files could be written, and that no card of somebody else's is there; makes nothing.

    Raises:
        ConfigError: If not.
    """
    check_folder(folder)
    card = folder / CARD
    if os.path.lexists(card) and not _is_ours(card):
        raise ConfigError(
            f"{str(card)!r} is there, and ptst did not write it; name another folder with --out"
        )


def _is_ours(card: Path) -> bool:
    try:
        return MARKER in card.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as e:
        raise ConfigError(f"{str(card)!r} cannot be read: {said(e)}") from e


def write(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    """Writes the files, each whole or not at all; the card last, which speaks of the others.

    Raises:
        ConfigError: If one cannot be written.
    """
    out = []
    for name in sorted(files, key=lambda n: (n == CARD, n)):
        target = folder / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with replacing(target) as aside:
                aside.write_bytes(files[name])
        except OSError as e:
            raise ConfigError(f"{str(target)!r} cannot be written: {said(e)}") from e
        out.append(target)
    return sorted(out)
