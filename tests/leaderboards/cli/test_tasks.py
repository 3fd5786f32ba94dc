from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from leaderboards.cli.app import main
from ptst_tasks import TASKS_DIR
from ptst_tasks.errors import ConfigError
from tests.support import ptst as cli


def ptst(*args: str) -> int:
    """Runs the command in this process and returns its exit code."""
    with pytest.raises(SystemExit) as e:
        main(list(args))
    return int(e.value.code or 0)


def error(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a fault is allowed to print."""
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("ptst: error: ")
    return lines[0]


def test_path(capsys: pytest.CaptureFixture[str]) -> None:
    assert ptst("path") == 0
    assert Path(capsys.readouterr().out.strip()) == TASKS_DIR


def test_tasks_by_set_and_template(capsys: pytest.CaptureFixture[str]) -> None:
    assert ptst("tasks", "--set", "gsm8k", "--set", "xstest", "--template", "CL") == 0
    assert capsys.readouterr().out.strip() == "ptst_gsm8k_chat_llama,ptst_xstest_chat_llama"
    assert ptst("tasks") == 0
    names = capsys.readouterr().out.strip().split(",")
    assert len(names) == 19 * 9 + 3 * 5  # gated and custom sets only on request
    assert all(n.startswith("ptst_") for n in names)


def test_available_keeps_what_can_be_loaded(
    capsys: pytest.CaptureFixture[str],
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    assert ptst("tasks", "--available", "--template", "TV") == 0
    out = capsys.readouterr()
    assert len(out.out.split(",")) == 27 + ("ifeval" in out.out)
    assert ("ifeval" in out.out) != ("left out: the set ifeval needs" in out.err)
    (tmp_path / "gsm8k").symlink_to(data_dir / "gsm8k")
    monkeypatch.setenv("PTST_DATA_DIR", str(tmp_path))
    assert ptst("tasks", "--available", "--template", "TV") == 0
    out = capsys.readouterr()
    assert "ptst_gsm8k_text_vanilla" in out.out
    assert "advbench" not in out.out
    assert "left out: data set 'advbench' was not found" in out.err


def test_tables(capsys: pytest.CaptureFixture[str], data_dir: Path) -> None:
    assert ptst("templates", "--style", "openai") == 0
    assert "Table 10" in capsys.readouterr().out
    assert ptst("datasets", "--check") == 0
    out = capsys.readouterr().out
    assert "vfleaking/DirectHarm4" in out
    assert "LLM-Tuning-Safety/HEx-PHI (gated)" in out


def test_validate_shows_text_and_token_ids(
    capsys: pytest.CaptureFixture[str], data_dir: Path, tiny_model: Path
) -> None:
    args = ("--set", "gsm8k", "--template", "CV", "--tokenizer", str(tiny_model))
    assert ptst("validate", *args) == 0
    out = capsys.readouterr().out
    assert "[INST] Question: What is 0 + 1? [/INST]" in out
    assert "[0, " in out  # one BOS
    assert ptst("validate", "--set", "gsm8k") == 0
    assert (
        "9 tasks are fine; 7 chat tasks not rendered: pass --tokenizer" in capsys.readouterr().out
    )


def test_own_templates_become_tasks(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    data_dir: Path,
) -> None:
    file = tmp_path / "my.yaml"
    file.write_text('- name: text:terse\n  abbr: TT\n  user: "{input} ->"\n')
    assert ptst("tasks", "--write", str(tmp_path / "tasks")) == 2
    assert "$PTST_TEMPLATES" in error(capsys)
    monkeypatch.setenv("PTST_TEMPLATES", str(file))
    assert ptst("tasks", "--write", str(tmp_path / "tasks")) == 0
    from ptst_tasks.validate import load_tasks, preview

    (task,) = load_tasks(["ptst_gsm8k_text_terse"], folder=tmp_path / "tasks").values()
    assert preview(task, "", None)[0].text == "What is 0 + 1? ->"


def test_own_sets_become_tasks(tmp_path: Path) -> None:
    (tmp_path / "sets.yaml").write_text("mine: {path: my.csv, kind: harmless}\n")
    out = tmp_path / "tasks"
    done = cli("tasks", "--custom", tmp_path / "sets.yaml", "--write", out)
    assert done.exit_code == 2
    assert "my.csv" in done.output  # it is not there, which is said before a model is loaded
    assert not out.exists()
    (tmp_path / "my.csv").write_text("prompt\nHow do I kill a process?\n")
    (tmp_path / "odd.yaml").write_text("mine: {path: my.csv, kind: harmless, judge: keyword}\n")
    done = cli("tasks", "--custom", tmp_path / "odd.yaml", "--write", out)
    assert "did you mean 'keywords'?" in done.output
    args = ("tasks", "--custom", tmp_path / "sets.yaml", "--write", out, "--template", "CV")
    done = cli(*args, "--json", "-")
    assert json.loads(done.stdout) == [
        {"task": "ptst_mine_chat_vanilla", "set": "mine", "template": "chat:vanilla"}
    ]
    assert [file.name for file in out.rglob("*.yaml")] == ["chat_vanilla.yaml"]
    done = cli("tasks", "--custom", tmp_path / "sets.yaml", "--write", out)
    assert "9 tasks written" in done.stdout


def test_tasks_of_a_set_that_is_no_longer_named_are_not_left(tmp_path: Path) -> None:
    """They stayed where lm_eval finds them, with the file that they had."""
    (tmp_path / "my.csv").write_text("prompt\nHow do I kill a process?\n")
    file, out = tmp_path / "sets.yaml", tmp_path / "tasks"
    args = ("tasks", "--custom", file, "--write", out)
    file.write_text("mine: {path: my.csv, kind: harmless}\n")
    (out / "other").mkdir(parents=True)
    (out / "other/task.yaml").write_text("task: anybody's\n")
    assert [cli(*args).exit_code for _ in range(2)] == [0, 0]
    file.write_text("mine: {path: my.csv, kind: harmful}\n")
    done = cli(*args, "--template", "CV")
    assert done.exit_code == 2
    assert "a set 'mine', as it was said before" in " ".join(done.output.split())
    file.write_text("renamed: {path: my.csv, kind: harmless}\n")
    done = cli(*args)
    assert done.exit_code == 2
    assert "a set 'mine', which is not named now" in " ".join(done.output.split())
    assert not (out / "renamed").exists()
    shutil.rmtree(out / "mine")
    assert cli(*args).exit_code == 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["tasks", "--custom", "x.yaml"], "are written with --write DIR"),
        (["tasks", "--custom", "x.yaml", "--write", "w", "--set", "gsm8k"], "leave out --set"),
        (["tasks", "--custom", "/no/x.yaml", "--write", "w"], "--custom '/no/x.yaml'"),
        (["validate", "--set", "gsm8k", "--metadata", '{"kind": "harmless"}'], "kind does nothing here"),
        (["tasks", "--set", "gsm9k"], "unknown set 'gsm9k'; did you mean 'gsm8k'?"),
        (["tasks", "--template", "chat:lama"], "did you mean 'chat:llama'?"),
        (["templates", "--style", "opnai"], "did you mean 'openai'?"),
        (["validate", "--set", "gsm8k", "--metadata", "{"], "--metadata is not JSON"),
        (["validate", "--set", "gsm8k", "--metadata", "[]"], "expected a JSON object"),
        (["validate", "--set", "gsm8k", "--metadata", '{"style": "x"}'], "unknown style 'x'"),
        (["validate", "--set", "gsm8k", "--tokenizer", "/nowhere"], "the tokenizer '/nowhere'"),
        (["eval", "--model", "hf", "--tasks", "ptst_gsm8k_chat_lama"], "did you mean"),
        (["eval", "--model", "hf"], "no --tasks"),
        (["eval", "--model", "hf", "--tasks", "ptst_gsm8k_text_vanilla", "--num_fewshot", "2"],
         "ptst tasks are zero-shot"),  # it ran with 0 shots, and the word was in a log nobody sees
        (["eval", "--model", "hf", "--tasks", "ptst_gsm8k_text_vanilla",
          "--metadata", '{"judge": "keywords"}'], "judge does nothing here"),
        (["validate", "--set", "gsm8k", "--metadata", '{"prefill": true}'], "prefill does nothing here"),
        (["validate", "--set", "gsm8k", "--metadata", '{"column": "q"}'], "column does nothing here"),
        (["validate", "--set", "gsm8k", "--metadata", '{"seed": 1}'], "unknown option 'seed'"),
        (["tasks", "--write", "x", "--set", "gsm8k"], "leave out --set, --template and --available"),
        (["eval", "--model", "hf", "--tasks", "ptst_gsm8k_chat_llama"], "needs --apply_chat_template"),
        (
            ["eval", "--model", "local-chat-completions", "--tasks", "ptst_gsm8k_text_vanilla",
             "--apply_chat_template"],
            "takes messages, not this prompt as text",
        ),
    ],
)  # fmt: skip
def test_a_fault_is_one_line_and_exit_code_2(
    args: list[str], message: str, capsys: pytest.CaptureFixture[str], data_dir: Path
) -> None:
    assert ptst(*args) == 2
    assert message in error(capsys)


def test_a_model_without_a_chat_template_is_found_before_it_is_loaded(
    capsys: pytest.CaptureFixture[str], data_dir: Path, tmp_path: Path
) -> None:
    from tests.support import byte_tokenizer

    byte_tokenizer(None).save_pretrained(tmp_path)  # a tokenizer alone: loading a model would fail
    args = ["--model_args", f"pretrained={tmp_path}", "--tasks", "ptst_gsm8k_chat_llama"]
    assert ptst("eval", "--model", "hf", *args, "--apply_chat_template") == 2
    assert "has no chat template" in error(capsys)


def test_every_table_is_json_too(data_dir: Path, tiny_model: Path, tmp_path: Path) -> None:
    """`-` leaves standard output to the JSON; a file leaves it to what is printed as ever."""
    done = cli("tasks", "--set", "gsm8k", "--template", "CL", "--json", "-")
    assert json.loads(done.stdout) == [
        {"task": "ptst_gsm8k_chat_llama", "set": "gsm8k", "template": "chat:llama"}
    ]
    done = cli("tasks", "--set", "gsm8k", "--template", "CL", "--json", tmp_path / "t.json")
    assert done.stdout == "ptst_gsm8k_chat_llama\n"
    assert len(json.loads((tmp_path / "t.json").read_text())) == 1
    rows = json.loads(cli("templates", "--style", "openai", "--json", "-").stdout)
    assert {"name": "chat:llama", "abbr": "CL"}.items() <= rows[4].items()
    asked = [r for r in json.loads(cli("datasets", "--json", "-").stdout) if r["use"] == "asked"]
    rows = {r["set"]: r for r in asked}
    assert rows["gsm8k"]["file"] == str(data_dir / "gsm8k/test.jsonl")
    assert rows["hexphi"]["source"] == "LLM-Tuning-Safety/HEx-PHI (gated)"
    done = cli(
        "validate", "--set", "gsm8k", "--template", "CV", "--tokenizer", tiny_model, "--json", "-"
    )
    said = json.loads(done.stdout)
    assert said["tasks"] == ["ptst_gsm8k_chat_vanilla"]
    assert said["shown"][0]["text"].startswith("[INST] Question: What is 0 + 1?")
    assert said["shown"][0]["ids"]
    assert "1 tasks are fine" in done.stderr


def test_a_check_of_data_names_what_is_damaged(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("gsm8k", "medqa"):
        (tmp_path / name).symlink_to(data_root / name)
    (tmp_path / "advbench").mkdir()
    (tmp_path / "advbench/test.csv").write_text('Goal\n"never closed')
    monkeypatch.setenv("PTST_DATA_DIR", str(tmp_path))
    done = cli("datasets", "--check", "--json", "-")
    assert done.exit_code == 2  # what is merely not here is no damage
    assert "damaged: advbench (" in done.stderr
    rows = {r["set"]: r for r in json.loads(done.stdout) if r["use"] == "asked"}
    assert rows["gsm8k"]["rows"] == 4
    assert "never closed" in rows["advbench"]["error"]
    assert "was not found" in rows["hexphi"]["error"]


def test_quiet_commands_say_nothing(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gsm8k").symlink_to(data_root / "gsm8k")
    monkeypatch.setenv("PTST_DATA_DIR", str(tmp_path))
    done = cli("validate", "--template", "TV", "-q")
    assert (done.exit_code, done.output) == (0, "")
    done = cli("tasks", "--available", "--template", "TV", "--quiet")
    assert done.stdout.startswith("ptst_gsm8k_text_vanilla,ptst_em_first_plot")
    assert done.stderr == ""


def test_templates_of_ones_own_are_validated_without_a_folder_of_tasks(
    data_dir: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ptst validate` knew no task of theirs: "unknown task 'ptst_gsm8k_chat_x'"."""
    (tmp_path / "my.yaml").write_text(
        "- {name: 'chat:x', abbr: CX, user: '{0} {{ {input} {input.__class__} %s'}\n"
    )
    monkeypatch.setenv("PTST_TEMPLATES", str(tmp_path / "my.yaml"))
    done = cli("validate", "--set", "gsm8k", "--template", "CX", "--tokenizer", tiny_model)
    assert done.exit_code == 0
    assert "{0} {{ What is 0 + 1? {input.__class__} %s" in done.stdout
    done = cli("tasks", "--write", tmp_path / "two words")
    assert f"--include_path '{tmp_path}/two words' --tasks" in done.stdout
    done = cli("tasks", "--write", tmp_path / "w", "--json", "-")
    assert {"task": "ptst_gsm8k_chat_x", "set": "gsm8k", "template": "chat:x"} in json.loads(
        done.stdout
    )


def test_completion_names_the_commands() -> None:
    script = "import sys; sys.argv = ['ptst']; from leaderboards.cli.app import main; main()"
    env = {
        **os.environ,
        "_PTST_COMPLETE": "complete_bash",
        "COMP_WORDS": "ptst ",
        "COMP_CWORD": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, env=env
    )
    assert {"run", "eval", "check", "tasks"} <= set(done.stdout.split())
    assert "--show-completion" in cli("--help").stdout


def test_stock_lm_eval_with_shots_is_refused(data_dir: Path, tiny_model: Path) -> None:
    """It ran with 0 shots: a YAML's `num_fewshot: 0` made lm_eval drop the option."""
    import lm_eval

    for shots in (None, 0, 2):
        run = functools.partial(
            lm_eval.simple_evaluate, "hf", {"pretrained": str(tiny_model)}, ["ptst_gsm8k_text_vanilla"],
            num_fewshot=shots, limit=1, device="cpu", gen_kwargs={"max_gen_toks": 2}, bootstrap_iters=0,
            task_manager=lm_eval.tasks.TaskManager(include_path=str(TASKS_DIR), include_defaults=False),
        )  # fmt: skip
        if shots:
            with pytest.raises(ConfigError, match="ptst tasks are zero-shot"):
                run()
        else:
            assert run()["n-shot"]["ptst_gsm8k_text_vanilla"] == 0


def test_eval_is_lm_eval(data_dir: Path, tiny_model: Path, tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "leaderboards", "eval", "--model", "hf",
        "--model_args", f"pretrained={tiny_model}", "--tasks", "ptst_gsm8k_*,ptst_medqa_gen_chat_mpt",
        "--apply_chat_template", "--limit", "1", "--gen_kwargs", "max_gen_toks=4",
        "--output_path", str(tmp_path), "--log_samples",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    (results,) = tmp_path.rglob("results_*.json")
    data = json.loads(results.read_text())
    assert len(data["results"]) == 10
    record = data["configs"]["ptst_gsm8k_chat_llama"]["metadata"]["ptst"]
    assert record["template"] == "chat:llama"
    assert record["chat_template"]["system_role"] is True


def test_validate_says_what_of_a_file_is_not_used(tmp_path: Path) -> None:
    talk = [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hi."}]
    (tmp_path / "mine.json").write_text(json.dumps([{"messages": talk}]))
    custom = json.dumps({"custom": str(tmp_path / "mine.json")})
    args = ["validate", "--set", "custom", "--template", "TV", "--metadata", custom]
    done = cli(*args)
    assert done.exit_code == 0, done.output
    assert "mine.json: the answers of the file are not used" in done.stdout
    assert "Question: Hi?" in done.stdout
    done = cli(*args, "--json", tmp_path / "out.json")
    [(file, notes)] = json.loads((tmp_path / "out.json").read_text())["data"].items()
    assert file == str(tmp_path / "mine.json")
    assert len(notes) == 1
