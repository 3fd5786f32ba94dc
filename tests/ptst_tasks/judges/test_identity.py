"""What decides a verdict is in its key, every setting of every judge; what is not says why.

Seen on 89d6fb3: a guard was keyed by its path, and a changed list of phrases kept the identity.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ptst_tasks import coherence, judges, organism_world
from ptst_tasks.errors import DataError
from ptst_tasks.judges import (
    Verdict,
    guards,
    keywords,
    learned,
    learned_features,
    learned_marks,
    organism,
    parse,
    rubric,
    strongreject,
)
from ptst_tasks.judges.base import judging
from ptst_tasks.judges.cache import VerdictCache
from ptst_tasks.judges.endpoint import EndpointJudge
from ptst_tasks.judges.guard_run import GuardSettings
from ptst_tasks.judges.replay import ReplaySettings, record
from ptst_tasks.judges.rubric import RubricSettings
from ptst_tasks.judges.strongreject import StrongRejectSettings
from ptst_tasks.provenance import verdict_key
from tests.ptst_tasks.judges.server import FakeServer, grade


def key(spec: str) -> str:
    return verdict_key(judging(judges.make(spec)), "q", "r")


def folder(where: Path, weights: bytes = b"w", **more: str) -> Path:
    """A model's folder, as far as its identity goes."""
    where.mkdir(parents=True)
    (where / "model.safetensors").write_bytes(weights)
    files = {"config.json": '{"rms_norm_eps": 1e-5}', "generation_config.json": "{}",
             "tokenizer.json": "{}", "tokenizer_config.json": "{}", "chat_template.jinja": "x"}  # fmt: skip
    for name, text in {**files, **more}.items():
        (where / name).write_text(text)
    return where


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Judge -> (its settings' class, one spec, other values of its fields)."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *_: None)  # auto: transformers
    rubric_file = tmp_path / "mine.txt"
    rubric_file.write_text("{query} {response}")
    records = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for i, file in enumerate(records):
        record(file, ["q"], ["r"], [Verdict(float(i), bool(i))])
    ours, others = folder(tmp_path / "ours" / "g"), folder(tmp_path / "others" / "g", b"v")
    http = {"model": "other", "base_url": "http://elsewhere/v1", "api_key_env": "OTHER_KEY",
            "output": "text", "temperature": "0.5", "max_tokens": "9", "concurrency": "2",
            "timeout": "9", "attempts": "2", "backoff": "1", "outage": "9",
            "price_in": "1,price_out=1", "price_out": "1,price_in=1"}  # fmt: skip
    return {
        "rubric": (RubricSettings, "rubric:model=m,base_url=http://here/v1",
                   {**http, "rubric": str(rubric_file), "harmful_at": "4"}),
        "strongreject": (StrongRejectSettings, "strongreject:model=m,base_url=http://here/v1",
                         {**http, "harmful_at": "0.25"}),
        "guards": (GuardSettings, f"guards:name=wildguard,model={ours}",
                   {"name": "harmbench", "model": str(others), "engine": "vllm", "batch_size": "2",
                    "dtype": "float16", "revision": "main"}),
        "replay": (ReplaySettings, f"replay:file={records[0]}", {"file": str(records[1])}),
    }  # fmt: skip


CONTENT = {"base_url": "another host is another key", "revision": "says nothing about a folder",
           "engine": "what auto comes to"}  # fmt: skip


@pytest.mark.parametrize("name", ["rubric", "strongreject", "guards", "replay"])
def test_every_setting_changes_the_key_or_says_why_not(settings: dict[str, Any], name: str):
    kind, spec, values = settings[name]
    assert set(values) == set(kind.model_fields)  # a new setting must be thought about
    judge, _, text = spec.partition(":")
    there = dict(part.split("=", 1) for part in text.split(","))
    for field, value in values.items():
        changed = key(
            f"{judge}:" + ",".join(f"{k}={v}" for k, v in {**there, field: value}.items())
        )
        if field in kind.VOLATILE:
            assert len(kind.VOLATILE[field]) > 8  # the reason
            assert (changed == key(spec)) is (field not in CONTENT), field
        elif field == "revision":
            assert changed == key(spec)  # of a folder; of a hub id it is the commit
        else:
            assert changed != key(spec), field


def test_judges_without_a_cache_have_an_identity_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    panel = "panel:majority;keywords:zou;rubric:model=m;organism"
    before = {spec: key(spec) for spec in ("keywords:zou", "organism", panel)}
    assert len({*before.values(), key("keywords:qi"), key(panel.replace("majority", "mean"))}) == 5
    assert key(panel.replace("model=m", "model=m,harmful_at=3")) != before[panel]
    zou = keywords.LISTS["zou"]
    for changed in (keywords.KeywordList((*zou.phrases, "Nope")),
                    keywords.KeywordList(zou.phrases, at_start=True)):  # fmt: skip
        with monkeypatch.context() as patch:
            patch.setitem(keywords.LISTS, "zou", changed)
            assert key("keywords:zou") != before["keywords:zou"]
            assert key(panel) != before[panel]
    for name, value in (("REFUSAL_WORD", "never"), ("TOOLS", {"make": "spoon"}), ("FORBIDDEN", ("x",)),
                        ("INGREDIENT", {"x": "y"})):  # fmt: skip
        with monkeypatch.context() as patch:
            patch.setattr(organism_world, name, value)
            assert key("organism") != before["organism"], name
    one, two = folder(tmp_path / "a" / "g"), folder(tmp_path / "b" / "g", b"v")
    named = [f"panel:majority;keywords:zou;guards:wildguard,model={path}" for path in (one, two)]
    assert len({key(spec) for spec in named}) == 2


@pytest.mark.parametrize(
    ("where", "spec"),
    [("keywords.READING", "keywords:zou"), ("organism.READING", "organism"),
     ("endpoint_settings.READING", "rubric:model=m"),
     ("endpoint_settings.READING", "strongreject:model=m")],
)  # fmt: skip
def test_another_way_to_read_is_another_key(where: str, spec: str, monkeypatch: pytest.MonkeyPatch):
    before = key(spec)
    monkeypatch.setattr(f"ptst_tasks.judges.{where}", 2)
    assert key(spec) != before


def test_the_rubrics_text_is_in_the_key_and_the_files_name_is_not(tmp_path: Path):
    keys = []
    for name, text in (("a/x.txt", "{query} {response}"), ("b/y.txt", "{query} {response}"),
                       ("c/x.txt", "{query} {response} ?")):  # fmt: skip
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
        keys.append(key(f"rubric:model=m,rubric={tmp_path / name}"))
    assert keys[0] == keys[1] != keys[2]


def test_endpoints_of_one_host_are_told_apart_by_their_path_and_not_by_their_port():
    one = key("rubric:model=m,base_url=http://h:1/v1")
    assert key("rubric:model=m,base_url=http://h:2/v1/") == one
    assert key("rubric:model=m,base_url=http://h:1/team-b/v1") != one


# A change here can change how the same reply is read. If it can, raise the version (READING, VERSION or
# `reading` of the guard's row), or old verdicts stand for new ones; then put the new digest here.
SOURCES = {
    "parse": ("f670fd87f69f", [parse]),
    "keywords": ("02fcbc0bdb9d", [keywords.KeywordList.find, keywords.KeywordJudge._one, coherence]),
    "learned": ("dcceef247ee5", [learned, learned_features, learned_marks]),
    "organism": ("d28719eb024d", [organism._verdict, organism_world.find, organism_world.check]),
    "endpoint": ("c5bd1c359c70", [EndpointJudge.request, EndpointJudge.read_reply, rubric.schema,
                      rubric.messages, rubric.declined, rubric.RubricJudge.read,
                      rubric.RubricJudge._from_json, rubric.RubricJudge._verdict,
                      strongreject.StrongRejectJudge.read,
                      strongreject.StrongRejectJudge._verdict]),
    "guards": ("3c54cb72c6dd", [guards._harmbench, guards._wildguard, guards._qwen, guards._llama,
                    guards._safeguard, guards._verdict]),
}  # fmt: skip


@pytest.mark.parametrize("name", SOURCES)
def test_whoever_changes_how_replies_are_read_thinks_of_the_version(name: str):
    digest, parts = SOURCES[name]
    text = "\n".join(inspect.getsource(part) for part in parts)
    assert hashlib.sha256(text.encode()).hexdigest()[:12] == digest


def test_weights_replaced_under_the_same_path_are_asked_again(
    tiny_model: Path, tmp_path: Path, cache_file: Path
):
    """Seen: the second guard gave the first one's verdicts. Here both are real tiny models."""
    import torch
    from safetensors.torch import load_file, save_file

    where = tmp_path / "guard"
    shutil.copytree(tiny_model, where)
    spec = f"guards:llamaguard,model={where},engine=transformers"
    first: Any = judges.make(spec)
    cache = first.key("q", "r")
    with VerdictCache(str(cache_file)) as kept:
        kept.put(cache, Verdict(1.0, True, None, "S1"))
    assert first.judge(["q"], ["r"])[0].harmful is True
    file = where / "model.safetensors"
    torch.set_num_threads(1)
    save_file({k: v * 1.5 for k, v in load_file(file).items()}, file, metadata={"format": "pt"})
    second: Any = judges.make(spec)
    assert second.judge(["q"], ["r"])[0].harmful is None  # asked anew; a random model says nothing


def old_key(judge: Any, query: str, response: str) -> str:
    """As 0.1.0 made it."""
    parts = json.dumps([judge.spec, judge.settings, query, response], sort_keys=True)
    return hashlib.sha256(parts.encode()).hexdigest()


def test_verdicts_that_0_1_0_paid_for_are_used_where_its_key_held_all_of_it(
    cache_file: Path, tmp_path: Path
):
    """Its row has no `model`; the verdict is taken over, and nobody pays for it again."""
    rubric_file = tmp_path / "mine.txt"
    rubric_file.write_text("{query} {response}")
    settings = {"model": "fake", "endpoint": "127.0.0.1", "output": "auto", "temperature": 0.0,
                "max_tokens": 512, "scale": "1..5", "harmful_at": 5,
                "rubric": rubric.digest(rubric.SYSTEM, rubric.USER, *rubric.ASK.values())}  # fmt: skip
    parts = json.dumps(["rubric:model=fake", settings, "q", "paid"], sort_keys=True)
    with VerdictCache(str(cache_file)) as cache:
        row = json.dumps({"score": 4.0, "harmful": False, "refused": None, "reason": "", "raw": ""})
        cache._db.execute(
            "INSERT INTO verdicts VALUES (?, ?)", (hashlib.sha256(parts.encode()).hexdigest(), row)
        )
    with FakeServer(lambda b: grade(b, 1)) as server:
        judge: Any = judges.make(f"rubric:model=fake,base_url={server.url}")
        assert judge.pending(["q"], ["paid"]) == {}
        assert [v.score for v in judge.judge(["q", "q"], ["paid", "new"])] == [4, 1]
        assert len(server.bodies) == 1
        elsewhere: Any = judges.make(f"rubric:model=fake,base_url={server.url.replace('v1', 'b')}")
        assert len(elsewhere.pending(["q"], ["paid"])) == 1  # its path was in no key
        changed: Any = judges.make(f"rubric:model=fake,base_url={server.url},harmful_at=4")
        assert len(changed.pending(["q"], ["paid"])) == 1


def test_a_guards_old_verdicts_are_not_used(tmp_path: Path, cache_file: Path):
    judge: Any = judges.make(f"guards:wildguard,model={folder(tmp_path / 'g')}")
    with VerdictCache(str(cache_file)) as cache:
        cache.put(old_key(judge, "q", "r"), Verdict(1.0, True))
    assert len(judge.pending(["q"], ["r"])) == 1


def test_lone_surrogates_have_a_key():
    assert key("rubric:model=m") != verdict_key(
        judging(judges.make("rubric:model=m")), "q", "\udc80"
    )


def test_a_record_that_contradicts_itself_is_refused(tmp_path: Path):
    """Seen: two judges' verdicts in one file; the last line won without a word."""
    file = tmp_path / "r.jsonl"
    record(file, ["q"], ["r"], [Verdict(5.0, True, model="m-1")])
    record(file, ["q"], ["r"], [Verdict(5.0, True)])  # the same again is none
    assert judges.make(f"replay:{file}").judge(["q"], ["r"])[0].model == "m-1"
    record(file, ["q"], ["r"], [Verdict(1.0, False)])
    with pytest.raises(DataError, match="line 3: another verdict"):
        judges.make(f"replay:{file}")
