"""A model for lm-eval's whole evaluation that answers what a test says, under a real chat template.

It is what lm-eval's own classes are: a tokenizer, ``apply_chat_template`` and text. Its markers are
plain text to the tokenizer, so that nothing drops them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lm_eval.api.model import LM

from ptst_tasks import task_manager
from tests.support import byte_tokenizer
from tests.thinkers import template_source

__all__ = ["OPENS", "Canned", "evaluated"]

OPENS = (
    "{% for m in messages %}{{ '<|im|>' + m['role'] + '\n' + m['content'] + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im|>assistant\n<think>\n' }}{% endif %}"
    "{# a finished turn: <think> thought </think> answer #}"
)
"""A template of our own that leaves a thought open, as DeepSeek-R1's does."""


class Canned(LM):  # type: ignore[misc]
    """Gives the replies in their order, to however many prompts.

    Args:
        replies: All that the model writes behind each prompt.
        template: Name of one of trl's chat templates, or the source of one.
    """

    def __init__(self, replies: Sequence[str], template: str = "qwen3", **args: Any) -> None:
        super().__init__()
        source = template if "{" in template else template_source(template)
        self.tokenizer = byte_tokenizer(source, adds_bos=False)
        self.replies, self.prompts = list(replies), list[str]()
        self.chat_template_args = args

    @property
    def tokenizer_name(self) -> str:
        return "canned"

    def chat_template(self, _: Any = None) -> str:
        return str(self.tokenizer.chat_template)

    def apply_chat_template(self, history: Any, add_generation_prompt: bool = True) -> str:
        return str(self.tokenizer.apply_chat_template(
            history, tokenize=False, add_generation_prompt=add_generation_prompt,
            **self.chat_template_args))  # fmt: skip

    def generate_until(self, requests: list[Any]) -> list[str]:
        self.prompts += [r.args[0] for r in requests]
        return [self.replies[i % len(self.replies)] for i in range(len(requests))]

    def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
        self.prompts += ["".join(r.args) for r in requests]
        return [(-1.0 - r.idx, False) for r in requests]

    def loglikelihood_rolling(self, requests: list[Any]) -> list[float]:
        raise NotImplementedError


def evaluated(
    lm: Any, task: str | list[str], metadata: dict[str, Any] | None = None, **how: Any
) -> Any:
    """Tasks of ours, or one, through lm-eval's own `simple_evaluate`."""
    import lm_eval

    how = {"apply_chat_template": True, "limit": len(getattr(lm, "replies", "1234")), **how}
    return lm_eval.simple_evaluate(
        lm, tasks=[task] if isinstance(task, str) else task, log_samples=True, bootstrap_iters=0,
        task_manager=task_manager(metadata or {}), **how,
    )  # fmt: skip
