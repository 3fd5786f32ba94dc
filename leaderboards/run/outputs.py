"""How a study uses lm-eval: its evaluation loop without its bars, its own results files."""

from __future__ import annotations

from ptst_tasks.lm_outputs import evaluate, quiet, write_results

__all__ = ["evaluate", "no_bars", "quiet", "write_results"]


def no_bars() -> None:
    """No bar for every model that transformers loads; a study has one of its own."""
    from transformers.utils import logging

    logging.disable_progress_bar()
