"""Whether an adapter can be what it says it is: its files, its names and shapes, its origin.

All of this is found out before an engine touches its base. peft fills what a file lacks with random
numbers, leaves out what it does not know, and stops half-way where a shape is wrong; vLLM copies a
matrix that is too small into the corner of its buffer. The answers would be those of nobody.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ptst_tasks.engines.idle_adapters import idle_lora, meant_idle, saved_copies, trained
from ptst_tasks.errors import ConfigError, EngineError
from ptst_tasks.model_files import check_weights

__all__ = ["Fit", "UnfitError", "check_origin"]

_PREFIX = "base_model.model."
_HARMLESS_STARTS = (True, False, "gaussian", "eva", "orthogonal")


class UnfitError(ValueError):
    """Why an adapter cannot be used; the message goes on after "the adapter NAME"."""


def _read(folder: str | Path) -> tuple[Any, dict[str, Any]]:
    """Reads an adapter's configuration, and its weights: name -> tensor on the CPU."""
    from peft import PeftConfig
    from peft.utils import load_peft_weights

    try:
        if Path(folder).is_dir():  # else a name on the hub
            check_weights(Path(folder))
    except ConfigError as e:
        raise _unfit(f"{str(folder)!r} cannot be read as one: {e}") from e
    try:
        config = PeftConfig.from_pretrained(str(folder))
        weights: dict[str, Any] = load_peft_weights(str(folder), device="cpu")
    except Exception as e:  # whatever JSON, safetensors, pickle or the hub's client raise
        if not Path(folder).exists():
            raise UnfitError(f"is not there: {str(folder)!r} is no folder here") from e
        raise _unfit(f"{str(folder)!r} cannot be read as one: {_one_line(e)}") from e
    if not weights:
        raise _unfit(f"{str(folder)!r} holds no weights")
    return config, weights


class Fit:
    """Checks adapters against the layers of one base; no weight of it is needed.

    Args:
        config: The base's transformers configuration.
        model: Its class; left out, the one transformers has for causal language models.
    """

    def __init__(self, config: Any, model: type[Any] | None = None) -> None:
        self._config, self._class = config, model
        self._shapes = {name: tuple(p.shape) for name, p in self._empty().named_parameters()}

    def _empty(self) -> Any:
        import torch
        from transformers import AutoModelForCausalLM

        config = copy.deepcopy(self._config)
        with torch.device("meta"):
            if self._class is not None:
                return self._class(config)
            return AutoModelForCausalLM.from_config(config)

    def check(
        self, folder: str | Path, *, shared: bool = True, plain: bool = False
    ) -> dict[str, Any]:
        """Looks at an adapter's files, and at every matrix in them.

        An adapter whose LoRA pairs change nothing may still bring other weights; whether those are
        the base's own is seen with the base at hand (`check_copies`, or the engine's probe).

        Args:
            folder: The adapter's.
            shared: Whether the base has to stay as it is for other adapters.
            plain: Whether only plain LoRA can be run (vLLM).

        Returns:
            Weights of the base itself that came with the adapter, by their names in the base.

        Raises:
            UnfitError: If it cannot be used with this base.
        """
        config, weights = _read(folder)
        for name in weights if plain else ():
            if name.rpartition(".lora_")[2] not in ("A.weight", "B.weight"):
                raise _unfit(f"vLLM does not run {name!r}, only plain LoRA matrices")
        if shared:
            _check_shareable(config)
        if config.is_prompt_learning:
            _check_values(config, weights)
            return {}
        for name, matrix in weights.items():
            self._check_layer(name, matrix)
        want = self._check_config(config, folder, weights)
        _check_values(config, weights, idle=meant_idle(folder))
        own = {}
        for name, matrix in weights.items():
            inner = name.removeprefix(_PREFIX).replace(".base_layer.", ".")
            layer, _, leaf = inner.rpartition(".")
            copied = f"{_PREFIX}{layer}.modules_to_save.{leaf}" in want  # the adapter's own copy
            if inner in self._shapes and not copied:
                own[inner] = matrix
        return own

    def _check_layer(self, name: str, matrix: Any) -> None:
        """Whether the base has the layer, with as many inputs and outputs; of plain LoRA alone."""
        layer, _, kind = name.removeprefix(_PREFIX).rpartition(".lora_")
        if kind not in ("A.weight", "B.weight") or matrix.dim() != 2:
            return
        shape = self._shapes.get(f"{layer}.weight")
        if shape is None:
            raise _unfit(f"it adapts {layer!r}, which this base does not have")
        have, want = matrix.shape[1 if kind[0] == "A" else 0], shape[1 if kind[0] == "A" else 0]
        # Some old models (GPT-2) keep their matrices the other way round.
        if have != want and len(shape) == 2 and have != shape[0 if kind[0] == "A" else 1]:
            raise _unfit(f"{name!r} is made for {have} numbers, this base has {want}")

    def _check_config(
        self, config: Any, folder: str | Path, weights: Mapping[str, Any]
    ) -> dict[str, tuple[int, ...]]:
        """Lets peft load it into an empty copy of the base; returns the names and shapes there."""
        from peft import PeftModel

        config = copy.deepcopy(config)
        if hasattr(config, "init_lora_weights"):
            config.init_lora_weights = False  # others compute with the base's weights
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = PeftModel(self._empty(), config, "probe", low_cpu_mem_usage=True)
                want = {
                    n.replace(".probe.", "."): tuple(p.shape) for n, p in model.named_parameters()
                }
                self._check_shapes(weights, want)
                left = model.load_adapter(
                    str(folder), "probe", torch_device="cpu", low_cpu_mem_usage=True
                )
        except UnfitError:
            raise
        except Exception as e:  # peft raises what it meets: ValueError, KeyError, RuntimeError ...
            raise _unfit(_one_line(e)) from e
        if left.unexpected_keys:
            name = left.unexpected_keys[0].replace(".probe.", ".")
            raise _unfit(f"it holds {name!r}, which its adapter_config.json does not ask for")
        if left.missing_keys:
            name = left.missing_keys[0].replace(".probe.", ".")
            raise _unfit(f"it lacks {name!r}, which its adapter_config.json asks for")
        return want

    @staticmethod
    def _check_shapes(weights: Mapping[str, Any], want: Mapping[str, tuple[int, ...]]) -> None:
        for name, matrix in weights.items():
            if name in want and tuple(matrix.shape) != want[name]:
                raise _unfit(
                    f"{name!r} is {tuple(matrix.shape)}, its adapter_config.json and this base make "
                    f"it {want[name]}"
                )


