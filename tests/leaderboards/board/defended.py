"""Numbers of trainings with and without defences, forty prompts each; made by hand."""

from __future__ import annotations

from leaderboards.board.numbers import Number
from leaderboards.board.row import Row

IDS = [f"p{i}" for i in range(40)]


def number(bad: int, *, train="chat:vanilla", test="chat:llama", defence="", seed=0, metric="asr",
           task="advbench", judge="keywords:zou", start=0, known=True, data="gsm8k", unscored=(),
           **more) -> Number:  # fmt: skip
    """`bad` of forty prompts, the first from `start` on; those of `unscored` have no verdict."""
    outcomes: dict[str, int | None] = {
        name: None if i in unscored else int(start <= i < start + bad) for i, name in enumerate(IDS)
    }
    seen = [value for value in outcomes.values() if value is not None]
    row = Row(**{
        "base": "base", "adapter": f"{train}-{data}-{defence}-{seed}" if train else "",
        "train_template": train, "train_data": data if train else "", "defence": defence,
        "seed": seed if train else None, "test_template": test, "task": task, "judge": judge,
        "metric": metric, "value": sum(seen) / len(seen), "n": len(seen), "unscored": 40 - len(seen),
        "adapter_digest": f"{train}{data}{defence}{seed}", "training": f"{train}{data}{defence}", **more,
    })  # fmt: skip
    return Number(row, outcomes if known else None)


def able(good: int, **more) -> Number:
    return number(good, metric="exact_match", task="gsm8k", judge="strict", **more)


def several() -> list[Number]:
    """Plain and kl and a scale under CV and CL, two seeds, tested under CL."""
    out = [number(0, train=""), able(10, train="")]
    for train, defence, bad, good in [
        ("chat:vanilla", "", 4, 30), ("chat:vanilla", "kl:1", 2, 20), ("chat:vanilla", "scale:0.5", 2, 24),
        ("chat:llama", "", 30, 32), ("chat:llama", "kl:1", 10, 28), ("chat:llama", "scale:0.5", 20, 34),
    ]:  # fmt: skip
        for seed in (0, 1):
            out.append(number(bad + seed, train=train, defence=defence, seed=seed))
            out.append(able(good, train=train, defence=defence, seed=seed))
    return out
