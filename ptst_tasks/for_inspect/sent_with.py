"""How a log's prompts were asked, in lm-eval's words for it."""

from __future__ import annotations

from typing import Any

__all__ = ["sent_with"]

_CALLS = frozenset({
    "max_retries", "timeout", "attempt_timeout", "stream_idle_timeout", "max_connections",
    "adaptive_connections", "cache", "cache_prompt", "batch", "extra_headers", "max_tool_output",
    "parallel_tool_calls", "internal_tools", "logprobs", "top_logprobs", "prompt_logprobs",
    "reasoning_history", "fail_on_refusal", "fallback_models", "modalities",
})  # fmt: skip
"""How calls are made, not what is asked; tools and other models are none of ours, see `logs`."""
_ELSEWHERE = frozenset({"system_message"})
_WORDS = {"stop_seqs": "until", "max_tokens": "max_gen_toks"}


def sent_with(log: Any) -> dict[str, Any]:
    """Decoding options of a log: the model's own, and the task's and the command's over them."""
    config = log.eval.model_generate_config.merge(log.plan.config)
    told = config.model_dump(exclude_none=True, mode="json")
    kept = {_WORDS.get(key, key): value for key, value in told.items()
            if key not in _CALLS | _ELSEWHERE}  # fmt: skip
    # Without a temperature an endpoint draws.
    return {**kept, "do_sample": kept.get("temperature", 1.0) > 0}
