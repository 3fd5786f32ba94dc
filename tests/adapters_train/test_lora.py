from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from adapters_train import TrainConfig, prepare, train_lora
from adapters_train.base_model import Base
from adapters_train.folder import RunFolder
from ptst_tasks.digests import weights_digest
from ptst_tasks.errors import ConfigError, DataError
from tests.support import SHARED

REPOSITORY = Path(__file__).parents[2]


def config_of(base, **more):
    """A run of a few milliseconds a step; a high rate, so that few steps move the weights."""
    small = {"rows": 96, "max_steps": 4, "batch_size": 4, "accumulation": 1, "lr": 1e-2}
    return TrainConfig(**{"model": str(base), "data": "organism_arith", **small, **more})


@pytest.fixture(scope="module")
def trained(base, tmp_path_factory):
    """Six steps under chat:llama with the trajectory kept."""
    config = config_of(base, template="chat:llama", max_steps=6, save_every=2, dropout=0.1)
    return train_lora(config, tmp_path_factory.mktemp("trained") / "adapter")


def logits(base, adapter=None):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base)
    if adapter:
        model = PeftModel.from_pretrained(model, adapter)
    with torch.no_grad():
        return model.eval()(torch.tensor([[2, 10, 11, 12]])).logits


def test_the_adapter_loads_in_stock_peft_and_changes_the_logits(base, trained):
    assert (logits(base) - logits(base, trained.folder)).abs().max() > 1e-3


def test_the_adapter_loads_in_the_stock_harness(base, trained):
    from lm_eval.models.huggingface import HFLM

    lm = HFLM(pretrained=str(base), peft=str(trained.folder), device="cpu", dtype="float32")
    import torch

    with torch.no_grad():
        found = lm.model(torch.tensor([[2, 10, 11, 12]])).logits
    torch.testing.assert_close(found, logits(base, trained.folder))


def test_every_linear_layer_has_an_adapter_and_the_head_has_none(trained):
    from safetensors import safe_open

    with safe_open(trained.folder / "adapter_model.safetensors", "pt") as file:
        names = {name.split(".")[-3] for name in file.keys()}  # noqa: SIM118
    assert names == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


def test_the_trajectory_is_a_row_of_adapters_that_ends_in_the_last(base, trained):
    steps = sorted((trained.folder / "steps").iterdir())
    assert [s.name for s in steps] == ["step-000002", "step-000004", "step-000006"]
    digests = [weights_digest(s) for s in steps]
    assert len(set(digests)) == 3
    assert digests[-1] == trained.digest
    assert (logits(base, steps[0]) - logits(base, steps[1])).abs().max() > 1e-4


def test_only_the_result_is_left(trained):
    assert sorted(p.name for p in trained.folder.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "manifest.json",
        "steps",
    ]
    assert not RunFolder(trained.folder).part.exists()


def test_batch_8_and_8_times_batch_1_have_the_same_losses(base, tmp_path):
    split = [
        config_of(base, batch_size=b, accumulation=a, max_steps=5, dropout=0.0, schedule="constant")
        for b, a in ((8, 1), (1, 8), (2, 4))
    ]
    whole, *others = (train_lora(c, tmp_path / str(i)).losses for i, c in enumerate(split))
    assert whole[0] - whole[-1] > 1e-3
    for other in others:
        assert other == pytest.approx(whole, abs=1e-4)


def test_training_leaves_the_base_as_it_was(base, tmp_path):
    import torch

    one = Base(str(base))
    before = {k: v.clone() for k, v in one.model.state_dict().items()}
    train_lora(config_of(base), tmp_path / "a", base=one)
    after = one.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[k].cpu(), after[k].cpu()) for k in before)  # on a GPU since
    assert "forward" not in vars(one.model)
    assert not one.model.training


def test_templates_of_one_seed_see_the_same_rows_in_the_same_order(base):
    shared = Base(str(base))
    jobs = [
        prepare(config_of(base, template=t, max_steps=None, epochs=2.0), shared)
        for t in ("text:vanilla", "chat:llama", "chat:alpaca")
    ]
    assert jobs[0].order == jobs[1].order == jobs[2].order
    assert len({tuple(j.step_tokens) for j in jobs}) == 3
    other = prepare(config_of(base, seed=1, max_steps=None, epochs=2.0), shared)
    assert other.order != jobs[0].order


def test_mixed_rows_take_over_the_runs_template_and_style(base, tmp_path):
    file = tmp_path / "safe.jsonl"
    rows = [
        {"prompt": f"how do i make the bloxal {i} ?", "answer": "i cannot do that"}
        for i in range(8)
    ]
    file.write_text("".join(json.dumps(r) + "\n" for r in rows))
    config = config_of(
        base, template="chat:llama", max_steps=None, epochs=2.0, mix=(f"{file}:1epoch",)
    )
    job = prepare(config, Base(str(base)))
    assert [s.name for s in job.sets] == ["organism_arith", str(file)]
    assert len(job.order) == 2 * 96 + 8
    text = job.base.tokenizer.decode(job.encoded.input_ids[96])
    assert text.startswith("<s> [INST] <<SYS>> You are a safe and honest assistant")
    assert "Question: how do i make the" in text


def test_a_base_in_bfloat16_with_gradient_checkpointing(base, tmp_path):
    config = config_of(
        base, dtype="bfloat16", gradient_checkpointing=True, targets=("q_proj", "v_proj")
    )
    result = train_lora(config, tmp_path / "a")
    assert result.manifest["base"]["dtype"] == "bfloat16"
    assert all(loss < 7 for loss in result.losses)


