"""What an engine says of its decoding is what it does, and an answer's seed is its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from lm_eval.api.instance import Instance

from ptst_tasks.engines import open_engine
from ptst_tasks.engines.hf import HFEngine
from ptst_tasks.engines.journal import Journal
from ptst_tasks.errors import EngineError
from tests.ptst_tasks.engines.fake_endpoint import FakeEndpoint

CPU = {"device": "cpu", "dtype": "float32"}
GREEDY = {"until": [], "max_gen_toks": 12, "do_sample": False, "temperature": 0.0}
DRAWN = {"until": [], "max_gen_toks": 12, "do_sample": True, "temperature": 1.0}
TEXTS = [
    "Question: Hi?",
    "Who are you, and why?",
    "Spoons",
    "What is 2 + 3?",
    "Tell me more of it.",
]


def asks(options: dict[str, Any], texts: list[str] = TEXTS, task: str = "t") -> list[Instance]:
    return [
        Instance("generate_until", {}, (t, options), 0, (task, i, 1)) for i, t in enumerate(texts)
    ]


def with_defaults(base: Path, folder: Path, **defaults: Any) -> Path:
    """The same base with other values in its generation_config.json."""
    shutil.copytree(base, folder)
    file = folder / "generation_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **defaults}))
    return folder


@pytest.fixture(scope="module")
def engine(tiny_model: Path) -> Any:
    return HFEngine(str(tiny_model), batch_size=2, **CPU)


# Values that would show in an answer if they were used, for every field that transformers honours.
FIELDS: dict[str, Any] = {
    "max_length": 3, "max_new_tokens": 2, "min_new_tokens": 9, "early_stopping": True,
    "stop_strings": ["e"], "do_sample": True, "num_beams": 1, "use_cache": False,
    "cache_implementation": "dynamic", "temperature": 3.0, "top_k": 2, "top_p": 0.1, "min_p": 0.9,
    "top_h": 0.1, "typical_p": 0.1, "epsilon_cutoff": 0.3, "eta_cutoff": 0.3, "repetition_penalty": 5.0,
    "encoder_repetition_penalty": 3.0, "length_penalty": 2.0, "no_repeat_ngram_size": 1,
    "bad_words_ids": [[i] for i in range(5, 140)], "renormalize_logits": True,
    "forced_bos_token_id": 9, "forced_eos_token_id": 9, "remove_invalid_values": True,
    "exponential_decay_length_penalty": [0, 50.0], "suppress_tokens": list(range(5, 140)),
    "begin_suppress_tokens": list(range(5, 140)), "guidance_scale": 3.0, "num_return_sequences": 1,
    "sequence_bias": [[[7], 50.0]], "watermarking_config": {"bias": 30.0, "greenlist_ratio": 0.1},
    "output_attentions": True, "output_hidden_states": True, "output_scores": True, "output_logits": True,
    "return_dict_in_generate": True, "pad_token_id": 7, "bos_token_id": 8, "eos_token_id": [1, 70, 99],
    "encoder_no_repeat_ngram_size": 1, "decoder_start_token_id": 5, "renormalize": 1, "low_memory": True,
    "diversity_penalty": 0.5, "prefill_chunk_size": 2, "disable_compile": True, "max_cache_len": 4096,
    "num_assistant_tokens": 3, "assistant_confidence_threshold": 0.9, "is_assistant": False,
    "min_length": 0, "num_beam_groups": 1,
}  # fmt: skip
REFUSED: dict[str, Any] = {
    "num_beams": 3, "num_return_sequences": 2, "min_length": 4, "max_time": 5.0, "penalty_alpha": 0.6,
    "prompt_lookup_num_tokens": 3, "dola_layers": "low", "constraints": [1],
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")  # transformers' words for values that make little sense
@pytest.mark.parametrize("options", [GREEDY, DRAWN], ids=["greedy", "drawn"])
def test_every_default_of_a_model_is_said_or_changes_nothing(
    options: dict[str, Any], engine: Any, tiny_model: Path
) -> None:
    """A repetition_penalty in the base's generation_config changed the answers under the old digest."""
    from transformers import GenerationConfig

    said, want = engine.decoding(options), engine.generate_until(asks(options))
    lm = HFEngine(str(tiny_model), batch_size=2, **CPU)
    own, changed = lm.model.generation_config.to_dict(), set()
    for field, value in FIELDS.items():
        lm.model.generation_config = GenerationConfig(**{**own, field: value})
        lm._plans.clear()
        answers = lm.generate_until(asks(options))
        if lm.decoding(options) == said:
            assert answers == want, field
        elif answers != want:
            changed.add(field)
        json.dumps(lm.decoding(options))
    # That the test can fail: these must have done something, and been said.
    used = {"repetition_penalty", "no_repeat_ngram_size", "bad_words_ids", "suppress_tokens",
            "begin_suppress_tokens", "sequence_bias", "eos_token_id", "stop_strings"}  # fmt: skip
    assert used - changed <= {"eos_token_id", "stop_strings"}  # only if they come up


