"""vLLM's CPU build against the HF engine: `make test-vllm`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leaderboards.board.collect import collect
from leaderboards.board.row import sort_key
from leaderboards.run import runner, study
from ptst_tasks.engines import open_engine
from ptst_tasks.engines.journal import Journal
from ptst_tasks.errors import ConfigError, EngineError
from ptst_tasks.templates import slug
from ptst_tasks.user_templates import active
from ptst_tasks.validate import load_tasks
from tests.support import (
    NEEDS_VLLM,
    VLLM_CPU,
    byte_tokenizer,
    save_adapter,
    save_tiny_model,
    write_data,
)

pytestmark = NEEDS_VLLM
SLUGS = [slug(name) for name in active(None).names()]
ROWS, NEW = 50, 24
CPU = {"dtype": "float32", "max_model_len": 4096, "enforce_eager": True}
HF = {"dtype": "float32", "device": "cpu", "batch_size": 32}


@pytest.fixture(scope="module", autouse=True)
def _environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    for name, value in VLLM_CPU.items():
        patch.setenv(name, value)
    patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    yield
    patch.undo()


@pytest.fixture
def many_rows(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    from ptst_tasks import task

    root = write_data(tmp_path_factory.mktemp("rows"))
    rows = [
        {"question": f"What is {i} + {i * i}?{' Show your work.' * (i % 5)}", "answer": f"#### {i}"}
        for i in range(ROWS)
    ]
    (root / "gsm8k/test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setenv("PTST_DATA_DIR", str(root))
    task._loaded.cache_clear()
    return root


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wide")
    return save_tiny_model(
        folder, byte_tokenizer(), hidden=64, heads=2, spread=0.2, ascii_only=True
    )


@pytest.fixture(scope="module")
def adapters(base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three adapters of different ranks, one of them with rsLoRA and fewer modules."""
    folder = tmp_path_factory.mktemp("adapters")
    some: list[dict[str, Any]] = [
        {"r": 4},
        {"r": 20, "lora_alpha": 30, "use_rslora": True},
        {"r": 8, "target_modules": ["q_proj", "v_proj"]},
    ]
    return {f"s{i}.x": save_adapter(base, folder / f"s{i}", i, **kw) for i, kw in enumerate(some)}


@pytest.fixture(scope="module")
def engine(base: Path, adapters: dict[str, Path], _environment: None) -> Iterator[Any]:
    lm = open_engine("vllm", str(base), adapters=adapters, **CPU)
    yield lm
    lm.close()


@pytest.fixture(scope="module")
def plain(base: Path, adapters: dict[str, Path]) -> Any:
    return open_engine("hf", str(base), adapters=adapters, **HF)


def build(lm: Any, names: list[str], **options: Any) -> list[Any]:
    tasks = load_tasks(names)
    for task in tasks.values():
        if task.OUTPUT_TYPE != "multiple_choice":
            task.config.generation_kwargs.update(max_gen_toks=NEW, **options)
        task.build_all_requests(apply_chat_template=True, chat_template=lm.apply_chat_template)
    return [r for task in tasks.values() for r in task.instances]


def tokens(lm: Any, requests: list[Any], patch: pytest.MonkeyPatch) -> list[list[int]]:
    """What was generated, token for token up to the end of sequence."""
    patch.setattr(lm, "tok_decode", lambda ids: json.dumps(list(ids)))
    patch.setattr(lm, "journal", Journal())  # or these would be taken for answers later on
    said = [json.loads(answer) for answer in lm.generate_until(requests)]
    patch.undo()
    end = lm.tokenizer.eos_token_id
    return [ids[: ids.index(end)] if end in ids else ids for ids in said]


