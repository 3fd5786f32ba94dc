"""A model that somebody else holds and trains, as an engine: asked where it is, without a copy."""

from __future__ import annotations

import contextlib
import copy
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

from lm_eval.models.huggingface import HFLM

from ptst_tasks.engines.hf import HFEngine, check_kind, is_unsound
from ptst_tasks.engines.hf_head import fold_rows
from ptst_tasks.engines.journal import Journal
from ptst_tasks.engines.undisturbed import base_in, undisturbed
from ptst_tasks.errors import EngineError
from ptst_tasks.lm_internals import set_base_model

__all__ = ["LiveEngine"]


class LiveEngine(HFEngine):
    """An lm-eval model around one that is in memory already; it answers as `HFEngine` does.

    Args:
        model: The transformers model, or peft's around it.
        tokenizer: Its tokenizer; a copy is used, so that it stays as it is.
        batch_size: Prompts per batch.

    Raises:
        EngineError: If it is no model that continues a text.
    """

    def __init__(self, model: Any, tokenizer: Any, batch_size: int = 32) -> None:
        self.start(None)
        base = base_in(model)
        # In the model's place: lm-eval would tie the weights of a real one, in the midst of training.
        facts = SimpleNamespace(device=model.device, config=base.config)
        with _without_a_word(HFLM.__module__):
            HFLM.__init__(
                self, pretrained=facts, tokenizer=copy.deepcopy(tokenizer), batch_size=batch_size
            )
        set_base_model(self, model)
        check_kind(self, str(getattr(base.config, "_name_or_path", "")))
        self._layers: Any = _AsItIs(base, model)
        self.begin("")

    def begin(self, state: str) -> None:
        """From here on the model is another, called `state`: no answer of before is used."""
        self.journal = _InMemory()
        self.use("", state)

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """A block in which the model answers; afterwards it is what it was, to the last bit."""
        with undisturbed(self.model), contextlib.ExitStack() as stack:
            if hook := fold_rows(self._layers.base):
                stack.callback(hook.remove)
            yield

    def attach(self, name: str, folder: str | Path) -> NoReturn:
        """Takes no adapter: the model is as it is.

        Raises:
            EngineError: Always.
        """
        raise EngineError(f"a model in training takes no adapter ({name!r})")

    def _sound(self) -> None:
        """Makes sure that the model answers with numbers."""
        if is_unsound(self._logits("")):
            raise self.unsound("the model in training")


class _AsItIs:
    """In the place of `InLayers`: the adapter that is trained is active, and stays so."""

    def __init__(self, base: Any, model: Any) -> None:
        self.base, self.model = base, model

    def switch(self, inner: str = "") -> None:
        """Does nothing."""


class _InMemory(Journal):
    """Answers of one moment, for a task that is asked again because another failed."""

    def put(self, key: str, answers: Sequence[str]) -> None:
        """Keeps a batch."""
        self.add(key, answers)


@contextlib.contextmanager
def _without_a_word(name: str) -> Iterator[None]:
    """lm-eval warns of a model that is there already, which is the point."""
    logger = logging.getLogger(name)
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before
