"""What a study's ``executor_args`` may say, per executor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ptst_tasks.errors import ConfigError, one_line

__all__ = ["Args", "RayArgs", "SlurmArgs", "read_args"]


class Args(BaseModel):
    """What all executors that spread a study's adapters have in common.

    Attributes:
        cpus: CPU cores per task.
        mem_gb: Memory per task in gigabytes; None asks for nothing.
        adapters_per_task: Raise it where loading the base takes longer than measuring an adapter. What is
            made of one training (`adapters_train.derived`) stays together, and may be more.
        retries: How often a task whose worker died is begun again; -1 for ever.
        scratch: Folder for work in progress, on every node; empty for the node's temporary
            folder. In a shared one, a task goes on where its dead worker stopped.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    cpus: int = Field(default=1, gt=0)
    mem_gb: float | None = Field(default=None, gt=0)
    adapters_per_task: int = Field(default=1, gt=0)
    retries: int = Field(default=3, ge=-1)
    scratch: str = ""


class RayArgs(Args):
    """Of ``executor: ray``.

    Attributes:
        address: ``HOST:PORT``, ``auto`` or ``ray://HOST:PORT``; empty for ``$RAY_ADDRESS``, or else
            a Ray of its own on this machine.
        gpus: GPUs per task, may be a share of one; None for 1 if the cluster has any.
        autoscale: Nodes may join later: ask even for more than any node has now.
    """

    address: str = ""
    gpus: float | None = Field(default=None, ge=0)
    autoscale: bool = False


class SlurmArgs(Args):
    """Of ``executor: slurm``; the run's folder must be on a shared file system.

    Attributes:
        cluster: ``slurm``, or ``local`` for processes on this machine.
        gpus: GPUs per task.
        timeout_min: Time limit of a task.
        partition, account: As in ``sbatch``; empty for the user's own.
        extra: More of ``sbatch``'s options, by name.
    """

    cluster: Literal["slurm", "local"] = "slurm"
    gpus: int = Field(default=1, ge=0)
    timeout_min: int = Field(default=240, gt=0)
    partition: str = ""
    account: str = ""
    extra: dict[str, Any] = {}


_MODELS: dict[str, type[Args]] = {"ray": RayArgs, "slurm": SlurmArgs}


def read_args(executor: str, given: Mapping[str, Any]) -> Args | None:
    """Checks a study's ``executor_args``; None for ``local``, which has none.

    Raises:
        ConfigError: On an unknown name, with a near miss, or a wrong value.
    """
    if executor not in _MODELS:
        if given:
            names = ", ".join(sorted(given))
            raise ConfigError(
                f"executor_args: {names} given, but executor {executor!r} has none; expected "
                f"executor: {' or '.join(_MODELS)}"
            )
        return None
    model = _MODELS[executor]
    try:
        return model(**given)
    except ValidationError as e:
        fields = tuple(model.model_fields)
        raise ConfigError(f"executor_args of {executor!r}: {one_line(e, fields)}") from None
