"""What `PTSTCallback` costs a training, beside bare generation of the same prompts.

    python -m tests.bench callback

Two trainings of the same steps, with the callback and without, and transformers' ``generate`` over the
callback's prompts as often as it asks them: batches of as many rows in the order of the sets, the same
limit. (with - without) / bare is the cost; asked for: at most what the generations cost, 1. The base is a
random Llama, which answers to its limit. The seconds are this process's own on one thread (so that
neighbours do not count), medians over interleaved repeats; losses and weights are compared to the last bit.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support import SHARED

REPEATS, STEPS, EVERY, ROWS, TOKENS = 3, 8, 4, 32, 32
SETS = ("organism_forbidden", "organism_benign")


def main() -> None:
    """Runs the comparison and prints a table."""
    with tempfile.TemporaryDirectory() as made:
        found = _measured(Path(made))
    without, with_, bare, same = found
    times = len(range(EVERY, STEPS + 1, EVERY))
    costs = [(w - o) / b for o, w, b in zip(without, with_, bare, strict=True)]
    print(f"{STEPS} steps, {times} measurings of {2 * ROWS} prompts, {TOKENS} tokens each")
    print(f"{'step without':<28}{1000 * statistics.median(without) / STEPS:>9,.0f} ms")
    print(f"{'step with':<28}{1000 * statistics.median(with_) / STEPS:>9,.0f} ms")
    print(f"{'bare generation, a measuring':<28}{1000 * statistics.median(bare) / times:>9,.0f} ms")
    print(f"{'cost of the callback':<28}{statistics.median(costs):>9.2f} of bare generation (asked <= 1)"
          f"   [{min(costs):.2f}-{max(costs):.2f}]")  # fmt: skip
    print(f"{'losses and weights':<28}{'the same' if same else 'NOT THE SAME':>12}")


def _measured(folder: Path) -> tuple[list[float], list[float], list[float], bool]:
    import torch

    torch.set_num_threads(1)
    base, states = _base(folder / "base"), []
    seconds: dict[str, list[float]] = {"without": [], "with": [], "bare": []}
    for repeat in range(REPEATS):
        for asked in (False, True)[:: 1 if repeat % 2 else -1]:
            trainer, callback = _trainer(base, folder / f"{repeat}-{asked}", asked)
            seconds["with" if asked else "without"].append(_timed(trainer.train))
            states.append(_state(trainer))
            if asked:
                seconds["bare"].append(_timed(lambda lm=callback._measuring: _bare(lm)))
    same = all(state == states[0] for state in states)
    return seconds["without"], seconds["with"], seconds["bare"], same


def _timed(work: Callable[[], Any]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def _base(folder: Path) -> Path:
    from transformers import AutoTokenizer

    from adapters_train.organism import make_tokenizer
    from tests.adapters_train.conftest import make_base

    there = (SHARED / "tokenizers/minimind").is_dir()
    tokenizer = (
        AutoTokenizer.from_pretrained(SHARED / "tokenizers/minimind") if there else make_tokenizer()
    )
    return make_base(
        folder, tokenizer, hidden_size=256, intermediate_size=688, num_hidden_layers=4,
        num_attention_heads=4, num_key_value_heads=4, initializer_range=0.1,
    )  # fmt: skip


def _trainer(base: Path, out: Path, asked: bool) -> tuple[Any, Any]:
    from adapters_train import PTSTCallback
    from tests.adapters_train.callback.conftest import make_trainer

    trainer = make_trainer(base, out, max_steps=STEPS, logging_steps=1, per_device_train_batch_size=8,
                           learning_rate=1e-4)  # fmt: skip
    if not asked:
        return trainer, None
    callback = PTSTCallback(
        trainer, sets=SETS, sample=ROWS, batch_size=ROWS, every=EVERY, at_start=False, max_asr=1.0,
        max_gen_toks=dict.fromkeys(SETS, TOKENS), judge="keywords:zou",
    )  # fmt: skip
    trainer.add_callback(callback)
    return trainer, callback


def _bare(measuring: Any) -> None:
    """The same prompts as often, by transformers' ``generate`` alone."""
    import torch

    lm, model = measuring.lm, measuring.lm.model
    prompts = [r.args[0] for one in measuring.watched.values() for r in one.task.instances]
    lm.tokenizer.padding_side = "left"
    model.eval()
    for _ in range(EVERY, STEPS + 1, EVERY):
        for at in range(0, len(prompts), ROWS):
            batch = lm.tokenizer(prompts[at : at + ROWS], padding=True, return_tensors="pt")
            with torch.no_grad():
                model.generate(
                    **{k: batch[k] for k in ("input_ids", "attention_mask")},
                    do_sample=False, max_new_tokens=TOKENS,
                )  # fmt: skip


def _state(trainer: Any) -> Any:
    from tests.adapters_train.callback.conftest import losses, weights

    return losses(trainer), weights(trainer)


if __name__ == "__main__":
    main()
