"""Errors that a user can cause: one line each, and the standard-library error that they specialise."""

from __future__ import annotations

import pytest

from ptst_tasks import errors
from ptst_tasks.errors import (
    ConfigError,
    MissingExtraError,
    PTSTError,
    UnknownNameError,
    check_choice,
    did_you_mean,
    require,
    said,
)


def test_each_is_ours_and_a_standard_one() -> None:
    ours = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, PTSTError)]
    for error in ours:
        if error is not PTSTError:
            assert any(
                b.__module__ == "builtins" and b is not Exception for b in error.__mro__[2:-3]
            )


def test_an_unknown_name_names_its_near_miss() -> None:
    assert "did you mean 'advbench'?" in str(UnknownNameError("set", "advbnech", ["advbench"]))
    assert did_you_mean("spoon", ["advbench"]) == ""
    assert check_choice("auto", ("auto", "llama2"), "chat format") == "auto"
    with pytest.raises(UnknownNameError, match="did you mean 'llama2'"):
        check_choice("llama", ("auto", "llama2"), "chat format")


def test_what_is_said_of_an_error_is_one_line_without_the_librarys_own() -> None:
    assert said(ConfigError("no such folder")) == "no such folder"
    assert "\n" not in said(ValueError("one\ntwo"))


def test_a_missing_package_says_what_to_install() -> None:
    require("hf", "json", who="this")
    with pytest.raises(MissingExtraError, match=r"pip install 'ptst\[vllm\]'"):
        require("vllm", "no_such_package_of_anybody", who="engine vllm")
