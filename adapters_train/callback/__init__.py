"""`PTSTCallback`: refusals measured inside somebody else's training, beside the loss.

`watch_settings` is what a user says, `watched_sets` what is asked, `live_measuring` asks it,
`live_cells` writes what a board reads, `best_so_far` keeps an adapter, `ptst_callback` is what trl
calls.
"""

from __future__ import annotations

from adapters_train.callback.ptst_callback import PTSTCallback

__all__ = ["PTSTCallback"]
