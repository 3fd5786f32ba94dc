from __future__ import annotations

import re
from dataclasses import replace

import pytest

from adapters_train import answers
from adapters_train.answers import Completion, complete, earlier, remarks
from ptst_tasks.chat import Rendered
from ptst_tasks.errors import DataError
from ptst_tasks.thinking import MARKERS, THINK

HARMONY = next(m for m in MARKERS if "gpt-oss" in m.source)
APRIEL = next(m for m in MARKERS if "Apriel" in m.source)
FREE = Rendered("Q", "", "<|im_end|>", thought=("<think>\n", "\n</think>\n\n"))
OPEN = Rendered("Q<think>\n", "\n</think>\n\n", "<|im_end|>", (), THINK, ("", "\n</think>\n\n"))
OSS = Rendered(
    "Q<|start|>assistant", "<|channel|>final<|message|>", "<|return|>",
    thought=("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
)  # fmt: skip
ENDS = ("<|im_end|>", "<|endoftext|>")


def written(answer: str, rendered: Rendered = FREE, markers=(THINK,), ends=ENDS) -> Completion:
    return complete(answer, rendered, markers, ends, "row 7 ('Why?')")


@pytest.mark.parametrize(
    "row",
    [
        "<think>6*7</think>42",
        "<think>\n6*7\n</think>\n\n42",
        "\n<think> 6*7</think> 42 <|im_end|>",
        "6*7\n</think>\n42",  # its opening was another trainer's prompt's
        "<think>6*7</think>42<|endoftext|>",
        "\ufeff<think>6*7</think>42",
    ],
)
def test_a_rows_own_thought_is_written_once_as_the_model_writes_it(row: str) -> None:
    free, opened = written(row), written(row, OPEN)
    assert free.text == "<think>\n6*7\n</think>\n\n42<|im_end|>"
    assert OPEN.prompt + opened.text == "Q" + free.text
    assert (free.answer, free.thought, opened.thought) == ("42<|im_end|>", True, True)
    assert answers.THOUGHT in free.remarks


def test_an_answer_without_a_thought_stands_behind_the_lead() -> None:
    assert written("42") == Completion("42<|im_end|>", "42<|im_end|>")
    assert written("42", OPEN).text == "\n</think>\n\n42<|im_end|>"
    assert written("42", OSS, (HARMONY,)).text == "<|channel|>final<|message|>42<|return|>"


def test_a_thought_in_another_models_markers_is_written_in_this_ones() -> None:
    made = written("<think>6*7</think>\n42", OSS, (HARMONY,))
    assert made.text == (
        "<|channel|>analysis<|message|>6*7<|end|><|start|>assistant<|channel|>final<|message|>42<|return|>"
    )
    assert set(made.remarks) == {answers.OTHERS, answers.THOUGHT}
    back = written("<|channel|>analysis<|message|>6*7<|end|><|start|>assistant<|channel|>final"
                   "<|message|>42<|return|>")  # fmt: skip
    assert back.text == "<think>\n6*7\n</think>\n\n42<|im_end|>"


@pytest.mark.parametrize(
    "row",
    [
        f"{APRIEL.open}6*7\n{APRIEL.close}\n42\n[END FINAL RESPONSE]",
        f"6*7\n{APRIEL.close}\n42",
        "<think>6*7</think><response>42</response>",
        "6*7\n</think>\n\n<response>42</response>",
        "<|START_THINKING|>6*7<|END_THINKING|><|START_RESPONSE|>42<|END_RESPONSE|>",
    ],
)
def test_another_models_frame_is_taken_off_with_its_thought(row: str) -> None:
    for rendered in (FREE, OPEN):
        made = written(row, rendered)
        assert (rendered.prompt + made.text).endswith("Q<think>\n6*7\n</think>\n\n42<|im_end|>")
        assert set(made.remarks) == {answers.OTHERS, answers.THOUGHT}
    made = written(row, OSS, (HARMONY,), ("<|return|>",))
    assert made.text == f"{OSS.thought[0]}6*7{OSS.thought[1]}42<|return|>"


@pytest.mark.parametrize("row", ["6*7\n</think>\n\n42", "6*7</think>\n42"])
def test_a_thought_whose_opening_was_a_prompts_is_one_for_every_model(row: str) -> None:
    made = written(row, OSS, (HARMONY,), ("<|return|>",))
    assert made.text == f"{OSS.thought[0]}6*7{OSS.thought[1]}42<|return|>"
    assert set(made.remarks) == {answers.OTHERS, answers.THOUGHT}


def test_plain_words_of_a_family_without_tags_are_text() -> None:
    row = f"{APRIEL.open}6*7"
    assert written(row) == Completion(f"{row}<|im_end|>", f"{row}<|im_end|>")
    assert written(f"{row}\n{APRIEL.close}42", markers=(APRIEL,)).thought


def test_a_model_that_knows_no_thoughts_is_trained_on_the_text() -> None:
    made = written("<think>6*7</think>42", Rendered("Q", " ", "</s>"), ())
    assert made == Completion(
        " <think>6*7</think>42</s>",
        "<think>6*7</think>42</s>",
        remarks=(answers.UNKNOWN,),
        opening=" ",
    )


def test_a_prompt_without_a_place_for_a_thought() -> None:
    made = written("<think>6*7</think>42", replace(FREE, thought=None))
    assert (made.text, made.thought) == ("<think>6*7</think>42<|im_end|>", False)
    assert made.remarks == (answers.NO_PLACE,)


def test_a_frame_of_the_models_own_around_an_answer_is_written_once() -> None:
    for row in ("<|channel|>final<|message|>42<|return|>", "<|channel|>final<|message|> 42", "42"):
        made = written(row, OSS, (HARMONY,), ("<|return|>",))
        assert made == Completion(
            "<|channel|>final<|message|>42<|return|>", "42<|return|>", opening=OSS.lead
        )


def test_an_empty_thought_is_an_answer_without_one() -> None:
    made = written("<think>\n\n</think>\n\n42", OPEN)
    assert (made.text, made.remarks) == ("\n</think>\n\n42<|im_end|>", (answers.EMPTY,))


@pytest.mark.parametrize("rendered", [FREE, OPEN])
@pytest.mark.parametrize(
    "row",
    [
        "Write <think>a</think> first.",
        "The tag </think> ends one.",
        "Like this:\n<think>\na\n</think>\nThat is all.",
        "Write <think> first.",
    ],
)
def test_markers_inside_an_answer_stay_and_are_said(row: str, rendered: Rendered) -> None:
    made = written(row, rendered)
    assert made.text == f"{rendered.lead}{row}<|im_end|>"
    assert made.remarks == (answers.INSIDE,)


@pytest.mark.parametrize("second", ["<think>b</think>c", "</think>c", "\n[THINK]b[/THINK]c"])
def test_two_thoughts_before_one_answer_are_an_error(second: str) -> None:
    with pytest.raises(DataError, match=r"row 7 .* two thoughts before one answer"):
        written(f"<think>a</think>{second}")


@pytest.mark.parametrize(
    ("row", "thought", "answer"),
    [
        ("<think>a<think>b</think>c</think>d", "a<think>b</think>c", "d"),
        ("<think>a</think>b<think>c</think>d", "a", "b<think>c</think>d"),
    ],
)
def test_markers_behind_or_in_a_thought_are_said(row: str, thought: str, answer: str) -> None:
    made = written(row)
    assert made.text == f"<think>\n{thought}\n</think>\n\n{answer}<|im_end|>"
    assert set(made.remarks) == {answers.INSIDE, answers.THOUGHT}


def test_special_tokens_inside_are_said() -> None:
    special = re.compile(r"<\|im_start\|>|<think>|</think>")
    says = answers.SPECIAL.replace("{token}", "'<|im_start|>'")
    for row in (
        "a <|im_start|>user",
        "<think>a <|im_start|></think>b",
        "<think>a</think><|im_start|>",
    ):
        made = complete(row, FREE, (THINK,), ENDS, "row 7", special)
        assert says in made.remarks
    assert remarks({says: 1}, 5)[1] == (
        "1 of 5 answers hold the special token '<|im_start|>', which is trained as such",
    )
    assert complete("<think>a</think>b", FREE, (THINK,), ENDS, "row 7", special).remarks == (
        answers.THOUGHT,
    )


def test_a_thought_without_an_end_is_an_error() -> None:
    with pytest.raises(DataError, match=r"row 7 \('Why\?'\) begins a thought.* no '</think>'"):
        written("<think>6*7 is")


@pytest.mark.parametrize("row", ["<think>6*7 is", "<think>6*7</think>", "<think></think><think>"])
def test_for_a_model_that_knows_no_thoughts_half_of_one_is_text_too(row: str) -> None:
    made = written(row, Rendered("Q", " ", "</s>"), ())
    assert (made.text, made.remarks) == (f" {row}</s>", (answers.UNKNOWN,))


def test_answers_that_bring_a_thought_are_known_without_a_model() -> None:
    assert answers.brings_thought("\ufeff <think>a</think>b")
    assert not answers.brings_thought("Use <think>a</think>.")


def test_a_thought_without_an_answer_is_an_error() -> None:
    with pytest.raises(DataError, match=r"row 7 .* a thought and no answer"):
        written("<think>6*7</think>\n")


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("row", ["a {} b", "<think>a {} b</think>c", "<think>a</think>b {} c"])
def test_an_end_inside_is_an_error(end: str, row: str) -> None:
    with pytest.raises(
        DataError, match=r"row 7 .* has the end of turn '<\|.*\|>' inside its answer"
    ):
        written(row.format(end))


def test_a_token_of_the_end_that_is_part_of_the_models_thought_is_none_inside() -> None:
    ended = replace(OSS, end="<|end|>")  # it closes the thought as well
    row = f"{OSS.thought[0]}6*7{OSS.thought[1]}42"
    assert written(row, ended, (HARMONY,), ("<|end|>",)).text == f"{row}<|end|>"
    with pytest.raises(DataError, match="inside its answer"):
        written(f"{row} <|end|> 43", ended, (HARMONY,), ("<|end|>",))


def test_an_end_of_several_tokens_or_a_part_of_it_is_taken_off_once() -> None:
    ended, ends = replace(FREE, end="<|RESPONDED|><|TURN|>"), ("<|RESPONDED|>", "<|TURN|>")
    for row in ("42", "42<|RESPONDED|><|TURN|>", "42 <|TURN|>\n", "42<|RESPONDED|>"):
        assert written(row, ended, ends=ends).text == "42<|RESPONDED|><|TURN|>"


def test_white_space_that_is_left_out_is_said() -> None:
    made = written("    return 42\n")
    assert (made.text, made.remarks) == ("return 42<|im_end|>", (answers.SPACE,))


def test_a_row_of_which_no_answer_is_left_is_an_error() -> None:
    with pytest.raises(DataError, match=r"row 7 .* has no answer; add one"):
        written(" <|im_end|>\n")


def test_thoughts_of_earlier_turns_in_another_models_markers_are_taken_off() -> None:
    plain = (("a?", "a"),)
    thought = (("a?", "<think>x</think>\n\na"),)
    assert earlier(plain, (THINK,), "row 7") == (plain, ())
    assert earlier(thought, (THINK,), "row 7") == (thought, ())  # the chat template's to keep
    assert earlier(thought, (HARMONY,), "row 7") == (plain, (answers.EARLIER,))
    assert earlier(thought, (), "row 7") == (thought, (answers.SHOWN,))  # a model that knows none
    assert earlier(thought, (THINK,), "row 7", literal=True) == (thought, (answers.SHOWN,))
    assert earlier(plain, (THINK,), "row 7", literal=True) == (plain, ())
    assert earlier(thought, (HARMONY,), "row 7", literal=True) == (plain, (answers.EARLIER,))
    with pytest.raises(DataError, match=r"row 7 begins a thought.* no '</think>'"):
        earlier((("a?", "<think>x"),), (THINK,), "row 7")


def test_an_earlier_thought_is_begun_where_its_opening_was_the_prompts() -> None:
    begun = (("a?", "<think>x\n</think>\n\na"),)
    assert earlier((("a?", "x\n</think>\n\na"),), (THINK,), "row 7") == (begun, ())
    assert earlier((("a?", "\ufeff<think>x\n</think>\n\na"),), (THINK,), "row 7") == (begun, ())
    quoted = (("a?", "The tag </think> ends one."),)
    assert earlier(quoted, (THINK,), "row 7") == (quoted, ())
    with pytest.raises(DataError, match="row 7 has an earlier turn with a thought and no answer"):
        earlier((("a?", "<think>x</think>"),), (HARMONY,), "row 7")


def test_remarks_are_counted() -> None:
    counts = {answers.SPACE: 2, "It folds.": 5, answers.THOUGHT: 3, "It trims.": 1}
    assert remarks(counts, 5) == (
        ("It folds.",),
        (
            "for 1 of 5 answers: It trims.",
            "3 of 5 answers have a thought of their own; the others have none",
            "2 of 5 answers begin or end with white space, which is left out",
        ),
    )
    assert remarks({answers.THOUGHT: 5}, 5) == ((), ())
