"""What a GPU does with a 7B model, and with two small ones, in at most nine minutes.

    python -m tests.bench gpu                      # on a GPU: the models' real sizes
    python -m tests.bench gpu --small              # on a CPU: stand-ins, under three minutes
    python -m tests.bench gpu --models FOLDER      # GGUF files or model folders, for the comparison

Needs nothing from a network: weights are random, drawn on the device, but for `--models`. Parts run in
the order of their worth, each with a time of its own; what did not fit is named. ``gpu.md`` and
``gpu.json`` go to ``--out`` (``build``), written anew after every part. Prints:

* training tokens/s and peak memory of `ptst train`'s trainer beside bare trl on the same rows, of which
  at least 0.97 is asked;
* generation tokens/s of engine hf with two adapters beside bare ``generate``, and beside what the
  memory's measured bandwidth allows: a step reads the weights and the KV cache once;
* greedy answers of engine hf on GPU and CPU;
* hours of the paper's Table 1 from these.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.gpu import agreeing, generating, projecting, shapes, training
from tests.gpu.machine import ROOT, Machine, set_up
from tests.gpu.report import Part, Report, Row, run_parts

LAST = 25.0
"""Seconds kept for the projection and for going home."""


def main() -> None:
    """Measures, prints and writes the tables."""
    begun = time.monotonic()
    asked = _asked()
    set_up(asked.small or asked.tiny)
    machine = Machine()
    size = shapes.SIZES[
        "tiny" if asked.tiny else "small" if asked.small or not machine.gpu else "full"
    ]
    report = Report(machine.head(asked.commit), Path(asked.out))
    if size.name != "full":
        why = "" if machine.gpu else "no GPU here; "
        report.say(
            f"{why}size {size.name!r}: stand-ins for the models, to show that the script works"
        )
    with tempfile.TemporaryDirectory() as folder:
        _measure(asked, size, machine, report, begun + 60 * asked.minutes, Path(folder))
    report.write()
    print("\n" + report.markdown())
    if report.faults:
        raise SystemExit(f"failed: {', '.join(report.faults)}")


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench gpu", description="GPU lines")
    parser.add_argument("--small", action="store_true", help="stand-ins, as where there is no GPU")
    parser.add_argument("--tiny", action="store_true", help="smaller still, for a test")
    parser.add_argument("--out", default=str(ROOT / "build"), help="folder of gpu.md and gpu.json")
    parser.add_argument("--models", help="folder with *.gguf or model folders, to compare answers")
    parser.add_argument("--minutes", type=float, default=9.0, help="at most so long")
    parser.add_argument("--commit", default="", help="of this checkout, where git cannot say")
    asked = parser.parse_args()
    if asked.models and not any(agreeing.real(Path(asked.models))):
        parser.error(f"--models {asked.models!r} holds no *.gguf and no folder with a config.json")
    return asked


def _measure(
    asked: argparse.Namespace, size: shapes.Size, machine: Machine, report: Report, end: float, folder: Path
) -> None:  # fmt: skip
    rows, told = shapes.data(folder, 2 * size.counted)
    report.say(f"rows: {told}")
    questions, texts = _texts(rows)
    learnt = shapes.learn(texts)
    tokenizers = {s.name: shapes.make_tokenizer(learnt, s.vocabulary) for s in size.shapes}
    prompts = [f"[INST] Question: {question} [/INST]" for question in questions]
    parts = _parts(asked, size, machine, rows, prompts, tokenizers, report)
    run_parts(parts, report, end - LAST, machine.free)
    llama = size.shapes[0]
    projection = functools.partial(
        projecting.projected, tokenizers[llama.name], rows, size.counted,
        _of(report, training.TABLE, f"{llama.name}, bf16"), _of(report, generating.TABLE, llama.name),
    )  # fmt: skip
    run_parts([Part(projecting.TABLE, "projection", LAST, projection)], report, end, machine.free)
    whose = "" if size.name == "full" else f"it is of the {llama.name}, no 7B; "
    report.say(
        f"projection: {whose}leaves out judges, which are asked over a network, and loading; tokens/s of "
        f"answers are those of {size.new} new tokens after a prompt; a training row's tokens are counted "
        "with the tokenizer made on the spot"
    )


def _texts(rows: str) -> tuple[list[str], list[str]]:
    """Questions to ask, and all texts to make a tokenizer of."""
    from adapters_train.data import load_set

    examples = load_set(rows).examples
    questions = [e.query for e in examples[:512]]
    return questions, [text for e in examples for text in (e.query, e.answer)]


def _of(report: Report, table: str, model: str) -> list[Row]:
    return [row for row in report.tables.get(table, []) if row["model"] == model]


def _parts(
    asked: argparse.Namespace, size: shapes.Size, machine: Machine, rows: str, prompts: list[str],
    tokenizers: dict[str, Any], report: Report,
) -> list[Part]:  # fmt: skip
    """All parts, the most wanted first."""
    copied: list[float] = []
    llama, smollm, qwen = size.shapes

    def bandwidth(table: list[Row]) -> None:
        speed = machine.bandwidth(size.copied)
        copied.append(speed)
        table.append({"what": f"copy of {size.copied >> 20} MiB within the device, read and written",
                      "GB/s": speed / 1e9})  # fmt: skip

    def train(shape: shapes.Shape, seconds: float) -> Part:
        run = functools.partial(
            training.trained, shape, size, machine, tokenizers[shape.name], rows
        )
        return Part(training.TABLE, f"train {shape.name}", seconds, run)

    def generate(shape: shapes.Shape, seconds: float, batch: int) -> Part:
        run = functools.partial(
            generating.generated,
            shape,
            size,
            batch,
            machine,
            tokenizers[shape.name],
            prompts,
            copied,
        )
        return Part(generating.TABLE, f"generate {shape.name}, batch {batch}", seconds, run)

    random = functools.partial(
        agreeing.compared_random, smollm, size, machine, tokenizers[smollm.name], prompts
    )
    parts = [
        Part("Memory", "bandwidth", 15, bandwidth),
        train(llama, 120),
        generate(llama, 80, size.rows),
        generate(llama, 60, size.few),
        Part(agreeing.TABLE, "answers, random weights", 60, random),
        train(smollm, 60),
        generate(smollm, 50, size.rows),
        train(qwen, 60),
        generate(qwen, 50, size.rows),
        *_real(asked, size, machine, prompts),
    ]
    return [*parts, *_optional(size, machine, rows, prompts, tokenizers, report)]


def _real(
    asked: argparse.Namespace, size: shapes.Size, machine: Machine, prompts: list[str]
) -> list[Part]:
    found = agreeing.real(Path(asked.models)) if asked.models else ()
    return [
        Part(agreeing.TABLE, f"answers, {place.name}", 60,
             functools.partial(agreeing.compared_real, place, size, machine, prompts))
        for place in found
    ]  # fmt: skip


def _optional(
    size: shapes.Size, machine: Machine, rows: str, prompts: list[str], tokenizers: dict[str, Any],
    report: Report,
) -> list[Part]:  # fmt: skip
    """What needs packages that most machines lack; those are named."""
    llama, parts = size.shapes[0], []
    tokenizer = tokenizers[llama.name]
    if machine.gpu and importlib.util.find_spec("bitsandbytes"):
        run = functools.partial(training.trained_4bit, llama, size, machine, tokenizer, rows)
        parts.append(Part(training.TABLE, f"train {llama.name} in 4 bits", 120, run))
    else:
        report.say("4-bit training: not measured, needs a GPU and bitsandbytes")
    if importlib.util.find_spec("vllm"):
        run = functools.partial(generating.through_vllm, llama, size, machine, tokenizer, prompts)
        parts.append(Part(generating.TABLE, "engine vllm", 150, run))
    else:
        report.say("engine vllm: not measured, vLLM is not installed")
    return parts


if __name__ == "__main__":
    main()
