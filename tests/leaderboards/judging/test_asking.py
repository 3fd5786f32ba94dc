"""A person at a terminal: every key is kept, nothing harmful is, and one leaves and comes back."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import termios
import time
from dataclasses import replace
from pathlib import Path

import pytest

from leaderboards.judging.asking import KEYS, Terminal, ask, begun
from leaderboards.judging.sampling import Sampled, draw, responses
from leaderboards.judging.saved import tasks
from leaderboards.people import sheet
from ptst_tasks.errors import ConfigError, DataError
from tests.support import ptst


@pytest.fixture
def drawn(small_run: Path) -> list[Sampled]:
    found = list(responses(tasks([small_run]), "keywords:zou"))
    return draw(found, 6, 0)


class Person:
    """Presses these keys in turn, and remembers what was shown."""

    def __init__(self, keys: str) -> None:
        self.keys, self.shown = list(keys), list[str]()

    @property
    def terminal(self) -> Terminal:
        return Terminal(self.shown.append, lambda: self.keys.pop(0))


def test_every_key_is_kept_and_the_page_is_blind(drawn: list[Sampled], tmp_path: Path) -> None:
    out, labels = tmp_path / "labels.csv", list[sheet.Label]()
    person = Person("y1256q")
    asked = ask(drawn, out, "anna", labels, person.terminal)
    assert (asked.labelled, asked.left) == (4, 2)
    found = sheet.read(out)
    assert [label.label for label in found] == ["harmful", "refused", "incoherent", "unsure"]
    assert [label.key for label in found] == [d.response.key for d in drawn[:4]]
    assert {label.who for label in found} == {"anna"}
    assert found[0].weight == f"{drawn[0].weight:.6g}"
    page = person.shown[1]
    assert "--- request ---" in page
    for word in ("chat:", "llama", "untuned", "advbench", "keywords", drawn[0].response.id):
        assert word not in page
    again = Person("y33")
    assert ask(drawn, out, "anna", sheet.read(out), again.terminal).left == 0
    assert len(sheet.read(out)) == 6
    assert ask(drawn, out, "anna", sheet.read(out), Person("").terminal).labelled == 0


def test_a_key_is_taken_back_and_others_do_nothing(drawn: list[Sampled], tmp_path: Path) -> None:
    out = tmp_path / "labels.csv"
    ask(drawn, out, "anna", [], Person("yuz1u2q").terminal)
    assert [label.label for label in sheet.read(out)] == ["refused"]
    ask(drawn, tmp_path / "none.csv", "anna", [], Person("y1uq").terminal)
    assert not (tmp_path / "none.csv").exists()


def test_whoever_does_not_say_yes_sees_nothing(drawn: list[Sampled], tmp_path: Path) -> None:
    person = Person("n")
    assert ask(drawn, tmp_path / "x.csv", "anna", [], person.terminal).left == 6
    assert len(person.shown) == 1
    assert "serious harm" in person.shown[0]
    assert not (tmp_path / "x.csv").exists()


def test_another_sample_is_refused(drawn: list[Sampled], small_run: Path) -> None:
    labels = [sheet.Label(d.response.cell, d.response.id, "refused", "", "", d.response.stratum, "9",
                          d.response.reply) for d in drawn]  # fmt: skip
    going = begun(labels, drawn, Path("x.csv"))  # of a smaller sample: each stood for more
    assert {label.weight for label in going} == {f"{d.weight:.6g}" for d in drawn}
    with pytest.raises(ConfigError, match="holds 1 labels of another sample"):
        begun([replace(labels[0], stratum="")], drawn, Path("x.csv"))
    with pytest.raises(ConfigError, match="holds 1 labels of another sample"):
        begun([replace(labels[0], reply="made anew")], drawn, Path("x.csv"))
    with pytest.raises(ConfigError, match=r"'x\.csv' holds 2 labels of another sample"):
        begun(labels, drawn[:4], Path("x.csv"))


def test_samples_that_changed_meanwhile_are_noticed(drawn: list[Sampled], tmp_path: Path) -> None:
    moved = [replace(d, response=replace(d.response, line=10_000)) for d in drawn]
    with pytest.raises(DataError, match="is not what it was"):
        ask(moved, tmp_path / "x.csv", "anna", [], Person("y1").terminal)


def test_the_sheet_holds_no_text(drawn: list[Sampled], small_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels.csv"
    ask(drawn, out, "anna", [], Person("y" + "1" * 6).terminal)
    written = out.read_text()
    for file in small_run.rglob("samples_*.jsonl"):
        for line in file.read_text().splitlines():
            row = json.loads(line)
            assert row["doc"]["prompt"] not in written


def test_in_a_real_terminal(small_run: Path, tmp_path: Path) -> None:
    """The command on a pseudo-terminal: keys in, a sheet out."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "leaderboards", "label", str(small_run), "--n", "3", "--who", "ben",
               "-o", str(tmp_path / "l.csv")]  # fmt: skip
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        try:
            for expected, key in PRESSED:
                wait_for(ours, expected)
                if (
                    expected == b"2 of 3"
                ):  # a second person at the same sheet would take the first's place
                    ran = ptst("label", small_run, "--n", "3", "-o", tmp_path / "l.csv")
                    assert (ran.exit_code, "somebody is labelling into" in ran.stderr) == (2, True)
                os.write(ours, key)
            assert process.wait(60) == 0
            assert [file.name for file in tmp_path.iterdir()] == ["l.csv"]
        finally:
            process.kill()
            os.close(ours)
    assert [label.label for label in sheet.read(tmp_path / "l.csv")] == ["refused", "harmful"]


PRESSED = ((b"[y/N]", b"y"), (b"1 of 3", b"2"), (b"2 of 3", b"1"), (b"3 of 3", b"q"))


def wait_for(terminal: int, words: bytes) -> None:
    """Until these words stand there, and a key is read as it comes (what is typed before is dropped)."""
    said, end = b"", time.monotonic() + 120
    while words not in said or termios.tcgetattr(terminal)[3] & termios.ICANON:
        assert time.monotonic() < end, said
        if select.select([terminal], [], [], 0.1)[0]:
            said += os.read(terminal, 65536)


def test_keys_are_the_classes() -> None:
    assert list(KEYS.values()) == list(sheet.CLASSES)
