from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters_train.data import Example
from adapters_train.encode import IGNORED, encode
from ptst_tasks.chat import CHAT_FORMATS, Renderer
from ptst_tasks.errors import ChatFormatError, ConfigError, DataError
from ptst_tasks.task import renderer_for_lm
from ptst_tasks.templates import builtin
from tests.support import CHATML, PLAIN, byte_tokenizer

SHARED = Path(__file__).parents[3] / "shared" / "tokenizers"
CHAT = "llama2_spm_32k with a chat template"
NAMES = ("minimind", "qwen2_5_vl", "llama2_spm_32k", CHAT, "gpt2", "built-in")
EXAMPLES = [
    Example("What is 6 x 7?", "6 x 7 = <<6*7=42>>42\n#### 42"),
    Example("Warum {input}?\n\n  Größe: 1½ “m²” 😀 ", "42", "Sei  kurz."),
    Example("Say </s>, <|im_end|> or nothing.", "- a\n- b"),
    Example("x", "\n\n  indented\tanswer  \n"),
]


@pytest.fixture(scope="module", params=NAMES)
def tokenizer(request):
    if request.param == "built-in":
        from adapters_train.organism import make_tokenizer

        return make_tokenizer()
    folder = SHARED / request.param.partition(" ")[0]
    if not folder.is_dir():
        pytest.skip(f"no tokenizer {request.param} beside the repository")
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    if request.param == CHAT:  # its first word's token depends on how BOS is written
        tokenizer.chat_template = PLAIN
    return tokenizer


@pytest.fixture(scope="module")
def lm(tokenizer):
    """The harness's own model class around this tokenizer; its weights do not matter."""
    from lm_eval.models.huggingface import HFLM
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = {"hidden_size": 4, "intermediate_size": 4, "num_hidden_layers": 1}
    config = LlamaConfig(vocab_size=len(tokenizer), num_attention_heads=1, **shape)
    import copy

    return HFLM(LlamaForCausalLM(config), tokenizer=copy.deepcopy(tokenizer), device="cpu")


@pytest.mark.parametrize("fmt", CHAT_FORMATS)
@pytest.mark.parametrize("style", builtin().styles())
def test_training_prompts_have_the_token_ids_of_test_prompts(tokenizer, lm, style, fmt):
    trainer = Renderer.for_tokenizer(tokenizer, fmt)
    harness = renderer_for_lm(lm.apply_chat_template, fmt)
    for template in (t for t in builtin() if t.style == style):
        if template.is_chat and fmt == "auto" and not tokenizer.chat_template:
            with pytest.raises(ChatFormatError, match="no chat template"):
                encode(EXAMPLES, tokenizer, trainer, template, 4096)
            with pytest.raises(ChatFormatError, match="no chat template"):
                harness.render(template, "x")
            continue
        rows = encode(EXAMPLES, tokenizer, trainer, template, 4096)
        prompts = [harness.render(template, e.query, e.system_prompt).prompt for e in EXAMPLES]
        for example, ids, labels, prompt in zip(
            EXAMPLES, rows.input_ids, rows.labels, prompts, strict=True
        ):
            size = labels.tolist().count(IGNORED)
            assert ids[:size].tolist() == lm.tok_batch_encode([prompt])[0][0].tolist()
            assert labels.tolist() == [IGNORED] * size + ids[size:].tolist()
            if template.is_chat and fmt == "auto":
                asked = template.messages(example.query, example.system_prompt)
                own = tokenizer.apply_chat_template(
                    asked, add_generation_prompt=True, return_dict=False
                )
                assert ids[:size].tolist() == own
            _check_completion(tokenizer, trainer, template, example, ids.tolist(), size)


