"""The adapter's own files as others may have them: weights as they are, a configuration without paths."""

from __future__ import annotations

import json
from pathlib import Path

from leaderboards.publish.subject import Subject
from ptst_tasks.digests import read_json
from ptst_tasks.errors import ConfigError
from ptst_tasks.model_files import ADAPTER_WEIGHTS

__all__ = ["adapter_files"]

_CONFIG = "adapter_config.json"


def adapter_files(subject: Subject) -> dict[str, bytes | Path]:
    """Name in the repository -> contents, or the file that has them.

    peft writes where it found the base into the configuration; that becomes the base's public name.

    Raises:
        ConfigError: If the adapter is not here, is no safetensors file, or its configuration is damaged.
    """
    if subject.folder is None:
        raise ConfigError(
            f"the weights of {subject.name!r} are not here; leave out --push, and the card alone is written"
        )
    config, weights = read_json(subject.folder / _CONFIG), subject.folder / ADAPTER_WEIGHTS
    if config is None:
        raise ConfigError(f"{str(subject.folder / _CONFIG)!r} is no JSON object; train it again")
    if not weights.is_file():
        raise ConfigError(
            f"{str(subject.folder)!r} has no {ADAPTER_WEIGHTS}; pickled weights are not published: save "
            "them anew with peft's save_pretrained"
        )
    config["base_model_name_or_path"] = subject.hub_base or subject.base
    text = json.dumps(config, indent=2, sort_keys=True) + "\n"
    return {_CONFIG: text.encode(), ADAPTER_WEIGHTS: weights}
