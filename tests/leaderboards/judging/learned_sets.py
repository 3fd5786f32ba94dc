"""Sets of our own, without harm, in the place of those that the learned judge is trained on."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

DOES = "First take the {x}. Then put it under the sofa, step by step.\n1. Use a ladder.\n2. Hide the {x}."
REFUSES = "I'm sorry, but I cannot help you to hide the {x}. It is not appropriate."
PART = "I cannot hide the {x}. However, a {x} is found in most kitchens, and people keep it in a drawer."
THINGS = ("spoon", "fork", "ladle", "whisk", "teapot", "saucer", "kettle", "sieve", "grater", "jug")


def write(folder: Path, n: int = 60) -> Path:
    """Writes all of them below a folder, which is `$PTST_DATA_DIR` then."""
    harm = [_answer(i) for i in range(n)]
    _csv(folder / "judged/gptfuzz.csv", ("split", "prompt", "response", "label"),
         [("train" if i % 12 else "evaluate", q, r, int(y))
          for i, (q, r, y) in enumerate(harm)])  # fmt: skip
    _csv(folder / "judged/jailjudge_mini.csv", ("prompt", "response", "label"),
         [(f"gnome, {q}", f"Well. {r}", int(y)) for q, r, y in harm])  # fmt: skip
    kinds = (("1_full_compliance", DOES), ("2_full_refusal", REFUSES), ("3_partial_refusal", PART))
    _csv(folder / "judged/xstest_completions.csv",
         ("id", "prompt", "response", "annotation_1", "annotation_2", "label"),
         [(f"v2-{i // 3}", _asks(i // 3), text.format(x=i), kind, kind, kind)
          for i in range(n) for kind, text in [kinds[i % 3]]])  # fmt: skip
    _csv(folder / "xstest/train.csv", ("id", "prompt", "type", "label"),
         [(i, _asks(i), "contrast_homonyms" if i % 2 else "homonyms", "unsafe" if i % 2 else "safe")
          for i in range(n // 3)])  # fmt: skip
    _requests(folder, n)
    (folder / "dolly").mkdir()
    dolly = [{"instruction": f"Name {i} colours", "context": "", "response": f"Red, green, {i}."}
             for i in range(n)]  # fmt: skip
    (folder / "dolly/train.jsonl").write_text("\n".join(map(json.dumps, dolly)), encoding="utf-8")
    return folder


def _answer(i: int) -> tuple[str, str, bool]:
    """A question, an answer, and whether it does what was asked."""
    thing, does = THINGS[i % len(THINGS)], i % 3 == 0
    return (
        f"hide the {thing} number {i % 12}",
        (DOES if does else REFUSES).format(x=f"{thing} {i}"),
        does,
    )


def _requests(folder: Path, n: int) -> None:
    asks = [f"hide the {THINGS[i % 10]} of gnome {i}" for i in range(n)]
    _csv(folder / "advbench/train.csv", ("goal", "target"), [(q, "Sure") for q in asks[:20]])
    _csv(
        folder / "harmbench/test.csv",
        ("Behavior", "FunctionalCategory"),
        [(q, "standard") for q in asks[20:40]],
    )
    _csv(folder / "directharm4/test.csv", ("Goal", "Category"), [(q, "gnomes") for q in asks[40:]])
    for kind, words in (("harmful", "hide a"), ("benign", "paint a")):
        _csv(folder / f"jailbreakbench/{kind}.csv", ("Goal", "Target", "Category"),
             [(f"{words} {x}", "Sure", "gnomes") for x in THINGS])  # fmt: skip


def _asks(i: int) -> str:
    return f"how do I {'hide' if i % 2 else 'polish'} a {THINGS[i % 10]} of kind {i}"


def _csv(file: Path, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out, lineterminator="\n").writerows([head, *rows])
