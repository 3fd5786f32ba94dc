"""The hidden states behind each layer at the last token of prompts, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ptst_tasks.errors import EngineError

__all__ = ["last_states"]


def last_states(model: Any, prompts: Sequence[Sequence[int]], batch: int) -> Iterator[Any]:
    """Yields the states of so many prompts at a time, (prompts, layers, width), in float32 as numpy arrays.

    Prompts are padded on the right, where a causal model never looks; those of like length go together, so
    their order is not that of `prompts`.

    Args:
        model: A transformers model; what it has of adapters is as it is switched.
        prompts: Token ids.
        batch: Prompts in one pass.

    Raises:
        EngineError: If its layers cannot be found, or their states are no numbers.
    """
    import torch

    decoder, layers = _layers(model)
    ordered = sorted(prompts, key=len)
    for start in range(0, len(ordered), batch):
        chunk = ordered[start : start + batch]
        seen: list[Any] = []
        last = torch.tensor([len(ids) - 1 for ids in chunk], device=model.device)
        hooks = [layer.register_forward_hook(_keep(seen, last)) for layer in layers]
        try:
            with torch.no_grad():
                decoder(**_padded(chunk, model.device), use_cache=False)
        finally:
            for hook in hooks:
                hook.remove()
        states = torch.stack(seen, dim=1).float()
        if not bool(states.isfinite().all()):
            bad = int((~states.isfinite()).any(2).any(0).nonzero()[0]) + 1
            raise EngineError(
                f"hidden states behind layer {bad} are no numbers in {seen[0].dtype}; float32 or bfloat16 "
                "(engine_args: {dtype: ...}) may hold them"
            )
        yield states.cpu().numpy()


def _keep(seen: list[Any], last: Any) -> Any:
    def hook(_: Any, __: Any, out: Any) -> None:
        states = out[0] if isinstance(out, tuple) else out
        rows = range(len(last))
        seen.append(states[list(rows), last.to(states.device)].to(last.device))

    return hook


def _padded(chunk: Sequence[Sequence[int]], device: Any) -> dict[str, Any]:
    import torch

    longest = max(map(len, chunk))
    ids = torch.zeros((len(chunk), longest), dtype=torch.long, device=device)
    mask = torch.zeros_like(ids)
    for row, one in enumerate(chunk):
        ids[row, : len(one)] = torch.tensor(list(one))
        mask[row, : len(one)] = 1
    return {"input_ids": ids, "attention_mask": mask}


def _layers(model: Any) -> tuple[Any, Any]:
    """The model without its head, and its layers in their order."""
    import torch

    count = model.config.get_text_config().num_hidden_layers
    decoder = model.get_decoder()
    for module in decoder.modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == count:
            return decoder, module
    raise EngineError(
        f"{type(model).__name__} keeps its {count} layers where they cannot be found; expected one list "
        "of them"
    )
