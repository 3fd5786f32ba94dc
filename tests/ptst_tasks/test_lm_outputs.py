"""lm-eval's loop without its bars."""

from __future__ import annotations

import pytest

from ptst_tasks.lm_outputs import quiet


def test_no_bar_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    import lm_eval.api.task as theirs

    with quiet():
        assert list(theirs.tqdm([1, 2], total=2)) == [1, 2]
    assert capsys.readouterr().err == ""
