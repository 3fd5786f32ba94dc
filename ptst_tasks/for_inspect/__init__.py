"""The door to inspect_ai: our sets and templates as its tasks, our judges as its scorers, its logs read.

`asking` and `batches` know nothing of inspect_ai; `registry` is what its entry point names, and `logs`
reads what it wrote. These two import it, and nothing else of ours does.
"""