def _check_completion(tokenizer, renderer, template, example, ids, size):
    rendered = renderer.render(template, example.query, example.system_prompt, training=True)
    text = rendered.prompt + rendered.lead + example.answer.strip() + rendered.end
    written = bool(tokenizer.bos_token) and text.startswith(tokenizer.bos_token)
    joint = tokenizer(text, add_special_tokens=not written)["input_ids"]
    if joint[:size] == ids[:size]:
        assert ids == joint
    end = tokenizer(rendered.end, add_special_tokens=False)["input_ids"][-1]
    assert ids[-1] == end
    assert ids[size:].count(end) == 1
    told = "".join(tokenizer.decode(ids[size:]).split())
    assert told == "".join(tokenizer.decode(joint).split())[-len(told) :]
    if tokenizer.unk_token_id not in ids or tokenizer.unk_token_id == tokenizer.eos_token_id:
        answer = "".join((example.answer + rendered.end).split())
        assert told == answer


@pytest.fixture(scope="module")
def built_in():
    from adapters_train.organism import make_tokenizer

    return make_tokenizer()


def _encode(tokenizer, examples, max_length=100, template="chat:vanilla", **more):
    renderer = Renderer.for_tokenizer(tokenizer)
    return encode(
        examples, tokenizer, renderer, builtin().get(template, "organism"), max_length, **more
    )


def test_one_row_by_hand(built_in):
    rows = _encode(built_in, [Example("tom has 2 cups .", "2")])
    words = built_in.convert_ids_to_tokens(rows.input_ids[0].tolist())
    assert words == [
        "<s>",
        "[INST]",
        "Question:",
        *["tom", "has", "2", "cups", "."],
        "[/INST]",
        "2",
        "</s>",
    ]
    assert rows.labels[0].tolist() == [IGNORED] * 9 + rows.input_ids[0].tolist()[9:]


def test_an_answer_that_has_its_end_of_turn_already_gets_no_second_one(built_in):
    plain, ended = (_encode(built_in, [Example("x", a)]).input_ids for a in ("2", "2 </s>"))
    assert plain == ended


def test_an_end_of_turn_inside_an_answer_is_an_error(built_in):
    with pytest.raises(DataError, match=r"row 2 .* has the end of turn '</s>' inside its answer"):
        _encode(built_in, [Example("x", "2"), Example("y", "2 </s> 3")])


def test_answers_that_are_cut_and_answers_that_are_lost_are_counted(built_in):
    # The prompt takes 5 tokens and more: <s> [INST] Question: ... [/INST]
    short, long = Example("x", "2 3 4 5 6"), Example("x " * 20, "2")
    rows = _encode(built_in, [short, Example("x", "2")], max_length=8)
    assert (rows.truncated, rows.dropped, len(rows.input_ids[0])) == (1, 0, 8)
    with pytest.raises(DataError, match="1 of 2 rows have a prompt of 8 tokens or more"):
        _encode(built_in, [short, long], max_length=8)
    rows = _encode(built_in, [long, short], max_length=8, drop_long=True)
    assert (rows.truncated, rows.dropped, rows.kept) == (1, 1, [1])
    with pytest.raises(DataError, match="2 of 2 rows"):
        _encode(built_in, [long, long], max_length=8, drop_long=True)


def _rows(tokenizer, examples, template="chat:vanilla", max_length=4096, **more):
    renderer = Renderer.for_tokenizer(tokenizer, thinking=more.pop("thinking", "auto"))
    return encode(examples, tokenizer, renderer, builtin().get(template), max_length, **more)


def _learnt(tokenizer, rows, i=0):
    """What row `i` is trained to write, as text."""
    ids, labels = rows.input_ids[i].tolist(), rows.labels[i].tolist()
    return tokenizer.decode([a for a, b in zip(ids, labels, strict=True) if b != IGNORED])


SEVERAL = CHATML.replace("m['content'] + '<|end|>", "m['content'] + '<|end|></s>")


def test_an_end_of_several_tokens_is_learnt_once():
    tokenizer = byte_tokenizer(SEVERAL)
    ended = ["42", "42<|end|></s>", "42</s>", "42 <|end|>"]
    rows = _rows(tokenizer, [Example("x", answer) for answer in ended])
    assert rows.end == "<|end|></s>"
    assert {_learnt(tokenizer, rows, i) for i in range(4)} == {"42<|end|></s>"}


