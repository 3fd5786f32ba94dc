"""Gets a set that no local folder has: from its authors' public file or the hub."""

from __future__ import annotations

import contextlib
import os
import socket
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ptst_tasks.errors import DataNotFoundError
from ptst_tasks.set_source import ENV, Source

__all__ = ["remote"]

_HUB = "https://huggingface.co"


def remote(source: Source) -> tuple[list[dict[str, Any]], str]:
    """Loads a set from its public file or the hub, through the `datasets` cache.

    Returns:
        Its rows, and where they came from.

    Raises:
        DataNotFoundError: If it is nowhere to be had; says where it was looked for.
    """
    origin = source.url or "/".join(str(p) for p in (source.hub or ()) if p)
    if not origin:
        raise DataNotFoundError(_nowhere(source, "it has no public source"))
    import datasets

    datasets.disable_progress_bars()
    try:
        with _cache_only_without_network(source.url or _HUB):
            data = _fetch(source)
    except Exception as e:  # the hub's client has no common base for its errors
        raise DataNotFoundError(_nowhere(source, f"{origin}: {type(e).__name__}")) from e
    finally:
        datasets.enable_progress_bars()
    return [dict(row) for row in data], origin


def _fetch(source: Source) -> Any:
    import datasets

    if source.hub:
        return datasets.load_dataset(*source.hub, split=source.split, **(source.reading or {}))
    kind = "json" if source.url.endswith(".json") else "csv"
    more = {"field": source.field} if source.field else {}
    return datasets.load_dataset(kind, data_files=source.url, split="train", **more)


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
        f"{account}; connect to the network, or put a csv, json, jsonl or parquet file at "
        f"${ENV}/{local}"
    )


def _beside(source: Source, root: str) -> str:
    """What is in the set's folder under another name or of another type, such as ``test.jsonl.gz``."""
    there = {f for folder, _ in source.local for f in sorted(Path(root, folder).glob("*"))[:4]}
    names = ", ".join(repr(str(f.relative_to(root))) for f in sorted(there))
    return f" (there is {names})" if names else ""
