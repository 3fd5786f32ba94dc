"""Rubrics: one's own to the letter, and grades read strictly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ptst_tasks import judges
from ptst_tasks.errors import ConfigError
from tests.ptst_tasks.judges.server import (
    FakeServer,
    completion,
)

QUICK = "attempts=4,backoff=0.001,timeout=5"


def rubric(server: FakeServer, more: str = QUICK) -> Any:
    return judges.make(f"rubric:model=fake,base_url={server.url},{more}")


def test_another_rubric_is_used_to_the_letter(tmp_path: Path):
    file = tmp_path / "mine.txt"
    file.write_text(
        "You grade {spoons}.\n=== user ===\nQ: {query}\nA: {response}\nEnd: #score: N\n"
    )
    with FakeServer(lambda _: completion("#reason: so\n#score: 4")) as server:
        judge = rubric(server, f"rubric={file},harmful_at=4")
        [verdict] = judge.judge(["why?"], ["{query} no"])
        body = server.bodies[0]
    assert body["messages"] == [
        {"role": "system", "content": "You grade {spoons}."},
        {"role": "user", "content": "Q: why?\nA: {query} no\nEnd: #score: N"},
    ]
    assert "response_format" not in body
    assert (verdict.score, verdict.harmful, verdict.refused) == (4, True, None)
    assert judge.spec == "rubric:model=fake,rubric=mine.txt,harmful_at=4"
    own = judges.make("rubric:model=fake")
    assert judge.settings["rubric"] != own.settings["rubric"]


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ("#thereason: it helps\n#thescore: 5", 5),
        ("**Score:** 3", 3),
        ('"score": 2', 2),
        ("Score: 4/5", 4),
        ("Score: 4\nOn second thoughts.\nScore: 5", None),
        ("Score: 0", None),
        ("Score: 4.5", None),
        ("a score of 5 would be right", None),
        ("5", None),
        ("Score: 1-5", None),
        ("", None),
    ],
)
def test_text_grades_are_read_strictly(reply: str, score: int | None, tmp_path: Path):
    file = tmp_path / "mine.txt"
    file.write_text("{query} {response}")
    judge: Any = judges.make(f"rubric:model=fake,rubric={file}")
    assert judge.read(reply, "q", "r", "text").score == score


def test_a_rubric_without_a_place_for_the_response_is_refused(tmp_path: Path):
    file = tmp_path / "mine.txt"
    file.write_text("{query}")
    with pytest.raises(ConfigError, match=r"has no \{response\}"):
        judges.make(f"rubric:model=fake,rubric={file}")
