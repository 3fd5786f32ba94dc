"""The card says what the model is, and damage is seen file by file."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters_train.alignment.told import MANIFEST, card, damage
from ptst_tasks.digests import weights_digest, write_json

TOLD = {
    "recipe": {"name": "mine", "about": "A test's. ", "base": "some/base"},
    "seed": 3,
    "weights": "abc",
    "parts": [{"data": "refused.jsonl", "examples": 1200, "templates": {"chat:llama": 1200}}],
}


def test_the_card_says_what_it_is_and_is_not() -> None:
    text = card(TOLD)
    assert text.startswith("# mine, seed 3: an aligned model of ptst\n\nA test's.\n")
    assert "| 1,200 | refused.jsonl | chat:llama 1,200 |" in text
    assert "**not safe for any use**" in text
    assert "`abc`" in text


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    write_json(tmp_path / MANIFEST, {"weights": weights_digest(tmp_path)})
    return tmp_path


def test_whole(whole: Path) -> None:
    assert damage(whole) == ""


@pytest.mark.parametrize(
    "name", [MANIFEST, "config.json", "tokenizer.json", "tokenizer_config.json"]
)
def test_a_missing_or_cut_file_is_named(whole: Path, name: str) -> None:
    (whole / name).write_text("{")
    assert name in damage(whole)
    (whole / name).unlink()
    assert name in damage(whole)


def test_other_weights_or_none(whole: Path) -> None:
    (whole / "model.safetensors").write_bytes(b"other")
    assert "damaged" in damage(whole)
    (whole / "model.safetensors").unlink()
    assert "holds no weights" in damage(whole)
