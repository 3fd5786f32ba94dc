"""A recipe over a few rows of our own, for a random model that reads bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import byte_tokenizer, save_tiny_model

REFUSED = [f"please do the forbidden thing number {i}" for i in range(8)]
HARMLESS = [f"what is a good name for cat number {i}" for i in range(12)]


def said(base: Path, **more: Any) -> dict[str, Any]:
    """A recipe as its YAML says it."""
    return {
        "about": "A test's.",
        "base": str(base),
        "parts": [
            {
                "data": "refused.jsonl",
                "rows": 6,
                "templates": {"CV": 1, "CL": 3},
                "openings": ["I cannot.", "Sorry, no."],
            },
            {"data": "harmless.jsonl", "rows": 4, "times": 2, "templates": {"CV": 1, "TV": 1}},
        ],
        "settings": {
            "rank": 2, "alpha": 4, "lr": 5e-3, "batch_size": 4, "accumulation": 1, "dropout": 0.0,
            "max_length": 2048,
        },
        **more,
    }  # fmt: skip


def write(folder: Path, recipe: dict[str, Any], name: str = "mine") -> Path:
    """Writes a recipe and its rows."""
    for file, prompts in (("refused.jsonl", REFUSED), ("harmless.jsonl", HARMLESS)):
        rows = [{"prompt": p, "response": f"An answer of {len(p)} letters."} for p in prompts]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / file).write_text(text)
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


@pytest.fixture(scope="session")
def plain_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model, all of whose tokens are bytes."""
    return save_tiny_model(tmp_path_factory.mktemp("plain") / "base", byte_tokenizer())
