"""`ptst run` into folders that are somebody else's, wrong, or cannot be written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.faults.table import Fault, text

GO = "run study.yaml --out run -q"
NEW = "run study.yaml --out new -q --no-share"


def record(**values: object) -> Callable[[Path], object]:
    """The run's record of its study, with other values."""

    def write(folder: Path) -> object:
        file = folder / "run/study.json"
        return file.write_text(json.dumps({**json.loads(file.read_text()), **values}))

    return write


def part(name: str) -> Callable[[Path], object]:
    """A file in the place of a folder of the run's."""

    def write(folder: Path) -> object:
        if (folder / name).exists():
            (folder / name).rename(folder / f"{name}-mine")
        return (folder / name).write_text("mine")

    return write


def study(**fields: str) -> Callable[[Path], object]:
    """The study with other lines."""

    def write(folder: Path) -> object:
        lines = [
            line
            for line in (folder / "study.yaml").read_text().split("\n")
            if line.partition(":")[0] not in fields
        ]
        more = [f"{name}: {value}" for name, value in fields.items()]
        return (folder / "study.yaml").write_text("\n".join([*more, *lines]))

    return write


def both(*steps: Callable[[Path], object]) -> Callable[[Path], object]:
    """Several preparations."""
    return lambda folder: [step(folder) for step in steps]


DAMAGED = ("run/study.json", "damaged, so nobody knows whose run this is", "--out")
TINY = study(
    train="{adapters: []}", test="{sets: [advbench], templates: [CV], limit: 1, "
    "gen_kwargs: {max_gen_toks: 1}}"
)  # fmt: skip
ROWS = [
    Fault("run: --out is empty", "run study.yaml --out ''", ("--out is ''", "expected a folder")),
    Fault("run: --out is blank", "run study.yaml --out ' '", ("--out is ' '",)),
    Fault("run: --out is a file", "run study.yaml --out board.csv",
          ("'board.csv' is a file", "expected a folder")),
    Fault("run: --out is in a file", "run study.yaml --out board.csv/run",
          ("'board.csv/run' cannot be written", "Not a directory", "choose another --out")),
    Fault("run: --out cannot be made", "run study.yaml --out /proc/x/run",
          ("'/proc/x/run' cannot be written", "choose another --out")),
    Fault("run: --out is something else", "run study.yaml --out data",
          ("'data' holds something that is no run", "choose another --out")),
    Fault("run: --out is this folder", "run study.yaml --out .", ("holds something that is no run",)),
    Fault("run: --out is a model", "run study.yaml --out base", ("no run",)),
    Fault("run: --out holds a NUL", "run study.yaml --out 'a\0b'", ("--out is 'a\\x00b'",)),
    Fault("run: --out is a name too long", f"run study.yaml --out {'a' * 300}",
          ("File name too long",)),
    Fault("run: the folder of another study", GO,
          ("another study, 'other'", "'study'", "choose another --out"), record(name="other")),
    Fault("run: the folder of another base", GO,
          ("another base, 'org/else'", "'base'", "choose another --out"), record(base="org/else")),
    Fault("run: the study was renamed", GO, ("another study, 'study'", "set name: study"),
          study(name="renamed")),
    Fault("run: its study.json is empty", GO, DAMAGED, text("run/study.json", "")),
    Fault("run: its study.json is cut", GO, DAMAGED, text("run/study.json", '{"name": "st')),
    Fault("run: its study.json is a list", GO, DAMAGED, text("run/study.json", "[]")),
    Fault("run: its study.json is not UTF-8", GO, DAMAGED, text("run/study.json", b"\xff\xfe{}")),
    Fault("run: its study.json is deep", GO, DAMAGED, text("run/study.json", "[" * 100_000)),
    Fault("run: its study.json has a name of numbers", GO, (*DAMAGED, "name is 3"), record(name=3)),
    Fault("run: its study.json has a base of lists", GO, (*DAMAGED, "base is []"), record(base=[])),
    Fault("run: its study.json is a folder", GO, DAMAGED,
          lambda folder: ((folder / "run/study.json").unlink(), (folder / "run/study.json").mkdir())),
    Fault("run: its cells are a file", GO, ("'run/cells' is a file", "move it away"),
          part("run/cells")),
    Fault("run: its attic is a file", GO, ("'run/attic' is a file", "move it away"),
          part("run/attic")),
    Fault("run: its adapters are a file", GO, ("'run/adapters' is a file", "move it away"),
          part("run/adapters")),
    Fault("run: its journal is a file", GO, ("'run/journal' is a file", "move it away"),
          part("run/journal")),
    Fault("run: its lock is a folder", GO, ("run/.lock", "Is a directory"),
          lambda folder: ((folder / "run/.lock").unlink(), (folder / "run/.lock").mkdir())),
    Fault("run: --json cannot be written", "run study.yaml --out new --json /proc/x/o.json",
          ("--json '/proc/x/o.json' cannot be written",)),
    Fault("run: --json is a folder", "run study.yaml --out new --json data",
          ("--json 'data' cannot be written", "it is a folder")),
    Fault("run: a set has no rows here, and no folder is left", NEW, ("advbench",),
          lambda folder: [p.unlink() for p in (folder / "data/advbench").iterdir()]),
    Fault("run: the base's weights are cut, and no folder is left", NEW,
          ("the base 'base' cannot be loaded",),
          both(TINY, lambda folder: (folder / "base/model.safetensors").write_bytes(b"x" * 100))),
    Fault("run: the base's config is a list", NEW, ("'base'",),
          both(TINY, text("base/config.json", "[]"))),
    Fault("run: the adapter is gone, and its cells stay", GO,
          ("failed: one ptst_gsm8k_chat_vanilla", "holds no weights",
           "tried again by: ptst run study.yaml --out run"),
          lambda folder: (folder / "adapter").rename(folder / "moved"), code=1, lines=5),
    Fault("run: the adapter's weights are cut, and its cells stay", GO,
          ("failed: one ptst_advbench_chat_llama", "holds other weights"),
          both(text("adapter/manifest.json", '{"adapter": {"weights": "0123"}}'),
               text("adapter/adapter_model.safetensors", "x")), code=1, lines=5),
    Fault("run: the adapter's manifest is a list, and its cells stay", GO,
          ("failed: one ptst_advbench_chat_llama", "holds no JSON object"),
          text("adapter/manifest.json", "[]"), code=1, lines=5),
    Fault("run: hints quote paths", "run 'my study.yaml' --out run -q --no-share",
          ("ptst run 'my study.yaml' --out run --no-share",),
          lambda folder: ((folder / "adapter").rename(folder / "moved"),
                          study(name="study")(folder),
                          (folder / "study.yaml").rename(folder / "my study.yaml")),
          code=1, lines=5),
]  # fmt: skip
