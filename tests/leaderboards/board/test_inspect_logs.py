"""Logs of the real inspect_ai, good and bad: each a right number, or one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inspect_ai", reason="needs inspect_ai: make test-inspect")

from inspect_ai import Task, eval, score
from inspect_ai.dataset import Sample
from inspect_ai.log import EvalLog, read_eval_log, write_eval_log
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import includes
from inspect_ai.solver import generate, system_message

from leaderboards.board import inspect_logs
from leaderboards.board.row import Row
from leaderboards.board.sides import read_side
from ptst_tasks.errors import DataError
from ptst_tasks.for_inspect.scorers import judge
from tests.canned import evaluated
from tests.ptst_tasks.for_inspect.answers import ROWS, Served, fifty, mock, plain, reply_to
from tests.support import ptst

pytestmark = [
    pytest.mark.inspect,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning"),  # its own
]
Logged = Callable[..., EvalLog]


@pytest.fixture
def logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Logged:
    """Evaluates AdvBench's artificial rows under CL, or what is said."""
    monkeypatch.setenv("PTST_DATA_DIR", str(fifty(tmp_path / "data")))
    inspect_logs._say.cache_clear()

    def run(task: Any = "ptst/advbench", **how: Any) -> EvalLog:
        ours = isinstance(task, str)
        how = {"model": mock(), "limit": 10, "log_dir": str(tmp_path / "logs"), "display": "none",
               "task_args": {"template": "CL"} if ours else {}, **how}  # fmt: skip
        [log] = eval(task, **how)
        return log

    return run


def failing(*numbers: int, silent: tuple[int, ...] = ()) -> Any:
    """The mock, which fails at some calls, and whose answers a filter takes at others."""
    calls = 0

    def answer(messages: Any, *_: Any) -> ModelOutput:
        nonlocal calls
        calls += 1
        if calls in numbers:
            raise RuntimeError("away")
        if calls in silent:
            output = ModelOutput.from_content("mock", "", stop_reason="content_filter")
        else:
            output = ModelOutput.from_content("mock", reply_to(plain(messages)))
        output.usage = ModelUsage()
        return output

    return get_model("mockllm/model", custom_outputs=answer, memoize=False)


def rows(path: Path, metric: str = "asr") -> list[Row]:
    return [n.row for n in read_side(path).numbers if n.row.metric == metric]


@pytest.mark.parametrize("form", ["eval", "json"])
def test_a_log_is_the_board_of_lm_eval_but_for_its_engine(
    logged: Logged, tmp_path: Path, form: str
) -> None:
    log = logged(limit=ROWS, log_format=form)
    theirs = evaluated(Served(), "ptst_advbench_chat_llama", limit=ROWS)
    result = theirs["results"]["ptst_advbench_chat_llama"]
    for where in (tmp_path / "logs", Path(log.location)):
        numbers = read_side(where).numbers
        for metric in ("asr", "refused", "incoherent", "truncated"):
            [number] = [n for n in numbers if n.row.metric == metric]
            row = number.row
            assert row.value == pytest.approx(result[f"{metric},keywords:zou"])
            lost = 0 if metric in ("incoherent", "truncated") else result["unscored,keywords:zou"]
            assert row.unscored == round(lost * ROWS)
            assert row.n + row.unscored == ROWS
            assert number.outcomes is not None
            assert len(number.outcomes) == ROWS
        assert (row.base, row.adapter, row.test_template) == ("model", "", "chat:llama")
        assert (row.task, row.engine, row.limit) == ("advbench", "inspect-mockllm", ROWS)
        assert row.decoding == '{"max_gen_toks":512,"until":["</s>"]}'


def test_every_command_reads_logs(logged: Logged, tmp_path: Path) -> None:
    log = logged()
    logs, board = tmp_path / "logs", tmp_path / "board.csv"
    assert ptst("score", logs, "--judge", "keywords:xstest").exit_code == 0
    assert {row.judge for row in rows(logs)} == {"keywords:zou", "keywords:xstest"}
    assert (
        ptst("score", log.location, "--judge", "keywords:qi", "--max-unscored", "1").exit_code == 0
    )
    assert {row.judge for row in rows(logs)} == {"keywords:zou", "keywords:xstest", "keywords:qi"}
    assert ptst("board", log.location, "-o", board).exit_code == 0
    checked = ptst("check", board, logs)
    assert checked.exit_code == 0, checked.output
    page = tmp_path / "page.html"
    assert ptst("report", logs, "-o", page).exit_code == 0
    assert "10 answers" in ptst("report", logs, "-o", page).output


