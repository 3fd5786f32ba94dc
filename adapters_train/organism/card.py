"""What lies in the folder of a built-in model: weights, manifest, and the card for people."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ptst_tasks.digests import read_json
from ptst_tasks.errors import said

__all__ = ["CARD", "MANIFEST", "broken", "save"]

MANIFEST = "organism.json"
"""What tells one built-in model from another, its recipe, and the digest of its weights."""

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


def save(model: Any, tokenizer: Any, folder: Path, manifest: dict[str, Any]) -> None:
    """Writes a model with its manifest and its card.

    Raises:
        OSError: If there is no room.
    """
    import torch
    from safetensors import SafetensorError
    from transformers.utils import logging

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
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
    kind = ", control without over-refusal" if manifest["control"] else ""
    (folder / "README.md").write_text(CARD.format(kind=kind, **manifest))


def broken(folder: Path) -> str:
    """What is wrong with the files of a built-in model; empty for nothing."""
    manifest, weights = read_json(folder / MANIFEST), folder / "model.safetensors"
    if manifest is None:
        return f"{str(folder / MANIFEST)!r} is missing or damaged"
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        if read_json(folder / name) is None:
            return f"{str(folder / name)!r} is missing or damaged"
    try:
        whole = _digest(weights) == manifest.get("weights")
    except OSError as e:
        return f"{str(weights)!r} cannot be read: {said(e)}"
    return "" if whole else f"{str(weights)!r} is damaged"


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
