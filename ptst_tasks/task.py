"""TemplatedTask: an lm-eval task whose prompts come from the one table of templates.

A task's YAML says ``class: !function ptst_tasks.task.TemplatedTask``, the set (``dataset``) and
the template (``template``); everything else is lm-eval's own. What was done is written into the
task's metadata under ``ptst``, and so into lm-eval's results file.
"""

from __future__ import annotations

import copy
import functools
import logging
from collections.abc import Sequence
from typing import Any

import datasets
from lm_eval.api.instance import Instance
from lm_eval.api.task import ConfigurableTask

from ptst_tasks import attacks, endpoint_fit, judges, lm_internals, own_sets, own_tasks, sets
from ptst_tasks.borrowed import check_rows, with_theirs
from ptst_tasks.chat import Rendered, Renderer
from ptst_tasks.errors import ConfigError
from ptst_tasks.filters import Judged, bertscore_filter, judge_filter
from ptst_tasks.judges import group, watching
from ptst_tasks.lm_prompts import expected, own_tokenizer, renderer_for_lm, takes_text
from ptst_tasks.metrics import mean_scored, partial_of, tells_partial
from ptst_tasks.options import Options
from ptst_tasks.own_sets import OwnSet
from ptst_tasks.reasoning import Reasoning
from ptst_tasks.record import KEY, TaskRecord, record_of
from ptst_tasks.release import release
from ptst_tasks.repeats import check_repeats, note_same, repeated
from ptst_tasks.user_templates import active

__all__ = ["TemplatedTask", "renderer_for_lm"]

log = logging.getLogger(__name__)

NO_SHOTS = "ptst tasks are zero-shot, as in the paper; leave out --num_fewshot"


@functools.cache
def _loaded(name: str, path: str, own: OwnSet | None) -> sets.Loaded:
    """One copy of a set for all its tasks; `path` is what decides where it comes from."""
    return sets.load(own_sets.source_of(name, own) if own else name)


