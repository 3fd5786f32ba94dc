from __future__ import annotations

from pathlib import Path
from typing import Any

from leaderboards.report.sendable import Texts
from leaderboards.report.table import BETTER, WORSE, AnswerTable
from tests.leaderboards.report.made_runs import (
    CL,
    CV,
    OTHER,
    ZOU,
    Said,
    said,
    table_of,
    two_templates,
    write_cell,
)


def table(*runs: Path, texts: Texts = "harmful") -> tuple[AnswerTable, dict[str, Any]]:
    made = table_of(*runs, texts=texts)
    return made, made.data()


def rows(data: dict[str, Any]) -> list[dict[str, Any]]:
    """The columns put together again, as the page reads them."""
    out = []
    for at in range(len(data["rows"]["run"])):
        one = {name: column[at] for name, column in data["rows"].items()}
        prompt, said_ = data["prompts"][one["prompt"]], {}
        for judge, words in zip(data["judges"], data["said"], strict=True):
            if words[at] >= 0:
                said_[judge] = data["verdicts"][words[at]]
        one |= {"id": prompt[1], "set": data["sets"][prompt[0]], "said": said_}
        one |= {"test": data["tests"][one["test"]][0], "model": data["models"][one["model"]]}
        out.append(one | {"text": data["texts"][one["text"]] if one["text"] >= 0 else None})
    return out


def test_columns_say_what_the_samples_said(tmp_path: Path) -> None:
    run = two_templates(tmp_path / "run", turned=2, n=3)
    made, data = table(run)
    found = rows(data)
    assert len(made) == len(found) == 3 * 6
    worse = [r for r in found if r["turned"] == WORSE]
    assert [(r["id"], r["set"], r["test"], r["model"][1], r["text"]) for r in worse] == [
        (f"q00{i}", "advbench", CL, "CL seed 0", f"harmful answer {i}") for i in (0, 1)
    ]
    assert all(r["said"] == {ZOU: "harmful", OTHER: "harmful"} for r in worse)
    assert not any(r["turned"] == BETTER for r in found)


def test_of_two_runs_what_a_comparison_says_turned(tmp_path: Path) -> None:
    old = two_templates(tmp_path / "old", turned=2, n=4)
    new = two_templates(tmp_path / "new", turned=1, n=4)
    made = table_of(old, new)
    made.turn([], [3, 5])
    made.turn([5], [])
    assert [at for at, turned in enumerate(made.data()["rows"]["turned"]) if turned] == [3, 5]
    assert made.data()["rows"]["turned"][5] == WORSE


def test_without_texts_there_is_none(tmp_path: Path) -> None:
    made, data = table(two_templates(tmp_path / "run"), texts="none")
    assert data["texts"] == []
    assert not any(made.shown.values())
    assert all(prompt[2:5] == ["", -1, -1] for prompt in data["prompts"])


def test_an_unscored_answer_turned_nowhere(tmp_path: Path) -> None:
    write_cell(tmp_path / "run", "advbench", CL, [said(0, "harmful")])
    write_cell(tmp_path / "run", "advbench", CL, [said(0, "unscored")], train=CL, seed=0)
    _, data = table(tmp_path / "run")
    assert [r["turned"] for r in rows(data)] == [0, 0]


def test_each_base_is_held_against_itself(tmp_path: Path) -> None:
    for base, word in (("a", "refused"), ("b", "harmful")):
        write_cell(tmp_path / "run", "advbench", CL, [said(0, word)], base=base)
        write_cell(
            tmp_path / "run", "advbench", CL, [said(0, "harmful")], base=base, train=CL, seed=0
        )
    _, data = table(tmp_path / "run")
    turned = {(r["model"][2], r["model"][1]): r["turned"] for r in rows(data)}
    assert turned == {("a", "before fine-tuning"): 0, ("a", "CL seed 0"): WORSE,
                      ("b", "before fine-tuning"): 0, ("b", "CL seed 0"): 0}  # fmt: skip


def test_each_judge_is_held_against_itself(tmp_path: Path) -> None:
    """Of judges that differ none turned; where one did, and another had no verdict before, it did."""
    before = [
        said(0, "refused", "harmful"),
        said(1, "unscored", "refused"),
        said(2, "harmful", "harmful"),
    ]
    after = [
        said(0, "refused", "harmful"),
        said(1, "harmful", "harmful"),
        said(2, "harmful", "refused"),
    ]
    write_cell(tmp_path / "run", "advbench", CL, before)
    write_cell(tmp_path / "run", "advbench", CL, after, train=CL, seed=0)
    _, data = table(tmp_path / "run")
    assert [r["turned"] for r in rows(data)][3:] == [0, WORSE, BETTER]


def test_an_unsafe_prompt_that_is_declined_is_no_worse(tmp_path: Path) -> None:
    def cell(word: str) -> list[Said]:
        return [
            Said(label, label, word, {ZOU: word}, {"label": label}) for label in ("safe", "unsafe")
        ]

    write_cell(tmp_path / "run", "xstest", CV, cell("answered"))
    write_cell(tmp_path / "run", "xstest", CV, cell("declined"), train=CV, seed=0)
    _, data = table(tmp_path / "run")
    assert [(r["id"], r["turned"]) for r in rows(data)][2:] == [("safe", WORSE), ("unsafe", BETTER)]


def test_one_id_may_be_of_two_prompts(tmp_path: Path) -> None:
    runs = []
    for name in ("old", "new"):
        answers = [Said("p1", f"{name} question", f"{name} answer", {"strict-match": "right"})]
        runs.append(write_cell(tmp_path / name, "gsm8k", CV, answers).parents[1])
    made, data = table(*runs)
    assert made.renamed() == 1
    texts = [data["texts"][prompt[3]] for prompt in data["prompts"]]
    assert texts == ["old question", "new question"]


def test_what_lacks_a_verdict_counts_once(tmp_path: Path) -> None:
    cell = [said(0, "unscored", "unscored"), said(1, "unscored", "refused"), said(2, "refused")]
    write_cell(tmp_path / "run", "advbench", CL, cell)
    assert table_of(tmp_path / "run").lacking == 2


def test_an_answer_to_an_attack_turned_against_one_to_the_same_attack(tmp_path: Path) -> None:
    """It was set against the plain answer of the model before fine-tuning."""
    run = tmp_path / "run"
    write_cell(run, "advbench", CL, [said(0, "refused")])
    write_cell(run, "advbench", CL, [said(0, "harmful")], attack="prefill:5")
    write_cell(run, "advbench", CL, [said(0, "harmful")], train=CL, seed=0, attack="prefill:5")
    _, data = table(run)
    found = rows(data)
    assert [r["test"] for r in found] == [CL, f"{CL} prefill:5", f"{CL} prefill:5"]
    assert [r["turned"] for r in found] == [0, 0, 0]
