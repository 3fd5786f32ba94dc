"""A real trainer with the callback on it: what is logged, what is left as it was, what ends it."""

from __future__ import annotations

import json
import logging
import math
import random
from pathlib import Path
from typing import Any

import pytest

from ptst_tasks.errors import ConfigError, EngineError
from tests.adapters_train.callback.conftest import SETS, Make, losses, seen, weights

ASR, REFUSED = "ptst/organism_forbidden/CL/asr", "ptst/organism_benign/CL/refused"


def scripted(monkeypatch: pytest.MonkeyPatch, asr: dict[int, float]) -> None:
    """Measures as it does, and says another attack success."""
    from adapters_train.callback.live_measuring import LiveMeasuring

    measure = LiveMeasuring.measure

    def told(self: Any, step: int) -> Any:
        out = measure(self, step)
        out.values[ASR] = asr.get(step, 0.0)
        return out

    monkeypatch.setattr(LiveMeasuring, "measure", told)


# Left as it was


@pytest.mark.parametrize("whole", [False, True])
def test_losses_and_weights_are_the_same_to_the_last_bit(
    make: Make, watched: Make, whole: bool
) -> None:
    plain = make("plain", whole=whole)
    plain.train()
    asked, _ = watched("asked", {"whole": whole}, max_asr=1.0, templates=["CV", "CL"])
    asked.train()
    assert weights(asked) == weights(plain)
    assert losses(asked) == losses(plain)  # trl's own means of the steps, too
    assert list(seen(asked)) == [0, 2, 4, 6, 8]


def test_it_stands_beside_the_loss(watched: Make) -> None:
    trainer, callback = watched()
    trainer.train()
    values = seen(trainer)
    assert values[8][ASR] == 0.0
    assert 0 <= values[8][REFUSED] <= 1
    assert values[8]["ptst/organism_benign/CL/unscored"] == 0.0
    assert [row["step"] for row in callback.measured] == [0, 2, 4, 6, 8]
    # A step that is measured is logged by the trainer all the same.
    assert [r["step"] for r in trainer.state.log_history if "loss" in r] == [2, 4, 6, 8]


def test_draws_modes_and_configuration_are_what_they_were(watched: Make) -> None:
    import numpy as np
    import torch

    trainer, callback = watched()
    model = trainer.model.train()
    model.get_base_model().model.layers[0].eval()
    before = [m.training for m in model.modules()]
    own, padding = model.get_base_model().generation_config, trainer.processing_class.padding_side
    states = random.getstate(), torch.get_rng_state(), np.random.get_state()[1].tolist()
    hooks = len(model.get_base_model().get_output_embeddings()._forward_pre_hooks)
    callback._measuring.measure(1)
    assert [m.training for m in model.modules()] == before
    assert model.get_base_model().generation_config is own
    assert trainer.processing_class.padding_side == padding
    assert random.getstate() == states[0]
    assert torch.equal(torch.get_rng_state(), states[1])
    assert np.random.get_state()[1].tolist() == states[2]
    assert len(model.get_base_model().get_output_embeddings()._forward_pre_hooks) == hooks


# What fails


