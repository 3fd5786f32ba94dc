"""What a device is asked: its name, its clock, its memory, and how fast it copies."""

from __future__ import annotations

import contextlib
import datetime
import gc
import os
import platform
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from ptst_tasks.digests import peak_memory

ROOT = Path(__file__).parents[2]
_CLEAR = Path("/proc/self/clear_refs")


class Machine:
    """One device, and what is measured on it.

    Attributes:
        device: ``cuda`` or ``cpu``.
    """

    def __init__(self) -> None:
        import torch

        self.device = "cuda" if torch.cuda.is_available() else "cpu"

    @property
    def gpu(self) -> bool:
        """Whether it is one."""
        return self.device == "cuda"

    def head(self, commit: str = "") -> dict[str, str]:
        """What a table says of the machine that it was measured on."""
        import peft
        import torch
        import transformers
        import trl

        asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        name = f"CPU, {os.cpu_count()} cores, {torch.get_num_threads()} threads"
        return {
            "device": torch.cuda.get_device_name(0) if self.gpu else name,
            "memory": f"{gib(torch.cuda.get_device_properties(0).total_memory)} GiB"
            if self.gpu
            else "",
            "driver": (_said(asked).splitlines() or ["not known"])[0] if self.gpu else "none",
            "cuda": str(torch.version.cuda or "none"),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "peft": peft.__version__,
            "trl": trl.__version__,
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "commit": commit or _commit(),
        }

    def now(self) -> float:
        """Seconds, when all that was asked of the device is done."""
        if self.gpu:
            import torch

            torch.cuda.synchronize()
        return time.perf_counter()

    def start_peak(self) -> None:
        """Forgets the largest memory so far; what Linux keeps for a CPU too."""
        if self.gpu:
            import torch

            torch.cuda.reset_peak_memory_stats()
        else:
            with contextlib.suppress(OSError):
                _CLEAR.write_text("5")

    def peak(self) -> int:
        """Largest memory in bytes: of tensors on a GPU, of the whole process on a CPU."""
        return peak_memory()

    def free(self) -> None:
        """Gives back what nobody holds any more."""
        gc.collect()
        if self.gpu:
            import torch

            torch.cuda.empty_cache()

    def bandwidth(self, size: int, rounds: int = 10) -> float:
        """Bytes read and written per second by a copy of `size` bytes within the device."""
        import torch

        source = torch.ones(size, dtype=torch.uint8, device=self.device)
        target = torch.empty_like(source)
        best = 0.0
        for _ in range(3):
            start = self.now()
            for _ in range(rounds):
                target.copy_(source)
            best = max(best, 2 * size * rounds / (self.now() - start))
        return best


def check_room(folder: str, model: Any) -> None:
    """Makes sure that a model can be written.

    Raises:
        ConfigError: If the disk is too small.
    """
    from ptst_tasks.errors import ConfigError

    free, wanted = shutil.disk_usage(folder).free, size_of(model) * 11 // 10
    if free < wanted:
        raise ConfigError(
            f"not measured: {gib(wanted)} GiB are needed in {folder!r} ($TMPDIR), {gib(free)} are free"
        )


def gib(size: float) -> str:
    """A size as tables have it."""
    return f"{size / 2**30:.1f}"


def set_up(small: bool) -> None:
    """One GPU, no network, no more threads than this machine's neighbours can bear."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")  # with two, the trainer would split batches
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import datasets
    import torch
    from transformers.utils import logging

    datasets.disable_progress_bars()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    if small and not torch.cuda.is_available():
        torch.set_num_threads(min(2, os.cpu_count() or 1))


def size_of(model: Any) -> int:
    """Bytes of the weights."""
    return sum(p.numel() * p.element_size() for p in model.parameters())


def _commit() -> str:
    head = _said(["git", "-C", str(ROOT), "rev-parse", "HEAD"]).strip()
    changed = _said(["git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no"])
    return (head + (", with changes" if changed.strip() else "")) if head else "not known"


def _said(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