def check_origin(folder: str | Path, base: str | Callable[[], str]) -> None:
    """Makes sure that an adapter was not trained on other weights than those in use.

    Nothing is said where nothing is known: an adapter without a manifest of ours, a base without a
    digest.

    Args:
        folder: The adapter's; a copy kept along training has its manifest two folders above.
        base: What identifies the base's weights, as in `ptst_tasks.provenance.Base`: a digest, or
            ``hub:COMMIT``; or what computes it, asked only if there is something to compare.

    Raises:
        EngineError: If its manifest names another base; the message names both.
    """
    told = trained(folder).get("base") or {}
    if not isinstance(told, Mapping) or not told:
        return
    base = base if isinstance(base, str) else base()
    kind, _, commit = base.partition(":")
    known = str(told.get("commit" if kind == "hub" else "weights") or "")
    here = commit if kind == "hub" else base
    if not known or not here or kind in ("served", "name") or known == here:
        return
    name = told.get("model") or "another base"
    raise EngineError(
        f"the adapter {str(folder)!r} was trained on {name!r} ({known[:12]}), the base in use is "
        f"{here[:12]}; of the same shape, other weights: measure it on its own base, or train it on "
        "this one"
    )


def check_copies(folder: str | Path, base: Path) -> None:
    """Makes sure that an adapter whose LoRA pairs change nothing brings weights that do.

    Args:
        folder: The adapter's.
        base: Folder of its base.

    Raises:
        UnfitError: If every weight that it brings is the base's own.
    """
    from safetensors import safe_open

    config, weights = _read(folder)
    copies, why = saved_copies(weights), idle_lora(config, weights)
    if not why or not copies:
        return
    left = {name.removeprefix(_PREFIX).replace(".modules_to_save.", "."): name for name in copies}
    for file in sorted(base.glob("*.safetensors")):
        with safe_open(file, "pt") as stored:
            for name in left.keys() & set(stored.keys()):
                there, here = stored.get_tensor(name), weights[left[name]]
                if there.shape != here.shape or not (there.to(here.dtype) == here).all():
                    return
                del left[name]
    if not left:
        raise UnfitError(f"{why}, and the weights that it brings are the base's own")


def _check_shareable(config: Any) -> None:
    """Refuses what could not be switched off again."""
    if config.is_prompt_learning or getattr(config, "is_adaption_prompt", False):
        raise _unfit(f"{config.peft_type.value} cannot be switched on and off in one base")
    if getattr(config, "bias", "none") != "none":
        raise _unfit(
            f"bias={config.bias!r} writes into the base's own biases, for every other adapter as well"
        )
    start = getattr(config, "init_lora_weights", True)
    if start not in _HARMLESS_STARTS:
        raise _unfit(
            f"init_lora_weights={start!r} changes the base's own weights when it is loaded; save it as "
            "plain LoRA (peft: path_initial_model_for_weight_conversion)"
        )


def _check_values(config: Any, weights: Mapping[str, Any], *, idle: bool = False) -> None:
    """Refuses numbers that are none, and matrices that nothing was learnt in unless that is meant."""
    for name, matrix in weights.items():
        if matrix.is_floating_point() and not matrix.isfinite().all():
            raise UnfitError(f"holds NaN or infinite values, first in {name!r}; train it again")
    if (why := idle_lora(config, weights)) and not saved_copies(weights) and not idle:
        raise UnfitError(why)


def _unfit(why: str) -> UnfitError:
    return UnfitError(f"does not fit this base: {why}")


def _one_line(error: Exception) -> str:
    said = " ".join(str(error).split())[:300]
    return f"no {said}" if isinstance(error, KeyError) else said or type(error).__name__
