"""What is kept of a model is found again for the same facts, and for no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from leaderboards.explain import kept as module
from leaderboards.explain.directions import Measure
from leaderboards.explain.kept import Kept, Layers
from leaderboards.run.faults import FullDiskError
from ptst_tasks.errors import ConfigError
from ptst_tasks.provenance import Adapter

FACTS = {"base": {"weights": "w"}, "dtype": "float32", "versions": {"torch": "2"}}
PROMPTS = {"chat:llama": ("bad", "good"), "chat:vanilla": ("bad2", "good2")}
# 1 / 3 and 0.1 are not what six digits say of them: kept numbers are the numbers themselves.
FOUND = Layers(layers=(Measure(1, 1 / 3, 0.1, -0.25, 0.2, 0.5, 2.0),), best=1)
ONE = Adapter("a", "c")


def kept(run: Path, facts: dict | None = None, prompts: dict | None = None) -> Kept:
    return Kept(run, facts or FACTS, prompts or PROMPTS)


def test_the_same_facts_find_the_same_numbers(tmp_path: Path) -> None:
    kept(tmp_path).put(ONE, "chat:llama", FOUND)
    assert kept(tmp_path).get(ONE, "chat:llama") == FOUND
    assert kept(tmp_path).get(Adapter(), "chat:llama") is None
    assert kept(tmp_path).get(ONE, "chat:vanilla") is None


@pytest.mark.parametrize(
    ("facts", "prompts", "adapter"),
    [
        ({**FACTS, "dtype": "bfloat16"}, PROMPTS, ONE),
        ({**FACTS, "versions": {"torch": "3"}}, PROMPTS, ONE),
        ({**FACTS, "base": {"weights": "v"}}, PROMPTS, ONE),
        (FACTS, {"chat:llama": ("bad", "other")}, ONE),
        (FACTS, {"chat:llama": ("other", "good")}, ONE),
        (FACTS, PROMPTS, Adapter("b", "c")),
        (FACTS, PROMPTS, Adapter("a", "d")),
    ],
)
def test_whatever_decides_a_number_makes_another(
    tmp_path: Path, facts: dict, prompts: dict, adapter: Adapter
) -> None:
    kept(tmp_path).put(ONE, "chat:llama", FOUND)
    assert kept(tmp_path, facts, prompts).get(adapter, "chat:llama") is None


def test_another_method_of_ours_measures_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(tmp_path).put(ONE, "chat:llama", FOUND)
    monkeypatch.setattr(module, "METHOD", module.METHOD + 1)
    assert kept(tmp_path).get(ONE, "chat:llama") is None


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"layer": 1', '"layer": "one"'),
        lambda text: text.replace('"best": 1', '"best": 2'),
        lambda text: text.replace("-0.25", "NaN"),
        lambda text: text.replace('"float32"', '"float16"'),
    ],
)
def test_what_is_damaged_counts_as_not_there(tmp_path: Path, change) -> None:
    kept(tmp_path).put(ONE, "chat:llama", FOUND)
    (file,) = tmp_path.rglob("*.json")
    text = file.read_text()
    assert change(text) != text
    file.write_text(change(text))
    assert kept(tmp_path).get(ONE, "chat:llama") is None


def test_what_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "explain").write_text("in the way")
    with pytest.raises(ConfigError, match="cannot be written"):
        kept(tmp_path).put(ONE, "chat:llama", FOUND)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_json", full)
    with pytest.raises(FullDiskError, match="the disk takes no more"):
        kept(tmp_path / "r").put(ONE, "chat:llama", FOUND)
    assert [*(tmp_path / "r").rglob("*.json")] == []
