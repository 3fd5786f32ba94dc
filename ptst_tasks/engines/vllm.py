"""One vLLM engine for a base and all its adapters, with the HF engine's prompts and answers.

A batch holds requests of one model only. In batches that mix requests with and without an
adapter, vLLM's CPU build (0.32) answers the ones without with an adapter's tokens; each batch
here has one adapter or none, and `attach` probes that the base is still itself afterwards.

Longer than other files: all of it needs vLLM, which most machines do not have; nothing beside it
imports vLLM, and its tests run where vLLM is (`make test-vllm`).
"""

from __future__ import annotations

import atexit
import contextlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")  # read when vllm is imported

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.vllm_causallms import VLLM
from vllm import SamplingParams, TokensPrompt
from vllm.config.lora import MaxLoRARanks
from vllm.lora.peft_helper import PEFTHelper
from vllm.lora.request import LoRARequest
from vllm.v1.engine.exceptions import EngineDeadError

from ptst_tasks.decoding import KNOWN, NEUTRAL, SAMPLING, SAMPLING_ONLY, DecodingOptions
from ptst_tasks.engines.answer_plan import AnswerPlan, Request, all_stops, read_requests
from ptst_tasks.engines.base import PROBE, Adapters, reason, refuse
from ptst_tasks.engines.ends import Ends, id_list
from ptst_tasks.engines.engine_args import REFUSED
from ptst_tasks.engines.fit import Fit
from ptst_tasks.engines.idle_adapters import meant_idle
from ptst_tasks.engines.journal import batch_key
from ptst_tasks.errors import ConfigError, EngineError
from ptst_tasks.lm_internals import base_config

__all__ = ["VLLMEngine", "lora_limits"]

_TAKES = {**{name: name for name in (*SAMPLING, "repetition_penalty", "presence_penalty",
                                     "frequency_penalty")}, "min_new_tokens": "min_tokens"}  # fmt: skip
"""Transformers' names -> vLLM's, of the options that mean the same."""


