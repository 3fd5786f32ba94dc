"""Two processes of one study into one folder, killed or not: ``python -m tests.leaderboards.run.pairs``.

All are forked from one process that has imported everything and done nothing yet, so that twenty
pairs take seconds. Prints a JSON object: the seed, how processes ended, and what went wrong.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from pathlib import Path


def imports() -> None:
    """Whatever a run imports."""
    import lm_eval.evaluator
    import peft
    import torch
    import transformers

    import leaderboards.judging.rejudge
    import leaderboards.run.runner
    import ptst_tasks.engines.hf
    import ptst_tasks.validate

    assert all((lm_eval, peft, torch, transformers, leaderboards, ptst_tasks))


def start(study: Path, out: Path, log: Path, delay: float = 0.0) -> int:
    """Forks ``ptst run STUDY --out OUT``; returns its process id."""
    sys.stdout.flush()
    if pid := os.fork():
        return pid
    from leaderboards.cli import app as cli

    code = 99
    try:
        with log.open("w") as into:
            os.dup2(into.fileno(), 1)
            os.dup2(into.fileno(), 2)
        time.sleep(delay)
        cli.main(["run", str(study), "--out", str(out), "--quiet", "--no-share"])
    except SystemExit as e:
        code = int(e.code or 0)
    finally:
        sys.stderr.flush()
        os._exit(code)


def ended(pid: int) -> int:
    """How a process ended, as `subprocess` says it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def board(run: Path) -> str:
    """A run's leaderboard."""
    from leaderboards.board import csvio
    from leaderboards.board.collect import collect

    return csvio.dumps(collect([run])[0])


def one_pair(study: Path, folder: Path, draw: random.Random, length: float) -> list[int]:
    """Two processes begin at random moments; one of them may be killed at another."""
    out = folder / "run"
    shutil.rmtree(out, ignore_errors=True)
    delays = [0.0, draw.choice([0.0, draw.uniform(0, length)])]
    pids = [start(study, out, folder / f"log{i}", delay) for i, delay in enumerate(delays)]
    if draw.random() < 0.7:
        time.sleep(draw.uniform(0, 1.2 * length))
        os.kill(draw.choice(pids), signal.SIGKILL)  # a zombie takes it, too
    return [ended(pid) for pid in pids]


def _read(log: Path) -> str:
    """What a process said; nothing if it was killed before it could."""
    return log.read_text() if log.exists() else ""


def main(study: Path, folder: Path, rounds: int, seed: int) -> None:
    """Runs the pairs and prints what came of them."""
    imports()
    begun = time.monotonic()
    assert ended(start(study, folder / "alone", folder / "log")) == 0, (folder / "log").read_text()
    length, draw = time.monotonic() - begun, random.Random(seed)
    want, codes, wrong = board(folder / "alone"), Counter[int](), list[str]()
    for at in range(rounds):
        for i, code in enumerate(one_pair(study, folder, draw, length)):
            codes[code] += 1
            said = _read(folder / f"log{i}")
            if code not in (0, 2, -signal.SIGKILL) or "Traceback" in said:
                wrong.append(f"round {at}: {code}: {said}")
            if code == 2 and "is in use by process" not in said:
                wrong.append(f"round {at}: refused for another reason: {said}")
        if code := ended(start(study, folder / "run", folder / "log")):
            wrong.append(f"round {at}: the same command did not go on: {code}")
        left = [p.name for p in folder.glob("run/cells/.*")]
        if left or board(folder / "run") != want:
            wrong.append(f"round {at}: another leaderboard, or files left behind: {left}")
    print(json.dumps({"seed": seed, "codes": codes, "wrong": wrong, "length": length}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
