"""A study's YAML that is wrong, and what ``ptst run`` says of it before anything is loaded."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults.table import Fault, text

KEY = "sk-" + "aB3dE5fG7hI9jK1lM3nO5"
RUN = "run s.yaml --out new"
DRY = f"{RUN} --dry-run"
TEST = "test: {sets: [gsm8k], templates: [CV], limit: 2}\n"


def study(body: str | bytes) -> Callable[[Path], object]:
    """The study s.yaml."""
    return text("s.yaml", body if isinstance(body, bytes) else body.replace("TEST\n", TEST))


def both(*steps: Callable[[Path], object]) -> Callable[[Path], object]:
    """Several things that are wrong, or the study and one of them."""

    def prepare(folder: Path) -> object:
        return [step(folder) for step in steps]

    return prepare


def fault(name: str, body: str | bytes, *says: str, command: str = RUN, **more: Any) -> Fault:
    """A study that is refused when it is read: nothing is made, and the line names the place."""
    return Fault(f"study: {name}", command, says, study(body), **more)


def planned(name: str, body: str, *says: str, **more: Any) -> Fault:
    """A study that reads well, and that the dry run finds wrong."""
    return fault(name, body, *says, command=DRY, **more)


def cut(name: str) -> Callable[[Path], object]:
    """Leaves half of a file."""

    def prepare(folder: Path) -> object:
        raw = (folder / name).read_bytes()
        return (folder / name).write_bytes(raw[: len(raw) // 2])

    return prepare


def remove(name: str) -> Callable[[Path], object]:
    """Removes a file or a folder."""

    def prepare(folder: Path) -> object:
        place = folder / name
        return shutil.rmtree(place) if place.is_dir() else place.unlink()

    return prepare


DEEP = "base: b\nengine_args: {x: " + "[" * 2000 + "]" * 2000 + "}\n"
BOMB = "base: b\nengine_args:\n  a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"  {n}: &{n} [{', '.join([f'*{p}'] * 9)}]\n"
    for p, n in zip("abcdefgh", "bcdefghi", strict=True)
)

ROWS = [
    # the file
    Fault("study: missing file", "run nowhere.yaml", ("'nowhere.yaml' is not there", "demo")),
    Fault("study: misspelt ready one", "run llama2-gsm8", ("did you mean 'llama2-gsm8k'?",)),
    Fault("study: a folder", "run data", ("'data' is a folder, expected a YAML file",)),
    Fault("study: a name too long for a file", f"run {'a' * 5000}", ("cannot be read: File name",)),
    fault("empty", "", "'s.yaml' is empty, expected 'field: value' lines"),
    fault("comments alone", "# nothing\n", "is empty"),
    fault("a list", "- base: b\n", "expected 'field: value' lines"),
    fault("not UTF-8", b"base: caf\xe9\n", "not UTF-8", "0xe9"),
    fault("UTF-16", "base: b\n".encode("utf-16"), "not UTF-8"),
    fault("no YAML", "base: [\n", "is not YAML"),
    fault("a tab", "base: b\ntrain:\n\tdata: gsm8k\n", "is not YAML"),
    fault("a key twice", "base: b\nbase: c\n", "'base' stands twice"),
    fault("a date of month 13", "base: b\nname: 2024-13-01\n", "is not YAML"),
    fault("deep nesting", DEEP, "nested too deeply"),
    fault("a bomb of aliases", BOMB, "aliases stand for too many values"),
    fault("a circle", "base: b\nengine_args: &x {a: *x}\n", "engine_args.a holds itself"),
    fault("a NUL", 'base: "b\\0c"\n', "base holds a NUL character"),
    fault("half a character in a name", 'base: b\nengine_args: {"\\ud800": 1}\n',
          "a field's name in engine_args holds half a character"),
    fault("half a character", 'base: "\\ud800"\n', "base holds half a character"),
    fault("a date for a name", "base: b\nname: 2024-01-02\n", "name is datetime.date", "quote it"),
    fault("not a number", "base: b\ntest: {gen_kwargs: {temperature: .nan}}\n",
          "test.gen_kwargs.temperature is nan, expected a number"),
    fault("a field that is no text", "base: b\n1: x\n", "the field 1, expected a name"),
    # types
    fault("base missing", TEST, "base: Field required"),
    fault("base a list", "base: [a, b]\nTEST\n", "base: Input should be a valid string"),
    fault("templates a string", "base: base\ntest: {templates: CV}\n",
          "test.templates: expected a list, got 'CV'; did you mean [CV]?"),
    fault("sets a string", "base: base\ntest: {sets: gsm8k}\n", "did you mean [gsm8k]?"),
    fault("seeds a number", "base: base\ntrain: {templates: [CV], seeds: 0}\n", "train.seeds",
          "did you mean [0]?"),
    fault("seeds with a switch", "base: base\ntrain: {templates: [CV], seeds: [yes]}\n",
          "train.seeds.0: expected a number, not true or false"),
    fault("limit all", "base: base\ntest: {limit: all}\n", "test.limit", "leave limit out"),
    fault("limit 0", "base: base\ntest: {limit: 0}\n", "test.limit", "greater than 0, got 0"),
    fault("limit 1.5", "base: base\ntest: {limit: 1.5}\n", "test.limit", "got 1.5"),
    fault("limit on", "base: base\ntest: {limit: on}\n", "test.limit: expected a number, not true"),
    fault("test a list", "base: base\ntest: [gsm8k]\n", "test: expected 'field: value' lines"),
    fault("a seed out of range", "base: base\ntest: {gen_kwargs: {do_sample: true}, "
          "decoding_seeds: [-1]}\n", "test.decoding_seeds.0", "got -1"),
    fault("name empty", "base: base\nname: ''\n", "name: String should have at least 1 character"),
    fault("name of two lines", 'base: base\nname: "a\\nb"\n', "name: expected one line"),
    fault("name of 500", f"base: base\nname: {'n' * 500}\n", "at most 200 characters, got 500"),
    fault("an adapter's field", "base: base\ntrain: {adapters: [{name: a, pth: adapter}]}\n",
          "train.adapters.0.pth: unknown field 'pth'; did you mean 'path'?"),
    fault("an adapter's name with @", "base: base\ntrain: {adapters: [{name: a@1, path: adapter}]}\n",
          "train.adapters.0.name", "without @"),
    fault("two things wrong", "base: base\nsede: 1\ntest: {limit: 0, sets: [gsm]}\n",
          "test.limit", "(2 more; ptst run --dry-run lists all)"),
    # names and settings
    fault("adapters of one name", "base: base\ntrain: {adapters: [{name: a/b, path: adapter}, "
          "{name: a/b, path: base}]}\n", "names an adapter twice: a/b, a/b"),
    fault("an option nearly right", "base: base\ntest: {gen_kwargs: {max_gen_tok: 4}}\n",
          "test.gen_kwargs holds 'max_gen_tok'; write 'max_gen_toks'"),
    fault("an engine argument nearly right", "base: base\nengine_args: {batchsize: 8}\n",
          "unknown engine argument 'batchsize' in engine_args; did you mean 'batch_size'?"),
    fault("batch_size many", "base: base\nengine_args: {batch_size: many}\n",
          "engine_args.batch_size is 'many', expected a whole number from 1, or auto"),
    fault("a switch as text", "base: base\nengine_args: {trust_remote_code: 'no'}\n",
          "engine_args.trust_remote_code", "got 'no'"),
    fault("pretrained twice", "base: base\nengine_args: {pretrained: other}\n", "use base"),
    fault("revision for tests alone", "base: base\nengine_args: {revision: v2}\n", "use revision"),
    fault("a vllm argument", "base: base\nengine: vllm\nengine_args: {gpu_memory_utilization: 90}\n",
          "engine_args.gpu_memory_utilization", "less than or equal to 1, got 90"),
    fault("an unknown judge", "base: base\njudges: [keyword]\n", "did you mean 'keywords'?"),
    fault("nothing is asked", "base: base\ntest: {sets: []}\n", "asks nothing: test.sets is empty"),
    fault("no template", "base: base\ntest: {templates: []}\n", "test.templates is empty"),
    fault("no model", "base: base\nuntuned: false\n", "names no model: untuned is false"),
    fault("no seeds", "base: base\ntrain: {templates: [CV], seeds: []}\n", "train.seeds is empty"),
    fault("no seed of the built-in model", "base: 'organism:one'\n", "expected a seed"),
    # keys
    fault("a key by name", "base: base\nengine: openai\nengine_args: {api_key: abc}\n",
          "engine_args.api_key looks like a key (its value is not shown)", "did you mean 'api_key_env'?"),
    fault("a header", "base: base\nengine_args: {x: [{Authorization: abc def}]}\n",
          "engine_args.x.0.Authorization looks like a key", "$HF_TOKEN"),
    fault("a key by its look", f"base: base\nengine_args: {{x: {{y: [a, {KEY}]}}}}\n",
          "engine_args.x.y.1 looks like a key", "$OPENAI_API_KEY"),
    fault("a key in a judge", f"base: base\njudges: ['rubric:model=m,api_key={KEY}']\n",
          "judges.0 looks like a key"),
    fault("a password in an address", "base: https://me:word@host/model\n", "base looks like a key"),
    fault("a key in executor_args", f"base: base\nexecutor: slurm\nexecutor_args: {{account: {KEY}}}\n",
          "executor_args.account looks like a key"),
    # the dry run
    planned("no such base", "base: ./nowhere\nTEST\n", "base './nowhere' is no folder here"),
    planned("a base that is a file", "base: board.csv\nTEST\n", "is a file, expected a model's folder"),
    planned("a GGUF base that is none", "base: b.gguf\nTEST\n", "'b.gguf'", "there is no such file"),
    fault("a packaged base that nobody knows", "base: packaged:smollm2\nTEST\n",
          "packaged model 'smollm2'; known:"),
    planned("a base that is no model", "base: data\nTEST\n", "holds no config.json", "holds no weights",
            "holds no tokenizer", "3 faults", lines=4),
    Fault("study: a base cut short", DRY, ("'model.safetensors' is damaged", "get it again"),
          both(study("base: base\nTEST\n"), cut("base/model.safetensors"))),
    planned("a set that is not here", "base: base\nTEST\n", "$PTST_DATA_DIR is '/nowhere'",
            env={"PTST_DATA_DIR": "/nowhere"}),
    planned("an adapter that is not there", "base: base\ntrain: {adapters: [{name: a, path: ad}]}\nTEST\n",
            "adapter 'a': 'ad' is not there"),
    planned("an adapter that is a file",
            "base: base\ntrain: {adapters: [{name: a, path: board.csv}]}\nTEST\n",
            "'board.csv' is a file, expected the folder of an adapter"),
    Fault("study: an adapter cut short", DRY, ("adapter 'a'", "is damaged"),
          both(study("base: base\ntrain: {adapters: [{name: a, path: adapter}]}\nTEST\n"),
               cut("adapter/adapter_model.safetensors"))),
    # thinking
    fault("a switch that is none", "base: base\nthinking: maybe\nTEST\n",
          "thinking: Input should be 'auto', 'on' or 'off', got 'maybe'"),
    fault("a switch for literal strings", "base: base\nthinking: on\nchat_format: llama2\nTEST\n",
          "does nothing with chat_format 'llama2'"),
    fault("a switch that the base has not, in a run", "base: base\nthinking: off\nTEST\n",
          "thinking: off does nothing to 'chat:vanilla'", "has no switch for it"),
    planned("a switch that the base has not", "base: base\nthinking: off\nTEST\n",
            "thinking: off does nothing to 'chat:vanilla'"),
    fault("a switch at OpenAI's", "base: gpt-4o-mini\nengine: openai\nthinking: on\nTEST\n",
          "OpenAI's API has no such switch", env={"OPENAI_API_KEY": "x", "OPENAI_BASE_URL": ""}),
    planned("a switch at OpenAI's, planned",
            "base: gpt-4o-mini\nengine: openai\nthinking: on\nTEST\n",
            "OpenAI's API has no such switch", env={"OPENAI_API_KEY": "x", "OPENAI_BASE_URL": ""}),
    fault("a switch for the test alone", "base: base\nengine_args: {chat_template_args: "
          "{enable_thinking: false}}\nTEST\n", "say thinking: off in its place"),
    planned("an adapter twice", "base: base\ntrain: {adapters: [{name: a, path: adapter}, "
            "{name: b, path: adapter}]}\nTEST\n", "adapters 'a' and 'b' are the same weights"),
    planned("training rows that are not there",
            "base: base\ntrain: {templates: [CV], data: rows.jsonl}\nTEST\n", "rows.jsonl"),
    planned("a judge of one's own set without its key", "base: base\n"
            "test: {sets: [mine], templates: [CV], custom: "
            "{mine: {path: data/advbench/train.csv, kind: harmful, judge: 'rubric:model=gpt-4'}}}\n",
            "no key; set $OPENAI_API_KEY", env={"OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""}),
    fault("a set of one's own without a kind", "base: base\n"
          "test: {sets: [mine], custom: {mine: {path: x.csv}}}\n",
          "test.custom.mine.kind: no kind is said"),
    fault("a set of one's own that is not asked", "base: base\n"
          "test: {sets: [gsm8k], custom: {mine: {path: x.csv, kind: harmless}}}\n",
          "test.custom has 'mine', which test.sets does not ask"),
    fault("a set of one's own with a built-in one's name", "base: base\n"
          "test: {sets: [xstest], custom: {xstest: {path: x.csv, kind: harmless}}}\n",
          "named 'xstest', as one of ptst's is"),
    fault("sets of one's own in a list", "base: base\ntest: {custom: [x.csv]}\n", "test.custom: "),
    planned("a judge without its key", "base: base\njudges: ['rubric:model=gpt-4']\n"
            "test: {sets: [advbench], templates: [CV]}\n", "no key; set $OPENAI_API_KEY",
            env={"OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""}),
    planned("no GPU", "base: base\nengine_args: {device: 'cuda:99'}\nTEST\n", "this machine has"),
    planned("a missing extra", "base: base\nengine: vllm\nTEST\n", "pip install 'ptst[vllm]'"),
    planned("several things", "base: base\nengine_args: {devise: cpu}\nTEST\n"
            "train: {adapters: [{name: a, path: ad}]}\n", "did you mean 'device'?", "'ad' is not there",
            "ptst: error: 2 faults in study 's.yaml'", lines=3),
    Fault("study: --out is a file", "run study.yaml --out board.csv --dry-run",
          ("--out 'board.csv' is a file",)),
    Fault("study: --out is no run", "run study.yaml --out data --dry-run", ("that is no run",)),
    Fault("study: --out cannot be made", "run study.yaml --out /proc/x --dry-run",
          ("--out '/proc/x' cannot be written",)),
    Fault("study: --json cannot be written", "run study.yaml --out new --dry-run --json /proc/x",
          ("--json '/proc/x' cannot be written",)),
]  # fmt: skip
