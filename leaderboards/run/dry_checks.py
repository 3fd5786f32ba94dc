"""What `leaderboards.cli.dry_run` looks at, in which order; no check loads weights or writes.

What looks at models stands in `dry_models`, at the machine in `dry_machine`, and what a run needs
room for in `dry_room`; here are the checks of what is asked and trained, and the table of all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from leaderboards.run.dry_findings import Findings
from leaderboards.run.dry_machine import device_faults, extras_faults, keys_faults
from leaderboards.run.dry_models import adapters_faults, base_faults, cached
from leaderboards.run.dry_room import disk_faults, memory_faults, out_faults
from leaderboards.run.estimate import estimate
from leaderboards.run.prompt_checks import check_switch
from ptst_tasks.errors import PTSTError, said

__all__ = ["CHECKS"]

_ASKED = ("names", "sets", "asked", "models", "train.data")
"""What must be right for a study's tasks to be made."""


def _sets(found: Findings) -> Iterator[str]:
    """The sets load here, as the study asks them."""
    from leaderboards.run.asked import load_family

    for family in found.study.test.sets:
        try:
            found.tasks |= load_family(found.study, family)
        except (PTSTError, OSError) as e:
            yield said(e)
    for name, task in found.tasks.items():
        if not len(task.eval_docs):
            yield f"{name}: the set has no rows"


def _prompts(found: Findings) -> Iterator[str]:
    """One prompt of each task, through the base's own tokenizer."""
    from ptst_tasks.model_checks import load_tokenizer
    from ptst_tasks.validate import preview

    args = found.study.engine_args
    name = str(args.get("tokenizer") or found.local or cached(found.study) or "")
    if found.study.engine == "openai" or (name and args.get("chat_template_args")):
        check_switch(found.study, name or found.study.base)
    if not name or found.study.engine == "openai" or args.get("gguf_file"):
        return
    tokenizer = load_tokenizer(name, trust_remote_code=bool(args.get("trust_remote_code")))
    for task in found.tasks.values():
        try:
            preview(task, name, tokenizer, args=args.get("chat_template_args"))
        except PTSTError as e:
            yield said(e)


def _train_data(found: Findings) -> Iterator[str]:
    """The rows of training; of every seed alike, but for a sample's own."""
    from adapters_train.job import load_sets

    train = found.study.train
    if not train.templates or not train.seeds:
        return
    config = found.study.train_config(train.templates[0], train.seeds[0], found.study.base)
    for loaded in load_sets(config):
        found.longest = max(found.longest, *(e.length for e in loaded.examples), 0)
        if not loaded.examples:
            yield f"train.data {loaded.name!r} has no rows"


def _planned(found: Findings) -> Iterator[str]:
    found.plan = estimate(found.study, found.folder)
    yield from found.plan.missing


CHECKS: tuple[tuple[str, tuple[str, ...], Callable[[Findings], Iterator[str]]], ...] = (
    ("extras", ("engine", "executor"), extras_faults),
    ("keys", ("engine",), keys_faults),
    ("device", (), device_faults),
    ("base", ("engine",), base_faults),
    ("out", ("name",), out_faults),
    ("loaded", (*_ASKED, "chat_format"), _sets),
    ("prompts", ("loaded", "base"), _prompts),
    ("data", ("training", "engine", "extras"), _train_data),
    ("existing", ("names", "engine", "adapters", "extras"), adapters_faults),
    ("planned", ("loaded", *_ASKED), _planned),
    ("memory", ("base", "training", *_ASKED), memory_faults),
    ("disk", ("out", "planned", "training"), disk_faults),
)
"""What is looked at, what must be right before, and the check."""
