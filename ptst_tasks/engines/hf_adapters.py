"""Adapters in the layers of one transformers model: put in, switched, and taken out without a trace.

peft builds adapters into the base's own layers, and stops half-way where it fails; what it had
built by then would answer under the next adapter's name.
"""

from __future__ import annotations

import functools
import warnings
from pathlib import Path
from typing import Any

__all__ = ["InLayers"]


class InLayers:
    """The adapters of one model.

    Args:
        base: The model, without any.

    Attributes:
        model: What to call: the base, or peft's model around it.
    """

    def __init__(self, base: Any) -> None:
        self.base = self.model = base
        self._there: list[str] = []
        self._made = 0

    def add(self, folder: Path) -> str:
        """Builds an adapter in; returns its name there, which was never used before.

        What fails half-way is taken out again.
        """
        from peft import PeftModel

        self._made += 1
        inner = f"a{self._made}"  # peft's names may hold no dot
        try:
            if self._there:
                self._keep_to_their_own()
                self.model.load_adapter(str(folder), adapter_name=inner)
            else:
                self.model = PeftModel.from_pretrained(self.base, str(folder), adapter_name=inner)
        except BaseException:
            self.remove(inner)
            raise
        self.model.eval()
        self._there.append(inner)
        return inner

    def _keep_to_their_own(self) -> None:
        """Lets trained tokens of one adapter ask for no weights in another's file, as peft would."""
        from peft.utils.other import TrainableTokensWrapper

        for module in self.base.modules():
            if isinstance(module, TrainableTokensWrapper):
                module.adapter_state_dict_load_map = functools.partial(_keys, module)

    def switch(self, inner: str = "") -> None:
        """Switches to an adapter, or with an empty name to the base alone."""
        if not self._there:
            return
        if inner:
            self.model.base_model.enable_adapter_layers()
            self.model.set_adapter(inner)
        else:
            self.model.base_model.disable_adapter_layers()

    def remove(self, inner: str) -> None:
        """Takes an adapter out, also one that is only half there."""
        self._there = [name for name in self._there if name != inner]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # peft says which adapter it switches to
            if self._there:
                self._delete(inner)
            else:
                self._unwrap()

    def _delete(self, inner: str) -> None:
        from peft.tuners.tuners_utils import BaseTunerLayer
        from peft.utils.other import AuxiliaryTrainingWrapper

        self.model.base_model.enable_adapter_layers()
        self.model.set_adapter(self._there[0])
        for module in self.base.modules():
            if isinstance(module, BaseTunerLayer):
                module.delete_adapter(inner)
            elif isinstance(module, AuxiliaryTrainingWrapper):
                module.delete_adapter(inner, [])
        self._unwrap_unused()
        self.model.peft_config.pop(inner, None)
        self.switch("")

    def _unwrap_unused(self) -> None:
        """Takes away what is around a module for the copies of adapters, if it holds none."""
        from peft.utils.other import ModulesToSaveWrapper

        for parent in list(self.base.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, ModulesToSaveWrapper) and not child.modules_to_save:
                    setattr(parent, name, child.original_module)

    def _unwrap(self) -> None:
        """Gives the base its own layers back."""
        from peft.tuners.tuners_utils import BaseTunerLayer
        from peft.utils.other import AuxiliaryTrainingWrapper

        for parent in list(self.base.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, BaseTunerLayer):
                    setattr(parent, name, child.get_base_layer())
                elif isinstance(child, AuxiliaryTrainingWrapper):
                    setattr(parent, name, child.original_module)
        self.base.__dict__.pop("peft_config", None)
        self.model = self.base


def _keys(module: Any, inner: str) -> dict[str, str]:
    """Names in an adapter's file of what it keeps in a module -> their names there."""
    known: dict[str, str] = {}
    if inner in module.token_adapter.trainable_tokens_delta:
        known = type(module).adapter_state_dict_load_map(module, inner)
    return known
