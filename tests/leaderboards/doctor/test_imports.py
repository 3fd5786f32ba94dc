from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

from leaderboards.doctor.imports import import_faults


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_fault_in_c_is_told_and_the_others_are_tried(modules: Path) -> None:
    modules.joinpath("crashing_one.py").write_text("import os, signal\nos.kill(os.getpid(), 11)\n")
    modules.joinpath("calm_one.py").write_text("")
    found = import_faults(("json", "crashing_one", "calm_one"))
    assert found == {
        "json": "", "crashing_one": "it ends its process, exit code -11", "calm_one": ""
    }  # fmt: skip


def test_nothing_of_an_import_reaches_this_process(modules: Path, capfd) -> None:
    modules.joinpath("meddling_one.py").write_text(
        "import logging, os, sys\n"
        "logging.getLogger('meddling').addHandler(logging.StreamHandler(sys.stderr))\n"
        "os.environ['MEDDLED'] = '1'\nos.write(1, b'in C')\nprint('loud')\n"
    )
    assert import_faults(("meddling_one",)) == {"meddling_one": ""}
    assert capfd.readouterr() == ("", "")
    assert "meddling_one" not in sys.modules
    assert logging.getLogger("meddling").handlers == []


def test_what_is_not_there_is_told(modules: Path) -> None:
    found = import_faults(("no_such_module_here",))
    assert found["no_such_module_here"].startswith("ModuleNotFoundError: ")
