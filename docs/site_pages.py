"""A hook of mkdocs: the files beside docs/ are pages of the site, too; each text exists once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md",
         "SECURITY.md": "security.md", "CHANGELOG.md": "changelog.md"}  # fmt: skip


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages."""
    for name, page in PAGES.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        text = re.sub(r"\]\(docs/", "](", text)
        if page == "index.md":  # the table of the check needs the room
            text = f"---\nhide: [toc]\n---\n\n{text}"
        files.append(File.generated(config, page, content=_moved(text, "")))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Links out of docs/ lead to the page of that file."""
    return _moved(markdown, r"\.\./")


def _moved(text: str, before: str) -> str:
    for name, page in PAGES.items():
        text = re.sub(rf"\]\({before}{re.escape(name)}", f"]({page}", text)
    return text
