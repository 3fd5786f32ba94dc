"""`ptst run` on disks that are full or read-only, for real: what is whole stays, and it goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from leaderboards.board import csvio, disk
from leaderboards.board.collect import collect
from tests.disks import SmallDisk, fill, small_disk
from tests.support import ptst

STUDY = """\
base: {base}
test: {{sets: [gsm8k, advbench], templates: [CV, CL], limit: 3, gen_kwargs: {{max_gen_toks: 4}}}}
engine_args: {{dtype: float32, batch_size: 4, device: cpu}}
"""


@pytest.fixture
def study(
    tiny_model: Path, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    file = tmp_path / "study.yaml"
    file.write_text(STUDY.format(base=tiny_model))
    return file


def board(run: Path) -> str:
    return csvio.dumps(collect([run])[0])


def free(disk: SmallDisk) -> None:
    (disk.path / ".filler").unlink()


def test_a_full_disk_ends_a_run_that_goes_on_once_there_is_room(
    study: Path, tmp_path: Path
) -> None:
    assert ptst("run", study, "--out", tmp_path / "elsewhere/whole", "-q").exit_code == 0
    want = board(tmp_path / "elsewhere/whole")
    with small_disk(tmp_path / "disk", 600) as small:
        run = small.path / "run"
        for leave in (0, 8, 20, 32):  # kilobytes: no record, no journal, some cells
            fill(small, leave=leave)
            done = ptst("run", study, "--out", run, "-q")
            assert done.exit_code == 2, (leave, done.output)
            (line,) = done.stderr.splitlines()
            assert line.startswith("ptst: error: ")
            assert "No space left on device" in line
            whole = [f for f in run.glob("cells/[!.]*") if disk.is_whole(f)]
            assert len(whole) == len(list(run.glob("cells/[!.]*")))
            free(small)
        assert 0 < len(whole) < 4
        assert ptst("run", study, "--out", run, "-q").exit_code == 0
        assert board(run) == want
        fill(small)
        assert board(run) == want  # nothing that was whole is lost
        assert ptst("run", study, "--out", run, "-q").exit_code == 2
        assert board(run) == want


def test_a_read_only_disk_is_one_line(study: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 600) as small:
        run = small.path / "run"
        assert ptst("run", study, "--out", run, "-q").exit_code == 0
        want = board(run)
        small.read_only()
        for out in (run, small.path / "new/run"):
            done = ptst("run", study, "--out", out, "-q")
            assert done.exit_code == 2
            (line,) = done.stderr.splitlines()
            assert "cannot be written: Read-only file system" in line
        assert board(run) == want
