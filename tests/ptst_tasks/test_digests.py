"""Digests by hand, and JSON files that are whole or not there."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from ptst_tasks.digests import (
    digest_json,
    ids_digest,
    peak_memory,
    read_json,
    weights_digest,
    write_json,
)
from ptst_tasks.errors import ConfigError


def test_the_order_of_keys_counts_for_nothing_and_a_value_does() -> None:
    assert digest_json({"b": 1, "a": 2}) == hashlib.sha256(b'{"a":2,"b":1}').hexdigest()
    assert digest_json({"a": 2}) != digest_json({"a": "2"})
    assert digest_json("\ud800")  # half a character is no reason to fail


def test_rows_of_ids_are_told_apart_by_where_they_end() -> None:
    assert ids_digest([[1, 2], [3]]) != ids_digest([[1], [2, 3]])
    assert ids_digest([[1, 2], [3]]) == ids_digest([(1, 2), (3,)])


def test_weights_are_names_and_contents(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no weights"):
        weights_digest(tmp_path)
    (tmp_path / "a.safetensors").write_bytes(b"w")
    one = weights_digest(tmp_path)
    line = f"a.safetensors {hashlib.sha256(b'w').hexdigest()}\n"
    assert one == hashlib.sha256(line.encode()).hexdigest()
    (tmp_path / "a.safetensors").rename(tmp_path / "b.safetensors")
    assert weights_digest(tmp_path) != one


def test_json_is_read_back_and_what_is_none_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    assert read_json(file) is None
    write_json(file, {"a": "half \ud83d"})
    assert read_json(file) == {"a": "half \ud83d"}
    for text in ("[1]", "{", "[" * 100_000):
        file.write_text(text)
        assert read_json(file) is None


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="Linux says it process by process"
)
def test_peak_memory_is_the_process_s_own_and_not_that_of_who_started_it() -> None:
    ballast = b"x" * (900 << 20)
    told = subprocess.run(
        [sys.executable, "-c", "from ptst_tasks.digests import peak_memory; print(peak_memory())"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert 0 < int(told.stdout) < len(ballast)
    assert peak_memory() >= len(ballast)
