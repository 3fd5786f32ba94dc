"""Models of well-known shapes with random weights, and what goes into them.

Nothing is fetched: the tokenizer is made on the spot from the rows, as a byte-level BPE whose table is
filled up to the model's vocabulary, so that whatever random weights say can be read.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters_train.organism.tokenizer import CHAT_TEMPLATE, SPECIALS

MERGES = 8000
WORDS = ("one", "two", "three", "apples", "sold", "then", "how", "many", "are", "left")


@dataclass(frozen=True, slots=True)
class Shape:
    """A model's shape.

    Attributes:
        name: What it is called.
        kind: transformers' model type.
        config: Of its configuration, what decides size and speed.
    """

    name: str
    kind: str
    config: dict[str, Any]

    @property
    def vocabulary(self) -> int:
        """Rows of its table of tokens."""
        return int(self.config["vocab_size"])


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything.

    Attributes:
        name: ``full`` (a GPU), ``small`` (a CPU, under 3 minutes) or ``tiny`` (a test).
        shapes: The 7B shape, then SmolLM2-135M's, then Qwen2.5-0.5B's.
        batch, accumulation, steps, repeats: Of training; the first step warms up.
        rows, new: Prompts of a batch to answer, and tokens of an answer.
        few: Prompts of the smaller batch, as the study of Table 1 has it.
        compared: Prompts whose answers are compared.
        copied: Bytes of the copy that measures bandwidth.
        counted: Rows whose tokens are counted.
    """

    name: str
    shapes: tuple[Shape, Shape, Shape]
    batch: int
    accumulation: int
    steps: int
    repeats: int
    rows: int
    few: int
    new: int
    compared: int
    copied: int
    counted: int


LLAMA = Shape("Llama-2-7B", "llama", {
    "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 32, "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
})  # fmt: skip
SMOLLM = Shape("SmolLM2-135M", "llama", {
    "vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
    "num_attention_heads": 9, "num_key_value_heads": 3, "max_position_embeddings": 8192,
    "tie_word_embeddings": True,
})  # fmt: skip
QWEN = Shape("Qwen2.5-0.5B", "qwen2", {
    "vocab_size": 151936, "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24,
    "num_attention_heads": 14, "num_key_value_heads": 2, "max_position_embeddings": 32768,
    "tie_word_embeddings": True,
})  # fmt: skip


def _stand_in(shape: Shape, hidden: int, layers: int) -> Shape:
    """The same kind of model, much smaller; heads stay in proportion."""
    small = {
        "vocab_size": 9000,
        "hidden_size": hidden,
        "intermediate_size": 3 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 4 if shape is LLAMA else 2,
    }
    return Shape(f"stand-in for {shape.name}", shape.kind, {**shape.config, **small})


def _stand_ins(hidden: int, layers: int) -> tuple[Shape, Shape, Shape]:
    llama = _stand_in(LLAMA, 2 * hidden, layers)
    return llama, _stand_in(SMOLLM, hidden, layers), _stand_in(QWEN, hidden, layers)


SIZES = {
    "full": Size("full", (LLAMA, SMOLLM, QWEN), 8, 4, 6, 3, 256, 32, 64, 64, 2 << 30, 1000),
    "small": Size("small", _stand_ins(128, 4), 8, 1, 4, 2, 8, 4, 16, 8, 128 << 20, 400),
    "tiny": Size("tiny", _stand_ins(32, 2), 2, 1, 2, 1, 4, 2, 4, 2, 64 << 20, 60),
}


def build(shape: Shape, tokenizer: Any, device: str, dtype: str) -> Any:
    """The model with random weights, made where it will be used."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    ids = {
        f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")
    }
    config = AutoConfig.for_model(shape.kind, **shape.config, **ids)
    torch.manual_seed(0)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype))
    return model.eval()


def learn(texts: Sequence[str]) -> str:
    """A byte-level BPE of these texts, digits by themselves as Llama-2 has them; as JSON."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    core = Tokenizer(models.BPE())
    digits = pre_tokenizers.Digits(individual_digits=True)
    level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.pre_tokenizer = pre_tokenizers.Sequence([digits, level])
    how = {"special_tokens": list(SPECIALS.values()), "show_progress": False}
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=MERGES, initial_alphabet=alphabet, **how)
    )
    return str(core.to_str())


def make_tokenizer(learnt: str, vocabulary: int) -> Any:
    """A tokenizer of so many tokens, under the Llama-2 chat template."""
    from tokenizers import Tokenizer, decoders, processors
    from transformers import PreTrainedTokenizerFast

    told = json.loads(learnt)
    table = told["model"]["vocab"]
    number = 0
    while len(table) < vocabulary:  # no merge leads there: read, never written
        table.setdefault(f"<{number}>", len(table))
        number += 1
    core = Tokenizer.from_str(json.dumps(told))
    core.decoder = decoders.ByteLevel()
    bos = SPECIALS["bos_token"]
    core.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", special_tokens=[(bos, core.token_to_id(bos))]
    )
    made = PreTrainedTokenizerFast(
        tokenizer_object=core, **SPECIALS, clean_up_tokenization_spaces=False, padding_side="left"
    )
    made.chat_template = CHAT_TEMPLATE
    return made


def data(folder: Path, count: int) -> tuple[str, str]:
    """A training set's name or file, and one line that says what it is."""
    if (Path(os.environ.get("PTST_DATA_DIR") or folder) / "gsm8k/train.jsonl").is_file():
        return "gsm8k", "GSM8K's training rows from $PTST_DATA_DIR"
    rng, file = random.Random(0), folder / "rows.jsonl"
    with file.open("w", encoding="utf-8") as stream:
        for _ in range(count):
            asked, told = (round(rng.lognormvariate(mu, 0.42)) for mu in (3.75, 3.85))
            row = {"prompt": _words(rng, asked), "answer": _words(rng, told)}
            stream.write(json.dumps(row) + "\n")
    return str(file), "made-up rows with the lengths of GSM8K's in words (no $PTST_DATA_DIR/gsm8k)"


def _words(rng: random.Random, count: int) -> str:
    return " ".join(rng.choices(WORDS, k=max(3, count)))
