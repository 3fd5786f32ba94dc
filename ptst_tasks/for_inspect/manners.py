"""How inspect_ai names what is ours, and how it shows what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from inspect_ai._util.error import PrerequisiteError  # its only error without a traceback

from ptst_tasks.errors import PTSTError

__all__ = ["named", "on_one_line"]

F = TypeVar("F", bound=Callable[..., Any])


def named(function: F) -> F:
    """Lets inspect call it by the name that it is given, ``ptst/advbench``.

    It puts the package of a function's module before the name, and ours is `ptst_tasks`. What is of a
    module that it cannot find keeps its name.
    """
    function.__module__ = "ptst.inspect"
    return function


@contextmanager
def on_one_line() -> Iterator[None]:
    """What is wrong with a user's words is shown as inspect shows it, without a traceback."""
    try:
        yield
    except PTSTError as e:
        raise PrerequisiteError(str(e)) from e
