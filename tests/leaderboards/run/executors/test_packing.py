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
