"""Fixtures of the whole suite: no network, two threads, artificial data."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import (
    SHARED,
    byte_tokenizer,
    save_adapter,
    save_tiny_model,
    vllm_server,
    write_data,
)

# Before transformers is imported anywhere: no hub, no threads that fork badly, no telemetry.
os.environ.update(
    HF_HUB_OFFLINE="1",
    HF_DATASETS_OFFLINE="1",
    TOKENIZERS_PARALLELISM="false",
    OMP_NUM_THREADS="2",
    COLUMNS="200",
    PTST_CANARIES="off",  # tests of their own ask them: others count calls
)

_connect = socket.socket.connect


def _only_loopback(self: socket.socket, address: Any) -> Any:
    host = address[0] if isinstance(address, tuple) else ""
    if host and host not in ("127.0.0.1", "localhost", "::1"):
        raise OSError(f"tests do not use the network: {host!r}")
    return _connect(self, address)


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", _only_loopback)
    yield
    patch.undo()


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PTST_JUDGE_CACHE", str(tmp_path / "verdicts.sqlite"))
    for name in ("PTST_DATA_DIR", "PTST_TEMPLATES", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a few artificial rows for every set."""
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture
def data_dir(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same folder as ``$PTST_DATA_DIR``."""
    monkeypatch.setenv("PTST_DATA_DIR", str(data_root))
    return data_root


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random two-layer model with a byte tokenizer, an automatic BOS and a chat template."""
    return save_tiny_model(tmp_path_factory.mktemp("tiny"), byte_tokenizer())


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real tokenizers and real benchmark files; tests that need them skip without them."""
    if not SHARED.is_dir():
        pytest.skip("needs the folder of real tokenizers and data beside the checkout")
    return SHARED


@pytest.fixture(scope="session")
def llama2(shared: Path) -> Any:
    """The real Llama-2 tokenizer."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(shared / "tokenizers/llama2_spm_32k")


@dataclass(frozen=True)
class ServedTiny:
    """A vLLM server: its address, and what the names ``tiny``, ``a0`` and ``a1`` stand for."""

    url: str
    base: Path
    adapters: dict[str, Path]


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedTiny]:
    """A real ``vllm serve`` with a random model that says plain letters, and two adapters."""
    pytest.importorskip("vllm", reason="needs vllm: make test-vllm")
    folder = tmp_path_factory.mktemp("served")
    base = save_tiny_model(
        folder / "base", byte_tokenizer(), hidden=64, heads=2, spread=0.2, ascii_only=True
    )
    adapters = {f"a{i}": save_adapter(base, folder / f"a{i}", i, r=4) for i in range(2)}
    with vllm_server(base, adapters, folder / "log") as url:
        yield ServedTiny(url, base, adapters)
