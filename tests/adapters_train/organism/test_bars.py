"""The bars of a build."""

from __future__ import annotations

from adapters_train import organism


def test_bars_show_the_loss(capsys):
    with organism.show_progress() as progress:
        progress("pretrain", 5, 10, 1.25)
    assert "loss 1.250" in capsys.readouterr().err
