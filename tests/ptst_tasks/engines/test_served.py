"""Served models against a local endpoint: what is sent, what is read, and what goes wrong."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from lm_eval.api.instance import Instance

from ptst_tasks.engines import open_engine
from ptst_tasks.engines.journal import Journal
from ptst_tasks.errors import ChatFormatError, ConfigError, EngineError
from ptst_tasks.validate import load_tasks
from tests.ptst_tasks.engines.fake_endpoint import (
    Body,
    FakeEndpoint,
    Reply,
    error,
    prompt_of,
    says,
    too_long,
)

KEY = "sk-very-secret"
QUICK: dict[str, Any] = {"backoff": 0.001, "attempts": 4, "timeout": 5}


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def served(at: FakeEndpoint, **args: Any) -> Any:
    return open_engine("openai", "base", **{"base_url": at.url, **QUICK, **args})


def asks(n: int, task: str = "t", *, chat: bool = True, **given: Any) -> list[Instance]:
    options = {"until": ["\n\n"], "max_gen_toks": 20, "do_sample": False, **given}
    out = []
    for i in range(n):
        prompt: Any = f"Spoon {i} of {task}?"
        prompt = [{"role": "user", "content": prompt}] if chat else prompt
        out.append(Instance("generate_until", {}, (prompt, options), 0, metadata=(task, i, 1)))
    return out


def of(model: str, requests: list[Instance]) -> list[str]:
    return [says(model, r.args[0]) for r in requests]


def one_line(caught: pytest.ExceptionInfo[Any]) -> str:
    message = str(caught.value)
    assert "\n" not in message
    assert KEY not in message
    return message


def test_messages_and_texts_take_their_routes_and_bodies() -> None:
    chat, text = asks(2), asks(2, chat=False, until=list("abcdef"), max_gen_toks=7)
    with FakeEndpoint() as server:
        lm = served(server, extra={"chat_template_kwargs": {"enable_thinking": False}})
        assert lm.generate_until(chat) == of("base", chat)
        answers = lm.generate_until(text)
        bodies = {p: server.asked(p)[0] for p in ("/chat/completions", "/v1/completions")}
    extra = {"chat_template_kwargs": {"enable_thinking": False}}
    assert bodies["/chat/completions"] == {
        "model": "base", "messages": [{"role": "user", "content": "Spoon 0 of t?"}],
        "max_tokens": 20, "stop": ["\n\n"], "temperature": 0.0, **extra,
    }  # fmt: skip
    assert bodies["/v1/completions"] == {
        "model": "base", "prompt": "Spoon 0 of t?", "max_tokens": 7,
        "stop": ["a", "b", "c", "d"], "temperature": 0.0, **extra,
    }  # fmt: skip
    assert answers == ["I "] * 2  # "I cannot ...", cut by all six stop strings


def test_options_names_and_fields_that_are_left_out() -> None:
    given = {"do_sample": True, "temperature": 0.7, "top_p": 0.9, "until": []}
    extra = {"temperature": None, "seed": 3}
    with FakeEndpoint() as server:
        lm = served(server, token_field="max_completion_tokens", extra=extra)
        lm.generate_until(asks(1, **given))
        [body] = server.asked()
    assert "temperature" not in body
    assert "stop" not in body
    assert (body["max_completion_tokens"], body["top_p"], body["seed"]) == (20, 0.9, 3)


def test_as_many_calls_as_were_asked_for_are_in_flight_over_kept_connections() -> None:
    requests = asks(96)
    with FakeEndpoint(delay=0.05) as server:
        assert served(server, concurrency=24).generate_until(requests) == of("base", requests)
        assert server.most_in_flight == 24
        assert server.connections <= 26


def test_an_adapter_is_a_name_there_and_the_switch_switches() -> None:
    requests = asks(3)
    name = "ft:gpt-3.5-turbo-0613:org//x::id"
    with FakeEndpoint(("base", name)) as server:
        lm = served(server)
        lm.attach("mine", name)
        assert lm.attached == ["mine"]
        with lm.adapter("mine"):
            assert lm.generate_until(requests) == of(name, requests)
        assert lm.generate_until(requests) == of("base", requests)
        assert sum(path.endswith("/models") for path, _ in server.calls) == 1
    assert lm.served == "127.0.0.1"
    assert lm.facts() == {"dtype": "", "commit": ""}


def test_what_is_not_served_is_named_before_it_is_asked() -> None:
    with FakeEndpoint(("adapter-cv-0", "adapter-cv-1", *map(str, range(20)))) as server:
        lm = served(server)
        with pytest.raises(EngineError) as caught:
            lm.attach("cv", "adaptor-cv-0")
        message = one_line(caught)
        assert "serves no model 'adaptor-cv-0'; did you mean 'adapter-cv-0'?" in message
        assert message.endswith("and 12 more")
        with pytest.raises(EngineError, match="serves no model 'base'"):
            lm.generate_until(asks(1))
        assert server.asked() == []
        lm.attach("cv", "adapter-cv-0")  # there is no base to compare with


@pytest.mark.parametrize("lists", [True, False])
def test_an_adapter_that_changes_nothing_is_an_error(lists: bool) -> None:
    def no_chat(path: str, body: Body) -> Reply | None:
        return error(400, "logprobs are not supported") if "top_logprobs" in body else None

    for fault in (lambda path, body: None, no_chat):
        with FakeEndpoint(("base", "like:base", "a0"), fault, lists=lists) as server:
            lm = served(server)
            with pytest.raises(EngineError, match="changes nothing"):
                lm.attach("idle", "like:base")
            lm.attach("a0", "a0")
            assert lm.attached == ["a0"]
    with FakeEndpoint(("base", "like:base"), logprobs=False, lists=lists) as server:
        served(server).attach("idle", "like:base")  # nothing to compare


def test_faults_that_pass_are_waited_out() -> None:
    draw = random.Random(0)

    def chaos(path: str, body: Body) -> Reply | None:
        if "messages" not in body or draw.random() < 0.5:
            return None
        return draw.choice([
            error(429, "slow down", retry_after="0.01"), error(500, "oops"), error(503, "busy"),
            Reply("<html>"), Reply({"choices": []}), Reply("", delay=9),
        ])  # fmt: skip

    requests = asks(80)
    with FakeEndpoint(fault=chaos) as server:
        lm = served(server, attempts=12, timeout=0.3)
        assert lm.generate_until(requests) == of("base", requests)
        assert len(server.asked()) > 80


def test_retry_after_is_obeyed() -> None:
    answers = [error(429, "slow", retry_after="0.3")]
    with FakeEndpoint(fault=lambda p, b: answers.pop() if b and answers else None) as server:
        start = time.perf_counter()
        served(server).generate_until(asks(1))
        assert time.perf_counter() - start >= 0.3


def test_a_prompt_that_is_too_long_fails_its_task_and_the_others_are_kept(tmp_path: Path) -> None:
    requests = asks(6, "fine") + asks(6, "long") + asks(6, "worse")

    def fault(path: str, body: Body) -> Reply | None:
        text = str(body.get("messages"))
        if "Spoon 3 of long" in text:
            return too_long()
        return error(500, "oops") if "Spoon 5 of worse" in text else None

    with FakeEndpoint(fault=fault) as server:
        lm = served(server, concurrency=2)
        lm.journal = Journal(tmp_path / "j.jsonl")
        heard: list[int] = []
        lm.on_batch = heard.append
        with pytest.raises(EngineError) as caught:
            lm.generate_until(requests)
        assert caught.value.task == "long"
        message = one_line(caught)
        assert "do not fit into the context" in message
        assert "maximum context length is 4097" in message
        asked = len(server.asked())
        with pytest.raises(EngineError, match=r"HTTP 500: oops; given up after 4 calls") as caught:
            lm.generate_until([r for r in requests if r.task_name != "long"])
        assert caught.value.task == "worse"
        fine = asks(6, "fine")
        assert lm.generate_until(fine) == of("base", fine)
        assert len(server.asked()) == asked  # all of that without another call
    assert heard[:6] == [1] * 6


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (error(401, f"Incorrect API key provided: {KEY}, see\nour site"), "to a key that may use"),
        (error(403, "no access"), "HTTP 403: no access"),
        (error(404, "The model `base` does not exist", "model_not_found"), "does not exist"),
        (error(429, "You exceeded your quota", "insufficient_quota"), "credit is used up"),
    ],
)
def test_what_concerns_every_prompt_stops_at_once(reply: Reply, message: str) -> None:
    with FakeEndpoint(fault=lambda p, b: reply if b else None) as server:
        with pytest.raises(EngineError) as caught:
            served(server, concurrency=4).generate_until(asks(100))
        assert len(server.asked()) <= 8
    assert caught.value.task == ""
    assert message in one_line(caught)


def test_a_route_that_is_not_there_fails_its_tasks_alone() -> None:
    said = "This is a chat model and not supported in the v1/completions endpoint."

    def fault(path: str, body: Body) -> Reply | None:
        return error(404, said) if path == "/v1/completions" else None

    with FakeEndpoint(fault=fault) as server, pytest.raises(EngineError) as caught:
        served(server).generate_until([*asks(2, "chat"), *asks(2, "text", chat=False)])
    assert caught.value.task == "text"
    assert "does not offer /completions for this model" in one_line(caught)


def test_nobody_there_is_one_error() -> None:
    with FakeEndpoint() as server:
        pass
    with pytest.raises(EngineError, match=r"connection failed; given up .* is the server up"):
        served(server).generate_until(asks(60))

    def silent(path: str, body: Body) -> Reply | None:
        return error(502, "bad gateway") if body else None

    none = r"40 calls failed and none was answered \(HTTP 502"
    with (
        FakeEndpoint(fault=silent, lists=False) as server,
        pytest.raises(EngineError, match=none),
    ):
        served(server).generate_until(asks(60))
    assert len(server.asked()) < 80


def test_an_endpoint_that_stops_answering_is_one_error_and_what_was_said_is_kept(
    tmp_path: Path,
) -> None:
    def fault(path: str, body: Body) -> Reply | None:
        return error(502, "gone") if len(server.asked()) > 20 else None

    with FakeEndpoint(fault=fault) as server:
        lm = served(server, concurrency=16)
        lm.journal = Journal(tmp_path / "j.jsonl")
        with pytest.raises(EngineError, match="stopped answering") as caught:
            lm.generate_until(asks(400))
        assert len(server.asked()) < 200
    assert caught.value.task == ""
    assert len((tmp_path / "j.jsonl").read_text().splitlines()) == 20


def test_answers_are_kept_as_they_come_and_a_torn_line_is_asked_again(tmp_path: Path) -> None:
    file, requests = tmp_path / "j.jsonl", asks(9)
    with FakeEndpoint() as server:
        lm = served(server)
        lm.use("", "state")
        lm.journal = Journal(file)
        first = lm.generate_until(requests)
        raw = file.read_bytes()
        file.write_bytes(raw[:-7])  # what a kill leaves
        lm.journal = Journal(file)
        assert lm.generate_until(requests) == first
        assert len(server.asked()) == 9 + 1
        lm.use("", "another state")
        lm.generate_until(requests)
        assert len(server.asked()) == 9 + 1 + 9
    assert len(file.read_bytes().splitlines()) == 18


def test_equal_prompts_are_asked_once_unless_answers_are_drawn() -> None:
    with FakeEndpoint() as server:
        lm = served(server)
        assert lm.generate_until(asks(2) * 3) == of("base", asks(2)) * 3
        assert len(server.asked()) == 2
        lm.generate_until(asks(2, do_sample=True, temperature=1.0) * 3)
        assert len(server.asked()) == 2 + 6


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": None, "refusal": "I cannot."}, "I cannot."),
        ({"content": "", "refusal": None}, ""),
        ({"content": "half \ud83d"}, "half ?"),
    ],
)
def test_refusals_and_silence_are_answers(message: Body, text: str, tmp_path: Path) -> None:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "length"}
    with FakeEndpoint(fault=lambda p, b: Reply({"choices": [choice]}) if b else None) as server:
        lm = served(server)
        lm.journal = Journal(tmp_path / "j.jsonl")
        assert lm.generate_until(asks(1)) == [text]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"concurency": 3}, "unknown field 'concurency'; did you mean 'concurrency'?"),
        ({"revision": "main"}, "takes no revision"),
        (
            {"base_url": f"http://u:{KEY}@h/v1"},
            "base_url looks like a key (its value is not shown); put keys into the environment",
        ),
        ({"base_url": "http://h:port/v1"}, "is no http"),
        ({"api_key_env": KEY}, "api_key_env looks like a key (its value is not shown)"),
        ({"api_key": KEY}, "did you mean 'api_key_env'?"),
        ({"timeout": 0}, "timeout: Input should be greater than 0"),
        ({"extra": {"stream": True}}, "extra holds 'stream'"),
        ({"price_in": 1}, "give both"),
        ({"token_field": "tokens"}, "token_field: Input should be"),
    ],
)
def test_wrong_settings_are_one_line(args: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_engine("openai", "base", **{"base_url": "http://127.0.0.1:1/v1", **args})
    assert message in one_line(caught)


def test_a_key_is_needed_for_openai_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ConfigError, match=r"no key; set \$OPENAI_API_KEY"):
        open_engine("openai", "gpt-3.5-turbo")
    requests = asks(1)
    with FakeEndpoint() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        assert open_engine("openai", "base").generate_until(requests) == of("base", requests)


def test_the_key_is_sent_and_is_nowhere_else(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with FakeEndpoint(key=KEY) as server:
        assert served(server).generate_until(asks(2)) == of("base", asks(2))
    with FakeEndpoint(key="another") as server, pytest.raises(EngineError) as caught:
        served(server).generate_until(asks(2))
    assert "HTTP 401: Incorrect API key provided: ***" in one_line(caught)
    assert KEY not in caplog.text


def test_it_works_where_a_loop_is_running_and_as_lm_eval_makes_it() -> None:
    from ptst_tasks.engines.served import ServedEngine

    async def notebook() -> list[str]:
        return list(lm.generate_until(asks(2)))

    with FakeEndpoint() as server:
        given = {"batch_size": 1, "max_batch_size": None, "device": "cpu"}
        text = f"pretrained=base,base_url={server.url},concurrency=4"
        lm = ServedEngine.create_from_arg_string(text, given)
        assert asyncio.run(notebook()) == of("base", asks(2))
        args = {"pretrained": "base", "base_url": server.url, "extra": '{"seed": 1}'}
        lm = ServedEngine.create_from_arg_obj(args, given)
        lm.generate_until(asks(1))
        assert server.asked()[-1]["seed"] == 1


def test_prompts_of_every_kind_through_our_tasks(data_dir: Path) -> None:
    with FakeEndpoint() as server:
        lm = served(server)
        seen = {}
        for name, options in (
            ("ptst_advbench_chat_llama", {}),
            ("ptst_advbench_chat_llama", {"chat_format": "llama2"}),
            ("ptst_advbench_text_vanilla", {"prefill": True}),
        ):
            [task] = load_tasks([name], options).values()
            task.build_all_requests(
                limit=1, apply_chat_template=True, chat_template=lm.apply_chat_template
            )
            lm.generate_until(task.instances)
            seen[name, *options] = prompt_of(server.asked()[-1])
    messages = seen["ptst_advbench_chat_llama",]
    assert [m["role"] for m in messages] == ["system", "user"]
    assert seen["ptst_advbench_chat_llama", "chat_format"].startswith("[INST] <<SYS>>")
    assert seen["ptst_advbench_text_vanilla", "prefill"].endswith("Sure, here is")
    assert lm.prompt_ids([messages]) == [list(json.dumps(messages, sort_keys=True).encode())]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ptst_advbench_chat_vanilla", {"prefill": True}, "a prefill cannot go with messages"),
        ("ptst_medqa_chat_vanilla", {}, "in a study, the set medqa_gen"),
        ("ptst_medqa_text_vanilla", {}, "in a study, the set medqa_gen"),
    ],
)
def test_what_a_served_model_cannot_do(
    data_dir: Path, name: str, options: dict[str, Any], message: str
) -> None:
    [task] = load_tasks([name], options).values()
    lm = open_engine("openai", "base", base_url="http://127.0.0.1:1/v1")
    with pytest.raises(ChatFormatError) as caught:
        task.build_all_requests(
            limit=1, apply_chat_template=True, chat_template=lm.apply_chat_template
        )
    assert message in one_line(caught)
    with pytest.raises(EngineError, match="gives no log-likelihoods"):
        lm.loglikelihood([])
    with pytest.raises(EngineError, match="gives no log-likelihoods"):
        lm.loglikelihood_rolling([])


def ptst_eval(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "leaderboards", "eval", "--model", "ptst-openai", *args]
    return subprocess.run(command, capture_output=True, text=True)


def test_lm_eval_end_to_end(data_dir: Path, tmp_path: Path) -> None:
    from leaderboards.board.results import read_folder

    tasks = "ptst_gsm8k_chat_vanilla,ptst_advbench_text_vanilla"
    with FakeEndpoint(key=KEY) as server:
        args = ["--apply_chat_template", "--model_args", f"pretrained=base,base_url={server.url}"]
        ran = ptst_eval("--tasks", tasks, *args, "--log_samples", "--output_path", str(tmp_path))
        assert ran.returncode == 0, ran.stderr
        assert len(server.asked("/chat/completions")) == 4
        assert len(server.asked("/v1/completions")) == 4
    numbers, _ = read_folder(tmp_path)
    assert {(n.row.base, n.row.engine) for n in numbers} == {("base", "ptst-openai")}
    assert {n.row.task for n in numbers} == {"gsm8k", "advbench"}
    assert next(n.row.value for n in numbers if n.row.metric == "refused") == 1
    printed = ran.stdout + ran.stderr
    assert "HTTP Request" not in printed  # a line per call
    written = b"".join(f.read_bytes() for f in tmp_path.rglob("*") if f.is_file())
    assert KEY.encode() not in written + printed.encode()


def test_lm_eval_is_told_in_one_line(data_dir: Path) -> None:
    args = ["--apply_chat_template", "--model_args", "pretrained=base,base_url=http://127.0.0.1:1"]
    meta = ["--metadata", '{"prefill": true}']
    for more, message in (
        ([*args, *meta], "a prefill cannot go with messages"),
        ([*args[:-1], "pretrained=base,timout=3"], "did you mean 'timeout'?"),
        ([*args[:-1], f"base_url=http://127.0.0.1:1,api_key={KEY}"], "did you mean 'api_key_env'?"),
    ):
        ran = ptst_eval("--tasks", "ptst_advbench_chat_vanilla", *more)
        assert ran.returncode == 2
        assert ran.stderr.splitlines()[-1].startswith("ptst: error: ")
        assert message in ran.stderr
        assert "Traceback" not in ran.stderr
        assert KEY not in ran.stdout + ran.stderr
