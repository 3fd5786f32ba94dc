"""How a question with choices is asked."""

from __future__ import annotations

from ptst_tasks.queries import choose, lettered

DOC = {
    "prompt": "Which is wet?",
    "choices": ["dry sand", "rain-water", "rain", "A stone, grey"],
    "labels": ["A", "B", "C", "D"],
    "label": 0,
}


def test_questions_with_choices() -> None:
    assert lettered(DOC).splitlines()[:2] == ["Which is wet?", "A. dry sand"]
    assert choose(DOC) == (
        "Which is wet? Please select the answer from the following choices: A: dry sand, B: "
        "rain-water, C: rain, D: A stone, grey . For convenience, please put 'The answer is: "
        "{your_answer} ' at the end of your response."
    )
