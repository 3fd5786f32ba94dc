from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from leaderboards.publish.adapter_files import adapter_files
from ptst_tasks.errors import ConfigError
from tests.leaderboards.publish.made_adapter import made_subject


def test_the_base_is_called_by_its_public_name(tmp_path: Path) -> None:
    found = replace(made_subject(tmp_path), hub_base="owner/model")
    files = adapter_files(found)
    config = json.loads(bytes(files["adapter_config.json"]))  # type: ignore[arg-type]
    assert config == {"base_model_name_or_path": "owner/model", "peft_type": "LORA", "r": 8}
    assert files["adapter_model.safetensors"] == tmp_path / "run/made/adapter_model.safetensors"


def test_what_cannot_be_published(tmp_path: Path) -> None:
    found = made_subject(tmp_path)
    with pytest.raises(ConfigError, match="are not here; leave out --push"):
        adapter_files(replace(found, folder=None))
    (tmp_path / "run/made/adapter_model.safetensors").rename(
        tmp_path / "run/made/adapter_model.bin"
    )
    with pytest.raises(ConfigError, match="pickled weights are not published"):
        adapter_files(found)
    (tmp_path / "run/made/adapter_config.json").write_text("[")
    with pytest.raises(ConfigError, match="is no JSON object"):
        adapter_files(found)