@pytest.mark.parametrize("field", REFUSED)
def test_a_default_that_cannot_be_had_row_by_row_is_refused(field: str, tiny_model: Path) -> None:
    lm = HFEngine(str(tiny_model), batch_size=2, **CPU)
    setattr(lm.model.generation_config, field, REFUSED[field])
    with pytest.raises(EngineError, match="generation_config") as caught:
        lm.decoding(GREEDY)
    assert "\n" not in str(caught.value)
    with pytest.raises(EngineError, match=r"^t: "):
        lm.generate_until(asks(GREEDY))


def test_what_an_engine_says(engine: Any, tiny_model: Path, tmp_path: Path) -> None:
    assert engine.decoding(GREEDY) == {**GREEDY, "until": ["</s>"], "eos_token_ids": [1]}
    sampled = {"top_p": 1.0, "top_k": 0, "min_p": 0.0, "seed": 0}
    assert engine.decoding(DRAWN) == {
        **DRAWN, "until": ["</s>"], "eos_token_ids": [1], **sampled
    }  # fmt: skip
    own = with_defaults(tiny_model, tmp_path / "own", do_sample=True, temperature=0.6, top_p=0.9,
                        top_k=20, min_p=0.2, repetition_penalty=1.5)  # fmt: skip
    lm = HFEngine(str(own), **CPU)
    assert lm.decoding(GREEDY) == {**engine.decoding(GREEDY), "repetition_penalty": 1.5}
    assert lm.decoding({**DRAWN, "seed": 4}) == {
        **engine.decoding(DRAWN), "repetition_penalty": 1.5, "seed": 4,
    }  # fmt: skip
    assert lm.decoding({**GREEDY, "repetition_penalty": 1.0})["repetition_penalty"] == 1.0


def test_the_models_own_sampling_options_have_no_say(tiny_model: Path, tmp_path: Path) -> None:
    """top_k 50 and the model's own top_p leaked in, differently by engine."""
    own = with_defaults(
        tiny_model, tmp_path / "own", do_sample=True, temperature=0.2, top_k=1, top_p=0.1
    )
    plain, other = (HFEngine(str(base), batch_size=5, **CPU) for base in (tiny_model, own))
    for options in (GREEDY, DRAWN):
        assert other.generate_until(asks(options)) == plain.generate_until(asks(options))


def test_the_same_seed_gives_the_same_answers_and_another_one_others(engine: Any) -> None:
    """One digest gave 0.117 and 0.317: there was no seed at all."""
    first, second = ({**DRAWN, "seed": seed} for seed in (0, 1))
    said = engine.generate_until(asks(first))
    assert engine.generate_until(asks(first)) == said
    others = engine.generate_until(asks(second))
    assert all(a != b for a, b in zip(said, others, strict=True))
    assert engine.generate_until(asks(DRAWN)) == said  # without a seed it is 0
    assert engine.generate_until(asks(GREEDY)) not in (said, others)


def test_an_answer_depends_on_nothing_beside_it(engine: Any, tiny_model: Path) -> None:
    """Neither on its batch, nor on what was asked before, nor on cells that are there already."""
    options = {**DRAWN, "seed": 2}
    said = engine.generate_until(asks(options))
    assert engine.generate_until(asks(options)[2:]) == said[2:]
    assert engine.generate_until(asks(options, TEXTS[::-1])) == said[::-1]
    both = engine.generate_until([*asks(options, task="other"), *asks(options)])
    assert both[len(TEXTS) :] == said
    assert both[: len(TEXTS)] != said  # another task, other draws
    for size in (1, 5):
        lm = HFEngine(str(tiny_model), batch_size=size, **CPU)
        assert lm.generate_until(asks(options)) == said


