"""Which engines, judges and sets work here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from leaderboards.doctor.finding import Finding
from leaderboards.doctor.packages import complete, faults
from leaderboards.run.dry_machine import ENGINE_EXTRAS
from ptst_tasks.errors import DataNotFoundError, PTSTError, said
from ptst_tasks.set_source import ENV

__all__ = ["JUDGES", "engine_lines", "judge_lines", "set_lines"]


def engine_lines() -> Iterator[Finding]:
    """Every engine of `ptst_tasks.engines`."""
    from ptst_tasks.engines import ENGINES
    from ptst_tasks.engines.served_settings import ServedSettings

    for name in ENGINES:
        _, extra = ENGINE_EXTRAS[name]
        if without := _lacks("engine", name, extra):
            yield without
        elif name == "openai" and ServedSettings.read({}).endpoint.missing_key():
            yield Finding("engine", name, "absent", "no key for OpenAI; a server of your own needs none",
                       "export OPENAI_API_KEY=..., or engine_args: {base_url: ...}")  # fmt: skip
        else:
            yield Finding("engine", name, "ok", f"ptst[{extra}] is installed")


def _lacks(part: str, name: str, extra: str) -> Finding | None:
    """What is wrong with the extra that something needs; None if nothing is."""
    if not complete(extra):
        return Finding(part, name, "absent", f"needs ptst[{extra}]", f"pip install 'ptst[{extra}]'")
    if wrong := faults(extra):
        return Finding(
            part, name, "broken", f"needs ptst[{extra}]: {wrong[0]}",
            f"pip install --upgrade 'ptst[{extra}]'",
        )  # fmt: skip
    return None


def judge_lines() -> Iterator[Finding]:
    """Every judge of `ptst_tasks.judges`."""
    from ptst_tasks.judges import REGISTRY

    for name in sorted(REGISTRY):
        yield JUDGES[name](name)


def _always(name: str) -> Finding:
    return Finding("judge", name, "ok", "needs nothing")


def _made(name: str) -> Finding:
    """A judge that is a file, made once."""
    from ptst_tasks.judges import make

    try:
        make(name)
    except DataNotFoundError:
        return Finding("judge", name, "absent", "was not made yet", "ptst judges --train")
    except (PTSTError, OSError) as e:
        return Finding("judge", name, "broken", said(e)[:160], "ptst judges --train")
    return Finding("judge", name, "ok", "its file is there")


def _local_model(name: str) -> Finding:
    if without := _lacks("judge", name, "hf"):
        return without
    return Finding(
        "judge", name, "ok", "runs a guard model here; its weights are fetched when it is asked"
    )


def _behind_endpoint(name: str) -> Finding:
    if without := _lacks("judge", name, "judge"):
        return without
    from ptst_tasks.judges import make

    judge: Any = make(f"{name}:model=any")
    member = getattr(judge, "members", [judge])[0]
    if member.endpoint.missing_key():
        return Finding("judge", name, "absent", "no key for OpenAI; a server of your own needs none",
                    f"export OPENAI_API_KEY=..., or {name}:model=NAME,base_url=...")  # fmt: skip
    return Finding("judge", name, "ok", f"asks {member.endpoint.host}")


def _of_others(name: str) -> Finding:
    told = "is made of other judges" if name == "panel" else "reads verdicts that were saved"
    return Finding("judge", name, "ok", told)


JUDGES: dict[str, Callable[[str], Finding]] = {
    "guards": _local_model,
    "keywords": _always,
    "learned": _made,
    "misalignment": _behind_endpoint,
    "organism": _always,
    "panel": _of_others,
    "replay": _of_others,
    "rubric": _behind_endpoint,
    "strongreject": _behind_endpoint,
}
"""Judge -> how to find out whether it works here."""


def set_lines() -> Iterator[Finding]:
    """Sets that are asked or trained on; nothing is fetched, so what a set of the hub needs is said."""
    from adapters_train.data import TRAINING_SETS
    from ptst_tasks.sets import REGISTRY

    for part, sources in (("set", REGISTRY), ("training set", TRAINING_SETS)):
        for source in sources.values():
            if source.make or source.url or source.hub:  # else it is whatever file a user names
                yield _set_line(part, source)


def _set_line(part: str, source: Any) -> Finding:
    from ptst_tasks.sets import locate

    try:
        file = locate(source)
    except PTSTError as e:
        return Finding(part, source.name, "broken", said(e), f"export {ENV}=FOLDER")
    if source.extra and (without := _lacks(part, source.name, source.extra)):
        return without
    if file or source.make:
        return Finding(part, source.name, "ok", "a copy is here" if file else "made on the spot")
    place = f"${ENV}/{source.local[0][0]}" if source.local else f"${ENV}"
    where = "from the hub, where it is gated" if source.gated else "from its source"
    return Finding(part, source.name, "absent", f"fetched {where} when it is asked",
                f"for work without a network: a copy under {place}")  # fmt: skip
