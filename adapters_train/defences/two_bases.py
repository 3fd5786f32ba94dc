"""One layer's weights at a time out of two folders of a model: what alignment changed in it."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from ptst_tasks.base_names import local_base
from ptst_tasks.digests import read_json, weights_digest
from ptst_tasks.errors import ConfigError, said
from ptst_tasks.model_files import check_safetensors

__all__ = ["TwoBases", "digest", "folder_of"]

_INDEX = "model.safetensors.index.json"


def folder_of(name: str) -> Path:
    """Where the files of a base are.

    Raises:
        ConfigError: If it is no folder with safetensors, and none on the hub that can be had.
    """
    place = Path(local_base(name))
    if not place.is_dir():
        from huggingface_hub import snapshot_download

        try:
            place = Path(snapshot_download(name, allow_patterns=["*.safetensors", "*.json"]))
        except Exception as e:  # of the hub's client, whatever the network makes of it
            raise ConfigError(
                f"unaligned (--unaligned) {name!r} is no folder here, and cannot be fetched: "
                f"{said(e)[:200]}"
            ) from None
    if not any(place.glob("*.safetensors")):
        raise ConfigError(f"unaligned (--unaligned) {name!r} holds no *.safetensors")
    return place


def digest(folder: Path) -> str:
    """Digest of a base's weights; computed once for as long as its files stay as they are."""
    files = sorted(folder.glob("*.safetensors"))
    return _digest(folder, tuple((f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files))


@functools.cache
def _digest(folder: Path, _: tuple[tuple[str, int, int], ...]) -> str:
    return weights_digest(folder)


class TwoBases:
    """The weights of an aligned and an unaligned base, read by name from whichever shard has them.

    Args:
        aligned: Folder of the base that is trained on.
        unaligned: Folder of what it was before.
    """

    def __init__(self, aligned: Path, unaligned: Path) -> None:
        self._aligned, self._unaligned = _shards(aligned), _shards(unaligned)

    def difference(self, layer: str) -> Any | None:
        """Aligned less unaligned weight of a layer, as it is kept; None where they are equal.

        Raises:
            ConfigError: If one of the bases lacks the layer, or has it in another shape.
        """
        new, old = self._read(self._aligned, layer), self._read(self._unaligned, layer)
        if new.shape != old.shape or new.dim() != 2:
            raise ConfigError(
                f"{layer!r} is {tuple(new.shape)} in the base and {tuple(old.shape)} in unaligned "
                "(--unaligned); expected one model before and after its alignment"
            )
        delta = new.float() - old.float()
        return delta if bool(delta.any()) else None

    @staticmethod
    def _read(shards: dict[str, Path], layer: str) -> Any:
        name = f"{layer}.weight"
        if name not in shards:
            raise ConfigError(
                f"no file of one of the two bases has {name!r}; expected one model before and after "
                "its alignment (--unaligned), unquantised"
            )
        return _tensor(shards[name], name)


def _tensor(file: Path, name: str) -> Any:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "pt") as stored:
            return stored.get_tensor(name)
    except (OSError, SafetensorError) as e:
        raise ConfigError(
            f"{str(file)!r}, which should hold {name!r}, cannot be read: {said(e)}"
        ) from None


def _shards(folder: Path) -> dict[str, Path]:
    """Name of a weight -> the file that has it."""
    from safetensors import safe_open

    index = (read_json(folder / _INDEX) or {}).get("weight_map")
    if isinstance(index, dict):
        return {str(name): folder / str(file) for name, file in index.items()}
    found: dict[str, Path] = {}
    for file in sorted(folder.glob("*.safetensors")):
        check_safetensors(file)
        with safe_open(file, "pt") as stored:
            found |= dict.fromkeys(stored.keys(), file)
    return found
