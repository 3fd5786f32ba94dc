"""`ptst publish --push` against a hub on loopback: what arrives, and every refusal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from leaderboards.publish.model_card import MARKER
from tests.leaderboards.board.rows import ptst
from tests.leaderboards.publish.hub_server import Hub, Repo, point_at
from tests.leaderboards.publish.made_adapter import SECRETS, made_run

# The hub's client uploads large files in a way that its HTTP library has deprecated.
pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    drawn = (b"\x89PNG", "a picture")  # drawing takes seconds, and is test_bundle's
    monkeypatch.setattr("leaderboards.publish.bundle._picture", lambda *_: drawn)
    with Hub() as serving:
        point_at(serving, monkeypatch)
        yield serving


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return made_run(tmp_path / "run")


def push(run: Path, *more: str, repo: str = "me/mine") -> int:
    return ptst("publish", run, "--repo", repo, "--push", *more)


def refused(run: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that was said; nothing was written."""
    out, err = capsys.readouterr()
    assert out == ""
    assert not (run / "publish").exists()
    [line] = err.splitlines()
    assert line.startswith("ptst: error: ")
    return line


def test_one_commit_with_the_weights_and_without_what_is_private(hub: Hub, run: Path) -> None:
    assert push(run, "--private", repo="lab/mine") == 0
    repo = hub.repos["lab/mine"]
    assert repo.private
    assert len(repo.messages) == 1
    assert set(repo.files) == {".gitattributes", "README.md", "board.png", "every_eval_ever.json",
                               "adapter_config.json", "adapter_model.safetensors"}  # fmt: skip
    weights = (run / "made/adapter_model.safetensors").read_bytes()
    assert repo.files["adapter_model.safetensors"] == weights
    config = json.loads(repo.files["adapter_config.json"])
    assert (config["base_model_name_or_path"], config["r"]) == ("stand-in", 8)
    assert not (run / "publish/chat%3Allama-s0/adapter_model.safetensors").exists()
    for name, body in repo.files.items():
        if name != "board.png":
            assert not [s for s in SECRETS if s.encode() in body], name


@pytest.mark.parametrize("missing", ["", "hf_wrongwrongwrong"])
def test_a_token_that_is_missing_or_wrong(
    hub: Hub, run: Path, missing: str, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setenv("HF_TOKEN", missing)
    assert push(run) == 2
    line = refused(run, capsys)
    assert "hf auth login" in line
    assert "wrongwrong" not in line
    assert hub.repos == {}


def test_an_owner_that_is_not_ours(hub: Hub, run: Path, capsys) -> None:
    assert push(run, repo="they/theirs") == 2
    assert "is not ours" in refused(run, capsys)
    assert [call for call in hub.calls if call.startswith("POST")] == []


def test_a_token_that_can_only_read(hub: Hub, run: Path, capsys) -> None:
    hub.refuse["/api/repos/create"] = 403
    assert push(run) == 2
    assert "may not write there (403)" in refused(run, capsys)
    assert hub.repos == {}


def test_a_repository_that_is_there(hub: Hub, run: Path, capsys) -> None:
    hub.repos["me/mine"] = Repo({"README.md": b"mine"})
    assert push(run) == 2
    assert "is there already" in refused(run, capsys)
    assert hub.repos["me/mine"].files == {"README.md": b"mine"}


@pytest.mark.parametrize(
    "files", [{"README.md": b"# by hand"}, {"adapter_model.safetensors": b"theirs"}]
)
def test_a_card_that_we_did_not_write_stays(hub: Hub, run: Path, files, capsys) -> None:
    hub.repos["me/mine"] = Repo(dict(files))
    assert push(run, "--update") == 2
    assert "did not write" in refused(run, capsys)
    assert hub.repos["me/mine"].files == files


def test_a_card_of_ours_is_written_anew(hub: Hub, run: Path) -> None:
    hub.repos["me/mine"] = Repo({"README.md": f"---\n---\n{MARKER}\nold".encode(), "more": b"kept"})
    assert push(run, "--update") == 0
    files = hub.repos["me/mine"].files
    assert b"old" not in files["README.md"].splitlines()
    assert files["more"] == b"kept"


def test_a_change_in_between_ends_it(hub: Hub, run: Path, capsys) -> None:
    hub.repos["me/mine"] = Repo({"README.md": MARKER.encode()})
    hub.refuse["/commit/main"] = 412
    assert push(run, "--update") == 2
    assert "was changed while this ran" in refused(run, capsys)


def test_a_commit_that_fails_names_the_empty_repository(hub: Hub, run: Path, capsys) -> None:
    hub.refuse["/commit/main"] = 403
    assert push(run) == 2
    assert "is empty: the same command with --update goes on" in refused(run, capsys)
    del hub.refuse["/commit/main"]
    assert push(run, "--update") == 0
    assert len(hub.repos["me/mine"].messages) == 1


def test_no_network_and_offline_mode(
    hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert push(run) == 2
    assert "cannot be reached" in refused(run, capsys)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert push(run) == 2
    assert "HF_HUB_OFFLINE is set" in refused(run, capsys)
    assert hub.calls == []
