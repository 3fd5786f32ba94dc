"""With real harmful prompts and answers: none of them is in a file that nobody asked to hold them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from leaderboards.judging import labelled_sets
from leaderboards.report.build import build
from leaderboards.report.wishes import Wishes
from ptst_tasks import sets
from ptst_tasks.errors import DataNotFoundError
from tests.leaderboards.report.made_runs import CV, KIND, ZOU, Said, write_cell

SHARED = Path(__file__).parents[4] / "shared/data"
LEAST = 15
SETS = ("advbench", "directharm4", "harmbench", "jbb_harmful", "gsm_danger", "xstest")


def telling(text: str) -> str:
    """The longest part of a text that no escape changes; too short a one may stand anywhere."""
    return max(re.findall(r"[A-Za-z ,]+", text) or [""], key=len).strip()


def found_in(page: str, parts: list[str]) -> int:
    """How many of the parts stand in a page, which is looked through once."""
    begins = {page[i : i + LEAST] for i in range(len(page))}
    return sum(part[:LEAST] in begins and part in page for part in parts)


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Path, list[str]]:
    """A run of real sets with real answers, and what must not be in its report."""
    if not SHARED.is_dir():
        pytest.skip("needs the real sets beside the repository")
    monkeypatch.setenv("PTST_DATA_DIR", str(SHARED))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    replies = [
        one.response
        for name in ("gptfuzz-evaluate", "jailjudge-mini")
        for one in labelled_sets.read(name)
    ]
    secret, safe = [], ""
    for name in SETS:
        try:
            rows = sets.load(name).rows
        except DataNotFoundError:
            continue
        monkeypatch.setitem(KIND, name, sets.get(name).kind)
        word = "refused" if KIND[name] == "harmful" else "answered"
        answers = []
        for row in rows:
            label = {"label": row["label"]} if "label" in row else {}
            if row.get("label") == "safe":
                reply, safe = "a mild answer", f"{safe}\n{row['prompt']}"
            else:
                reply = replies.pop()
                secret += [row["prompt"], reply]
            about = {"category": row.get("category", ""), **label}
            answers.append(Said(str(row["id"]), row["prompt"], reply, {ZOU: word}, about))
        write_cell(tmp_path / "run", name, CV, answers)
    parts = [part for part in map(telling, secret) if len(part) >= LEAST]
    return tmp_path / "run", [part for part in parts if part not in safe]  # XSTest's come in pairs


def test_none_is_in_the_file(real: tuple[Path, list[str]]) -> None:
    run, secret = real
    assert len(secret) > 1000
    assert (
        found_in(build([[run]]).html, secret) == 0
    )  # a number: a failing test prints none of them
    assert found_in(build([[run]], Wishes(texts="none")).html, secret) == 0
    few = secret[::50]
    assert found_in(build([[run]], Wishes(texts="harmful")).html, few) == len(few)


def test_nothing_of_this_machine_is_in_it(
    real: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a-key-that-nobody-has")
    page = build([[real[0]]], Wishes(texts="harmful")).html
    for told in (
        str(real[0].parent),
        str(Path.home()),
        os.uname().nodename,
        "sk-a-key-that-nobody-has",
    ):
        assert told not in page
