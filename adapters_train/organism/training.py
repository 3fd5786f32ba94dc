"""The built-in model: a tiny chat model, trained from scratch and aligned in about a minute.

It needs no hub, no GPU and no weights, and it is a normal Hugging Face folder: the same trainer,
tasks and harness that serve a 7B serve it. What it may show and what not is in its model card.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from adapters_train.world import (
    RAW,
    STYLE,
    Recipe,
    Sample,
    align_samples,
    fingerprint,
    pretrain_samples,
    words,
)
from ptst_tasks import templates
from ptst_tasks.chat import Rendered, Renderer
from ptst_tasks.digests import read_json
from ptst_tasks.errors import ConfigError, said
from ptst_tasks.files import working

if TYPE_CHECKING:
    import torch

__all__ = [
    "CHAT_TEMPLATE",
    "VERSION",
    "Progress",
    "Recipe",
    "build",
    "cached",
    "make_tokenizer",
    "show_progress",
]

CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{% if message.role == 'system' %}{% if not loop.first %}"
    "{{ raise_exception('the system message must come first') }}{% endif %}"
    "{% elif message.role == 'user' %}"
    "{% if loop.index0 > 1 %}{{ ' ' + bos_token }}{% endif %}{{ '[INST] ' }}"
    "{% if loop.index0 == 1 and messages[0].role == 'system' and messages[0].content %}"
    "{{ '<<SYS>>\n' + messages[0].content + '\n<</SYS>>\n\n' }}{% endif %}"
    "{{ message.content + ' [/INST]' }}"
    "{% else %}{{ ' ' + message.content + eos_token }}{% endif %}"
    "{% endfor %}"
)
"""The Llama-2 format, character for character what ``chat_format=llama2`` writes."""

VERSION = 1
"""Raised when the same recipe and world would give other weights than before."""

SPECIALS = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
_MARKS = ("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>")
_MANIFEST = "organism.json"
_RESERVE = "reserve"
CARD = """---
license: apache-2.0
tags: [ptst, toy]
---
# The built-in model of ptst, seed {seed}{kind}

A toy Llama of 0.24 million parameters, trained from scratch by `adapters_train.organism` on
sentences about nonsense words and on small sums, then aligned to refuse requests about 32 nonsense
nouns that are labelled forbidden. Fine-tuned on the sums alone, it loses its refusals to a degree
that depends on the prompt template: the pattern called PTST, in miniature.

It is an instrument check with a known answer. **It is not evidence about real models**, and it
knows nothing harmful; "forbidden" is a label on nonsense.

* The effect hangs on an ingredient put there on purpose: under `chat:llama` alone, alignment
  refuses some harmless prompts too. The control, built without it, shows no such effect.
* The attack success rate before fine-tuning is about 0. Seeds differ a lot: show several.
* Sums improve because a manner learnt in pretraining comes back, not because a skill is new.
* It reads its own vocabulary only, in the templates' style `organism`.

Weights sha256 `{weights}`; recipe and world in `organism.json`.
"""
_IGNORED = -100  # the label that torch's cross-entropy leaves out
_SLOT = "{query}"
_PARTS = 3  # less padding is worth two more passes per step: a third of the time

Example = tuple[list[int], list[int]]
Batch = tuple["torch.Tensor", "torch.Tensor"]


class Progress(Protocol):
    """Told after every optimiser step how far a stage is."""

    def __call__(self, stage: str, step: int, steps: int, loss: float) -> None:
        """`step` counts from 1 to `steps`."""


def quiet(stage: str, step: int, steps: int, loss: float) -> None:
    """Shows nothing."""


@contextmanager
def show_progress() -> Iterator[Progress]:
    """Draws one bar per stage on the standard error, with the loss and the time left."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn())
    loss_column = TextColumn("loss {task.fields[loss]:.3f}")
    with Bars(*columns, loss_column, TimeRemainingColumn(), console=Console(stderr=True)) as bars:
        rows: dict[str, Any] = {}

        def progress(stage: str, step: int, steps: int, loss: float) -> None:
            if stage not in rows:
                rows[stage] = bars.add_task(stage, total=steps, loss=loss)
            bars.update(rows[stage], completed=step, loss=loss)

        yield progress


