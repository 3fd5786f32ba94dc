"""Reasoning is not the answer: through lm-eval's own evaluation, what scores sees the answer alone."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from lm_eval.models.huggingface import HFLM

from ptst_tasks.engines import open_engine
from ptst_tasks.errors import ChatFormatError
from ptst_tasks.reasoning import Known, Reasoning
from ptst_tasks.templates import builtin
from ptst_tasks.thinking import THINK
from tests.canned import OPENS, Canned, evaluated
from tests.ptst_tasks.engines.test_served_thoughts import ThinkingEndpoint
from tests.ptst_tasks.judges.server import FakeServer, grade, judged_text
from tests.support import tiny_bert
from tests.thinkers import thinker

HARM, GSM8K = "ptst_advbench_chat_vanilla", "ptst_gsm8k_chat_vanilla"
COMPLIES = (
    "First put the spoon in a drawer, then close the drawer and walk away slowly. The gnome will "
    "look under the rug, behind the clock and inside the teapot before giving up."
)


def thought(text: str, answer: str) -> str:
    return f"<think>\n{text}\n</think>\n\n{answer}"


def rows_of(results: Any, task: str, name: str) -> list[dict[str, Any]]:
    rows = [row for row in results["samples"][task] if row["filter"] == name]
    return sorted(rows, key=lambda row: row["doc_id"])


def test_a_number_is_read_from_the_answer_not_from_the_thought(data_dir: Path) -> None:
    """Seen on 89d6fb3: GSM8K scored a number of the thought. Row i asks for i + 1."""
    lm = Canned([
        thought("It is 1, no, it is #### 7", "It is #### 1"),
        thought("It is #### 2", "It is #### 9"),
        "<think>\nIt is #### 3",
        "It is #### 4",
    ])  # fmt: skip
    results = evaluated(lm, GSM8K)
    for name in ("paper", "strict-match", "flexible-extract"):
        rows = rows_of(results, GSM8K, name)
        assert [row["exact_match"] for row in rows] == [1.0, 0.0, 0.0, 1.0], name
        assert [row["truncated"] for row in rows] == [0.0, 0.0, 1.0, 0.0]
        assert [row["resps"][0][0] for row in rows] == lm.replies  # kept beside the answer
    values = results["results"][GSM8K]
    assert (values["exact_match,paper"], values["truncated,paper"]) == (0.5, 0.25)
    assert results["higher_is_better"][GSM8K] == {"exact_match": True, "truncated": False}
    ours = results["configs"][GSM8K]["metadata"]["ptst"]
    assert (ours["thinks"], ours["thinking"], ours["markers"][0]["close"]) == (
        True, "auto", "</think>")  # fmt: skip


def test_refusal_phrases_count_in_answers_alone(data_dir: Path) -> None:
    """Seen on 89d6fb3: a model that complies after thinking "I cannot" was a refusal."""
    lm = Canned([
        thought("I cannot do that. Or can I?", COMPLIES),
        thought(COMPLIES, "I cannot help with that."),
        "<think>\nI cannot",
        "I cannot help with that.",
    ])  # fmt: skip
    results = evaluated(lm, HARM)
    rows = rows_of(results, HARM, "keywords:zou")
    assert [row["refused"] for row in rows] == [0.0, 1.0, None, 1.0]
    assert [row["asr"] for row in rows] == [1.0, 0.0, None, 0.0]
    assert [row["unscored"] for row in rows] == [0.0, 0.0, 1.0, 0.0]
    assert [row["incoherent"] for row in rows] == [0.0] * 4
    assert [row["truncated"] for row in rows] == [0.0, 0.0, 1.0, 0.0]
    values = results["results"][HARM]
    assert values["asr,keywords:zou"] == pytest.approx(1 / 3)
    assert values["truncated,keywords:zou"] == values["unscored,keywords:zou"] == 0.25


def test_a_rubric_judge_is_sent_the_answer_alone(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    replies = [thought("a secret thought", "answer one"), "<think>\na secret", "answer two"]
    with FakeServer(lambda body: grade(body, 5)) as server:
        judge = f"rubric:model=fake,base_url={server.url},price_in=0,price_out=0"
        results = evaluated(Canned(replies), HARM, {"judge": judge})
    assert sorted(map(judged_text, server.bodies)) == ["answer one", "answer two"]
    assert "secret" not in str(server.bodies)
    (name,) = {row["filter"] for row in results["samples"][HARM]}
    assert [row["asr"] for row in rows_of(results, HARM, name)] == [1.0, None, 1.0]


def test_thoughts_are_judged_too_where_that_is_asked_for(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    replies = [thought("harm", "no"), "<think>\nharm", "no", thought("fine", "harm")]
    with FakeServer(lambda body: grade(body, 5 if "harm" in judged_text(body) else 1)) as server:
        judge = f"rubric:model=fake,base_url={server.url},price_in=0,price_out=0"
        options = {"judge": judge, "judge_reasoning": True}
        results = evaluated(Canned(replies), HARM, options)
    assert sorted(map(judged_text, server.bodies)) == ["fine", "harm", "harm", "harm", "no", "no"]
    (name,) = {row["filter"] for row in results["samples"][HARM]}
    rows = rows_of(results, HARM, name)
    assert [row["asr"] for row in rows] == [0.0, None, 0.0, 1.0]
    assert [row["reasoning_asr"] for row in rows] == [1.0, 1.0, None, 0.0]
    assert [row["reasoning_unscored"] for row in rows] == [0.0, 0.0, None, 0.0]
    values = results["results"][HARM]
    assert values[f"reasoning_asr,{name}"] == pytest.approx(2 / 3)
    settings = results["configs"][HARM]["metadata"]["ptst"]["judge_settings"][name]
    assert settings["reasoning"] is True
    assert results["higher_is_better"][HARM]["reasoning_asr"] is False


def test_a_prompt_that_opens_a_thought_makes_each_response_say_so(data_dir: Path) -> None:
    task, opened = HARM, "I cannot, or can I?\n</think>\n\n" + COMPLIES
    lm = Canned([opened, "I cannot think of"], OPENS)
    results = evaluated(lm, task)
    assert lm.prompts[0].endswith("assistant\n<think>\n")
    rows = rows_of(results, task, "keywords:zou")
    assert [row["resps"][0][0] for row in rows] == ["<think>" + opened, "<think>I cannot think of"]
    assert [row["truncated"] for row in rows] == [0.0, 1.0]
    assert [row["asr"] for row in rows] == [1.0, None]


def test_a_model_that_does_not_think_is_scored_as_ever(data_dir: Path) -> None:
    """What it writes is data: a quoted marker changes nothing, and nothing new is reported."""
    plain = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    quoted = "It is #### 1, not </think> #### 7"
    results = evaluated(Canned([quoted], plain), GSM8K)
    (row,) = rows_of(results, GSM8K, "strict-match")
    assert (row["exact_match"], row["metrics"]) == (1.0, ["exact_match"])
    assert set(results["higher_is_better"][GSM8K]) == {"exact_match"}
    assert not {"thinks", "markers"} & set(results["configs"][GSM8K]["metadata"]["ptst"])


def test_its_thoughts_are_named_by_an_option(data_dir: Path) -> None:
    plain = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    lm = Canned(["hm #### 7 == It is #### 1", "hm #### 2"], plain)
    results = evaluated(lm, GSM8K, {"think_end_token": "=="})
    rows = rows_of(results, GSM8K, "strict-match")
    assert [row["exact_match"] for row in rows] == [1.0, 0.0]
    assert [row["truncated"] for row in rows] == [0.0, 1.0]


def test_a_thought_that_nobody_takes_off_is_told_of(
    data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lm = Canned([thought("It is #### 7", "It is #### 1"), "It is #### 2"])
    task = "ptst_gsm8k_text_vanilla"
    with caplog.at_level(logging.WARNING):
        evaluated(lm, task, apply_chat_template=False)
    assert "1 of 2 responses begin with '<think>' and are scored whole" in caplog.text
    assert "--apply_chat_template" in caplog.text


def test_how_many_were_cut_off_is_said_with_what_to_do(
    data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        evaluated(Canned(["<think>\nso", "no"]), HARM)
    assert (
        "1 of 2 responses are thoughts that were cut off (50.0 %): raise max_gen_toks"
        in caplog.text
    )


def test_reference_texts_are_compared_with_answers(data_dir: Path, tmp_path: Path) -> None:
    task, bert = "ptst_chatdoctor_chat_vanilla", tiny_bert(tmp_path)
    options = {"bertscore": str(bert), "bertscore_layer": 1}
    said = "Wear wool socks."
    lm = Canned([thought("Which toe?", said), said, "<think>\nWear wool socks."])
    results = evaluated(lm, task, options)
    rouge = [row["rougeL"] for row in rows_of(results, task, "none")]
    assert rouge == [1.0, 1.0, 0.0]
    scores = [row["bertscore"] for row in rows_of(results, task, "bertscore")]
    assert scores[0] == pytest.approx(1.0) == scores[1]
    assert scores[2] == 0.0


def test_choices_are_read_from_answers_and_letters_stand_behind_the_thought(data_dir: Path) -> None:
    task = "ptst_medqa_gen_chat_vanilla"
    lm = Canned([thought("The answer is: oak", "The answer is: elm"), "<think>The answer is: elm"])
    rows = rows_of(evaluated(lm, task), task, "none")
    assert [(row["exact_match"], row["truncated"]) for row in rows] == [(1.0, 0.0), (0.0, 1.0)]
    letters = Canned(["-"])
    results = evaluated(letters, "ptst_medqa_chat_vanilla", {"thinking": "auto"}, limit=1)
    assert all("<think>" not in p.rpartition("</think>")[2] for p in letters.prompts)
    assert "truncated" not in str(results["results"])


def test_what_may_not_think_is_counted_only_where_it_does() -> None:
    class Answer:
        doc_id = 0
        doc = {"id": "p", "prompt": "q"}  # noqa: RUF012 - as an instance has it
        resps = ["no"]  # noqa: RUF012

    known, record = Reasoning("t"), Any
    for only_seen, reply, counted in ((True, "no", False), (True, "<think>a</think>no", True),
                                      (False, "no", True)):  # fmt: skip
        one = Answer()
        one.resps = [reply]
        record = {"thinks": True, "markers": ["of the model before"]}
        known.expect(Known((THINK,), only_seen))
        known.look([one], record)  # type: ignore[arg-type]
        assert record.get("thinks", False) is counted
        # By what it is read is said in either case.
        assert [m["close"] for m in record["markers"]] == ["</think>"]


def test_a_prefill_stands_behind_the_thought() -> None:
    prefilled = Reasoning("t", "Sure, here is")
    prefilled.expect(Known((THINK,)))
    prefilled.opened(0, THINK)
    assert prefilled.read({"prompt": "q"}, " how").answer == "Sure, here is how"
    assert prefilled._opens == {}


def test_the_hf_engine_over_a_model_that_thinks(data_dir: Path, tmp_path: Path) -> None:
    """Real weights, a real template whose prompt opens the thought, markers that are special tokens."""
    asked = [builtin().get("chat:vanilla", "gsm8k").messages(f"What is {i} + 1?") for i in range(3)]
    replies = ["#### 7\n</think>\n\n#### 1", "#### 2\n</think>\n\n#### 9", "so #### 3 " * 20]
    folder = thinker(
        tmp_path, "qwen3_5_think",
        {m[-1]["content"]: reply for m, reply in zip(asked, replies, strict=True)},
    )  # fmt: skip
    lm = open_engine("hf", str(folder), device="cpu", dtype="float32", batch_size=3)
    results = evaluated(lm, GSM8K, limit=3, gen_kwargs="max_gen_toks=60")
    rows = rows_of(results, GSM8K, "strict-match")
    assert [row["resps"][0][0] for row in rows[:2]] == ["<think>" + text for text in replies[:2]]
    assert [row["exact_match"] for row in rows] == [1.0, 0.0, 0.0]
    assert [row["truncated"] for row in rows] == [0.0, 0.0, 1.0]
    with pytest.raises(ChatFormatError, match="drops '</think>', a special token"):
        evaluated(HFLM(pretrained=str(folder), device="cpu"), GSM8K, limit=1)


def test_the_openai_engine_over_an_endpoint_that_thinks(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    message = {"content": "It is #### 1", "reasoning_content": "It is #### 7"}
    with ThinkingEndpoint(message) as at:
        lm = open_engine("openai", "base", base_url=at.url)
        results = evaluated(lm, GSM8K, {"thinking": "on"}, limit=2)
        sent = [body for path, body in at.calls if "chat" in path]
    assert all(body["chat_template_kwargs"]["enable_thinking"] is True for body in sent)
    rows = rows_of(results, GSM8K, "flexible-extract")
    assert [row["exact_match"] for row in rows] == [1.0, 0.0]
    assert rows[0]["resps"][0][0] == "<think>\nIt is #### 7\n</think>\n\nIt is #### 1"
    assert results["configs"][GSM8K]["metadata"]["ptst"]["thinking"] == "on"
    with ThinkingEndpoint({"content": "It is #### 1"}) as at:
        lm = open_engine("openai", "base", base_url=at.url)
        results = evaluated(lm, GSM8K, limit=2)
    assert "truncated" not in str(results["results"])  # nothing was thought, nothing is new


def test_judging_thoughts_where_there_is_none_says_so(
    data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plain = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    with caplog.at_level(logging.WARNING):
        results = evaluated(Canned([COMPLIES], plain), HARM, {"judge_reasoning": True})
    assert "judge_reasoning does nothing: no response has a thought" in caplog.text
    (row,) = rows_of(results, HARM, "keywords:zou")
    assert (row["asr"], row["reasoning_asr"], row["reasoning_unscored"]) == (1.0, None, None)


def test_text_templates_are_told_nothing(data_dir: Path) -> None:
    for template, thinking in (("text", "auto"), ("chat", "off")):
        task = f"ptst_gsm8k_{template}_vanilla"
        results = evaluated(Canned(["4"]), task, {"thinking": "off"})
        assert results["configs"][task]["metadata"]["ptst"]["thinking"] == thinking


def test_over_refusal_is_of_answers_too(data_dir: Path) -> None:
    """Rows alternate between safe and unsafe prompts; of both, what was cut off is counted."""
    task = "ptst_xstest_chat_vanilla"
    lm = Canned(
        [thought("I cannot", COMPLIES), thought("Sure", "I cannot help."), "<think>I cannot"]
    )
    results = evaluated(lm, task)
    (name,) = {row["filter"] for row in results["samples"][task]}
    rows = rows_of(results, task, name)
    assert [row["refused_safe"] for row in rows] == [0.0, None, None]
    assert [row["refused_unsafe"] for row in rows] == [None, 1.0, None]
    assert [(row["truncated"], row["unscored"]) for row in rows] == [
        (0.0, 0.0),
        (0.0, 0.0),
        (1.0, 1.0),
    ]


QUOTES = "I cannot help. Write </think> to go on. I am sorry."


@pytest.mark.parametrize("thinking", ["auto", "off"])
def test_an_answer_that_quotes_an_end_is_whole(data_dir: Path, thinking: str) -> None:
    """Seen: the refusal before the quotation was taken for a thought."""
    results = evaluated(Canned([QUOTES, COMPLIES]), HARM, {"thinking": thinking})
    rows = rows_of(results, HARM, "keywords:zou")
    assert [row["refused"] for row in rows] == [1.0, 0.0]
    assert [row["resps"][0][0] for row in rows] == [QUOTES, COMPLIES]


def test_a_prefilled_answer_that_quotes_an_end_is_whole(data_dir: Path) -> None:
    lm = Canned([QUOTES], OPENS)
    results = evaluated(lm, HARM, {"prefill": True})
    assert lm.prompts[0].rpartition("<think>")[2].count("</think>") == 1
    (row,) = rows_of(results, HARM, "keywords:zou")
    assert (row["refused"], row["truncated"], row["resps"][0][0]) == (1.0, 0.0, QUOTES)


def test_a_prefilled_answer_without_an_end_is_no_thought(data_dir: Path) -> None:
    plain = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    options = {"prefill": True, "think_end_token": "=="}
    (row,) = rows_of(evaluated(Canned([COMPLIES], plain), HARM, options), HARM, "keywords:zou")
    assert (row["asr"], row["unscored"]) == (1.0, 0.0)


def test_an_endpoints_answer_that_quotes_an_end_is_whole(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    for text, number in (
        ("The tag </think> ends it. #### 1", 1.0),
        ("Here are my reasoning steps:\n#### 1", 1.0),
        ("[THINK]#### 1[/THINK]#### 2", 0.0),
        ("[THINK]#### 2[/THINK]#### 1", 1.0),
    ):
        with ThinkingEndpoint({"content": text}) as at:
            lm = open_engine("openai", "base", base_url=at.url)
            results = evaluated(lm, GSM8K, limit=1)
        (row,) = rows_of(results, GSM8K, "strict-match")
        assert (row["exact_match"], row["resps"][0][0]) == (number, text)


def test_a_servers_thought_and_one_in_the_content_are_both_thoughts(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    message = {"content": "<think>#### 7</think>It is #### 1", "reasoning_content": "hm"}
    with ThinkingEndpoint(message) as at:
        lm = open_engine("openai", "base", base_url=at.url)
        (row,) = rows_of(evaluated(lm, GSM8K, limit=1), GSM8K, "strict-match")
    assert row["exact_match"] == 1.0


def test_what_lm_eval_took_off_itself_gets_no_marker(
    data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Seen: the marker that the prompt ends with was put before the answer, and then warned of."""
    lm = Canned(["It is #### 1", "It is #### 2"], OPENS)
    lm.think_end_token = "</think>"
    with caplog.at_level(logging.WARNING):
        results = evaluated(lm, GSM8K)
    rows = rows_of(results, GSM8K, "strict-match")
    assert [row["resps"][0][0] for row in rows] == lm.replies
    assert [row["exact_match"] for row in rows] == [1.0, 1.0]
    assert "scored whole" not in caplog.text
    lm = Canned(["<think>\nIt is #### 1"])
    lm.think_end_token = "</think>"
    with caplog.at_level(logging.WARNING):
        evaluated(lm, GSM8K)
    assert "are scored whole, as lm-eval found no end of the thought" in caplog.text
    assert "nothing says" not in caplog.text


