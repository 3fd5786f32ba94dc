"""Whether packages can be imported: tried in a process of its own, which they may disturb or end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping

__all__ = ["import_faults"]

_TRY = """
import importlib, json, os, sys, warnings
told = os.fdopen(os.dup(1), "w")
nowhere = os.open(os.devnull, os.O_WRONLY)
os.dup2(nowhere, 1)
os.dup2(nowhere, 2)
warnings.simplefilter("ignore")
for module in json.loads(sys.argv[1]):
    print(json.dumps([module, None]), file=told, flush=True)
    try:
        importlib.import_module(module)
        why = ""
    except BaseException as e:
        why = f"{type(e).__name__}: {e}"
    print(json.dumps([module, why]), file=told, flush=True)
os._exit(0)
"""


def import_faults(modules: tuple[str, ...]) -> Mapping[str, str]:
    """Module -> why it cannot be imported, on one line; empty if it can.

    What a module prints, in C too, is shown to nobody. One that ends its process, as by a fault in C, is
    told by the exit code, and the others are tried in another process.
    """
    found: dict[str, str] = {}
    while left := [module for module in modules if module not in found]:
        path = os.pathsep.join(filter(None, sys.path))
        done = subprocess.run(
            [sys.executable, "-c", _TRY, json.dumps(left)], stdin=subprocess.DEVNULL, capture_output=True,
            text=True, encoding="utf-8", errors="replace", env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
        begun = dict(json.loads(line) for line in done.stdout.splitlines())
        if not begun:  # not one: Python itself does not start
            begun = dict.fromkeys(left)
        ended = f"it ends its process, exit code {done.returncode}"
        found |= {
            name: ended if why is None else " ".join(why.split()) for name, why in begun.items()
        }
    return found
