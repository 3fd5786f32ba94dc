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
    trackio = pytest.importorskip("trackio", reason="trackio is not installed")
    told: list[dict[str, float]] = []
    monkeypatch.setattr(trackio, "init", lambda **_: type("Run", (), {"config": {}})())
    monkeypatch.setattr(trackio, "log", lambda row, **_: told.append(row))
    monkeypatch.setattr(trackio, "finish", lambda: None)
    trainer, _ = watched(trainer={"report_to": "trackio"})
    trainer.train()
    rows = [row for row in told if f"train/{ASR}" in row]
    assert [row[f"train/{ASR}"] for row in rows] == [r[ASR] for r in seen(trainer).values()]
