"""Which columns keep numbers apart."""

from __future__ import annotations

from leaderboards.board import differences
from leaderboards.board.row import COLUMNS


def test_every_column_but_those_that_seeds_move_keeps_numbers_apart() -> None:
    """A column that is added to the CSV is a condition unless it is listed here."""
    moved = {"adapter", "adapter_digest", "seed", "decoding_seed"}
    place = {"base", "task", "judge", "metric", "train_template", "test_template", "step"}
    result = {
        "value",
        "ci_low",
        "ci_high",
        "n",
        "unscored",
        "error",
        "people",
        "people_low",
        "people_high",
        "labelled",
        "people_by",
        "judge_kappa",
        "cell",
        "date",
        "ptst_version",
    }
    apart = set(differences.ALIKE) | set(differences.TRAINED)
    assert set(COLUMNS) - apart == moved | place | result
