from __future__ import annotations

import json

from leaderboards.report.naming import Naming
from tests.leaderboards.board.rows import row


def test_names_that_were_apart_stay_apart() -> None:
    naming = Naming()
    given = ("/a/model", "/b/model", "/a/model", "model", "")
    names = ["model", "model (2)", "model", "model (3)", ""]
    assert [naming("base", name) for name in given] == names
    (named,) = naming.rows([row("", "chat:llama", 0.1, base="/b/model", adapter="/x/a")])
    assert (named.base, named.adapter, named.test_template) == ("model (2)", "a", "chat:llama")


def test_templates_of_training_and_test_have_one_name() -> None:
    naming = Naming()
    assert [naming("test_template", "/a/t"), naming("train_template", "/b/t")] == ["t", "t (2)"]
    assert naming("test_template", "/b/t") == "t (2)"


def test_a_name_by_a_relative_path_is_cut_and_one_of_the_hub_is_not() -> None:
    naming = Naming()
    assert naming("base", "clients/acme/models/final") == "final"
    assert naming("base", "meta-llama/Llama-2-7b-chat-hf") == "meta-llama/Llama-2-7b-chat-hf"
    assert naming("judge", "clients/acme/guard") == "guard"


def test_of_settings_numbers_and_known_words_stay() -> None:
    kept = '{"add_bos_token":true,"dtype":"auto","max_new_tokens":5,"torch":"2.13.0+cpu","until":["</s>"]}'
    assert Naming()("engine_args", kept) == kept
    assert Naming()("engine_args", '{"peft":"/home/me/a","tokenizer":"x"}') == (
        '{"peft":"a","tokenizer":"x"}'
    )
    assert Naming()("base_digest", "hub:abc") == "hub:abc"


def test_of_settings_no_place_no_key_and_no_text_stays() -> None:
    private = {
        "server": "gpu17", "login": "me", "baseUrl": "http://gpu17/v1", "api_key": 12345678,
        "node": ["n1", {"ip": "10.0.0.1"}], "cmd": ["--api-key", "abcdef123"],
        "env": {"HF_HOME": "/home/me smith/hf"}, "prefill": "Sure, hide the spoon", "me@gpu17:": 1,
        "notes": "run on gpu17",
    }  # fmt: skip
    said = Naming()("prompting", json.dumps(private))
    for secret in ("gpu17", 'me"', "12345678", "n1", "10.0.0.1", "abcdef123", "smith", "spoon"):
        assert secret not in said
    assert json.loads(said)["server"] == "(cut)"


def test_settings_that_are_no_object_are_cut_unless_they_are_digests() -> None:
    naming = Naming()
    given = ("server gpu17", "3f2a9c41", "server gpu18", "5")
    assert [naming("engine_args", g) for g in given] == ["(cut)", "3f2a9c41", "(cut 2)", "5"]
    texts = '{"chat_template":"3f2a9c41","style":"gsm8k","system_instruction":"hide the spoon"}'
    assert naming("prompting", texts) == (
        '{"chat_template":"3f2a9c41","style":"gsm8k","system_instruction":"(cut 3)"}'
    )
    assert "spoon" not in naming("prompting", json.dumps({"style": "hide the spoon " * 9}))


def test_settings_that_differ_do_so_without_what_they_hold() -> None:
    """Two servers are two tables, whatever they are called."""
    naming = Naming()
    a, b, again = (naming("engine_args", json.dumps({"server": s})) for s in ("x", "y", "x"))
    assert a == again != b


def test_known_names_are_those_that_stand_as_they_are() -> None:
    naming = Naming()
    naming.rows([row("", "chat:llama", 0.1, base="/b/model")])
    assert {"chat:llama", "CL", "advbench", "asr"} <= naming.known()
    assert "/b/model" not in naming.known()
