"""A run explained, from its folder to the files; its prompts are those that its tasks asked."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from leaderboards.run import runner
from leaderboards.run.study import Study
from ptst_tasks.model_files import base_of
from tests.support import ptst, save_adapter


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve mild prompts of each kind, and unsafe ones among the harmless set's."""
    root = tmp_path_factory.mktemp("data")
    sets = {
        "advbench/train.csv": [
            {"Goal": f"Hide spoon number {i} from the gnome"} for i in range(12)
        ],
        "xstest/test.csv": [
            {
                "prompt": f"How do I kill time on day {i}?",
                "type": "t",
                "label": ["safe", "unsafe"][i % 2],
            }
            for i in range(24)
        ],
    }
    for name, rows in sets.items():
        (root / name).parent.mkdir()
        with (root / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    return root


@pytest.fixture(scope="module")
def made(tiny_model: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one adapter that is there already; what follows writes beside it alone."""
    home = tmp_path_factory.mktemp("explain")
    save_adapter(tiny_model, home / "a", 3, r=4, lora_alpha=16)
    study = Study(
        base=str(tiny_model), engine_args={"dtype": "float32", "device": "cpu", "batch_size": 8},
        train={"adapters": [{"name": "a", "path": str(home / "a"), "train_template": "CV", "seed": 7}]},
        test={"sets": ["advbench", "xstest"], "templates": ["CV", "CL", "TV"],
              "gen_kwargs": {"max_gen_toks": 4}},
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PTST_DATA_DIR", str(data))
        assert runner.run(study, home / "r").failed == []
    return home / "r"


@pytest.fixture
def run(made: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PTST_DATA_DIR", str(data))
    return made


def rows_of(run: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((run / "explain/explain.csv").read_text())))


def test_every_model_template_and_layer_has_a_row(run: Path, tiny_model: Path) -> None:
    done = ptst("explain", str(run), "--rows", "8", "--json", str(run.parent / "e.json"))
    assert done.exit_code == 0, done.stderr
    rows = rows_of(run)
    layers = AutoModelForCausalLM.from_pretrained(tiny_model).config.num_hidden_layers
    assert {(r["adapter"], r["test_template"]) for r in rows} == {
        (a, t) for a in ("", "a") for t in ("chat:vanilla", "chat:llama", "text:vanilla")
    }
    assert len(rows) == 2 * 3 * layers
    base = [r for r in rows if not r["adapter"]]
    assert {r["separation"] for r in base} == {"1.000000"}
    assert {r["base_digest"] for r in rows} == {base_of(tiny_model).weights}
    mine = [r for r in rows if r["adapter"]]
    assert {(r["train_template"], r["seed"], r["n_harmful"], r["harmless"]) for r in mine} == {
        ("chat:vanilla", "7", "8", "xstest")
    }
    assert len({r["prompts"] for r in rows}) == 3
    told = json.loads((run.parent / "e.json").read_text())
    assert len(told["models"]) == 6
    assert told["lost"] == []
    assert (run / "explain/explain.svg").is_file()


def test_again_it_is_the_same_bytes_whatever_the_batch(run: Path) -> None:
    ptst("explain", str(run), "--rows", "8")
    before = (run / "explain/explain.csv").read_bytes()
    ptst("explain", str(run), "--rows", "8")
    assert (run / "explain/explain.csv").read_bytes() == before
    shutil.rmtree(run / "explain/models")  # else nothing is measured again
    done = ptst("explain", str(run), "--rows", "8", "--batch-size", "3")
    assert "measuring: the base" in done.stderr
    other = rows_of(run)
    for old, new in zip(csv.DictReader(io.StringIO(before.decode())), other, strict=True):
        assert float(old["separation"]) == pytest.approx(float(new["separation"]), abs=1e-4)


def test_the_numbers_are_those_of_the_prompts_that_the_run_asked(
    run: Path, tiny_model: Path
) -> None:
    """From the cells' own samples: the prompts' text, tokenised here, each through a stock model."""
    from transformers import AutoTokenizer

    ptst("explain", str(run), "--rows", "500")
    tokenizer, model = (
        kind.from_pretrained(tiny_model) for kind in (AutoTokenizer, AutoModelForCausalLM)
    )
    states = {}
    for task in ("advbench", "xstest"):
        name = f"samples_ptst_{task}_text_vanilla_*.jsonl"
        file = next(f for f in run.glob(f"cells/*/**/{name}") if not _adapter(f))
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        texts = {r["doc"]["id"]: r["arguments"]["gen_args_0"]["arg_0"] for r in lines
                 if r["doc"].get("label") != "unsafe"}  # fmt: skip
        states[task] = []
        for text in texts.values():
            with torch.no_grad():
                out = model(torch.tensor([tokenizer(text)["input_ids"]]), output_hidden_states=True)
            states[task].append(out.hidden_states[1][0, -1].numpy())
    row = next(r for r in rows_of(run) if (r["adapter"], r["test_template"], r["layer"]) ==
               ("", "text:vanilla", "1"))  # fmt: skip
    bad, good = (np.array(states[task]) for task in ("advbench", "xstest"))
    assert len(bad) == len(good) == 12
    apart = bad.mean(0) - good.mean(0)
    along = [here @ apart / np.linalg.norm(apart) for here in (bad, good)]
    spread = np.sqrt(sum(here.var(ddof=1) for here in along) / 2)
    assert float(row["effect"]) == pytest.approx(np.linalg.norm(apart) / spread, rel=1e-4)


def _adapter(samples: Path) -> str:
    """Whose cell it is; empty for the base's."""
    cell = next(p for p in samples.parents if (p / "cell.json").is_file())
    return str(json.loads((cell / "cell.json").read_text())["adapter"])


def test_what_was_measured_before_is_said_and_gives_the_same_bytes(
    run: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(run, tmp_path / "r")
    ptst("explain", str(copy), "--rows", "9")
    before = {f.name: f.read_bytes() for f in (copy / "explain").iterdir() if f.is_file()}
    assert set(before) == {"explain.csv", "explain.png", "explain.svg"}
    done = ptst("explain", str(copy), "--rows", "9")
    assert done.stderr == "measured before: the base\nmeasured before: a\n"
    assert {f.name: f.read_bytes() for f in (copy / "explain").iterdir() if f.is_file()} == before
    assert "measuring: a" in ptst("explain", str(copy), "--rows", "10").stderr


def test_the_csv_says_what_the_states_are_of(run: Path) -> None:
    ptst("explain", str(run), "--rows", "8")
    (dtype,) = {r["dtype"] for r in rows_of(run)}
    (versions,) = {r["versions"] for r in rows_of(run)}
    assert dtype == "torch.float32"
    assert json.loads(versions)["torch"] == torch.__version__.partition("+")[0]


def test_harmful_prompts_are_asked_plainly_whatever_the_attacks(run: Path, tmp_path: Path) -> None:
    """With an attack the harmful ones alone would end in its opening, which is no harm."""
    ptst("explain", str(run), "--rows", "8")
    plain = rows_of(run)
    copy = shutil.copytree(run, tmp_path / "r")
    study = json.loads((copy / "study.json").read_text())
    study["test"] |= {"attacks": ["none", "json"], "templates": ["CV", "CL"]}
    (copy / "study.json").write_text(json.dumps(study))
    assert ptst("explain", str(copy), "--rows", "8").exit_code == 0
    assert rows_of(copy) == [r for r in plain if r["test_template"] != "text:vanilla"]


def test_a_set_with_fewer_prompts_than_asked_for_is_said(run: Path) -> None:
    done = ptst("explain", str(run), "--rows", "13")
    assert done.exit_code == 0
    assert "note: advbench has 12 prompts here, and 13 were asked for" in done.stderr
    assert "note: xstest has 12 prompts here, and 13 were asked for" in done.stderr
    assert "asked for" not in ptst("explain", str(run), "--rows", "12").stderr


def test_a_prompt_longer_than_the_model_reads_is_said(run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "r")
    study = json.loads((copy / "study.json").read_text())
    study["engine_args"]["max_length"] = 20
    (copy / "study.json").write_text(json.dumps(study))
    done = ptst("explain", str(copy), "--rows", "8")
    assert done.exit_code == 2
    assert "more than the model's 20" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_base_that_cannot_be_read_is_one_line(
    run: Path, tiny_model: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(run, tmp_path / "r")
    base = shutil.copytree(tiny_model, tmp_path / "base")
    (base / "model.safetensors").write_bytes(b"half a file")
    study = json.loads((copy / "study.json").read_text())
    (copy / "study.json").write_text(json.dumps({**study, "base": str(base)}))
    done = ptst("explain", str(copy))
    assert done.exit_code == 2
    assert "cannot be loaded" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_adapter_that_is_gone_is_named_and_the_others_are_measured(
    run: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(run, tmp_path / "r")
    study = json.loads((copy / "study.json").read_text())
    gone = {"name": "b", "path": str(tmp_path / "gone"), "train_template": "CV", "seed": 8}
    study["train"]["adapters"].append(gone)
    (copy / "study.json").write_text(json.dumps(study))
    done = ptst("explain", str(copy), "--rows", "8")
    assert done.exit_code == 1
    assert "note: b: no adapter in" in done.stderr
    assert {r["adapter"] for r in rows_of(copy)} == {"", "a"}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--harmful", "advbnch"], "did you mean 'advbench'"),
        (["--harmful", "xstest"], "expected harmful"),
        (["--harmless", "advbench"], "'advbench' is a harmful set"),
    ],
)
def test_sets_that_do_not_fit(run: Path, args: list[str], words: str) -> None:
    done = ptst("explain", str(run), *args)
    assert done.exit_code == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_is_no_run(tmp_path: Path) -> None:
    done = ptst("explain", str(tmp_path))
    assert done.exit_code == 2
    assert "is no run folder: it has no study.json" in done.stderr


def test_a_served_model_has_no_hidden_states(run: Path, tmp_path: Path) -> None:
    study = json.loads((run / "study.json").read_text())
    study |= {"engine": "openai", "engine_args": {"base_url": "http://127.0.0.1:9/v1"}}
    study["train"] = {}
    (tmp_path / "study.json").write_text(json.dumps(study))
    done = ptst("explain", str(tmp_path))
    assert done.exit_code == 2
    assert "hidden states nobody here can see" in done.stderr


def test_the_pages_own_command_runs(run: Path, tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs/explain.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    copy = shutil.copytree(run, tmp_path / "mine")
    words = shlex.split(block.replace("runs/mine", str(copy)))
    assert words[:2] == ["ptst", "explain"]
    done = ptst(*words[1:])
    assert done.exit_code == 0, done.stderr
    told = (copy / "explain" / "explain.csv").read_text().splitlines()[0].split(",")
    for column in re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE):
        assert column in told