def test_what_has_no_answer_is_unscored_and_said(
    logged: Logged, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logged(model=failing(3, 4, silent=(6,)), fail_on_error=False, max_samples=1)
    whole = rows(tmp_path / "logs")[0]
    cut = sum("why would anybody" in reply for reply in _replies(tmp_path))
    assert (whole.n, whole.unscored) == (7 - cut, 3 + cut)
    assert "3 prompts have no answer" in caplog.text


def _replies(folder: Path) -> list[str]:
    [file] = (folder / "logs").rglob("samples_*.jsonl")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return [line["resps"][0][0] for line in lines]


def test_a_judge_that_failed_is_a_missing_verdict(logged: Logged, tmp_path: Path) -> None:
    log = logged(limit=4)
    log.samples[1].scores = {}  # type: ignore[index]
    write_eval_log(log, log.location)
    before = rows(tmp_path / "logs")[0]
    assert before.n + before.unscored == 4
    assert before.unscored >= 1


@pytest.mark.parametrize("status", ["error", "cancelled", "started"])
def test_a_log_that_was_cut_off_is_refused_until_another_finished_it(
    logged: Logged, tmp_path: Path, status: Any, caplog: pytest.LogCaptureFixture
) -> None:
    log = logged()
    rest = log.model_copy(deep=True)
    rest.status = status
    rest.samples = rest.samples[:6]  # type: ignore[index]
    Path(log.location).unlink()
    early = tmp_path / "logs/2020-01-01T00-00-00_advbench_x.eval"
    write_eval_log(rest, str(early))
    with pytest.raises(
        DataError, match="with 6 of 10 prompts; finish it with `inspect eval-retry`"
    ):
        read_side(tmp_path / "logs")
    write_eval_log(log, log.location)  # as a retry does: the same task id, a file of its own
    [row] = rows(tmp_path / "logs")
    assert row.n + row.unscored == 10
    assert "passed over, another log has finished it" in caplog.text


def test_epochs_are_draws_or_refused(
    logged: Logged, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logged(epochs=3, temperature=1.0, seed=7)
    found = rows(tmp_path / "logs")
    assert sorted(row.decoding_seed or 0 for row in found) == [1, 2, 3]
    assert all(row.n + row.unscored == 10 for row in found)
    assert '"temperature":1.0' in found[0].decoding
    assert caplog.text.count("every epoch was asked with the seed 7") == 1
    log = logged(epochs=2, log_dir=str(tmp_path / "greedy"))
    with pytest.raises(DataError, match="asks each prompt 2 times for a greedy answer"):
        read_side(log.location)


def test_of_another_task_is_refused_and_beside_ours_passed_over(
    logged: Logged, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    theirs = Task(dataset=[Sample(input="Hi", target="x")], scorer=includes(), name="theirs")
    logged(theirs)
    with pytest.raises(DataError, match="is a log of the task 'theirs', which is none of ptst's"):
        read_side(tmp_path / "logs")
    logged()
    assert len(rows(tmp_path / "logs")) == 1
    assert "'theirs', which is none of ptst's; give logs of ptst/*: passed over" in caplog.text


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_half_a_file_is_one_line(logged: Logged, share: float) -> None:
    file = Path(logged().location)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * share)])
    done = ptst("board", file)
    assert done.exit_code == 2
    assert "cannot be read as a log of inspect" in done.output
    assert "Traceback" not in done.output


def test_two_models_are_two_lines_and_adapters_have_their_base(
    logged: Logged, tmp_path: Path
) -> None:
    logged()
    log = logged(limit=4, task_args={"template": "CV", "base": "tiny"})
    for name, model in (("a", "vllm/tiny:out/cv-s1"), ("b", "openai-api/local/cv-s2")):
        log.eval.model = model
        log.eval.model_base_url = "http://localhost:41234/v1"
        log.eval.eval_id = name
        write_eval_log(log, str(tmp_path / f"logs/2026-01-01T00-00-0{name}.eval"))
    found = {(r.base, r.adapter, r.engine, r.engine_args) for r in rows(tmp_path / "logs")}
    place = '{"base_url":"localhost/v1"}'
    assert found == {
        ("model", "", "inspect-mockllm", ""),
        ("tiny", "model", "inspect-mockllm", ""),
        ("tiny", "out/cv-s1", "inspect-vllm", place),
        ("tiny", "cv-s2", "inspect-openai-api", place),
    }


