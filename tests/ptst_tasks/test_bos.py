from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ptst_tasks.bos import UNCARRIED, UNWRITTEN, Bos, encode_prompts, find_bos
from ptst_tasks.chat import Renderer
from ptst_tasks.task import renderer_for_lm
from ptst_tasks.templates import builtin
from tests.support import CHATML, PLAIN, byte_tokenizer, save_tiny_model

ROWS = [row for row in builtin() if row.style == "gsm8k"]
SCHEMES = ("always", "first")


def spm_tokenizer(
    chat_template: str | None = PLAIN, *, scheme: str = "first", rstrip: bool = False
) -> Any:
    """As SentencePiece's: spaces are part of words, and one may be put before the first."""
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    letters = [chr(i) for i in range(33, 127)]
    merged = ["\u2581" + c for c in letters]
    words = ["<unk>", "<s>", "</s>", *(f"<0x{i:02X}>" for i in range(256)), "\u2581"]
    vocab = {token: i for i, token in enumerate([*words, *letters, *merged])}
    model = models.BPE(
        vocab=vocab, merges=[("\u2581", c) for c in letters], unk_token="<unk>", byte_fallback=True
    )
    tok = Tokenizer(model)
    tok.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False)
    tok.add_special_tokens([AddedToken("<s>", rstrip=rstrip, normalized=False), "</s>", "<unk>"])
    tok.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", vocab["<s>"])]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tok, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    fast.chat_template = chat_template
    return fast


def llama2_tokenizer(shared: Path, *, legacy: bool) -> Any:
    from transformers import AutoTokenizer

    folder = shared / "tokenizers/llama2_spm_32k"
    tokenizer = AutoTokenizer.from_pretrained(folder, legacy=legacy)
    tokenizer.chat_template = PLAIN
    return tokenizer


def harness(tokenizer: Any) -> Any:
    """The harness's own model class around a tokenizer; its weights do not matter."""
    from lm_eval.models.huggingface import HFLM
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = {"hidden_size": 4, "intermediate_size": 4, "num_hidden_layers": 1}
    config = LlamaConfig(vocab_size=len(tokenizer), num_attention_heads=1, **shape)
    return HFLM(LlamaForCausalLM(config), tokenizer=tokenizer, device="cpu")


def asked(row: Any) -> list[dict[str, str]]:
    return row.messages("Why [is] it?", "")


def own_ids(tokenizer: Any, row: Any) -> list[int]:
    """What everybody else sends."""
    if not row.is_chat:
        return list(tokenizer.encode(row.text("Why [is] it?")))
    return list(
        tokenizer.apply_chat_template(asked(row), add_generation_prompt=True, return_dict=False)
    )


def check_ids(tokenizer: Any) -> None:
    """All nine templates, alone and in one batch of the stock harness, whichever comes first."""
    lm = harness(tokenizer)
    trainer, tester = (
        Renderer.for_tokenizer(tokenizer),
        renderer_for_lm(lm.apply_chat_template, "auto"),
    )
    prompts = []
    for row in ROWS:
        prompt = trainer.render(row, "Why [is] it?").prompt
        assert prompt == tester.render(row, "Why [is] it?").prompt
        want = own_ids(tokenizer, row)
        assert encode_prompts(tokenizer, [prompt]) == [want]
        assert lm.tok_encode(prompt) == want
        prompts.append((prompt, want))
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    for batch in (prompts, prompts[::-1]):
        ids, mask = lm.tok_batch_encode([prompt for prompt, _ in batch])
        found = [row[m.bool()].tolist() for row, m in zip(ids, mask, strict=True)]
        assert found == [want for _, want in batch]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_ids_are_the_chat_templates_own_in_any_batch(scheme: str) -> None:
    tokenizer = spm_tokenizer(scheme=scheme)
    check_ids(tokenizer)
    assert find_bos(tokenizer).alters == (scheme == "first")
    words = tokenizer.convert_ids_to_tokens(own_ids(tokenizer, builtin().get("CV")))
    assert words[:2] == (["<s>", "["] if scheme == "first" else ["<s>", "\u2581["])


@pytest.mark.parametrize("legacy", [True, False])
def test_ids_on_the_real_llama2_tokenizer(legacy: bool, shared: Path) -> None:
    tokenizer = llama2_tokenizer(shared, legacy=legacy)
    check_ids(tokenizer)
    prompt = Renderer.for_tokenizer(tokenizer).render(builtin().get("CV"), "Hi").prompt
    assert prompt.startswith("<s>[INST]") == (not legacy)


