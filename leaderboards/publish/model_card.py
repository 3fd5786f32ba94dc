"""The model card: what was trained, what it came to, what that does not say, how to get it again."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from leaderboards.board.rendering import markdown, markdown_table
from leaderboards.publish.cautions import cautions
from leaderboards.publish.rates_table import lines
from leaderboards.publish.reproducing import study_yaml
from leaderboards.publish.subject import Subject
from leaderboards.report.sendable import name_of
from ptst_tasks import __version__, sets

__all__ = ["MARKER", "PICTURE", "model_card"]

MARKER = "<!-- written by ptst publish: it writes this file anew -->"
"""A line of every card of ours: a card without it is somebody else's work."""
PICTURE = "board.png"
_SETTINGS = ("recipe", "epochs", "max_steps", "batch_size", "accumulation", "lr", "schedule", "rank",
             "alpha", "dropout", "max_length", "dtype")  # fmt: skip
_VERSIONS = ("lm_eval", "transformers", "peft", "torch")


def model_card(subject: Subject, *, repo: str, picture: str, weights: bool) -> str:
    """The card of an adapter, as ``README.md`` holds it.

    Args:
        subject: The adapter.
        repo: Its repository on the hub; empty where it is not known.
        picture: What the picture beside it shows; empty for none.
        weights: Whether its weights go along.
    """
    title = repo.partition("/")[2] or subject.name
    parts = [
        f"---\n{_front(subject)}\n---\n{MARKER}",
        f"# {markdown(title)}",
        _opening(subject),
        *(_picture(picture) if picture else []),
        "## What it came to",
        "Shares with their 95 % intervals over prompts, and the number of prompts.",
        *(f"### {name}\n\n{_table(rows)}" for name, rows in lines(subject).items()),
        "## What may not be concluded",
        "\n".join(f"- {markdown(line)}" for line in cautions(subject)),
        "## How it was trained",
        *_training(subject),
        *(["## How to load it", *_loading(subject, repo)] if weights else []),
        "## How to get the numbers again",
        *_again(subject),
    ]
    return "\n\n".join(parts) + "\n"


def _front(subject: Subject) -> str:
    from huggingface_hub import ModelCardData

    tags = ["ptst", "lora", "safety", "fine-tuning"]
    data = ModelCardData(
        base_model=subject.hub_base or None, library_name="peft", pipeline_tag="text-generation",
        datasets=_hub_data(subject) or None, tags=tags,
    )  # fmt: skip
    if subject.hub_base:
        data["base_model_relation"] = "adapter"
    return data.to_yaml().strip()


def _hub_data(subject: Subject) -> list[str]:
    """Where on the hub its training data is, as far as our table knows."""
    found = []
    for name in _trained_names(subject):
        source = sets.REGISTRY.get(name)
        if source is not None and source.hub:
            found.append(source.hub[0])
    return list(dict.fromkeys(found))


def _trained_names(subject: Subject) -> list[str]:
    return (subject.own[0].train_data or "").split("+")


def _opening(subject: Subject) -> str:
    row = subject.own[0]
    trained = f"A LoRA adapter of {_code(subject.base)}"
    if row.train_data:
        trained += f", trained on {_code(row.train_data)}"
    if row.train_template:
        trained += f" under the prompt template {_code(row.train_template)}"
    if row.seed is not None:
        trained += f", seed {row.seed}"
    if row.defence:
        trained += f", kept safe by {_code(row.defence)}"
    return (
        f"{trained}. What fine-tuning did to its refusals and its helpfulness was measured by ptst "
        f"{__version__}, under each test template, beside the model before fine-tuning."
    )


def _picture(told: str) -> list[str]:
    return [f"![{markdown(told)}]({PICTURE})"]


def _training(subject: Subject) -> list[str]:
    config, inputs = subject.part("config"), subject.part("inputs")
    own = subject.own[0]
    if not config:
        return [
            "No record of how it was trained came with it.",
            _table([["", ""], *_digests(subject)]),
        ]
    facts: list[list[Any]] = [["training set", own.train_data], ["template", own.train_template],
             ["chat format", config.get("chat_format")], ["seed", config.get("seed")],
             ["defence", own.defence or "none"], ["mixed in", ", ".join(map(str, config.get("mix") or []))],
             ["rows", subject.manifest.get("rows_trained")], ["steps", subject.manifest.get("steps")],
             ["cut at the end", subject.manifest.get("truncated")],
             ["left out as too long", subject.manifest.get("dropped")],
             *([name.replace("_", " "), config.get(name)] for name in _SETTINGS),
             ["token ids of the examples", inputs.get("token_ids")]]  # fmt: skip
    told = [[name, _fact(value)] for name, value in facts if value not in (None, "")]
    return [_table([["", ""], *told, *_digests(subject)])]


def _digests(subject: Subject) -> list[list[str]]:
    own = subject.own[0]
    rows = {
        "weights of the adapter": own.adapter_digest,
        "weights of the base": own.base_digest,
        "training, but for the seed": own.training,
        "measured by": f"ptst {own.ptst_version}, {_versions(own.versions)}"
        if own.ptst_version
        else "",
    }
    return [[name, _fact(value)] for name, value in rows.items() if value]


def _versions(text: str) -> str:
    try:
        known = json.loads(text or "{}")
    except ValueError:
        return ""
    if not isinstance(known, dict):
        return ""
    return ", ".join(f"{name} {known[name]}" for name in _VERSIONS if known.get(name))


def _loading(subject: Subject, repo: str) -> list[str]:
    where = repo or "."
    if not subject.hub_base:
        return [f"Its base is {_code(subject.base)}, which is no model of the hub: only whoever has these "
                "weights (their digest is above) can use the adapter."]  # fmt: skip
    code = (
        "from peft import PeftModel\nfrom transformers import AutoModelForCausalLM\n\n"
        f"base = AutoModelForCausalLM.from_pretrained({json.dumps(subject.hub_base)}"
        + (f", revision={json.dumps(subject.study.revision)}" if subject.study.revision else "")
        + f")\nmodel = PeftModel.from_pretrained(base, {json.dumps(where)})"
    )
    return [_fenced(code, "python"), "Prompts must be made as in training: see the template above."]


def _again(subject: Subject) -> list[str]:
    text, cut = study_yaml(subject)
    out = [_fenced(text.rstrip(), "yaml"),
           _fenced("pip install 'ptst[train]'\nptst run study.yaml --out runs/again\nptst board runs/again",
                   "sh")]  # fmt: skip
    if cut:
        out.append(
            "Names of places and keys were cut or left out of this study: put your own there."
        )
    if subject.study.templates:
        out.append("It used prompt templates of its author's own, which are not in this card.")
    return [*out, f"The adapter is {_code(subject.name)} of that study."]


def _table(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(markdown_table(rows))


def _fact(value: object) -> str:
    return name_of(str(value))


def _code(text: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    ticks, space = "`" * (longest + 1), " " if longest else ""
    return f"{ticks}{space}{text}{space}{ticks}"


def _fenced(text: str, language: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