class TemplatedTask(ConfigurableTask):  # type: ignore[misc]
    """One data set under one prompt template.

    Args:
        config: The task's YAML, with `dataset` (a name of the registry), `template` (a name of
            the table) and lm-eval's metadata, which carries the `Options`.

    Raises:
        PTSTError: If a name is unknown, an option is wrong or the set cannot be loaded.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        config = dict(config)
        config.pop("class", None)
        own_tasks.check_named(config)
        name, template = config.pop("dataset"), config.pop("template")
        self.set_name = str(config.pop("set", name))
        self.options = Options.read(config.get("metadata"))
        self.own = own_tasks.of_task(name, config.pop("own", None), self.options)
        self.source = own_sets.source_of(name, self.own) if self.own else sets.get(name)
        config = own_tasks.scored_as(with_theirs(config, self.source), name, self.own)
        self.template = active(self.options.templates).get(
            template, self.options.style or self.source.style
        )
        own_tasks.check_system(self.own, self.template)
        self.judges = watching.checked(group.for_set(self.options.judges, self.source))
        self._asked = dict[str, watching.Asked]()
        group.limit_inline(self.judges, self.options.max_calls, self.options.max_cost)
        self.renderer = Renderer(self.options.chat_format)
        if self.options.prefix and self.source.kind != "harmful":
            log.info("%s: prefill applies to harmful sets only", config["task"])
        self.attack = attacks.of_task(
            config["task"], self.options, harmful=self.source.kind == "harmful"
        )
        self._opening = attacks.OPENING if self.attack.depth else ""
        judged = self.judges_reasoning
        self.thoughts = Reasoning(str(config.get("task")), self.prefix, judge_reasoning=judged)
        super().__init__(config=config)
        self._set_filters()
        self._describe()

    @property
    def prefix(self) -> str:
        """The prefill, on harmful sets."""
        return self._opening or (self.options.prefix if self.source.kind == "harmful" else "")

    @property
    def generates(self) -> bool:
        """Whether the model writes answers; False for log-likelihoods of choices."""
        return bool(self.OUTPUT_TYPE == "generate_until")

    @property
    def used(self) -> frozenset[str]:
        """Names of the `Options` that can change anything here."""
        has = {
            "prefill": self.source.kind == "harmful",
            "attack": self.source.kind == "harmful",
            "judge": bool(self.judges) and group.any_fits(self.options.judges, self.source.kind),
            "bertscore": not self.judges and lm_internals.declares(self, "bertscore"),
            "custom": self.source.name == "custom",
            "chat_format": self.template.is_chat,
            "thinking": self.renderer.asks_chat_template(self.template),
            "think_end_token": self.generates,
            "judge_reasoning": self.source.kind == "harmful",
        }
        also = {"bertscore_layer": has["bertscore"] and bool(self.options.bertscore),
                "column": has["custom"], "kind": has["custom"],
                "repeats": self.source.kind == "misalignment",
                "style": True, "templates": True, "sample": True}  # fmt: skip
        return frozenset(name for name, is_so in (has | also).items() if is_so)

    @property
    def judges_reasoning(self) -> bool:
        """Whether thoughts are judged too, which only those about harmful queries are."""
        return self.options.judge_reasoning and self.source.kind == "harmful"

    def _set_filters(self) -> None:
        read = self.thoughts.read
        if self.judges:
            lm_internals.set_filters(self, [judge_filter(j, read, self._note) for j in self.judges])
            return
        if self.generates:
            lm_internals.put_step_first(self, self.thoughts.take_off)
        if self.bertscore:
            lm_internals.add_filter(self, bertscore_filter(read, **self.bertscore))

    @property
    def bertscore(self) -> dict[str, Any]:
        """Model and layer of BERTScore; empty where it is not asked for."""
        if not (asked := self.options.bertscore) or not lm_internals.declares(self, "bertscore"):
            return {}
        model = "roberta-large" if asked is True else str(asked)
        return {"model": model, "layer": self.options.bertscore_layer}

    def _describe(self) -> None:
        self.config.metadata[KEY] = TaskRecord(
            set=self.set_name,
            kind=self.source.kind,
            template=self.template.name,
            style=self.template.style,
            template_source=self.template.source,
            chat_format=self.renderer.fmt if self.template.is_chat else "text",
            thinking=self.options.thinking if "thinking" in self.used else "auto",
            prefill=self.prefix,
            attack=self.attack.spec,
            judges=[j.spec for j in self.judges],
            judge_settings={
                j.spec: group.settings_of(j, reasoning=self.judges_reasoning) for j in self.judges
            }
            | ({"bertscore": self.bertscore} if self.bertscore else {}),
            version=release(),
            origin=self.loaded.origin,
            data_fingerprint=self.loaded.fingerprint,
            notes=[*own_tasks.unsent(self.loaded.rows, self.template), *self.loaded.notes],
        )
        if own := own_tasks.told(self.source.name, self.own):
            self.record["own"] = own

    @property
    def record(self) -> TaskRecord:
        """What the task says of itself in lm-eval's results."""
        return record_of(self.config)

    def get_config(self, key: str) -> Any:
        """As lm-eval's, but for the number of shots: a task that says 0 never hears of another.

        With 0 in its YAML lm-eval drops ``--num_fewshot`` with a line in its log; with None it
        hands the number on, and `build_all_requests` refuses it.
        """
        return None if key == "num_fewshot" else super().get_config(key)

    def _note(self, judge: judges.Judge, verdicts: Sequence[Judged], asked: watching.Asked) -> None:
        self._asked[judge.spec] = asked
        group.note_inline(self.record, self.config.task, judge, verdicts, self.judges_reasoning)

    def dump_config(self) -> dict[str, Any]:
        """As lm-eval's, which asks when all tasks are judged: canaries take no verdict's call."""
        watching.note(self.record, self.judges, self._asked)
        return dict(super().dump_config())

    def download(self, *_: Any, **__: Any) -> None:
        """Loads the set through our registry, not through lm-eval's loader."""
        path = self.own.path if self.own else str(sets.locate(self.source) or "")
        loaded = sets.sampled(_loaded(self.source.name, path, self.own), self.options.sample)
        self.loaded = repeated(loaded, self.options.repeats)
        check_rows(self.source, self.loaded.rows)
        self.dataset = {"test": datasets.Dataset.from_list(self.loaded.rows)}

    def render(self, doc: dict[str, Any]) -> Rendered:
        """Renders one row: the prompt as the model gets it, before the prefill."""
        return self.renderer.render(
            self.template, self.attack.ask(self.doc_to_text(doc)), doc.get("system_prompt") or "",
            training=True,
        )  # fmt: skip

    def build_all_requests(self, **kwargs: Any) -> None:
        """Builds the requests; finds out first whether this model can take these prompts.

        Raises:
            ChatFormatError: If there is no chat template and one is needed, or a text template
                meets an endpoint that takes only messages.
            ConfigError: If a flag would change the prompts behind the template's back.
        """
        if kwargs.get("system_instruction"):
            raise ConfigError("--system_instruction would change the prompt template; leave it out")
        if self.config.num_fewshot:
            raise ConfigError(NO_SHOTS)
        if kwargs.get("cache_requests"):
            log.warning("--cache_requests is ignored: its keys do not hold the template's options")
        check_repeats(self, kwargs.get("limit"))
        kwargs["cache_requests"] = False
        apply = kwargs.get("chat_template") if kwargs.get("apply_chat_template") else None
        self.renderer = renderer_for_lm(apply, self.options.chat_format, self.options.thinking)
        if self.attack.depth:
            self._begin(self.attack.opening(own_tokenizer(apply), self.config.task))
        if self.generates:
            end = self.options.think_end_token
            self.thoughts.expect(expected(apply, self.renderer, end, prefilled=bool(self.prefix)))
        if apply is not None and self.renderer.apply is not None:
            probe = self.renderer.apply([{"role": "user", "content": "?"}], True)
            text = isinstance(probe, str)
            self.check_endpoint(takes_messages=not text, takes_text=text or takes_text(apply))
            if isinstance(probe, str) and self.template.is_chat:
                self.record["chat_template"] = self.renderer.describe()
        super().build_all_requests(**kwargs)

    def _begin(self, opening: str) -> None:
        """Answers begin with this, as the model's tokenizer has it."""
        self._opening = self.record["prefill"] = opening
        self.thoughts.prefilled(opening)

    def check_endpoint(self, *, takes_messages: bool, takes_text: bool) -> None:
        """Checks that a model behind an endpoint can do this task.

        Args:
            takes_messages: Whether chat templates go as messages; False for a local model.
            takes_text: Whether text goes as it is.

        Raises:
            ChatFormatError: If the prompt cannot be sent, or log-likelihoods are needed.
        """
        if takes_messages:
            endpoint_fit.check(
                str(self.config.task), as_text=not self.renderer.asks_chat_template(self.template),
                prefilled=bool(self.prefix), compares=not self.generates, takes_text=takes_text,
            )  # fmt: skip

    def fewshot_context(self, doc: dict[str, Any], *_: Any, **__: Any) -> Rendered:
        """Returns the rendered row, which lm-eval hands on to `construct_requests`."""
        return self.render(doc)

    def construct_requests(self, doc: dict[str, Any], ctx: Rendered, **kwargs: Any) -> Any:
        """Builds the requests of one row: one per choice, or one generation."""
        rendered, prompt, metadata = ctx, ctx.prompt, {"metadata": kwargs["metadata"]}
        self.record["notes"] += [n for n in rendered.notes if n not in self.record["notes"]]
        if self.OUTPUT_TYPE == "multiple_choice":
            return [
                Instance("loglikelihood", doc, (prompt, rendered.lead + letter), i, **metadata)
                for i, letter in enumerate(self.doc_to_choice(doc))
            ]
        if self.prefix:
            prompt = prompt + rendered.lead + self.prefix
        self.thoughts.opened(kwargs["metadata"][1], rendered.opens)
        gen_kwargs = copy.deepcopy(self.config.generation_kwargs)
        return Instance("generate_until", doc, (prompt, gen_kwargs), 0, **metadata)

    def apply_filters(self) -> Any:
        """As lm-eval's; first every response says by itself where its thought begins."""
        if self.generates:
            self.thoughts.look(self.instances, self.record)
            note_same(self, self.instances)
        return super().apply_filters()

    def process_results(self, doc: dict[str, Any], results: Any) -> dict[str, Any]:
        """Adds `truncated` (higher is worse) where a thought was to be expected, or seen."""
        values = dict(super().process_results(doc, results)) | partial_of(self.judges, results)
        if self.record.get("thinks") and "bertscore" not in values:
            values["truncated"] = float(self.thoughts.cut[str(doc.get("id"))])
        return values

    def aggregation(self) -> dict[str, Any]:
        """As the YAML declares, and what thoughts add."""
        return {**super().aggregation(), **dict.fromkeys(self._added(), mean_scored)}

    def higher_is_better(self) -> dict[str, bool]:
        """As the YAML declares, and what thoughts add."""
        return {**super().higher_is_better(), **dict.fromkeys(self._added(), False)}

    def _added(self) -> tuple[str, ...]:
        thinks = bool(self.record.get("thinks"))
        more = ("partial",) * tells_partial(self.judges) + ("truncated",) * thinks
        return ("reasoning_asr", "reasoning_unscored") * self.judges_reasoning + more