@pytest.mark.parametrize("legacy", [True, False])
def test_the_papers_literal_strings_stay_as_its_code_tokenised_them(
    legacy: bool, shared: Path
) -> None:
    tokenizer = llama2_tokenizer(shared, legacy=legacy)
    prompt = Renderer.for_tokenizer(tokenizer, "llama2").render(builtin().get("CV"), "Hi").prompt
    assert prompt.startswith("[INST] ")
    assert tokenizer.convert_ids_to_tokens(tokenizer.encode(prompt))[:2] == ["<s>", "\u2581["]


@pytest.mark.parametrize("name", ["minimind", "qwen2_5_vl"])
def test_other_real_tokenizers_carry_no_bos_for_this(name: str, shared: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(shared / "tokenizers" / name)
    check_ids(tokenizer)
    assert find_bos(tokenizer) == Bos()
    text = Renderer.for_tokenizer(tokenizer).render(builtin().get("TV"), "Hi").prompt
    assert text == "Question: Hi\nAnswer:"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_engine_that_suppresses_bos_gets_the_same_ids(scheme: str) -> None:
    tokenizer = spm_tokenizer(scheme=scheme)
    for fmt in ("auto", "llama2"):
        renderer = Renderer.for_tokenizer(tokenizer, fmt)
        plain = [renderer.render(row, "Hi").prompt for row in ROWS]
        renderer.keep_bos = True
        spelled = [renderer.render(row, "Hi").prompt for row in ROWS]
        alone = tokenizer(spelled, add_special_tokens=False)["input_ids"]
        assert alone == encode_prompts(tokenizer, plain)


def test_a_chat_template_that_writes_no_bos_is_noted() -> None:
    for tokenizer in (byte_tokenizer(CHATML), spm_tokenizer(CHATML)):
        rendered = Renderer.for_tokenizer(tokenizer).render(builtin().get("CV"), "Hi")
        assert UNWRITTEN in rendered.notes
        (ids,) = encode_prompts(tokenizer, [rendered.prompt])
        assert ids.count(tokenizer.bos_token_id) == 1
        # Stock, a string that has none beside others that have: still one, and the same ids.
        first = Renderer.for_tokenizer(tokenizer).render(builtin().get("TV"), "Hi").prompt
        tokenizer.pad_token = tokenizer.eos_token
        rows, mask = harness(tokenizer).tok_batch_encode([first, rendered.prompt])
        assert rows[1][mask[1].bool()].tolist() == ids


def test_a_first_word_that_no_string_can_be_given_is_noted() -> None:
    tokenizer = spm_tokenizer(rstrip=True)  # eats the space that would keep a text's ids
    rendered = Renderer.for_tokenizer(tokenizer).render(builtin().get("CV"), "Hi")
    assert rendered.notes == (UNCARRIED,)
    assert rendered.prompt.startswith("[INST]")


def test_all_that_a_tokenizer_puts_first_is_written_once() -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = byte_tokenizer("<|im|><|end|>" + CHATML)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|im|> <|end|> $A", special_tokens=[("<|im|>", 3), ("<|end|>", 4)]
    )
    assert find_bos(tokenizer) == Bos("<|im|><|end|>")
    check_ids(tokenizer)


def test_a_text_that_begins_with_a_space_is_given_no_second() -> None:
    tokenizer = spm_tokenizer()
    bos = find_bos(tokenizer)
    assert (bos.before("a"), bos.before(" a")) == ("<s> a", "<s> a")
    assert tokenizer.encode("<s> a", add_special_tokens=False) == tokenizer.encode(" a")


def test_what_engine_hf_sends_is_what_identifies_the_prompts(tmp_path: Path) -> None:
    from ptst_tasks.engines.hf import HFEngine

    tokenizer = spm_tokenizer()
    lm = HFEngine(str(save_tiny_model(tmp_path, tokenizer)), device="cpu")
    renderer = renderer_for_lm(lm.apply_chat_template, "auto")
    prompts = [renderer.render(row, "Why [is] it?").prompt for row in ROWS]
    want = [own_ids(tokenizer, row) for row in ROWS]
    assert lm.encode(prompts) == lm.prompt_ids(prompts) == want
