"""axe-core's rules of accessibility, run on an opened page.

axe-core (MPL-2.0) is one file of its npm package (0.7 MB), fetched once with npm, checked, and kept where
`tests.real_models.cache_folder` says. Nothing of it is ever committed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.real_models import NotToBeHadError, cache_folder, check_digest

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession, Page

__all__ = ["fetched", "violations"]

_PACKAGE = "axe-core@4.14.1"
_SHA256 = "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745"
_INSIDE = "package/axe.min.js"
_QUICK = ("--ignore-scripts", "--fetch-retries=1", "--fetch-timeout=60000")
_OPTIONS = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
    "preload": False,  # it would ask for style sheets, and a request is noticed
}


def violations(page: Page) -> list[str]:
    """What breaks a rule of WCAG 2.0 to 2.2, levels A and AA, or of good practice; a line each.

    Skips the test where axe-core cannot be had.
    """
    source, why_not = _source()
    if why_not:
        pytest.skip(why_not)
    session = page.context.new_cdp_session(page)
    try:
        found = _run(session, source)
    finally:
        session.detach()
    return [_line(rule, node) for rule in found["violations"] for node in rule["nodes"]]


def _run(session: CDPSession, source: str) -> Any:
    """In a world of its own: the page's policy and its scripts neither see nor stop it."""
    frame = session.send("Page.getFrameTree")["frameTree"]["frame"]["id"]
    world = session.send("Page.createIsolatedWorld", {"frameId": frame, "worldName": "axe"})
    for expression in (source, f"axe.run(document, {json.dumps(_OPTIONS)})"):
        asked = {
            "expression": expression,
            "contextId": world["executionContextId"],
            "awaitPromise": True,
            "returnByValue": expression is not source,
        }
        done = session.send("Runtime.evaluate", asked)
        if told := done.get("exceptionDetails"):
            raise RuntimeError(f"axe-core failed: {told}")
    return done["result"]["value"]


def _line(rule: dict[str, Any], node: dict[str, Any]) -> str:
    target = " ".join(part if isinstance(part, str) else " ".join(part) for part in node["target"])
    why = " ".join(str(node["failureSummary"]).split())
    return f"{rule['id']} ({node['impact']}): {target}: {why}"


@cache  # also of a failure: npm takes its time to give up
def _source() -> tuple[str, str]:
    try:
        return fetched().read_text("utf-8"), ""
    except NotToBeHadError as e:
        return "", str(e)


def fetched() -> Path:
    """axe-core's file, fetched if it is not there.

    Raises:
        NotToBeHadError: If npm or the package cannot be had here.
    """
    file = cache_folder() / f"axe-core-{_SHA256[:12]}.js"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent) as aside:
            package = _download(Path(aside))
            check_digest(package, _SHA256)
            with tarfile.open(package) as packed:
                packed.extract(_INSIDE, aside, filter="data")
            (Path(aside) / _INSIDE).rename(file)
    return file


def _download(aside: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise NotToBeHadError(f"{_PACKAGE} cannot be fetched: there is no npm")
    command = [npm, "pack", _PACKAGE, "--pack-destination", str(aside), *_QUICK]
    done = subprocess.run(command, cwd=aside, capture_output=True, text=True)
    package = next(aside.glob("*.tgz"), None)
    if done.returncode or package is None:
        said = (done.stderr.strip().splitlines() or ["npm said nothing"])[0]
        raise NotToBeHadError(f"{_PACKAGE} cannot be fetched: {said}")
    return package