class VLLMEngine(Adapters, VLLM):  # type: ignore[misc]
    """An lm-eval model that starts vLLM once and switches between adapters request by request.

    Args:
        pretrained: Folder or hub id of the base.
        adapters: Name -> folder; more can be attached later.
        journal: File that keeps answers as they come.
        expected: Folders of adapters that will be attached later; vLLM must know the largest rank
            when it starts.
        **kwargs: Of lm-eval's VLLM, which hands the rest to vLLM (dtype, max_model_len,
            gpu_memory_utilization, tensor_parallel_size, enforce_eager, ...).

    Raises:
        ConfigError: If an argument cannot be had here.
        EngineError: If vLLM does not start, or an adapter cannot be attached or changes nothing.
    """

    def __init__(
        self,
        pretrained: str,
        adapters: Mapping[str, str | Path] | None = None,
        journal: str | Path | None = None,
        expected: Sequence[str | Path] = (),
        **kwargs: Any,
    ) -> None:
        folders = [Path(f) for f in (*(adapters or {}).values(), *expected)]
        _refuse(kwargs, bool(folders))
        self.start(journal)
        kwargs = {
            "enable_prefix_caching": True,
            "use_tqdm_on_load": False,
            **lora_limits(folders),
            **kwargs,
        }
        try:
            super().__init__(pretrained=pretrained, **kwargs)
        except (OSError, RuntimeError, TypeError, ValueError, AssertionError) as e:
            raise EngineError(f"vLLM does not start with {pretrained!r}: {reason(e)}") from e
        # Left to themselves, vLLM's processes can keep the interpreter from ending.
        atexit.register(self.close)
        self.lora_request: LoRARequest | None = None
        self._made, self._probed = 0, False
        self._fit: Fit | None = None
        for name, folder in (adapters or {}).items():
            self.attach(name, folder)

    def attach(self, name: str, folder: str | Path) -> None:
        """Loads an adapter; makes sure that it changes what the model says, and not what the base says.

        Whatever goes wrong, it is taken out again.

        Raises:
            EngineError: If it does not fit this base, or vLLM cannot run it, or a probe fails.
        """
        self.new_name(name)
        base = self._probe_base()
        # Never the same twice: vLLM keeps what it knows of a number, also of one that failed, and
        # what it computed under an adapter's name.
        self._made += 1
        request = LoRARequest(f"a{self._made}", self._made, str(Path(folder).resolve()))
        try:
            self._check(request)
            # Loads now: what fails in the middle of a batch takes the whole engine with it.
            self.model.llm_engine.add_lora(request)
            self._check_probes(name, request, base, idle=meant_idle(folder))
        except Exception as e:  # vLLM passes on whatever its worker raised
            with contextlib.suppress(Exception):  # most have not got as far as being there
                self.model.llm_engine.remove_lora(request.lora_int_id)
            if self._probe(None) != base:
                self._broken = f"vLLM's base answers otherwise since {name!r} failed; use engine hf"
            raise self.unfit(name, folder, e) from e
        self._names[name] = request

    def _check_probes(
        self, name: str, request: LoRARequest, base: dict[int, float], *, idle: bool
    ) -> None:
        adapted = self._probe(request)
        if any(math.isnan(value) for value in adapted.values()):
            raise self.unsound(f"the adapter {name!r}")
        if adapted == base and not idle:
            raise self.idle(name)
        if self._probe(None) != base:
            raise EngineError(
                f"vLLM's base answers otherwise since {name!r} is there; use engine hf"
            )

    def _probe_base(self) -> dict[int, float]:
        """What the base says to the probe.

        Raises:
            EngineError: If that is no numbers.
        """
        self.alive()
        base = self._probe(None)
        if any(math.isnan(value) for value in base.values()):
            raise self.unsound("the base")
        self._probed = True
        return base

    def _check(self, request: LoRARequest) -> None:
        lora = self.model.llm_engine.vllm_config.lora_config
        if lora is None:
            raise ValueError("vLLM was started without adapters; name them in adapters or expected")
        PEFTHelper.from_local_dir(request.lora_path, None).validate_legal(lora)
        self._fit = self._fit or Fit(base_config(self))
        self._fit.check(request.lora_path, plain=True)

    def _probe(self, request: LoRARequest | None) -> dict[int, float]:
        """The likeliest tokens after the probe, with their log-probabilities."""
        prompt = TokensPrompt(prompt_token_ids=self.tok_encode(PROBE))
        # From the first token on: what a cached beginning gives may differ in the last bits.
        params = SamplingParams(
            temperature=0, max_tokens=1, logprobs=5, skip_reading_prefix_cache=True
        )
        with _alive():
            (out,) = self.model.generate(prompt, params, lora_request=request, use_tqdm=False)
        return {token: found.logprob for token, found in out.outputs[0].logprobs[0].items()}

    def use(self, name: str = "", state: str = "") -> None:
        """Switches to an adapter, or with an empty name to the base alone."""
        super().use(name, state)
        self.lora_request = self._names[name] if name else None

    def facts(self) -> dict[str, str]:
        """The model's dtype, and its commit on the hub."""
        dtype = str(self.model.llm_engine.model_config.dtype)
        return {"dtype": dtype, "commit": getattr(base_config(self), "_commit_hash", None) or ""}

    def close(self) -> None:
        """Ends vLLM's processes."""
        atexit.unregister(self.close)
        self.model.llm_engine.engine_core.shutdown()

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = True) -> list[str]:
        """Answers all requests; each has a length limit and stop strings of its own.

        Raises:
            EngineError: If a prompt and its answer do not fit into the context, or vLLM dies.
        """
        self.alive()
        if not self._probed:
            self._probe_base()
        jobs = read_requests(self, requests)
        keys = [batch_key(self.state, *j.key, j.plan.group) for j in jobs]
        out = [self.journal.get(key, 1) or [] for key in keys]
        todo = [j for j in jobs if not out[j.place]]
        self.on_batch(len(jobs) - len(todo))
        for job, ids in self._answers(todo):
            # Decoded as the HF engine does; vLLM's own text may begin with another white space.
            out[job.place] = [job.plan.ends.response(ids, job.opened, self.tok_decode)]
            self.journal.add(keys[job.place], out[job.place])
            self.on_batch(1)
        return [answer for (answer,) in out]

    def encode(self, prompts: Sequence[str]) -> list[list[int]]:
        """Token ids of prompts; here lm-eval decides about BOS for each of them."""
        ids: list[list[int]] = self.tok_encode(list(prompts))
        return ids

    def tok_decode(self, ids: Sequence[int]) -> str:
        """Text of an answer's tokens."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))

    def _answers(self, jobs: Sequence[Request]) -> Iterator[tuple[Request, list[int]]]:
        """Continues all, and yields each as soon as it is whole."""
        if not jobs:
            return
        engine = self.model.llm_engine
        with _alive():
            numbers = self.model.enqueue(
                [TokensPrompt(prompt_token_ids=list(j.ids)) for j in jobs],
                [self._params(j) for j in jobs],
                lora_request=self.lora_request,
                use_tqdm=False,
            )
        # What is handed back is called by its number alone, without the suffix behind it.
        waiting = {n.partition("-")[0]: (n, j) for n, j in zip(numbers, jobs, strict=True)}
        try:
            while waiting:
                with _alive():
                    steps = engine.step()
                for done in steps:
                    if done.finished:
                        _, job = waiting.pop(done.request_id)
                        yield job, list(done.outputs[0].token_ids)
        finally:
            if waiting:  # stopped half-way: the next pass must not be handed these
                engine.abort_request([n for n, _ in waiting.values()], internal=True)

    def _plan(self, options: DecodingOptions) -> AnswerPlan:
        """Transformers' meaning of the options, the model's own defaults included."""
        config = self.model.llm_engine.model_config
        own = config.try_get_generation_config()
        eos = options.rest.get("eos_token_id", own.get("eos_token_id"))
        if config.generation_config == "vllm":  # asked for nothing of the model's own
            own = {}
        own = {**own, **config.override_generation_config}
        told = _told(options, own)
        ends = Ends(self.tokenizer, all_stops(options, own), id_list(eos), self.thoughts)
        # vLLM would end a thought at a stop string; of a model that thinks the answer is cut here.
        words = () if ends.thoughts.markers else ends.words
        params = {theirs: told[ours] for ours, theirs in _TAKES.items() if ours in told}
        if not options.do_sample:
            params["temperature"] = 0.0
        params |= {
            "max_tokens": options.limit,
            "stop": list(words),
            "detokenize": bool(words),
            # All ends are said; vLLM's text knows no special tokens, and its own list of ends is
            # the one of the model and its tokenizer.
            "stop_token_ids": sorted(ends.ids),
            "ignore_eos": True,
        }
        try:
            SamplingParams(**params)
        except (TypeError, ValueError) as e:
            raise EngineError(f"vLLM does not take these options: {reason(e)}") from e
        return AnswerPlan.make(
            options, ends, params, {k: v for k, v in told.items() if k in _TAKES}
        )

    def _params(self, job: Request) -> SamplingParams:
        return SamplingParams(**job.plan.engine, seed=job.seed)

    def _loglikelihood_tokens(
        self, requests: list[tuple[Any, list[int], list[int]]], disable_tqdm: bool = False
    ) -> list[tuple[float, bool]]:
        """Log-probability of each continuation, and whether it is the likeliest.

        Token by token, so that the choices of one question share their requests. lm-eval asks for
        the log-probabilities of the whole prompt, which takes longer and, with an adapter and two
        prompts in a batch, is the end of vLLM's CPU build (0.32).
        """
        self.check_room(requests, self.max_length)
        texts = [(tuple(head + tail), len(tail)) for _, head, tail in requests]
        wanted: dict[tuple[int, ...], set[int]] = {}
        for ids, length in texts:
            for i in range(len(ids) - length, len(ids)):
                wanted.setdefault(ids[:i], set()).add(ids[i])
        with _alive():
            answers = self.model.generate(
                [TokensPrompt(prompt_token_ids=list(ids)) for ids in wanted],
                [_scoring(tokens) for tokens in wanted.values()],
                lora_request=self.lora_request,
                use_tqdm=False,
            )
        found = dict(zip(wanted, (a.outputs[0] for a in answers), strict=True))
        out = []
        for ids, length in texts:
            steps = [(found[ids[:i]], ids[i]) for i in range(len(ids) - length, len(ids))]
            total = sum(step.logprobs[0][token].logprob for step, token in steps)
            out.append((total, all(step.token_ids[0] == token for step, token in steps)))
        return out


def _told(options: DecodingOptions, own: Mapping[str, Any]) -> dict[str, Any]:
    """What is asked for and what the model's generation_config adds to it.

    Raises:
        EngineError: If vLLM has no such option; left out, the answers would be those of other ones.
    """
    said = SAMPLING if options.do_sample else SAMPLING_ONLY  # are not the model's to say
    added = {k: v for k, v in own.items() if k in KNOWN and k not in said}
    told = {**added, **options.rest}
    out = {}
    for name, value in told.items():
        if name in _TAKES:
            out[name] = value
        elif name in KNOWN - {"do_sample", "eos_token_id"} and value not in (
            None,
            NEUTRAL.get(name),
        ):
            whose = "" if name in options.rest else " of the base's generation_config"
            raise EngineError(
                f"vLLM does not take these options: {name} {value!r}{whose}; use engine hf, or set "
                f"{name}: {NEUTRAL.get(name)} in gen_kwargs"
            )
    return out


def lora_limits(folders: Sequence[Path]) -> dict[str, Any]:
    """What vLLM must know of adapters before it starts.

    A folder that cannot be read is left to `VLLMEngine.attach`, which says what is wrong.
    """
    if not folders:
        return {}
    ranks = [1]
    for folder in folders:
        with contextlib.suppress(OSError, ValueError, TypeError, LookupError, AttributeError):
            config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
            ranks += [int(r) for r in (config["r"], *(config.get("rank_pattern") or {}).values())]
    sizes = sorted(get_args(MaxLoRARanks))
    rank = next((size for size in sizes if size >= max(ranks)), sizes[-1])
    # One adapter in a batch; the others wait in the CPU's memory.
    return {
        "enable_lora": True,
        "max_lora_rank": rank,
        "max_loras": 1,
        "max_cpu_loras": len(folders),
    }


def _scoring(tokens: set[int]) -> SamplingParams:
    ids = sorted(tokens)
    return SamplingParams(temperature=0, max_tokens=1, logprob_token_ids=ids, detokenize=False)


def _refuse(kwargs: Mapping[str, Any], adapters: bool) -> None:
    """What lm-eval's class or vLLM would take, and then do something else or die of."""
    one = kwargs.get("data_parallel_size") in (1, "1")
    given = {k: v for k, v in kwargs.items() if not (one and k == "data_parallel_size")}
    refuse("vllm", given, REFUSED["vllm"])
    float32 = str(kwargs.get("dtype")) in ("float", "float32")
    if adapters and float32 and torch.cuda.is_available():
        raise ConfigError(
            "vLLM runs adapters on GPUs in bfloat16 or float16 only; set dtype, or use engine hf"
        )


@contextlib.contextmanager
def _alive() -> Iterator[None]:
    try:
        yield
    except EngineDeadError as e:
        raise EngineError("vLLM's engine died; its own messages above say of what") from e
