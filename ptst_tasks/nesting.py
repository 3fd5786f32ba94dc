"""Where a thought ends that speaks of the markers of thoughts itself."""

from __future__ import annotations

__all__ = ["at_edge", "end_of"]


def end_of(body: str, opening: str, closing: str) -> int:
    """The place of the marker that ends a thought; -1 where nothing does.

    A pair of markers within a thought ends nothing: on one line it is a quotation, and an opening
    marker on a line of its own has a closing one of its own. An opening one in the middle of a line
    is a mention, and so is a closing one in quotation marks. In doubt a thought has no end, which is
    counted, and is never scored as an answer.

    Args:
        body: All behind the marker that began the thought.
        opening: That marker; the same once more at the beginning of `body` begins nothing new.
        closing: What ends the thought.
    """
    opening, at, inside = opening.strip(), 0, 0
    while opening and (rest := body[at:].lstrip()).startswith(opening):
        at = len(body) - len(rest) + len(opening)
    while (close := body.find(closing, at)) >= 0:
        inner = body.find(opening, at, close) if opening else -1
        if inner < 0:
            if _quoted(body, close, close + len(closing)):
                at = close + len(closing)
                continue
            if not inside:
                return close
            inside, at = inside - 1, close + len(closing)
        elif "\n" in body[inner:close]:
            inside, at = inside + _alone(body, inner, opening), inner + len(opening)
        elif _ends(body, inner + len(opening), close, closing):
            return close
        else:
            at = close + len(closing)
    return -1


def _quoted(body: str, begin: int, end: int) -> bool:
    """Whether a part stands between two quotation marks of one kind."""
    mark = body[begin - 1 : begin] if begin else ""
    return mark in ("`", "'", '"') and body[end : end + 1] == mark


def _alone(body: str, at: int, mark: str) -> bool:
    """Whether a marker has a line of its own."""
    before, behind = body[:at].rpartition("\n")[2], body[at + len(mark) :].partition("\n")[0]
    return not before.strip() and not behind.strip()


def _ends(body: str, inner: int, close: int, closing: str) -> bool:
    """Whether the second of two markers on a line is the thought's end, and the first a mention."""
    behind = body[close + len(closing) :]
    line = not behind.partition("\n")[0].strip()
    return line and bool(body[inner:close].strip()) and closing not in behind


def at_edge(text: str, begin: int, end: int) -> bool:
    """Whether a part of a text begins or ends a line."""
    before, behind = text[:begin].rpartition("\n")[2], text[end:].partition("\n")[0]
    return not before.strip() or not behind.strip()
