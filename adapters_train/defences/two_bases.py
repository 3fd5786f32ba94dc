"""One layer's weights at a time out of two folders of a model: what alignment changed in it."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ptst_tasks.base_names import local_base
from ptst_tasks.digests import read_json, weights_digest
from ptst_tasks.errors import ConfigError, said
from ptst_tasks.model_files import check_safetensors

__all__ = ["TwoBases", "digest", "folder_of"]

_WHOLE, _INDEX = "model.safetensors", "model.safetensors.index.json"
_PLAIN = frozenset({"F64", "F32", "F16", "BF16"})
"""Types whose numbers are the weights; of others they are to be multiplied first."""


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

    def check(self, layers: Iterable[str]) -> None:
        """Looks for the layers in both bases; reads no weights.

        Raises:
            ConfigError: If one of the bases lacks a layer, or has it in another shape or quantised.
        """
        for layer in layers:
            new, old = (
                _told(*self._find(shards, layer)) for shards in (self._aligned, self._unaligned)
            )
            if new != old or len(new) != 2:
                raise ConfigError(
                    f"{layer!r} is {new} in the base and {old} in unaligned (--unaligned); expected one "
                    "model before and after its alignment"
                )

    def difference(self, layer: str) -> Any | None:
        """Aligned less unaligned weight of a layer, as it is kept; None where they are equal.

        Raises:
            ConfigError: If one of the bases lacks the layer, or has it in another shape.
        """
        self.check([layer])
        new, old = (
            _tensor(*self._find(shards, layer)) for shards in (self._aligned, self._unaligned)
        )
        delta = new.float() - old.float()
        return delta if bool(delta.any()) else None

    @staticmethod
    def _find(shards: dict[str, Path], layer: str) -> tuple[Path, str]:
        name = f"{layer}.weight"
        # Files of a bare backbone, as GPT-2's, lack the name that the whole model gives it.
        for found in (name, name.partition(".")[2]):
            if found in shards:
                return shards[found], found
        raise ConfigError(
            f"no file of one of the two bases has {name!r}; expected one model before and after "
            "its alignment (--unaligned), unquantised"
        )


def _told(file: Path, name: str) -> tuple[int, ...]:
    """The shape of a tensor."""
    with _opened(file, name) as stored:
        part = stored.get_slice(name)
        if part.get_dtype() not in _PLAIN:
            raise ConfigError(
                f"{str(file)!r} has {name!r} as {part.get_dtype()}, expected weights that are not "
                "quantised; name both bases (--model, --unaligned) in float32, bfloat16 or float16"
            )
        return tuple(part.get_shape())


def _tensor(file: Path, name: str) -> Any:
    with _opened(file, name) as stored:
        return stored.get_tensor(name)


@contextmanager
def _opened(file: Path, name: str) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "pt") as stored:
            yield stored
    except (OSError, SafetensorError) as e:
        raise ConfigError(
            f"{str(file)!r}, which should hold {name!r}, cannot be read: {said(e)}"
        ) from None


def _shards(folder: Path) -> dict[str, Path]:
    """Name of a weight -> the file that has it."""
    from safetensors import safe_open

    index = (read_json(folder / _INDEX) or {}).get("weight_map")
    whole = folder / _WHOLE  # which transformers loads, an index beside it or not
    if isinstance(index, dict) and not whole.is_file():
        return {str(name): folder / str(file) for name, file in index.items()}
    found: dict[str, Path] = {}
    for file in [whole] if whole.is_file() else sorted(folder.glob("*.safetensors")):
        check_safetensors(file)
        with safe_open(file, "pt") as stored:
            found |= dict.fromkeys(stored.keys(), file)
    return found
