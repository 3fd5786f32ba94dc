"""Safety examples among the training rows, under the run's own template."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from adapters_train.data import parse_mix
from adapters_train.defences.defence import Defence
from ptst_tasks.errors import ConfigError

__all__ = ["Mixing"]

_SET = "safety_tuned_llamas"


class Mixing(Defence):
    """``mix:SET:AMOUNT``, the amount as `TrainConfig.mix` takes it; ``mix:0.1`` is of the paper's set."""

    name: ClassVar[str] = "mix"
    about: ClassVar[str] = "safety examples are mixed in"
    source: ClassVar[str] = "Lyu et al., Table 6 (arXiv 2402.18540)"
    takes: ClassVar[str] = "a set and how much of it (1epoch, 500 rows or the share 0.1)"
    usual: ClassVar[str] = f"{_SET}:1epoch"
    by_api: ClassVar[bool] = True

    def read(self, value: str) -> str:
        """Fills in the paper's set, where the amount stands alone; the amount in its one form."""
        try:
            mix = parse_mix(value if ":" in value else f"{_SET}:{value}")
        except ConfigError as e:
            raise ConfigError(f"defence {self.name!r}: {e}") from None
        amount = float(mix.epochs or mix.rows or mix.share)
        said = str(int(amount)) if amount.is_integer() else repr(amount)
        return f"{mix.name}:{said}{'epoch' if mix.epochs else ''}"

    def settings(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The set beside others that are mixed in; a record of a run has it already."""
        mixed = tuple(config["mix"])
        return {"mix": mixed if self.is_among(mixed) else (*mixed, self.value)}

    def is_among(self, mixed: Iterable[str]) -> bool:
        """Whether the very same is mixed in by these already."""
        return parse_mix(self.value) in map(parse_mix, mixed)
