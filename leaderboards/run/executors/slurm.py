"""``executor: slurm``: the tasks of a study as SLURM jobs, through submitit."""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from leaderboards.run.executor_args import SlurmArgs
from leaderboards.run.executors.worker import Order, Result, measure
from ptst_tasks.errors import ConfigError

__all__ = ["results"]

_LOOK = 1.0  # seconds between two looks at the jobs; submitit asks SLURM itself less often


def results(
    orders: list[Order], args: SlurmArgs, folder: Path
) -> Generator[tuple[Order, Result], None, None]:
    """Yields every order with its result, as their jobs finish.

    Args:
        orders: What is to be done.
        args: How.
        folder: For the jobs' scripts, logs and results; all nodes must see it.

    Raises:
        ConfigError: If submitit is not installed, or this is no machine of a SLURM cluster.
    """
    executor, running = _executor(args, folder), list[tuple[Any, Order, int]]()
    try:
        for order in orders:
            running.append((_submit(executor, order), order, args.retries))
        while running:
            if not (ended := [one for one in running if one[0].done()]):
                time.sleep(_LOOK)
            for job, order, left in ended:
                result = _result(job)
                _remove_pickles(job)
                running.remove((job, order, left))
                if result is None and left:
                    try:
                        running.append((_submit(executor, order), order, left - 1))
                    except ConfigError as e:
                        yield order, Result(error=str(e))
                else:
                    yield order, result or _died(job, args)
    finally:
        for job, _, _ in running:
            job.cancel(check=False)


def _submit(executor: Any, order: Order) -> Any:
    from submitit.core.utils import FailedJobError

    try:
        return executor.submit(measure, order)
    except FailedJobError as e:
        raise ConfigError(
            f"SLURM does not take a job: {' '.join(str(e).split())[:300]}; see executor_args"
        ) from None


def _executor(args: SlurmArgs, folder: Path) -> Any:
    try:
        import submitit
    except ImportError:
        raise ConfigError("executor 'slurm' needs an extra: pip install 'ptst[slurm]'") from None
    try:
        executor = submitit.AutoExecutor(folder.absolute(), cluster=args.cluster)
    except RuntimeError as e:
        raise ConfigError(
            f"SLURM cannot be used here: {' '.join(str(e).split())}; start the study on a login "
            "node, or set executor_args.cluster to 'local' to try it"
        ) from None
    asked = {
        "mem_gb": args.mem_gb,
        "slurm_partition": args.partition,
        "slurm_account": args.account,
        "slurm_additional_parameters": args.extra,
    }
    executor.update_parameters(
        name="ptst",
        timeout_min=args.timeout_min,
        cpus_per_task=args.cpus,
        gpus_per_node=args.gpus,
        **{name: value for name, value in asked.items() if value},
    )
    return executor


def _result(job: Any) -> Result | None:
    """What a job brought; None if its process died."""
    from submitit.core.utils import FailedJobError, UncompletedJobError

    try:
        result: Result = job.result()
    except FailedJobError as e:  # no error of a user's; the last line of the trace says what
        return Result(error=str(e).strip().rpartition("\n")[2] or type(e).__name__)
    except UncompletedJobError:
        return None
    return result


def _died(job: Any, args: SlurmArgs) -> Result:
    return Result(
        error=f"its job died, and was tried again {args.retries} times; the last one's log: "
        f"{job.paths.stderr}"
    )


def _remove_pickles(job: Any) -> None:
    """They hold whole adapters, which are at home by now; the logs stay."""
    for file in (job.paths.submitted_pickle, job.paths.result_pickle):
        file.unlink(missing_ok=True)