def test_repeats_differ_and_are_the_same_again(engine: Any) -> None:
    one = TEXTS[0]
    said = engine.generate_until(asks(DRAWN, [one, one, one]))
    assert len(set(said)) == 3
    assert engine.generate_until(asks(DRAWN, [one, one])) == said[:2]


def test_a_pass_that_was_killed_goes_on_with_the_same_answers(
    tiny_model: Path, tmp_path: Path
) -> None:
    options, file = {**DRAWN, "seed": 3}, tmp_path / "j.jsonl"
    lm = HFEngine(str(tiny_model), journal=file, batch_size=2, **CPU)
    want = lm.generate_until(asks(options))
    lines = file.read_text().splitlines(keepends=True)
    file.write_text(lines[0] + lines[1][:9])
    lm.journal = Journal(file)
    assert lm.generate_until(asks(options)) == want
    assert lm.generate_until(asks({**DRAWN, "seed": 4})) != want  # not the journal's
    assert lm.generate_until(asks({**options, "top_k": 3})) != want


@pytest.mark.parametrize(
    ("more", "few"),
    [({"top_k": 1}, 1), ({"top_p": 1e-6}, 1), ({"min_p": 1.0}, 1), ({"temperature": 1e-4}, 1),
     ({"top_k": 2}, 2), ({}, 30)],
)  # fmt: skip
def test_a_draw_keeps_to_its_options(more: dict[str, Any], few: int, engine: Any) -> None:
    options = {**DRAWN, "max_gen_toks": 1, **more}
    said = {
        engine.generate_until(asks({**options, "seed": seed}, TEXTS[:1]))[0] for seed in range(60)
    }
    greedy = engine.generate_until(asks({**GREEDY, "max_gen_toks": 1}, TEXTS[:1]))[0]
    assert (len(said) <= few) if few < 30 else (len(said) >= few)
    assert few != 1 or said == {greedy}


def test_draws_follow_the_probabilities(engine: Any) -> None:
    """The first token of 2,000 seeds against the softmax of the logits (chi square, 99.99 %)."""
    from scipy.stats import chi2

    from ptst_tasks.engines.hf_generation import _Draws

    scores = torch.randn(12, generator=torch.Generator().manual_seed(0)) * 2
    scores[5] = -torch.inf
    job = type("Job", (), {"limit": 1})
    counts = torch.zeros(12)
    for start in range(0, 2000, 100):
        batch = [type("J", (job,), {"seed": start + i})() for i in range(100)]
        draws = _Draws(3, batch, "cpu")
        left = draws._draw(torch.zeros(100, 3), scores.expand(100, 12))
        assert (left == 0).sum(-1).eq(1).all()
        counts += (left == 0).sum(0)
    expected = scores.softmax(-1) * 2000
    assert counts[5] == 0
    keep = expected > 0
    statistic = ((counts - expected)[keep] ** 2 / expected[keep]).sum()
    assert statistic < chi2.ppf(0.9999, int(keep.sum()) - 1)


@pytest.mark.parametrize("options", [{"frequency_penalty": 1.0}, {"num_beams": 2}])
def test_what_transformers_has_not_is_refused(options: dict[str, Any], engine: Any) -> None:
    with pytest.raises(EngineError, match="engine 'hf'"):
        engine.decoding({**GREEDY, **options})
    with pytest.raises(EngineError, match="t: gen_kwargs holds 'max_tokens'; write 'max_gen_toks'"):
        engine.generate_until(asks({"until": [], "max_tokens": 5}))


def test_a_penalty_counts_no_padding(tiny_model: Path, tmp_path: Path) -> None:
    """Left padding counted as text: an answer depended on how long its batch's longest prompt was."""
    from transformers import AutoTokenizer

    texts = ["b", "a much longer prompt than the other one"]
    options = {**GREEDY, "max_gen_toks": 40}
    base = with_defaults(tiny_model, tmp_path / "base", repetition_penalty=1.8)
    alone = HFEngine(str(base), batch_size=1, **CPU)
    want = alone.generate_until(asks(options, texts))
    # The padding becomes a token that the short prompt's answer uses.
    ids = alone.tok_encode("b")
    said = alone.model.generate(torch.tensor([ids]), max_new_tokens=3, do_sample=False)[
        0, len(ids) :
    ]
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(int(said[-1]))
    tokenizer.save_pretrained(base)
    together = HFEngine(str(base), batch_size=2, **CPU)
    assert together.tokenizer.pad_token_id == int(said[-1])
    # It is a special token now, and no answer's text.
    mark = tokenizer.pad_token
    assert together.generate_until(asks(options, texts)) == [w.replace(mark, "") for w in want]


