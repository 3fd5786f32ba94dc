"""One base model in memory for many adapters, through transformers and peft.

Greedy answers are those of lm-eval's own ``hf`` model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from ptst_tasks.decoding import DecodingOptions
from ptst_tasks.engines.answer_plan import AnswerPlan, Request, read_requests
from ptst_tasks.engines.base import PROBE, Adapters, reason, refuse
from ptst_tasks.engines.engine_args import REFUSED
from ptst_tasks.engines.fit import Fit, UnfitError
from ptst_tasks.engines.hf_adapters import InLayers
from ptst_tasks.engines.hf_generation import answer, make_plan
from ptst_tasks.engines.hf_head import fold_rows
from ptst_tasks.engines.idle_adapters import meant_idle
from ptst_tasks.engines.journal import batch_key
from ptst_tasks.errors import EngineError
from ptst_tasks.lm_internals import base_model, set_base_model

__all__ = ["HFEngine", "check_kind", "is_unsound"]


class HFEngine(Adapters, HFLM):  # type: ignore[misc]
    """An lm-eval model that holds one base and switches between its adapters.

    Args:
        pretrained: Folder or hub id of the base.
        adapters: Name -> folder; more can be attached later.
        journal: File that keeps answers as they come.
        **kwargs: Of lm-eval's HFLM (dtype, device, batch_size, ...), without ``peft``.

    Raises:
        ConfigError: If an argument cannot be had here (``peft``, ``think_end_token`` ...).
        EngineError: If the base cannot be loaded, or an adapter cannot be attached or changes
            nothing.
    """

    def __init__(
        self,
        pretrained: str,
        adapters: Mapping[str, str | Path] | None = None,
        journal: str | Path | None = None,
        **kwargs: Any,
    ) -> None:
        refuse("hf", kwargs, REFUSED["hf"])
        self.start(journal)
        kwargs.setdefault("device", "cuda" if torch.cuda.is_available() else "cpu")
        try:
            super().__init__(pretrained=pretrained, **kwargs)
        except (OSError, TypeError, ValueError) as e:
            raise EngineError(f"the base {pretrained!r} cannot be loaded: {reason(e)}") from e
        check_kind(self, pretrained)
        fold_rows(base_model(self))
        self._layers = InLayers(base_model(self))
        # By the base's own names; an adapter moves them to others (base_layer, token_adapter ...).
        self._own = dict(self._layers.base.named_parameters(remove_duplicate=False))
        self._fit: Fit | None = None
        self._before: torch.Tensor | None = None
        for name, folder in (adapters or {}).items():
            self.attach(name, folder)

    def attach(self, name: str, folder: str | Path) -> None:
        """Loads an adapter and makes sure that it changes what the model says.

        Whatever goes wrong, it is taken out again, and the base is what it was to the last bit.

        Raises:
            EngineError: If it does not fit this base, its logits equal the base's or are no
                numbers, or the base could not be put back, which then is said to every use of it.
        """
        self.new_name(name)
        base, inner = self._base_logits(), ""
        try:
            self._check_files(Path(folder))
            inner = self._layers.add(Path(folder))
            set_base_model(self, self._layers.model)
            self._check_logits(name, inner, base, idle=meant_idle(folder))
        except Exception as e:  # peft raises whatever it meets
            if inner:
                self._layers.remove(inner)
            set_base_model(self, self._layers.model)
            self._check_base(name)
            raise self.unfit(name, folder, e) from e
        self._names[name] = inner
        self.use(self.active, self.state)

    def _check_files(self, folder: Path) -> None:
        """Looks at the files before peft builds them in.

        Raises:
            UnfitError: If they do not belong into this base.
        """
        base = self._layers.base
        self._fit = self._fit or Fit(base.config, type(base))
        for name, weights in self._fit.check(folder).items():
            # peft would load these into the base, for every other adapter as well.
            there = self._own[name]
            if not torch.equal(weights.to(there.dtype), there.cpu()):
                raise UnfitError(
                    f"does not fit this base: it brings the base's own {name!r} with other values; "
                    "merge it into a model of its own"
                )

    def _logits(self, inner: str) -> torch.Tensor:
        ids = torch.tensor([self.tok_encode(PROBE)], device=self.device)
        self._layers.switch(inner)
        with torch.no_grad():
            logits: torch.Tensor = self.model(ids).logits
        return logits

    def _base_logits(self) -> torch.Tensor:
        """What the base said to the probe before any adapter.

        Raises:
            EngineError: If that is no numbers.
        """
        if self._before is None:
            self._before = self._logits("")
        if is_unsound(self._before):
            raise self.unsound("the base")
        return self._before

    def _check_logits(self, name: str, inner: str, base: torch.Tensor, *, idle: bool) -> None:
        adapted = self._logits(inner)
        if is_unsound(adapted):
            raise self.unsound(f"the adapter {name!r}")
        if torch.equal(base, adapted) and not idle:
            raise self.idle(name)
        if not torch.equal(base, self._logits("")):
            raise UnfitError("does not fit this base: it changes what the base alone says")

    def _check_base(self, name: str) -> None:
        """Makes sure that a failed adapter left nothing behind; else this engine is done for."""
        if self._before is not None and not torch.equal(self._before, self._logits("")):
            self._broken = (
                f"the base is no longer what it was since the adapter {name!r} failed; leave that "
                "adapter out and start again"
            )

    def use(self, name: str = "", state: str = "") -> None:
        """Switches to an adapter, or with an empty name to the base alone."""
        super().use(name, state)
        self._layers.switch(self._names[name] if name else "")

    def facts(self) -> dict[str, str]:
        """The model's dtype, and its commit on the hub."""
        commit = getattr(self.model.config, "_commit_hash", None)
        return {"dtype": str(getattr(self.model, "dtype", "")), "commit": commit or ""}

    def _plan(self, options: DecodingOptions) -> AnswerPlan:
        own = self._layers.base.generation_config
        return make_plan(options, own, self.tokenizer, self.thoughts)

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = True) -> list[str]:
        """Answers all requests; each has a length limit and stop strings of its own.

        Raises:
            EngineError: If a prompt and its answer do not fit into the context.
        """
        self._sound()
        jobs = read_requests(self, requests)
        # Alike in options, then in limit and length: rows of a batch wait for each other little.
        jobs.sort(key=lambda j: (j.plan.group, -j.limit, -len(j.ids), j.ids))
        out = [""] * len(jobs)
        for batch in _batches(jobs, self._rows()):
            key = batch_key(self.state, [j.key for j in batch], batch[0].plan.group)
            answers = self.journal.get(key, len(batch))
            if answers is None:
                answers = self._answer(batch)
                self.journal.put(key, answers)
            for job, text in zip(batch, answers, strict=True):
                out[job.place] = text
            self.on_batch(len(batch))
        return out

    def _loglikelihood_tokens(
        self, requests: list[tuple[Any, list[int], list[int]]], *args: Any, **kwargs: Any
    ) -> Any:
        self._sound()
        self.check_room(requests, self.max_length + 1)  # the last token is not read
        return super()._loglikelihood_tokens(requests, *args, **kwargs)

    def _sound(self) -> None:
        """Makes sure that the base answers with numbers, and is still the one that was loaded."""
        self.alive()
        if self._before is None:
            self._base_logits()
            self.use(self.active, self.state)

    def _rows(self) -> int:
        return self.batch_size if isinstance(self.batch_size, int) else 32

    def _answer(self, batch: Sequence[Request]) -> list[str]:
        return answer(self, self._layers.base, batch)


def check_kind(lm: Any, pretrained: str) -> None:
    """Makes sure that a model continues a text.

    Raises:
        EngineError: If it does not.
    """
    if lm.backend != "causal":
        raise EngineError(
            f"engine 'hf' runs models that continue a text; {pretrained!r} is {lm.backend!r}"
        )


def is_unsound(logits: torch.Tensor) -> bool:
    """Whether logits are no numbers; minus infinity is how some models forbid a token."""
    return bool((logits.isnan() | logits.isposinf()).any())


def _batches(jobs: Sequence[Request], rows: int) -> Iterator[Sequence[Request]]:
    start = 0
    for end in range(1, len(jobs) + 1):
        full = end - start == rows
        if end == len(jobs) or full or jobs[end].plan.group != jobs[start].plan.group:
            yield jobs[start:end]
            start = end
