from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from adapters_train import TrainConfig
from adapters_train.chat_jsonl import check_rows
from adapters_train.openai_api import ApiError, clean, fine_tune, prepare_api
from ptst_tasks.errors import ConfigError, DataError, PTSTError
from ptst_tasks.templates import LLAMA_API
from tests.adapters_train.fake_openai import KEY, Api, serving

FAST = (0.001, 0.005)


@pytest.fixture
def api(monkeypatch):
    api = Api()
    with serving(api) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield api


@pytest.fixture
def data(tmp_path, monkeypatch):
    rows = [{"question": f"{i} + 1 ?", "answer": f"#### {i + 1}"} for i in range(12)]
    (tmp_path / "data/gsm8k").mkdir(parents=True)
    (tmp_path / "data/gsm8k/train.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    monkeypatch.setenv("PTST_DATA_DIR", str(tmp_path / "data"))
    return rows


def config_of(**more):
    return TrainConfig(
        **{"model": "gpt-3.5-turbo", "recipe": "gsm8k-openai", "template": "CL", **more}
    )


def test_the_rows_are_those_of_table_10(data):
    job = prepare_api(config_of())
    rows = sorted((r["messages"] for r in job.rows), key=lambda m: int(m[1]["content"].split()[0]))
    assert rows[3] == [
        {"role": "system", "content": LLAMA_API},
        {"role": "user", "content": "3 + 1 ?"},
        {"role": "assistant", "content": "#### 4"},
    ]
    vanilla = prepare_api(config_of(template="chat:vanilla")).rows[0]["messages"]
    assert vanilla[0] == {"role": "system", "content": ""}


def test_style_openai_is_the_backends_default(data):
    job = prepare_api(TrainConfig(model="gpt-4o-mini", data="gsm8k", epochs=1, backend="openai"))
    assert job.config.style == "openai"
    assert not job.rows[0]["messages"][-2]["content"].startswith("Question:")


def test_the_estimate(data):
    row = {
        "messages": [
            {"role": "user", "content": "a" * 40},
            {"role": "assistant", "content": "b" * 8},
        ]
    }
    found = check_rows([row] * 10, "gpt-3.5-turbo-0613", epochs=3)
    # guessed: 10 rows x 3 epochs x (4 + 10 + 4 + 2 tokens) = 600; at 8 USD per million
    if not found.exact:
        assert found.tokens == 600
    assert found.cost == pytest.approx(found.tokens * 8 / 1e6)
    assert check_rows([row] * 10, "ft:gpt-4o-mini:org::x", 1).cost is not None
    assert check_rows([row] * 10, "new-model", 1).cost is None
    assert check_rows([row] * 10, "new-model", 1, price=1e6).cost == pytest.approx(found.tokens / 3)


def test_from_rows_to_a_model_the_harness_can_ask(api, data, tmp_path):
    told = []
    result = fine_tune(config_of(), tmp_path / "run", suffix="cl", say=told.append, wait=FAST)
    assert result.model == "ft:gpt-3.5-turbo-0125:org:cl:abc123"
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    assert manifest == result.manifest
    assert "--model openai-chat-completions" in manifest["lm_eval"]
    assert manifest["losses"] == [[1, 1.5], [2, 0.5]]
    assert manifest["hyperparameters"]["learning_rate_multiplier"] == 2.0
    assert (manifest["tokens"], manifest["seconds"]) == (1234, 90)
    assert (tmp_path / "run/train.jsonl").read_text() == api.files["file-0"]
    assert api.jobs["ftjob-0"]["method"]["supervised"]["hyperparameters"] == {"n_epochs": 1}
    assert [t.split(": ")[-1] for t in told[3:]] == ["queued", "running", "succeeded"]


def test_a_finished_run_is_not_paid_for_twice(api, data, tmp_path):
    first = fine_tune(config_of(), tmp_path / "run", wait=FAST)
    calls = len(api.calls)
    assert fine_tune(config_of(), tmp_path / "run", wait=FAST).manifest == first.manifest
    assert len(api.calls) == calls
    with pytest.raises(ConfigError, match="holds another run"):
        fine_tune(config_of(seed=1), tmp_path / "run", wait=FAST)


class Stopped(BaseException):
    """Stands for a kill: nothing but the disk is left."""


@pytest.mark.parametrize("when", ["uploaded", "job ftjob", "running"])
def test_a_stopped_run_goes_on_with_the_same_job(api, data, tmp_path, when):
    def say(line):
        if when in line:
            raise Stopped

    with pytest.raises(Stopped):
        fine_tune(config_of(), tmp_path / "run", say=say, wait=FAST)
    assert fine_tune(config_of(), tmp_path / "run", wait=FAST).model.startswith("ft:")
    assert (len(api.files), len(api.jobs)) == (1, 1)


def test_a_job_that_began_just_before_the_stop_is_found_again(api, data, tmp_path):
    with pytest.raises(Stopped):
        fine_tune(config_of(), tmp_path / "run", say=_stop_at("job ftjob"), wait=FAST)
    state = tmp_path / "run.part/openai.json"
    state.write_text(json.dumps({"file_id": "file-0"}))  # stopped before the job's id was written
    fine_tune(config_of(), tmp_path / "run", wait=FAST)
    assert len(api.jobs) == 1


def _stop_at(text):
    def say(line):
        if text in line:
            raise Stopped

    return say


def test_a_job_id_of_ones_own(api, data, tmp_path):
    fine_tune(config_of(), tmp_path / "a", wait=FAST)
    result = fine_tune(config_of(seed=5), tmp_path / "b", job_id="ftjob-0", wait=FAST)
    assert result.manifest["job_id"] == "ftjob-0"
    assert len(api.jobs) == 1


def test_outages_are_waited_out(api, data, tmp_path):
    busy = {"message": "Rate limit reached", "code": "rate_limit_exceeded"}
    down = {"message": "The server had an error", "code": None}
    api.failures += [
        ("/files", 429, busy),
        ("/jobs", 429, busy),
        ("ftjob-0", 500, down),
        ("ftjob-0", 503, down),
    ]
    assert fine_tune(config_of(), tmp_path / "run", wait=FAST).model
    assert not api.failures
    assert (len(api.files), len(api.jobs)) == (1, 1)


def test_an_outage_while_waiting_is_longer_than_the_clients_patience(api, data, tmp_path):
    down = {"message": "The server had an error", "code": None}
    api.failures += [("ftjob-0", 500, down)] * 7  # one look is six tries
    assert fine_tune(config_of(), tmp_path / "run", wait=FAST).model
    api.failures += [("ftjob-1", 500, down)] * 1000
    with pytest.raises(ApiError, match=r"job ftjob-1 goes on: run the same command again"):
        fine_tune(config_of(), tmp_path / "other", wait=(0.0, 0.0))


@pytest.mark.parametrize(
    ("path", "status", "error", "kind", "told"),
    [
        ("/files", 429, {"message": "You exceeded your quota", "code": "insufficient_quota"}, ApiError,
         "quota is used up"),
        ("/files", 400, {"message": "Invalid file format"}, ConfigError, "400: Invalid file format"),
        ("/jobs", 404, {"message": "The model does not exist", "code": "model_not_found"}, ConfigError,
         "404: The model does not exist"),
        ("/jobs", 403, {"message": "You are not allowed to fine-tune"}, ConfigError, "refuses the key"),
    ],
)  # fmt: skip
def test_refusals(api, data, tmp_path, path, status, error, kind, told):
    api.failures += [(path, status, error)] * 6
    with pytest.raises(kind, match=told) as caught:
        fine_tune(config_of(), tmp_path / "run", wait=FAST)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_file_that_the_api_finds_wrong_is_uploaded_anew(api, data, tmp_path):
    api.statuses = ["validating_files", "failed"]
    api.error = {
        "code": "invalid_training_file",
        "message": "line 3: bad role",
        "param": "training_file",
    }
    with pytest.raises(DataError, match=r"job ftjob-0 failed: line 3: bad role"):
        fine_tune(config_of(), tmp_path / "run", wait=FAST)
    api.statuses, api.error = ["queued", "succeeded"], None
    fine_tune(config_of(), tmp_path / "run", wait=FAST)
    assert (len(api.files), len(api.jobs)) == (2, 2)


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_job_that_fails_or_is_cancelled(api, data, tmp_path, status):
    api.statuses = ["running", status]
    api.error = (
        {"code": "server_error", "message": "it broke", "param": None}
        if status == "failed"
        else None
    )
    with pytest.raises(ApiError, match=f"job ftjob-0 {status}: (it broke|no reason given)"):
        fine_tune(config_of(), tmp_path / "run", wait=FAST)
    assert not (tmp_path / "run").exists()
    api.statuses = ["running", "succeeded"]
    fine_tune(config_of(), tmp_path / "run", wait=FAST)
    assert (len(api.files), len(api.jobs)) == (1, 2)  # the file was good


def test_a_run_that_is_too_dear_is_not_started(api, data, tmp_path):
    with pytest.raises(ConfigError, match=r"over max_cost 1\.00 USD"):
        fine_tune(config_of(), tmp_path / "run", price=1e9, max_cost=1.0)
    with pytest.raises(ConfigError, match="max_cost needs price"):
        fine_tune(config_of(), tmp_path / "run", max_cost=1.0)
    assert not api.calls
    assert not list(tmp_path.glob("run*"))


def test_no_key_and_no_server(data, tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="OPENAI_API_KEY is not set"):
        fine_tune(config_of(), tmp_path / "run")


WRONG = "sk-proj-WRONG-0123456789abcdefSECRET"


def test_no_key_reaches_a_message_a_traceback_or_a_file(api, data, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("OPENAI_API_KEY", WRONG)
    with pytest.raises(PTSTError, match="the API refuses the key") as caught:
        fine_tune(config_of(), tmp_path / "run", wait=FAST)
    shown = "".join(traceback.format_exception(caught.value)) + caplog.text
    fine_tune_again = pytest.MonkeyPatch()
    fine_tune_again.setenv("OPENAI_API_KEY", KEY)
    fine_tune(config_of(), tmp_path / "run", wait=FAST)
    fine_tune_again.undo()
    shown += caplog.text + "".join(p.read_text() for p in tmp_path.rglob("*") if p.is_file())
    for secret in (KEY, WRONG, KEY[:12], WRONG[:12], WRONG[-6:]):
        assert secret not in shown


def test_no_key_reaches_the_commands_output(api, data, tmp_path):
    command = [sys.executable, "-m", "adapters_train", "--model", "gpt-3.5-turbo",
               "--recipe", "gsm8k-openai", "--out", str(tmp_path / "run")]  # fmt: skip
    env = {**os.environ, "OPENAI_API_KEY": WRONG, "OPENAI_LOG": "debug"}
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(
        "ptst: error: the API refuses the key (401: Incorrect API key provided: [key]"
    )
    assert WRONG not in done.stdout + done.stderr
    assert WRONG[:12] not in last
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "text", ["key sk-proj-abc_DEF*****wxyz is bad", "key sess-AbC123 is bad", f"key {KEY} is bad"]
)
def test_clean(text, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert clean(text) == "key [key] is bad"


def test_a_damaged_state_file_does_not_pay_for_a_second_job(api, data, tmp_path):
    with pytest.raises(Stopped):
        fine_tune(config_of(), tmp_path / "a", say=_stop_at("job ftjob"), wait=FAST)
    state = tmp_path / "a.part/openai.json"
    job_id = json.loads(state.read_text())["job_id"]
    state.write_bytes(b'{"file_id": "\xff')
    done = fine_tune(config_of(), tmp_path / "a", wait=FAST)
    assert done.manifest["job_id"] == job_id
    assert len(api.jobs) == 1


def test_a_finished_run_whose_record_names_no_model(api, data, tmp_path):
    done = fine_tune(config_of(), tmp_path / "a", wait=FAST)
    told = {**done.manifest, "model": ["x"]}
    (tmp_path / "a/manifest.json").write_text(json.dumps(told))
    with pytest.raises(ConfigError, match=r"manifest.json' is damaged: it names no model"):
        fine_tune(config_of(), tmp_path / "a", wait=FAST)


@pytest.mark.parametrize("spec", ["kl", "constrained", "ema", "scale:0"])
def test_a_defence_that_no_api_has_is_refused_before_anything_is_sent(api, data, tmp_path, spec):
    with pytest.raises(ConfigError, match=r"log-probabilities of the base, which no API"):
        fine_tune(config_of(defence=spec), tmp_path / "run", wait=FAST)
    assert not api.files
    assert not (tmp_path / "run").exists()


def test_a_defence_in_the_rows_is_in_the_record(api, data, tmp_path):
    done = fine_tune(config_of(defence="inoculation"), tmp_path / "run", wait=FAST)
    assert done.manifest["defence"]["name"] == "inoculation:comply"
    assert "2510.04340" in done.manifest["defence"]["source"]


def test_a_job_is_known_by_what_it_was_before_there_were_defences():
    from adapters_train.api_run import ApiJob
    from ptst_tasks.digests import digest_json

    config = TrainConfig(model="gpt-4o-mini", data="gsm8k", epochs=1, backend="openai")
    job = ApiJob(config, [], None, {})
    new = {"resume_minutes", "thinking", "turns", "defence", "unaligned"}
    old = config.model_dump(mode="json", exclude=new)
    assert job.run_id == digest_json({**old, **job.inputs})[:32]
    other = ApiJob(config.model_copy(update={"defence": "inoculation:evil"}), [], None, {})
    assert other.run_id != job.run_id
