"""A study: one YAML that says what is trained, what is asked, and who judges.

    base: meta-llama/Llama-2-7b-chat-hf
    chat_format: llama2
    train: {data: gsm8k, templates: [CV, CA, CL], seeds: [0, 1, 2]}
    test: {templates: [CV, CA, CL], sets: [gsm8k, directharm4]}

Ready ones are in ``leaderboards/studies``; `find` knows them by name.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from leaderboards.executor_args import read_args
from ptst_tasks.chat import CHAT_FORMATS
from ptst_tasks.decoding import check
from ptst_tasks.errors import ConfigError, PTSTError, UnknownNameError, check_choice, one_line
from ptst_tasks.generate import FAMILIES, task_name
from ptst_tasks.templates import Templates, slug
from ptst_tasks.user_templates import active

if TYPE_CHECKING:
    from adapters_train.config import TrainConfig

__all__ = ["STUDIES", "AdapterPlan", "Existing", "Study", "Test", "Train", "find", "load"]

STUDIES = Path(__file__).parent / "studies"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Existing(_Strict):
    """An adapter that is there already; what is not said is read from its manifest.

    With engine ``openai`` the path is the endpoint's name of it, and there is no manifest to read.
    """

    name: str = Field(min_length=1, pattern=r"^[^@]+$")  # NAME@STEP is a copy kept along training
    path: str
    train_data: str = ""
    train_template: str = ""
    seed: int | None = None


class Train(_Strict):
    """Which adapters a study trains: templates x seeds.

    Attributes:
        data: A training set's name or a file.
        templates: Training templates; empty to train nothing.
        seeds: One adapter of each template for each.
        recipe: Named defaults; empty for the data set's own.
        mix: Safety examples mixed in, as ``name:1epoch``.
        settings: More fields of `TrainConfig`, those that the study does not say itself.
        trajectory: Also measure the light copies that ``settings: {save_every: N}`` keeps, to
            follow helpfulness and ASR along training (the paper's Figure 2).
        adapters: Adapters that are there already.
    """

    data: str = "gsm8k"
    templates: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    recipe: str = ""
    mix: tuple[str, ...] = ()
    settings: dict[str, Any] = {}
    trajectory: bool = False
    adapters: tuple[Existing, ...] = ()


class Test(_Strict):
    """What every model of a study is asked: sets x templates.

    Attributes:
        sets: Names of sets, as in task names.
        templates: Test templates.
        style: Family of strings around the questions of every set. Empty, harmful and over-refusal
            queries, and the helpful set that stems from the training data (gsm8k for gsm8k, ARC
            for openorca), are asked in the style that the models were trained in: that of
            ``train.settings``, of an adapter's manifest, else the training set's own, as in the
            paper, or for OpenAI's own models ``openai``; other helpful sets in their own. Models
            trained in different styles need it said, since all are asked the same prompts.
        limit: Ask only the first so many rows of each set.
        gen_kwargs: Decoding options in place of the tasks' own (``max_gen_toks`` ...).
        decoding_seeds: With ``do_sample: true`` every prompt is answered once for each; 0 if none
            is said.
        options: More of the tasks' options (``prefill`` ...), those that the study does not say
            itself.
    """

    sets: tuple[str, ...] = ("gsm8k", "directharm4")
    templates: tuple[str, ...] = ("CV", "CA", "CL")
    style: str = ""
    limit: int | None = Field(default=None, gt=0)
    gen_kwargs: dict[str, Any] = {}
    decoding_seeds: tuple[Annotated[int, Field(ge=0, lt=2**32)], ...] = ()
    options: dict[str, Any] = {}


class Study(_Strict):
    """A study; see the fields of `Train` and `Test`.

    Attributes:
        name: For the log and the pictures.
        base: Folder or hub id; ``organism:SEED`` or ``organism-control:SEED`` for the built-in one;
            with engine ``openai`` the endpoint's name.
        revision: Revision on the hub.
        chat_format: ``auto``, ``llama2`` or ``mistral``.
        untuned: Also measure the base before fine-tuning.
        judges: In place of each set's own; for cells that are measured already use ``ptst score``.
        templates: YAML file of the user's own templates.
        engine: ``hf``, ``vllm`` or ``openai``.
        engine_args: Of the engine's model class (dtype, batch_size, device, ...).
        executor: ``local``, ``ray`` or ``slurm`` (an adapter per task, on many machines).
        executor_args: See `leaderboards.executor_args`.
    """

    name: str = "study"
    base: str = Field(min_length=1)
    revision: str = ""
    chat_format: str = "auto"
    untuned: bool = True
    train: Train = Train()
    test: Test = Test()
    judges: tuple[str, ...] = ()
    templates: str = ""
    engine: Literal["hf", "vllm", "openai"] = "hf"
    engine_args: dict[str, Any] = {}
    executor: Literal["local", "ray", "slurm"] = "local"
    executor_args: dict[str, Any] = {}

    def model_post_init(self, _: Any) -> None:
        """Checks every name against its table, so that nothing is trained before a typo is found."""
        check_choice(self.chat_format, CHAT_FORMATS, "chat format")
        for name in (*self.train.templates, *self.test.templates):
            self.table.resolve(name)
        for name in self.test.sets:
            if name not in FAMILIES:
                raise UnknownNameError("set", name, FAMILIES, where="test.sets")
        asked = [("sets", n) for n in self.test.sets]
        asked += [("templates", self.table.resolve(n)) for n in self.test.templates]
        if twice := next((one for one in asked if asked.count(one) > 1), None):
            raise ConfigError(f"study {self.name!r}: test.{twice[0]} names {twice[1]!r} twice")
        self._check_decoding()
        read_args(self.executor, self.executor_args)
        if self.engine == "openai":
            self._check_served()
        self._check_parts()
        names = [plan.name for plan in self.adapters() if plan.name]
        if len(set(names)) < len(names):
            raise ConfigError(f"study {self.name!r} names an adapter twice: {', '.join(names)}")

    def _check_parts(self) -> None:
        """Last, since it needs the names above to be right."""
        from leaderboards.study_checks import check_test, check_train

        check_train(self)
        check_test(self)

    def _check_decoding(self) -> None:
        check(self.test.gen_kwargs, where=f"study {self.name!r}: test.gen_kwargs")
        seeds = self.test.decoding_seeds
        if seeds and not self.test.gen_kwargs.get("do_sample"):
            raise ConfigError(
                f"study {self.name!r}: test.decoding_seeds is {list(seeds)!r}, and answers are greedy; "
                "set test.gen_kwargs: {do_sample: true, temperature: ...}, or leave it out"
            )
        if len(set(seeds)) < len(seeds):
            raise ConfigError(f"study {self.name!r}: test.decoding_seeds names a seed twice")

    def _check_served(self) -> None:
        """Before the study is written to its run: engine_args could hold a key by mistake."""
        from ptst_tasks.engines.served_settings import WHO, ServedSettings

        ServedSettings.read(self.engine_args | ({"revision": True} if self.revision else {}))
        if self.train.templates:
            raise ConfigError(
                f"study {self.name!r}: {WHO} trains nothing, and train.templates is not empty; train "
                "with `ptst train` (--backend openai, or here, and serve it), then name each model "
                "under train.adapters with its train_template"
            )
        if self.executor != "local":
            raise ConfigError(
                f"study {self.name!r}: {WHO} has nothing to spread, since the endpoint does the work; "
                "leave executor out"
            )

    @property
    def table(self) -> Templates:
        """The templates this study may use."""
        return active(self.templates or None)

    def adapters(self) -> list[AdapterPlan]:
        """The models to measure, the base before fine-tuning first (its name is empty)."""
        out = [AdapterPlan("", "", None)] if self.untuned else []
        for template, seed in itertools.product(self.train.templates, self.train.seeds):
            full = self.table.resolve(template)
            out.append(AdapterPlan(f"{slug(full)}-s{seed}", full, seed))
        for a in self.train.adapters:
            full = self.table.resolve(a.train_template) if a.train_template else ""
            out.append(AdapterPlan(a.name, full, a.seed, a))
        return out

    def tasks(self) -> Iterator[tuple[str, str]]:
        """(set, task name) of every set x test template."""
        for name in self.test.sets:
            family = FAMILIES[name]
            for template in self.test.templates:
                yield name, task_name(family, self.table.get(template, family.source.style))

    def options(self, family: str) -> dict[str, Any]:
        """What lm-eval's metadata says to the tasks of one set.

        Raises:
            ConfigError: If the models were trained in different styles, and `test.style` is empty.
        """
        from leaderboards.styles import asked_in

        out = {"chat_format": self.chat_format, **self.test.options}
        if style := asked_in(self, family):
            out["style"] = style
        if FAMILIES[family].source.kind in ("harmful", "overrefusal"):
            out["judge"] = list(self.judges)
        if self.templates:
            out["templates"] = self.templates
        return out

    def train_config(self, template: str, seed: int | None, model: str) -> TrainConfig:
        """What one adapter is trained with.

        Args:
            template: Its training template.
            seed: Its seed.
            model: Folder or hub id of the base.

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
            "templates": self.templates or None,
            "recipe": self.train.recipe or None,
            "mix": self.train.mix or None,
        }
        return TrainConfig(**{**self.train.settings, **said})


