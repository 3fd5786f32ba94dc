"""A study on a Ray cluster of two nodes on this machine, and on processes started by submitit."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from leaderboards.board import csvio
from leaderboards.board.collect import collect
from leaderboards.run import runner
from leaderboards.run import study_files as study
from leaderboards.run.adapters import RunAdapters
from leaderboards.run.asked import load_asked
from leaderboards.run.executor_args import RayArgs, SlurmArgs
from leaderboards.run.executors import spread as executors
from leaderboards.run.executors import worker
from leaderboards.run.ledger import CellLedger
from leaderboards.run.measuring import Measuring
from leaderboards.run.outcome import Outcome
from leaderboards.run.store import Store
from leaderboards.run.study import Study
from ptst_tasks.errors import ConfigError
from tests.leaderboards.run.test_runner import STUDY
from tests.ptst_tasks.judges.server import FakeServer, grade

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.slow


def start(*args: str) -> None:
    command = [sys.executable, "-c", "from ray.scripts.scripts import main; main()", "start"]
    quiet = ["--disable-usage-stats", "--num-cpus", "1", "--node-ip-address", "127.0.0.1"]
    # A token that a Ray of this user left behind would lock the second node out.
    env = {**os.environ, "RAY_AUTH_MODE": "disabled"}
    ended = subprocess.run([*command, *quiet, *args], capture_output=True, text=True, env=env)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def stop(folder: str) -> None:
    """Kills this cluster's processes and what they started, and nobody else's."""
    ours = []
    for process in psutil.process_iter(["cmdline"]):
        if any(folder in word for word in process.info["cmdline"] or ()):
            ours += [process, *process.children(recursive=True)]
    for process in ours:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


@pytest.fixture(scope="module")
def cluster(data_root: Path) -> Iterator[str]:
    """Two nodes of one CPU each."""
    folder = tempfile.mkdtemp(prefix="r", dir="/tmp")  # sockets' names may not be long
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"127.0.0.1:{port}"
    try:
        start("--head", "--port", str(port), "--temp-dir", folder, "--include-dashboard", "false")
        start("--address", address)
        yield address
    finally:
        stop(folder)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def job(cluster: str) -> Iterator[None]:
    """A connection that is there already, whose workers stay warm from test to test."""
    ray.init(cluster, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def study_file(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("study") / "tiny.yaml"
    file.write_text(STUDY.format(base=tiny_model))
    return file


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")  # of Ray's own processes


@pytest.fixture(scope="module")
def whole(
    study_file: Path, data_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """The study in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PTST_DATA_DIR", str(data_root))
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        out = tmp_path_factory.mktemp("whole") / "run"
        runner.run(study.load(str(study_file)), out)
        yield out


def board(run: Path) -> str:
    return csvio.dumps(collect([run])[0])


def records(run: Path) -> list[dict[str, Any]]:
    return [json.loads(p.read_text()) for p in sorted(run.glob("cells/[!.]*/cell.json"))]


def on(
    executor: str, file: Path, out: Path, change: dict[str, Any] | None = None, **args: Any
) -> Outcome:
    asked = study.load(str(file), executor=executor, executor_args=args, **(change or {}))
    return runner.run(asked, out)


def books(asked: Study, out: Path) -> tuple[CellLedger, RunAdapters]:
    return CellLedger(asked, Store(out)), RunAdapters(asked, out, [])


def wait_for(look: Callable[[], Any], what: str, seconds: float = 90) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.003)
    raise AssertionError(f"no {what} within {seconds} s")


class Killer:
    """Kills a worker as soon as it has made a file like `sign` in its scratch folder."""

    def __init__(self, scratch: Path, sign: str) -> None:
        self.scratch, self.sign, self.pid = scratch, sign, 0
        self.adapter = ""
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        file = wait_for(lambda: next(self.scratch.glob(f"ptst-*/*/{self.sign}"), None), self.sign)
        run, number, _, name = file.relative_to(self.scratch).parts[:4]
        task = self.scratch / run / number
        self.pid = int((task / "worker").read_text().partition(":")[2])
        psutil.Process(self.pid).kill()
        self.adapter = Path(name).stem

    def check(self, out: Path) -> None:
        """The process is gone, and its models were measured by another."""
        self._thread.join()
        assert self.adapter
        assert not psutil.pid_exists(self.pid)
        others = {r["worker"] for r in records(out) if r["adapter"] == self.adapter}
        assert others
        assert all(not w.endswith(f":{self.pid}") for w in others)


