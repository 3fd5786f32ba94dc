"""The real inspect_ai: our sets as its tasks, asked and scored as through lm-eval."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inspect_ai", reason="needs inspect_ai: make test-inspect")

from inspect_ai import Task, eval, score
from inspect_ai._util.error import PrerequisiteError
from inspect_ai.dataset import Sample
from inspect_ai.log import EvalLog
from inspect_ai.scorer import includes

from ptst_tasks.for_inspect.scorers import judge, scored
from tests.canned import evaluated
from tests.ptst_tasks.for_inspect.answers import ROWS, SAID, Served, fifty, mock

pytestmark = [
    pytest.mark.inspect,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning"),  # its own
]
CASES = [
    ("advbench", "CL", "chat_llama"),
    ("xstest", "ICD", "chat_icd"),
    ("gsm8k", "chat:mpt", "chat_mpt"),
    ("medqa_gen", "chat_alpaca", "chat_alpaca"),
]


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PTST_DATA_DIR", str(fifty(tmp_path / "data")))


def evaled(folder: Path, name: str, asked: Any = None, **how: Any) -> EvalLog:
    args = {"template": "CL", **how.pop("args", {})}
    how = {"model": mock(asked), "log_dir": str(folder), "display": "none", **how}
    [log] = eval(f"ptst/{name}", task_args=args, **how)
    return log


def values(log: EvalLog) -> dict[tuple[str, str], dict[str, Any]]:
    """(prompt, filter) -> metrics, as a log has them."""
    out = {}
    for sample in log.samples or ():
        for one in (sample.scores or {}).values():
            for name, column in (one.metadata or {})["ptst"]["columns"].items():
                out[str(sample.id), name] = column["values"]
    return out


@pytest.mark.parametrize(("name", "template", "slug"), CASES)
def test_fifty_prompts_are_asked_and_scored_as_through_lm_eval(
    rows: None, tmp_path: Path, name: str, template: str, slug: str
) -> None:
    lm = Served()
    theirs = evaluated(lm, f"ptst_{name}_{slug}", limit=ROWS)
    asked: list[Any] = []
    log = evaled(tmp_path / "logs", name, asked, args={"template": template})
    assert log.status == "success", log.error
    assert log.eval.task == f"ptst/{name}"
    assert len(asked) == ROWS
    assert sorted(map(str, asked)) == sorted(map(str, lm.asked))
    [lines] = theirs["samples"].values()
    found = values(log)
    assert len(found) == len(lines)
    for line in lines:
        # A thought that was cut off is counted where there is one: of the others the log says nothing.
        mine = {"truncated": 0.0} | found[line["doc"]["id"], line["filter"]]
        assert mine == {"truncated": 0.0} | {m: line[m] for m in line["metrics"]}
    assert log.results
    [result] = theirs["results"].values()
    names = {tuple(next(iter((s.scores or {}).values())).value) for s in log.samples or ()}
    assert len(names) == 1  # or inspect fails, whichever sample is scored first
    for one in log.results.scores:
        if one.name == "truncated":  # for each filter in lm-eval
            continue
        assert one.metrics["mean"].value == pytest.approx(result[one.name], nan_ok=True), one.name


def test_a_missing_verdict_is_in_no_mean_and_counted(rows: None, tmp_path: Path) -> None:
    log = evaled(tmp_path, "advbench")
    assert log.results
    [asr] = [s for s in log.results.scores if s.name == "asr,keywords:zou"]
    lost = sum(math.isnan(one.scores["scored"].value["asr,keywords:zou"]) for one in log.samples)
    assert 0 < lost < ROWS
    assert (asr.unscored_samples, asr.scored_samples) == (lost, ROWS - lost)


def test_an_answer_that_a_filter_took_is_none(rows: None, tmp_path: Path) -> None:
    from inspect_ai.model import ModelOutput, ModelUsage, get_model

    def nothing(*_: Any) -> ModelOutput:
        output = ModelOutput.from_content("mock", "", stop_reason="content_filter")
        output.usage = ModelUsage()
        return output

    model = get_model("mockllm/model", custom_outputs=nothing, memoize=False)
    log = evaled(tmp_path, "advbench", model=model, limit=3)
    assert all(math.isnan(one.scores["scored"].value) for one in log.samples)


@pytest.mark.parametrize(
    ("name", "args", "said"),
    [
        ("advbench", {"template": "TV"}, "takes messages, not this prompt as text"),
        ("medqa", {}, "use the generate form"),
        ("advbench", {"jugde": "keywords"}, "did you mean 'judge'"),
        ("advbench", {"judge": "keyword"}, "did you mean 'keywords'"),
    ],
)
def test_what_is_wrong_is_said_without_a_traceback(
    rows: None, tmp_path: Path, name: str, args: dict[str, Any], said: str
) -> None:
    with pytest.raises(PrerequisiteError, match=said):
        evaled(tmp_path, name, args=args)


def test_a_judge_of_ours_scores_anybodys_task(tmp_path: Path) -> None:
    samples = [Sample(input=f"Hide spoon {i}", target="x", id=i) for i in range(8)]
    task = Task(dataset=samples, scorer=includes(), name="theirs")
    [log] = eval(task, model=mock(), log_dir=str(tmp_path), display="none")
    judged = score(log, judge("keywords:zou"), action="append", display="none")
    found = [one.scores["judge"].value["refused,keywords:zou"] for one in judged.samples]
    for sample, refused in zip(judged.samples, found, strict=True):
        text = sample.output.completion
        assert text in SAID
        if "</think>" in text or "<think>" not in text:  # else the thought was cut off
            assert refused == float("sorry" in text or "cannot" in text), text
    assert judged.results
    with pytest.raises(PrerequisiteError, match="one judge"):
        judge(["keywords:zou", "keywords:xstest"])
    with pytest.raises(PrerequisiteError, match="did you mean 'harmful'"):
        judge("keywords:zou", kind="harmfull")


def test_a_log_is_scored_again_by_what_it_says_of_its_scorer(rows: None, tmp_path: Path) -> None:
    log = evaled(tmp_path, "xstest", args={"judge": ["keywords:zou", "keywords:xstest"]}, limit=4)
    [one] = log.eval.scorers or ()
    again = score(log, scored(**(one.options or {})), action="overwrite", display="none")
    assert values(again) == values(log)
    assert {name for _, name in values(log)} == {"keywords:zou", "keywords:xstest"}


def test_another_sets_scorer_is_refused(rows: None, tmp_path: Path) -> None:
    log = evaled(tmp_path, "xstest", limit=2)
    with pytest.raises(PrerequisiteError, match="is no row of the set 'gsm8k'"):
        score(log, scored("gsm8k", "CL"), action="overwrite", display="none")


def test_the_tasks_are_found_by_name_and_in_their_file(rows: None, tmp_path: Path) -> None:
    file = Path(__file__).parents[3] / "ptst_tasks/for_inspect/tasks.py"
    done = subprocess.run(
        [sys.executable, "-m", "inspect_ai", "list", "tasks", file.name],
        cwd=file.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert f"{file.name}@ptst/advbench\n" in done.stdout, done.stderr[-500:]
    [log] = eval(
        f"{file}@ptst/advbench", model=mock(), limit=1, log_dir=str(tmp_path), display="none"
    )
    assert log.status == "success", log.error
