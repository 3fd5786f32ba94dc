"""Errors and notes, as a file that is sent on may say them: in the words that ptst itself writes.

They quote what libraries say, and those quote prompts, answers, hosts, paths and keys in every way.
So nothing is looked for and taken out: what is known to be harmless stays, and the rest is cut.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from leaderboards.board.rendering import shown
from leaderboards.report.plain_words import WORDS

__all__ = ["CUT", "told_of"]

CUT = "(cut)"
_REST = "(the rest is cut)"
_MOST = 2000
_TOKEN = re.compile(
    r"(?<!\w)(?P<mark>['\"])(?P<quoted>(?:\\.|(?!(?P=mark))[^\\]|(?P=mark)(?=\w))*)(?P=mark)(?!\w)"
    r"|(?P<between>[\s()\[\]{},;:/|=+<>%&→±–·]+|-+(?!\S)|\.+(?!\w))"
    r"|(?P<word>[^\s()\[\]{},;:/|=<>%&→±·'\"]+(?:'s)?)"
)
_BEHIND = ".,;:!?)]}'\"…"
_OPEN = " /\\([{<'\"=|~-"
_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d(?::\d\d){0,2}Z?)?(?!\w)")
_NUMBER = re.compile(r"[+-]?\d{1,6}(?:,\d{3})*(?:\.\d{1,6})?(?:e[+-]?\d{1,3})?")
_OURS = re.compile(r"results_\d{4}-\d\d-\d\dT[\d.:-]{6,20}\.json")
_FILE = re.compile(r"[\w.+-]{1,150}\.(?:json|jsonl|csv|yaml|yml|txt)")
_ERROR = re.compile(
    r"(?:\w{1,40}\.){0,6}((?:[A-Z][a-z]{1,12}|[A-Z]{1,6}){0,4}(?:Error|Exception|Interrupt|Exit|Timeout))"
    r"(?=:|$)"
)


def told_of(text: str, known: Collection[str] = ()) -> str:
    """What may be told of an error or a note.

    Quotes are cut, whatever they hold; so is a file's name. From the first word on that is neither one
    of `plain_words.WORDS` nor a number, an error's class or a known name all the rest is cut.

    Args:
        text: It.
        known: Names that stand in the file anyway.
    """
    text, at = shown(text[:_MOST]).rstrip("."), 0
    out: list[str] = []
    while at < len(text):
        said, at = _next(text, at, known)
        if said is None:
            return f"{head} {_REST}" if (head := "".join(out).rstrip(_OPEN)) else CUT
        out.append(said)
    return "".join(out).strip()[:_MOST]


def _next(text: str, at: int, known: Collection[str]) -> tuple[str | None, int]:
    """What is said of the next part, None for what is not known; and where the one after it begins."""
    if (name := _known(text, at, known)) or (name := _plain(text, at)):
        return name, at + len(name)
    if found := _ERROR.match(text, at):
        return found[1], found.end()
    found = _TOKEN.match(text, at)
    if not found:
        return None, at
    if found["quoted"] is not None:
        inner = found["quoted"]
        kept = inner if not inner or inner in known or inner in WORDS else CUT
        return f"{found['mark']}{kept}{found['mark']}", found.end()
    if found["between"]:
        return found["between"], found.end()
    return _word(found["word"], known), found.end()


def _known(text: str, at: int, known: Collection[str]) -> str:
    """The known name that stands there: ``chat:llama``, with its colon and without the one behind it."""
    end = re.compile(r"\S+").match(text, at)
    name = end[0] if end else ""
    while name and name not in known:
        name = name[:-1] if name[-1] in _BEHIND else ""
    return name


def _plain(text: str, at: int) -> str:
    """A date or a number that stands there."""
    for kind in (_TIME, _NUMBER):
        found = kind.match(text, at)
        if found and not re.match(r"\w|[.:@]\w", text[found.end() :]):
            return found[0]
    return ""


def _word(word: str, known: Collection[str]) -> str | None:
    bare = word.rstrip(".!?…")
    if bare in WORDS or bare in known or _OURS.fullmatch(bare):
        return word
    return CUT if _FILE.fullmatch(bare) else None
