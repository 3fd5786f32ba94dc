"""The values reach what people look at, through the packages themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.adapters_train.callback.conftest import Make, seen

ASR = "ptst/organism_forbidden/CL/asr"
THEIRS = pytest.mark.filterwarnings("default")  # these packages have warnings of their own


@THEIRS
def test_tensorboard(watched: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "boards"))
    trainer, _ = watched(trainer={"report_to": "tensorboard"})
    trainer.train()
    (folder,) = {file.parent for file in (tmp_path / "boards").rglob("events.out.*")}
    events = EventAccumulator(str(folder)).Reload()
    told = {event.step: event.value for event in events.Scalars(f"train/{ASR}")}
    assert told == pytest.approx({step: row[ASR] for step, row in seen(trainer).items()})
    assert [event.step for event in events.Scalars("train/loss")] == [2, 4, 6, 8]


@THEIRS
def test_mlflow(watched: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    trainer, _ = watched(trainer={"report_to": "mlflow"})
    trainer.train()
    client = mlflow.MlflowClient()
    (run,) = client.search_runs([e.experiment_id for e in client.search_experiments()])
    found = {m.step: m.value for m in client.get_metric_history(run.info.run_id, ASR)}
    assert found == {step: row[ASR] for step, row in seen(trainer).items()}
    assert [m.step for m in client.get_metric_history(run.info.run_id, "loss")] == [2, 4, 6, 8]


@THEIRS
def test_trackio(watched: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))  # it is read at its import
    storage = pytest.importorskip("trackio.sqlite_storage", reason="trackio is not installed")
    trainer, _ = watched(trainer={"report_to": "trackio", "run_name": "mine", "project": "tests"})
    trainer.train()
    rows = storage.SQLiteStorage.get_logs("tests", "mine")
    name = f"train/{ASR}"
    told = {row["train/global_step"]: row[name] for row in rows if name in row}
    assert told == {step: row[ASR] for step, row in seen(trainer).items()}
    assert [row["train/global_step"] for row in rows if "train/loss" in row] == [2, 4, 6, 8]


@THEIRS
def test_wandb(watched: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    trainer, _ = watched(trainer={"report_to": "wandb"})
    trainer.train()
    summary = dict(wandb.run.summary)
    wandb.finish()
    assert summary[f"train/{ASR}"] == seen(trainer)[8][ASR]
    assert "train/loss" in summary
