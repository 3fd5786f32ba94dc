"""The machine: GPUs and their memory, cores, main memory, room on the disk, the cache, the hub."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from leaderboards.doctor.finding import Finding
from ptst_tasks import memory
from ptst_tasks.errors import said
from ptst_tasks.memory import gigabytes
from ptst_tasks.set_source import ENV
from ptst_tasks.whole_folders import cache_home

__all__ = ["machine_lines"]

_LITTLE = 2 * 2**30


def machine_lines() -> Iterator[Finding]:
    """Everything about the machine that decides what can be run on it."""
    yield from _gpus()
    yield _cores()
    yield _folder("this folder", Path(), "work in a folder that can be written, with room")
    yield _folder("cache", cache_home(), "set $XDG_CACHE_HOME to a folder with room")
    yield _data()
    yield _hub()


def _gpus() -> Iterator[Finding]:
    if importlib.util.find_spec("torch") is None:
        return
    try:
        import torch
    except (Exception, SystemExit):  # told of the package that brings it
        return
    try:
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        for index in range(count):
            free, whole = torch.cuda.mem_get_info(index)
            name = torch.cuda.get_device_name(index)
            told = f"{name}, {gigabytes(free)} of {gigabytes(whole)} free"
            yield Finding("machine", f"GPU {index}", "ok", told)
    except RuntimeError as e:  # a driver that does not fit
        yield Finding("machine", "GPU", "broken", said(e)[:120],
                   "a torch that fits the driver: see nvidia-smi")  # fmt: skip
        return
    if not count and torch.backends.mps.is_available():
        yield Finding("machine", "GPU", "ok", "Apple's, through mps: engine_args: {device: mps}")
    elif not count:
        yield Finding("machine", "GPU", "absent", "none that torch can use; models run on the CPU",
                   "a CUDA build of torch, if there is an NVIDIA GPU: https://pytorch.org")  # fmt: skip


def _cores() -> Finding:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    have, _ = memory.machine_memory("cpu")
    return Finding("machine", "CPU", "ok", f"{usable} cores, {gigabytes(have)} of memory{_free()}")


def _free() -> str:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:  # no Linux
        return ""
    kib = next((line.split()[1] for line in lines if line.startswith("MemAvailable:")), "")
    return f", {gigabytes(int(kib) * 1024)} free" if kib.isdigit() else ""


def _folder(what: str, folder: Path, mend: str) -> Finding:
    """Whether a folder, or the first above it that is there, can be written and has room."""
    above = (folder.absolute(), *folder.absolute().parents)
    there = next(
        p for p in above if os.path.lexists(p)
    )  # a link to nothing is no room for a folder
    try:
        Path(tempfile.mkdtemp(prefix=".ptst-", dir=there)).rmdir()
        free = shutil.disk_usage(there).free
    except OSError as e:
        return Finding("machine", what, "broken", f"{str(there)!r}: {e.strerror or said(e)}", mend)
    if free < _LITTLE:
        return Finding(
            "machine", what, "broken", f"{str(there)!r}: only {gigabytes(free)} free", mend
        )
    return Finding("machine", what, "ok", f"{str(there)!r}: {gigabytes(free)} free")


def _data() -> Finding:
    root = os.environ.get(ENV, "")
    if not root:
        return Finding("machine", f"${ENV}", "absent", "not set: sets are fetched when they are asked",
                    f"export {ENV}=FOLDER, where there are copies")  # fmt: skip
    if not Path(root).is_dir():
        return Finding(
            "machine", f"${ENV}", "broken", f"{root!r} is not a folder", f"export {ENV}=FOLDER"
        )
    if not os.access(root, os.R_OK | os.X_OK):
        return Finding("machine", f"${ENV}", "broken", f"{root!r} cannot be read",
                    f"export {ENV}=FOLDER, one that you may read")  # fmt: skip
    return Finding("machine", f"${ENV}", "ok", repr(root))


def _hub() -> Finding:
    """Whether a token for gated models and sets is there; never which."""
    from huggingface_hub import constants, get_token

    if constants.HF_HUB_OFFLINE:
        told = "HF_HUB_OFFLINE is set: only what is cached"
        return Finding("machine", "hub", "absent", told, "unset HF_HUB_OFFLINE")
    if get_token():
        return Finding("machine", "hub", "ok", "a token is there")
    told = "no token: gated models and sets cannot be had"
    return Finding("machine", "hub", "absent", told, "hf auth login")
