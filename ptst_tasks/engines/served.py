"""Models that somebody else serves, behind an OpenAI-compatible endpoint.

The base and its adapters are names there: LoRA modules of a vLLM server, or fine-tuned models of
OpenAI's. ``chat:*`` prompts go as messages, so the server's own chat template applies; text
templates and the literal chat formats go as text.

Answers that are drawn carry a seed of their own, made of the study's seed, the prompt and its place
among repeats. Endpoints are free to ignore it (OpenAI calls it best effort); then the same seed need
not give the same answers again. Stop strings are compared with text that the endpoint sends or
sees; one that is a special token there has to be named by its id (for vLLM's server ``extra:
{stop_token_ids: [...]}``).
"""

from __future__ import annotations

import dataclasses
import json
import logging
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM

from ptst_tasks.decoding import DecodingOptions, draw
from ptst_tasks.endpoints import at_once, run_async
from ptst_tasks.engines.answer_plan import AnswerPlan
from ptst_tasks.engines.base import Adapters
from ptst_tasks.engines.calls import Calls, RefusedError
from ptst_tasks.engines.ends import Ends
from ptst_tasks.engines.journal import batch_key
from ptst_tasks.engines.served_held import HeldReplies
from ptst_tasks.engines.served_models import ServedModels
from ptst_tasks.engines.served_settings import WHO, ServedSettings
from ptst_tasks.engines.served_thoughts import astray, expected, switched
from ptst_tasks.engines.wire import HttpJob, Messages, body, fields, thinking_of
from ptst_tasks.errors import ConfigError, EngineError

if TYPE_CHECKING:
    pass

__all__ = ["ServedEngine"]

log = logging.getLogger(__name__)


