"""Decoding options: one name for each, no contradictions, and nothing left to a model's file.

lm_eval and transformers drop what they do not understand, or prefer one name to another with a
warning at most. Here an option either decides the answers as it was written or is refused.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ptst_tasks.errors import ConfigError, did_you_mean

__all__ = ["INERT", "KNOWN", "NEUTRAL", "SAMPLING", "SAMPLING_ONLY", "DecodingOptions", "check",
           "complete", "draw", "merge", "read"]  # fmt: skip

SAMPLING: dict[str, Any] = {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0}
"""What answers are drawn with where a study does not say: the model's own probabilities.

Every engine is told all four, so neither a model's generation_config nor transformers' top_k of 50
has a say; a top_k of 0 is off.
"""
SAMPLING_ONLY = frozenset({*SAMPLING, "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff"})
"""Fields that greedy answers do not depend on."""

_OURS = ("do_sample", "max_gen_toks", "until")  # lm_eval's, as every task's YAML writes them
_PENALTIES = ("frequency_penalty", "presence_penalty")  # of vLLM and of OpenAI's protocol
_TRANSFORMERS = (
    "bad_words_ids", "begin_suppress_tokens", "encoder_no_repeat_ngram_size",
    "encoder_repetition_penalty", "eos_token_id", "exponential_decay_length_penalty",
    "forced_bos_token_id", "forced_eos_token_id", "guidance_scale", "min_new_tokens",
    "no_repeat_ngram_size", "num_beams", "remove_invalid_values", "renormalize_logits",
    "repetition_penalty", "sequence_bias", "suppress_tokens", "watermarking_config",
)  # fmt: skip
KNOWN = frozenset({*_OURS, *_PENALTIES, *_TRANSFORMERS, *SAMPLING_ONLY})

_INSTEAD = {
    **dict.fromkeys(("max_new_tokens", "max_tokens", "max_completion_tokens", "max_gen_tok",
                     "max_length"), "max_gen_toks"),
    **dict.fromkeys(("stop", "stop_sequences", "stop_strings"), "until"),
    **dict.fromkeys(("min_length", "min_tokens"), "min_new_tokens"),
    **dict.fromkeys(("stop_token_ids", "eos_token_ids"), "eos_token_id"),
}  # fmt: skip
_SPEED = "answers would depend on how fast a machine is; use max_gen_toks"
_BEAMS = "it belongs to beam search, and one answer is asked for, token by token"
_NOT_HERE = {
    "max_time": _SPEED,
    **dict.fromkeys(("num_return_sequences", "early_stopping", "length_penalty",
                     "diversity_penalty", "num_beam_groups", "constraints", "force_words_ids"), _BEAMS),
}  # fmt: skip

INERT = frozenset({
    "_from_model_config", "bos_token_id", "decoder_start_token_id", "do_sample", "eos_token_id",
    "max_length", "max_new_tokens", "output_attentions", "output_hidden_states", "output_logits",
    "output_scores", "pad_token_id", "return_dict_in_generate", "stop_strings",
    "transformers_version", "use_cache",
})  # fmt: skip
"""Fields of a model's generation_config that decide nothing here, or are said by another name.

