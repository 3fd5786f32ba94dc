"""The README's blocks marked ``<!-- run: NAME -->`` are run as they stand, in a shell."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

from leaderboards import study
from ptst_tasks.datasets import REGISTRY
from ptst_tasks.generate import FAMILIES
from ptst_tasks.templates import builtin

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"<!-- run: (\w+) -->\n+ *```sh\n(.*?) *```", re.DOTALL)
BLOCKS: dict[str, str] = {}
for _name, _text in BLOCK.findall(README):  # blocks of one name are run one after the other
    BLOCKS[_name] = BLOCKS.get(_name, "") + textwrap.dedent(_text)


def shell(block: str, cwd: Path, **names: str) -> subprocess.CompletedProcess[str]:
    for name, value in names.items():
        block = re.sub(rf"\b{name}\b", value, block)
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.run(
        ["bash", "-euc", block], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )


def test_the_blocks_are_there() -> None:
    assert {"measure", "tasks", "gate"} <= set(BLOCKS)


@pytest.mark.slow
def test_measure(data_dir: Path, tiny_model: Path, tmp_path: Path) -> None:
    block = BLOCKS["measure"].replace("--limit 2", "--limit 1 --gen_kwargs max_gen_toks=4")
    done = shell(block, tmp_path, MODEL=str(tiny_model))
    assert done.returncode == 0, done.stderr[-2000:]
    assert "|ptst_gsm8k_chat_llama" in done.stdout
    assert "|asr" in done.stdout


def test_every_study_is_one() -> None:
    studies = [s for s in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL) if "base:" in s]
    assert len(studies) == 6
    for text in studies:
        assert list(study.Study(**yaml.safe_load(text)).tasks())


def test_tasks(data_dir: Path, tmp_path: Path) -> None:
    done = shell(BLOCKS["tasks"], tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (
        done.stdout.startswith("ptst_gsm8k_chat_llama") or "ptst_gsm8k_chat_vanilla" in done.stdout
    )
    assert "1 tasks are fine" in done.stdout


@pytest.mark.slow
def test_gate(data_dir: Path, tiny_model: Path, tmp_path: Path) -> None:
    """The release is the baseline itself: three rows cannot show it, which --strict does not pass."""
    script = BLOCKS["gate"].replace("--limit 400", "--limit 3 --gen_kwargs max_gen_toks=4")
    script = script.replace(",peft=OLD", "").replace(",peft=NEW", "")
    (tmp_path / "gate").mkdir()
    done = shell(script, tmp_path, BASE=str(tiny_model))
    assert done.returncode == 1, done.stdout[-1500:] + done.stderr[-1500:]
    assert "not decided: " in done.stdout
    assert (tmp_path / "gate/baseline.csv").exists()
    assert (tmp_path / "check.xml").exists()
    last = script[script.rindex("ptst check") :].replace(" --strict", "")
    assert shell(last, tmp_path).returncode == 0


def test_every_set_and_template_is_named() -> None:
    for name in (*FAMILIES, *REGISTRY):
        assert f"`{name}`" in README or f"_{name}_" in README, name
    for template in builtin().names():
        assert f"`{template}`" in README, template


def test_adding_a_template_a_judge_or_a_set_touches_what_the_readme_says() -> None:
    for path in ("ptst_tasks/templates.py", "ptst_tasks/datasets.py", "ptst_tasks/judges"):
        assert (ROOT / path).exists()
        assert path in README