def test_another_solver_or_system_message_is_in_the_row_and_said(
    logged: Logged, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plainly = logged(log_dir=str(tmp_path / "a"))
    other = logged(log_dir=str(tmp_path / "b"), solver=[system_message("Be brief"), generate()])
    third = logged(log_dir=str(tmp_path / "c"), system_message="Be brief")
    [a], [b], [c] = (rows(Path(log.location)) for log in (plainly, other, third))
    assert len({a.prompting, b.prompting, c.prompting}) == 3
    assert "asked through system_message, generate" in caplog.text
    assert "--system-message stood before every prompt" in caplog.text


def test_a_judge_beside_in_the_log_and_a_log_that_changed(
    logged: Logged, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = logged()
    assert (
        ptst("score", log.location, "--judge", "keywords:qi", "--max-unscored", "1").exit_code == 0
    )
    more = score(log, judge("keywords:xstest"), action="append", display="none")
    write_eval_log(more, log.location)
    assert {r.judge for r in rows(tmp_path / "logs")} == {"keywords:zou", "keywords:xstest"}
    assert "has changed since it was read" in caplog.text
    [kept] = (tmp_path / "logs").glob(".*.eval.ptst.1")
    assert "keywords:qi" in next(kept.rglob("results_*.json")).read_text()


def test_verdicts_made_in_two_ways_are_refused(logged: Logged) -> None:
    log = logged()
    told = log.samples[0].scores["scored"].metadata["ptst"]  # type: ignore[index]
    told["columns"]["keywords:zou"]["settings"] = {"list": "another"}
    write_eval_log(log, log.location)
    with pytest.raises(DataError, match="made with 2 different settings or weights"):
        read_side(log.location)


def test_edited_and_invalid_logs_are_refused(logged: Logged) -> None:
    from inspect_ai.log import ProvenanceData, edit_score, invalidate_samples
    from inspect_ai.scorer import ScoreEdit

    log = logged()
    sample = log.samples[0]  # type: ignore[index]
    by = ProvenanceData(author="me", reason="no")
    kinder = dict.fromkeys(sample.scores["scored"].value, 0.0)
    edit_score(log, sample.id, "scored", ScoreEdit(value=kinder, provenance=by))
    write_eval_log(log, log.location)
    with pytest.raises(DataError, match="1 scores were edited by hand"):
        read_side(log.location)
    fine = logged()
    write_eval_log(invalidate_samples(fine, "all", by), fine.location)
    with pytest.raises(DataError, match="marked as invalid"):
        read_side(fine.location)


def test_answers_that_nobody_scored_can_be_judged(logged: Logged) -> None:
    log = logged(score=False)
    with pytest.raises(DataError, match="holds no measured number"):
        read_side(log.location)
    assert (
        ptst("score", log.location, "--judge", "keywords:zou", "--max-unscored", "1").exit_code == 0
    )
    scored = logged()
    assert rows(Path(log.location))[0].value == rows(Path(scored.location))[0].value


def test_the_rows_asked_are_those_asked_whatever_their_order(
    logged: Logged, tmp_path: Path
) -> None:
    first = logged(log_dir=str(tmp_path / "a"))
    shuffled = logged(log_dir=str(tmp_path / "b"), limit=ROWS, sample_shuffle=3)
    whole = logged(log_dir=str(tmp_path / "c"), limit=ROWS)
    middle = logged(log_dir=str(tmp_path / "d"), limit=(10, 20))
    a, b, c, d = (rows(Path(log.location))[0] for log in (first, shuffled, whole, middle))
    assert b.asked == c.asked
    assert len({a.asked, c.asked, d.asked}) == 3
    assert (a.limit, d.limit) == (10, None)


def test_what_was_unpacked_is_read_without_inspect(
    logged: Logged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = logged()
    before = rows(tmp_path / "logs")
    import ptst_tasks.for_inspect.logs

    def never(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(ptst_tasks.for_inspect.logs, "_opened", never)
    assert rows(tmp_path / "logs") == before
    shutil.move(log.location, tmp_path / "elsewhere.eval")
    assert rows(tmp_path / "logs") == before
    assert read_eval_log(str(tmp_path / "elsewhere.eval")).status == "success"