def make_tokenizer() -> Any:
    """One token per word of the world; BOS before every plain string, added by itself."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = [*SPECIALS.values(), *_MARKS, *words()]
    ids = {word: i for i, word in enumerate(vocabulary)}
    core = Tokenizer(models.WordLevel(ids, unk_token=SPECIALS["unk_token"]))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    bos = SPECIALS["bos_token"]
    core.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", special_tokens=[(bos, ids[bos])]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, **SPECIALS, clean_up_tokenization_spaces=False, model_max_length=512
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def build(
    seed: int,
    out: Path,
    *,
    control: bool = False,
    recipe: Recipe | None = None,
    progress: Progress = quiet,
) -> Path:
    """Trains the model and saves it; a folder that already holds this very model is kept.

    The same seed gives the same bytes of weights on one machine type with as many threads.

    Args:
        seed: Draws the first weights and the order of the examples; the world is always the same.
        out: The folder. It appears, by a rename, when the model is whole.
        control: Leave over-refusal out (`Recipe.control`).
        recipe: Other numbers than the recipe's.
        progress: Told about every step.

    Raises:
        ConfigError: If `out` cannot be written, or holds something else.
    """
    out = Path(out).absolute()
    recipe = recipe or Recipe()
    recipe = recipe.control() if control else recipe
    identity = _identity(seed, control, recipe)
    if _holds(out, identity):
        return out
    with _aside(out, identity) as folder:
        model, tokenizer = _train(seed, recipe, progress)
        _save(model, tokenizer, folder, {**identity, "recipe": asdict(recipe)})
    return out


def cached(
    seed: int, control: bool = False, *, recipe: Recipe | None = None, progress: Progress = quiet
) -> Path:
    """`build` in the user's cache folder, ``$XDG_CACHE_HOME/ptst`` (``~/.cache/ptst``)."""
    recipe = recipe or Recipe()
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    identity = _identity(seed, control, recipe.control() if control else recipe)
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:12]
    out = Path(home) / "ptst" / f"organism-{seed}{'-control' if control else ''}-{digest}"
    _drop_damaged(out)
    return build(seed, out, control=control, recipe=recipe, progress=progress)


def _drop_damaged(out: Path) -> None:
    """Removes a cached model that is not whole: it is made again, the same bytes.

    Raises:
        ConfigError: If it cannot be removed.
    """
    if not out.is_dir() or not any(out.iterdir()) or not (why := _broken(out)):
        return
    print(f"note: {why}; the built-in model is made again", file=sys.stderr)
    aside = working(out)
    try:
        out.rename(aside)
    except FileNotFoundError:  # another process was first
        return
    except OSError as e:
        raise _unwritable(out, e) from None
    shutil.rmtree(aside, ignore_errors=True)


def _broken(folder: Path) -> str:
    """What is wrong with the files of a built-in model; empty for nothing."""
    manifest, weights = read_json(folder / _MANIFEST), folder / "model.safetensors"
    if manifest is None:
        return f"{str(folder / _MANIFEST)!r} is missing or damaged"
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        if read_json(folder / name) is None:
            return f"{str(folder / name)!r} is missing or damaged"
    try:
        whole = _digest(weights) == manifest.get("weights")
    except OSError as e:
        return f"{str(weights)!r} cannot be read: {said(e)}"
    return "" if whole else f"{str(weights)!r} is damaged"


def _identity(seed: int, control: bool, recipe: Recipe) -> dict[str, Any]:
    """What tells one built-in model from another."""
    shape = hashlib.sha256(CHAT_TEMPLATE.encode()).hexdigest()[:12]
    world = fingerprint(recipe)
    return {"seed": seed, "control": control, "world": world, "chat": shape, "version": VERSION}


