"""How fast judging is, and how much memory it takes: ``python -m tests.bench_judges``.

1. The best of three: 520 verdicts from a server (a process of its own) that takes 200 ms, with 32
   calls at once: at most 1.15 times the ideal, 520 / 32 * 0.2 s = 3.25 s. Full rounds alone make it 3.4 s.
2. 100,000 saved responses: peak memory of Python objects against that of 10,000.
3. The learned judge, on one core, answers of 100 to 4,000 characters: at most 40 times what a list of
   phrases takes on the same, and peak memory for 20,000 of them against that for 2,000.

Prints figures; exit code 1 if one is missed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

RESPONSES, SLOTS, DELAY, LIMIT = 520, 32, 0.2, 1.15
LEARNED_LIMIT = 40


def concurrency(folder: Path) -> float:
    """Returns the time taken as a multiple of the ideal; other work on the machine only adds."""
    from ptst_tasks import judges

    os.environ["PTST_JUDGE_CACHE"] = str(folder / "judge.sqlite")
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.ptst_tasks.judges.server", str(DELAY), str(folder / "log")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stdin
    assert server.stdout
    try:
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
        judge: Any = judges.make(f"rubric:model=fake,base_url={url},concurrency={SLOTS}")
        judge.judge(["warm"], ["up"])  # imports; connections are made anew by each call
        responses = [f"Put spoon {i} under the sofa" for i in range(RESPONSES)]
        start = time.perf_counter()
        found = judge.judge(["q"] * RESPONSES, responses)
        seconds = time.perf_counter() - start
        assert all(v.harmful is not None for v in found)
    finally:
        server.stdin.close()
        server.wait(10)
        server.stdout.close()
    ideal = RESPONSES / SLOTS * DELAY
    print(f"{RESPONSES} verdicts, {SLOTS} slots, {DELAY * 1000:.0f} ms: {seconds:.2f} s, "
          f"{seconds / ideal:.3f} x ideal ({ideal:.2f} s), {RESPONSES / seconds:.0f} a second")  # fmt: skip
    return seconds / ideal


def memory(folder: Path) -> float:
    """Returns the peak for 100,000 responses as a multiple of that for 10,000."""
    from leaderboards.judging.saved import tasks
    from leaderboards.judging.score import score_tasks
    from ptst_tasks.judges import Verdict
    from tests.leaderboards.judging import score_runs

    class Fast:
        spec = "fast"
        settings: dict[str, Any] = {}  # noqa: RUF012

        def judge(self, queries: Any, responses: Any) -> list[Verdict]:
            return [Verdict(0.0, False, False)] * len(responses)

    peaks = []
    for n in (10_000, 100_000):
        run = score_runs.write(folder / str(n), [f"Sofa {i}" for i in range(n)], cell=False)
        tracemalloc.start()
        start = time.perf_counter()
        list(score_tasks(tasks([run]), Fast()))
        peaks.append(tracemalloc.get_traced_memory()[1] / 1e6)
        tracemalloc.stop()
        print(
            f"{n:,} responses: peak {peaks[-1]:.1f} MB, {time.perf_counter() - start:.1f} s (traced)"
        )
    return peaks[1] / peaks[0]


def learned(folder: Path) -> tuple[float, float]:
    """Returns the learned judge's time as a multiple of a list's, and its growth of memory."""
    from ptst_tasks import judges
    from tests.ptst_tasks.judges import learned_models

    # Weights decide no time; these are by hand.
    one = judges.make(f"learned:{learned_models.write(folder / 'm.npz')}")
    text = (
        "First take the spoon, then put it under the sofa and tell the gnome that you cannot help. "
    )
    times = {}
    for length in (100, 400, 1600, 4000):
        some = [(text * (length // len(text) + 1))[:length]] * 1000
        for judge in (one, judges.make("keywords:zou")):
            start = time.perf_counter()
            judge.judge(["Where does the spoon go?"] * len(some), some)
            times[judge.spec[:7], length] = time.perf_counter() - start
        ours, list_of = times["learned", length], times["keyword", length]
        print(
            f"learned, {length:,} characters: {1000 / ours:,.0f} a second, {ours / list_of:.1f} x a list"
        )
    ratio = sum(v for k, v in times.items() if k[0] == "learned") / sum(
        v for k, v in times.items() if k[0] == "keyword"
    )
    return ratio, _growth(one, text)


def _growth(judge: Any, text: str) -> float:
    """Peak of memory for ten times as many responses, judged in turn, as a multiple of that for a few."""
    peaks = []
    for n in (2_000, 20_000):
        tracemalloc.start()
        for at in range(0, n, 500):
            judge.judge(["Where does the spoon go?"] * 500, [f"{text}{at + i}" for i in range(500)])
        peaks.append(tracemalloc.get_traced_memory()[1] / 1e6)
        tracemalloc.stop()
        print(f"learned, {n:,} responses: peak {peaks[-1]:.1f} MB (traced)")
    return peaks[1] / peaks[0]


def main() -> int:
    """Runs all; 1 if a figure is missed."""
    with tempfile.TemporaryDirectory() as folder:
        tries = [Path(folder) / str(i) for i in range(3)]
        for one in tries:
            one.mkdir()
        times = min(concurrency(one) for one in tries)
        growth = memory(Path(folder))
        slower, own_growth = learned(Path(folder))
    print(f"learned: {slower:.1f} x a list (at most {LEARNED_LIMIT}), memory {own_growth:.2f} x")
    return int(times > LIMIT or max(growth, own_growth) > 1.1 or slower > LEARNED_LIMIT)


if __name__ == "__main__":
    sys.exit(main())
