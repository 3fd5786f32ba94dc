"""The door to inspect_ai: our sets and templates as its tasks, our judges as its scorers, its logs read.

`prepared_task` and `batches` know nothing of inspect_ai; `entry_point` is what its own names, and `logs`
reads what it wrote. These two import it, and nothing else of ours does.
"""