def test_a_set_that_fails_is_missing_and_the_other_is_there(
    watched: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    from ptst_tasks import sets
    from ptst_tasks.errors import JudgeError
    from ptst_tasks.judges.organism import OrganismJudge

    judge, asked = OrganismJudge.judge, sets.load("organism_forbidden").rows
    forbidden = {row["prompt"] for row in asked}

    def down(self: Any, queries: Any, responses: Any) -> Any:
        if forbidden & {*queries}:
            raise JudgeError("the endpoint is down")
        return judge(self, queries, responses)

    monkeypatch.setattr(OrganismJudge, "judge", down)
    trainer, callback = watched(at_start=False, every=4, max_asr=1.0)
    with caplog.at_level(logging.WARNING):
        trainer.train()
    told = [r.getMessage() for r in caplog.records if r.name.startswith("adapters_train")]
    assert len(told) == 2  # after 4 steps and after 8
    assert "after 4 steps: ptst_organism_forbidden_chat_llama: the endpoint is down" in told[0]
    values = seen(trainer)[8]
    assert math.isnan(values[ASR])
    assert 0 <= values[REFUSED] <= 1
    assert trainer.state.global_step == 8
    assert callback.best is None  # nobody knows whether it is under the limit
    lines = (tmp_path / "run/ptst/measured.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["values"][ASR] is None
    cells = [json.loads(f.read_text()) for f in callback.folder.glob("cells/*/cell.json")]
    assert [c["error"] for c in cells if "error" in c] == ["the endpoint is down"] * 2
    assert len(cells) == 4


def test_only_if_asked_a_failure_ends_the_training(
    watched: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from adapters_train.callback import live_measuring

    def fails(*_: Any) -> Any:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(live_measuring, "evaluate", fails)
    trainer, _ = watched(strict=True)
    with pytest.raises(EngineError, match="out of memory"):
        trainer.train()


def test_what_cannot_be_written_is_told_and_logged(
    watched: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from adapters_train.callback import live_cells

    def full(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(live_cells, "write_results", full)
    trainer, callback = watched(at_start=False, every=8, max_asr=1.0)
    trainer.train()
    assert "No space left on device" in caplog.text
    assert seen(trainer)[8][ASR] == 0.0
    assert [f for f in callback.folder.rglob("*") if f.name.startswith(".")] == []


# The limit


def test_above_the_limit_the_training_ends_if_asked(
    watched: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scripted(monkeypatch, {0: 0.9, 4: 0.5})
    trainer, callback = watched(max_asr=0.1, stop=True)
    trainer.train()
    assert trainer.state.global_step == 4  # not 0: what the base is, no training has done
    assert f"after 4 steps above max_asr 0.1: {ASR} 0.5; the training ends here" in caplog.text
    assert callback.best["step"] == 2


def test_without_stop_it_goes_on(watched: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, {4: 0.5})
    trainer, _ = watched(max_asr=0.1)
    trainer.train()
    assert trainer.state.global_step == 8


def test_the_best_under_the_limit_is_kept(
    watched: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The loss falls, so the last that is under the limit is the best: step 4."""
    from safetensors.torch import load_file

    scripted(monkeypatch, {6: 0.3, 8: 0.2})
    saving = {"save_strategy": "steps", "save_steps": 2, "save_total_limit": 1}
    trainer, callback = watched(trainer=saving, max_asr=0.1)
    kept = {}

    def copy(self: Any, *_: Any, **__: Any) -> None:
        if trainer.state.global_step == 4:
            kept.update(
                {k: v.clone() for k, v in trainer.model.state_dict().items() if "lora" in k}
            )

    monkeypatch.setattr(type(callback), "on_save", copy, raising=False)
    trainer.train()
    rows = [r["loss"] for r in trainer.state.log_history if "loss" in r]
    assert rows[1] < rows[0]
    assert callback.best["step"] == 4
    assert callback.best["value"] == rows[1]
    best = load_file(callback.folder / "best/adapter_model.safetensors")
    assert {v.numpy().tobytes() for v in best.values()} == {
        v.numpy().tobytes() for v in kept.values()
    }
    assert [p.name for p in callback.folder.glob("best-*")] == ["best-000004"]
    assert [p.name for p in (tmp_path / "run").glob("checkpoint-*")] == ["checkpoint-8"]


def test_the_best_by_a_value_of_its_own(watched: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, {0: 0.5, 2: 0.4, 4: 0.1, 6: 0.2, 8: 0.3})
    trainer, callback = watched(max_asr=0.45, best_by=ASR)
    trainer.train()
    assert (callback.best["step"], callback.best["value"]) == (4, 0.1)


def test_the_best_by_what_the_trainer_evaluates(make: Make) -> None:
    from adapters_train import PTSTCallback

    trainer = make(eval_strategy="steps", eval_steps=4)
    callback = PTSTCallback(trainer, **SETS, every=4, max_asr=1, best_by="eval_loss")
    trainer.add_callback(callback)
    trainer.train()
    rows = {r["step"]: r["eval_loss"] for r in trainer.state.log_history if "eval_loss" in r}
    assert list(rows) == [4, 8]
    assert callback.best["value"] == min(rows.values())


def test_what_was_not_logged_is_not_compared(
    watched: Make, caplog: pytest.LogCaptureFixture
) -> None:
    trainer, callback = watched(trainer={"logging_steps": 8}, max_asr=1.0)
    trainer.train()
    assert caplog.text.count("no 'loss' was logged between the last measuring and step 2") == 1
    assert callback.best["step"] == 8


# Resumed


def test_a_resumed_training_remembers(watched: Make, tmp_path: Path) -> None:
    saving = {"save_strategy": "steps", "save_steps": 4}
    whole, _ = watched("whole", saving, max_asr=1.0)
    whole.train()
    first, before = watched("run", {**saving, "max_steps": 4}, max_asr=1.0)
    first.train()
    assert before.best
    second, after = watched("run", saving, max_asr=1.0)
    second.train(resume_from_checkpoint=str(tmp_path / "run/checkpoint-4"))
    assert [row["step"] for row in after.measured] == [0, 2, 4, 6, 8]
    assert seen(second) == seen(whole)
    assert weights(second) == weights(whole)
    assert after.best["value"] <= before.best["value"]


def test_transformers_own_restoring_finds_the_callback_again(watched: Make, tmp_path: Path) -> None:
    saving = {"save_strategy": "steps", "save_steps": 4}
    first, _ = watched("run", {**saving, "max_steps": 4})
    first.train()
    again = {**saving, "restore_callback_states_from_checkpoint": True}
    second, callback = watched("run", again)
    second.train(resume_from_checkpoint=str(tmp_path / "run/checkpoint-4"))
    assert list(seen(second)) == [0, 2, 4, 6, 8]
    assert [row["step"] for row in callback.measured] == [0, 2, 4, 6, 8]


def test_a_checkpoint_of_a_training_without_it_is_gone_on_from(
    make: Make, watched: Make, tmp_path: Path
) -> None:
    make("run", save_strategy="steps", save_steps=4, max_steps=4).train()
    trainer, _ = watched("run", {"save_strategy": "steps", "save_steps": 4})
    trainer.train(resume_from_checkpoint=str(tmp_path / "run/checkpoint-4"))
    assert list(seen(trainer)) == [6, 8]
    state = json.loads((tmp_path / "run/checkpoint-8/trainer_state.json").read_text())
    told = state["stateful_callbacks"]["PTSTCallback"]["attributes"]["remembered"]
    assert [row["step"] for row in told["measured"]] == [6, 8]


def test_numbers_of_an_earlier_training_go_aside(watched: Make, tmp_path: Path) -> None:
    for _ in range(2):
        trainer, callback = watched(max_asr=1.0, every=8)
        trainer.train()
    assert (tmp_path / "run/ptst.1/best/best.json").is_file()
    assert len(list(callback.folder.glob("cells/*"))) == 4


# Wrong


@pytest.mark.parametrize(("settings", "told"), [
    ({"every": 0}, "PTSTCallback: every: Input should be greater than 0, got 0"),
    ({"evry": 5}, "did you mean 'every'?"),
    ({"sets": ["advbnch"]}, "unknown set 'advbnch' in PTSTCallback; did you mean 'advbench'?"),
    ({"templates": ["CX"]}, "unknown prompt template 'CX'"),
    ({"judge": "keyword"}, "did you mean 'keywords'?"),
    ({"judge": "keywords:zuo"}, "did you mean 'zou'?"),
    ({"limit": 0}, "limit: Input should be greater than 0"),
    ({"max_asr": 5}, "max_asr: Input should be less than or equal to 1"),
    ({"gen_kwargs": {"max_new_tokens": 5}}, "write 'max_gen_toks'"),
    ({"gen_kwargs": {"max_gen_toks": 5000}}, "new ones exceed the model's 2048"),
    ({"stop": True}, "stop does nothing without max_asr"),
    ({"sets": "organism_benign", "max_asr": 0.1}, "none of sets ['organism_benign'] is a harmful"),
    ({"max_asr": 0.1, "best_by": "eval_loss"}, "the trainer evaluates nothing"),
    ({"max_asr": 0.1, "best_by": "ptst/organism_forbidden/CL/as"}, "did you mean"),
    ({"options": {"prefil": "x"}}, "did you mean 'prefill'?"),
    ({"output": __file__}, "cannot be written"),
])  # fmt: skip
def test_what_is_wrong_is_one_line_before_training(
    make: Make, settings: dict[str, Any], told: str
) -> None:
    from adapters_train import PTSTCallback
    from ptst_tasks.errors import PTSTError

    with pytest.raises(PTSTError) as error:
        PTSTCallback(make(), **{**SETS, **settings})
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_tokenizer_without_a_chat_template(make: Make) -> None:
    from adapters_train import PTSTCallback
    from ptst_tasks.errors import ChatFormatError

    trainer = make()
    trainer.processing_class.chat_template = None
    with pytest.raises(ChatFormatError, match="has no chat template"):
        PTSTCallback(trainer, **SETS)
    PTSTCallback(trainer, **SETS, templates="TV")  # text needs none


def test_it_wants_the_trainer() -> None:
    from adapters_train import PTSTCallback

    with pytest.raises(ConfigError, match=r"trainer.add_callback\(PTSTCallback\(trainer"):
        PTSTCallback(every=3)


def test_nothing_measured_is_told(watched: Make, caplog: pytest.LogCaptureFixture) -> None:
    trainer, _ = watched(every=100, at_start=False, at_end=False)
    trainer.train()
    assert "nothing was measured: the training had 8 steps, and every is 100" in caplog.text


def test_two_that_write_into_one_folder(make: Make, tmp_path: Path) -> None:
    from adapters_train import PTSTCallback

    trainer = make()
    for output in (None, tmp_path / "run/../run/ptst"):
        trainer.add_callback(PTSTCallback(trainer, **SETS, output=output))
    with pytest.raises(ConfigError, match="two write into"):
        trainer.train()


def test_two_with_folders_of_their_own_go_on_each_from_its_own(make: Make, tmp_path: Path) -> None:
    from adapters_train import PTSTCallback

    def begun(steps: int) -> Any:
        trainer = make("run", save_strategy="steps", save_steps=2, max_steps=steps)
        both = [PTSTCallback(trainer, **{**SETS, "sets": name}, every=every, at_start=False,
                             output=tmp_path / name)
                for name, every in (("organism_forbidden", 2), ("organism_benign", 4))]  # fmt: skip
        for one in both:
            trainer.add_callback(one)
        return trainer, both

    begun(4)[0].train()
    trainer, both = begun(8)
    trainer.train(resume_from_checkpoint=str(tmp_path / "run/checkpoint-4"))
    assert [[row["step"] for row in one.measured] for one in both] == [[2, 4, 6, 8], [4, 8]]
