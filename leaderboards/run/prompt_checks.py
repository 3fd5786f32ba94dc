"""Are models tested with the kind of prompt that they are trained on, and does the switch switch?

The first checks need the study alone, `check_switch` the base's tokenizer or an address, and
`differences` the manifests of adapters that are there already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaderboards.run import made_bases
from leaderboards.run.manifests import manifest
from ptst_tasks.chat import Renderer
from ptst_tasks.chat_template import find_switches, source_of
from ptst_tasks.errors import ConfigError, PTSTError
from ptst_tasks.model_files import tokenizer_digest
from ptst_tasks.thinking import SWITCHES, Switch

if TYPE_CHECKING:
    from leaderboards.run.study import Study

__all__ = ["check_args", "check_switch", "check_thinking", "differences", "tokenizer_of"]

_OFF: dict[str, tuple[Any, ...]] = {
    "tokenizer": (None, ""),
    "add_bos_token": (None,),
    "chat_template_args": (None, {}),
}
"""Arguments of an engine that change its prompts, and training knows nothing of -> values that do not."""


def check_thinking(study: Study) -> Iterator[PTSTError]:
    """A switch that no prompt of the study would hear of."""
    if study.thinking == "auto":
        return
    who = f"study {study.name!r}: thinking is {study.thinking!r}, which does nothing"
    if study.chat_format != "auto":
        yield ConfigError(
            f"{who} with chat_format {study.chat_format!r}, whose strings know no thoughts; leave it "
            "out, or set chat_format: auto"
        )
    elif not any(name.startswith("chat:") for name in _templates(study)):
        yield ConfigError(
            f"{who}, since text:* templates pass through no chat template; leave it out"
        )
    elif study.engine != "openai" and made_bases.is_built_in(study.base):
        yield ConfigError(f"{who}, since the built-in model does not think; leave it out")


def check_args(study: Study) -> Iterator[PTSTError]:
    """Arguments of the engine that would change the prompts of the test alone."""
    args, who = study.engine_args, f"study {study.name!r}: engine_args"
    if study.engine == "openai":
        return
    if told := _switch_told(study, [s for s in SWITCHES if s.name in _PLAIN]):
        yield told
        return
    if not study.train.templates:
        return
    for name, idle in _OFF.items():
        value = args.get(name)
        if value in idle or (name == "tokenizer" and value == study.base):
            continue
        yield ConfigError(
            f"{who} has {name!r} ({value!r:.60}), which changes the prompts of the test and not those "
            "of training; save it with the base's own tokenizer (its folder), or train with `ptst "
            "train` and name the adapters under train.adapters"
        )


_PLAIN = ("enable_thinking", "thinking")
"""Names of switches that mean nothing else to any model."""


def _switch_told(study: Study, switches: Sequence[Switch]) -> ConfigError | None:
    """What to say of a switch that the chat template is told by hand; None if it is told none.

    A value that is neither its on nor its off (``reasoning_effort: low``) is no switch: `thinking`
    cannot say it.
    """
    args = study.engine_args.get("chat_template_args")
    told: Mapping[str, Any] = args if isinstance(args, Mapping) else {}
    for switch in switches:
        value = told.get(switch.name)
        state = {switch.on: "on", switch.off: "off"}.get(value) if _hashable(value) else None
        if switch.name in told and (state or switch.name in _PLAIN):
            state = state or ("on" if value else "off")
            return ConfigError(
                f"study {study.name!r}: engine_args.chat_template_args has {switch.name!r}, which would "
                f"be told at test alone; say thinking: {state} in its place, which training hears, too"
            )
    return None


def _hashable(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _templates(study: Study) -> list[str]:
    """Full names of all templates, of training and test."""
    return [study.table.resolve(n) for n in (*study.train.templates, *study.test.templates)]


def tokenizer_of(study: Study, base: Path | str) -> str:
    """The folder or hub id of what encodes a study's prompts; empty where that is not known here."""
    if study.engine == "openai" or study.engine_args.get("gguf_file"):
        return ""
    return str(study.engine_args.get("tokenizer") or base)


def check_switch(study: Study, base: Path | str) -> None:
    """Makes sure that what thinks can be told so, and is told once, before anything is trained.

    Args:
        study: The study.
        base: Where its base is, or its name.

    Raises:
        PTSTError: If the base's chat template has no switch for one of the templates, or the endpoint
            takes none; or if ``chat_template_args`` say what `thinking` is there for.
    """
    by_hand = study.engine != "openai" and bool(study.engine_args.get("chat_template_args"))
    if study.thinking == "auto" and not by_hand:
        return
    from ptst_tasks.model_checks import check_served, load_tokenizer

    if study.engine == "openai":
        check_served(study.engine_args, (study.thinking,))
    name = tokenizer_of(study, base)
    if not name:
        return

    args = study.engine_args
    tokenizer = load_tokenizer(
        name,
        revision=study.revision if name == str(base) else "",
        trust_remote_code=bool(args.get("trust_remote_code")),
    )
    told = args.get("chat_template_args") or {}
    # The first that it may listen to is its own; a later one's name may mean something else to it.
    if wrong := _switch_told(study, find_switches(source_of(tokenizer))[:1]):
        raise wrong
    if study.thinking == "auto":
        return
    renderer = Renderer.for_tokenizer(tokenizer, study.chat_format, told, study.thinking)
    rows = {row.name: row for row in study.table}
    for chat in dict.fromkeys(n for n in _templates(study) if n.startswith("chat:")):
        renderer.render(rows[chat], "How many legs has a spider?", training=True)


def differences(study: Study, base: Path | str) -> Iterator[str]:
    """What adapters that are there were trained with and are not tested with, by their manifests.

    Args:
        study: The study.
        base: Where its base is, or its name.
    """
    plans = [] if study.engine == "openai" else [p for p in study.adapters() if p.existing]
    place = tokenizer_of(study, base)
    tokenizer = tokenizer_digest(Path(place)) if plans and place and Path(place).is_dir() else ""
    for plan in plans:
        assert plan.existing is not None
        made = manifest(Path(plan.existing.path))
        config, inputs = made.get("config"), made.get("inputs")
        if not isinstance(config, Mapping) or str(config.get("template", "")).startswith("text:"):
            continue
        who = f"adapter {plan.name!r} was trained with"
        for name, usual in (("thinking", "auto"), ("chat_format", "auto")):
            trained, tested = config.get(name) or usual, getattr(study, name)
            if trained != tested:
                yield f"{who} {name} {trained!r}, and is tested with {tested!r}"
        for name in ("chat_template_args", "add_bos_token"):
            if (value := study.engine_args.get(name)) not in _OFF[name]:
                yield f"{who}out engine_args.{name}, and is tested with {value!r:.60}"
        known = inputs.get("base_tokenizer") if isinstance(inputs, Mapping) else ""
        if known and tokenizer and known != tokenizer:
            yield (
                f"{who} another tokenizer or chat template ({str(known)[:12]}) than it is tested with "
                f"({tokenizer[:12]})"
            )
