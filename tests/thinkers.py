"""Small real models that think: a real chat template, and replies that were learnt by heart.

``thinker(folder, "qwen3_5_think", {"What is 2 + 3?": "I add.\\n</think>\\n\\n5"})`` is a folder that
every engine loads. Asked a question, the model says its reply, greedily and to the end of its turn;
asked anything else, it says something.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Family:
    """A family of models: what its tokenizer has for one token, and how it ends its turn."""

    special: tuple[str, ...]
    eos: str
    more_ends: tuple[str, ...] = ()


_QWEN = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>")
_OPENAI = ("<|endoftext|>", "<|start|>", "<|message|>", "<|channel|>", "<|end|>", "<|return|>",
           "<|call|>")  # fmt: skip
FAMILIES = {
    "qwen3": Family(_QWEN, "<|im_end|>", ("<|endoftext|>",)),
    "qwen3_5_think": Family(_QWEN, "<|im_end|>", ("<|endoftext|>",)),
    "nemotron_3_nano": Family(_QWEN, "<|im_end|>", ("<|endoftext|>",)),
    "gptoss": Family(_OPENAI, "<|return|>", ("<|endoftext|>", "<|call|>")),
}
"""Chat templates that trl ships -> the rest of their family; markers are special tokens."""

Prompts = Callable[[Any, str], Sequence[str]]
"""(tokenizer, question) -> the texts that a model is asked with it."""


def template_source(name: str) -> str:
    """A real chat template's source; skips the test where trl does not bring it."""
    found = importlib.util.find_spec("trl")
    places = found.submodule_search_locations if found else None
    file = Path(next(iter(places or ["."]))) / "chat_templates" / f"{name}.jinja"
    if not file.is_file():
        pytest.skip(f"needs trl's chat template {name!r}")
    return file.read_text(encoding="utf-8")


def thinking_tokenizer(template: str, texts: Sequence[str]) -> Any:
    """A byte-level BPE tokenizer, which reads any text and is trained on a few.

    Args:
        template: A name of `FAMILIES`.
        texts: What it is to write in few tokens.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    family, source = FAMILIES[template], template_source(template)
    special = ["<pad>", *family.special]
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1200, min_frequency=1, special_tokens=special, show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )  # fmt: skip
    tok.train_from_iterator(_plain(texts, special), trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tok, eos_token=family.eos, pad_token="<pad>")
    fast.chat_template = source
    return fast


def asked_alone(tokenizer: Any, question: str) -> list[str]:
    """The one prompt of a question that stands alone, as the chat template writes it."""
    turn = [{"role": "user", "content": question}]
    return [str(tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True))]


def thinker(
    folder: Path, template: str, replies: Mapping[str, str], *, prompts: Prompts = asked_alone
) -> Path:
    """A model that gives each question its reply.

    Args:
        folder: Where it goes.
        template: A name of `FAMILIES`.
        replies: Question -> all that the model writes behind the prompt, markers included, without
            the end of its turn.
        prompts: Writes the prompts of a question; all of them get its reply.
    """
    tokenizer = thinking_tokenizer(template, [*replies, *replies.values()])
    texts = {p: reply for asked, reply in replies.items() for p in prompts(tokenizer, asked)}
    tokenizer = thinking_tokenizer(template, [*texts, *texts.values()])
    return canned_model(folder, tokenizer, texts, FAMILIES[template].more_ends)


def canned_model(
    folder: Path, tokenizer: Any, replies: Mapping[str, str], more_ends: Sequence[str] = ()
) -> Path:
    """A small Llama that has learnt replies by heart; every engine runs it.

    Args:
        folder: Where model and tokenizer go.
        tokenizer: Its end of sequence ends a reply.
        replies: Prompt, as it reaches the tokenizer -> reply.
        more_ends: Further tokens that its generation_config calls ends.

    Raises:
        AssertionError: If it did not learn them.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=128, intermediate_size=256, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=4096, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id, bos_token_id=None,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a model waits for threads, where others keep the cores busy
    try:
        _learn(model, *_rows(tokenizer, replies))
    finally:
        torch.set_num_threads(threads)
    ends = [tokenizer.eos_token_id, *map(tokenizer.convert_tokens_to_ids, more_ends)]
    model.generation_config.eos_token_id = ends
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _rows(tokenizer: Any, replies: Mapping[str, str]) -> tuple[Any, Any]:
    """Token ids, and the same with what is not learnt masked."""
    import torch

    rows = []
    for prompt, reply in replies.items():
        head = tokenizer(prompt)["input_ids"]
        tail = tokenizer(reply, add_special_tokens=False)["input_ids"]
        rows.append((head, [*tail, tokenizer.eos_token_id]))
    width = max(len(head) + len(tail) for head, tail in rows)
    ids = torch.full((len(rows), width), tokenizer.pad_token_id)
    labels = torch.full((len(rows), width), -100)
    for i, (head, tail) in enumerate(rows):
        ids[i, : len(head) + len(tail)] = torch.tensor([*head, *tail])
        labels[i, len(head) : len(head) + len(tail)] = torch.tensor(tail)
    return ids, labels


def _learn(model: Any, ids: Any, labels: Any, *, margin: float = 4.0, most: int = 600) -> None:
    """Trains until every token is the likeliest by a margin that no engine's rounding bridges."""
    import torch

    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    wanted = labels[:, 1:]
    known = wanted != -100
    model.train()
    for step in range(most):
        logits = model(input_ids=ids).logits[:, :-1]
        right, truth = logits[known], wanted[known]
        if step % 10 == 9:
            mine = right.gather(1, truth[:, None])
            others = right.scatter(1, truth[:, None], -torch.inf).max(-1, keepdim=True).values
            if bool((mine - others > margin).all()):
                model.eval()
                return
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(right, truth).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    raise AssertionError(f"replies were not learnt in {most} steps")


def _plain(texts: Sequence[str], special: Sequence[str]) -> list[str]:
    """Texts without special tokens, which are no text to a tokenizer."""
    out = []
    for text in texts:
        for token in special:
            text = text.replace(token, " ")
        out.append(text)
    return out
