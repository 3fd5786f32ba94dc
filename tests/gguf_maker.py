"""Tiny GGUF files of our own: a random Llama that reads bytes, whole or wrong in one way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
DIM, FF, HEADS, LAYERS = 32, 64, 4, 2


def _bytes() -> list[str]:
    """The 256 characters that stand for bytes in a byte-level vocabulary."""
    from tokenizers.pre_tokenizers import ByteLevel

    return sorted(ByteLevel.alphabet())


def write_gguf(
    file: Path,
    *,
    seed: int = 0,
    arch: str = "llama",
    tokenizer: bool = True,
    chat: bool = True,
    quantised: bool = False,
) -> Path:
    """Writes a file.

    Args:
        file: Where.
        seed: Of its weights.
        arch: What it says that it is.
        tokenizer: Whether it has one.
        chat: Whether it has a chat template.
        quantised: Whether the matrices are in 8 bits (Q8_0) rather than float32.
    """
    import gguf

    tokens = SPECIAL + _bytes() + ["th", "he"]
    out = gguf.GGUFWriter(str(file), arch)
    out.add_block_count(LAYERS)
    out.add_context_length(2048)
    out.add_embedding_length(DIM)
    out.add_feed_forward_length(FF)
    out.add_head_count(HEADS)
    out.add_head_count_kv(HEADS)
    out.add_layer_norm_rms_eps(1e-5)
    out.add_vocab_size(len(tokens))
    out.add_rope_dimension_count(DIM // HEADS)
    if tokenizer:
        out.add_tokenizer_model("gpt2")
        out.add_token_list(tokens)
        out.add_token_types([gguf.TokenType.CONTROL] * len(SPECIAL)
                            + [gguf.TokenType.NORMAL] * (len(tokens) - len(SPECIAL)))  # fmt: skip
        out.add_token_merges(["t h", "h e"])
        out.add_bos_token_id(1)
        out.add_eos_token_id(2)
        out.add_pad_token_id(0)
        if chat:
            out.add_chat_template(CHAT)
    for name, tensor in _tensors(len(tokens), seed).items():
        if quantised and tensor.ndim == 2:
            kind = gguf.GGMLQuantizationType.Q8_0
            out.add_tensor(name, gguf.quants.quantize(tensor, kind), raw_dtype=kind)
        else:
            out.add_tensor(name, tensor)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    return file


def _tensors(vocabulary: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> Any:
        return rng.normal(0, 0.2, shape).astype(np.float32)

    out = {"token_embd.weight": draw(vocabulary, DIM), "output.weight": draw(vocabulary, DIM),
           "output_norm.weight": np.ones(DIM, np.float32)}  # fmt: skip
    for i in range(LAYERS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            out[f"blk.{i}.{name}.weight"] = draw(DIM, DIM)
        out[f"blk.{i}.ffn_gate.weight"] = draw(FF, DIM)
        out[f"blk.{i}.ffn_up.weight"] = draw(FF, DIM)
        out[f"blk.{i}.ffn_down.weight"] = draw(DIM, FF)
        for name in ("attn_norm", "ffn_norm"):
            out[f"blk.{i}.{name}.weight"] = np.ones(DIM, np.float32)
    return out
