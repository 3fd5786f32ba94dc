"""The journal reads back what was answered, and no line that is torn."""

from __future__ import annotations

from pathlib import Path

import pytest

from ptst_tasks.engines.journal import Journal, batch_key

ODD = ["a\u2028b", "c\u2029d", "e\x85f", "g\x0bh\x1ci", "half \ud83d", "ü", "line\nline\r\n"]


@pytest.mark.parametrize("way", ["put", "add"])
def test_a_journal_reads_back_every_character(way: str, tmp_path: Path) -> None:
    """Seen: U+2028 in an answer broke each later start; half a character broke the writing."""
    file = tmp_path / "j.jsonl"
    journal = Journal(file)
    for i, text in enumerate(ODD):
        getattr(journal, way)(f"k{i}", [text, "x"])
    again = Journal(file)
    assert [again.get(f"k{i}") for i in range(len(ODD))] == [[text, "x"] for text in ODD]
    assert len({batch_key(text) for text in ODD}) == len(ODD)


def test_a_line_that_cannot_be_read_is_not_there(tmp_path: Path) -> None:
    """Seen: every later start was a traceback; old journals hold U+2028 as it is, too."""
    file = tmp_path / "j.jsonl"
    good = '["k1",["a\u2028b"]]\n'.encode()
    file.write_bytes(b'["k0",["x"\n\n{}\n[1,2,3]\n["k",3]\n["k",[3]]\n\xff\xfe\n' + good + b'["to')
    journal = Journal(file)
    assert journal.get("k1") == ["a\u2028b"]
    assert (journal.get("k0"), journal.get("k")) == (None, None)
    journal.put("k2", ["y"])
    assert Journal(file).get("k2") == ["y"]
