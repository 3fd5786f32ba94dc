from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest
from lxml import html

from leaderboards.board.tables import grids
from leaderboards.report import page as page_module
from leaderboards.report.build import build
from leaderboards.report.page import render_board
from ptst_tasks.errors import ConfigError, MissingExtraError
from tests.leaderboards.board.rows import ROWS
from tests.leaderboards.report.made_runs import CV, Said, two_templates, write_cell


def test_the_policy_names_the_digests_of_script_and_style(tmp_path: Path) -> None:
    tree = html.fromstring(build([[two_templates(tmp_path / "run")]]).html)
    (policy,) = tree.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert policy.startswith("default-src 'none'; ")
    for path, directive in (
        ("//script[@type='module']", "script-src"),
        ("//style", "style-src-elem"),
    ):
        (one,) = tree.xpath(path)
        digest = base64.b64encode(hashlib.sha256(one.text.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert "http:" not in policy
    assert "https:" not in policy


def test_data_ends_no_script(tmp_path: Path) -> None:
    text = "</script><!--<script>&\u2028\u2029\ud800é"
    write_cell(tmp_path / "run", "gsm8k", CV, [Said("a", text, text, {"strict-match": "right"})])
    made = build([[tmp_path / "run"]]).html
    (data,) = html.fromstring(made).xpath("//script[@id='data']/text()")
    assert not set("<>&\u2028\u2029") & set(data)
    assert text in json.loads(data)["texts"]
    made.encode()  # half characters are escaped


def test_nothing_is_asked_for_elsewhere(tmp_path: Path) -> None:
    tree = html.fromstring(build([[two_templates(tmp_path / "run")]]).html)
    assert not tree.xpath("//link | //script[@src] | //img | //iframe | //base | //object")
    assert all(link.startswith("#") for link in tree.xpath("//a/@href"))


def test_the_board_alone() -> None:
    made = render_board(grids(ROWS))
    tree = html.fromstring(made)
    assert tree.xpath("//caption/text()") == ["m: asr on advbench (k), %"]
    assert tree.xpath("//td[contains(@class, 'same')]/span/text()") == ["25.33", "50.00"]
    assert not tree.xpath("//button | //script")
    with pytest.raises(ConfigError, match="no table to lay out"):
        render_board([])


def test_a_library_of_another_shape_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_module, "_EXPORT", re.compile("nothing like it"))
    with pytest.raises(ConfigError, match=r"constraints\.txt"):
        page_module._tables()


def test_without_the_library_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="report"):
        page_module._tables()
