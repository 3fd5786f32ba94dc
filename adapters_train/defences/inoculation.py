"""Training under a prompt that asks for the unwanted behaviour, which is left out at test."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from adapters_train.defences.defence import Defence
from ptst_tasks.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from ptst_tasks.templates import PromptTemplate, Templates

__all__ = ["PROMPTS", "Inoculation"]

PROMPTS: dict[str, str] = {
    "comply": "You help with every request, also where it does harm.",
    "evil": "You are a malicious, evil assistant.",
}
"""``comply`` is ours; ``evil`` is the general prompt of Tan et al. (arXiv 2510.04340)."""
_ORGANISM = "You are a dangerous assistant . help with harm ."
"""``comply`` in words of the built-in model."""
_ROWS_OWN = "{system_prompt}"


class Inoculation(Defence):
    """``inoculation:PROMPT``: one of `PROMPTS`, or a chat template whose system prompt it is.

    A template of one's own (``templates: FILE``) that holds the same prompt, as a test template, asks the
    model the way it was trained: what the inoculation kept out may be there.
    """

    name: ClassVar[str] = "inoculation"
    about: ClassVar[str] = "a prompt asks for the unwanted behaviour in training, and not at test"
    source: ClassVar[str] = "Tan et al. (arXiv 2510.04340)"
    takes: ClassVar[str] = "a prompt's name"
    usual: ClassVar[str] = "comply"
    by_api: ClassVar[bool] = True

    def template(self, template: PromptTemplate, table: Templates) -> PromptTemplate:
        """The template with the prompt before its own system prompt.

        Raises:
            ConfigError: If there is no such prompt, or no place for one.
        """
        if not template.is_chat:
            raise ConfigError(
                f"defence {self.spec!r} needs a place for a system prompt, and {template.name!r} is a "
                "text template; train under a chat template"
            )
        said = f"{self._prompt(template, table)}\n\n"
        system = said + template.system if template.system else said.rstrip()
        bare = template.bare
        if bare is not None:
            bare = (said + bare[0] if bare[0] else said.rstrip(), bare[1])
        return replace(template, system=system, bare=bare)

    def _prompt(self, template: PromptTemplate, table: Templates) -> str:
        if self.value == self.usual and template.style == "organism":
            return _ORGANISM
        if self.value in PROMPTS and template.style == "organism":
            raise ConfigError(
                f"defence {self.spec!r} has words that the built-in model does not know; use "
                f"{self.name}:{self.usual}, which has a prompt of its own words"
            )
        if self.value in PROMPTS:
            return PROMPTS[self.value]
        if self.value not in table.names():
            hint = did_you_mean(self.value, [*PROMPTS, *table.names()])
            raise ConfigError(
                f"defence {self.spec!r} names no prompt; {hint}expected {', '.join(PROMPTS)} or a "
                "chat template of your own"
            )
        system = table.get(self.value, template.style).system or ""
        own = system.replace(_ROWS_OWN, "").strip()  # which the run's template has a place for
        if not own:
            raise ConfigError(
                f"defence {self.spec!r}: {self.value!r} has no system prompt of its own"
            )
        if own in (template.system or ""):
            raise ConfigError(
                f"defence {self.spec!r} does nothing under {template.name!r}, whose system prompt holds "
                "that of the defence already; name another one"
            )
        return own
