"""What a check prints: what is not decided, what could have been caught, and how CI uses it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from leaderboards.board import csvio
from leaderboards.board.numbers import Number
from leaderboards.board.row import Row
from leaderboards.board.sides import Side, read_side, write_baseline
from leaderboards.gate import report as gate_report
from leaderboards.gate import report_files
from leaderboards.gate.decide import check_sides
from leaderboards.gate.policy import default_policy, load_policy
from tests.leaderboards.gate.gate_data import LLAMA, VANILLA, harm, lm_eval_output, outcomes, run

ROOT = Path(__file__).resolve().parents[3]


def release(folder: Path, n: int, ones: Any = (), **more: Any) -> Path:
    return lm_eval_output(folder, {LLAMA: {"asr": outcomes(n, ones)}}, **more)


def last(text: str) -> str:
    """The last line, however the terminal folded it."""
    flat = " ".join(text.split())
    return flat[max(flat.rfind(f"{word}: ") for word in ("OK", "UNDECIDED", "FAIL")) :]


def test_the_last_line_says_what_is_undecided_and_what_it_takes(tmp_path: Path) -> None:
    """Seen: "UNDECIDED: 1 inconclusive" and exit 0, which looks green."""
    a, b = release(tmp_path / "a", 30, [1]), release(tmp_path / "b", 30, [2])
    result = run(a, b, "--json", tmp_path / "r.json", "--markdown", tmp_path / "r.md")
    text = ("not decided: advbench / chat:llama / keywords:zou / asr (n = 30: about 165 prompts would "
            "do); this fails with --strict")  # fmt: skip
    assert result.exit_code == 0
    assert last(result.output) == f"UNDECIDED: 1 inconclusive. {text}"
    assert json.loads((tmp_path / "r.json").read_text())["undecided"] == text
    assert "about 165 prompts would do" in (tmp_path / "r.md").read_text().splitlines()[3]
    strict = run(a, b, "--strict")
    assert strict.exit_code == 1
    assert "about 165 prompts would do" in last(strict.output)
    assert "this fails with" not in strict.output


def test_many_undecided_numbers_are_counted(tmp_path: Path) -> None:
    sets = {f"s{at}/chat:llama": {"asr": outcomes(30, [at])} for at in range(5)}
    a = lm_eval_output(tmp_path / "a", sets)
    assert "s2 / chat:llama / keywords:zou / asr (n = 30:" in last(run(a, a).output)
    assert "; and 2 more" in last(run(a, a).output)


def test_counts_alone_say_that_pairs_need_fewer(tmp_path: Path) -> None:
    a = release(tmp_path / "a", 100, range(20), samples=False)
    assert "would do, fewer if prompts are paired" in last(run(a, a).output)


def test_a_check_of_new_numbers_alone_is_not_ok(tmp_path: Path) -> None:
    """Seen: "OK: 1 new", although nothing was compared."""
    old = lm_eval_output(tmp_path / "old", {"chatdoctor/chat:llama": {"rougeL": outcomes(9)}})
    result = run(old, release(tmp_path / "new", 400))
    assert (result.exit_code, last(result.output)[:43]) == (
        0,
        "UNDECIDED: 1 new. nothing was compared: eve",
    )
    assert run(old, tmp_path / "new", "--strict").exit_code == 1


# ---- what could have been caught


def test_the_smallest_change_that_could_have_been_caught(tmp_path: Path) -> None:
    """One test, 400 pairs, no flips: 6 newly harmful answers are 2^-6, but 5 points are 20 of 400:
    the 21st is beyond them, and of 6.14 % of 400 there are 21 or more 80 times of 100."""
    a = release(tmp_path / "a", 400)
    (line,) = check_sides(read_side(a), read_side(a), default_policy()).lines
    assert line.tests[0].detectable == pytest.approx(0.0614, abs=1e-4)
    result = run(a, a, "--json", tmp_path / "r.json", "--markdown", tmp_path / "r.md")
    head, row = (tmp_path / "r.md").read_text().splitlines()[3:6:2]
    cells = dict(zip(head.split(" | "), row.split(" | "), strict=True))
    assert cells["caught from (80%)"] == "+6.1"
    assert "+6.1" in result.output
    found = json.loads((tmp_path / "r.json").read_text())["lines"][0]
    assert found["detectable"] == found["tests"][0]["detectable"] == line.tests[0].detectable


def test_too_few_prompts_catch_nothing(tmp_path: Path) -> None:
    """Four prompts: not even four flips are beyond chance (2^-4 > 0.05)."""
    a = release(tmp_path / "a", 4)
    (line,) = check_sides(read_side(a), read_side(a), default_policy()).lines
    assert line.tests[0].detectable is None
    assert " nothing " in run(a, a).output


def test_what_is_caught_has_the_metrics_sign(tmp_path: Path) -> None:
    a = lm_eval_output(
        tmp_path / "a", {"gsm8k/chat:llama": {"exact_match": outcomes(400, range(300))}}
    )
    (tmp_path / "loss.yaml").write_text("rules: [{metrics: {exact_match: '-0.05'}}]")
    (tmp_path / "limit.yaml").write_text("rules: [{metrics: {exact_match: '>= 0.7'}}]")
    rows = []
    for name in ("loss", "limit"):
        report = check_sides(read_side(a), read_side(a), load_policy(tmp_path / f"{name}.yaml"))
        rows.append(gate_report.to_markdown(report).splitlines())
    assert "| -6.1 |" in "\n".join(rows[0])
    # at most 30 % wrong: 136 wrong answers of 400 are beyond (P = 0.047), seen 80 times of 100 at 35.9 %
    assert "| \\<= 64.1% |" in "\n".join(rows[1])


def test_a_long_table_is_cut_and_says_so(tmp_path: Path) -> None:
    """A comment on GitHub holds 65,536 characters."""
    sets = {f"s{at:03}/chat:llama": {"asr": outcomes(60)} for at in range(130)}
    a = lm_eval_output(tmp_path / "a", sets)
    worse = {**sets, "s120/chat:llama": {"asr": outcomes(60, range(40))}}
    b = lm_eval_output(tmp_path / "b", worse)
    result = run(a, b, "--markdown", tmp_path / "r.md", "--json", tmp_path / "r.json")
    markdown = (tmp_path / "r.md").read_text()
    assert len(markdown) < 65_536
    assert "❌ regression | s120" in markdown
    assert "30 pass not shown" in " ".join(result.output.split())
    assert len(json.loads((tmp_path / "r.json").read_text())["lines"]) == 130


def test_names_of_every_kind_are_in_every_report(tmp_path: Path) -> None:
    """U+2028 and its like, half characters, controls, markup: XML and JSON stay XML and JSON."""
    name = "x\u2028y\x85z\ud800\x1b[1m\ufffe<b>&$1$ www.a.b http://c.d @e\r\n|f"
    row = Row(base=name, task=name, judge=name, metric="asr", value=0.5, n=100)
    csvio.write([row], tmp_path / "x.csv")
    csvio.write([row.model_copy(update={"value": 0.9})], tmp_path / "y.csv")
    flags = (
        "--json",
        tmp_path / "r.json",
        "--junit",
        tmp_path / "r.xml",
        "--markdown",
        tmp_path / "r.md",
    )
    result = run(tmp_path / "x.csv", tmp_path / "y.csv", *flags)
    assert result.exit_code == 1, result.output
    assert "\x1b[1m" not in result.output
    (line,) = json.loads((tmp_path / "r.json").read_text())["lines"]
    assert line["current"]["task"] == name
    case = etree.parse(tmp_path / "r.xml").find(".//testcase")
    assert "x\u2028y\x85z\\ud800\\x1b[1m\\ufffe<b>&$1$" in case.attrib["name"]
    markdown = (tmp_path / "r.md").read_text()
    assert ("x y z\\\\ud800\\\\x1b\\[1m\\\\ufffe\\<b\\>\\&\\$1\\$ www\\.a.b http:\\//c.d @\u200be \\|f"
            in markdown)  # fmt: skip


def test_many_long_ids_do_not_make_a_comment_that_is_refused(tmp_path: Path) -> None:
    """A comment on GitHub holds 65,536 characters."""
    ids = {f"{at}{'i' * 300}": 0.0 for at in range(60)}
    sets = {f"s{at}/chat:llama": {"asr": ids} for at in range(20)}
    a = lm_eval_output(tmp_path / "a", sets)
    worse = {name: {"asr": dict.fromkeys(ids, 1.0)} for name in sets}
    run(a, lm_eval_output(tmp_path / "b", worse), "--markdown", tmp_path / "r.md")
    text = (tmp_path / "r.md").read_text()
    assert len(text) < 65_536
    assert "too long for here; --json holds it" in text


def test_junit_is_valid_for_jenkins(tmp_path: Path) -> None:
    schema = etree.XMLSchema(etree.parse(Path(__file__).with_name("junit.xsd")))
    a = lm_eval_output(
        tmp_path / "a", {LLAMA: harm(400), VANILLA: harm(30), "gone/chat:mpt": harm(9)}
    )
    b = lm_eval_output(
        tmp_path / "b", {LLAMA: harm(400, range(40)), VANILLA: harm(30), "new/x": harm(9)}
    )
    side = read_side(b)
    odd = [n.row.model_copy(update={"task": "odd\x00<&>\ud800"}) for n in side.numbers[:1]]
    write_baseline(side, tmp_path / "b.csv")
    for strict in ([], ["--strict"]):
        assert run(a, b, "--junit", tmp_path / "j.xml", *strict).exit_code == 1
        tree = etree.parse(tmp_path / "j.xml")
        assert schema.validate(tree), schema.error_log
        suite = tree.find("testsuite")
        assert suite.attrib["tests"] == "4"
        assert (
            suite.attrib["failures"] == str(len(tree.findall(".//failure"))) == "23"[bool(strict)]
        )
        assert suite.attrib["skipped"] == str(len(tree.findall(".//skipped"))) == "10"[bool(strict)]
    strange = Side("x", tuple(Number(row) for row in odd))
    report = check_sides(strange, strange, default_policy())
    assert schema.validate(etree.fromstring(report_files.to_junit(report).encode()))


def test_markup_in_names_is_plain_text(old: Path, tmp_path: Path) -> None:
    odd = lm_eval_output(tmp_path / "odd", {"a[red]|b`@x/chat:llama": harm(400)})
    result = run(odd, odd, "--markdown", tmp_path / "r.md")
    assert "a[red]|b`@x" in result.output
    assert "a\\[red\\]\\|b\\`" in (tmp_path / "r.md").read_text()
