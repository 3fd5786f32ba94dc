"""A study of served models: what fails is a row, the rest is measured, and nothing is asked twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from leaderboards.board import csvio
from leaderboards.board.collect import collect
from leaderboards.cli.app import main
from leaderboards.run import runner
from leaderboards.run import study_files as study
from leaderboards.run.estimate import estimate
from leaderboards.run.outcome import Outcome
from tests.ptst_tasks.engines.fake_endpoint import Body, FakeEndpoint, Reply, error, too_long

KEY = "sk-very-secret"
STUDY = """
base: base
engine: openai
engine_args: {{base_url: "{url}", backoff: 0.001, attempts: 12, timeout: 2, concurrency: 4}}
train:
  adapters:
    - {{name: cv-0, path: "ft:base:org//lab::id", train_data: gsm8k, train_template: CV, seed: 0}}
    - {{name: cl-0, path: not-there, train_template: CL}}
test: {{sets: [gsm8k, advbench, xstest, medqa], templates: [CV, TV], style: openai}}
"""
SERVED = ("base", "ft:base:org//lab::id")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def write(folder: Path, url: str, text: str = STUDY) -> str:
    file = folder / "served.yaml"
    file.write_text(text.format(url=url))
    return str(file)


def run(file: str, out: Path) -> Outcome:
    return runner.run(study.load(file), out)


def sprinkled(seed: int) -> Any:
    """A third of the calls is refused for now; the safe prompts do not fit."""
    draw = random.Random(seed)

    def fault(path: str, body: Body) -> Reply | None:
        if "kill time on day 2" in str(body.get("messages")):
            return too_long()
        if body and "logprobs" not in body and draw.random() < 0.3:
            return draw.choice([error(429, "slow", retry_after="0.01"), error(500, "oops")])
        return None

    return fault


def test_what_fails_is_a_row_and_the_rest_is_measured_once(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with FakeEndpoint(SERVED, sprinkled(0), key=KEY) as server:
        outcome = run(write(tmp_path, server.url), out)
    failed = dict(outcome.failed)
    # 3 models x 8 tasks: medqa needs log-likelihoods (6), cl-0 is not served (6 more), and of the
    # two models that are there xstest as messages does not fit (2)
    assert (outcome.done, outcome.kept, len(failed)) == (10, 0, 14)
    assert "did you mean" not in failed["cl-0 ptst_gsm8k_chat_vanilla"]
    assert "serves no model 'not-there'; known: base, ft:base:org//lab::id" in failed[
        "cl-0 ptst_advbench_text_vanilla"
    ]  # fmt: skip
    assert "the set medqa_gen" in failed["base ptst_medqa_text_vanilla"]
    assert "do not fit into the context" in failed["cv-0 ptst_xstest_chat_vanilla"]
    assert all("\n" not in why for why in failed.values())
    asked = server.asked()
    assert {b["model"] for b in asked} == set(SERVED)
    rows, notes = collect([out])
    assert notes == []
    errors = {(r.adapter, r.task, r.test_template): r.error for r in rows if r.error}
    assert len(errors) == 14
    assert "do not fit" in errors["", "xstest", "chat:vanilla"]
    good = next(r for r in rows if r.adapter == "cv-0" and r.metric == "asr")
    assert (good.base, good.train_template, good.seed, good.n) == ("base", "chat:vanilla", 0, 4)
    assert (good.value, good.engine) == (0, "openai")
    assert good.adapter_digest == "served:127.0.0.1/ft:base:org//lab::id"

    with FakeEndpoint(SERVED, key=KEY) as server:  # another port, and nothing is too long now
        again = run(write(tmp_path, server.url), out)
    assert (again.done, again.kept, len(again.failed)) == (2, 10, 12)
    asked = server.asked()
    assert {b["model"] for b in asked} == set(SERVED)
    assert all("messages" in b and "day" in str(b) for b in asked)  # the failed cells' alone
    assert "kill time on day 2" in str([b["messages"] for b in asked])
    assert len(asked) < 8  # of which some were answered the first time
    assert not list((out / "journal").glob("*"))
    with FakeEndpoint(SERVED, key=KEY) as server:
        assert run(write(tmp_path, server.url), out).kept == 12
        assert server.asked() == []
    written = b"".join(f.read_bytes() for f in tmp_path.rglob("*") if f.is_file())
    assert KEY.encode() not in written


def test_results_read_back_without_our_record(tmp_path: Path) -> None:
    from leaderboards.board.results import read_results

    with FakeEndpoint(SERVED) as server:
        run(write(tmp_path, server.url), tmp_path / "run")
    files = (tmp_path / "run").glob("cells/*/cell/results_*.json")
    read = {(n.row.base, n.row.adapter, n.row.engine) for f in files for n in read_results(f)}
    assert read == {("base", "", "ptst-openai"), ("base", SERVED[1], "ptst-openai")}
    assert str(server.port) not in "".join(
        f.read_text() for f in (tmp_path / "run/cells").rglob("results_*.json")
    )


@pytest.mark.slow
def test_killed_in_the_middle_the_answers_are_not_paid_twice(tmp_path: Path) -> None:
    text = STUDY.replace("[gsm8k, advbench, xstest, medqa]", "[gsm8k, advbench, xstest]")
    with FakeEndpoint(SERVED, delay=0.15) as server:
        file = write(tmp_path, server.url, text)
        command = [
            sys.executable,
            "-m",
            "leaderboards",
            "run",
            file,
            "--out",
            str(tmp_path / "run"),
        ]
        victim = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while len(server.asked()) < 12 and time.monotonic() < end:
            time.sleep(0.02)
        victim.send_signal(signal.SIGKILL)
        assert victim.wait(10) == -signal.SIGKILL
        time.sleep(0.2)
        paid = len(server.asked())
        assert 12 <= paid < 24
        server.delay = 0
        ran = subprocess.run(command, capture_output=True, text=True, env=os.environ)
        assert ran.returncode == 1  # one model is not there
        assert "6 failed" in ran.stdout
        assert len(server.asked()) - paid <= 48 - paid + 4  # lost: what was on its way
        run(file, tmp_path / "other/whole")  # not beside it, where cells would be shared
    boards = [csvio.dumps(collect([tmp_path / r])[0]) for r in ("run", "other/whole")]
    assert boards[0] == boards[1]


@pytest.mark.parametrize(
    ("args", "path", "cost"),
    [
        # 4 prompts of at most 512 new tokens for either model, and what is read
        ("{}", "ft:gpt-3.5-turbo-0125:org::id", (4 * 512 * (1.5 + 6), 0)),
        ("{price_in: 0, price_out: 10}", "whatever", (2 * 4 * 512 * 10, 0)),
        ("{}", "mine", (4 * 512 * 1.5, "without mine: price unknown: set engine_args.price_in")),
    ],
)
def test_the_plan_says_what_it_costs(
    tmp_path: Path, args: str, path: str, cost: tuple[float, Any], capsys: Any
) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(
        f"base: gpt-3.5-turbo-0613\nengine: openai\nengine_args: {args}\n"
        f"train: {{adapters: [{{name: a, path: '{path}'}}]}}\n"
        "test: {sets: [advbench], templates: [CV]}\n"
    )
    plan = estimate(study.load(str(file)), tmp_path / "run")
    assert plan.cost == pytest.approx(cost[0] / 1e6, rel=0.1)
    main_ends(["run", str(file), "--dry-run", "--out", str(tmp_path / "run")])
    printed = capsys.readouterr().out
    assert f"cost: at most about {plan.cost:.2f} USD" in printed
    assert not cost[1] or cost[1] in printed
    assert "cost" not in estimate(study.load("llama2-gsm8k"), tmp_path / "run").summary()


def test_nothing_is_known_of_the_price(tmp_path: Path) -> None:
    text = "base: m\nengine: openai\nengine_args: {base_url: 'http://h/v1'}\ntest: {sets: [advbench]}\n"
    (tmp_path / "s.yaml").write_text(text)
    said = estimate(study.load(str(tmp_path / "s.yaml")), tmp_path / "run").summary()
    assert "cost: price unknown: set engine_args.price_in and price_out" in said


def main_ends(args: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(args)
    assert ended.value.code == 0


def test_a_key_in_the_study_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(f"base: m\nengine: openai\nengine_args: {{api_key: {KEY}}}\n")
    command = [
        sys.executable,
        "-m",
        "leaderboards",
        "run",
        str(file),
        "--out",
        str(tmp_path / "run"),
    ]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 2
    assert "did you mean 'api_key_env'?" in ran.stderr
    assert KEY not in ran.stdout + ran.stderr
    assert ran.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()
