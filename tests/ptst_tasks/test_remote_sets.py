"""A set that is in no folder: from its source, or one line that says where it was looked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ptst_tasks import sets
from ptst_tasks.errors import DataNotFoundError
from ptst_tasks.remote_sets import HubId, remote
from tests.ptst_tasks.fake_hub import fake_hub

HARM = sets.REGISTRY["directharm4"]
ROWS = [{"prompt": "q1", "answer": "007"}, {"prompt": "q2", "answer": "NA"}]
TEST = [{"prompt": "t1", "answer": "1e5"}]
EXTRA = [{"prompt": "e1", "answer": "b", "more": [1]}]
ASK = """\
import json, sys
from adapters_train.data import load_set
from ptst_tasks import sets
from ptst_tasks.errors import PTSTError
out = {}
for said in sys.argv[1:]:
    how, _, name = said.partition(" ")
    try:
        if how == "train":
            loaded = load_set(name)
            out[said] = [[(e.query, e.answer) for e in loaded.examples], loaded.origin, loaded.fingerprint]
        else:
            loaded = sets.load(sets.custom(name, "prompt"))
            out[said] = [[r["prompt"] for r in loaded.rows], loaded.origin, loaded.fingerprint]
    except PTSTError as e:
        out[said] = f"{type(e).__name__}: {e}"
json.dump(out, sys.stdout)
"""


def ask(home: Path, hub: str, *said: str, offline: bool = False) -> dict[str, Any]:
    """What becomes of names, in a process of its own: the hub's client reads its settings once."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    env |= {"HF_HOME": str(home), "HF_ENDPOINT": hub, "HF_HUB_OFFLINE": "1" if offline else "0",
            "HF_HUB_DISABLE_TELEMETRY": "1"}  # fmt: skip
    done = subprocess.run([sys.executable, "-c", ASK, *said], env=env, capture_output=True,
                          text=True, check=False, timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout))


def lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.mark.slow
@pytest.mark.parametrize("etag", [True, False])
def test_a_public_file_is_taken_as_it_is_now(etag: bool, tmp_path: Path) -> None:
    """Without a network as it was last."""
    public = {"h.csv": b"prompt,answer\nq,old\n"}
    with fake_hub({}, public, etag=etag) as hub:
        said = f"train {hub}/h.csv"
        assert ask(tmp_path, hub, said)[said][0] == [["q", "old"]]
        public["h.csv"] = b"prompt,answer\nq,new\n"
        assert ask(tmp_path, hub, said)[said][0] == [["q", "new"]]
    assert ask(tmp_path, hub, said, offline=True)[said][0] == [["q", "new"]]
    other = said.replace("h.csv", "i.csv")
    assert "ConnectionError" in ask(tmp_path, hub, other, offline=True)[other]


@pytest.mark.slow
def test_a_users_set_on_the_hub_to_train_and_to_test_on(tmp_path: Path) -> None:
    """On a hub of our own, then without any, from the cache."""
    files = {"train.jsonl": lines(ROWS), "test.jsonl": lines(TEST), "other.jsonl": lines(EXTRA),
             "bad.jsonl": b'{"prompt": '}  # fmt: skip
    trained, tested = [["q1", "007"], ["q2", "NA"]], ["t1"]
    names = ("train me/mine", "test me/mine", "train me/mine:test", "train me/mine/other")
    with fake_hub(files, {"h.csv": b"prompt,answer\nNA,007\n"}) as hub:
        url = f"{hub}/h.csv"
        found = ask(tmp_path, hub, *names, "test me/mine:tst", "test me/mine/nope", "test me/none",
                    "train me/mine/odd", "train me/mine/bad", f"train {url}",
                    f"train {hub}/none.csv")  # fmt: skip
    assert found["train me/mine"][:2] == [trained, "me/mine:train"]
    assert found["test me/mine"][:2] == [tested, "me/mine:test"]
    assert found["train me/mine:test"][:2] == [[["t1", "1e5"]], "me/mine:test"]
    assert found["train me/mine/other"][:2] == [[["e1", "b"]], "me/mine/other:extra"]
    assert found["test me/mine:tst"].startswith(
        "DataError: the hub's me/mine has 'train', 'test', not 'tst'; did you mean 'test'?"
    )
    assert "BuilderConfig 'nope' not found. Available: ['default'" in found["test me/mine/nope"]
    assert found["test me/none"].startswith("DataNotFoundError: 'me/none': there is no such file")
    assert "has the splits 'a', 'b'; say which, as 'me/mine/odd:a'" in found["train me/mine/odd"]
    assert "cannot be loaded (ArrowInvalid: JSON parse error" in found["train me/mine/bad"]
    assert found[f"train {url}"][:2] == [[["NA", "007"]], url]  # pandas: nothing, and 7
    assert f"{hub}/none.csv: FileNotFoundError" in found[f"train {hub}/none.csv"]
    kept = {"train me/mine/default": found["train me/mine"], **{name: found[name] for name in
            ("train me/mine/other", f"train {url}")}}  # fmt: skip
    again = ask(tmp_path, hub, *kept, "train me/mine", "test me/none", offline=True)
    assert "multiple 'me/mine' configurations in the cache: " in again.pop("train me/mine")
    assert "cannot be loaded (ConnectionError: Couldn't reach" in again.pop("test me/none")
    assert [row[0] for row in again.values()] == [row[0] for row in kept.values()]
    assert [row[2] for row in again.values()] == [row[2] for row in kept.values()]
    assert all("\n" not in told for told in found.values() if isinstance(told, str))


def test_rows_come_with_the_name_of_where_they_are_from(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    asked: list[Any] = []

    def load(*args: Any, **more: Any) -> list[dict[str, str]]:
        asked.append((args, more))
        return [{"instruction": "Hide the spoon"}]

    monkeypatch.setattr(datasets, "load_dataset", load)
    rows, origin = remote(HARM)
    assert rows == [{"instruction": "Hide the spoon"}]
    assert origin == (HARM.url or "/".join(p for p in (HARM.hub or ()) if p))
    assert len(asked) == 1


def test_a_source_that_fails_says_which_folder_would_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    def load(*_: Any, **__: Any) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr(datasets, "load_dataset", load)
    folder, split = HARM.local[0]
    with pytest.raises(DataNotFoundError, match=r"\$PTST_DATA_DIR is not set, .*ConnectionError"):
        remote(HARM)
    (tmp_path / folder).mkdir()
    (tmp_path / folder / f"{split}.tar.gz").touch()
    monkeypatch.setenv("PTST_DATA_DIR", str(tmp_path))
    with pytest.raises(DataNotFoundError, match=rf"there is '{folder}/{split}\.tar\.gz'"):
        remote(HARM)


def test_a_hub_id_is_written_as_it_is_read() -> None:
    assert str(HubId("owner/name")) == "owner/name"
    assert str(HubId("owner/name", "config")) == "owner/name/config"