The limit is `max_gen_toks`, the ends are `until` and `eos_token_ids`; the rest is bookkeeping.
"""

NEUTRAL: dict[str, Any] = {
    **SAMPLING, "typical_p": 1.0, "epsilon_cutoff": 0.0, "eta_cutoff": 0.0, "repetition_penalty": 1.0,
    "encoder_repetition_penalty": 1.0, "no_repeat_ngram_size": 0, "encoder_no_repeat_ngram_size": 0,
    "min_new_tokens": 0, "num_beams": 1, "guidance_scale": 1, "renormalize_logits": False,
    "remove_invalid_values": False, "presence_penalty": 0.0, "frequency_penalty": 0.0,
}  # fmt: skip
"""Values that change nothing; None is one for every name."""

_NUMBERS: dict[str, tuple[float, float, bool]] = {  # lowest, highest, whether the lowest is meant
    "temperature": (0, math.inf, True),
    "top_p": (0, 1, False),
    "min_p": (0, 1, True),
    "repetition_penalty": (0, math.inf, False),
    "frequency_penalty": (-2, 2, True),
    "presence_penalty": (-2, 2, True),
}
_COUNTS = {"max_gen_toks": 1, "top_k": 0, "min_new_tokens": 0, "no_repeat_ngram_size": 0,
           "num_beams": 1, "seed": 0}  # fmt: skip
_OFF: dict[str, Any] = {**SAMPLING, "temperature": 0.0, "typical_p": 1.0}


@dataclass(frozen=True, slots=True)
class DecodingOptions:
    """Decoding options that were checked, every sampling option explicit.

    Attributes:
        limit: New tokens at most.
        until: Stop strings.
        do_sample: Whether answers are drawn; else they are greedy.
        rest: Everything else by transformers' names; of greedy answers no sampling option.
        seed: Of the draw; None where answers are greedy.
    """

    limit: int
    until: tuple[str, ...]
    do_sample: bool
    rest: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None

    def record(self, **more: Any) -> dict[str, Any]:
        """All of it as plain values; `more` is what an engine adds."""
        out = {"max_gen_toks": self.limit, "until": list(self.until), "do_sample": self.do_sample}
        out |= {**({} if self.do_sample else {"temperature": 0.0}), **self.rest, **more}
        return out if self.seed is None else {**out, "seed": self.seed}


def check(
    given: Mapping[str, Any], *, where: str = "gen_kwargs", seed: bool = False
) -> dict[str, Any]:
    """Reads decoding options as somebody wrote them.

    Args:
        given: Name -> value.
        where: What to call them in messages.
        seed: Whether a seed may be among them; a study says its own as ``test.decoding_seeds``.

    Returns:
        The same options, numbers and stop strings in one form.

    Raises:
        ConfigError: If a name is an alias or unknown, a value is of the wrong kind, or two
            contradict each other.
    """
    out = {}
    for name, value in given.items():
        _check_name(str(name), where, seed)
        out[str(name)] = _check_value(str(name), value, where)
    _check_together(out, where)
    return out


def merge(
    task: Mapping[str, Any], given: Mapping[str, Any], *, where: str = "gen_kwargs"
) -> dict[str, Any]:
    """A task's own options with those of a study in their place.

    Sampling takes the place of the greedy settings that tasks come with as a whole: without a
    temperature of its own it is 1.0, not the task's 0.0.

    Raises:
        ConfigError: If what comes out contradicts itself.
    """
    out = {**task, **given}
    if given.get("do_sample") is True:
        out["temperature"] = given.get("temperature", SAMPLING["temperature"])
    elif given.get("do_sample") is False:
        out = {k: v for k, v in out.items() if k in given or k not in SAMPLING_ONLY}
        out["temperature"] = 0.0
    return check(out, where=where, seed=True)


def complete(given: Mapping[str, Any]) -> dict[str, Any]:
    """The same options, with every sampling option said if answers are drawn."""
    return {**SAMPLING, **given} if given.get("do_sample") else dict(given)


def read(given: Mapping[str, Any], limit: int) -> DecodingOptions:
    """Reads the options of one request.

    Args:
        given: As lm-eval hands them on.
        limit: New tokens where they do not say.

    Raises:
        ConfigError: If they are wrong; see `check`.
    """
    options = check(given, seed=True)
    sampled = bool(options.pop("do_sample", False))
    limit, until = options.pop("max_gen_toks", limit), tuple(options.pop("until", ()))
    seed = options.pop("seed", 0)
    if sampled:
        return DecodingOptions(limit, until, True, {**SAMPLING, **options}, seed)
    rest = {k: v for k, v in options.items() if k not in SAMPLING_ONLY}
    return DecodingOptions(limit, until, False, rest)


def draw(seed: int, *asked: Any) -> int:
    """The seed of one answer, below 2**31: of what was asked, and of nothing else.

    Not of the batch or of the answers before it: so a prompt is answered alike whether a pass
    was interrupted, shares its batch with others, or follows cells that were there already.
    """
    text = json.dumps([seed, *asked], ensure_ascii=True, separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def _check_name(name: str, where: str, seed: bool) -> None:
    if name in KNOWN or (name == "seed" and seed):
        return
    if name == "seed":
        raise ConfigError(f"{where} holds 'seed'; a study says test.decoding_seeds: [0, 1, ...]")
    if instead := _INSTEAD.get(name):
        raise ConfigError(f"{where} holds {name!r}; write {instead!r}, its one name here")
    if why := _NOT_HERE.get(name):
        raise ConfigError(f"{where} holds {name!r}, which cannot be had: {why}")
    raise ConfigError(
        f"{where} holds {name!r}, which is no decoding option; {did_you_mean(name, KNOWN)}"
        f"known: {', '.join(sorted(KNOWN))}"
    )


def _check_value(name: str, value: Any, where: str) -> Any:
    if name == "until":
        return _stops(value, where)
    if name == "eos_token_id":
        ids = value if isinstance(value, list) else [value]
        whole = all(isinstance(i, int) and not isinstance(i, bool) and i >= 0 for i in ids)
        _expect(bool(ids) and whole, where, name, value, "a token id or a list of them")
    if name == "do_sample":
        _expect(isinstance(value, bool), where, name, value, "true or false")
    if name in _COUNTS:
        least, whole = _COUNTS[name], isinstance(value, int) and not isinstance(value, bool)
        _expect(whole and value >= least, where, name, value, f"a whole number from {least} on")
    if name not in _NUMBERS:
        return value
    low, high, included = _NUMBERS[name]
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    inside = number and math.isfinite(value) and (low <= value if included else low < value)
    span = f"{'from' if included else 'above'} {low:g}" + (
        "" if math.isinf(high) else f" to {high:g}"
    )
    _expect(inside and value <= high, where, name, value, f"a number {span}")
    return float(value)


def _stops(value: Any, where: str) -> list[str]:
    stops = [] if value is None else [value] if isinstance(value, str) else value
    text = isinstance(stops, (list, tuple)) and all(isinstance(stop, str) for stop in stops)
    _expect(text, where, "until", value, "a stop string or a list of them")
    _expect(
        "" not in stops, where, "until", value, "no empty string: every answer would end at once"
    )
    return list(stops)


def _expect(right: bool, where: str, name: str, value: Any, expected: str) -> None:
    if not right:
        raise ConfigError(f"{where}: {name} is {value!r}, expected {expected}")


def _check_together(options: Mapping[str, Any], where: str) -> None:
    if options.get("do_sample"):
        if options.get("temperature") == 0:
            raise ConfigError(
                f"{where}: do_sample is true and temperature 0, which contradict each other; leave "
                "do_sample out for greedy answers, or raise the temperature"
            )
        return
    for name in sorted(SAMPLING_ONLY & set(options)):
        if options[name] not in (None, _OFF.get(name)):
            raise ConfigError(
                f"{where}: {name} is {options[name]!r}, and greedy answers do not depend on it; add "
                "do_sample: true, or leave it out"
            )
