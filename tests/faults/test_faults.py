"""Every row of the table: exit code, one line, the words that matter, and no file harmed."""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
import shutil
from fnmatch import fnmatch
from pathlib import Path

import pytest

from leaderboards.board import csvio
from leaderboards.board.collect import collect
from leaderboards.cli import app as cli
from leaderboards.run import runner
from leaderboards.run import study_files as study
from tests import faults
from tests.faults.table import Fault
from tests.support import save_adapter, write_data

STUDY = """\
base: base
train: {adapters: [{name: one, path: adapter, train_template: CV, seed: 0}]}
test: {sets: [gsm8k, advbench], templates: [CV, CL], limit: 3, gen_kwargs: {max_gen_toks: 4}}
engine_args: {dtype: float32, batch_size: 4, device: cpu}
"""


def rows() -> list[Fault]:
    """The rows of every ``rows_*.py``."""
    names = [m.name for m in pkgutil.iter_modules(faults.__path__) if m.name.startswith("rows_")]
    return [row for n in sorted(names) for row in importlib.import_module(f"tests.faults.{n}").ROWS]


@pytest.fixture(scope="session")
def good(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that every fault begins with; see `table`."""
    folder = tmp_path_factory.mktemp("good")
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    shutil.copytree(tiny_model, folder / "base")
    save_adapter(folder / "base", folder / "adapter", 1, r=4)
    write_data(folder / "data")
    patch.setenv("PTST_DATA_DIR", str(folder / "data"))
    patch.setenv("PTST_JUDGE_CACHE", "off")
    (folder / "study.yaml").write_text(STUDY)
    outcome = runner.run(study.load("study.yaml"), folder / "run")
    assert (outcome.done, outcome.failed) == (8, [])
    csvio.write(collect([folder / "run"])[0], folder / "board.csv")
    shutil.copytree(next((folder / "run/cells").iterdir()) / "cell", folder / "lm")
    patch.undo()
    return folder


def digests(folder: Path) -> dict[str, str]:
    """Digest of every file, by name; folders too, so that none is left behind."""
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        if p.is_file()
        else ""
        for p in folder.rglob("*")
        if not p.is_fifo()
    }


def test_the_table_is_whole() -> None:
    names = [row.name for row in rows()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("fault", rows(), ids=lambda fault: fault.name)
def test_fault(
    fault: Fault,
    good: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "here"
    shutil.copytree(good, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PTST_DATA_DIR", str(folder / "data"))
    for name, value in fault.env.items():
        monkeypatch.setenv(name, value)
    if fault.prepare:
        fault.prepare(folder)
    before = digests(folder)
    with pytest.raises(SystemExit) as ended:
        cli.main(fault.words)
    out, err = capfd.readouterr()
    assert ended.value.code == fault.code, err
    assert "Traceback" not in err + out, err
    said = [line for line in err.split("\n") if line.strip()]
    assert len(said) == fault.lines, err
    if fault.code == 2:
        assert said[-1].startswith("ptst: error: "), err
    for words in fault.says:
        assert words in err, err
    after = digests(folder)
    new = {n for n in before.keys() | after.keys() if before.get(n) != after.get(n)}
    harmed = {n for n in new if not any(fnmatch(n, pattern) for pattern in fault.makes)}
    assert not harmed
