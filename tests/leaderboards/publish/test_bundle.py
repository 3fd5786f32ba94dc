"""What is written, and what never is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from leaderboards.publish.bundle import bundle, check_place, write
from leaderboards.publish.model_card import MARKER
from ptst_tasks.errors import ConfigError
from tests.leaderboards.publish.made_adapter import SECRETS, made_subject


@pytest.fixture
def _no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leaderboards.publish.bundle._picture", lambda *_: (b"", ""))


def test_a_picture_is_a_png_and_no_text_holds_what_is_private(tmp_path: Path) -> None:
    made = bundle(made_subject(tmp_path), "me/mine", weights=True)
    assert set(made.files) == {"README.md", "every_eval_ever.json", "board.png"}
    assert made.files["board.png"].startswith(b"\x89PNG")
    for name in ("README.md", "every_eval_ever.json"):
        text = made.files[name].decode()
        assert not [secret for secret in (*SECRETS, str(tmp_path)) if secret in text], name
    assert "![" in made.files["README.md"].decode()


@pytest.mark.usefixtures("_no_picture")
def test_a_name_that_holds_a_place_or_a_key_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = made_subject(tmp_path)
    with pytest.raises(ConfigError, match="a folder of this machine; nothing was written"):
        bundle(replace(found, base=f"{tmp_path}/models/m"))
    with pytest.raises(ConfigError, match="looks like a key; nothing was written") as e:
        bundle(replace(found, name="hf_abcdefghijklmn"))
    assert "abcdefgh" not in str(e.value)


def test_a_card_of_somebody_else_stays_and_ours_is_written_anew(tmp_path: Path) -> None:
    (card := tmp_path / "README.md").write_text("by hand")
    with pytest.raises(ConfigError, match="ptst did not write it"):
        check_place(tmp_path)
    assert card.read_text() == "by hand"
    card.write_text(f"{MARKER}\nold")
    check_place(tmp_path)
    files = {"README.md": b"new", ".eval_results/gsm8k.yaml": b"x"}
    assert write(tmp_path, files) == [tmp_path / ".eval_results/gsm8k.yaml", card]
    assert card.read_text() == "new"


def test_a_folder_that_cannot_be_is_one_line_and_nothing_is_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="cannot be written"):
        check_place(tmp_path / "file" / "deeper")
    check_place(tmp_path / "new" / "deeper")
    assert not (tmp_path / "new").exists()


@pytest.mark.usefixtures("_no_picture")
def test_the_same_run_is_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    found = made_subject(tmp_path)
    assert bundle(found).files == bundle(found).files
    assert (
        json.loads(bundle(found).files["every_eval_ever.json"])["retrieved_timestamp"]
        == "1700000000"
    )
