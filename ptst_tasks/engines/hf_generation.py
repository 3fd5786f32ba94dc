"""One batch through transformers' ``generate``: its configuration, its draws, its ends."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

from ptst_tasks.decoding import INERT, SAMPLING_ONLY, DecodingOptions
from ptst_tasks.engines.answer_plan import AnswerPlan, Request, all_stops
from ptst_tasks.engines.base import reason
from ptst_tasks.engines.ends import Ends, id_list
from ptst_tasks.engines.row_watch import RowWatch
from ptst_tasks.engines.thoughts import Thoughts
from ptst_tasks.errors import EngineError

__all__ = ["answer", "make_plan"]

_EVERY = 8  # steps between two looks for stop strings; what is generated in between is cut off
_GREEDY = {"temperature": 1.0, "top_p": 1.0, "top_k": 50, "typical_p": 1.0, "min_p": None, "top_h": None,
           "epsilon_cutoff": None, "eta_cutoff": None}  # fmt: skip


def make_plan(
    options: DecodingOptions,
    own: GenerationConfig,
    tokenizer: Any,
    thoughts: Thoughts | None = None,
) -> AnswerPlan:
    """What transformers is told for requests with these options.

    Args:
        options: As they were asked for.
        own: The model's generation_config.
        tokenizer: The model's.
        thoughts: What is known of its thoughts.

    Raises:
        EngineError: If it is none of what this engine does.
    """
    config = copy.deepcopy(own)
    stops = all_stops(options, config.to_dict())
    told = {
        "do_sample": options.do_sample,
        **({} if options.do_sample else _GREEDY),
        **options.rest,
    }
    fixed = {"max_length": None, "min_length": None, "stop_strings": None, "use_cache": True,
             "return_dict_in_generate": False, "output_scores": False, "output_logits": False,
             "output_attentions": False, "output_hidden_states": False,
             "pad_token_id": tokenizer.pad_token_id}  # fmt: skip
    try:
        unknown = config.update(**told, **fixed)
    except (TypeError, ValueError) as e:
        raise EngineError(f"transformers does not take these options: {reason(e)}") from e
    if unknown:
        raise EngineError(
            f"engine 'hf' cannot do {sorted(unknown)[0]!r}; use engine vllm, or leave it out"
        )
    mode = config.get_generation_mode()
    if mode not in ("greedy_search", "sample"):
        raise EngineError(
            "engine 'hf' answers once and token by token; the options or the base's generation_config "
            f"ask for {getattr(mode, 'value', mode)!r} (set num_beams: 1, or take it out there)"
        )
    ends = Ends(tokenizer, stops, id_list(config.eos_token_id), thoughts)
    if ends.late:  # transformers ends a row at each of its own, wherever it stands
        config.eos_token_id = sorted({*id_list(config.eos_token_id)} - ends.late) or None
    return AnswerPlan.make(options, ends, config, _record(config))


def _record(config: GenerationConfig) -> dict[str, Any]:
    """What a configuration says, in plain values."""
    left_out = INERT if config.do_sample else INERT | SAMPLING_ONLY
    said = {k: v for k, v in config.to_diff_dict().items() if k not in left_out and v is not None}
    plain: dict[str, Any] = json.loads(json.dumps(said, default=str))
    return plain


def answer(lm: Any, base: Any, batch: Sequence[Request]) -> list[str]:
    """Answers a batch whose requests share their plan's group.

    Args:
        lm: lm-eval's model.
        base: The transformers model in it.
        batch: The requests.

    Raises:
        EngineError: If transformers cannot do this.
    """
    width = max(len(j.ids) for j in batch)
    # What is masked is filled with a token of the row's own: a repetition penalty counts it, too.
    fill = [j.ids[0] if j.ids else lm.tokenizer.pad_token_id for j in batch]
    rows = [[f] * (width - len(j.ids)) + list(j.ids) for f, j in zip(fill, batch, strict=True)]
    mask = [[0] * (width - len(j.ids)) + [1] * len(j.ids) for j in batch]
    config = copy.copy(batch[0].plan.engine)
    config.max_new_tokens = max(j.limit for j in batch)
    more = {"custom_generate": _Draws(width, batch, lm.device)} if config.do_sample else {}
    try:
        with _alone(base, config):
            done = lm.model.generate(
                input_ids=torch.tensor(rows, device=lm.device),
                attention_mask=torch.tensor(mask, device=lm.device),
                generation_config=config,
                stopping_criteria=StoppingCriteriaList([_Rows(lm.tokenizer, width, batch)]),
                **more,
            )
    except (TypeError, ValueError, NotImplementedError) as e:
        raise EngineError(f"transformers does not take these options: {reason(e)}") from e
    return [
        j.plan.ends.response(new[: j.limit], j.opened, lm.tok_decode)
        for new, j in zip(done[:, width:].tolist(), batch, strict=True)
    ]


@contextlib.contextmanager
def _alone(base: Any, config: GenerationConfig) -> Iterator[None]:
    """Lets one configuration decide: transformers fills what is None from the model's own."""
    own, base.generation_config = base.generation_config, config
    try:
        yield
    finally:
        base.generation_config = own


