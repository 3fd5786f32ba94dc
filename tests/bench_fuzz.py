"""10,000 examples of every fuzz test; `make test` runs 200."""

from __future__ import annotations

import os
import subprocess
import sys


def main() -> None:
    """Runs them; ends with the exit code of the tests."""
    env = {**os.environ, "PTST_FUZZ": "10000"}
    command = [sys.executable, "-m", "pytest", "-q", "-k", "test_fuzz_", "--durations=20", "tests"]
    subprocess.run(command, env=env, check=True)


if __name__ == "__main__":
    main()