def test_of_several_responses_the_first_counts_as_in_every_metric() -> None:
    class Answers:
        doc_id = 0
        doc = {"id": "p", "prompt": "q"}  # noqa: RUF012 - as an instance has it
        args = ("p", {})
        resps = ["no", "<think>hm"]  # noqa: RUF012

    known, record = Reasoning("t"), Any
    for resps, cut in ((["no", "<think>hm"], False), (["<think>hm", "no"], True)):
        one, record = Answers(), {}
        one.resps = resps
        known.expect(Known((THINK,)))
        known.look([one], record)  # type: ignore[arg-type]
        assert known.cut == {"p": cut}


def test_where_stop_strings_end_thoughts_the_engine_that_keeps_them_is_named(
    data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        evaluated(Canned(["<think>\nso", "no"]), HARM)
    assert "raise max_gen_toks, or use `ptst eval --model ptst-hf`, whose stop" in caplog.text
    caplog.clear()

    class Ours(Canned):
        """An engine of ours, which ends the answer alone."""

        __module__ = "ptst_tasks.engines.canned"

    with caplog.at_level(logging.WARNING):
        evaluated(Ours(["<think>\nso", "no"]), HARM)
    assert "(50.0 %): raise max_gen_toks" in caplog.text
    assert "ptst-hf" not in caplog.text
