"""Whether a task can be done by a model behind an endpoint: which prompts can be sent there at all."""

from __future__ import annotations

from ptst_tasks.errors import ChatFormatError

__all__ = ["check"]


def check(task: str, *, as_text: bool, prefilled: bool, compares: bool, takes_text: bool) -> None:
    """Refuses what an endpoint that takes messages cannot do.

    Args:
        task: Its name.
        as_text: Whether its prompts pass through no chat template.
        prefilled: Whether answers are made to begin with something.
        compares: Whether it needs log-likelihoods.
        takes_text: Whether the endpoint takes text as it is, too.

    Raises:
        ChatFormatError: If the prompt cannot be sent, or log-likelihoods are needed.
    """
    if takes_text and prefilled and not as_text:
        raise ChatFormatError(
            f"{task}: a prefill cannot go with messages; use text:* templates, chat_format llama2 or "
            "mistral, or no prefill"
        )
    if not takes_text and (as_text or prefilled):
        what = "a prefill" if prefilled else "this prompt as text"
        raise ChatFormatError(
            f"{task}: a chat-completions endpoint takes messages, not {what}; use chat:* templates with "
            "chat_format auto and no prefill, or a completions endpoint"
        )
    if compares:
        kind = "served model" if takes_text else "chat-completions endpoint"
        raise ChatFormatError(
            f"{task}: a {kind} gives no log-likelihoods; use the generate form (ptst_medqa_gen_*; in a "
            "study, the set medqa_gen)"
        )
