"""Served models that think: every shape of reply, the switch in a body, and stop strings."""

from __future__ import annotations

import copy
import importlib.util
import logging
import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from lm_eval.api.instance import Instance

from ptst_tasks.chat import Renderer
from ptst_tasks.engines import open_engine
from ptst_tasks.engines.journal import Journal
from ptst_tasks.engines.served_settings import ServedSettings
from ptst_tasks.engines.served_thoughts import switched
from ptst_tasks.engines.wire import Messages
from ptst_tasks.errors import ConfigError, EngineError, UnknownNameError
from ptst_tasks.thinking import THINK, custom_markers, split
from tests.ptst_tasks.engines.fake_endpoint import Body, FakeEndpoint, Reply
from tests.support import byte_tokenizer
from tests.thinkers import template_source

STOPS = ["\n\n", "Question:"]
THOUGHT = "I add.\n\nQuestion: is it 6?"
SAID = "It is 5.\n\nQuestion: and 3 + 4?"
WHOLE = f"<think>\n{THOUGHT}\n</think>\n\nIt is 5."
SWITCHED_ON = {"enable_thinking": True, "thinking": True, "thinking_mode": "enabled",
               "thinking_budget": -1, "reasoning": True, "open_thinking": True}  # fmt: skip
SWITCHED_OFF = {"enable_thinking": False, "thinking": False, "thinking_mode": "disabled",
                "thinking_budget": 0, "reasoning": False, "open_thinking": False}  # fmt: skip


class ThinkingEndpoint(FakeEndpoint):
    """Gives every chat the same message, and shows its template's token ids if it has any.

    Args:
        message: What is in the reply beside the role.
        end: finish_reason.
        switch: What its template looks at; empty for one that has no switch, None for a server
            that does not offer /tokenize.
        owner: Whose server it says it is.
    """

    def __init__(
        self,
        message: Body,
        end: str | None = "stop",
        switch: str | None = "enable_thinking",
        owner: str = "vllm",
    ) -> None:
        super().__init__()
        self.message, self.end, self.switch, self.owner = message, end, switch, owner

    def answer(self, path: str, head: dict[str, str], body: Body) -> Reply:
        if path == "/tokenize" and self.switch is not None:
            self.calls.append((path, body))
            value = body.get("chat_template_kwargs", {}).get(self.switch)
            return Reply({"count": 2, "max_model_len": 9, "tokens": [1, 2, int(bool(value))]})
        reply = super().answer(path, head, body)
        if path.endswith("/models"):
            reply.body["data"][0]["owned_by"] = self.owner
        return reply

    def _completion(self, path: str, body: Body) -> Body:
        choice: Body = {"index": 0, "finish_reason": self.end, "logprobs": None}
        choice["message"] = {"role": "assistant", **self.message}
        return {"id": "c", "object": "chat.completion", "model": "base", "choices": [choice]}


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def served(at: FakeEndpoint, **args: Any) -> Any:
    return open_engine(
        "openai", "base", base_url=at.url, backoff=0.001, attempts=2, timeout=5, **args
    )


def asks(lm: Any, thinking: str = "auto", question: str = "2 + 3?") -> list[Instance]:
    prompt = lm.apply_chat_template([{"role": "user", "content": question}], thinking=thinking)
    options = {"until": STOPS, "max_gen_toks": 20, "do_sample": False}
    return [Instance("generate_until", {}, (prompt, options), 0, ("t", 0, 1))]


def said_to(
    message: Body, end: str = "stop", thinking: str = "on", token: str = ""
) -> tuple[str, Body]:
    """The response to one prompt, and the body that was sent."""
    with ThinkingEndpoint(message, end) as server:
        lm = served(server)
        lm.think(token)
        [text] = lm.generate_until(asks(lm, thinking))
        return text, server.asked("/chat/completions")[0]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
@pytest.mark.parametrize("thinking", ["auto", "on"])
def test_a_thought_that_was_sent_apart_stands_before_the_answer(field: str, thinking: str) -> None:
    text, _ = said_to({field: THOUGHT, "content": SAID}, thinking=thinking)
    assert text == WHOLE
    parts = split(text, [THINK])
    assert (parts.reasoning, parts.answer, parts.cut) == (THOUGHT, "It is 5.", False)


def test_a_thought_within_the_text_stays_whole() -> None:
    inline = f"<think>\n{THOUGHT}\n</think>\n\n{SAID}"
    for content in (inline, inline.removeprefix("<think>\n")):  # opened by the prompt
        text, _ = said_to({"content": content})
        assert split(text, [THINK]).answer == "It is 5."
        assert split(text, [THINK]).reasoning == THOUGHT


