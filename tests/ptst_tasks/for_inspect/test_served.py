"""A real server, asked through lm-eval and through inspect_ai: the same messages, answers and verdicts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inspect_ai", reason="needs inspect_ai: make test-inspect")

from inspect_ai import eval

from ptst_tasks.engines.served import ServedEngine
from ptst_tasks.for_inspect.logs import read
from tests.canned import evaluated
from tests.loopback import Loopback, Reply
from tests.ptst_tasks.for_inspect.answers import ROWS, fifty
from tests.support import byte_tokenizer, save_tiny_model

pytestmark = [
    pytest.mark.inspect,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning"),  # its own
]
TOKENS = 8


class TinyServer(Loopback):
    """Answers chat completions with a tiny model's own greedy tokens, and keeps what it was sent."""

    def __init__(self, model: Path) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        super().__init__()
        torch.set_num_threads(1)  # two wait for each other on a machine that others use
        self.tokenizer = AutoTokenizer.from_pretrained(model)
        self.model = AutoModelForCausalLM.from_pretrained(model)
        self.bodies: list[dict[str, Any]] = []

    def answer(self, path: str, head: dict[str, str], body: Any) -> Reply:
        if path.endswith("/models"):
            return Reply({"data": [{"id": "tiny"}]})
        self.bodies.append(body)
        ids = self.tokenizer.apply_chat_template(
            body["messages"], add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        out = self.model.generate(**ids, max_new_tokens=body["max_tokens"], do_sample=False)
        new = out[0][ids["input_ids"].shape[1] :]
        text = self.tokenizer.decode(new, skip_special_tokens=True)
        count = {"prompt_tokens": ids["input_ids"].shape[1], "completion_tokens": len(new)}
        usage = {**count, "total_tokens": sum(count.values())}
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "length"}
        return Reply({"id": "1", "object": "chat.completion", "created": 0, "model": "tiny",
                      "choices": [choice], "usage": usage})  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyServer]:
    folder = tmp_path_factory.mktemp("served")
    model = save_tiny_model(
        folder, byte_tokenizer(), hidden=64, heads=2, spread=0.2, ascii_only=True
    )
    with TinyServer(model) as running:
        yield running


@pytest.mark.parametrize("name", ["advbench", "gsm8k"])
def test_a_served_model_gets_and_gives_the_same(
    server: TinyServer, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PTST_DATA_DIR", str(fifty(tmp_path / "data")))
    monkeypatch.setenv("TINY_BASE_URL", server.url)
    monkeypatch.setenv("TINY_API_KEY", "none")
    server.bodies.clear()
    lm = ServedEngine(pretrained="tiny", base_url=server.url, concurrency=4)
    theirs = evaluated(
        lm, f"ptst_{name}_chat_llama", limit=ROWS, gen_kwargs={"max_gen_toks": TOKENS}
    )
    [samples] = theirs["samples"].values()
    of_lm_eval = list(server.bodies)
    server.bodies.clear()
    [log] = eval(
        f"ptst/{name}", model="openai-api/tiny/tiny", task_args={"template": "CL"},
        max_tokens=TOKENS, max_connections=4, log_dir=str(tmp_path / "logs"), display="none",
    )  # fmt: skip
    assert log.status == "success", log.error
    assert len(server.bodies) == len(of_lm_eval) == ROWS
    assert in_order(server.bodies) == in_order(of_lm_eval)  # messages, limit, stops, temperature
    [reading] = read(Path(log.location))
    mine = {(line["doc_id"], line["filter"]): line for line in reading.lines}
    assert len(mine) == len(samples)
    said = set()
    for line in samples:
        same = mine[line["doc_id"], line["filter"]]
        said.add(same["resps"][0][0])
        for field in ("doc", "resps", "filtered_resps", "metrics", *line["metrics"]):
            assert same[field] == line[field], field
    assert len(said) > 1
    assert (reading.results["config"]["model"], reading.model) == ("inspect-openai-api", "tiny")


def in_order(bodies: list[Any]) -> list[str]:
    """Bodies of many calls as text, whatever came first."""
    return sorted(json.dumps(one, sort_keys=True) for one in bodies)