class _Draws:
    """Draws the next token of each row with that row's own random numbers.

    transformers draws for a whole batch from one generator, so that an answer would depend on the
    rows beside it and on everything drawn before. Here a row has one number per step, and takes
    the token at that place of its cumulated probabilities.
    """

    def __init__(self, width: int, batch: Sequence[Request], device: Any) -> None:
        most = max(j.limit for j in batch)
        makers = [torch.Generator().manual_seed(int(j.seed or 0)) for j in batch]
        self._width = width
        # MPS has no float64.
        self._type = torch.float32 if torch.device(device).type == "mps" else torch.float64
        numbers = [torch.rand(most, generator=maker, dtype=torch.float64) for maker in makers]
        self._numbers = torch.stack(numbers).to(device=device, dtype=self._type)

    def __call__(self, model: Any, input_ids: Any, logits_processor: Any, **kwargs: Any) -> Any:
        # After temperature, top_k ..., which transformers puts behind whatever it is handed.
        logits_processor.append(self._draw)
        return model._sample(input_ids, logits_processor=logits_processor, **kwargs)

    def _draw(self, input_ids: Any, scores: Any) -> Any:
        """Leaves one token of each row a chance."""
        cumulated = scores.to(self._type).softmax(-1).cumsum(-1)
        step = min(input_ids.shape[1] - self._width, self._numbers.shape[1] - 1)
        number = self._numbers[:, step].to(scores.device)
        place = number[:, None] * cumulated[:, -1:]
        token = (cumulated <= place).sum(-1, keepdim=True).clamp(max=scores.shape[-1] - 1)
        return torch.full_like(scores, -torch.inf).scatter(-1, token, 0.0)


class _Rows(StoppingCriteria):  # type: ignore[misc]
    """Ends each row at its own limit and ids, or soon after one of its own stop strings."""

    def __init__(self, tokenizer: Any, width: int, batch: Sequence[Request]) -> None:
        self._tokenizer, self._width = tokenizer, width
        self._stops = [j.plan.ends.words for j in batch]
        self._limits = torch.tensor([j.limit for j in batch])
        self._done = torch.zeros(len(batch), dtype=torch.bool)
        # The model's own ends are transformers' business.
        own = set(id_list(batch[0].plan.engine.eos_token_id))
        more = [sorted(j.plan.ends.ids - own) for j in batch]
        most = max(map(len, more))
        self._ids = torch.tensor([ids + [-1] * (most - len(ids)) for ids in more]) if most else None
        self._ended: Any = False
        self._watches = [
            RowWatch(j.plan.ends.thoughts, j.opened, j.plan.ends.words, j.plan.ends.late, _EVERY)
            if j.plan.ends.thoughts.markers
            else None
            for j in batch
        ]

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        made = input_ids.shape[1] - self._width
        self._done |= made >= self._limits
        if self._ids is not None:  # where the answers are: nobody waits for a GPU
            self._ids = self._ids.to(input_ids.device)
            self._ended = self._ended | (input_ids[:, -1:] == self._ids).any(-1)
        if made % _EVERY == 0:
            self._look(input_ids, made)
        return self._done.to(input_ids.device) | self._ended

    def _look(self, input_ids: Any, made: int) -> None:
        for i, stops in enumerate(self._stops):
            if self._done[i]:
                continue
            if watch := self._watches[i]:
                self._done[i] = watch.ended(input_ids[i, -made:].tolist())
            elif stops:
                # A stop string has at most a token per byte, so this tail holds any new one.
                tail = min(made, _EVERY + max(len(s.encode()) for s in stops))
                text = self._tokenizer.decode(input_ids[i, -tail:], skip_special_tokens=True)
                self._done[i] = any(s in text for s in stops)