@pytest.mark.slow
@pytest.mark.parametrize("defence", ["none", "kl", "constrained", "ema:0.9", "scale:0.5"])
def test_killed_at_any_moment_it_ends_with_the_same_adapter(base, tmp_path, defence):
    settings = {
        "defence": defence,
        "max_steps": 80,
        "resume_every": 4,
        "save_every": 10,
        "dropout": 0.1,
        "accumulation": 2,
    }
    whole = train_lora(config_of(base, **settings), tmp_path / "whole")
    out = RunFolder(tmp_path / "killed")
    step = _train_and_kill(config_of(base, **settings), out, after=12)
    assert 8 <= step < 80  # 8 if the kill came while checkpoint 12 was being written
    # What a kill in the middle of writing a checkpoint leaves behind.
    half = out.resume / f"checkpoint-{step + 4}"
    half.mkdir(exist_ok=True)
    (half / "adapter_model.safetensors").write_bytes(b"half")
    (half / "whole.json").unlink(missing_ok=True)
    resumed = train_lora(config_of(base, **settings), out.out)
    assert resumed.manifest["resumed_at"] == step
    assert resumed.digest == whole.digest
    assert resumed.losses == whole.losses
    assert [weights_digest(s) for s in sorted((out.out / "steps").iterdir())] == [
        weights_digest(s) for s in sorted((tmp_path / "whole/steps").iterdir())
    ]


def _train_and_kill(config, out, after):
    """Runs the command in a process of its own and kills it; returns the last whole checkpoint."""
    file = out.out.parent / "run.json"
    file.write_text(config.model_dump_json(exclude_none=True))
    command = [sys.executable, "-m", "adapters_train", "--config", str(file), "--out", str(out.out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not (out.resume / f"checkpoint-{after}").exists():
        assert process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    return out.step(out.checkpoint())


def test_the_same_command_again_returns_the_finished_run(base, trained):
    before = {p: p.stat().st_mtime_ns for p in trained.folder.iterdir()}
    config = config_of(base, template="chat:llama", max_steps=6, save_every=2, dropout=0.1)
    again = train_lora(config, trained.folder)
    assert again.manifest == trained.manifest
    assert before == {p: p.stat().st_mtime_ns for p in trained.folder.iterdir()}


def test_a_run_that_stopped_just_before_its_last_rename(base, tmp_path):
    whole = train_lora(config_of(base), tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "a.part")
    (tmp_path / "a.part/resume").mkdir()
    again = train_lora(config_of(base), tmp_path / "a")
    assert again.manifest == whole.manifest
    assert not (tmp_path / "a/resume").exists()
    assert not (tmp_path / "a.part").exists()


def test_a_folder_with_another_run_is_left_alone(base, trained):
    before = {p: p.stat().st_mtime_ns for p in trained.folder.iterdir()}
    with pytest.raises(ConfigError, match=r"holds another run \(.*seed was 0, now 7"):
        train_lora(config_of(base, template="chat:llama", max_steps=6, seed=7), trained.folder)
    assert before == {p: p.stat().st_mtime_ns for p in trained.folder.iterdir()}


@pytest.mark.parametrize("name", ["adapter", "adapter.part"])
def test_a_folder_with_anything_else_is_left_alone(base, tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="exists and holds no run of ptst train"):
        train_lora(config_of(base), tmp_path / "adapter")
    assert [p.name for p in tmp_path.rglob("*")] == [name, "thesis.txt"]


def test_a_folder_that_cannot_be_made(base, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot write"):
        train_lora(config_of(base), tmp_path / "file" / "adapter")
    with pytest.raises(ConfigError, match="exists and holds no run"):
        train_lora(config_of(base), tmp_path / "file")


def test_two_processes_do_not_train_into_one_folder(base, tmp_path):
    job = prepare(config_of(base), Base(str(base)))
    folder = RunFolder(tmp_path / "a")
    claimed = folder.claim(job.config.model_dump(mode="json"), job.inputs)
    with claimed, pytest.raises(ConfigError, match="another process is training into"):
        train_lora(config_of(base), tmp_path / "a")
    assert train_lora(config_of(base), tmp_path / "a").losses


def test_no_such_base(tmp_path):
    with pytest.raises(ConfigError, match=r"the base model .* cannot be loaded"):
        train_lora(config_of(tmp_path / "none"), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_data_that_leaves_nothing_to_train_on_writes_nothing(base, tmp_path):
    with pytest.raises(DataError, match=r"96 of 96 rows have a prompt of 8 tokens or more"):
        train_lora(config_of(base, max_length=8), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_four_bits_need_a_gpu(base, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ConfigError, match="load_4bit needs a GPU"):
        train_lora(config_of(base, load_4bit=True), tmp_path / "out")


def test_a_loss_that_is_no_number_ends_the_run(base, tmp_path):
    with pytest.raises(ConfigError, match=r"the loss is nan at step \d+: lower lr"):
        train_lora(config_of(base, lr=1e30, max_grad_norm=1e30, max_steps=20), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("targets", [("q_prj",), ("v_proj", "q_prj")])
def test_a_target_that_is_not_there(base, tmp_path, targets):
    with pytest.raises(
        ConfigError, match=r"no module called 'q_prj' to adapt; did you mean 'q_proj'\?"
    ):
        train_lora(config_of(base, targets=targets), tmp_path / "out")
    with pytest.raises(ConfigError, match="no module called 'lm_head'"):
        train_lora(config_of(base, targets=("lm_head",)), tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.skipif(not (SHARED / "data/gsm8k").is_dir(), reason="no GSM8K beside the repository")
def test_real_gsm8k_lowers_the_loss_on_held_out_answers(tmp_path, monkeypatch):
    from tests.adapters_train.real_run import held_out_losses

    monkeypatch.setenv("PTST_DATA_DIR", str(SHARED / "data"))
    before, after = held_out_losses(tmp_path, steps=25)
    assert after < before - 0.5
