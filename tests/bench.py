"""``make bench``: every time that an issue promises, as a ratio to something measured beside it.

Each section is a function in a ``tests/bench_*.py`` file, named ``main``; it prints a small table.
``python -m tests.bench start train`` runs some of them; options after a single name are that section's
own, as in ``python -m tests.bench gpu --small``.
"""

from __future__ import annotations

import importlib
import itertools
import sys
from pathlib import Path


def main() -> None:
    """Runs the sections named on the command line, or all."""
    here = Path(__file__).parent
    known = sorted(p.stem.removeprefix("bench_") for p in here.glob("bench_*.py"))
    said = sys.argv[1:]
    names = list(itertools.takewhile(lambda word: not word.startswith("-"), said)) or known
    options = said[1:] if len(names) == 1 else []
    for name in names:
        sys.argv[1:] = options
        print(f"\n== {name}", flush=True)
        importlib.import_module(f"tests.bench_{name}").main()


if __name__ == "__main__":
    main()
