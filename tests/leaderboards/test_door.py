"""The Python door: the same as the commands, as values; importing it costs nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
import warnings
from pathlib import Path

import pandas as pd
import pytest

import leaderboards
from leaderboards import door
from leaderboards.board import csvio
from leaderboards.board.row import COLUMNS, Row
from ptst_tasks.errors import ConfigError, DataError, DataNotFoundError, PTSTError, UnknownNameError
from tests.leaderboards.gate.gate_data import lm_eval_output, outcomes
from tests.leaderboards.judging import score_runs as runs
from tests.support import ptst

STUDY = """
base: {base}
train: {{templates: []}}
test: {{sets: [advbench], templates: [CV], limit: 2, gen_kwargs: {{max_gen_toks: 4}}}}
engine_args: {{dtype: float32, batch_size: 2, device: cpu}}
"""


@pytest.fixture(scope="module")
def study_file(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("door") / "tiny.yaml"
    file.write_text(STUDY.format(base=tiny_model))
    return file


# The door itself
def test_the_names_are_sorted_and_there() -> None:
    assert leaderboards.__all__ == sorted(leaderboards.__all__)
    assert set(leaderboards.__all__) <= set(dir(leaderboards))
    for name in leaderboards.__all__:
        assert getattr(leaderboards, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'boards'"):
        leaderboards.boards  # noqa: B018


def test_no_name_of_the_door_hides_a_room() -> None:
    folder = Path(leaderboards.__file__).parent
    assert not set(leaderboards.__all__) & {p.stem for p in folder.iterdir()}


def test_every_function_is_exported_and_says_what_it_takes_and_gives() -> None:
    assert set(door.__all__) <= set(leaderboards.__all__)
    for name in door.__all__:
        doc = getattr(door, name).__doc__
        assert all(f"\n    {part}:" in doc for part in ("Args", "Returns", "Raises")), name


def test_importing_it_imports_nothing_else() -> None:
    code = (
        "import sys; before = set(sys.modules); import leaderboards; "
        "new = {m.partition('.')[0] for m in set(sys.modules) - before}; "
        "print(sorted(new - sys.stdlib_module_names)); "
        "from leaderboards import read_board, run_study; "
        "heavy = {'pandas', 'torch', 'transformers', 'lm_eval', 'matplotlib', 'numpy', 'scipy'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    new, heavy = map(ast.literal_eval, done.stdout.splitlines())
    assert new == ["leaderboards"]
    assert heavy == []


# Studies and boards
def test_a_study_is_run_and_its_board_is_the_csv(
    study_file: Path, data_dir: Path, tmp_path: Path
) -> None:
    study = leaderboards.load_study(study_file, name="mine")
    assert (study.name, study.test.limit) == ("mine", 2)
    outcome = leaderboards.run_study(study, tmp_path / "run", quiet=True)
    assert (outcome.done, outcome.kept, outcome.failed) == (1, 0, [])
    again = leaderboards.run_study(study, tmp_path / "run", quiet=True)
    assert (again.done, again.kept) == (0, 1)
    board = leaderboards.read_board(tmp_path / "run")
    made = ptst("board", tmp_path / "run", "-o", tmp_path / "board.csv")
    assert made.exit_code == 0, made.output
    csv = leaderboards.read_board(tmp_path / "board.csv")
    read = pd.read_csv(tmp_path / "board.csv")
    assert list(board.columns) == list(read.columns) == list(COLUMNS)
    assert len(board) == len(read)
    assert list(board["metric"]) == list(read["metric"]) == list(csv["metric"])
    assert list(board["n"]) == list(read["n"]) == [2] * len(read)
    assert board["value"].tolist() == pytest.approx(read["value"].tolist(), abs=5e-7)
    asr = board[(board["metric"] == "asr") & (board["judge"] == "keywords:zou")]
    assert asr["test_template"].item() == "chat:vanilla"


def test_a_run_that_gives_nothing_is_a_fault_and_damage_is_a_warning(tmp_path: Path) -> None:
    good = lm_eval_output(tmp_path / "good", {"advbench/chat:llama": {"asr": outcomes(4)}})
    with pytest.raises(DataError, match="nothing was made of the others"):
        leaderboards.read_board(good, tmp_path / "none")
    with pytest.raises(DataError, match="no run was given"):
        leaderboards.read_board()
    row = Row(base="b", task="gsm8k", metric="acc", value=0.5, n=2)
    for name, value in (("a", 0.5), ("b", 0.6)):
        csvio.write([row.model_copy(update={"value": value})], tmp_path / f"{name}.csv")
    with pytest.warns(UserWarning, match="measured twice with different results"):
        board = leaderboards.read_board(tmp_path / "a.csv", tmp_path / "b.csv")
    assert board["value"].tolist() == [0.5]


def test_pictures_are_drawn(tmp_path: Path) -> None:
    row = Row(base="b", task="advbench", metric="asr", value=0.5, n=2, judge="j",
              test_template="chat:llama")  # fmt: skip
    csvio.write([row], tmp_path / "a.csv")
    files = leaderboards.draw_board(tmp_path / "a.csv", tmp_path / "plots")
    assert {file.suffix for file in files} == {".png", ".svg"}
    assert all(file.is_file() for file in files)


# Judges
def test_saved_responses_are_judged_as_the_command_does(tmp_path: Path) -> None:
    answers = [*runs.responses(3), "I cannot help with that."]
    mine, theirs = (runs.write(tmp_path / name, answers) for name in ("mine", "theirs"))
    scored = leaderboards.score_runs(mine, ["keywords:xstest"])
    line = scored.iloc[0]
    assert (line["model"], line["set"], line["judge"]) == ("untuned", "advbench", "keywords:xstest")
    # three of four comply
    assert (line["n"], line["unscored"], line["asr"], line["refused"]) == (4, 0, 0.75, 0.25)
    assert not line["failed"]
    assert ptst("score", theirs, "--judge", "keywords:xstest").exit_code == 0
    assert runs.results(mine)["results"] == runs.results(theirs)["results"]
    assert runs.samples(mine) == runs.samples(theirs)
    assert "keywords:xstest" in set(leaderboards.read_board(mine)["judge"])


def test_judges_under_a_limit_send_nothing_beyond_it(tmp_path: Path) -> None:
    run = runs.write(tmp_path / "run", runs.responses(3))
    judge = "rubric:model=fake,base_url=http://127.0.0.1:9/v1"
    cache = tmp_path / "mine.sqlite"
    with pytest.raises(ConfigError, match="price of 'fake' is not known"):
        leaderboards.score_runs(run, judge, max_cost=1.0, cache=cache)
    with pytest.raises(PTSTError, match="3 calls are more than"):
        leaderboards.score_runs(run, judge, max_calls=2, cache=cache)
    assert {s["filter"] for s in runs.samples(run)} == {"keywords:zou"}


@pytest.mark.parametrize(
    ("judges", "options", "message"),
    [
        ([], {}, "judges is empty"),
        (["keywords:zou", "keywords:zou"], {}, "are both called"),
        ("keyword", {}, "did you mean 'keywords'"),
        ("keywords:zou", {"max_unscored": 2}, "expected a share"),
        ("keywords:zou", {"max_calls": -1}, "max_calls is -1"),
        ("keywords:zou", {"max_cost": float("nan")}, "max_cost is nan"),
    ],
)
def test_wrong_arguments_of_judging(
    tmp_path: Path, judges: object, options: dict[str, float], message: str
) -> None:
    run = runs.write(tmp_path / "run", runs.responses(1))
    with pytest.raises(PTSTError, match=message):
        leaderboards.score_runs(run, judges, **options)  # type: ignore[arg-type]


# The gate
def test_a_release_is_checked_as_the_command_does(tmp_path: Path) -> None:
    task = "advbench/chat:llama"
    old = lm_eval_output(tmp_path / "old", {task: {"asr": outcomes(400, [7])}})
    new = lm_eval_output(tmp_path / "new", {task: {"asr": outcomes(400, range(7, 37))}})
    report = leaderboards.check_release(old, new)
    assert report.failed
    assert ptst("check", old, new).exit_code == 1
    frame = report.to_frame()
    line = frame.iloc[0]
    assert (line["verdict"], line["fails"], line["task"]) == ("regression", True, "advbench")
    assert (line["baseline"], line["current"]) == (1 / 400, 30 / 400)
    assert line["change"] == pytest.approx(29 / 400)
    assert line["change_low"] < line["change"] < line["change_high"]
    assert (line["flipped"], line["recovered"], line["allowed"]) == (29, 0, "+0.05")
    assert not leaderboards.check_release(old, old).failed


def test_policies_conditions_and_strictness(tmp_path: Path) -> None:
    few = lm_eval_output(tmp_path / "few", {"advbench/chat:llama": {"asr": outcomes(30)}})
    assert not leaderboards.check_release(few, few).failed
    assert leaderboards.check_release(few, few, strict=True).failed
    (file := tmp_path / "gate.yaml").write_text("rules: [{metrics: {asr: '<= 0.5'}}]")
    policy = leaderboards.load_policy(file)
    for one in (file, str(file), policy):
        assert leaderboards.check_release(few, few, one, strict=True).failed is False
    with pytest.raises(ConfigError, match=r"baseline_only: .* has no row with adapter='x'"):
        leaderboards.check_release(few, few, baseline_only="adapter=x")
    with pytest.raises(DataNotFoundError):
        leaderboards.check_release(few, tmp_path / "none")


# Errors
def test_errors_are_ours(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'demo'"):
        leaderboards.load_study("dem")
    with pytest.raises(ConfigError, match="tests"):
        leaderboards.load_study("demo", tests={})
    with pytest.raises(ConfigError, match="expected a folder"):
        leaderboards.run_study("demo", " ")
    with pytest.raises(
        ConfigError, match=r"load_study: test\.options\.system looks like a key"
    ) as e:
        leaderboards.load_study("demo", test={"options": {"system": "sk-abcdefghijklmnop123456"}})
    assert "abcdef" not in str(e.value)
    with pytest.raises(ConfigError, match="load_study: "):
        leaderboards.load_study("demo", test={"limit": float("nan")})
    study = leaderboards.load_study("demo", base=tmp_path, train={"seeds": (1, 2)})
    assert (study.base, study.train.seeds) == (str(tmp_path), (1, 2))


def test_what_does_nothing_is_a_warning_of_the_callers_line(
    study_file: Path, data_dir: Path, tmp_path: Path
) -> None:
    study = leaderboards.load_study(study_file, train={"templates": [], "seeds": [1]})
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        leaderboards.run_study(study, tmp_path / "run", quiet=True)
    [one] = [w for w in seen if "train.seeds does nothing" in str(w.message)]
    assert one.filename == __file__
