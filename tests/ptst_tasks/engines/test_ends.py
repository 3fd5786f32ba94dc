"""Where answers end: token for token as stock lm_eval's `hf` ends them, one row per batch.

Seen: stop strings that are special tokens were lost (`until: ["</s>"]`, `<|im_end|>` on a model
whose eos differs): stock lm_eval answered `9`, ours ran on.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from ptst_tasks.engines.ends import Ends
from ptst_tasks.engines.hf import HFEngine
from tests.support import byte_tokenizer, save_tiny_model

CPU = {"device": "cpu", "dtype": "float32"}
SCRIPTS = [
    "9<|end|> and on and on<|im|>it goes",
    "a<|im|>\nb<|end|>\nc</s>d",
    "text with </s> in the middle, and <|end|> later",
    "<|end|>\nat once<|im|>",
    "one\n<|im|>two\n\nthree</s>",
    "nothing ever ends this one, and it goes on",
]


class Scripted(torch.nn.Module):
    """Puts a model's head aside: after prompt number i it says script number i, token by token."""

    def __init__(self, model: Any, tokenizer: Any, spelled: bool) -> None:
        super().__init__()
        self._forward = model.forward
        self._vocabulary = len(tokenizer)
        encode = tokenizer.encode
        if spelled:  # the text of special tokens, letter by letter
            bytes_of = tokenizer.convert_tokens_to_ids
            self.scripts = [
                [bytes_of("Ġ" if c == " " else "Ċ" if c == "\n" else c) for c in s] for s in SCRIPTS
            ]
        else:
            self.scripts = [encode(s, add_special_tokens=False) for s in SCRIPTS]
        self._digits = {tokenizer.convert_tokens_to_ids(str(i)): i for i in range(len(SCRIPTS))}
        self._which: list[int] = []
        self._step = 0

    def __call__(self, input_ids: Any, **kwargs: Any) -> Any:
        out = self._forward(input_ids=input_ids, **kwargs)
        if input_ids.shape[1] > 1:  # the prompt; it ends with its number
            self._which, self._step = [self._digits.get(int(row[-1]), 0) for row in input_ids], 0
        logits = torch.zeros(*out.logits.shape[:2], self._vocabulary)
        for row, which in enumerate(self._which):
            script = self.scripts[which]
            logits[row, -1, script[self._step % len(script)]] = 9.0
        self._step += 1
        out.logits = logits
        return out


def base(folder: Path, eos_of_model: Any, eos_of_tokenizer: str) -> Path:
    tokenizer = byte_tokenizer()
    tokenizer.eos_token = eos_of_tokenizer
    save_tiny_model(folder, tokenizer)
    file = folder / "generation_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "eos_token_id": eos_of_model}))
    return folder


def asks(until: list[str], which: list[int]) -> list[Instance]:
    options = {"until": until, "max_gen_toks": 24, "do_sample": False, "temperature": 0.0}
    return [Instance("generate_until", {}, (f"Prompt {'.' * i}{i}", options), 0, ("t", i, 1))
            for i in which]  # fmt: skip


def script(lm: Any, spelled: bool) -> Any:
    lm.model.forward = Scripted(lm.model, lm.tokenizer, spelled).__call__
    return lm


UNTILS: list[list[str]] = [
    [], ["<|end|>"], ["<|im|>"], ["\n\n", "<|end|>"], ["<|end|>\n"], ["\n<|im|>"], ["e<|"], ["|"],
    ["and", "</s>"], ["t<|end|>", "zzz"],
]  # fmt: skip
FEW = UNTILS[1::4]


@pytest.mark.parametrize(
    ("eos_of_model", "eos_of_tokenizer", "spelled", "untils"),
    [
        (1, "</s>", False, UNTILS), (1, "</s>", True, FEW), (1, "<|end|>", False, FEW),
        (4, "</s>", False, FEW), ([1, 4], "<|im|>", False, FEW), ([2, 3], "<|end|>", True, FEW),
    ],
)  # fmt: skip
def test_answers_are_stock_lm_evals(
    eos_of_model: Any, eos_of_tokenizer: str, spelled: bool, untils: list[list[str]], tmp_path: Path
) -> None:
    folder = str(base(tmp_path / "base", eos_of_model, eos_of_tokenizer))
    stock = script(HFLM(pretrained=folder, batch_size=1, **CPU), spelled)
    ours = script(HFEngine(folder, batch_size=4, **CPU), spelled)
    everything = list(range(len(SCRIPTS)))
    ended = 0
    for until in untils:
        want = stock.generate_until(asks(until, everything), disable_tqdm=True)
        assert ours.generate_until(asks(until, everything)) == want, until
        ended += sum(len(answer) < 20 for answer in want)
    assert ended > len(untils)  # or nothing was tested


def test_rows_of_a_batch_end_by_their_own_stops(tmp_path: Path) -> None:
    folder = str(base(tmp_path / "base", 1, "</s>"))
    ours = script(HFEngine(folder, batch_size=8, **CPU), False)
    requests = [asks(until, [0])[0] for until in (["<|end|>"], ["on"], ["<|im|>"], ["zzz"])]
    answers = ours.generate_until(requests)
    assert answers[:3] == ["9", "9 and ", "9 and on and on"]
    assert answers[3] == "9 and on and onit goes"


def test_a_batch_ends_with_its_last_row(tmp_path: Path) -> None:
    """Rows that ended by a special stop string are not carried on to the limit."""
    folder = str(base(tmp_path / "base", 1, "</s>"))
    ours = script(HFEngine(folder, batch_size=4, **CPU), False)
    steps = 0

    def count(*args: Any, said: Any = ours.model.forward, **kwargs: Any) -> Any:
        nonlocal steps
        steps += 1
        return said(*args, **kwargs)

    ours.model.forward = count
    ours._before = torch.zeros(1)  # the probe is no part of this
    assert ours.generate_until(asks(["<|end|>"], [0, 3])) == ["9", ""]
    assert steps == 2


def test_ends_are_said(tmp_path: Path) -> None:
    lm = HFEngine(str(base(tmp_path / "base", [1, 2], "<|end|>")), **CPU)
    said = lm.decoding({"until": ["x", "<|im|>"], "max_gen_toks": 3})
    assert said["until"] == ["x", "<|im|>", "<|end|>"]
    assert said["eos_token_ids"] == [1, 2, 3, 4]
    assert lm.decoding({"eos_token_id": 70})["eos_token_ids"] == [4, 70]


def test_special_tokens_without_a_name_are_known(shared: Path) -> None:
    """`<|im_end|>` is an added token marked as special, and often has no name of its own."""
    from transformers import AutoTokenizer

    for name, stop in (("qwen2_5_vl", "<|im_end|>"), ("minimind", "<|im_start|>")):
        tokenizer = AutoTokenizer.from_pretrained(shared / "tokenizers" / name)
        ends = Ends(tokenizer, [stop], [])
        (token,) = tokenizer.encode(stop, add_special_tokens=False)
        assert token in ends.ids
        answer = [*tokenizer.encode("9", add_special_tokens=False), token, token]
        assert ends.trim(answer) == answer[:-1]
