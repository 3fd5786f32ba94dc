"""Start-up: ``ptst validate`` on one set, beside importing lm_eval's tasks alone."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support import write_data

RUNS = 5
IMPORT = "import lm_eval.tasks, lm_eval.api.task"
VALIDATE = "from leaderboards.cli.app import main; main(['validate', '--set', 'gsm8k'])"


def seconds(code: str, env: dict[str, str]) -> float:
    """Wall time of one fresh interpreter."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Prints both medians; the promise is at most 3 s more than the import."""
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "PTST_DATA_DIR": str(write_data(Path(folder))), "HF_HUB_OFFLINE": "1"}
        pairs = [(seconds(IMPORT, env), seconds(VALIDATE, env)) for _ in range(RUNS)]
    base, ours = (statistics.median(x) for x in zip(*pairs, strict=True))
    print(f"import lm_eval {base:.2f} s, ptst validate --set gsm8k {ours:.2f} s: {ours - base:+.2f} s "
          f"(at most +3), ratio {ours / base:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
