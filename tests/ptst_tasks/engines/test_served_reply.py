"""What is read from a reply: which family thinks, what a server says of it, and parts."""

from __future__ import annotations

from typing import Any

import pytest

from ptst_tasks.engines import open_engine
from ptst_tasks.engines.served_reply import NoAnswerError, answer
from ptst_tasks.engines.served_settings import ServedSettings
from ptst_tasks.engines.served_thoughts import UNSAID, expected
from ptst_tasks.thinking import MARKERS, THINK, split, unopened
from tests.ptst_tasks.engines.fake_endpoint import Body, FakeEndpoint

STOPS = ("\n\n",)
QUOTED = "It ends with\n</think>\nas you see."
ON = expected("on", "", ServedSettings())
SAID = expected("auto", "[DONE]", ServedSettings())


def reply(message: Body, end: str = "stop") -> Body:
    return {"choices": [{"finish_reason": end, "message": message}]}


@pytest.mark.parametrize(
    "family", [m for m in MARKERS if m.open[0] in "<[ "], ids=lambda m: m.source
)
def test_a_reply_that_begins_with_a_marker_of_any_family_is_split(family: Any) -> None:
    thought = family.open + "I add.\n\nNo, 6?" + family.close
    for how in (UNSAID, ON):
        text = answer(reply({"content": f"{thought}It is 5.\n\nMore"}), STOPS, how)
        assert text == f"{thought}It is 5."
        cut = answer(reply({"content": family.open + "I add.\n\nNo"}, "length"), STOPS, how)
        assert split(cut, how.markers).cut


def test_what_other_families_mark_is_text_elsewhere() -> None:
    for text in ("Write [/THINK] here", "a <|end|> b", "Here are my reasoning steps:\nadd."):
        for how in (UNSAID, ON):
            assert answer(reply({"content": text}), (), how) == text
            assert split(text, how.markers).answer == text


def test_a_server_that_says_that_there_was_no_thought_is_believed() -> None:
    for field in ("reasoning_content", "reasoning"):
        for how in (UNSAID, ON, SAID):
            for end in ("stop", "length"):
                text = answer(reply({"content": QUOTED, field: ""}, end), (), how)
                assert split(text, how.markers).answer == QUOTED
                assert unopened(text, [THINK], sure=True) is None
        assert answer(reply({"content": "It is", field: ""}, "length"), (), ON) == "It is"
    assert answer(reply({"content": "It is", "reasoning": None}, "length"), (), ON) != "It is"


class Server(FakeEndpoint):
    """Takes thoughts off, and has one for each question that does not ask for a quotation."""

    def _completion(self, path: str, body: Body) -> Body:
        quotes = body["messages"][-1]["content"] == "quote"
        message: Body = {"role": "assistant", "content": QUOTED if quotes else "5"}
        message |= {} if quotes else {"reasoning": "I add."}
        return {"id": "c", **reply(message)}


@pytest.mark.parametrize("order", [("quote", "add"), ("add", "quote"), ("quote",)])
def test_a_server_that_takes_thoughts_off_elsewhere_is_believed(
    order: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    from lm_eval.api.instance import Instance

    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    options = {"until": [], "max_gen_toks": 20, "do_sample": False}
    with Server() as server:
        lm = open_engine("openai", "base", base_url=server.url, extra={
            "chat_template_kwargs": {"enable_thinking": True}})  # fmt: skip
        turns = [lm.apply_chat_template([{"role": "user", "content": q}]) for q in order]
        asked = [Instance("generate_until", {}, (t, options), i, ("t", i, 1))
                 for i, t in enumerate(turns)]  # fmt: skip
        said = dict(zip(order, lm.generate_until(asked), strict=True))
    whole = split(said["quote"], [THINK]).answer == QUOTED
    assert whole == ("add" in order)


def test_a_content_of_parts_is_text_and_thought() -> None:
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "I add."}]},
        {"type": "text", "text": "It "},
        {"type": "text", "text": "is 5."},
    ]
    text = answer(reply({"content": parts}), STOPS)
    assert text == "<think>\nI add.\n</think>\n\nIt is 5."
    assert answer(reply({"content": parts[1:]}), STOPS) == "It is 5."
    assert split(answer(reply({"content": parts[:1]}, "length"), STOPS), [THINK]).cut
    with pytest.raises(NoAnswerError, match=r"part of type 'image_url', where text was expected"):
        answer(reply({"content": [{"type": "image_url", "image_url": {"url": "x"}}]}), STOPS)
