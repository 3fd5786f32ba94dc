"""The package's own names: sorted, all there, and none of them imported before it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import ptst_tasks as package

HEAVY = ("datasets", "lm_eval", "openai", "peft", "torch", "transformers", "trl", "vllm")


def test_the_list_is_sorted_and_says_where_each_is():
    names = package.__all__
    assert len(set(names)) == len(names)
    # As ruff sorts it: constants, classes, the rest.
    assert names == sorted(names, key=lambda n: (not n.isupper(), not n[0].isupper(), n))
    assert list(package._WHERE) == sorted(package._WHERE)
    assert not package._WHERE.keys() - set(names)
    assert set(names) <= set(dir(package))


@pytest.mark.parametrize("name", package.__all__)
def test_every_name_is_there(name):
    assert getattr(package, name) is not None


def test_another_name_is_not():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = package.nothing


def test_importing_it_is_cheap():
    said = f"import sys, ptst_tasks; print([n for n in {HEAVY} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