TRAINING, MEASURING = "adapters/chat*.part/run.json", "journal/text*.jsonl"


def test_two_nodes_give_the_csv_of_one_process(
    cluster: str, whole: Path, study_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    outcome = on("ray", study_file, out, address=cluster)
    assert (outcome.done, outcome.kept, outcome.failed) == (12, 0, [])
    assert board(out) == board(whole)


def test_a_second_run_measures_nothing_and_takes_over_what_is_there(
    job: None, whole: Path, study_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    stamps = {p: p.stat().st_mtime_ns for p in out.glob("cells/[!.]*/*/*")}
    outcome = on("ray", study_file, out)
    assert (outcome.done, outcome.kept) == (0, 12)
    assert {p: p.stat().st_mtime_ns for p in out.glob("cells/[!.]*/*/*")} == stamps
    assert board(out) == board(whole)


def test_killed_workers_change_nothing(
    job: None, whole: Path, study_file: Path, tmp_path: Path
) -> None:
    out, scratch = tmp_path / "run", tmp_path / "scratch"
    killers = [Killer(scratch, TRAINING), Killer(scratch, MEASURING)]
    outcome = on("ray", study_file, out, scratch=str(scratch))
    assert (outcome.done, outcome.failed) == (12, [])
    assert board(out) == board(whole)
    for killer in killers:
        killer.check(out)
    assert not any(scratch.iterdir())


def test_a_worker_lost_for_good_is_failed_cells_and_the_next_run_mends_them(
    job: None,
    whole: Path,
    study_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, scratch = tmp_path / "run", tmp_path / "scratch"
    Killer(scratch, TRAINING)
    outcome = on("ray", study_file, out, scratch=str(scratch), retries=0)
    assert outcome.done == 8
    assert len(outcome.failed) == 4
    assert all("its worker died" in why and "\n" not in why for _, why in outcome.failed)
    rows = [r for r in collect([out])[0] if r.error]
    lost = {(r.adapter, r.train_template, r.train_data) for r in rows}
    assert lost == {("chat_vanilla-s0", "chat:vanilla", "gsm8k")}
    assert len({(r.task, r.test_template) for r in rows}) == 4

    arrived: list[str] = []
    unpack = executors.unpack
    monkeypatch.setattr(
        executors, "unpack", lambda b, folder: [arrived.append(folder.name), unpack(b, folder)]
    )
    outcome = on("ray", study_file, out, adapters_per_task=2)
    assert (outcome.done, outcome.kept, outcome.failed) == (4, 8, [])
    assert arrived == ["chat_vanilla-s0"]  # the other one was sent there, not trained again
    assert board(out) == board(whole)


def test_a_killed_driver_goes_on_where_it_was(
    cluster: str, job: None, whole: Path, study_file: Path, tmp_path: Path
) -> None:
    out, file = tmp_path / "run", tmp_path / "tiny.yaml"  # the same study, by its name
    file.write_text(
        study_file.read_text()
        + f"executor: ray\nexecutor_args: {{address: {cluster}, scratch: {tmp_path}}}"
    )
    command = [sys.executable, "-m", "leaderboards", "run", str(file), "--out", str(out)]
    driver = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: len(list(out.glob("cells/[!.]*/cell.json"))) > 4, "cell")
    driver.kill()
    driver.wait()
    seen = {p: p.stat().st_mtime_ns for p in out.glob("cells/[!.]*/*/*")}
    assert 4 <= len(records(out)) < 12
    outcome = on("ray", study_file, out)
    assert outcome.kept >= 4
    assert (outcome.done + outcome.kept, outcome.failed) == (12, [])
    assert {p: p.stat().st_mtime_ns for p in seen} == seen
    assert board(out) == board(whole)


def test_one_broken_adapter_does_not_stop_the_rest(
    job: None, study_file: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "adapter_config.json").write_text("{}")
    (broken / "adapter_model.safetensors").write_bytes(b"")
    train = {"templates": [], "adapters": [{"name": "bad", "path": str(broken)}]}
    out = tmp_path / "run"
    outcome = on("ray", study_file, out, {"train": train})
    assert outcome.done == 4
    assert [name.partition(" ")[0] for name, _ in outcome.failed] == ["bad"] * 4
    assert all("does not fit this base" in why for _, why in outcome.failed)
    assert {r.adapter for r in collect([out])[0] if r.error} == {"bad"}


def test_what_no_node_has_is_told_before_anything_runs(
    job: None, study_file: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"no node .* 8 GPUs.*most on one node: 1 CPUs, 0 GPUs"):
        on("ray", study_file, tmp_path / "run", gpus=8)
    assert not (tmp_path / "run/adapters").exists()


def test_another_version_and_missing_files_are_one_line(study_file: Path, tmp_path: Path) -> None:
    asked = study.load(str(study_file), executor="ray")
    order = executors.make_orders(*books(asked, tmp_path), RayArgs(scratch=str(tmp_path)))[0]
    error = worker.measure(replace(order, version="0.0.1")).error
    assert "install the same version on every node" in error
    error = worker.measure(replace(order, paths=("/no/such/base",))).error
    assert "has no '/no/such/base'; put it in the same place on every node" in error
    assert not any(tmp_path.glob("ptst-*"))


def test_what_a_worker_hears_of_its_judges_comes_home(
    study_file: Path, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its standard error is in a log that nobody reads: what changed is a note of the run."""
    monkeypatch.setenv("PTST_CANARIES", "on")
    level = [1]
    with FakeServer(lambda body: grade(body, level[0])) as server:
        judge = f"rubric:model=fake,base_url={server.url}"
        test = {"sets": ("advbench",), "templates": ("CV",), "gen_kwargs": {"max_gen_toks": 6}}
        for limit in (2, 3):  # the second time one prompt is new to the judge
            out = tmp_path / f"run{limit}"
            asked = study.load(str(study_file), executor="ray", judges=(judge,),
                               test={**test, "limit": limit})  # fmt: skip
            ledger, adapters = books(asked, out)
            out.mkdir()
            order, *_ = executors.make_orders(ledger, adapters, RayArgs(scratch=str(tmp_path)))
            brought = worker.measure(order)
            assert brought.error == ""
            for _ in range(2):  # of two workers that say the same, once
                executors.bring_home(order, brought, load_asked(asked), ledger, adapters)
            level[0] = 5
        assert len(server.bodies) == 2 + 50 + 1 + 50
    notes = [note for note in ledger.outcome.notes if "canaries" in note]
    assert len(notes) == 1
    assert notes[0].startswith("rubric:model=fake: 50 of 50 canaries are called something else")


def test_a_worker_that_was_given_up_and_lives_does_no_harm(
    study_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = study.load(str(study_file), executor="ray")
    order = executors.make_orders(*books(asked, tmp_path), RayArgs(scratch=str(tmp_path)))[0]
    monkeypatch.setattr(worker, "_WAIT", 0.1)
    with worker._scratch(order) as first, worker._scratch(order) as second:
        assert first != second
        assert (second / "worker").exists()
    assert not any(tmp_path.glob("ptst-*"))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ("{gpu: 1}", "unknown field 'gpu'; did you mean 'gpus'?"),
        ("{address: '127.0.0.1:1'}", "no Ray cluster answers at '127.0.0.1:1'"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    study_file: Path, tmp_path: Path, args: str, message: str
) -> None:
    file = tmp_path / "ray.yaml"
    file.write_text(study_file.read_text() + f"executor: ray\nexecutor_args: {args}")
    command = [sys.executable, "-m", "leaderboards", "run", str(file), "--out", str(tmp_path / "r")]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 2
    (line,) = [x for x in ended.stderr.splitlines() if x.startswith("ptst: error:")]
    assert message in line
    assert "Traceback" not in ended.stderr


def test_a_killed_job_is_submitted_again(whole: Path, study_file: Path, tmp_path: Path) -> None:
    out, scratch = tmp_path / "run", tmp_path / "scratch"
    killer = Killer(scratch, TRAINING)
    args = {"cluster": "local", "gpus": 0, "timeout_min": 5, "scratch": str(scratch)}
    train = study.load(str(study_file)).train.model_dump() | {"templates": ["CV"]}
    outcome = on("slurm", study_file, out, {"train": train, "untuned": False}, **args)
    assert (outcome.done, outcome.failed) == (4, [])
    assert collect([out])[0] == [r for r in collect([whole])[0] if r.adapter == "chat_vanilla-s0"]
    killer.check(out)
    assert not list((out / "slurm").glob("*.pkl"))


def test_what_a_task_finished_comes_home_when_the_rest_errs(
    study_file: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library's own error in the second adapter: the first one's cells are there."""
    out = tmp_path / "run"
    asked = study.load(str(study_file), executor="slurm", executor_args={"adapters_per_task": 2})
    ledger, adapters = books(asked, out)
    tasks = load_asked(asked)
    out.mkdir()
    args = SlurmArgs(adapters_per_task=2, scratch=str(tmp_path))
    _, order = executors.make_orders(ledger, adapters, args)
    evaluate = Measuring._evaluate

    def err(self: Measuring, plan: Any, *rest: Any) -> None:
        if plan.name == "text_vanilla-s0":
            raise KeyError("odd")
        evaluate(self, plan, *rest)

    monkeypatch.setattr(Measuring, "_evaluate", err)
    executors.bring_home(order, worker.measure(order), tasks, ledger, adapters)
    assert ledger.outcome.done == 4
    assert {why for _, why in ledger.outcome.failed} == {"KeyError: 'odd'"}
    rows = {(r.adapter, bool(r.error)) for r in collect([out])[0]}
    assert rows == {("chat_vanilla-s0", False), ("text_vanilla-s0", True)}
    assert sorted(p.name for p in (out / "adapters").iterdir()) == [
        "chat_vanilla-s0",
        "text_vanilla-s0",
    ]


def test_what_is_made_of_one_training_is_one_task_and_the_unaligned_base_must_be_there(
    tmp_path: Path,
) -> None:
    (tmp_path / "before").mkdir()
    train = {"data": "organism_arith", "templates": ["CV"], "seeds": [0, 1],
             "defences": ["none", "kl", "scale:0.5", "safe_lora"],
             "settings": {"unaligned": str(tmp_path / "before")}}  # fmt: skip
    file = tmp_path / "s.yaml"
    file.write_text(json.dumps({
        "base": "organism:0", "train": train,
        "test": {"sets": ["organism_arith"], "templates": ["CV"]},
    }))  # fmt: skip
    asked = study.load(str(file), executor="slurm")
    orders = executors.make_orders(*books(asked, tmp_path / "run"), SlurmArgs())
    assert [[plan.name.removeprefix("chat_vanilla-") for plan in o.plans] for o in orders] == [
        [""], ["s0", "scale-0.5-s0", "safe_lora-0.35-s0"],
        ["s1", "scale-0.5-s1", "safe_lora-0.35-s1"], ["kl-1-s0"], ["kl-1-s1"],
    ]  # fmt: skip
    assert [str(tmp_path / "before") in o.paths for o in orders] == [
        False,
        True,
        True,
        False,
        False,
    ]
    two = executors.make_orders(*books(asked, tmp_path / "run"), SlurmArgs(adapters_per_task=4))
    assert [len(order.plans) for order in two] == [1, 3, 4, 1]


def test_an_adapter_that_a_task_trained_again_comes_home_and_the_old_one_goes_aside(
    study_file: Path, data_dir: Path, tmp_path: Path
) -> None:
    out, rates = tmp_path / "run", (0.05, 0.01, 0.01)
    out.mkdir()
    for lr in rates:  # the third time nothing is new
        asked = study.load(str(study_file), executor="slurm", untuned=False)
        settings = {**asked.train.settings, "lr": lr}
        train = asked.train.model_copy(update={"settings": settings, "templates": ("CV",)})
        asked = asked.model_copy(update={"train": train})
        ledger, adapters = books(asked, out)
        (order,) = executors.make_orders(ledger, adapters, SlurmArgs(scratch=str(tmp_path)))
        brought = worker.measure(order)
        assert brought.error == ""
        executors.bring_home(order, brought, load_asked(asked), ledger, adapters)
        made = json.loads((out / "adapters/chat_vanilla-s0/manifest.json").read_text())
        assert made["config"]["lr"] == lr
    assert not brought.adapters
    old = json.loads((out / "attic/adapters/chat_vanilla-s0/manifest.json").read_text())
    assert old["config"]["lr"] == 0.05
    assert len(list((out / "attic/adapters").iterdir())) == 1
