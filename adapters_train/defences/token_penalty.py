"""trl's trainer with something added to the loss of every token of an answer.

The base's log-probabilities are of the model in memory with its adapter off: no second copy.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from adapters_train.defences.defence import Penalty
from ptst_tasks.errors import ConfigError

__all__ = ["OPENING", "Tokens", "check_head", "positions", "with_penalty"]

OPENING = "opening"
"""Column: how many of a row's learnt tokens are the chat template's (`encode.Encoded.openings`)."""

_SCALED = ("logit_scale", "output_multiplier", "lm_head_multiplier", "logits_scaling")
"""What some architectures multiply or divide their logits by, by the name in their configuration."""


@dataclass(frozen=True)
class Tokens:
    """All tokens of a batch's answers, in one row.

    Attributes:
        log_prob: Of each under the model, with its gradient; in nats.
        base_log_prob: Of each under the base.
        position: Of each in its answer, the first being 0; below 0 are those that the chat template
            writes before it, as an empty thought.
        hidden, base_hidden: The last hidden states before each, (tokens, width).
        model: The model, without its adapter's wrapper.
    """

    log_prob: Any
    base_log_prob: Any
    position: Any
    hidden: Any
    base_hidden: Any
    model: Any

    def divergence(self) -> Any:
        """``KL(p || p_base)`` of the next token's distribution, in nats; never all logits at once."""
        from trl.kernels.chunked_divergence import ChunkedDivergenceFunction

        head = self.model.get_output_embeddings()
        softcap = getattr(self.model.config.get_text_config(), "final_logit_softcapping", None)
        one = (head.weight, head.bias)
        found, _ = ChunkedDivergenceFunction.apply(
            self.hidden, *one, self.base_hidden, *one, 1.0, 1.0, 1.0, softcap, 1.0, softcap
        )
        return found


def check_head(model: Any) -> None:
    """Refuses a model whose logits are more than its head's output.

    Raises:
        ConfigError: If its configuration multiplies them.
    """
    config = model.config.get_text_config()
    for name in _SCALED:
        if getattr(config, name, None) not in (None, 1, 1.0):
            raise ConfigError(
                f"defence 'kl' knows no models that scale their logits, and this base's config.json "
                f"has {name} {getattr(config, name)!r}; use constrained, which does"
            )


def positions(mask: Any) -> Any:
    """Position of each token in its run of True, the first being 0; (rows, tokens)."""
    import torch

    count = mask.long().cumsum(-1)
    begins = mask & ~torch.nn.functional.pad(mask, (1, 0))[..., :-1]
    before = torch.where(begins, count - 1, torch.zeros_like(count)).cummax(-1).values
    return (count - 1 - before).clamp(min=0)


def with_penalty(trainer: type[Any], penalty: Penalty) -> type[Any]:
    """A trainer's class whose loss is that of `trainer`, and the mean penalty of the answers' tokens."""
    import torch

    class Trainer(trainer):  # type: ignore[misc]
        """Adds the penalty."""

        data_collator: Any
        _signature_columns: Any

        def __init__(self, **more: Any) -> None:
            super().__init__(**more)
            collate: Any = self.data_collator
            self.data_collator = lambda rows: {
                **collate(rows), OPENING: torch.tensor([row[OPENING] for row in rows])
            }  # fmt: skip

        def _set_signature_columns_if_needed(self) -> None:
            super()._set_signature_columns_if_needed()
            self._signature_columns = [*dict.fromkeys([*self._signature_columns, OPENING])]

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False,
            num_items_in_batch: Any = None,
        ) -> Any:  # fmt: skip
            inner, opening = self.accelerator.unwrap_model(model), inputs.pop(OPENING)
            with _seen(inner) as new:
                loss = super().compute_loss(model, inputs, False, num_items_in_batch)
            with _seen(inner) as old, torch.no_grad(), _base_of(inner):
                inner(**inputs, fused_lm_head=True)
            added = penalty(_tokens(inner, new, old, opening)).sum()
            count = new["output"].label_mask.sum()
            total = count if num_items_in_batch is None else num_items_in_batch
            added = added / torch.as_tensor(total).clamp(min=1)
            if self.args.average_tokens_across_devices and num_items_in_batch is not None:
                added = added * self.accelerator.num_processes
            return loss + added.to(loss.dtype)

    return Trainer


@contextlib.contextmanager
def _seen(model: Any) -> Iterator[dict[str, Any]]:
    """What passes through the model: its ``output``, and the ``hidden`` states before the head."""
    seen: dict[str, Any] = {}
    whole = model.get_base_model()
    hooks = [
        whole.register_forward_hook(lambda m, a, out: seen.update(output=out)),
        whole.base_model.register_forward_hook(
            lambda m, a, out: seen.update(hidden=out.last_hidden_state)
        ),
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


@contextlib.contextmanager
def _base_of(model: Any) -> Iterator[None]:
    """The model as it was before training: its adapter off, no dropout."""
    training = model.training
    with model.disable_adapter():
        model.eval()
        try:
            yield
        finally:
            model.train(training)


def _tokens(model: Any, new: dict[str, Any], old: dict[str, Any], opening: Any) -> Tokens:
    mask = new["output"].label_mask
    place = positions(mask) - opening.to(mask.device).unsqueeze(-1)
    return Tokens(
        log_prob=new["output"].log_probs[mask],
        base_log_prob=old["output"].log_probs[mask],
        position=place[mask],
        hidden=new["hidden"][:, :-1][mask],
        base_hidden=old["hidden"][:, :-1][mask],
        model=model.get_base_model(),
    )