def test_greedy_tokens_are_those_of_the_hf_engine(
    engine: Any, plain: Any, adapters: dict[str, Path], many_rows: Path
) -> None:
    names = [f"ptst_gsm8k_{name}" for name in SLUGS]
    ours, theirs = build(engine, names, until=[]), build(plain, names, until=[])
    assert len(ours) == ROWS * 9
    assert [r.args[0] for r in ours] == [r.args[0] for r in theirs]
    said = {}
    for name in ("", *adapters):
        patch = pytest.MonkeyPatch()
        with engine.adapter(name), plain.adapter(name):
            said[name] = tokens(engine, ours, patch)
            want = tokens(plain, theirs, patch)
        wrong = [i for i, (a, b) in enumerate(zip(said[name], want, strict=True)) if a != b]
        assert not wrong, (name, len(wrong), ours[wrong[0]].args[0])
    assert len({json.dumps(answers) for answers in said.values()}) == 4
    with engine.adapter(""):  # the base, after all of them
        assert tokens(engine, ours, pytest.MonkeyPatch()) == said[""]


def test_answers_are_text_with_limits_and_stops(
    engine: Any, plain: Any, adapters: dict[str, Path], many_rows: Path
) -> None:
    names = ["ptst_gsm8k_text_vanilla", "ptst_advbench_chat_icd", "ptst_xstest_chat_llama"]
    with engine.adapter("s0.x"), plain.adapter("s0.x"):
        whole = engine.generate_until(build(engine, names))
        assert whole == plain.generate_until(build(plain, names))
        stop = next(answer[3] for answer in whole if len(answer) > 3)
        cut = engine.generate_until(build(engine, names, until=[stop]))
        assert cut == plain.generate_until(build(plain, names, until=[stop]))
    assert cut == [answer.split(stop)[0] for answer in whole]


def test_log_likelihoods_are_those_of_the_hf_engine(
    engine: Any, plain: Any, adapters: dict[str, Path], many_rows: Path
) -> None:
    names = [f"ptst_medqa_{name}" for name in SLUGS]
    ours, theirs = build(engine, names), build(plain, names)
    for name in ("", *adapters):
        with engine.adapter(name), plain.adapter(name):
            have = engine.loglikelihood(ours, disable_tqdm=True)
            want = plain.loglikelihood(theirs, disable_tqdm=True)
        assert [v for v, _ in have] == pytest.approx([v for v, _ in want], abs=1e-3)
        assert [greedy for _, greedy in have] == [greedy for _, greedy in want]


