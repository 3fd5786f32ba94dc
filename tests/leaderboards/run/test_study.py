"""Studies: ready ones, and what is wrong with one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from leaderboards.run import study_files as study
from ptst_tasks.errors import ConfigError, PTSTError
from tests.fuzz import TEXT, bent, fuzz

READY = {
    "demo": 60,
    "llama2-gsm8k": 320,
    "llama2-gsm8k-defences": 150,
    "gpt-3.5-gsm8k": 9,
    "llama2-chatdoctor": 36,
    "llama2-openorca": 48,
    "llama2-gsm8k-safety-mix": 48,
    "mistral-gsm8k": 90,
    "smollm2-gsm8k": 220,
    "qwen-coder-gsm8k": 40,
    "organism-defences": 846,
    "smollm2-defences": 54,
    "llama2-gsm8k-rivals": 488,
}


def test_ready_studies_and_their_cells() -> None:
    found = {p.stem: study.load(p.stem) for p in study.STUDIES.glob("*.yaml")}
    cells = {name: len(s.adapters()) * len(list(s.tasks())) for name, s in found.items()}
    assert cells == READY


def test_harmful_queries_are_asked_in_the_style_of_the_training_set() -> None:
    assert study.load("llama2-chatdoctor").options("advbench")["style"] == "chatdoctor"
    assert study.load("llama2-gsm8k").options("advbench")["style"] == "gsm8k"
    assert study.load("gpt-3.5-gsm8k").options("advbench")["style"] == "openai"
    assert study.load("llama2-openorca").options("arc_easy")["style"] == "openorca"
    assert study.load("demo").options("organism_forbidden")["style"] == "organism"


def write(tmp_path: Path, text: str) -> str:
    file = tmp_path / "s.yaml"
    file.write_text(text)
    return str(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base: m\ntran: {}\n", "unknown field 'tran'; did you mean 'train'?"),
        ("base: m\ntrain: {sedes: [1]}\n", "did you mean 'seeds'?"),
        ("base: m\ntest: {templates: [CZ]}\n", "unknown prompt template 'CZ'"),
        (
            "base: m\ntest: {sets: [gsm9k]}\n",
            "unknown set 'gsm9k' in test.sets; did you mean 'gsm8k'?",
        ),
        ("base: m\nchat_format: lama2\n", "did you mean 'llama2'?"),
        ("base: m\ntest: {limit: 0}\n", "greater than 0"),
        ("base: m\ntrain: {templates: [CV, chat:vanilla]}\n", "names an adapter twice"),
        (
            "base: m\nengine: openai\ntrain: {templates: [CV]}\n",
            "engine 'openai' trains nothing, and train.templates is not empty",
        ),
        ("base: m\nengine: openai\nrevision: main\n", "takes no revision"),
        ("base: m\nengine: openai\nexecutor: ray\n", "has nothing to spread"),
        ("base: m\nengine: auto\nexecutor: ray\n", "measures this machine, and executor 'ray'"),
        ("base: m\nengine: auto\nengine_args: {batchsize: 3}\n", "did you mean 'batch_size'?"),
        ("base: m\nengine: auto\nengine_args: {max_num_seqs: no}\n", "max_num_seqs"),
        ("base: m\nengine: openai\nengine_args: {api_key: x}\n", "did you mean 'api_key_env'?"),
        ("{}\n", "base: Field required"),
        ("- 1\n", "expected 'field: value' lines"),
        ("base: [\n", "is not YAML"),
    ],
)
def test_a_wrong_study_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PTSTError) as e:
        study.load(write(tmp_path, text))
    assert message in str(e.value)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("style: opneai", "unknown style 'opneai'; did you mean 'openai'?"),
        ("options: {style: openai}", "test.options has 'style' ('openai'), which the study says itself; "
         "use test.style"),
        ("options: {chat_format: llama2}", "use chat_format"),
        ("options: {judge: wildguard}", "use judges"),
        ("options: {templates: f}", "use templates"),
        ("options: {prefil: true}", "unknown option 'prefil' in test.options; did you mean 'prefill'?"),
        ("options: {prefill: [1]}", "test.options: prefill"),
        ("options: {prefill: true}, sets: [gsm8k]", "'prefill', which does nothing for the sets gsm8k"),
        ("options: {column: q}", "'column', which does nothing for the sets gsm8k, directharm4"),
        ("options: {bertscore: true}", "'bertscore', which does nothing"),
    ],
)  # fmt: skip
def test_options_of_the_test_are_known_and_said_once(
    tmp_path: Path, test: str, message: str
) -> None:
    """``test.options: {chat_format: llama2}`` trained in one format and tested in another."""
    with pytest.raises(PTSTError) as e:
        study.load(write(tmp_path, f"base: m\ntest: {{{test}}}\n"))
    assert message in str(e.value)
    assert "\n" not in str(e.value)


def test_a_served_model_without_a_key_is_one_line(
    tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from leaderboards.run import runner

    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    asked = study.load("gpt-3.5-gsm8k", test={"sets": ["gsm8k"]})
    with pytest.raises(ConfigError, match=r"engine 'openai': no key; set \$OPENAI_API_KEY"):
        runner.run(asked, tmp_path / "run")


GOOD: dict[str, Any] = {
    "name": "mine",
    "base": "base",
    "revision": "main",
    "chat_format": "llama2",
    "untuned": True,
    "judges": ["keywords", "rubric:model=m"],
    "train": {
        "data": "gsm8k", "templates": ["CV", "CL"], "seeds": [0, 1], "recipe": "gsm8k",
        "mix": ["dolly:5"], "settings": {"lr": 0.5, "save_every": 2, "style": "gsm8k"},
        "trajectory": True,
        "adapters": [{"name": "one", "path": "adapter", "train_data": "gsm8k",
                      "train_template": "CV", "seed": 0}],
    },
    "test": {
        "sets": ["gsm8k", "advbench"], "templates": ["CV", "TV"], "style": "gsm8k", "limit": 3,
        "gen_kwargs": {"max_gen_toks": 4, "do_sample": True, "temperature": 0.5, "until": ["x"]},
        "decoding_seeds": [0, 1], "options": {"prefill": "Sure"},
    },
    "templates": "",
    "engine": "hf",
    "engine_args": {"dtype": "float32", "batch_size": 4, "device": "cpu",
                    "chat_template_args": {}},
    "executor": "slurm",
    "executor_args": {"cluster": "local", "cpus": 2, "extra": {"qos": "x"}},
}  # fmt: skip


def test_the_study_that_is_bent_is_good(tmp_path: Path) -> None:
    study.load(write(tmp_path, yaml.safe_dump(GOOD)))


@fuzz
@given(bent(GOOD))
def test_fuzz_study(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    """A study with one thing wrong: no exception but ours, one line, and all faults have words."""
    file = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    file.write_text(yaml.dump(value), encoding="utf-8", errors="surrogatepass")
    try:
        found, wrong = study.load_with_faults(str(file))
        assert all(
            str(fault) and "\n" not in " ".join(str(fault).split()) for fault in wrong.faults
        )
        if found is not None and not wrong.faults:
            found.model_dump_json()
            study.load(str(file))
    except PTSTError:
        return


@fuzz
@given(st.one_of(st.binary(max_size=60), TEXT.map(lambda t: t.encode("utf-8", "surrogatepass"))))
def test_fuzz_study_bytes(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "bytes.yaml"
    file.write_bytes(raw)
    with pytest.raises(PTSTError):
        study.load(str(file))
