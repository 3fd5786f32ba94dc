"""A file of the learned judge is whole, of this version and never pickled, or one line says what it is."""

from __future__ import annotations

import contextlib
import io
import json
import lzma
import os
import tokenize
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptst_tasks.errors import DataError, DataNotFoundError
from ptst_tasks.judges import learned_file
from ptst_tasks.judges.learned_file import load, packed, save
from tests.ptst_tasks.judges import learned_models


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return learned_models.write(tmp_path / "m.npz")


def changed(file: Path, **arrays: Any) -> None:
    """The file with other arrays; ``head`` as values that take the place of its own."""
    with np.load(file) as found:
        whole = {name: found[name] for name in found.files}
    head = json.loads(whole["head"].tobytes()) | arrays.pop("head", {})
    whole["head"] = np.frombuffer(json.dumps(head).encode(), dtype=np.uint8)
    np.savez(file, **{**whole, **arrays})


def test_what_is_read_is_what_was_written_and_bytes_are_the_same(file: Path) -> None:
    found, models = load(file), {"": learned_models.heads()}
    assert set(found.models) == {"", "gptfuzz"}
    assert found.card == {"recipe": "by hand"}
    assert found.models[""].harm.tolist() == learned_models.heads().harm.tolist()
    assert packed(models, {"b": 1, "a": 2}) == packed(models, {"a": 2, "b": 1})


def test_it_is_a_few_megabytes(file: Path) -> None:
    assert file.stat().st_size < 1_000_000


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"head": {"format": 2}}, "format 2, expected 1"),
        ({"head": {"reading": "x"}}, "other features"),
        ({"head": {"digest": "0" * 64}}, "digest"),
        ({"head": {"sources": ["gptfuzz"]}}, "lacks the model that saw all"),
        ({"head": {"sources": ["", "mars"]}}, "mars/harm"),
        ({"/harm": np.zeros(3, np.float32)}, r"/harm is float32\(3,\)"),
        ({"/harm": np.zeros(122)}, "/harm is float64"),
        ({"/request_low": np.array([np.nan], np.float32)}, "not finite"),
        ({"/request_low": np.array([-7], np.float32)}, "digest"),
        ({"card": np.frombuffer(b"[]", dtype=np.uint8)}, "no object"),
        ({"card": np.frombuffer(b"{", dtype=np.uint8)}, "JSONDecodeError"),
    ],
)
def test_numbers_that_are_not_its_own(file: Path, arrays: dict[str, Any], says: str) -> None:
    changed(file, **arrays)
    with pytest.raises(DataError, match=says) as e:
        load(file)
    assert "ptst judges --train" in str(e.value)
    assert "\n" not in str(e.value)


def test_a_pickle_is_not_opened(file: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (os.mkdir, (str(file.with_name("trapped")),))

    pickled = io.BytesIO()
    np.save(pickled, np.array([Trap()], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(file, "a") as members:
        members.writestr("more.npy", pickled.getvalue())
    with pytest.raises(DataError, match="is no file of the learned judge"):
        load(file)
    assert not file.with_name("trapped").exists()


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, 0.999])
def test_a_file_that_was_cut_off(file: Path, keep: float) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: int(keep if keep >= 1 else keep * len(data))])
    with pytest.raises(DataError, match="is no file of the learned judge"):
        load(file)


def test_a_byte_that_was_changed(file: Path) -> None:
    data = bytearray(file.read_bytes())
    for at in range(0, len(data), 997):
        broken = data.copy()
        broken[at] ^= 0x55
        file.write_bytes(bytes(broken))
        with contextlib.suppress(DataError):  # every other error is one too many
            assert load(file).models[""].harm.tolist() == learned_models.heads().harm.tolist()


def test_what_is_no_npz_too_large_or_not_to_be_read(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataNotFoundError, match="does not exist; `ptst judges --train` makes it"):
        load(file.with_name("none.npz"))
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        load(file.parent)
    (text := file.with_name("t.npz")).write_text("spoon")
    np.save(single := file.with_name("s.npy"), np.zeros(3))
    with zipfile.ZipFile(bomb := file.with_name("b.npz"), "w", zipfile.ZIP_DEFLATED) as members:
        members.writestr("head.npy", b"0" * 60_000_000)
    for wrong in (text, single, bomb):
        with pytest.raises(DataError, match="is no file of the learned judge"):
            load(wrong)

    def forbidden(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", forbidden)  # who tests may be root, who may read all
    with pytest.raises(DataError, match="cannot be read: Permission denied"):
        load(file)


@pytest.mark.parametrize(
    "error", [AttributeError, OverflowError, tokenize.TokenError, lzma.LZMAError]
)
def test_whatever_the_libraries_raise_is_one_line(
    file: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise error("broken")

    monkeypatch.setattr(np, "load", broken)
    with pytest.raises(DataError, match=r"is no file of the learned judge: .*broken; `ptst"):
        load(file)


def test_its_sources_are_those_of_its_models(file: Path) -> None:
    """Else a source would be judged by the model that saw it."""
    with np.load(file) as found:
        arrays = dict(found)
    head = json.loads(arrays["head"].tobytes()) | {"sources": [""]}
    arrays["head"] = np.frombuffer(json.dumps(head).encode(), dtype=np.uint8)
    np.savez(file, **arrays)
    with pytest.raises(DataError, match="its models are not of the sources that it names"):
        load(file)


def test_a_place_that_cannot_be_written(file: Path) -> None:
    with pytest.raises(DataError, match="cannot write the learned judge to"):
        save(file / "under" / "a.npz", b"")


def test_a_model_is_of_the_lists_and_marks_that_it_was_trained_with(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(learned_file.MARKS, "sorry", "pardon")
    with pytest.raises(DataError, match="other features"):
        load(file)
