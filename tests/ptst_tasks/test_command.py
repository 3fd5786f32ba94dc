"""One way out."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from ptst_tasks import command
from ptst_tasks.errors import ConfigError, MissingExtraError, require


def end(error: BaseException | None, capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    app = typer.Typer()

    @app.command()
    def _go() -> None:
        if error is not None:
            raise error

    with pytest.raises(SystemExit) as ended:
        command.run(app, [])
    return ended.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (None, 0, ""),
        (ConfigError("two\nlines \x1b"), 2, "ptst: error: two lines \\x1b\n"),
        (OSError(28, "No space left on device"), 2, "ptst: error: No space left on device\n"),
        (FileNotFoundError(2, "No such file", "a b"), 2, "ptst: error: No such file: 'a b'\n"),
        (MemoryError(), 2, "ptst: error: MemoryError\n"),
        (KeyboardInterrupt(), 130, "ptst: interrupted\n"),
        (typer.Exit(1), 1, ""),
        (MissingExtraError("ray", "ray", "executor ray"), 2,
         "ptst: error: executor ray needs ray, which is not installed: pip install 'ptst[ray]'\n"),
    ],
)  # fmt: skip
def test_ends(
    error: BaseException | None, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end(error, capsys) == (code, said)


def test_a_fault_of_ours_keeps_its_trace() -> None:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def _go() -> None:
        raise KeyError("ours")

    with pytest.raises(KeyError):
        command.run(app, [])


def test_an_extra_that_is_missing() -> None:
    require("hf", "torch", who="engine hf")
    with pytest.raises(MissingExtraError, match=r"'ptst\[x\]'"):
        require("x", "torch", "no_such_package", who="engine x")


def test_json_to_a_file_and_to_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command.put_json(None, {})
    command.put_json(Path("-"), {"a": "\udc80"})
    assert capsys.readouterr().out == '{\n  "a": "\\udc80"\n}\n'
    command.put_json(tmp_path / "deep/x.json", [1])
    assert (tmp_path / "deep/x.json").read_text() == "[\n  1\n]\n"
    with pytest.raises(ConfigError, match=r"--json .* cannot be written"):
        command.put_json(tmp_path, [1])
