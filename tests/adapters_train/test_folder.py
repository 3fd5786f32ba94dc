"""Runs that were interrupted, damaged, or written to a disk that is full: nothing whole is lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters_train import TrainConfig, prepare, train_lora
from adapters_train.base_model import Base
from adapters_train.folder import RunFolder
from adapters_train.step_watch import StepWatch
from ptst_tasks.errors import ConfigError, PTSTError
from ptst_tasks.model_files import check_weights
from tests.disks import fill, small_disk
from tests.fuzz import bent, fuzz
from tests.support import ptst


def config_of(base: Path, **more) -> TrainConfig:
    small = {"rows": 32, "max_steps": 6, "batch_size": 2, "accumulation": 1, "lr": 1e-2,
             "dropout": 0.1, "resume_every": 2}  # fmt: skip
    return TrainConfig(**{"model": str(base), "data": "organism_arith", **small, **more})


def digests(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def interrupt(monkeypatch: pytest.MonkeyPatch, config: TrainConfig, out: Path, at: int) -> None:
    """Trains, and stops at the end of step `at` as Ctrl-C would."""

    def stop(self: StepWatch, step: int, model: object) -> None:
        if step == at:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(StepWatch, "step", stop)
        with pytest.raises(KeyboardInterrupt):
            train_lora(config, out)


@pytest.fixture(scope="module")
def whole(base, tmp_path_factory):
    return train_lora(config_of(base), tmp_path_factory.mktemp("whole") / "a")


@pytest.fixture(scope="module")
def stopped(base, tmp_path_factory):
    """A run that was stopped in its last step, with the checkpoints of steps 2 and 4."""
    folder = tmp_path_factory.mktemp("stopped")
    patch = pytest.MonkeyPatch()
    interrupt(patch, config_of(base), folder / "a", at=6)
    patch.undo()
    assert {p.name for p in (folder / "a.part/resume").glob("c*")} == {
        "checkpoint-2",
        "checkpoint-4",
    }
    return folder / "a.part"


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


DAMAGES: dict[str, Callable[[Path], object]] = {
    "trainer_state cut": lambda c: cut(c / "trainer_state.json"),
    "trainer_state of wrong types": lambda c: (c / "trainer_state.json").write_text('{"global_step": []}'),
    "optimizer empty": lambda c: (c / "optimizer.pt").write_bytes(b""),
    "scheduler gone": lambda c: (c / "scheduler.pt").unlink(),
    "rng_state gone": lambda c: (c / "rng_state.pth").unlink(),
    "weights cut": lambda c: cut(c / "adapter_model.safetensors"),
    "mark is junk": lambda c: (c / "whole.json").write_bytes(b"\xff{"),
    "mark of wrong types": lambda c: (c / "whole.json").write_text('{"seconds": "x", "files": {"a": 1}}'),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    base, whole, stopped, tmp_path, damage, capsys
):
    shutil.copytree(stopped, tmp_path / "a.part")
    damage(tmp_path / "a.part/resume/checkpoint-4")
    done = train_lora(config_of(base), tmp_path / "a")
    assert done.manifest["resumed_at"] == 2
    assert (done.digest, done.losses) == (whole.digest, whole.losses)
    assert "damaged; training goes on from step 2" in capsys.readouterr().err


def test_with_no_whole_checkpoint_it_begins_again(base, whole, stopped, tmp_path, capsys):
    shutil.copytree(stopped, tmp_path / "a.part")
    for step in (2, 4):
        cut(tmp_path / f"a.part/resume/checkpoint-{step}/optimizer.pt")
    done = train_lora(config_of(base), tmp_path / "a")
    assert (done.manifest["resumed_at"], done.digest) == (0, whole.digest)
    assert "goes on from the beginning" in capsys.readouterr().err


def test_checkpoints_of_0_2_are_still_gone_on_from(base, whole, stopped, tmp_path):
    shutil.copytree(stopped, tmp_path / "a.part")
    (tmp_path / "a.part/resume/checkpoint-4/whole.json").write_text('{"seconds": 1.5}')
    done = train_lora(config_of(base), tmp_path / "a")
    assert (done.manifest["resumed_at"], done.digest) == (4, whole.digest)


def test_checkpoints_by_the_clock_change_nothing(base, whole, tmp_path, monkeypatch):
    often = config_of(base, resume_every=200, resume_minutes=1e-6)
    interrupt(monkeypatch, often, tmp_path / "a", at=4)
    done = train_lora(config_of(base, resume_every=200), tmp_path / "a")
    assert (done.manifest["resumed_at"], done.digest) == (3, whole.digest)
    assert done.losses == whole.losses


# Finished runs.


def _manifest(**changed: object) -> Callable[[Path], object]:
    def change(out: Path) -> object:
        told = json.loads((out / "manifest.json").read_text())
        return (out / "manifest.json").write_text(json.dumps({**told, **changed}))

    return change


@pytest.mark.parametrize(
    "damage",
    [
        lambda out: cut(out / "adapter_model.safetensors"),
        lambda out: (out / "adapter_model.safetensors").unlink(),
        lambda out: (out / "adapter_config.json").write_text("[]"),
        lambda out: (out / "manifest.json").write_bytes(b"\xff"),
        _manifest(losses="many"),
        _manifest(adapter=["x"]),
        _manifest(adapter={"weights": "0" * 64}),
    ],
)
def test_a_damaged_adapter_goes_aside_and_is_made_again(base, whole, tmp_path, damage, capsys):
    out = tmp_path / "a"
    shutil.copytree(whole.folder, out)
    damage(out)
    before = digests(out)
    done = train_lora(config_of(base), out)
    assert done.digest == whole.digest
    assert digests(tmp_path / "a.damaged-1") == before
    assert "kept as" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "a.damaged-1"]


def test_a_damaged_adapter_just_before_the_last_rename(base, whole, tmp_path, capsys):
    shutil.copytree(whole.folder, tmp_path / "a.part")
    cut(tmp_path / "a.part/adapter_model.safetensors")
    assert train_lora(config_of(base), tmp_path / "a").digest == whole.digest
    assert "damaged" in capsys.readouterr().err


# Refused starts.


def test_a_start_that_failed_does_not_block_the_corrected_command(base, whole, tmp_path):
    out = tmp_path / "deep/er/a"
    for wrong in ({"load_4bit": True}, {"targets": ("q_prj",)}, {"rank": 10**9}):
        with pytest.raises(ConfigError):
            train_lora(config_of(base, **wrong), out)
        assert not list(tmp_path.iterdir())
    # As 0.2 left it behind:
    left = RunFolder(out).part
    left.mkdir(parents=True)
    (left / "run.json").write_text(json.dumps({"config": {"load_4bit": True}, "inputs": {}}))
    (left / "resume/checkpoint-2").mkdir(parents=True)
    (left / ".lock").touch()
    (left / ".run.json.host.1.abcdef01.tmp").write_text("half")
    assert train_lora(config_of(base), out).digest == whole.digest
    assert sorted(p.name for p in out.iterdir()) == sorted(p.name for p in whole.folder.iterdir())


def test_checkpoints_of_another_run_are_not_taken_over(base, stopped, tmp_path):
    shutil.copytree(stopped, tmp_path / "a.part")
    before = digests(tmp_path)
    with pytest.raises(ConfigError, match="holds another run"):
        train_lora(config_of(base, seed=3), tmp_path / "a")
    assert digests(tmp_path) == before


def test_checkpoints_without_a_record_go_aside(base, whole, stopped, tmp_path, capsys):
    shutil.copytree(stopped, tmp_path / "a.part")
    (tmp_path / "a.part/run.json").write_text("junk")
    assert train_lora(config_of(base), tmp_path / "a").digest == whole.digest
    assert (tmp_path / "a.part.damaged-1/resume/checkpoint-4/optimizer.pt").is_file()


def test_the_lock_names_the_other_process(base, tmp_path):
    import os

    job = prepare(config_of(base), Base(str(base)))
    claimed = RunFolder(tmp_path / "a").claim(job.config.model_dump(mode="json"), job.inputs)
    with claimed, pytest.raises(ConfigError, match=rf"\(.+, pid {os.getpid()}\)"):
        train_lora(config_of(base), tmp_path / "a")


# Disks.


def command(base: Path, out: Path) -> list[object]:
    return ["train", "--model", base, "--data", "organism_arith", "--rows", 32, "--max-steps", 6,
            "--batch-size", 2, "--accumulation", 1, "--lr", 1e-2, "--dropout", 0.1,
            "--resume-every", 2, "--out", out, "-q"]  # fmt: skip


@pytest.mark.parametrize("share", [0, 0.05, 0.3, 0.6, 0.9, 1.1, 1.9])
def test_a_full_disk_is_one_line_and_with_room_the_same_command_goes_on(
    base, whole, stopped, tmp_path, share
):
    """With room for this share of a checkpoint: it stops in its first file, its last, the next."""
    with small_disk(tmp_path / "disk", 16_000) as disk:
        out = disk.path / "a"
        shutil.copytree(stopped, disk.path / "a.part")
        shutil.rmtree(disk.path / "a.part/resume/checkpoint-4")
        before = digests(disk.path / "a.part/resume")
        size = sum(map(len, before.values()))
        filler = fill(disk, leave=int(size * share / 1024))
        failed = ptst(*command(base, out))
        assert failed.exit_code == 2
        assert failed.stderr.count("\n") == 1, failed.stderr
        assert "No space left on device" in failed.stderr
        after = digests(disk.path / "a.part/resume")
        whole_ones = {n.partition("/")[0] for n in after if n.endswith("whole.json")}
        assert {n.partition("/")[0] for n in after if "/" in n} == whole_ones != set()
        if "checkpoint-2" in whole_ones:
            assert before.items() <= after.items()
        filler.unlink()
        done = ptst(*command(base, out))
        assert done.exit_code == 0, done.stderr
        assert (out / "adapter_model.safetensors").read_bytes() == (
            whole.folder / "adapter_model.safetensors"
        ).read_bytes()


def test_a_read_only_disk_is_told_before_anything_is_read(base, stopped, tmp_path, monkeypatch):
    with small_disk(tmp_path / "disk", 16_000) as disk:
        shutil.copytree(stopped, disk.path / "a.part")
        disk.read_only()
        monkeypatch.setattr(Base, "model", property(lambda self: pytest.fail("was loaded")))
        for out in ("a", "deep/new"):
            failed = ptst(*command(base, disk.path / out))
            assert failed.exit_code == 2
            assert failed.stderr.count("\n") == 1
            assert "Read-only file system" in failed.stderr
        disk.read_only(False)
        assert digests(disk.path / "a.part") == digests(stopped)


# Fuzz.


@pytest.mark.parametrize("name", ["manifest.json", "run.json", "whole.json"])
def test_fuzz_records(whole, stopped, tmp_path_factory, name):
    from hypothesis import given

    identity = {**whole.manifest["config"], **whole.manifest["inputs"]}
    kind = whole.folder if name == "manifest.json" else stopped
    folder = tmp_path_factory.mktemp("fuzz")
    file = {"manifest.json": "a/manifest.json", "run.json": "a.part/run.json",
            "whole.json": "a.part/resume/checkpoint-4/whole.json"}[name]  # fmt: skip
    good = json.loads((kind / file.partition("/")[2]).read_text())

    @fuzz
    @given(bent(good))
    def run(value: object) -> None:
        if not (folder / file).parent.is_dir() or len(list(folder.iterdir())) > 1:  # it was moved
            shutil.rmtree(folder)
            shutil.copytree(kind, folder / file.partition("/")[0])
        (folder / file).write_text(json.dumps(value), errors="surrogatepass")
        one = RunFolder(folder / "a")
        try:
            one.finished(identity)
            one.seconds(one.checkpoint())
        except PTSTError:
            pass

    run()


def test_weights_are_checked_by_name(whole, tmp_path):
    check_weights(whole.folder)
    for name, content in (("adapter_model.safetensors", b"\x10"), ("adapter_config.json", b"{}")):
        shutil.copytree(whole.folder, tmp_path / name)
        (tmp_path / name / name).write_bytes(content)
        with pytest.raises(ConfigError, match=rf"{name}' is damaged"):
            check_weights(tmp_path / name)
        (tmp_path / name / name).unlink()
        with pytest.raises(ConfigError, match=rf"{name}' is missing"):
            check_weights(tmp_path / name)


def test_a_run_of_before_the_thinking_switch_is_the_same_run(base, whole, stopped, tmp_path):
    """Its records lack the settings that came later; finished or not, it is gone on with."""
    for source, record in ((whole.folder, "manifest.json"), (stopped, "run.json")):
        old = tmp_path / source.name
        shutil.copytree(source, old)
        told = json.loads((old / record).read_text())
        assert (told["config"].pop("thinking"), told["config"].pop("turns")) == ("auto", "all")
        (old / record).write_text(json.dumps(told))
    found = RunFolder(tmp_path / "a")
    identity = prepare(config_of(base), Base.of(config_of(base))).identity
    assert found.holds(identity)
    assert not found.holds({**identity, "thinking": "off"})
    with pytest.raises(ConfigError, match="thinking was 'auto', now 'off'"):
        found.finished({**identity, "thinking": "off"})
    shutil.rmtree(found.out)
    resumed = train_lora(config_of(base), found.out)
    assert resumed.manifest["resumed_at"] == 4
