"""A watched row ends where its text is cut, and never before."""

from __future__ import annotations

import pytest

from ptst_tasks.engines.row_watch import RowWatch
from ptst_tasks.engines.thoughts import Thoughts, cut_answer, families
from tests.ptst_tasks.engines.canned_thoughts import REPLIES
from tests.thinkers import thinking_tokenizer


@pytest.mark.parametrize("template", ["qwen3", "gptoss"])
def test_a_watched_row_ends_where_its_text_is_cut_and_never_before(template: str) -> None:
    texts = [f"{text}\n\nQuestion: more" for text in REPLIES[template].values()]
    tokenizer = thinking_tokenizer(template, texts)
    known = Thoughts(tokenizer, families(tokenizer))
    for text in texts:
        ids = tokenizer(text)["input_ids"]
        for stop in ("\n\n", "Question:", "assistant", "final", "analysis", "think", "5", " is"):
            want = cut_answer(known.text(ids, False, known.plain), [stop], known.markers, False)
            for every in (1, 8):
                watch = RowWatch(known, False, [stop], frozenset(), every)
                steps = range(every, len(ids) + 1, every)
                at = next((n for n in steps if watch.ended(ids[:n])), None)
                if at is not None:
                    seen = known.text(ids[:at], False, known.plain)
                    assert cut_answer(seen, [stop], known.markers, False) == want, (stop, text)
                elif every == 1:
                    assert known.text(ids, False, known.plain) == want, (stop, text)