@pytest.mark.parametrize("name", ["llama2_spm_32k", "minimind", "qwen2_5_vl", "gpt2"])
def test_prompts_reach_both_engines_as_the_same_ids(
    name: str,
    engine: Any,
    plain: Any,
    shared: Path,
    monkeypatch: pytest.MonkeyPatch,
    many_rows: Path,
) -> None:
    """Exactly one BOS where there is one, whatever the tokenizer does by itself."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(shared / "tokenizers" / name)
    for lm in (engine, plain):
        monkeypatch.setattr(lm, "tokenizer", tokenizer)
        monkeypatch.setattr(lm, "hf_chat_template", None, raising=False)
    chat = bool(tokenizer.chat_template)
    names = [f"ptst_gsm8k_{s}" for s in SLUGS if chat or s.startswith("text")]
    prompts = [[r.args[0] for r in build(lm, names)] for lm in (engine, plain)]
    assert prompts[0] == prompts[1]
    ids = [[lm.tok_encode(p) for p in prompts[0]] for lm in (engine, plain)]
    assert ids[0] == ids[1]
    for one in ids[0]:
        assert tokenizer.bos_token_id not in one[1:2] or one[0] != tokenizer.bos_token_id


def test_a_request_half_done_is_not_handed_to_the_next_pass(engine: Any, many_rows: Path) -> None:
    requests = build(engine, ["ptst_gsm8k_text_vanilla"])
    with engine.adapter("s1.x"):
        whole = engine.generate_until(requests)

        def stop(_: int) -> None:
            raise KeyboardInterrupt

        engine.on_batch = lambda n: stop(n) if n else None
        with pytest.raises(KeyboardInterrupt):
            engine.generate_until(requests)
        engine.on_batch = lambda _: None
        assert engine.generate_until(requests) == whole


def test_what_vllm_cannot_run_is_one_line_and_the_engine_lives(
    engine: Any, base: Path, adapters: dict[str, Path], tmp_path: Path, many_rows: Path
) -> None:
    from safetensors.torch import load_file, save_file

    idle = save_adapter(base, tmp_path / "idle", 0, init_lora_weights=True)
    dora = save_adapter(base, tmp_path / "dora", 0, use_dora=True)
    large = save_adapter(base, tmp_path / "large", 0, r=64)
    deep = save_adapter(base, tmp_path / "deep", 0)
    weights = load_file(deep / "adapter_model.safetensors")
    renamed = {name.replace("layers.1", "layers.7"): w for name, w in weights.items()}
    save_file(renamed, deep / "adapter_model.safetensors")
    narrow = save_tiny_model(tmp_path / "narrow", byte_tokenizer(), hidden=32, heads=1)
    other = save_adapter(narrow, tmp_path / "other", 0)
    (tmp_path / "empty").mkdir()
    said = {
        idle: "'bad' changes nothing",
        dora: "DoRA",
        large: "rank 64 is greater than max_lora_rank 32",
        other: r"is made for \d+ numbers, this base has \d+",
        deep: "adapts 'model.layers.7",
        tmp_path / "empty": "does not fit this base",
        tmp_path / "nowhere": "does not fit this base",
    }
    for folder, message in said.items():
        with pytest.raises(EngineError, match=message) as e:
            engine.attach("bad", folder)
        assert "\n" not in str(e.value)
        assert "bad" not in engine.attached
    requests = build(engine, ["ptst_gsm8k_text_vanilla"])[:2]
    with engine.adapter("s0.x"):
        assert all(engine.generate_until(requests))
    requests[0].args[1]["max_gen_toks"] = 5000
    with pytest.raises(EngineError, match="new ones exceed the model's 4096"):
        engine.generate_until(requests)
    requests[0].args[1].update(max_gen_toks=5, num_beams=3)
    with pytest.raises(EngineError, match=r"vLLM does not take these options.*num_beams"):
        engine.generate_until(requests)


def test_a_study_starts_one_engine_and_agrees_with_hf(
    base: Path,
    adapters: dict[str, Path],
    many_rows: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import lm_eval.models.vllm_causallms as stock

    started: list[str] = []

    def start(*args: Any, llm: Any = stock.LLM, **kwargs: Any) -> Any:
        started.append(kwargs["model"])
        return llm(*args, **kwargs)

    monkeypatch.setattr(stock, "LLM", start)
    there = [{"name": name, "path": str(path)} for name, path in adapters.items()]
    bad = save_adapter(base, tmp_path / "dora", 0, use_dora=True)
    test = {"sets": ["gsm8k", "advbench", "medqa"], "templates": ["TV", "CL"], "limit": 4,
            "gen_kwargs": {"max_gen_toks": 8}}  # fmt: skip
    rows = {}
    for kind, args, more in (("hf", HF, []), ("vllm", CPU, [{"name": "dora", "path": str(bad)}])):
        asked = study.Study(base=str(base), engine=kind, engine_args=args, test=test,
                            train={"adapters": there + more})  # fmt: skip
        outcome = runner.run(asked, tmp_path / kind)
        assert outcome.done == 24
        assert [why for _, why in outcome.failed if "DoRA" not in why] == []
        assert len(outcome.failed) == 6 * len(more)
        rows[kind] = [r for r in collect([tmp_path / kind])[0] if not r.error]
        assert runner.run(asked, tmp_path / kind).kept == 24
    assert started == [str(base)] * 2  # one in each run; the second only to tell that all is done
    assert [(sort_key(r)[:6], r.value, r.n) for r in rows["vllm"]] == [
        (sort_key(r)[:6], r.value, r.n) for r in rows["hf"]
    ]
    assert {r.engine for r in rows["vllm"]} == {"vllm"}


def test_what_would_measure_something_else_is_refused(base: Path) -> None:
    for args in ({"lora_local_path": "x"}, {"data_parallel_size": 2}):
        with pytest.raises(ConfigError, match="engine 'vllm' takes no"):
            open_engine("vllm", str(base), **args)
