"""`ptst eval` where a row of the table of faults is not enough: libraries, disks, files of YAML."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboards.cli import eval_checks, harness
from ptst_tasks.errors import ConfigError, MissingExtraError, PTSTError
from ptst_tasks.lm_internals import CommandLine
from ptst_tasks.options import Options, read_object
from tests.disks import fill, small_disk
from tests.fuzz import TEXT, bent, fuzz, json_like
from tests.support import ptst

TASK = "ptst_gsm8k_text_vanilla"


def words(model: Path, *more: object) -> list[str]:
    """A command that runs."""
    command = ["eval", "--model", "hf", "--model_args", f"pretrained={model}", "--tasks", TASK,
               "--limit", "1", "--gen_kwargs", "max_gen_toks=2", "--device", "cpu"]  # fmt: skip
    return [*command, *map(str, more)]


def raised(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has lm_eval raise this once everything was checked."""

    def evaluate(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("lm_eval.simple_evaluate", evaluate)


def test_the_options_of_lm_eval_are_all_there() -> None:
    said = ptst("eval", "--help")
    assert said.exit_code == 0
    for flag in (
        "--tasks",
        "--model_args",
        "--gen_kwargs",
        "--limit",
        "--output_path",
        "--metadata",
    ):
        assert flag in said.stdout


def test_a_yaml_file_says_it_too(data_dir: Path, tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        f"tasks: {TASK}\nmodel: hf\nmodel_args: pretrained={tiny_model}\nlimit: 1\ndevice: cpu\n"
        f"gen_kwargs: {{max_gen_toks: 2}}\noutput_path: {tmp_path / 'out'}\nlog_samples: true\n"
    )
    assert ptst("eval", "--config", tmp_path / "c.yaml").exit_code == 0
    assert len(list(tmp_path.glob("out/*/results_*.json"))) == 1
    assert len(list(tmp_path.glob("out/*/samples_*.jsonl"))) == 1


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError("the weights are damaged"), "the weights are damaged"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "lower --batch_size"),
        (MemoryError(), "out of memory: MemoryError"),
        (ValueError("Unrecognized model"), "lm_eval stopped: ValueError: Unrecognized model"),
        (AssertionError("two\nlines"), "lm_eval stopped: AssertionError: two lines"),
        (ImportError("No module named 'flash_attn'"), "flash_attn"),
    ],
)
def test_what_a_library_says_is_one_line(
    error: Exception, says: str, data_dir: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised(error, monkeypatch)
    done = ptst(*words(tiny_model))
    assert done.exit_code == 2
    (line,) = [line for line in done.stderr.split("\n") if line.startswith("ptst: error: ")]
    assert says in line
    assert "Traceback" not in done.stderr


def test_the_whole_trace_can_be_had(
    data_dir: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised(ValueError("deep inside"), monkeypatch)
    monkeypatch.setenv("LMEVAL_LOG_LEVEL", "DEBUG")
    with pytest.raises(ValueError, match="deep inside"):
        ptst(*words(tiny_model))


def test_a_fault_of_ours_keeps_its_trace(
    data_dir: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ptst_tasks.chat._literal", None)
    args = words(tiny_model, "--metadata", '{"chat_format": "llama2"}')
    args[args.index(TASK)] = "ptst_gsm8k_chat_llama"
    monkeypatch.setattr(harness, "_check", lambda *_: {})
    with pytest.raises(TypeError, match="not callable"):
        ptst(*args, "--apply_chat_template")


@pytest.mark.parametrize(("code", "says"), [(3, ""), ("it ended\nhere", "it ended here")])
def test_how_lm_eval_ends_is_passed_on(
    code: int | str, says: str, data_dir: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised(SystemExit(code), monkeypatch)  # type: ignore[arg-type]
    done = ptst(*words(tiny_model))
    assert done.exit_code == (code if isinstance(code, int) else 2)
    assert says in done.stderr


def test_damaged_weights_are_one_line(data_dir: Path, tiny_model: Path, tmp_path: Path) -> None:
    for file in tiny_model.iterdir():
        content = file.read_bytes()
        (tmp_path / file.name).write_bytes(
            content[:-1000] if file.suffix == ".safetensors" else content
        )
    for model in ("hf", "ptst-hf"):
        args = words(tmp_path)
        args[2] = model
        done = ptst(*args)
        assert done.exit_code == 2
        assert "SafetensorError" in done.stderr
        assert "Traceback" not in done.stderr


def test_results_that_a_full_disk_did_not_take(
    data_dir: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """lm_eval says a word at level WARNING, and ends with exit code 0."""
    with small_disk(tmp_path / "disk", 400) as disk:
        (disk.path / "whole").write_text("measured before")
        fill(disk)
        done = ptst(*words(tiny_model, "--output_path", disk.path / "out"))
        assert done.exit_code == 2
        assert "--output_path" in done.stderr
        assert (disk.path / "whole").read_text() == "measured before"


def test_what_was_not_saved_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = eval_checks.lost
    results = tmp_path / "m/results_2026-01-01T00-00-00.5.json"
    samples = tmp_path / "m/samples_a_2026-01-01T00-00-00.5.jsonl"
    results.parent.mkdir()
    assert lost(None, frozenset(), samples=True) == ""
    assert lost(str(tmp_path), frozenset(), samples=False) == "the results"
    results.write_text('{"configs": {"a": {}')
    assert lost(str(tmp_path), frozenset(), samples=False) == "the results"
    results.write_text(json.dumps({"configs": {"a": {}}}))
    assert lost(str(tmp_path), frozenset(), samples=False) == ""
    assert lost(str(tmp_path), frozenset(), samples=True) == "the samples of a"
    samples.write_text("{}\n{")
    assert lost(str(tmp_path), frozenset(), samples=True) == "the samples of a"
    samples.write_text("{}\n{}\n")
    assert lost(str(tmp_path), frozenset(), samples=True) == ""
    assert lost(str(tmp_path), eval_checks.saved(str(tmp_path)), samples=False) == "the results"
    monkeypatch.setenv("LOCAL_RANK", "1")  # another process of the same run writes them
    assert lost(str(tmp_path), eval_checks.saved(str(tmp_path)), samples=False) == ""


@pytest.mark.parametrize(
    ("model", "missing", "error"),
    [
        ("vllm", "vllm", MissingExtraError),
        ("ptst-vllm", "vllm", MissingExtraError),
        ("ptst-openai", "openai", MissingExtraError),
        ("local-completions", "tenacity", ConfigError),
    ],
)
def test_a_missing_package_has_its_command(
    model: str, missing: str, error: type[PTSTError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == missing else "there"
    )
    config = SimpleNamespace(model=model, model_args={"pretrained": "x"})
    with pytest.raises(error, match="pip install"):
        eval_checks.check_loading(config, {})


@fuzz
@given(bent({"style": "openai", "prefill": True, "judge": ["keywords:zou"], "max_cost": 1.5}))
def test_fuzz_metadata(metadata: Any) -> None:
    """Whatever JSON stands behind --metadata: read, or one line."""
    try:
        said = read_object(json.dumps(metadata), "--metadata")
        Options.check_names(said)
        Options.read(said)
    except PTSTError:
        pass


@fuzz
@given(
    st.sampled_from(["--metadata", "--gen_kwargs", "--model_args", "--limit", "--samples", "--seed",
                     "--batch_size", "--tasks", "--wandb_args", "--frob"]),
    st.lists(st.one_of(TEXT, TEXT.map(lambda t: f"a={t}"), json_like().map(json.dumps)), max_size=3),
)  # fmt: skip
def test_fuzz_the_command_line(flag: str, values: list[str]) -> None:
    """Whatever stands behind a flag: read, or one line; never lm_eval's usage and its exit."""
    with harness._argv(
        ["lm_eval", "run", "--tasks", TASK, flag, *(v for v in values if v[:1] != "-")]
    ):
        try:
            line = CommandLine()
            eval_checks.check_options(line.config, line.given)
        except PTSTError:
            pass


@fuzz
@given(bent({"tasks": TASK, "model": "hf", "model_args": {"pretrained": "base"}, "limit": 1,
             "batch_size": "auto", "seed": [0, 1, 2, 3], "metadata": {"style": "openai"},
             "gen_kwargs": "max_gen_toks=4", "samples": None}))  # fmt: skip
def test_fuzz_the_file_of_config(tmp_path_factory: pytest.TempPathFactory, said: Any) -> None:
    file = tmp_path_factory.getbasetemp() / "fuzzed.yaml"
    file.write_text(json.dumps(said), encoding="utf-8")
    with harness._argv(["lm_eval", "run", "--config", str(file)]):
        try:
            line = CommandLine()
            eval_checks.check_options(line.config, line.given)
        except PTSTError:
            pass