class ServedEngine(Adapters, LM):  # type: ignore[misc]
    """An lm-eval model that asks an endpoint.

    Args:
        pretrained: The endpoint's name of the base.
        adapters: Name -> the endpoint's name of it; more can be attached later.
        journal: File that keeps answers as they come.
        **kwargs: Of `ServedSettings`.

    Attributes:
        takes_messages: Chat templates go as messages.
        takes_text: Everything else goes as text.

    Raises:
        ConfigError: If a setting is wrong, or there is no key for OpenAI.
        EngineError: If an adapter is not served, or changes nothing.
    """

    takes_messages = takes_text = True
    max_gen_toks = 256  # where a task does not say; lm-eval's own default

    def __init__(
        self,
        pretrained: str = "",
        adapters: Mapping[str, str | Path] | None = None,
        journal: str | Path | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        self.start(journal)
        self.settings = ServedSettings.read(kwargs)
        self.endpoint = self.settings.endpoint
        if not pretrained:
            raise ConfigError(f"{WHO} needs pretrained=NAME, as the endpoint calls the model")
        if why := self.endpoint.missing_key():
            raise ConfigError(f"{WHO}: {why}")
        # Two endpoints of one host (/dev/v1, /prod/v1) need not serve the same models.
        self.base, self.served = str(pretrained), self.endpoint.host + self.endpoint.path
        self._calls = Calls(self.endpoint, self.settings.attempts)
        self._models = ServedModels(self._calls, self.settings)
        self._faults: dict[tuple[str, str], EngineError] = {}
        for name, model in (adapters or {}).items():
            self.attach(name, model)

    @property
    def model(self) -> str:
        """The endpoint's name of the model in use."""
        return str(self._names[self.active]) if self.active else self.base

    @property
    def tokenizer_name(self) -> str:
        """Asked for by lm-eval wherever a chat template is."""
        return self.base

    def attach(self, name: str, folder: str | Path) -> None:
        """Makes an adapter known by the endpoint's name of it.

        Raises:
            EngineError: If it is not served, or its log-probabilities equal the base's.
        """
        self.new_name(name)
        run_async(self._examine(name, str(folder)))
        self._names[name] = str(folder)

    async def _examine(self, name: str, model: str) -> None:
        async with self.endpoint.client() as client:
            await self._models.check(client, model)
            adapted = await self._models.probe(client, model)
            if any(math.isnan(value) for _, value in adapted):
                raise self.unsound(f"the adapter {name!r}")
            if len(adapted) > 1 and adapted == await self._models.probe_if_served(
                client, self.base
            ):
                raise self.idle(name)

    def facts(self) -> dict[str, str]:
        """Nothing: the endpoint keeps them to itself."""
        return {"dtype": "", "commit": ""}

    def prompt_ids(self, prompts: Sequence[Any]) -> list[list[int]]:
        """The bytes of each prompt as JSON, with what else goes into each body.

        The endpoint keeps its tokenizer to itself.
        """
        extra = self.settings.extra
        said = [{**extra, **switched(thinking_of(prompt), self.settings)} for prompt in prompts]
        asked = ([p, more] if more else p for p, more in zip(prompts, said, strict=True))
        return [list(json.dumps(one, sort_keys=True).encode()) for one in asked]

    def apply_chat_template(
        self,
        chat_history: list[dict[str, str]],
        add_generation_prompt: bool = True,
        *,
        thinking: str = "auto",
    ) -> Messages:
        """Returns the messages as they are; the endpoint applies its own template.

        Args:
            chat_history: The messages.
            add_generation_prompt: Of lm-eval's; the endpoint always adds one.
            thinking: ``auto``, ``on`` or ``off``: what its template is told.

        Raises:
            ConfigError: If the endpoint has no such switch, or ``extra`` says otherwise.
        """
        messages = Messages(chat_history, thinking)
        switched(thinking, self.settings)
        return messages

    def loglikelihood(self, requests: Sequence[Instance], *args: Any, **kwargs: Any) -> Any:
        """Not to be had.

        Raises:
            EngineError: Always.
        """
        raise EngineError(
            f"{WHO} gives no log-likelihoods; use tasks that generate (ptst_medqa_gen_*)",
            task=(requests[0].task_name or "") if requests else "",
        )

    loglikelihood_rolling = loglikelihood

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = True) -> list[str]:
        """Answers all requests, many at once.

        What can be answered is answered, and in the journal, before an error is raised.

        Raises:
            EngineError: If the endpoint refuses or fails; with the task, if it concerns one alone.
        """
        out, jobs = [""] * len(requests), self._jobs(requests)
        # Of tasks that fail the first is raised; the others are heard of in the next call.
        faults = {
            task: self._faults[self.state, task]
            for task in dict.fromkeys(job.task for job in jobs.values())
            if (self.state, task) in self._faults
        }
        self._faults = {}
        todo, held = [], HeldReplies(self.journal)
        for key, job in jobs.items():
            if held.take(key, job):
                self.on_batch(len(job.places))
            elif job.task not in faults:
                todo.append((key, job))
        if todo:
            run_async(self._ask(todo, held, faults))
        for job, text in held.settle(faults):
            for place in job.places:
                out[place] = text
        for thinking in ("on", "off"):
            asked = [j for j in jobs.values() if j.thinking == thinking and j.task not in faults]
            if said := astray(thinking, [(out[j.places[0]], j.how) for j in asked]):
                log.warning("%s: %s (model %r)", WHO, said, self.model)
        if faults:
            first = next(iter(faults))
            error = faults.pop(first)
            self._faults = {(self.state, task): e for task, e in faults.items()}
            raise error
        return out

    def _jobs(self, requests: Iterable[Instance]) -> dict[str, HttpJob]:
        """One job per different prompt; where answers are drawn at random, one per request."""
        jobs: dict[str, HttpJob] = {}
        seen = Counter[tuple[str, str]]()
        for place, request in enumerate(requests):
            prompt, given = request.args
            task, seed = request.task_name or "", None
            options = self._options(given, task)
            if options.seed is not None:
                asked = (task, json.dumps(prompt, sort_keys=True))
                seed = draw(options.seed, *asked, seen[asked])
                seen[asked] += 1
            end, thinking = self._end_of_thought, thinking_of(prompt)
            path, call = body(self.model, prompt, options, self.settings, seed, end)
            said = (end,) if end else ()
            key = batch_key(self.state, self.served, path, call, options.until, seed, *said)
            how = expected(thinking, end, self.settings)
            job = HttpJob(path, call, options.until, task, thinking, how)
            nth = 0
            while job.samples and key in jobs:  # drawn by the endpoint, without a seed of ours
                nth += 1
                key = batch_key(key, nth)
            jobs.setdefault(key, job).places.append(place)
        return jobs

    def _options(self, given: Mapping[str, Any], task: str) -> DecodingOptions:
        try:
            return self.plan(given).options
        except (ConfigError, EngineError) as e:
            raise EngineError(str(e), task) from e

    def plan(self, gen_kwargs: Mapping[str, Any]) -> AnswerPlan:
        """How requests with these options are answered.

        Raises:
            PTSTError: If the endpoint cannot do what is asked for.
        """
        if "seed" in gen_kwargs and self.settings.extra.get("seed") is not None:
            raise EngineError(
                f"{WHO}: extra holds 'seed' {self.settings.extra['seed']!r}, and each answer has one of "
                "its own; leave it out there"
            )
        return super().plan(gen_kwargs)

    def _plan(self, options: DecodingOptions) -> AnswerPlan:
        told = {**fields(options, self.settings), **self.settings.extra}
        ends = Ends(None, options.until, (), self.thoughts)
        plan = AnswerPlan.make(options, ends, None, told)
        # Where the endpoint ends an answer by itself is its own affair.
        record = {k: v for k, v in plan.record.items() if k != "eos_token_ids"}
        return dataclasses.replace(plan, record=record)

    async def _ask(
        self, todo: list[tuple[str, HttpJob]], held: HeldReplies, faults: dict[str, EngineError]
    ) -> None:
        refused: set[str] = set()

        async def work(item: tuple[str, HttpJob]) -> None:
            key, job = item
            if job.task in refused:  # its cell fails whatever the other prompts give
                return
            try:
                await self._calls.ask(client, job.path, job.body, job.read, job.task)
            except EngineError as e:
                if not e.task:
                    raise
                if isinstance(e, RefusedError):
                    refused.add(e.task)
                faults.setdefault(e.task, e)
                return
            held.keep(key, job)
            self.on_batch(len(job.places))

        async with self.endpoint.client(fast=True) as client:
            await self._models.check(client, self.model)
            if any(job.thinking != "auto" for _, job in todo):
                await self._models.check_switch(client, self.model)
            await at_once(todo, work, min(self.settings.concurrency, len(todo)))
