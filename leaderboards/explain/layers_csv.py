"""What was explained as a CSV of every layer, and as a table of the layer that tells most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields

from leaderboards.board.rendering import csv_text
from leaderboards.board.tables import NO_FT, short
from leaderboards.explain.directions import Measure
from leaderboards.explain.explaining import Explained
from ptst_tasks.provenance import Adapter

__all__ = ["COLUMNS", "HEADER", "LEGEND", "csv_of", "lines"]

_NUMBERS = tuple(field.name for field in fields(Measure))
COLUMNS = ("base", "adapter", "train_template", "defence", "seed", "test_template", *_NUMBERS,
           "n_harmful", "n_harmless", "harmful", "harmless", "prompts", "base_digest",
           "adapter_digest", "dtype", "versions")  # fmt: skip
HEADER = ("trained under", "defence", "seed", "tested under", "layer", "separation (± 2 s.e.)",
          "shift (± 2 s.e.)", "cosine")  # fmt: skip

LEGEND = (
    "Separation and shift are along the base's own direction under the same test template, in units of its "
    "distance (1 kept, 0 lost), at the layer where the base tells the two kinds apart best."
)


def csv_of(
    found: Sequence[Explained], facts: Mapping[str, str], prompts: Mapping[str, str],
    adapters: Mapping[str, Adapter],
) -> str:  # fmt: skip
    """The file's text; the same from the same states.

    Args:
        found: What was measured.
        facts: ``base``, ``base_digest``, ``harmful``, ``harmless``, ``dtype`` and ``versions``.
        prompts: Digest of both kinds' token ids by test template.
        adapters: What identifies each adapter, by name.
    """
    rows = [list(COLUMNS)]
    for one in found:
        plan = one.plan
        digest = adapters[plan.name].weights if plan.name else ""
        for layer in one.layers:
            numbers = [_number(getattr(layer, name)) for name in _NUMBERS]
            rows.append([
                facts["base"], plan.name, plan.train_template, _defence(one),
                "" if plan.seed is None else str(plan.seed), one.test, *numbers, str(one.n_harmful),
                str(one.n_harmless), facts["harmful"], facts["harmless"], prompts[one.test],
                facts["base_digest"], digest, facts["dtype"], facts["versions"],
            ])  # fmt: skip
    return csv_text(rows)


def lines(found: Sequence[Explained]) -> list[list[str]]:
    """A line for each model and test template, under `HEADER`."""
    return [list(HEADER), *(_line(one) for one in found)]


def _line(one: Explained) -> list[str]:
    plan, at = one.plan, one.at_best
    named = short(plan.train_template) or plan.name or NO_FT
    return [
        named, _defence(one) or "–", "–" if plan.seed is None else str(plan.seed), short(one.test),
        str(at.layer), f"{at.separation:.2f} ± {2 * at.separation_se:.2f}",
        f"{round(at.shift, 2) + 0.0:+.2f} ± {2 * at.shift_se:.2f}", f"{at.cosine:.2f}",
    ]  # fmt: skip


def _defence(one: Explained) -> str:
    return "" if one.plan.defence == "none" else one.plan.defence


def _number(value: float) -> str:
    return (
        str(value)
        if isinstance(value, int)
        else f"{value + 0.0:.6f}".replace("-0.000000", "0.000000")
    )
