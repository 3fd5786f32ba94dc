"""What identifies a folder: every value of every file that can change an answer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ptst_tasks.errors import ConfigError
from ptst_tasks.model_files import adapter_of, base_of, path_digest
from tests.support import save_adapter


@pytest.fixture
def base(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "base"))


def edit(file: Path, key: str, value: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), key: value}))


def test_every_value_of_the_configurations_counts(base: Path) -> None:
    """On 89d6fb3 ``rms_norm_eps`` and ``repetition_penalty`` were in no digest."""
    for name, field in (("config.json", "config"), ("generation_config.json", "generation_config")):
        values = json.loads((base / name).read_text())
        for key in [*values, "repetition_penalty", "a_new_one"]:
            before = base_of(base)
            text = (base / name).read_text()
            edit(base / name, key, "another")
            after = base_of(base)
            told = key in ("transformers_version", "_from_model_config", "_name_or_path")
            assert (getattr(before, field) == getattr(after, field)) == told, key
            (base / name).write_text(text)
            assert base_of(base) == before


def test_the_order_of_keys_does_not_count_and_a_missing_file_is_empty(base: Path) -> None:
    before = base_of(base)
    values = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(dict(reversed(values.items())), indent=7))
    assert base_of(base) == before
    (base / "generation_config.json").unlink()
    assert base_of(base).generation_config == ""


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
                                  "special_tokens_map.json", "vocab.txt", "tokenizer.model"])  # fmt: skip
def test_every_file_of_the_tokenizer_counts(base: Path, name: str) -> None:
    before = base_of(base)
    with (base / name).open("a") as out:
        out.write(" ")
    after = base_of(base)
    assert after.tokenizer != before.tokenizer
    assert after.weights == before.weights


def test_code_beside_the_weights_counts(base: Path) -> None:
    before = base_of(base)
    (base / "modeling_mine.py").write_text("x = 1\n")
    assert base_of(base).config != before.config


def test_alpha_counts_and_the_bases_place_and_the_order_of_targets_do_not(
    base: Path, tmp_path: Path
) -> None:
    """``lora_alpha`` 16 -> 64 changed every answer under the old digest on 89d6fb3."""
    folder = save_adapter(base, tmp_path / "a", 0, r=4, lora_alpha=16)
    before = adapter_of(folder)
    file = folder / "adapter_config.json"
    edit(file, "base_model_name_or_path", "/elsewhere")
    edit(file, "target_modules", json.loads(file.read_text())["target_modules"][::-1])
    assert adapter_of(folder) == before
    edit(file, "lora_alpha", 64)
    assert adapter_of(folder).config != before.config
    assert adapter_of(folder, 3) != adapter_of(folder)


def test_no_weights_is_an_error_and_a_path_is_what_is_in_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no weights"):
        base_of(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x").write_text("1")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert path_digest(tmp_path / "a") == path_digest(tmp_path / "b")
    (tmp_path / "b/x").write_text("2")
    assert path_digest(tmp_path / "a") != path_digest(tmp_path / "b")
