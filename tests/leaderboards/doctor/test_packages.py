"""Packages are looked at as they are installed: folders with metadata, on the path."""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path

import pytest

from leaderboards.doctor import packages
from leaderboards.doctor.finding import Finding


def install(folder: Path, name: str, version: str, module: str, code: str = "") -> None:
    """A distribution as pip leaves it."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    info.joinpath("METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    )
    info.joinpath("RECORD").write_text(f"{module}.py,,\n")
    folder.joinpath(f"{module}.py").write_text(code)


@pytest.fixture
def extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What the line of an extra says, that asks for these requirements."""
    monkeypatch.syspath_prepend(str(tmp_path))
    packages._modules.cache_clear()
    packages._TRIED.clear()

    def line_of(*asked: str) -> Finding:
        texts = [f"{one}; extra == 'x'" for one in asked]
        monkeypatch.setattr(metadata, "requires", lambda name: texts)
        return packages._extra_line("x")

    yield line_of
    packages._modules.cache_clear()
    packages._TRIED.clear()


def test_what_is_there_is_ok_whatever_its_module_is_called(extra, tmp_path: Path) -> None:
    install(tmp_path, "Odd-Name", "2.1", "quite_another")
    line = extra("odd-name>=2", "pyyaml", "scikit-learn")
    assert line.state == "ok"
    assert line.told.startswith("odd-name 2.1, pyyaml ")


def test_what_is_not_there_is_absent_with_the_command(extra) -> None:
    line = extra("no-such-thing-here>=1", "pyyaml")
    assert (line.state, line.told) == ("absent", "not installed: no-such-thing-here")
    assert line.mend == "pip install --upgrade 'ptst[x]'"


def test_what_is_too_old_is_broken(extra, tmp_path: Path) -> None:
    install(tmp_path, "oldish", "1.4", "oldish")
    line = extra("oldish>=2")
    assert line.state == "broken"
    assert "oldish is 1.4, expected >=2" in line.told


def test_what_cannot_be_imported_is_broken_and_prints_nothing(extra, tmp_path: Path, capfd) -> None:
    loud = "import os, sys\nprint('loud')\nsys.stderr.write('louder')\n"
    loud += "os.write(1, b'as C does')\nos.write(2, b'too')\n"
    install(tmp_path, "badly", "3", "badly", loud + "raise OSError('libx.so.1: no such file')\n")
    line = extra("badly")
    assert line.state == "broken"
    assert "badly 3 cannot be imported (OSError: libx.so.1: no such file)" in line.told
    assert capfd.readouterr() == ("", "")


def test_what_ends_the_process_when_it_is_imported_is_broken(extra, tmp_path: Path) -> None:
    install(tmp_path, "leaver", "1", "leaver", "raise SystemExit(3)\n")
    line = extra("leaver")
    assert line.state == "broken"
    assert "leaver 1 cannot be imported (SystemExit: 3)" in line.told


def test_a_closed_output_is_no_reason_to_fail(extra, tmp_path: Path) -> None:
    install(tmp_path, "calm", "1", "calm")
    kept = os.dup(1)
    os.close(1)
    try:
        line = extra("calm")
    finally:
        os.dup2(kept, 1)
        os.close(kept)
    assert line.state == "ok"


def test_a_folder_that_is_not_installed_is_broken_and_nothing_of_it_is_told_ok(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lacking(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    for asked in ("version", "requires", "metadata"):
        monkeypatch.setattr(metadata, asked, lacking)
    [line] = packages.package_lines()
    assert line.state == "broken"
    assert "is not installed" in line.told
    assert not packages.complete("vllm")


def test_extras_made_of_extras_are_followed() -> None:
    asked = {one.name for one in packages._asked("train")}
    assert {"trl", "torch", "transformers", "peft"} <= asked
    assert "ptst" not in asked
    assert "lm-eval" in {one.name.replace("_", "-") for one in packages._asked("")}


def test_every_extra_for_users_has_a_line() -> None:
    told = {line.what for line in packages.package_lines()}
    assert told == {"ptst"} | {f"ptst[{name}]" for name in packages.extras()}
    assert {"hf", "train", "vllm"} <= set(packages.extras())
    assert not packages.MAKERS & set(packages.extras())
