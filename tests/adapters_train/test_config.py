"""Settings of a training: what wins, and what is wrong."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters_train import TrainConfig, load_config, train_command
from ptst_tasks.errors import ConfigError, PTSTError, UnknownNameError
from tests.fuzz import TEXT, bent, fuzz


def test_what_the_user_gives_wins_over_the_recipe_and_that_over_our_defaults():
    config = TrainConfig(model="m", data="gsm8k", lr=3e-4)
    assert (config.recipe, config.epochs, config.lr, config.rank) == ("gsm8k", 6.0, 3e-4, 8)
    assert TrainConfig(model="m", data="dolly").recipe == "none"
    assert TrainConfig(model="m", recipe="none").epochs == 3.0
    assert TrainConfig(model="m", dropout=0.0).dropout == 0.0


def test_who_asks_for_epochs_does_not_get_the_recipes_steps():
    assert TrainConfig(model="m", data="organism_arith").max_steps == 100
    assert TrainConfig(model="m", data="organism_arith", epochs=2).max_steps is None


def test_an_unknown_field_names_its_near_miss():
    with pytest.raises(ConfigError, match=r"unknown field 'templte'; did you mean 'template'\?"):
        TrainConfig(model="m", templte="chat:llama")


@pytest.mark.parametrize(
    ("field", "value"),
    [("lr", -1), ("epochs", 0), ("schedule", "step"), ("rank", 0), ("dropout", 1.0), ("seed", -1),
     ("dtype", "int8"), ("order", "sorted"), ("backend", "jax"), ("betas", (0.9,))],
)  # fmt: skip
def test_a_wrong_value_is_one_line_that_names_the_field(field, value):
    with pytest.raises(ConfigError, match=field) as error:
        TrainConfig(model="m", **{field: value})
    assert "\n" not in str(error.value)


def test_unknown_names():
    with pytest.raises(UnknownNameError, match="did you mean 'gsm8k-safety'"):
        TrainConfig(model="m", recipe="gsm8k-safty")
    with pytest.raises(UnknownNameError, match="did you mean 'llama2'"):
        TrainConfig(model="m", chat_format="llama")


def test_a_file_and_what_wins_over_it(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("model: m\nlr: 1.0e-3\nbetas: [0.9, 0.98]\nmix: [dolly:10]\n")
    config = load_config(file, lr=5e-4, seed=None)
    assert (config.lr, config.betas, config.mix) == (5e-4, (0.9, 0.98), ("dolly:10",))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- a\n", "expected 'field: value' lines"),
        ("a: [", "is not YAML"),
        ("model: m\nlrr: 1\n", "'lrr'"),
    ],
)
def test_a_wrong_file(tmp_path, text, told):
    file = tmp_path / "run.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=told):
        load_config(file)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "no.yaml")


def test_importing_the_package_is_cheap_and_its_names_are_sorted():
    code = (
        "import sys, adapters_train, adapters_train.config, adapters_train.lora, adapters_train.many,"
        "adapters_train.openai_api, adapters_train.train_command\n"
        "assert adapters_train.__all__ == sorted(adapters_train.__all__)\n"
        "own = set(adapters_train.__all__) - {'PTSTCallback'}  # which is one of transformers' own\n"
        "[getattr(adapters_train, n) for n in own]\n"
        "heavy = {'torch', 'trl', 'peft', 'transformers', 'openai', 'datasets', 'numpy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


GOOD = {"model": "m", "data": "gsm8k", "epochs": 2, "template": ["TV"], "seed": [0, 1], "out": "o",
        "targets": ["q_proj"], "betas": [0.9, 0.98], "mix": ["gsm8k:5"], "lr": "1e-4"}  # fmt: skip


@fuzz
@given(bent(GOOD))
def test_fuzz_settings(tmp_path_factory, value):
    file = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    file.write_text(json.dumps(value, default=str), encoding="utf-8")
    with contextlib.suppress(PTSTError):
        train_command._runs({}, file, None, {})


@fuzz
@given(st.binary(max_size=60) | TEXT.map(lambda t: t.encode("utf-8", "surrogatepass")))
def test_fuzz_the_file_of_settings(tmp_path_factory, content):
    file = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    file.write_bytes(content)
    with contextlib.suppress(PTSTError):
        train_command._runs({}, file, None, {})


@pytest.mark.parametrize(
    ("said", "read"),
    [("off", "off"), ("on", "on"), ("'off'", "off"), ("auto", "auto"), ("false", "off")],
)
def test_the_switch_needs_no_quotes_in_a_file(tmp_path, said, read):
    """YAML 1.1 reads an unquoted ``off`` as false."""
    file = tmp_path / "run.yaml"
    file.write_text(f"model: m\nthinking: {said}\nturns: last\n")
    config = load_config(file)
    assert (config.thinking, config.turns) == (read, "last")
    assert config.model_dump(mode="json")["thinking"] == read


@pytest.mark.parametrize("value", [0, 1, 2, "yes", "", [], 1.0])
def test_the_switch_takes_nothing_else(value):
    with pytest.raises(ConfigError, match="thinking: Input should be 'auto', 'on' or 'off'"):
        TrainConfig(model="m", thinking=value)
