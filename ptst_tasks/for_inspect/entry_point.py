"""What inspect_ai's entry point `ptst` names: a task for each set, and the scorers.

inspect eval ptst/advbench -T template=CL --model vllm/BASE:ADAPTER
"""

from ptst_tasks.for_inspect import scorers, tasks

__all__ = ["scorers", "tasks"]
