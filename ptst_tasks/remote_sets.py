"""Gets a set that no local folder has: from its authors' public file or the hub.

Rows of the hub are read by `datasets`, as everybody reads them there. A public file is only
downloaded by it and read as a local copy would be (`tabular`): `datasets` reads a csv with
pandas' guesses, where ``NA`` is nothing and ``007`` is 7.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ptst_tasks.errors import DataError, DataNotFoundError, said
from ptst_tasks.set_source import ENV, Source
from ptst_tasks.tabular import read_file

__all__ = ["HubId", "hub_splits", "remote"]


@dataclass(frozen=True, slots=True)
class HubId:
    """A data set on the hub.

    Attributes:
        repo: ``owner/name``.
        config: Which of its configurations; empty for its only or default one.
    """

    repo: str
    config: str = ""

    def __str__(self) -> str:
        return self.repo + (f"/{self.config}" if self.config else "")


def hub_splits(name: HubId) -> dict[str, Callable[[], list[dict[str, Any]]]]:
    """Loads a user's set from the hub, through the `datasets` cache.

    Returns:
        Its splits, and how to get the rows of each.

    Raises:
        DataNotFoundError: If it cannot be had.
    """
    import datasets

    datasets.disable_progress_bars()
    try:
        with _cache_only_without_network(_hub()):
            data = datasets.load_dataset(name.repo, name.config or None)
    except Exception as e:  # the hub's client has no common base for its errors
        vague = isinstance(e, datasets.exceptions.DatasetGenerationError)  # "an error occurred"
        why = said((vague and e.__cause__) or e)[:300]
        raise DataNotFoundError(
            f"{str(name)!r}: there is no such file or folder here, and as a data set of the hub it "
            f"cannot be loaded ({why}); expected a path, or "
            "owner/name[/config][:split]"
        ) from e
    finally:
        datasets.enable_progress_bars()
    return {split: partial(_stored, rows) for split, rows in data.items()}


def _stored(data: Any) -> list[dict[str, Any]]:
    """Rows as they are stored: pictures and sounds that nobody asks for are not decoded."""
    from ptst_tasks.arrow_rows import batch_rows

    return list(batch_rows(data.with_format("arrow").iter(10_000)))


def _hub() -> str:
    import huggingface_hub

    return str(huggingface_hub.constants.ENDPOINT)  # a mirror, where $HF_ENDPOINT names one


def remote(source: Source) -> tuple[list[dict[str, Any]], str]:
    """Loads a set from its public file or the hub, through the `datasets` cache.

    Returns:
        Its rows, and where they came from.

    Raises:
        DataNotFoundError: If it is nowhere to be had; says where it was looked for.
        DataError: If a public file is malformed.
    """
    origin = source.url or "/".join(str(p) for p in (source.hub or ()) if p)
    if not origin:
        raise DataNotFoundError(_nowhere(source, "it has no public source"))
    import datasets

    datasets.disable_progress_bars()
    try:
        with _cache_only_without_network(source.url or _hub()):
            return _fetch(source), origin
    except DataError:
        raise
    except Exception as e:  # the hub's client has no common base for its errors
        raise DataNotFoundError(_nowhere(source, f"{origin}: {type(e).__name__}")) from e
    finally:
        datasets.enable_progress_bars()


def _fetch(source: Source) -> list[dict[str, Any]]:
    import datasets

    if source.hub:
        found = datasets.load_dataset(*source.hub, split=source.split, **(source.reading or {}))
        return [dict(row) for row in found]
    return read_file(_download(source.url), source.field, name=source.url)


def _download(url: str) -> Path:
    """A public file as it is now; without a network the last one that came from there."""
    import datasets

    if not datasets.config.HF_HUB_OFFLINE:
        get, quiet = (
            datasets.utils.file_utils.cached_path,
            datasets.DownloadConfig(disable_tqdm=True),
        )
        file = Path(get(url, quiet))
        if json.loads(file.with_name(f"{file.name}.json").read_text())["etag"] is None:
            quiet.force_download = True  # its server does not say whether it is still the same
            file = Path(get(url, quiet))
        return file
    kept = []
    for about in Path(datasets.config.DOWNLOADED_DATASETS_PATH).glob("*.json"):
        with contextlib.suppress(ValueError, OSError, AttributeError):
            if json.loads(about.read_text()).get("url") == url:
                kept.append((about.stat().st_mtime, about.with_suffix("")))
    if not kept:
        raise ConnectionError(f"{url} is not in the cache")
    return max(kept)[1]


@contextlib.contextmanager
def _cache_only_without_network(url: str) -> Iterator[None]:
    """Without a network the hub's client tries for half a minute; its cache answers at once."""
    import datasets
    import huggingface_hub

    before = datasets.config.HF_HUB_OFFLINE, huggingface_hub.constants.HF_HUB_OFFLINE
    offline = before[0] or not _resolves(urllib.parse.urlsplit(url).hostname or "")
    datasets.config.HF_HUB_OFFLINE = huggingface_hub.constants.HF_HUB_OFFLINE = offline
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE, huggingface_hub.constants.HF_HUB_OFFLINE = before


def _resolves(host: str) -> bool:
    try:
        return bool(socket.getaddrinfo(host, 443))
    except OSError:
        return False


def _nowhere(source: Source, tried: str) -> str:
    if not source.local:
        return f"data set {source.name!r} cannot be had ({tried})"
    local = " or ".join(f"{folder}/{split}.*" for folder, split in source.local)
    account = "; it is gated: accept its terms on the hub and log in" if source.gated else ""
    root = os.environ.get(ENV)
    place = (
        f"${ENV}={root!r} holds no {local}{_beside(source, root)}" if root else f"${ENV} is not set"
    )
    return (
        f"data set {source.name!r} was not found: {place}, and the public source failed ({tried})"
        f"{account}; connect to the network, or put a file of rows (csv, jsonl, parquet, ...) at "
        f"${ENV}/{local}"
    )


def _beside(source: Source, root: str) -> str:
    """What is in the set's folder under another name or of another type, such as ``test.jsonl.gz``."""
    there = {f for folder, _ in source.local for f in sorted(Path(root, folder).glob("*"))[:4]}
    names = ", ".join(repr(str(f.relative_to(root))) for f in sorted(there))
    return f" (there is {names})" if names else ""
