"""Safe LoRA: what an adapter adds is projected onto what alignment once added to the base."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from adapters_train.defences.adapter_file import adapted, change, pairs
from adapters_train.defences.defence import Defence
from adapters_train.defences.two_bases import TwoBases, digest, folder_of
from ptst_tasks.digests import read_json
from ptst_tasks.errors import ConfigError

if TYPE_CHECKING:
    from adapters_train.config import TrainConfig
    from adapters_train.job import Job

__all__ = ["SafeLora", "projected"]


class SafeLora(Defence):
    """``safe_lora:THRESHOLD``; `TrainConfig.unaligned` names the base before its alignment.

    For each layer V is the aligned less the unaligned weight, and ``C = V V^T / |V|`` (Frobenius) their
    approximate projection. Where the cosine of ``C B A`` and ``B A`` is below the threshold, ``C B`` takes
    the place of B. -1 is plain training. A layer that alignment did not touch stays as it is.
    """

    name: ClassVar[str] = "safe_lora"
    about: ClassVar[str] = "layers that leave the alignment's own directions are projected back"
    source: ClassVar[str] = "Hsu et al., eq. 2 and 3 (arXiv 2405.16833)"
    takes: ClassVar[str] = "the cosine below which a layer is projected"
    usual: ClassVar[str] = "0.35"
    plain: ClassVar[str] = "-1"
    bounds: ClassVar[tuple[float, float] | None] = (-1, 1)
    afterwards: ClassVar[bool] = True
    reads_unaligned: ClassVar[bool] = True

    def check(self, config: TrainConfig) -> None:
        """Wants the unaligned weights, in a folder or a kind of name that can be read into one.

        Raises:
            ConfigError: If they are not there, or the base is not read as it is on the disk.
        """
        if not config.unaligned:
            raise ConfigError(
                f"defence {self.spec!r} needs the weights of the base before its alignment: name them "
                "with unaligned (--unaligned; in a study under train.settings)"
            )

    def unaligned(self, config: TrainConfig) -> str:
        """Digest of the unaligned weights."""
        return digest(folder_of(config.unaligned))

    def check_base(self, job: Job) -> None:
        """Wants each layer that gets an adapter in both bases, and a difference in one of them.

        Raises:
            ConfigError: If a layer is missing, has another shape or is quantised, or all are alike.
        """
        layers = adapted(job.base.model, job.config.targets)
        bases = TwoBases(job.base.folder, folder_of(job.config.unaligned))
        bases.check(layers)
        same = job.unaligned == digest(job.base.folder)
        if same or all(bases.difference(layer) is None for layer in layers):
            raise _nothing_to_project_onto(job.config)

    def finish(self, adapter: Path, job: Job) -> dict[str, Any]:
        """Projects layer by layer; in memory are one layer's weights.

        Raises:
            ConfigError: If the two bases do not have the layers, or are the same.
        """
        threshold, told = float(self.value), dict[str, float | None]()
        other = read_json(adapter / "adapter_config.json") or {}
        turned = bool(other.get("fan_in_fan_out"))  # GPT-2 keeps its matrices the other way round
        bases = TwoBases(job.base.folder, folder_of(job.config.unaligned))

        def project(weights: dict[str, Any]) -> dict[str, Any]:
            for layer, (a, b) in pairs(weights).items():
                v = bases.difference(layer)
                told[layer] = None
                if v is not None:
                    new, cosine = projected(weights[a], weights[b], v.T if turned else v)
                    told[layer] = round(cosine, 6)
                    weights[b] = new if cosine < threshold else weights[b]
            return weights

        change(adapter, project)
        if all(cosine is None for cosine in told.values()):
            raise _nothing_to_project_onto(job.config)
        low = [layer for layer, cosine in told.items() if cosine is not None and cosine < threshold]
        return {"cosines": told, "projected": len(low), "layers": len(told)}


def _nothing_to_project_onto(config: TrainConfig) -> ConfigError:
    return ConfigError(
        f"unaligned (--unaligned) {config.unaligned!r} has the base's own weights in every layer of the "
        "adapter, so there is no alignment to project onto; name another base"
    )


def projected(a: Any, b: Any, v: Any) -> tuple[Any, float]:
    """``C B``, and the cosine of ``C B A`` and ``B A``, without a matrix of the layer's full size.

    Args:
        a: (rank, in).
        b: (out, rank).
        v: (out, in), not zero.
    """
    a32, b32, v32 = a.float(), b.float(), v.float()
    new = v32 @ (v32.T @ b32) / v32.norm()
    grams = a32 @ a32.T  # <X A, Y A> = sum((X^T Y) * (A A^T))
    dot = ((new.T @ b32) * grams).sum()
    size = (((new.T @ new) * grams).sum() * ((b32.T @ b32) * grams).sum()).clamp(min=0).sqrt()
    return new.to(b.dtype), float(dot / size) if size > 0 else 1.0