@pytest.mark.parametrize(
    ("message", "end", "text"),
    [
        ({"content": None, "reasoning": "I add"}, "length", "<think>\nI add"),
        ({"content": "", "reasoning_content": "I add"}, "length", "<think>\nI add"),
        ({"content": None, "reasoning": "I add"}, "stop", "<think>\nI add"),
        ({"content": "", "reasoning": "I add"}, "stop", "<think>\nI add"),
        ({"content": "\n\n", "reasoning": "I add"}, "stop", "<think>\nI add"),
        ({"content": "\n", "reasoning": "I add"}, "length", "<think>\nI add"),
        ({"content": None}, "length", "<think>\n"),
        ({"content": "I add"}, "length", "<think>\nI add"),
        ({"content": "<think>\nI add"}, "length", "<think>\nI add"),
    ],
)
def test_a_thought_that_was_cut_off_has_no_answer(message: Body, end: str, text: str) -> None:
    said, _ = said_to(message, end)
    assert said == text
    assert split(said, [THINK]).cut


def test_an_answer_that_was_cut_off_is_an_answer() -> None:
    assert said_to({"content": "a</think>It is", "reasoning": None}, "length")[0].endswith("It is")
    assert said_to({"content": "It is"}, "length", "auto")[0] == "It is"
    assert said_to({"content": "It is"}, "stop")[0] == "It is"


def test_a_thought_that_quotes_its_end_does_not_end_there() -> None:
    text, _ = said_to({"reasoning": "Write </think> now? Sure.", "content": "No."})
    assert split(text, [THINK]).answer == "No."
    assert "Sure." in split(text, [THINK]).reasoning


def test_null_without_a_thought_is_the_error_that_it_was() -> None:
    for end, thinking in (("stop", "on"), ("length", "auto"), ("length", "off")):
        with pytest.raises(EngineError, match=r"content is null.*higher max_gen_toks"):
            said_to({"content": None}, end, thinking)
    with pytest.raises(EngineError, match="content_filter"):
        said_to({"content": None, "reasoning": "a"}, "content_filter")


def test_stop_strings_are_not_sent_where_a_thought_may_come() -> None:
    message = {"content": "It is 5."}
    assert said_to(message, thinking="auto")[1]["stop"] == STOPS
    assert said_to(message, thinking="off")[1]["stop"] == STOPS
    assert "stop" not in said_to(message, thinking="on")[1]
    assert "stop" not in said_to(message, thinking="auto", token="[DONE]")[1]
    by_hand = {"chat_template_kwargs": {"enable_thinking": True}}
    with ThinkingEndpoint(message) as server:
        lm = served(server, extra=by_hand)
        lm.generate_until(asks(lm))
        assert "stop" not in server.asked("/chat/completions")[0]


def test_a_thought_that_a_stop_string_may_have_ended_is_an_error() -> None:
    for message in (
        {"content": None, "reasoning": "I add."},
        {"content": "\n", "reasoning": "I add."},
        {"content": "<think>\nI add."},
    ):
        with pytest.raises(EngineError, match="stop string may have ended; say thinking: on"):
            said_to(message, thinking="auto")


def test_an_end_that_somebody_says() -> None:
    own = [custom_markers("[DONE]"), THINK]
    whole, _ = said_to({"content": f"{THOUGHT}[DONE]{SAID}"}, thinking="auto", token="[DONE]")
    assert whole == f"{THOUGHT}[DONE]It is 5."
    cut, _ = said_to({"content": THOUGHT}, "length", "auto", "[DONE]")
    assert (cut, split(cut, own).cut) == (THOUGHT, True)
    apart, _ = said_to({"content": SAID, "reasoning": THOUGHT}, "stop", "auto", "[DONE]")
    assert split(apart, own).answer == "It is 5."