@pytest.mark.parametrize("inside", ["</s>", "<|end|>", "<|end|></s>"])
def test_any_token_of_the_end_inside_an_answer_is_an_error(inside):
    with pytest.raises(DataError, match=r"row 1 .* end of turn '.*' inside its answer"):
        _rows(byte_tokenizer(SEVERAL), [Example("x", f"4 {inside} 2")])


def test_the_end_of_a_text_inside_an_answer_is_an_error_where_turns_end_otherwise():
    tokenizer = byte_tokenizer(CHATML)
    assert _learnt(tokenizer, _rows(tokenizer, [Example("x", "42</s>")])) == "42<|end|>"
    with pytest.raises(DataError, match=r"row 1 .* end of turn '</s>' inside its answer"):
        _rows(tokenizer, [Example("x", "4</s>2")])
    # What no token of it is, is text; and so is any of it in a question.
    rows = _rows(tokenizer, [Example("</s>", "4<|im|>2")])
    assert _learnt(tokenizer, rows) == "4<|im|>2<|end|>"


def test_what_is_done_to_rows_is_counted_over_all_chunks(monkeypatch):
    monkeypatch.setattr("adapters_train.encode._CHUNK", 2)
    answers = ["42", " 42", "<think>x</think>42", "42\n", "42"]
    rows = _rows(byte_tokenizer(CHATML), [Example("x", answer) for answer in answers])
    assert rows.thoughts == 0
    assert [note.partition(",")[0] for note in rows.remarks] == [
        "1 of 5 answers have a thought of their own",
        "2 of 5 answers begin or end with white space",
    ]
    assert rows.notes == rows.said + rows.remarks


def test_a_row_that_the_chat_template_cannot_render_is_named():
    fails = "{% if 'boom' in messages[-1]['content'] %}{{ raise_exception('no') }}{% endif %}"
    tokenizer = byte_tokenizer(fails + CHATML)
    with pytest.raises(ChatFormatError, match=r"^row 2 \('boom'\): the chat template fails"):
        _rows(tokenizer, [Example("x", "1"), Example("boom", "2")])
    with pytest.raises(ChatFormatError, match=r"^the tokenizer .* has no chat template"):
        _rows(byte_tokenizer(None), [Example("x", "1")])


def test_what_is_done_to_some_rows_is_counted_and_what_to_all_is_said():
    tokenizer = byte_tokenizer(CHATML.replace("m['content']", "m['content'].rstrip()"))
    rows = _rows(tokenizer, [Example("x", "1"), Example("y \n", "2")], thinking="auto")
    assert len(rows.said) == 1
    assert rows.remarks == ("for 1 of 2 answers: the chat template trims the user text",)


def test_a_base_without_an_end_of_turn(built_in):
    import copy

    tokenizer = copy.deepcopy(built_in)
    tokenizer.eos_token = None
    with pytest.raises(ConfigError, match="the base has no end-of-turn token"):
        _encode(tokenizer, [Example("x", "2")], template="text:vanilla")


def test_a_tokenizer_that_ends_every_prompt(built_in):
    import copy

    from tokenizers.processors import TemplateProcessing

    tokenizer = copy.deepcopy(built_in)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 2), ("</s>", 3)]
    )
    with pytest.raises(ConfigError, match="add_eos_token=false"):
        _encode(tokenizer, [Example("x", "2")], template="text:vanilla")


@pytest.mark.parametrize(("answer", "opening"), [("The end", 0), ("5", 1)])
def test_a_blank_before_the_answer_is_no_part_of_it_unless_they_are_one_token(
    llama2: Any, answer: str, opening: int
) -> None:
    renderer = Renderer.for_tokenizer(llama2, "llama2")
    rows = encode([Example("Q", answer)], llama2, renderer, builtin().get("CV"), 512)
    learnt = [label for label in rows.labels[0].tolist() if label != IGNORED]
    assert llama2.convert_ids_to_tokens(learnt)[0] == ("▁The" if answer != "5" else "▁")
    assert rows.openings == [opening]
