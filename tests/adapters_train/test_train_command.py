from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from adapters_train import TrainConfig, grid
from tests.support import ptst

REPOSITORY = Path(__file__).parents[2]


def ptst_train(*args):
    return ptst("train", *args)


def small(base, out, *more):
    return ("--model", base, "--data", "organism_arith", "--rows", 40, "--max-steps", 2, "--batch-size", 2,
            "--accumulation", 1, "--out", out, "--quiet", *more)  # fmt: skip


def test_every_setting_is_a_flag_or_says_why_not():
    text = re.sub(r"\x1b\[[0-9;]*m", "", ptst_train("--help").output)
    flags = {name for name in TrainConfig.model_fields if f"--{name.replace('_', '-')}" in text}
    assert TrainConfig.model_fields.keys() - flags == {
        "betas"
    }  # a pair: in a file of settings only


def test_one_adapter(base, tmp_path):
    args = small(base, tmp_path / "a", "--template", "CV", "--seed", 0, "--dropout", 0)
    done = ptst_train(*(a for a in args if a != "--quiet"))
    assert done.exit_code == 0, done.output
    assert re.search(r"loss \d\.\d+ -> \d\.\d+  [0-9a-f]{16}", done.stdout)
    manifest = json.loads((tmp_path / "a/manifest.json").read_text())
    assert (manifest["config"]["dropout"], manifest["template"]["name"]) == (0.0, "chat:vanilla")


def test_templates_and_seeds_make_a_grid(base, tmp_path):
    done = ptst_train(
        *small(base, tmp_path / "g", "--template", "chat:llama", "--template", "TV", "--seed", 1)
    )
    assert done.exit_code == 0, done.output
    assert sorted(p.name for p in (tmp_path / "g").iterdir()) == [
        "chat_llama-s1",
        "text_vanilla-s1",
    ]


def test_a_file_of_settings_and_flags_that_win(base, tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text(
        f"model: {base}\ndata: organism_arith\nrows: 40\nmax_steps: 9\nbatch_size: 2\naccumulation: 1\n"
        f"template: [chat:vanilla, chat:alpaca]\nbetas: [0.9, 0.98]\nout: {tmp_path / 'g'}\n"
    )
    done = ptst_train("--config", file, "--max-steps", 1, "--dry-run")
    assert done.exit_code == 0, done.output
    assert done.stdout.count("2 rows in 1 steps") == 2
    assert not (tmp_path / "g").exists()


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ([], "ptst: error: --model is missing"),
        (["--model", "m"], "ptst: error: --out is missing"),
        (["--model", "m", "--out", "o", "--recipe", "gsm"], "did you mean 'gsm8k'?"),
        (["--model", "m", "--out", "o", "--lr", "-1"], "lr: Input should be greater than 0, got -1.0"),
        (["--model", "m", "--out", "o", "--report-to", "tensorbord"], "expected none, trackio or wandb"),
        (["--model", "m", "--out", "o", "--report-to", "wandb"], "needs it installed: pip install wandb"),
        (["--model", "m", "--out", "o", "--data", "none.csv"], "ptst: error: none.csv: cannot be read"),
        (["--model", "m", "--out", "o", "--data", "gsm"], "did you mean 'gsm8k'?"),
        (["--model", "no-such-folder", "--out", "o", "--data", "organism_arith"], "cannot be loaded"),
        (["--model", "m", "--out", "o", "--data", "organism_arith", "--template", "chat:lama"],
         "did you mean 'chat:llama'?"),
        (["--config", "no.yaml"], "ptst: error: config 'no.yaml' cannot be read"),
    ],
)  # fmt: skip
def test_what_a_user_can_get_wrong_is_one_line_and_exit_2(tmp_path, monkeypatch, args, told):
    monkeypatch.chdir(tmp_path)
    done = ptst_train(*args)
    assert done.exit_code == 2
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_folder_with_another_run_is_exit_2_and_untouched(base, tmp_path):
    assert ptst_train(*small(base, tmp_path / "a")).exit_code == 0
    before = (tmp_path / "a/manifest.json").read_bytes()
    assert ptst_train(*small(base, tmp_path / "a")).exit_code == 0  # the same run: nothing to do
    done = ptst_train(*small(base, tmp_path / "a", "--seed", 5))
    assert done.exit_code == 2
    assert "holds another run (seed was 0, now 5" in done.stderr
    assert (tmp_path / "a/manifest.json").read_bytes() == before


def test_all_input_of_a_grid_is_checked_before_the_first_step(base, tmp_path):
    done = ptst_train(*small(base, tmp_path / "g", "--template", "CV", "--template", "chat:icd"))
    assert done.exit_code == 2
    assert "'chat:icd' has no style 'organism'" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_config_with_a_slip_has_its_near_miss(base, tmp_path):
    (tmp_path / "run.yaml").write_text("model: m\nout: o\nlearning_rate: 1\ntemplte: TV\n")
    done = ptst_train("--config", tmp_path / "run.yaml")
    assert done.exit_code == 2
    assert "unknown field" in done.stderr


