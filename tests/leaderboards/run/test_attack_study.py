"""Attacks as an axis of a study: cells of their own, asked once, told apart wherever numbers are paired."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from leaderboards.board.collect import collect
from leaderboards.board.csvio import dumps, read
from leaderboards.board.sides import read_side, write_baseline
from leaderboards.board.tables import grids
from leaderboards.gate.match import Lookup, pairs_of
from leaderboards.gate.policy import load_policy
from leaderboards.run import runner
from leaderboards.run import study_files as studies
from leaderboards.run.study import Study
from ptst_tasks.errors import PTSTError


def study(base: Path, *attacks: str) -> Study:
    return Study(
        base=str(base), engine_args={"dtype": "float32", "device": "cpu", "batch_size": 8},
        test={"sets": ["advbench", "xstest"], "templates": ["CV", "CL"], "attacks": list(attacks),
              "gen_kwargs": {"max_gen_toks": 4}},
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(tiny_model: Path, data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    patch = pytest.MonkeyPatch()
    patch.setenv("PTST_DATA_DIR", str(data_root))
    folder = tmp_path_factory.mktemp("attacks") / "r"
    first = runner.run(study(tiny_model, "none"), folder)
    assert (first.done, first.failed) == (4, [])
    more = runner.run(study(tiny_model, "none", "prefill:3", "json"), folder)
    assert (more.done, more.kept, more.failed) == (4, 4, [])
    again = runner.run(study(tiny_model, "none", "prefill:3", "json"), folder)
    assert (again.done, again.kept) == (0, 8)
    yield folder
    patch.undo()


def test_harmful_sets_are_crossed_with_attacks_and_others_are_not(run: Path) -> None:
    rows, _ = collect([run])
    found = {(r.task, r.test_template, r.attack) for r in rows}
    assert found == {
        *(("advbench", t, a) for t in ("chat:vanilla", "chat:llama") for a in ("", "prefill:3", "json")),
        ("xstest", "chat:vanilla", ""), ("xstest", "chat:llama", ""),
    }  # fmt: skip
    assert len({r.prompts for r in rows if r.task == "advbench"}) == 6


def test_each_has_a_table_that_says_so(run: Path) -> None:
    tables = [g for g in grids(collect([run])[0]) if (g.task, g.metric) == ("advbench", "asr")]
    judges = {g.judge for g in tables}
    assert len(tables) == 3 * len(judges)
    assert {g.variant for g in tables} == {"", "attack prefill:3", "attack json"}


def test_the_plain_table_names_the_worst_of_all_ways_to_ask(run: Path) -> None:
    """Numbers of one run are over the same rows, whatever the attack."""
    tables = [g for g in grids(collect([run])[0]) if (g.task, g.metric) == ("advbench", "asr")]
    for plain in (g for g in tables if not g.variant):
        others = [g for g in tables if g.judge == plain.judge and g.variant]
        ways = {f"{t} {g.variant.removeprefix('attack ')}": g.fields["No FT", t].mean
                for g in others for t in g.tests}  # fmt: skip
        assert len(ways) == 4
        assert {way: mean for (_, way), mean in plain.attacked.items()} == ways
        asked = ways | {t: plain.fields["No FT", t].mean for t in plain.tests}
        found = plain.worst("No FT")
        assert found is not None
        assert set(found[0]) == {way for way, mean in asked.items() if mean == max(asked.values())}


def test_a_damaged_cell_keeps_its_attack(run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "r")
    records = {file: json.loads(file.read_text()) for file in copy.glob("cells/*/cell.json")}
    wanted = ("json", "chat:llama")
    victim = next(
        f.parent for f, r in records.items() if (r["attack"], r["test_template"]) == wanted
    )
    for file in victim.glob("**/results*.json"):
        file.write_text("{")
    (row,) = (r for r in collect([copy])[0] if r.error)
    assert (row.attack, row.test_template) == wanted


def test_a_leaderboard_keeps_them_apart(run: Path, tmp_path: Path) -> None:
    rows, _ = collect([run])
    file = tmp_path / "b.csv"
    file.write_text(dumps(rows))
    assert dumps(read(file)) == file.read_text()
    assert {r.attack for r in read(file)} == {"", "prefill:3", "json"}


def test_the_gate_pairs_like_with_like(run: Path, tmp_path: Path) -> None:
    write_baseline(read_side(run), tmp_path / "b.csv")
    old, new = read_side(tmp_path / "b.csv"), read_side(run)
    policy = load_policy(None)
    pairs, _ = pairs_of(old, new, policy, Lookup(policy))
    asr = [pair for pair, _ in pairs if pair.row.metric == "asr"]
    assert len(asr) == 6 * len({pair.row.judge for pair in asr})
    for pair in asr:
        assert pair.baseline is not None
        assert pair.current is not None
        assert pair.baseline.row.attack == pair.current.row.attack
        assert pair.baseline.outcomes == pair.current.outcomes


@pytest.mark.parametrize(
    ("attacks", "words"),
    [
        ("[prefil:3]", "did you mean 'prefill'"),
        ("['prefill:x']", "test.attacks: attack 'prefill' has the depth 'x'"),
        ("[]", "test.attacks is empty"),
        ("[json, json]", "names 'json' twice"),
        ("[none, 'prefill:0']", "names 'none' twice"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, attacks: str, words: str) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(f"base: m\ntest: {{sets: [advbench], templates: [CV], attacks: {attacks}}}\n")
    with pytest.raises(PTSTError) as caught:
        studies.load(str(file))
    assert words in str(caught.value)


def test_an_attack_on_nothing_harmful_says_that_it_does_nothing(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("base: m\ntest: {sets: [xstest], templates: [CV], attacks: [json]}\n")
    with pytest.raises(PTSTError, match=r"test\.attacks does nothing for the sets xstest"):
        studies.load(str(file))
