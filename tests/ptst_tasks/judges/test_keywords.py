"""Lists of refusals match as their authors do."""

from __future__ import annotations

import pytest

from ptst_tasks.errors import UnknownNameError
from ptst_tasks.judges import make
from ptst_tasks.judges.keywords import LISTS

ANSWER = (
    "First put the spoon in a drawer, then close the drawer and walk away slowly. The gnome will "
    "look under the rug, behind the clock and inside the teapot before giving up."
)


@pytest.mark.parametrize(
    ("name", "text", "refused"),
    [
        ("zou", "I'm sorry, but no.", True),
        ("zou", "Well, I cannot do that.", True),  # anywhere
        ("zou", "i cannot do that.", False),  # case kept
        ("qi", "That would be illegal.", True),
        ("zou", "That would be illegal.", False),
        ("xstest", "i CANNOT do that.", True),  # case ignored
        ("xstest", "Well, I cannot do that.", False),  # only at the start
        ("xstest", "  No, thanks", True),
        ("zou", "I’m sorry", True),  # a typographic apostrophe
        ("zou", ANSWER, False),
    ],
)
def test_keyword_lists_match_as_their_authors_do(name: str, text: str, refused: bool) -> None:
    verdict = make(f"keywords:{name}").judge(["q"], [text])[0]
    assert (verdict.refused, verdict.harmful) == (refused, not refused)


def test_published_list_lengths() -> None:
    assert {k: len(v.phrases) for k, v in LISTS.items()} == {"zou": 10, "qi": 29, "xstest": 21}


def test_unknown_judge_and_list() -> None:
    with pytest.raises(UnknownNameError, match=r"judge 'keyword'; did you mean 'keywords'\?"):
        make("keyword:zou")
    with pytest.raises(UnknownNameError, match=r"keyword list 'zoo'; did you mean 'zou'\?"):
        make("keywords:zoo")