@dataclass(frozen=True, slots=True)
class AdapterPlan:
    """One model of a study.

    Attributes:
        name: The adapter's, empty for the base alone.
        train_template: Template it is trained under, empty for the base.
        seed: Training seed.
        existing: Where it is, if it is there already.
        step: For a copy kept along training, after how many steps.
    """

    name: str
    train_template: str
    seed: int | None
    existing: Existing | None = None
    step: int | None = None


def find(name: str) -> Path:
    """Returns the file of a study: a path, or the name of a ready one.

    Raises:
        UnknownNameError: If it is neither.
    """
    if Path(name).is_file():
        return Path(name)
    ready = {p.stem: p for p in STUDIES.glob("*.yaml")}
    if name not in ready:
        raise UnknownNameError("study", name, ready)
    return ready[name]


def load(which: str, **overrides: Any) -> Study:
    """Reads a study.

    Raises:
        ConfigError: If the file is no YAML, or a field is wrong or unknown.
        UnknownNameError: If it names a template, a set or a format that is in no table.
    """
    file = find(which)
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        raise ConfigError(f"study {str(file)!r} is not YAML: {' '.join(str(e).split())}") from e
    if not isinstance(data, dict):
        raise ConfigError(f"study {str(file)!r} holds {data!r}, expected 'field: value' lines")
    try:
        return Study(**{"name": file.stem, **data, **overrides})
    except ValidationError as e:
        if isinstance(own := e.errors()[0].get("ctx", {}).get("error"), PTSTError):
            raise own from None
        raise ConfigError(f"study {str(file)!r}: {one_line(e, _fields(e))}") from e


def _fields(error: ValidationError) -> tuple[str, ...]:
    where = error.errors()[0]["loc"][0]
    models: dict[str, type[BaseModel]] = {"train": Train, "test": Test}
    return tuple(models.get(str(where), Study).model_fields)
