"""A study: one YAML that says what is trained, what is asked, and who judges.

    base: meta-llama/Llama-2-7b-chat-hf
    chat_format: llama2
    train: {data: gsm8k, templates: [CV, CA, CL], seeds: [0, 1, 2]}
    test: {templates: [CV, CA, CL], sets: [gsm8k, directharm4]}

Ready ones are in ``leaderboards/studies``; `study_files` finds and reads them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from adapters_train.defences import PLAIN, named
from leaderboards.run import study_paths
from leaderboards.run.plans import AdapterPlan, Existing, Name, Whole
from leaderboards.run.study_errors import FaultsFound
from ptst_tasks.attacks import NONE, Attack
from ptst_tasks.attacks import named as attack_named
from ptst_tasks.generate import FAMILIES, Family, own_families, task_name
from ptst_tasks.judges.group import JUDGED
from ptst_tasks.own_sets import OwnSet
from ptst_tasks.templates import Templates, slug
from ptst_tasks.thinking import Thinking
from ptst_tasks.user_templates import active

if TYPE_CHECKING:
    from adapters_train.config import TrainConfig

__all__ = ["Study", "StudyTest", "StudyTrain"]


Rows = Annotated[Whole, Field(gt=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StudyTrain(_Strict):
    """Which adapters a study trains: templates x defences x seeds.

    Attributes:
        data: A training set's name or a file.
        templates: Training templates; empty to train nothing.
        seeds: One adapter of each template for each.
        recipe: Named defaults; empty for the data set's own.
        mix: Safety examples mixed in, as ``name:1epoch``.
        defences: What keeps the models safe beside the template, ``kl:0.1``
            (`adapters_train.defences`); one adapter of each template and seed for each.
        settings: More fields of `TrainConfig`, those that the study does not say itself.
        trajectory: Also measure the light copies that ``settings: {save_every: N}`` keeps, to
            follow helpfulness and ASR along training (the paper's Figure 2).
        adapters: Adapters that are there already.
    """

    data: str = "gsm8k"
    templates: tuple[str, ...] = ()
    seeds: tuple[Whole, ...] = (0,)
    recipe: str = ""
    mix: tuple[str, ...] = ()
    defences: tuple[str, ...] = ("none",)
    settings: dict[str, Any] = {}
    trajectory: bool = False
    adapters: tuple[Existing, ...] = ()


class StudyTest(_Strict):
    """What every model of a study is asked: sets x templates.

    Attributes:
        sets: Names of sets, as in task names.
        templates: Test templates.
        custom: Sets of the user's own by name, each with its file and its kind (`own_sets.OwnSet`);
            `sets` asks them by these names.
        attacks: How harmful queries are asked (`ptst_tasks.attacks`): ``none``, ``prefill:5``, ``json``,
            ``code``; other sets are asked once, plainly.
        style: Family of strings around the questions of every set. Empty, harmful and over-refusal
            queries, and the helpful set that stems from the training data (gsm8k for gsm8k, ARC
            for openorca), are asked in the style that the models were trained in: that of
            ``train.settings``, of an adapter's manifest, else the training set's own, as in the
            paper, or for OpenAI's own models ``openai``; other helpful sets in their own. Models
            trained in different styles need it said, since all are asked the same prompts.
        limit: Ask only the first so many rows of each set, which may be of one category.
        sample: Ask only so many rows, drawn at random by their ids and always the same: a number for
            every set, or a number for each that is named.
        gen_kwargs: Decoding options in place of the tasks' own (``max_gen_toks`` ...).
        max_gen_toks: Set -> tokens that its answers have at most.
        decoding_seeds: With ``do_sample: true`` every prompt is answered once for each; 0 if none
            is said.
        options: More of the tasks' options (``prefill`` ...), those that the study does not say
            itself.
    """

    sets: tuple[str, ...] = ("gsm8k", "directharm4")
    templates: tuple[str, ...] = ("CV", "CA", "CL")
    custom: dict[str, OwnSet] = {}
    attacks: tuple[str, ...] = (NONE,)
    style: str = ""
    limit: Rows | None = None
    sample: Rows | dict[str, Rows] | None = None
    gen_kwargs: dict[str, Any] = {}
    max_gen_toks: dict[str, Rows] = {}
    decoding_seeds: tuple[Annotated[Whole, Field(ge=0, lt=2**32)], ...] = ()
    options: dict[str, Any] = {}

    def rows_of(self, family: str) -> int | None:
        """How many rows of a set are drawn; None for all."""
        return self.sample.get(family) if isinstance(self.sample, dict) else self.sample

    def decoding_of(self, family: str) -> dict[str, Any]:
        """Decoding options of a set's tasks, in place of their own."""
        most = self.max_gen_toks.get(family)
        return {**self.gen_kwargs, "max_gen_toks": most} if most else dict(self.gen_kwargs)


class Study(_Strict):
    """A study; see the fields of `StudyTrain` and `StudyTest`.

    Attributes:
        name: For the log and the pictures.
        base: Folder or hub id; ``organism:SEED`` or ``organism-control:SEED`` for the built-in one;
            with engine ``openai`` the endpoint's name.
        revision: Revision on the hub.
        chat_format: ``auto``, ``llama2`` or ``mistral``.
        thinking: ``auto``, ``on`` or ``off`` (without quotes as well), to train and to test alike.
        untuned: Also measure the base before fine-tuning.
        judges: In place of each set's own; for cells that are measured already use ``ptst score``.
        max_unscored: Share of a cell's responses, 0..1, that may lack a verdict; beyond it the run fails.
        templates: YAML file of the user's own templates.
        engine: ``hf``, ``vllm``, ``openai``, or ``auto`` for the one of hf and vllm that is sooner
            through, as measured when the run begins.
        engine_args: Of the engine's model class (dtype, batch_size, ...); with ``auto`` of either.
        executor: ``local``, ``ray`` or ``slurm`` (an adapter per task, on many machines).
        executor_args: See `leaderboards.run.executor_args`.
    """

    name: Name = "study"
    base: str = Field(min_length=1)
    revision: str = ""
    chat_format: str = "auto"
    thinking: Thinking = "auto"
    untuned: bool = True
    train: StudyTrain = StudyTrain()
    test: StudyTest = StudyTest()
    judges: tuple[str, ...] = ()
    max_unscored: Annotated[float, Field(ge=0, le=1)] = 0.02
    templates: str = ""
    engine: Literal["hf", "vllm", "openai", "auto"] = "hf"
    engine_args: dict[str, Any] = {}
    executor: Literal["local", "ray", "slurm"] = "local"
    executor_args: dict[str, Any] = {}

    _said: dict[str, Any] = PrivateAttr(default_factory=dict)
    _notes: list[str] = PrivateAttr(default_factory=list)

    def model_post_init(self, context: Any) -> None:
        """Checks every name against its table, so that nothing is trained before a typo is found."""
        from leaderboards.run.study_checks import faults

        super().model_post_init(context)  # pydantic keeps the private attributes there
        if isinstance(context, FaultsFound):  # all that is wrong is asked for
            context.faults += faults(self, context.wrong)
        elif found := faults(self, set()):
            raise found[0]

    @model_serializer(mode="wrap")
    def _as_said(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The study as it was written: from wherever it is called, it is the same study."""
        return study_paths.put_back(handler(self), self._said)

    @property
    def label(self) -> str:
        """The base as the study says it, wherever it was found from here."""
        return str(self._said.get("base", self.base))

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know of where its files were found."""
        return tuple(self._notes)

    @property
    def table(self) -> Templates:
        """The templates this study may use."""
        return active(self.templates or None)

    def families(self) -> dict[str, Family]:
        """Every set that this study may ask, by name: the built-in ones and its own."""
        return FAMILIES | own_families(self.test.custom)

    def adapters(self) -> list[AdapterPlan]:
        """The models to measure, the base before fine-tuning first (its name is empty)."""
        out = [AdapterPlan("", "", None)] if self.untuned else []
        train = self.train
        for template, defence, seed in itertools.product(
            train.templates, train.defences, train.seeds
        ):
            full, spec = self.table.resolve(template), named(defence).spec
            tag = "" if spec == PLAIN else f"-{spec.replace(':', '-')}"
            out.append(AdapterPlan(f"{slug(full)}{tag}-s{seed}", full, seed, defence=spec))
        for a in self.train.adapters:
            full = self.table.resolve(a.train_template) if a.train_template else ""
            out.append(AdapterPlan(a.name, full, a.seed, a))
        return out

    def tasks(self) -> Iterator[tuple[str, str]]:
        """(set, task name) of every set x attack x test template."""
        for name in self.test.sets:
            for attack in self.attacks(name):
                for task in self.names(name):
                    yield name, task + attack.suffix

    def names(self, family: str) -> list[str]:
        """lm-eval's names of a set's tasks, one for each test template."""
        one = self.families()[family]
        templates = (self.table.get(t, one.source.style) for t in self.test.templates)
        return [task_name(one, template) for template in templates]

    def attacks(self, family: str) -> list[Attack]:
        """How a set is asked: plainly, unless it is a harmful one."""
        if self.families()[family].source.kind != "harmful":
            return [attack_named(NONE)]
        return [attack_named(spec) for spec in self.test.attacks]

    def options(self, family: str) -> dict[str, Any]:
        """What lm-eval's metadata says to the tasks of one set.

        Raises:
            ConfigError: If the models were trained in different styles, and `test.style` is empty.
        """
        from leaderboards.run.styles import asked_in

        out = {"chat_format": self.chat_format, "thinking": self.thinking, **self.test.options}
        if style := asked_in(self, family):
            out["style"] = style
        if self.families()[family].source.kind in JUDGED:
            out["judge"] = list(self.judges)
        if self.templates:
            out["templates"] = self.templates
        if rows := self.test.rows_of(family):
            out["sample"] = rows
        return out

    def train_config(
        self, template: str, seed: int | None, model: str, defence: str = PLAIN
    ) -> TrainConfig:
        """What one adapter is trained with.

        Args:
            template: Its training template.
            seed: Its seed.
            model: Folder or hub id of the base.
            defence: Its defence.

        Raises:
            ConfigError: If a value is wrong.
        """
        from adapters_train.config import TrainConfig

        said = {
            "model": model,
            "revision": self.revision or None,
            "data": self.train.data,
            "template": template,
            "seed": seed,
            "chat_format": self.chat_format,
            "thinking": self.thinking,
            "templates": self.templates or None,
            "recipe": self.train.recipe or None,
            "mix": self.train.mix or None,
            "defence": defence,
        }
        settings = dict(self.train.settings)
        if not named(defence).reads_unaligned:  # it is for those of the study's defences that do
            settings.pop("unaligned", None)
        return TrainConfig(**{**settings, **said})
