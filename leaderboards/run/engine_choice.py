"""``engine: auto``: which of hf and vllm is through with a study sooner on this machine, measured.

Both answer some of the study's own prompts, with its own first adapter; what decides is the time to
start and the projected time of all answers. The choice stands in ``RUN/engine.json``, and a run that
goes on keeps it: answers of two engines are not mixed.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

from leaderboards.run.asked import prompts_per_model, seeds
from leaderboards.run.manifests import Place
from leaderboards.run.study import Study
from ptst_tasks.digests import read_json, write_json
from ptst_tasks.engines import Engine
from ptst_tasks.engines.engine_args import AUTO, args_of
from ptst_tasks.errors import PTSTError, said

__all__ = ["FILE", "choose", "decided", "planned"]

FILE = "engine.json"
ENGINES = ("hf", "vllm")
FEW = 500
"""Answers up to which hf is taken unmeasured: starting vLLM takes longer than they do."""
TRIED, WARM = 48, 8
"""Prompts that each engine answers, and those before them that are not timed."""

Start = Callable[[Study], Engine]


def decided(study: Study, engine: str) -> Study:
    """The study, as if it named this engine."""
    args = args_of(engine, study.engine_args)
    return study.model_copy(update={"engine": engine, "engine_args": args})


def planned(study: Study, folder: Path) -> tuple[Study, list[str]]:
    """What a dry run looks at: the choice that was made, else hf; with a note."""
    if study.engine != AUTO:
        return study, []
    kept = (read_json(folder / FILE) or {}).get("engine")
    note = f"engine auto: {kept}, as this run began" if kept in ENGINES else (
        "engine auto: hf or vllm, measured when the run begins; what is said here is of hf"
    )  # fmt: skip
    return decided(study, kept if kept in ENGINES else ENGINES[0]), [note]


def choose(
    study: Study, folder: Path, folders: Mapping[str, Place], tasks: Mapping[str, Any], models: int,
    start: Start,
) -> tuple[Study, str]:  # fmt: skip
    """The study with the engine that is sooner through, and a line that says so.

    Args:
        study: With engine ``auto``.
        folder: The run's; the choice is kept in it.
        folders: Its adapters, by name.
        tasks: What is asked, by name.
        models: How many models are asked.
        start: Starts the engine that a study names.

    Raises:
        PTSTError: If engine hf, which is there in any case, cannot start.
    """
    kept = read_json(folder / FILE) or {}
    if kept.get("engine") in ENGINES:
        return decided(study, kept["engine"]), f"engine auto: {kept['engine']}, as this run began"
    answers = models * prompts_per_model(study, tasks)
    told: dict[str, Any] = {"answers": answers}
    asked = {n: t for n, t in tasks.items() if t.OUTPUT_TYPE == "generate_until"}
    if importlib.util.find_spec("vllm") is None:
        told |= {"engine": "hf", "why": "vllm is not installed"}
    elif answers <= FEW or not asked:
        told |= {"engine": "hf", "why": f"for {answers:,} answers starting vLLM is not worth while"}
    else:
        told |= _measured(study, folders, asked, answers, start)
    write_json(folder / FILE, told)
    return decided(study, told["engine"]), f"engine auto: {told['engine']}, {told['why']}"


def _measured(
    study: Study, folders: Mapping[str, Place], tasks: Mapping[str, Any], answers: int, start: Start
) -> dict[str, Any]:
    found: dict[str, dict[str, float]] = {}
    for engine in ENGINES:
        try:
            found[engine] = _timed(decided(study, engine), folders, tasks, start)
        except PTSTError as e:
            if engine == "hf":
                raise
            return {"engine": "hf", "why": f"since vllm cannot be used here: {said(e)}", **found}
    spent = {name: f["start"] + answers / f["rate"] for name, f in found.items()}
    best, other = sorted(spent, key=lambda name: spent[name])
    why = (
        f"about {spent[best] / 60:.0f} minutes for {answers:,} answers ({found[best]['rate']:.1f} a "
        f"second), and {other} {spent[other] / 60:.0f} ({found[other]['rate']:.1f}), as measured on "
        f"{TRIED} of them"
    )
    return {"engine": best, "why": why, **found}


def _timed(
    study: Study, folders: Mapping[str, Place], tasks: Mapping[str, Any], start: Start
) -> dict[str, float]:
    begun = time.perf_counter()
    lm = start(study)
    try:
        for name, place in list(folders.items())[:1]:
            lm.attach(name, place)
            lm.use(name)
        ready = time.perf_counter()
        requests = list(_some(study, tasks, lm))
        lm.generate_until(requests[:WARM])
        before = time.perf_counter()
        rest = requests[WARM:] or requests
        lm.generate_until(rest)
        rate = len(rest) / max(time.perf_counter() - before, 1e-6)
    finally:
        lm.close()
    return {"start": round(ready - begun, 2), "rate": round(rate, 3)}


def _some(study: Study, tasks: Mapping[str, Any], lm: Engine) -> Iterator[Any]:
    """Requests of every task in turn."""
    each = -(-(TRIED + WARM) // len(tasks))
    for task in tasks.values():
        if (seed := seeds(study, task)[0]) is not None:
            task.config.generation_kwargs["seed"] = seed
        task.build_all_requests(
            limit=each, apply_chat_template=True, chat_template=lm.apply_chat_template
        )
    rows = zip_longest(*(task.instances for task in tasks.values()))
    found = [request for row in rows for request in row if request is not None]
    yield from found[: TRIED + WARM]
