"""Every engine has what a study asks of one: the names of the protocol, with its parameters."""

from __future__ import annotations

import importlib
import inspect

import pytest

from ptst_tasks.engines import ENGINES, Engine
from ptst_tasks.engines.base import Adapters

ATTRIBUTES = {"journal", "on_batch", "served"}
METHODS = {
    name
    for name, value in vars(Engine).items()
    if not name.startswith("_") and (callable(value) or isinstance(value, property))
}


def engine_class(kind: str) -> type:
    if kind == "vllm":
        pytest.importorskip("vllm")
    place, _, name = ENGINES[kind].partition(":")
    found: type = getattr(importlib.import_module(place), name)
    return found


def test_the_attributes_are_those():
    assert set(Engine.__annotations__) == ATTRIBUTES


@pytest.mark.parametrize("kind", ["hf", "openai", pytest.param("vllm", marks=pytest.mark.vllm)])
def test_an_engine_has_all_of_it(kind):
    cls = engine_class(kind)
    assert issubclass(cls, Adapters)
    assert not METHODS - set(dir(cls))
    for name in METHODS:
        asked, has = inspect.getattr_static(Engine, name), inspect.getattr_static(cls, name)
        assert isinstance(asked, property) == isinstance(has, property), name
        if isinstance(asked, property):
            continue
        given = inspect.signature(getattr(cls, name)).parameters
        for parameter in inspect.signature(asked).parameters.values():
            named = parameter.kind is parameter.POSITIONAL_OR_KEYWORD
            assert not named or parameter.name in given, (name, parameter)


def test_a_served_engine_is_one():
    lm = engine_class("openai")("m", base_url="http://127.0.0.1:9/v1")
    assert isinstance(lm, Engine)
