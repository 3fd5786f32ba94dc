"""What surrounds the code says the same as the code: versions, Pythons, checks, forms, workflows."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from ptst_tasks import __version__

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
WORKFLOWS = ROOT / ".github/workflows"


def _yaml(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def test_one_version() -> None:
    assert PROJECT["dynamic"] == ["version"]
    assert PYPROJECT["tool"]["hatch"]["version"] == {"path": "ptst_tasks/__init__.py"}
    written = [f for f in ROOT.glob("[a-z]*/**/*.py") if f'"{__version__}"' in f.read_text("utf-8")]
    assert written == [ROOT / "ptst_tasks/__init__.py"]
    assert str(_yaml("CITATION.cff")["version"]) == __version__
    assert f"\n## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_citation_has_what_the_format_asks_for() -> None:
    """https://github.com/citation-file-format/citation-file-format/blob/main/schema-guide.md."""
    cff = _yaml("CITATION.cff")
    assert cff["cff-version"] == "1.2.0"
    assert cff["license"] == PROJECT["license"]
    for one in (cff, *cff["references"]):
        assert one["title"]
        assert one["authors"]
    assert cff["message"]


def test_the_pythons_of_ci_are_those_of_the_classifiers() -> None:
    said = {c.rpartition(" ")[2] for c in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", c)}
    jobs = _yaml(".github/workflows/ci.yml")["jobs"]
    alone = jobs["all"]["steps"][1]["with"]["python-version"]
    assert {alone, *jobs["test"]["strategy"]["matrix"]["python"]} == said
    tried = _yaml(".github/workflows/release.yml")["jobs"]["try"]["strategy"]["matrix"]["python"]
    assert set(tried) == said
    assert PROJECT["requires-python"] == f">={min(said, key=lambda v: int(v[2:]))}"


def test_pre_commit_has_the_checks_of_make_check_and_fetches_nothing() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    rule = re.search(r"^check:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert rule
    asked = {line.split("$(BIN)/")[1] for line in rule[1].splitlines()}
    repos = _yaml(".pre-commit-config.yaml")["repos"]
    assert [repo["repo"] for repo in repos] == ["local"]
    hooks = repos[0]["hooks"]
    assert {hook["language"] for hook in hooks} == {"system"}
    entries = {hook["entry"].removeprefix(".venv/bin/") for hook in hooks}
    assert {e.replace(" --force-exclude", "") for e in entries} == {
        a.removesuffix(" .") for a in asked
    }


@pytest.mark.parametrize("form", ["fault", "number", "idea"])
def test_issue_forms_are_forms(form: str) -> None:
    """https://docs.github.com/en/communities: ids are unique, every field has a label."""
    data = _yaml(f".github/ISSUE_TEMPLATE/{form}.yml")
    assert {"name", "description", "body"} <= set(data)
    fields = [item for item in data["body"] if item["type"] != "markdown"]
    assert all(field["attributes"]["label"] for field in fields)
    ids = [field["id"] for field in fields]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", ["ci", "release"])
def test_workflows_ask_for_no_more_than_they_need(name: str) -> None:
    flow = _yaml(f".github/workflows/{name}.yml")
    assert flow["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job for job in flow["jobs"].values())


def test_publishing_needs_no_stored_token() -> None:
    jobs = _yaml(".github/workflows/release.yml")["jobs"]
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert jobs["publish"]["needs"] == "try"
    assert "secrets." not in (WORKFLOWS / "release.yml").read_text(encoding="utf-8")


def test_every_package_says_that_it_is_typed() -> None:
    for package in ("ptst_tasks", "adapters_train", "leaderboards"):
        assert (ROOT / package / "py.typed").is_file()


def test_what_an_extra_names_first_is_pinned() -> None:
    pinned = {
        line.partition("==")[0].lower()
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    }
    for extra in ("docs", "dev"):
        for need in PROJECT["optional-dependencies"][extra]:
            name = re.match(r"[\w-]+", need)
            assert name
            assert name[0].lower() in pinned | {"ptst"}, need
