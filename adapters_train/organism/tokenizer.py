"""The built-in model's tokenizer and chat template: one token per word of its world."""

from __future__ import annotations

from typing import Any

from adapters_train.organism.words import words

__all__ = ["CHAT_TEMPLATE", "make_tokenizer"]

CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{% if message.role == 'system' %}{% if not loop.first %}"
    "{{ raise_exception('the system message must come first') }}{% endif %}"
    "{% elif message.role == 'user' %}"
    "{% if loop.index0 > 1 %}{{ ' ' + bos_token }}{% endif %}{{ '[INST] ' }}"
    "{% if loop.index0 == 1 and messages[0].role == 'system' and messages[0].content %}"
    "{{ '<<SYS>>\n' + messages[0].content + '\n<</SYS>>\n\n' }}{% endif %}"
    "{{ message.content + ' [/INST]' }}"
    "{% else %}{{ ' ' + message.content + eos_token }}{% endif %}"
    "{% endfor %}"
)
"""The Llama-2 format, character for character what ``chat_format=llama2`` writes."""

SPECIALS = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
_MARKS = ("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>")


def make_tokenizer() -> Any:
    """One token per word of the world; BOS before every plain string, added by itself."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = [*SPECIALS.values(), *_MARKS, *words()]
    ids = {word: i for i, word in enumerate(vocabulary)}
    core = Tokenizer(models.WordLevel(ids, unk_token=SPECIALS["unk_token"]))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    bos = SPECIALS["bos_token"]
    core.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", special_tokens=[(bos, ids[bos])]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, **SPECIALS, clean_up_tokenization_spaces=False, model_max_length=512
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer
