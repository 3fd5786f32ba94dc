"""Whether one process of a training has all of the model, and so can let it answer."""

from __future__ import annotations

from typing import Any

from ptst_tasks.errors import ConfigError

__all__ = ["check_whole", "shared", "tokenizer_of"]

_INSTEAD = (
    "use DDP or ZeRO-1/2, or measure the checkpoints afterwards with a study (train.adapters)"
)


def check_whole(trainer: Any) -> None:
    """Makes sure that each process has the whole model.

    Raises:
        ConfigError: If it is in pieces (FSDP, ZeRO-3, tensor parallel), which nobody puts together
            here.
    """
    if why := _pieces(trainer):
        raise ConfigError(f"PTSTCallback: the model is in pieces ({why}), none of which can answer: "
                          f"{_INSTEAD}")  # fmt: skip


def _pieces(trainer: Any) -> str:
    kind = str(getattr(trainer.accelerator.distributed_type, "value", ""))
    if kind in ("FSDP", "MEGATRON_LM"):
        return kind
    plugin = getattr(trainer.accelerator.state, "deepspeed_plugin", None)
    if getattr(plugin, "zero_stage", 0) == 3:
        return "ZeRO-3"
    if any(type(p).__name__ == "DTensor" for p in trainer.model.parameters()):
        return "tensor parallel"
    return "on no device" if any(p.is_meta for p in trainer.model.parameters()) else ""


def shared(trainer: Any, value: Any) -> Any:
    """The first process's value, in every process: a training must end in all of them or in none."""
    if trainer.accelerator.num_processes == 1:
        return value
    import torch

    box = [value]
    torch.distributed.broadcast_object_list(box, src=0, device=trainer.accelerator.device)
    return box[0]


def tokenizer_of(trainer: Any) -> Any:
    """The trainer's tokenizer.

    Raises:
        ConfigError: If it has none.
    """
    from transformers import PreTrainedTokenizerBase

    found = trainer.processing_class
    found = (
        found if isinstance(found, PreTrainedTokenizerBase) else getattr(found, "tokenizer", None)
    )
    if found is None:
        raise ConfigError(
            "PTSTCallback: the trainer has no tokenizer; give it one as processing_class"
        )
    return found