def test_the_switch_is_in_body_identity_and_digest() -> None:
    with ThinkingEndpoint({"content": "It is 5."}) as server:
        lm = served(server, extra={"chat_template_kwargs": {"enable_thinking": True, "date": "x"}})
        lm.generate_until(asks(lm, "on"))
        body = server.asked("/chat/completions")[0]
        assert body["chat_template_kwargs"] == {**SWITCHED_ON, "date": "x"}
    with ThinkingEndpoint({"content": "It is 5."}) as server:
        lm = served(server)
        prompts = [asks(lm, thinking)[0].args[0] for thinking in ("auto", "on", "off")]
        assert len({p.encode() for p in prompts}) == 3
        assert len({str(ids) for ids in lm.prompt_ids(prompts)}) == 3
        assert lm.prompt_ids(prompts[:1]) == lm.prompt_ids([list(prompts[0])])
        lm.generate_until([a for t in ("auto", "on", "off") for a in asks(lm, t)])
        sent = [b.get("chat_template_kwargs") for b in server.asked("/chat/completions")]
        assert sorted(sent, key=str) == sorted([None, SWITCHED_ON, SWITCHED_OFF], key=str)
    for one in prompts:
        for again in (copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
            assert (again, again.thinking) == (one, one.thinking)


def test_what_somebody_says_of_thoughts_is_in_the_identity() -> None:
    given = {"max_gen_toks": 9, "until": []}
    with ThinkingEndpoint({"content": "5"}) as server:
        lm = served(server)
        lm.journal = Journal()
        before = lm.decoding(given)
        lm.think("[DONE]")
        assert lm.decoding(given) == {**before, "thoughts": ["...[DONE]"]}
        lm.generate_until(asks(lm))
        lm.think("")
        lm.generate_until(asks(lm))
        assert len(server.asked("/chat/completions")) == 2


def test_what_contradicts_the_switch_is_one_line() -> None:
    with ThinkingEndpoint({"content": "5"}) as server:
        lm = served(server, extra={"chat_template_kwargs": {"thinking": True}})
        with pytest.raises(ConfigError, match="thinking is 'off', and extra says"):
            asks(lm, "off")
        with pytest.raises(ConfigError, match="thinking is 'off', and extra says"):
            lm.prompt_ids([Messages([], "off")])
        with pytest.raises(UnknownNameError, match="did you mean"):
            asks(lm, "of")
        assert not server.calls


def test_what_a_chat_template_is_told_has_names() -> None:
    with pytest.raises(ConfigError, match=r"chat_template_kwargs is 'off'.*name: value"):
        open_engine("openai", "base", extra={"chat_template_kwargs": "off"})


def test_openais_own_api_has_no_such_switch() -> None:
    lm = open_engine("openai", "gpt-5")
    assert asks(lm)[0].args[0].thinking == "auto"
    with pytest.raises(ConfigError, match=r"no such switch.*reasoning_effort"):
        asks(lm, "on")


def test_a_switch_that_does_nothing_is_an_error_before_anything_is_asked() -> None:
    with ThinkingEndpoint({"content": "5"}, switch="") as server:
        lm = served(server)
        for thinking in ("on", "off"):
            with pytest.raises(EngineError, match="the switch does nothing") as e:
                lm.generate_until(asks(lm, thinking))
            assert "\n" not in str(e.value)
        assert not server.asked("/chat/completions")
        assert lm.generate_until(asks(lm)) == ["5"]


@pytest.mark.parametrize("switch", [None, ""])
def test_a_switch_that_cannot_be_checked_is_said_once(
    switch: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    message = {"content": SAID, "reasoning": THOUGHT}
    server = ThinkingEndpoint(message, switch=switch, owner="somebody")
    with server, caplog.at_level(logging.WARNING):
        lm = served(server)
        for question in ("a", "b"):
            assert lm.generate_until(asks(lm, "on", question)) == [WHOLE]
    assert caplog.text.count("could not be checked") == 1
    assert "replies of" not in caplog.text


@pytest.mark.parametrize(
    ("thinking", "message", "said"),
    [
        ("on", {"content": "It is 5."}, "thinking is on, and 0 of 1 replies hold a thought"),
        ("off", {"content": "5", "reasoning": "a"}, "thinking is off, and 1 of 1 replies"),
        ("on", {"content": "5", "reasoning": "a"}, ""),
        ("off", {"content": "5"}, ""),
        ("auto", {"content": "5", "reasoning": "a"}, ""),
    ],
)
def test_replies_that_are_not_what_the_switch_asks_for_are_said(
    thinking: str, message: Body, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        said_to(message, thinking=thinking)
    assert said in caplog.text
    assert bool(said) == bool(caplog.text)


def test_what_a_server_is_told_is_what_its_chat_template_is_told_here() -> None:
    """Of each template that trl ships; one without a switch hears nothing."""
    template_source("qwen3")
    [folder] = importlib.util.find_spec("trl").submodule_search_locations
    asked, seen = [{"role": "user", "content": "q"}], Counter[str]()
    tokenizer, settings = byte_tokenizer(), ServedSettings(base_url="http://localhost:1/v1")
    for file in sorted(Path(folder, "chat_templates").glob("*.jinja")):
        tokenizer.chat_template = file.read_text(encoding="utf-8")
        renderer = Renderer.for_tokenizer(tokenizer)
        apply = renderer.apply
        assert apply
        before = apply(asked, True)
        for thinking in ("on", "off"):
            own = (apply(asked, True, **s.args(thinking)) for s in renderer.switches)
            here = next((text for text in own if text != before), before)
            there = apply(asked, True, **switched(thinking, settings)["chat_template_kwargs"])
            assert there == here, (file.name, thinking)
            seen[thinking] += here != before
    assert min(seen.values()) > 5


def killed() -> None:
    raise KeyboardInterrupt


def test_what_other_replies_settle_survives_a_kill(tmp_path: Path) -> None:
    """A reply that may be a thought without an end is kept as it came, and read when others came."""
    journal, came = tmp_path / "journal.jsonl", list[int]()
    with ThinkingEndpoint({"content": "I add and add"}, "length") as server:
        lm = served(server, journal=journal)
        lm.on_batch = lambda n: came.append(n) or killed()
        with pytest.raises(KeyboardInterrupt):
            lm.generate_until(asks(lm, "auto", "long?"))
        assert came == [1]  # who watches sees it come
    with ThinkingEndpoint({"content": "I add.\n</think>\n\nIt is 5."}) as server:
        lm = served(server, journal=journal)
        texts = lm.generate_until([*asks(lm, "auto", "long?"), *asks(lm, "auto", "short?")])
        assert len(server.asked("/chat/completions")) == 1
        parts = [split(text, (THINK,)) for text in (texts[0], f"<think>{texts[1]}")]
        assert [(part.answer, part.cut) for part in parts] == [("", True), ("It is 5.", False)]
        again = served(server, journal=journal)
        assert again.generate_until(asks(again, "auto", "long?")) == texts[:1]


def test_an_answer_that_the_limit_cut_is_one_where_nobody_thinks() -> None:
    text, _ = said_to({"content": "I add and add"}, "length", "auto")
    assert text == "I add and add"


CUT = "I think it"
APART, OPENS = {"reasoning": "Hm.", "content": "It is 5."}, {"content": "Hm.\n</think>\n\nIt is 5."}


class Several(ThinkingEndpoint):
    """Replies by the question: a message and how it ended, or a status."""

    def __init__(self, replies: dict[str, Any]) -> None:
        super().__init__({})
        self.replies = replies

    def _completion(self, path: str, body: Body) -> Any:
        self.message, self.end = self.replies[body["messages"][-1]["content"]]
        return super()._completion(path, body)


def cut_of(lm: Any, *beside: str, thinking: str = "auto") -> Any:
    """What becomes of the reply that was cut, with others of its task."""
    asked = [one for name in ("cut?", *beside) for one in asks(lm, thinking, name)]
    return split(lm.generate_until(asked)[0], (THINK,))


@pytest.mark.parametrize("whole", [APART, OPENS])
def test_what_was_cut_is_a_thought_where_all_whole_replies_thought(
    whole: Body, tmp_path: Path
) -> None:
    """By the replies of its own task alone, however they came: at once, or before and after a kill."""
    replies = {"cut?": ({"content": CUT}, "length"), "whole?": (whole, "stop"),
               "later?": ({"content": CUT}, "length"),
               "plain?": ({"content": "It is 5."}, "stop"),
               "no?": ({"content": None, "refusal": "I cannot help wi"}, "length")}  # fmt: skip
    with Several(replies) as server:
        lm = served(server)
        assert cut_of(lm, "whole?").cut
        assert cut_of(served(server)).answer == CUT  # nothing tells
        alone = split(lm.generate_until(asks(lm, "auto", "later?"))[0], (THINK,))
        assert (alone.answer, alone.cut) == (CUT, False)  # of another call nothing is carried over
        assert cut_of(served(server), "whole?", "plain?").answer == CUT  # it thinks, or it does not
        refusal = [one for name in ("no?", "whole?") for one in asks(served(server), "auto", name)]
        assert served(server).generate_until(refusal)[0] == "I cannot help wi"
        journal = tmp_path / "j.jsonl"
        first = served(server, journal=journal)
        first.on_batch = lambda n: killed() if len(journal.read_text().splitlines()) == 2 else None
        with pytest.raises(KeyboardInterrupt):
            cut_of(first, "whole?")
        asked = len(server.asked("/chat/completions"))
        assert cut_of(served(server, journal=journal), "whole?").cut
        assert len(server.asked("/chat/completions")) == asked


def test_one_that_quotes_a_marker_makes_no_thoughts_of_the_others() -> None:
    replies = {"cut?": ({"content": CUT}, "length"), "plain?": ({"content": "It is 5."}, "stop"),
               "quotes?": ({"content": "The tag is\n</think>\nof course."}, "stop")}  # fmt: skip
    with Several(replies) as server:
        assert cut_of(served(server), "plain?", "quotes?").answer == CUT
