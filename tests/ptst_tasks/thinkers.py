"""Chat templates of models that think, of our own making, each with one trait of the real ones."""

from __future__ import annotations

__all__ = ["DEAF", "NEXT", "OPENS", "PARTS", "SAYS", "SWITCHED"]


def _template(answer: str, prompt: str, head: str = "") -> str:
    return (
        head + "{% for m in messages %}{% if m.role == 'assistant' %}[bot]" + answer + "[end]\n"
        "{% else %}[{{ m.role }}]{{ m.content }}[end]\n{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}[bot]" + prompt + "{% endif %}"
    )


_LAST = "{{ m.content.split('</think>')[-1] }}"

OPENS = _template(_LAST, "<think>\n")
"""Opens a thought, drops thoughts from what is finished, and has no switch (R1 distils)."""

SWITCHED = _template(
    "{% if m.reasoning_content %}<think>\n{{ m.reasoning_content }}\n</think>\n\n{% endif %}"
    + _LAST,
    "<think>\n{% if enable_thinking is false %}\n</think>\n\n{% endif %}",
)
"""Has a switch, and leaves the empty thought out of what is finished (MiniMax-M2)."""

DEAF = _template("{{ m.content }}", "", "{% if enable_thinking and false %}x{% endif %}")
"""Reads the switch and does nothing."""

SAYS = _template(
    _LAST,
    "{% if ns.off %}<think></think>{% else %}<think>\n{% endif %}",
    "{% set ns = namespace(off=false) %}{% for m in messages %}{% if '/no_think' in m.content %}"
    "{% set ns.off = true %}{% endif %}{% endfor %}",
).replace(
    "{{ m.content }}", "{{ m.content.replace('/no_think', '').replace('/think', '').strip() }}"
)
"""Looks for a word in the messages (Nemotron-Nano-v2)."""

NEXT = (
    "<s>{% for m in messages %}<|turn|><|{{ m.role }}|>{{ m.content }}<|over|>{% endfor %}"
    "<|turn|><|assistant|>"
)
"""Opens the next turn behind an answer, whatever it is asked for (Command R7B)."""

PARTS = (
    "{% for m in messages %}{{ m.role }}:{% for part in m.content %}{% if part.type == 'text' %}"
    " {{ part.text }}{% endif %}{% endfor %}[end]\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
"""Wants content as a list of parts (Idefics, SmolVLM)."""