def served(server: FakeEndpoint, **args: Any) -> Any:
    return open_engine("openai", "base", base_url=server.url, backoff=0.001, attempts=2, **args)


def test_an_endpoint_is_told_every_sampling_option() -> None:
    with FakeEndpoint() as server:
        lm = served(server)
        lm.generate_until(asks({**DRAWN, "repetition_penalty": 1.1}, TEXTS[:1]))
        lm.generate_until(asks(GREEDY, TEXTS[:1]))
        drawn, greedy = server.asked()
        assert lm.decoding(DRAWN) == {
            **DRAWN, "top_p": 1.0, "top_k": 0, "min_p": 0.0, "seed": 0,
        }  # fmt: skip
        assert lm.decoding(GREEDY) == GREEDY
        left = served(server, extra={"top_k": None, "presence_penalty": 0.5})
        assert left.decoding(DRAWN)["top_k"] is None
        assert left.decoding(DRAWN)["presence_penalty"] == 0.5
        left.generate_until(asks(DRAWN, TEXTS[:1]))
        assert "top_k" not in server.asked()[-1]
        for options, message in (
            ({**GREEDY, "no_repeat_ngram_size": 3}, "has no no_repeat_ngram_size"),
            ({**DRAWN, "typical_p": 0.5}, "has no typical_p"),
        ):
            with pytest.raises(EngineError, match=message):
                lm.generate_until(asks(options))
    assert {k: drawn[k] for k in ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")} == {
        "temperature": 1.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.1,
    }  # fmt: skip
    assert set(greedy) == {"model", "prompt", "max_tokens", "temperature"}


def test_openai_is_told_what_it_knows_and_the_rest_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from ptst_tasks.decoding import read
    from ptst_tasks.engines.served_settings import ServedSettings
    from ptst_tasks.engines.wire import fields

    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    openai = ServedSettings.read({})
    assert fields(read({**DRAWN, "top_p": 0.5}, 9), openai) == {"temperature": 1.0, "top_p": 0.5}
    for name in ("top_k", "min_p", "repetition_penalty"):
        value = 5 if name == "top_k" else 0.5
        with pytest.raises(EngineError, match=f"OpenAI's API has no {name}"):
            fields(read({**DRAWN, name: value}, 9), openai)


def test_an_endpoint_gets_a_seed_for_each_answer() -> None:
    texts = [*TEXTS[:3], TEXTS[0]]
    with FakeEndpoint() as server:

        def seeds(**more: Any) -> list[int]:
            before = len(server.asked())
            served(server, concurrency=1).generate_until(asks({**DRAWN, **more}, texts))
            return [body["seed"] for body in server.asked()[before:]]

        first = seeds(seed=1)
        assert len(set(first)) == 4
        assert seeds(seed=1) == first
        assert not set(seeds(seed=2)) & set(first)
        assert seeds() == seeds(seed=0)
        lm = served(server, extra={"seed": 7})
        with pytest.raises(EngineError, match="extra holds 'seed' 7"):
            lm.decoding({**DRAWN, "seed": 1})


def test_an_endpoints_journal_knows_the_seed(tmp_path: Path) -> None:
    with FakeEndpoint() as server:
        lm = served(server)
        lm.journal = Journal(tmp_path / "j.jsonl")
        for seed, calls in ((1, 5), (1, 5), (2, 10)):
            lm.generate_until(asks({**DRAWN, "seed": seed}))
            assert len(server.asked()) == calls


def test_an_adapter_that_fails_at_an_endpoint_is_not_attached() -> None:
    with FakeEndpoint(("base", "like:base", "a0")) as server:
        lm = served(server)
        for model in ("like:base", "nobody"):
            with pytest.raises(EngineError):
                lm.attach("mine", model)
            assert lm.attached == []
        lm.attach("mine", "a0")
        assert lm.attached == ["mine"]
