"""A model out of packages: fetched by a real pip from a folder of packages that are made here."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from ptst_tasks import base_names, packaged
from ptst_tasks.errors import ConfigError, UnknownNameError
from tests.gguf_maker import write_gguf

pytest.importorskip("gguf")

NAME = "two-parts"


def wheel(folder: Path, name: str, inside: dict[str, bytes]) -> None:
    """As little of a package as pip fetches."""
    stem = name.replace("-", "_")
    info = f"{stem}-1.0.dist-info"
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
    kind = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(folder / f"{stem}-1.0-py3-none-any.whl", "w") as out:
        for path, content in inside.items():
            out.writestr(path, content)
        out.writestr(f"{info}/METADATA", about)
        out.writestr(f"{info}/WHEEL", kind)
        out.writestr(f"{info}/RECORD", "")


class Index:
    """A folder of packages, one model in two of them, and the row that names it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        whole = write_gguf(folder.with_name("whole.gguf")).read_bytes()
        self.put(whole)
        self.row = packaged.PackagedModel(
            NAME, (("part-a", "1.0", "part_a/a.bin"), ("part-b", "1.0", "part_b/b.bin")),
            len(whole), hashlib.sha256(whole).hexdigest(), "MIT", "Two parts of a tiny model",
        )  # fmt: skip
        self.whole = whole

    def put(self, whole: bytes) -> None:
        wheel(self.folder, "part-a", {"part_a/a.bin": whole[:1000]})
        wheel(self.folder, "part-b", {"part_b/b.bin": whole[1000:]})


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    made = Index(tmp_path / "index")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(made.folder))
    monkeypatch.setitem(packaged.MODELS, NAME, made.row)
    return made


def left(tmp_path: Path) -> list[str]:
    return sorted(p.name for p in (tmp_path / "cache").rglob("*") if p.is_file())


def test_fetched_once_joined_in_order_and_read(
    index: Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = f"packaged:{NAME}"
    assert base_names.present_base(base) == ""
    file = packaged.fetch(base)
    assert file.read_bytes() == index.whole
    said = capsys.readouterr().err
    assert said.startswith(
        "note: Two parts of a tiny model is fetched from the Python package index"
    )
    assert "part-a==1.0 and 1 more" in said
    assert "MIT" in said
    folder = base_names.local_base(base)
    assert (Path(folder) / "config.json").is_file()
    assert base_names.present_base(base) == folder
    capsys.readouterr()
    assert packaged.fetch(base) == file
    assert capsys.readouterr().err == ""


def test_a_kept_file_of_the_right_size_and_other_bytes_is_fetched_again(index: Index) -> None:
    file = packaged.fetch(NAME)
    content = bytearray(index.whole)
    content[-1] ^= 1
    file.write_bytes(content)
    assert base_names.present_base(f"packaged:{NAME}") == ""
    assert packaged.fetch(NAME).read_bytes() == index.whole


def test_another_digest_is_refused_and_nothing_is_kept(index: Index, tmp_path: Path) -> None:
    index.put(index.whole[:-1] + b"!")
    with pytest.raises(ConfigError) as caught:
        packaged.fetch(NAME)
    assert f"expected {index.row.sha256[:12]}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert left(tmp_path) == []


def test_a_package_without_the_file(index: Index, tmp_path: Path) -> None:
    wheel(index.folder, "part-b", {"part_b/other.bin": b""})
    with pytest.raises(ConfigError, match=r"part-b==1\.0 holds no 'part_b/b\.bin'"):
        packaged.fetch(NAME)
    assert left(tmp_path) == []


def test_a_package_that_is_no_zip(index: Index, tmp_path: Path) -> None:
    (index.folder / "part_b-1.0-py3-none-any.whl").write_bytes(b"no zip")
    with pytest.raises(ConfigError, match=r"two-parts' cannot be had: part-b==1\.0"):
        packaged.fetch(NAME)
    assert left(tmp_path) == []


def test_an_index_without_the_package(index: Index, tmp_path: Path) -> None:
    (index.folder / "part_a-1.0-py3-none-any.whl").unlink()
    with pytest.raises(ConfigError) as caught:
        packaged.fetch(NAME)
    assert "part-a==1.0 cannot be fetched: ERROR: No matching distribution" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert left(tmp_path) == []


def test_a_cache_that_cannot_be_written(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(ConfigError, match="cannot be written"):
        packaged.fetch(NAME)


def test_names() -> None:
    assert packaged.is_packaged("packaged:x")
    assert not packaged.is_packaged("x/y")
    with pytest.raises(UnknownNameError, match="did you mean 'smollm2-135m-instruct'"):
        packaged.find("packaged:smollm2-135m")


def test_every_row_says_where_it_is_from() -> None:
    for name, row in packaged.MODELS.items():
        assert name == row.name
        assert len(row.sha256) == 64
        assert row.licence.startswith("Apache-2.0")
