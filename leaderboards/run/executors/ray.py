"""``executor: ray``: the tasks of a study on a Ray cluster, or on a Ray of this machine alone."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from leaderboards.run.executor_args import RayArgs
from leaderboards.run.executors.worker import Order, Result, measure
from ptst_tasks.errors import ConfigError

__all__ = ["results"]

_TRY = 10  # seconds; Ray itself would try for minutes, and then end the process
_LOOK = 1.0  # seconds between two looks, so that an interrupt is heard soon


def results(orders: list[Order], args: RayArgs) -> Generator[tuple[Order, Result], None, None]:
    """Yields every order with its result, as they finish.

    Raises:
        ConfigError: If Ray is not installed, cannot be reached, or can never run these tasks.
    """
    with _connected(args) as ray:
        resources = _resources(ray, args)
        # One task per process where there are GPUs: CUDA keeps to the first device it was given.
        alone = 1 if resources["num_gpus"] else 0
        task = ray.remote(max_calls=alone)(measure).options(
            name="ptst", max_retries=args.retries, **resources
        )
        running = {task.remote(order): order for order in orders}
        try:
            while running:
                for ref in ray.wait(list(running), num_returns=1, timeout=_LOOK)[0]:
                    yield running.pop(ref), _result(ray, ref, args)
        finally:
            for ref in running:
                ray.cancel(ref, force=True)


@contextmanager
def _connected(args: RayArgs) -> Iterator[Any]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise ConfigError("executor 'ray' needs an extra: pip install 'ptst[ray]'") from None
    if ray.is_initialized():  # the caller's own
        yield ray
        return
    address = args.address or os.environ.get("RAY_ADDRESS") or "local"
    _reach(address)
    local: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **local)
    except (Exception, SystemExit) as e:  # Ray ends the process where it finds nobody
        why = " ".join(str(e).split())
        raise ConfigError(
            f"Ray at {address!r} cannot be used: {why[:300]} (a cluster that wants a token: set "
            "RAY_AUTH_MODE=token and copy its ~/.ray/auth_token here)"
        ) from None
    with _quiet(ray):
        try:
            yield ray
        finally:
            ray.shutdown()


def _quiet(ray: Any) -> Any:
    """Ray prints the log of a node that died on stdout, and has no public switch for that."""
    return mock.patch.object(ray._private.worker, "_worker_logs_enabled", False, create=True)


def _reach(address: str) -> None:
    host, _, port = address.rpartition("//")[2].rpartition(":")
    if not (host and port.isdigit()):
        return  # auto, local: no place to knock at
    try:
        socket.create_connection((host, int(port)), _TRY).close()
    except OSError as e:
        raise ConfigError(
            f"no Ray cluster answers at {address!r} ({e}); start one with 'ray start --head' and "
            "see executor_args.address and $RAY_ADDRESS"
        ) from None


def _resources(ray: Any, args: RayArgs) -> dict[str, Any]:
    nodes = [n["Resources"] for n in ray.nodes() if n["Alive"]]
    gpus = args.gpus if args.gpus is not None else float(any(n.get("GPU") for n in nodes))
    memory = args.mem_gb * 1e9 if args.mem_gb else 0
    wanted = {"CPU": args.cpus, "GPU": gpus, "memory": memory}
    if not args.autoscale and not any(
        all(node.get(k, 0) >= v for k, v in wanted.items()) for node in nodes
    ):
        most = {k: max((n.get(k, 0) for n in nodes), default=0) for k in wanted}
        raise ConfigError(
            f"no node of the Ray cluster has what a task asks for: {_told(wanted)}; the most on "
            f"one node: {_told(most)}; lower executor_args, or set autoscale if nodes join later"
        )
    return {"num_cpus": args.cpus, "num_gpus": gpus, **({"memory": memory} if memory else {})}


def _told(amounts: dict[str, float]) -> str:
    cpus, gpus, memory = amounts.values()
    return f"{cpus:g} CPUs, {gpus:g} GPUs, {memory / 1e9:.1f} GB"


def _result(ray: Any, ref: Any, args: RayArgs) -> Result:
    try:
        result: Result = ray.get(ref)
    except ray.exceptions.RayTaskError as e:  # no error of a user's
        return Result(error=f"{type(e.cause).__name__}: {' '.join(str(e.cause).split())}")
    except ray.exceptions.RayError as e:
        return Result(
            error=f"its worker died ({type(e).__name__}), and was tried again {args.retries} times; "
            "Ray's logs on the node say why (too little memory is told with executor_args.mem_gb)"
        )
    return result
