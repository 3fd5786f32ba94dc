"""A GGUF file is read once, whole or not at all, and is the same base wherever a copy lies."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest
import torch

from ptst_tasks import gguf_files
from ptst_tasks.errors import ConfigError
from ptst_tasks.model_files import GGUF_MARKER, base_of
from tests.gguf_maker import CHAT, write_gguf

pytest.importorskip("gguf")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def sha(file: Path) -> str:
    import hashlib

    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("quantised", [False, True])
def test_the_numbers_are_transformers_own(tmp_path: Path, quantised: bool) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    file = write_gguf(tmp_path / "m.gguf", quantised=quantised)
    folder = gguf_files.as_folder(file)
    theirs = AutoModelForCausalLM.from_pretrained(
        tmp_path, gguf_file="m.gguf", dtype=torch.float32
    ).eval()
    ours = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = torch.tensor([[5, 6, 7, 8, 9]])
    with torch.no_grad():
        assert torch.equal(ours(ids).logits, theirs(ids).logits)
    text = "the cat"
    own, read = (
        AutoTokenizer.from_pretrained(folder),
        AutoTokenizer.from_pretrained(tmp_path, gguf_file="m.gguf"),
    )
    assert own(text).input_ids == read(text).input_ids
    assert own.chat_template == CHAT
    assert (own.eos_token, own.pad_token) == (read.eos_token, read.pad_token)


def test_its_digest_is_the_bases_wherever_it_lies(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "m.gguf")
    record = base_of(gguf_files.as_folder(file))
    assert record.weights == f"gguf:{sha(file)}"
    (tmp_path / "there").mkdir()
    copy = Path(shutil.copy(file, tmp_path / "there" / "m.gguf"))
    assert base_of(gguf_files.as_folder(copy)) == record
    other = base_of(gguf_files.as_folder(write_gguf(tmp_path / "n.gguf", seed=1)))
    assert other.weights != record.weights


def test_a_folder_that_was_changed_since_is_another_base(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = gguf_files.as_folder(write_gguf(tmp_path / "m.gguf"))
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"] += 1
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    assert not base_of(folder).weights.startswith("gguf:")


def test_read_once_and_what_is_damaged_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf_files, "WORTH_A_NOTE", 0)
    file = write_gguf(tmp_path / "m.gguf")
    assert gguf_files.kept(file) is None
    folder = gguf_files.as_folder(file)
    assert "m.gguf is read once" in capsys.readouterr().err
    assert gguf_files.as_folder(file) == folder == gguf_files.kept(file)
    assert capsys.readouterr().err == ""
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-50])
    assert gguf_files.kept(file) is None
    assert base_of(gguf_files.as_folder(file)).weights.startswith("gguf:")
    told = json.loads((folder / GGUF_MARKER).read_text())
    assert (told["file"], told["architecture"], told["tensors"]) == ("m.gguf", "llama", {"F32": 21})


def test_a_file_of_the_same_name_with_other_contents_is_seen(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "m.gguf")
    first = gguf_files.as_folder(file)
    write_gguf(file, seed=1)
    assert gguf_files.as_folder(file) != first


def test_two_at_once_come_to_one_folder(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "m.gguf")
    code = f"from ptst_tasks import gguf_files; print(gguf_files.as_folder({str(file)!r}))"
    both = [subprocess.Popen([sys.executable, "-W", "error", "-c", code], stdout=subprocess.PIPE)
            for _ in range(2)]  # fmt: skip
    said = {process.communicate()[0] for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert len(said) == 1
    names = [p.name for p in (tmp_path / "cache/ptst/gguf").iterdir() if p.is_dir()]
    assert len(names) == 1


def cut(part: float):
    def change(file: Path) -> None:
        content = write_gguf(file).read_bytes()
        file.write_bytes(content[: int(len(content) * part)])

    return change


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda f: f.write_bytes(b"GGML" + bytes(99)), "it begins with b'GGML'"),
        (lambda f: f.write_bytes(b""), "it begins with b''"),
        (lambda f: f.write_bytes(b"GGUF" + bytes(99)), "cut or damaged"),
        (cut(0.02), "cut or damaged"),
        (cut(0.9), "cut or damaged"),
        (lambda f: write_gguf(f, arch="nosuch"), "cannot read its architecture 'nosuch'"),
        (lambda f: write_gguf(f, tokenizer=False), "no tokenizer"),
        (lambda f: None, "no such file"),
    ],
    ids=["magic", "empty", "header", "cut header", "cut tensors", "arch", "tokenizer", "none"],
)
def test_what_is_no_model_is_one_line_and_leaves_nothing(tmp_path: Path, make, words: str) -> None:
    make(tmp_path / "m.gguf")
    with pytest.raises(ConfigError) as caught:
        gguf_files.as_folder(tmp_path / "m.gguf")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not [
        p for p in (tmp_path / "cache").rglob("*") if p.is_dir() and p.name not in ("ptst", "gguf")
    ]


def test_one_part_of_several(tmp_path: Path) -> None:
    write_gguf(tmp_path / "m-00001-of-00002.gguf")
    with pytest.raises(ConfigError, match="one part of several"):
        gguf_files.check(tmp_path / "m-00001-of-00002.gguf")


def test_without_room_or_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_gguf(tmp_path / "m.gguf")
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage(10, 9, 1))
        with pytest.raises(ConfigError, match=r"0\.0 GB free; set XDG_CACHE_HOME"):
            gguf_files.as_folder(file)
    monkeypatch.setattr(gguf_files.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"pip install 'ptst\[gguf\]'"):
        gguf_files.check(file)


def test_names() -> None:
    assert gguf_files.is_gguf("a/b.gguf")
    assert gguf_files.is_gguf("B.GGUF")
    assert not gguf_files.is_gguf("a/b")
