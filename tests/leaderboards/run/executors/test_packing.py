"""A folder as bytes, and back."""

from __future__ import annotations

from pathlib import Path

from leaderboards.run.executors import packing


def test_a_folder_survives_packing(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/x").write_bytes(b"\0\1")
    packing.unpack(packing.pack(tmp_path / "a"), tmp_path / "c")
    assert (tmp_path / "c/b/x").read_bytes() == b"\0\1"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "c"]


def test_an_adapter_is_the_packed_one_if_its_manifest_is(tmp_path: Path) -> None:
    for name, text in [
        ("a", '{"lr": 1}'),
        ("same", '{"lr":  1}'),
        ("b", '{"lr": 2}'),
        ("none", ""),
    ]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text(text)
    packed = packing.pack(tmp_path / "a")
    found = {n: packing.holds(tmp_path / n, packed) for n in ("a", "same", "b", "none", "gone")}
    assert found == {"a": True, "same": True, "b": False, "none": False, "gone": False}
    assert not packing.holds(tmp_path / "none", packing.pack(tmp_path / "none"))