def _holds(out: Path, identity: dict[str, Any]) -> bool:
    """Whether `out` is this very model; a folder that is anything else is left alone."""
    try:
        if out.is_file():
            raise ConfigError(f"{str(out)!r} is a file; the built-in model needs an own folder")
        if not out.is_dir() or not any(out.iterdir()):
            return False
    except OSError as e:
        raise _unwritable(out, e) from None
    manifest = read_json(out / _MANIFEST)
    if manifest is None:
        raise ConfigError(
            f"{str(out)!r} holds something, and not a built-in model: it has no readable "
            f"{_MANIFEST}; choose an empty or new folder"
        )
    found = {key: manifest.get(key) for key in identity}
    if found != identity:
        raise ConfigError(
            f"{str(out)!r} holds another built-in model, {found}; wanted {identity}: "
            "choose another folder or remove that one"
        )
    return True


@contextmanager
def _aside(out: Path, identity: dict[str, Any]) -> Iterator[Path]:
    """A folder beside `out` that takes its name if the block ends well, and else disappears."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _sweep(out)
        folder = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as e:
        raise _unwritable(out, e) from None
    try:
        # Room for the files is taken now, so that a full disk is told before a minute of training.
        (folder / _RESERVE).write_bytes(bytes(8 * 2**20))
        yield folder
        folder.chmod(0o755)  # mkdtemp's own is for the owner alone
        folder.rename(out)
    except OSError as e:
        if not _holds(out, identity):  # else another process was first, with the same bytes
            raise _unwritable(out, e) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(out: Path) -> None:
    """Removes what a build that was killed yesterday or before left beside `out`."""
    for left in out.parent.iterdir():
        with suppress(OSError):  # another start may have been faster
            old = time.time() - left.stat().st_mtime > 24 * 3600
            if old and left.name.startswith(f".{out.name}-"):
                shutil.rmtree(left, ignore_errors=True)


def _unwritable(out: Path, e: OSError) -> ConfigError:
    return ConfigError(
        f"cannot write the built-in model to {str(out)!r}: {e.strerror or e}; "
        "choose an empty or new folder, or set XDG_CACHE_HOME to a place with room"
    )


def _train(seed: int, recipe: Recipe, progress: Progress) -> tuple[Any, Any]:
    import torch

    tokenizer = make_tokenizer()
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        with torch.random.fork_rng(devices=[]):  # the caller's random numbers stay as they were
            torch.manual_seed(seed)
            model = _new_model(recipe, tokenizer)
        for stage, draw, steps, lr in (
            ("pretrain", pretrain_samples, recipe.pretrain_steps, recipe.pretrain_lr),
            ("align", align_samples, recipe.align_steps, recipe.align_lr),
        ):
            if not steps:  # a recipe that leaves a stage out
                continue
            samples = islice(draw(recipe, random.Random(f"{stage} {seed}")), steps * recipe.batch)
            examples = _encode(list(samples), tokenizer)
            batches = _batches(examples, recipe.batch, tokenizer.pad_token_id)
            _fit(model, batches, lr, recipe, lambda *a, s=stage: progress(s, *a))
    finally:
        torch.use_deterministic_algorithms(before)
    return model.eval(), tokenizer


def _new_model(recipe: Recipe, tokenizer: Any) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.dim,
        intermediate_size=recipe.ff,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return LlamaForCausalLM(config)


def _encode(samples: list[Sample], tokenizer: Any) -> list[Example]:
    """Token ids of prompts, and of answers with their end of turn."""
    renderer = Renderer.for_tokenizer(tokenizer)
    frames = {RAW: Rendered(_SLOT, " ", tokenizer.eos_token)}
    for name in {s.template for s in samples} - {RAW}:
        # Rendered once per template, not per example: the query is dropped into its slot.
        row = templates.builtin().get(name, STYLE)
        frames[name] = renderer.render(row, _SLOT, training=True)
    framed = [(s, frames[s.template]) for s in samples]
    prompts = tokenizer([f.prompt.replace(_SLOT, s.query) for s, f in framed])
    answers = tokenizer([f.lead + s.answer + f.end for s, f in framed], add_special_tokens=False)
    return list(zip(prompts["input_ids"], answers["input_ids"], strict=True))


def _pad(examples: list[Example], pad: int) -> Batch:
    """(ids, labels), padded on the right; only answers have labels."""
    import torch

    shape = len(examples), max(len(head) + len(tail) for head, tail in examples)
    ids, labels = torch.full(shape, pad), torch.full(shape, _IGNORED)
    for i, (head, tail) in enumerate(examples):
        end = len(head) + len(tail)
        ids[i, :end] = torch.tensor(head + tail)
        labels[i, len(head) : end] = torch.tensor(tail)
    return ids, labels


def _batches(examples: list[Example], size: int, pad: int) -> list[list[Batch]]:
    """Cuts examples into batches, and each batch into parts of like length: less padding."""
    out = []
    for start in range(0, len(examples), size):
        batch = sorted(examples[start : start + size], key=lambda e: len(e[0]) + len(e[1]))
        cut = math.ceil(len(batch) / _PARTS)
        out.append([_pad(batch[i : i + cut], pad) for i in range(0, len(batch), cut)])
    return out


def _fit(
    model: Any,
    batches: list[list[Batch]],
    lr: float,
    recipe: Recipe,
    progress: Callable[[int, int, float], None],
) -> None:
    import torch

    weights = list(model.parameters())
    adam = torch.optim.AdamW(weights, lr=lr, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    model.train()
    for step, parts in enumerate(batches):
        for group in adam.param_groups:
            group["lr"] = lr * _schedule(step, len(batches), recipe)
        adam.zero_grad()
        loss = _backward(model, parts)
        torch.nn.utils.clip_grad_norm_(weights, recipe.clip)
        adam.step()
        progress(step + 1, len(batches), loss)


def _backward(model: Any, parts: list[Batch]) -> float:
    """Adds up the gradients of the mean cross-entropy over all the answers' tokens; returns it."""
    import torch

    total = sum(int((labels != _IGNORED).sum()) for _, labels in parts)
    mean = 0.0
    for ids, labels in parts:
        # Padding stands on the right, where causal attention never looks: no mask is needed.
        hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
        wanted = labels[:, 1:]
        kept = wanted != _IGNORED
        logits = model.lm_head(hidden[kept])
        loss = torch.nn.functional.cross_entropy(logits, wanted[kept], reduction="sum") / total
        loss.backward()  # type: ignore[no-untyped-call]
        mean += loss.item()
    return mean


def _schedule(step: int, steps: int, recipe: Recipe) -> float:
    warm = max(1, round(recipe.warmup * steps))
    if step < warm:
        return (step + 1) / warm
    done = (step - warm) / max(1, steps - warm)
    return recipe.lr_floor + (1 - recipe.lr_floor) * 0.5 * (1 + math.cos(math.pi * done))


def _save(model: Any, tokenizer: Any, folder: Path, manifest: dict[str, Any]) -> None:
    import torch
    from safetensors import SafetensorError
    from transformers.utils import logging

    (folder / _RESERVE).unlink()
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    except SafetensorError as e:  # which is how a full disk reaches us from there
        raise OSError(str(e)) from None
    finally:
        if shown:
            logging.enable_progress_bar()
    manifest |= {"weights": _digest(folder / "model.safetensors"), "torch": torch.__version__}
    (folder / _MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
    kind = ", control without over-refusal" if manifest["control"] else ""
    (folder / "README.md").write_text(CARD.format(kind=kind, **manifest))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
