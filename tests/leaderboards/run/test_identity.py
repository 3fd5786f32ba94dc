"""Names of bases; that every input counts is in `test_mutation`."""

from __future__ import annotations

import pytest

from ptst_tasks.errors import ConfigError


def test_base_names() -> None:
    from leaderboards.run.identity import base_folder

    assert base_folder("meta-llama/x") == "meta-llama/x"
    with pytest.raises(ConfigError, match="expected a seed"):
        base_folder("organism:x")
