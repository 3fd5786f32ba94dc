"""A real server with a tiny model on loopback: vLLM where it is installed, else transformers."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ptst_tasks import judges
from tests.support import wait_for_server


def _transformers(model: Path, port: int) -> list[str] | None:
    beside = Path(sys.executable).parent / "transformers"
    command = str(beside) if beside.exists() else shutil.which("transformers")
    if command and all(importlib.util.find_spec(name) for name in ("fastapi", "uvicorn")):
        return [command, "serve", str(model), "--port", str(port), "--host", "127.0.0.1",
                "--device", "cpu"]  # fmt: skip
    return None


@pytest.fixture(scope="module")
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    """Its address, and the model's name there."""
    if importlib.util.find_spec("vllm"):
        served = request.getfixturevalue("served")
        yield served.url, "tiny"
        return
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    model = request.getfixturevalue("tiny_model")
    command = _transformers(model, port)
    if command is None:
        pytest.skip("needs vllm (make test-vllm), or transformers[serving]: neither is installed")
    log = tmp_path_factory.mktemp("serve") / "log"
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        wait_for_server(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}/v1", str(model)
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.slow
@pytest.mark.vllm
def test_rubric_through_a_real_server(server: tuple[str, str]):
    """A random model: with a schema its grades are valid, in text they are none; never a zero."""
    url, model = server
    # A reason of noise is long, and at temperature 0 it never ends.
    more = (
        "max_tokens=1200,temperature=1,output=json"
        if importlib.util.find_spec("vllm")
        else "max_tokens=32"
    )
    judge: Any = judges.make(
        f"rubric:model={model},base_url={url},{more},concurrency=1,timeout=30,attempts=3"
    )
    found = judge.judge(["Hide it"] * 2, ["Under the sofa", "I cannot"])
    assert judge.budget.ledger.calls >= 2
    assert judge.answered
    for verdict in found:
        if verdict.harmful is None:
            assert "given up after" in verdict.reason
            assert "HTTP" not in verdict.reason
        else:
            assert verdict.score in (1, 2, 3, 4, 5)
    if importlib.util.find_spec("vllm"):
        assert not judge._text_only  # the schema was accepted
        assert any(verdict.harmful is not None for verdict in found)
