"""One adapter, whole at every moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters_train.callback.best_so_far import BestSoFar, sweep
from ptst_tasks.files import working


def saved(best: BestSoFar, text: str) -> Path:
    folder = working(best.link)
    folder.mkdir(parents=True)
    (folder / "adapter_model.safetensors").write_text(text)
    return folder


def test_the_link_leads_to_the_last_one_that_was_kept(tmp_path: Path) -> None:
    best = BestSoFar(tmp_path, greater=False)
    assert best.facts is None
    assert best.beats(3.0)
    best.keep(saved(best, "one"), {"step": 5, "value": 3.0})
    assert not best.beats(3.0)  # the earlier of two that are equal
    assert best.beats(2.9)
    best.keep(saved(best, "two"), {"step": 10, "value": 2.0})
    assert (tmp_path / "best/adapter_model.safetensors").read_text() == "two"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["best", "best-000010"]
    assert BestSoFar(tmp_path, greater=True).beats(2.5)


def test_a_step_that_is_measured_again_takes_a_name_of_its_own(tmp_path: Path) -> None:
    best = BestSoFar(tmp_path, greater=False)
    for text in ("one", "again"):
        best.keep(saved(best, text), {"step": 5, "value": 3.0})
    assert (tmp_path / "best/adapter_model.safetensors").read_text() == "again"
    assert len(list(tmp_path.glob("best-*"))) == 1


@pytest.mark.parametrize("moment", ["rename", "replace", "rmtree"])
def test_killed_at_any_moment_a_whole_one_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Stopped before each of its three steps; what is behind the link is whole, the old or the new."""
    import adapters_train.callback.best_so_far as module

    class KilledError(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        raise KilledError

    best = BestSoFar(tmp_path, greater=False)
    best.keep(saved(best, "old"), {"step": 5, "value": 3.0})
    aside = saved(best, "new")
    with monkeypatch.context() as patch:
        patch.setattr(module.shutil if moment == "rmtree" else Path, moment, killed)
        # best.json is put in its place by a replace, too
        patch.setattr(module, "write_json", lambda file, facts: file.write_text('{"step": 10}'))
        with pytest.raises(KilledError):
            best.keep(aside, {"step": 10, "value": 2.0})
    there = (tmp_path / "best/adapter_model.safetensors").read_text()
    assert there == ("new" if moment == "rmtree" else "old")
    assert best.facts
    sweep(tmp_path)
    assert (tmp_path / "best/adapter_model.safetensors").read_text() == there
    assert len(list(tmp_path.iterdir())) == 2  # the link, and where it leads