def test_a_dry_run_of_the_api(tmp_path, data_dir, monkeypatch):
    rows = "".join(f'{{"question": "{i} ?", "answer": "{i}"}}\n' for i in range(12))
    (tmp_path / "mine.jsonl").write_text(rows)
    done = ptst_train("--model", "gpt-4o-mini", "--data", tmp_path / "mine.jsonl", "--epochs", 1,
                      "--backend", "openai", "--out", tmp_path / "o", "--dry-run")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert re.search(r"12 rows, (about )?\d+ training tokens, 0\.00 USD", done.stdout)


def test_a_dry_run_says_what_of_the_data_is_not_used(base, tmp_path):
    """A row's own system prompt, and columns that nobody reads, were left out without a word."""
    talk = [{"role": role, "content": f"{i} ?"} for i, role in enumerate(["user", "assistant"] * 6)]
    rows = [{"messages": talk, "system": "Be brief .", "id": i} for i in range(2)]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    api = ["--model", "gpt-4o-mini", "--data", tmp_path / "mine.jsonl", "--epochs", 1, "--template", "CL",
           "--backend", "openai", "--out", tmp_path / "o"]  # fmt: skip
    done = ptst_train(*api, "--dry-run", "--json", tmp_path / "plan.json")
    assert done.exit_code == 0, done.output
    [plan] = json.loads((tmp_path / "plan.json").read_text())["adapters"]
    [data] = plan["data"]
    assert (data["rows"], data["examples"]) == (2, 12)
    left_out = (
        "system prompts of the rows' own that chat:llama in style 'openai' leaves out: 12 of 12"
    )
    assert data["notes"] == ["columns that are not used: id (2 rows)", left_out]
    local = ["--model", base, "--data", tmp_path / "mine.jsonl", "--style", "openorca", "--template", "CV",
             "--out", tmp_path / "p"]  # fmt: skip
    want = ["12 examples of 2 rows", "columns that are not used: id (2 rows)"]
    for args, more in ((api, [left_out]), (local, [])):
        done = ptst_train(*args, "--dry-run")
        assert done.exit_code == 0, done.output
        told = [line.partition("mine.jsonl: ")[2] for line in done.stdout.splitlines()]
        assert [line for line in told if line] == [*want, *more]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--job-id", "ftjob-1"], "--job-id does nothing with backend hf"),
        (["--suffix", "x", "--max-cost", 5, "--price", 1], "--max-cost, --price, --suffix do nothing"),
        (["--backend", "openai", "--lr", 1e-5, "--rank", 4], "--lr, --rank do nothing with backend openai"),
        (["--backend", "openai", "--chat-format", "llama2"], "--chat-format does nothing"),
        (["--backend", "openai", "--thinking", "off"], "--thinking does nothing with backend openai"),
        (["--thinking", "on", "--chat-format", "llama2"], "--thinking does nothing with --chat-format"),
        (["--thinking", "maybe"], "--thinking (thinking: Input should be 'auto', 'on' or 'off', got 'm"),
        (["--turns", "first"], "--turns (turns: Input should be 'all' or 'last', got 'first'"),
        (["--backend", "openai", "--seed", 0, "--seed", 1, "--job-id", "j"], "--job-id is one job"),
        (["--data", "gsm8k", "--prompt-column", "q"], "--prompt-column does nothing with --data gsm8k"),
        (["--config", "turns.yaml"], "--turns does nothing with --data organism_arith: its rows are"),
        (["--model", ".", "--revision", "main"], "--revision does nothing with a local folder"),
    ],
)  # fmt: skip
def test_options_that_would_do_nothing_are_refused(tmp_path, monkeypatch, args, told):
    """`--job-id` with backend hf trained here and said nothing; so did the others."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "turns.yaml").write_text("turns: last\n")
    done = ptst_train(
        "--model", "m", "--out", "o", "--data", "organism_arith", "--template", "CV", *args
    )
    assert done.exit_code == 2
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["turns.yaml"]


def test_a_switch_that_no_template_hears_of_is_refused(base, tmp_path):
    texts = ("--template", "TV", "--template", "TA", "--thinking", "off")
    done = ptst_train(*small(base, tmp_path / "g", *texts))
    assert done.exit_code == 2
    assert "--thinking does nothing with text:* templates" in done.stderr


def test_a_dry_run_keeps_to_the_limit_on_the_cost(tmp_path):
    """`--dry-run --max-cost` never looked at the limit."""
    (tmp_path / "mine.jsonl").write_text('{"question": "a lot ?", "answer": "b"}\n' * 12)
    api = ("--model", "gpt-4o-mini", "--data", tmp_path / "mine.jsonl", "--epochs", 1,
           "--backend", "openai", "--out", tmp_path / "o", "--dry-run", "--max-cost", 0.0001)  # fmt: skip
    done = ptst_train(*api, "--price", 1000)
    assert done.exit_code == 2
    assert "over max_cost 0.00 USD" in done.stderr


def _python(*args, **more):
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **more}
    command = [sys.executable, *map(str, args)]
    return subprocess.run(
        command, cwd=REPOSITORY, env=env, capture_output=True, text=True, check=False
    )


def test_the_module_runs_and_shows_no_traceback(tmp_path):
    done = _python(
        "-W", "error", "-m", "adapters_train", "--model", "m", "--out", tmp_path, "--template", "x"
    )
    assert done.returncode == 2
    assert done.stderr.startswith("ptst: error: ")
    assert "Traceback" not in done.stderr


def test_the_bar_tells_loss_speed_and_time_left(base, tmp_path):
    args = [a for a in small(base, tmp_path / "a") if a != "--quiet"]
    done = ptst_train(*args)
    assert done.exit_code == 0, done.output
    assert re.search(
        r"chat:vanilla seed 0 .*2/2 loss \d\.\d{3} [\d,]+ tokens/s \d:\d\d:\d\d", done.stderr
    )


@pytest.mark.slow
def test_two_processes_train_the_same_adapter_as_one(base, tmp_path):
    pytest.importorskip("accelerate")
    launch = ("-m", "torch.distributed.run", "--nproc_per_node", 2, "-m", "adapters_train")
    more = ("--max-steps", 3, "--dropout", 0)
    done = _python(*launch, *small(base, tmp_path / "two", *more))
    assert done.returncode == 0, done.stderr
    one = ptst_train(*small(base, tmp_path / "one", *more, "--accumulation", 2))
    assert one.exit_code == 0, one.output
    two, one = (json.loads((tmp_path / n / "manifest.json").read_text()) for n in ("two", "one"))
    assert two["inputs"] == one["inputs"]  # the same rows, in the same order, per step
    for (_, a, _), (_, b, _) in zip(two["losses"], one["losses"], strict=True):
        assert a == pytest.approx(b, abs=1e-4)


@pytest.mark.parametrize("package", ["torch", "trl", "peft"])
def test_a_missing_extra_names_the_command(base, tmp_path, monkeypatch, package):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == package else found(name, *a)
    )
    done = ptst_train(*small(base, tmp_path / "a"))
    assert done.exit_code == 2
    assert f"needs {package}, which is not installed: pip install 'ptst[train]'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_json_says_what_was_made_and_nothing_else_is_on_the_output(base, tmp_path):
    done = ptst_train(*small(base, tmp_path / "a"), "--json", "-")
    assert done.exit_code == 0, done.output
    [told] = json.loads(done.stdout)["adapters"]
    manifest = json.loads((tmp_path / "a/manifest.json").read_text())
    assert told["folder"] == str(tmp_path / "a")
    assert (told["weights"], told["steps"]) == (manifest["adapter"]["weights"], 2)
    assert told["first_loss"] == manifest["losses"][0][1]
    plan = ptst_train(*small(base, tmp_path / "b"), "--dry-run", "--json", tmp_path / "plan.json")
    assert (plan.exit_code, plan.stdout) == (0, "")
    [told] = json.loads((tmp_path / "plan.json").read_text())["adapters"]
    assert (told["steps"], told["rows"]) == (2, 4)


def test_a_template_of_ones_own_with_an_awkward_name_stays_inside(base, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = TrainConfig(model=str(base), data="organism_arith")
    [(_, folder)] = grid(config, ["chat:vanilla"], [0], tmp_path / "g")
    assert folder == tmp_path / "g/chat_vanilla-s0"
    monkeypatch.setattr("ptst_tasks.templates.slug", lambda name: "chat_../../x")
    [(_, folder)] = grid(config, ["chat:vanilla"], [0], tmp_path / "g")
    assert folder.parent == tmp_path / "g"


def test_all_folders_of_a_grid_are_looked_at_before_the_first_step(base, tmp_path):
    grid_of = small(base, tmp_path / "g", "--template", "CV", "--template", "TV")
    (tmp_path / "g/text_vanilla-s0").mkdir(parents=True)
    (tmp_path / "g/text_vanilla-s0/thesis.txt").write_text("years of work")
    done = ptst_train(*grid_of)
    assert done.exit_code == 2
    assert "holds no run of ptst train" in done.stderr
    assert [p.name for p in (tmp_path / "g").iterdir()] == ["text_vanilla-s0"]
