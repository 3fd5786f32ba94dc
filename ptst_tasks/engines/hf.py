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
from transformers import StoppingCriteria, StoppingCriteriaList

from ptst_tasks.engines.base import PROBE, Adapters, Request, cut, read_requests, reason, sampled
from ptst_tasks.engines.journal import batch_key
from ptst_tasks.errors import ConfigError, EngineError
from ptst_tasks.lm_internals import base_model, set_base_model

__all__ = ["ManyAdapters"]

_EVERY = 8  # steps between two looks for stop strings; what is generated in between is cut off


class ManyAdapters(Adapters, HFLM):  # type: ignore[misc]
    """An lm-eval model that holds one base and switches between its adapters.

    Args:
        pretrained: Folder or hub id of the base.
        adapters: Name -> folder; more can be attached later.
        journal: File that keeps answers as they come.
        **kwargs: Of lm-eval's HFLM (dtype, device, batch_size, ...), without ``peft``.

    Raises:
        ConfigError: If an adapter comes as ``peft``.
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
        if kwargs.get("peft"):
            raise ConfigError(
                "engine 'hf' takes no peft; adapters are attached by name (in a study: train.adapters)"
            )
        self.start(journal)
        kwargs.setdefault("device", "cuda" if torch.cuda.is_available() else "cpu")
        try:
            super().__init__(pretrained=pretrained, **kwargs)
        except (OSError, TypeError, ValueError) as e:
            raise EngineError(f"the base {pretrained!r} cannot be loaded: {reason(e)}") from e
        for name, folder in (adapters or {}).items():
            self.attach(name, folder)

    def attach(self, name: str, folder: str | Path) -> None:
        """Loads an adapter and makes sure that it changes what the model says.

        Raises:
            EngineError: If it does not fit this base, or its logits equal the base's.
        """
        from peft import PeftModel

        inner = f"a{len(self._names)}"  # peft's names may hold no dot
        try:
            if self._names:
                base_model(self).load_adapter(str(folder), adapter_name=inner)
            else:
                wrapped = PeftModel.from_pretrained(
                    base_model(self), str(folder), adapter_name=inner
                )
                set_base_model(self, wrapped)
        except (OSError, ValueError, RuntimeError, KeyError) as e:
            raise EngineError(
                f"the adapter {name!r} ({folder}) does not fit this base: {reason(e)}"
            ) from e
        self._names[name] = inner
        base_model(self).eval()
        self._probe(name)

    def use(self, name: str = "", state: str = "") -> None:
        """Switches to an adapter, or with an empty name to the base alone."""
        super().use(name, state)
        if not self._names:
            return
        if name:
            base_model(self).base_model.enable_adapter_layers()
            base_model(self).set_adapter(self._names[name])
        else:
            base_model(self).base_model.disable_adapter_layers()

    def facts(self) -> dict[str, str]:
        """The model's dtype, and its commit on the hub."""
        commit = getattr(self.model.config, "_commit_hash", None)
        return {"dtype": str(getattr(self.model, "dtype", "")), "commit": commit or ""}

    def _probe(self, name: str) -> None:
        ids = torch.tensor([self.tok_encode(PROBE)], device=self.device)
        with torch.no_grad():
            self.use("")
            base = self.model(ids).logits
            self.use(name)
            adapted = self.model(ids).logits
        if torch.equal(base, adapted):
            raise self.idle(name)

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = True) -> list[str]:
        """Answers all requests; each has a length limit and stop strings of its own.

        Raises:
            EngineError: If a prompt and its answer do not fit into the context.
        """
        jobs = read_requests(self, requests)
        # Alike in options, then in limit and length: rows of a batch wait for each other little.
        jobs.sort(key=lambda j: (repr(j.options), -j.limit, -len(j.ids), j.ids))
        out = [""] * len(jobs)
        for batch in _batches(jobs, self._rows()):
            key = batch_key(
                self.state, [(j.ids, j.limit, j.stops) for j in batch], batch[0].options
            )
            answers = self.journal.get(key)
            if answers is None:
                answers = self._answer(batch)
                self.journal.put(key, answers)
            for job, answer in zip(batch, answers, strict=True):
                out[job.place] = answer
            self.on_batch(len(batch))
        return out

    def _rows(self) -> int:
        return self.batch_size if isinstance(self.batch_size, int) else 32

    def _answer(self, batch: Sequence[Request]) -> list[str]:
        width = max(len(j.ids) for j in batch)
        pad = self.tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (width - len(j.ids)) + list(j.ids) for j in batch])
        mask = torch.tensor([[0] * (width - len(j.ids)) + [1] * len(j.ids) for j in batch])
        options = {"do_sample": False, **sampled(batch[0].options)}
        rows = _Rows(self.tokenizer, width, batch)
        done = self.model.generate(
            input_ids=ids.to(self.device),
            attention_mask=mask.to(self.device),
            max_new_tokens=max(j.limit for j in batch),
            stopping_criteria=StoppingCriteriaList([rows]),
            pad_token_id=pad,
            use_cache=True,
            **options,
        )
        return [
            cut(self.tok_decode(new[: j.limit]), j.stops)
            for new, j in zip(done[:, width:].tolist(), batch, strict=True)
        ]


class _Rows(StoppingCriteria):  # type: ignore[misc]
    """Ends each row at its own limit, or soon after one of its own stop strings."""

    def __init__(self, tokenizer: Any, width: int, batch: Sequence[Request]) -> None:
        special = set(tokenizer.all_special_tokens)
        self._tokenizer, self._width, self._batch = tokenizer, width, batch
        # The end of sequence is the model's own business; its text need not be looked for.
        self._stops = [[s for s in j.stops if s and s not in special] for j in batch]
        self._limits = torch.tensor([j.limit for j in batch])
        self._done = torch.zeros(len(batch), dtype=torch.bool)

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        made = input_ids.shape[1] - self._width
        self._done |= made >= self._limits
        if made % _EVERY == 0 and any(self._stops):
            self._look(input_ids, made)
        return self._done.to(input_ids.device)

    def _look(self, input_ids: Any, made: int) -> None:
        for i, stops in enumerate(self._stops):
            if stops and not self._done[i]:
                # A stop string has at most a token per byte, so this tail holds any new one.
                tail = min(made, _EVERY + max(len(s.encode()) for s in stops))
                text = self._tokenizer.decode(input_ids[i, -tail:], skip_special_tokens=True)
                self._done[i] = any(s in text for s in stops)


def _batches(jobs: Sequence[Request], rows: int) -> Iterator[Sequence[Request]]:
    start = 0
    for end in range(1, len(jobs) + 1):
        full = end - start == rows
        if end == len(jobs) or full or jobs[end].options != jobs[start].options:
            yield jobs[start:end]
            start = end
