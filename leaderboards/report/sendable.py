"""What of a run may stand in a file that is sent on: which texts, and names without places and secrets."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any, Literal

from leaderboards.board.rendering import shown
from ptst_tasks.keys import hidden
from ptst_tasks.organism_world import SETS as MADE_UP
from ptst_tasks.record import TaskRecord

__all__ = ["TEXTS", "Texts", "is_harmless", "name_of"]

Texts = Literal["none", "harmless", "harmful"]
TEXTS: tuple[Texts, ...] = ("none", "harmless", "harmful")

_MOST = 2000
"""Characters of a name that are read: the expressions take the square of it."""
_ADDRESS = "(an address)"
_QUERY = re.compile(r"[?&][\w.-]+=(?:\(an address\)|[^\s'\"])*")
_FILE = re.compile(r"(?i)\bfile://(?:localhost)?(?=[\\/~])")
# A comma may be of the address; one at its end is not.
_URL = re.compile(r"[A-Za-z0-9+.-]{0,15}://[^\s'\"]*[^\s'\",;:)\]}>.]|[A-Za-z0-9+.-]{1,15}://")
_START = re.compile(
    r"~(?:[A-Za-z_][\w.-]*)?[\\/]|(?<![A-Za-z])[A-Za-z]:[\\/]|\\\\|(?<![\w.])\.{1,2}[\\/]"
    r"|(?<![\w./])/(?![/\s])(?!\w{1,20}>)"  # </s> is none
)
_CLOSES = dict(zip("'\"`“‘«([{<", "'\"`”’»)]}>", strict=True))
_ENDS = re.compile(r"[,;](?=\s|$|[\w-]+[=:])|:(?=\s|$)|['\"](?!\w)")
_PART = r"[^\s'\",;:=+()\[\]{}<>\\/]+"
_DEEP = re.compile(  # a path from where a run was started; of the hub is a name with one stroke
    rf"(?i){_PART}(?:[\\/]{_PART}){{2,}}[\\/]?|{_PART}[\\/]{_PART}\.(?:csv|gguf|jsonl?|parquet|txt|ya?ml)\b"
)
_HOME = re.compile(r"(?i)(?:[\\/](?:home|Users)[\\/]+|^~)[^\\/]*[\\/]*$")
_HOST = re.compile(
    r"\bserved:\S+"
    r"|[\w.+-]+@[\w-]+(?:\.[\w-]+)*:\S*|[\w.+-]+@(?:[\w-]+\.)+[A-Za-z]{2,}\b"  # user@host
    r"|(?:\b[\w-]+\.)+[A-Za-z]{2,}:\d{2,5}(?:/\S*)?|\b[\w-]+:\d{2,5}/\S*|\blocalhost\b(?::\d+)?"
)
_NUMBERS = re.compile(r"(?<![\w.])\[?([0-9A-Fa-f:.]{2,45})(?:%\w+)?\]?(?::\d+)?(?![\w])")
_SECRET = re.compile(
    r"(?i)\b(?!\w*(?:bos|eos|pad|unk|end|sep|cls|mask)_token)"
    r"((?:\w*[_-])?(?:api[ _-]?key|key|token|secret|passwords?|passwd|passphrase|credentials?|"
    r"authorization|cookie|host|hostname))(['\"]?\s*[=:]\s*)"
    r"(?:(['\"]).*?\3(?!\w)|.+?(?=[,;&]\s*['\"]?[\w-]+['\"]?\s*[=:]|$))"
)
_SCHEME = re.compile(
    r"(?i)\b(?:bearer|basic|token|api[ _-]?key|password|secret) +(?=\S*[\d=_-])\S{6,}"
    r"|\b(?:glpat|xox[a-z])-[\w-]{6,}"
)
_FLAG = re.compile(r"(?i)(--?[\w-]*(?:key|token|secret|password|host)) +\S+")


def is_harmless(ours: TaskRecord, doc: Mapping[str, Any]) -> bool:
    """Whether a prompt and its answers may stand in a file that nobody asked to hold harmful ones.

    What is not known to be harmless is not: a task of somebody else's, a set of a user's own that does not
    say, an unsafe prompt among safe ones.
    """
    if ours.get("set") in MADE_UP:  # a few hundred words of nonsense
        return True
    kind = ours.get("kind")
    return kind == "helpful" or (kind == "overrefusal" and doc.get("label", "safe") == "safe")


def name_of(text: str) -> str:
    """A name on one line: of a path its last part alone, no host or address, nothing like a key.

    For names, and for what is made of them. What an error or a note says is no name: see
    `leaderboards.report.sayable.told_of`.
    """
    text = _FILE.sub("", _whole(shown(text[: _MOST + 1])))
    text = _QUERY.sub("?(cut)", _URL.sub(_ADDRESS, text))
    text = _FLAG.sub(r"\1 ***", _SECRET.sub(r"\1\2***", text))
    text = _without_paths(hidden(_SCHEME.sub("***", text)))
    text = _HOST.sub(_ADDRESS, _NUMBERS.sub(_no_number, text))
    return _DEEP.sub(lambda found: _last(found[0]), text)[:_MOST]


def _whole(text: str) -> str:
    """What is read of a text; half a path would end with the name of a folder."""
    if len(text) <= _MOST:
        return text
    text = text[:_MOST]
    starts = [found.start() for found in _START.finditer(text)]
    return text[: starts[-1]] if starts else text.rpartition(" ")[0] or text


def _without_paths(text: str) -> str:
    """Each path as its last part: to the end of its quotes or brackets, or else as far as it may go."""
    out, at = [], 0
    while found := _START.search(text, at):
        start = found.start()
        end = _end(text, start, found.end())
        out += [text[at:start], _last(text[start:end])]
        at = end
    return "".join([*out, text[at:]])


def _end(text: str, start: int, after: int) -> int:
    """Where a path ends; blanks do not end it, nor a quote or a bracket within a word."""
    closer = _CLOSES.get(text[start - 1]) if start else None
    ends = re.compile(rf"{re.escape(closer)}(?!\w)") if closer else _ENDS
    found = ends.search(text, after)
    return found.start() if found else len(text)


def _last(path: str) -> str:
    path = path.rstrip(" ")
    if _HOME.search(path):  # whose last part is a person
        return "(a path)"
    return re.split(r"[\\/]", path.rstrip("\\/"))[-1] or "(a path)"


def _no_number(found: re.Match[str]) -> str:
    """An address of the network by numbers; a time of day or a version is none."""
    digits = found[1].rstrip(".:") if not found[1].endswith("::") else found[1]
    for text in (digits, digits.rpartition(":")[0]):
        try:
            ipaddress.ip_address(text)
        except ValueError:
            continue
        if re.search(r"\d", text):
            return _ADDRESS
    return found[0]
