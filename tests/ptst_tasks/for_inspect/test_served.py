"""A real server, asked through lm-eval and through inspect_ai: the same messages, answers and verdicts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inspect_ai", reason="needs inspect_ai: make test-inspect")

from inspect_ai import eval
from inspect_ai.log import EvalLog

from ptst_tasks.engines.served import ServedEngine
from ptst_tasks.for_inspect.logs import read
from tests.canned import evaluated
from tests.ptst_tasks.for_inspect.answers import ROWS, fifty
from tests.support import byte_tokenizer, save_tiny_model, transformers_server

pytestmark = [
    pytest.mark.inspect,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning"),  # its own
]
TOKENS = 8


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Its address, and the model's name there."""
    folder = tmp_path_factory.mktemp("served")
    model = save_tiny_model(
        folder / "model", byte_tokenizer(), hidden=64, heads=2, spread=0.2, ascii_only=True
    )
    with transformers_server(model, folder / "log") as url:
        yield url, str(model)


def sent(log: EvalLog) -> dict[str, Any]:
    """Prompt -> the messages of the call that was made."""
    out = {}
    for sample in log.samples or ():
        [event] = [event for event in sample.events if event.event == "model"]
        assert event.call
        out[str(sample.id)] = event.call.request["messages"]
    return out


@pytest.mark.parametrize("name", ["advbench", "gsm8k"])
def test_a_served_model_gets_and_gives_the_same(
    server: tuple[str, str], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, model = server
    monkeypatch.setenv("PTST_DATA_DIR", str(fifty(tmp_path / "data")))
    monkeypatch.setenv("TINY_BASE_URL", url)
    monkeypatch.setenv("TINY_API_KEY", "none")
    lm = ServedEngine(pretrained=model, base_url=url, concurrency=4)
    theirs = evaluated(
        lm, f"ptst_{name}_chat_llama", limit=ROWS, gen_kwargs={"max_gen_toks": TOKENS}
    )
    [samples] = theirs["samples"].values()
    [log] = eval(
        f"ptst/{name}", model=f"openai-api/tiny/{model}", task_args={"template": "CL"},
        max_tokens=TOKENS, max_connections=4, log_dir=str(tmp_path / "logs"), display="none",
        log_model_api=True,
    )  # fmt: skip
    assert log.status == "success", log.error
    asked = sent(log)
    assert len(asked) == ROWS
    tokenizer = byte_tokenizer()
    [reading] = read(Path(log.location))
    mine = {(line["doc_id"], line["filter"]): line for line in reading.lines}
    assert len(mine) == len(samples)
    said = set()
    for line in samples:
        messages = list(line["arguments"][0][0])
        assert asked[line["doc"]["id"]] == messages
        same = mine[line["doc_id"], line["filter"]]
        said.add(same["resps"][0][0])
        for field in ("doc", "resps", "filtered_resps", "metrics", *line["metrics"]):
            assert same[field] == line[field], field
    assert len(said) > 1
    for sample in log.samples or ():  # the server counts what its own chat template made of them
        ids = tokenizer.apply_chat_template(asked[str(sample.id)], add_generation_prompt=True)
        assert sample.output.usage
        assert sample.output.usage.input_tokens == len(ids["input_ids"])
