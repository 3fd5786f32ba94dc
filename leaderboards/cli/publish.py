"""``ptst publish``: an adapter's model card and numbers, as files and, with --push, on the hub."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ptst_tasks.command import JsonFile, Quiet, put_json, screen
from ptst_tasks.errors import ConfigError, require
from ptst_tasks.files import check_outputs, file_name

if TYPE_CHECKING:
    from leaderboards.publish.subject import Subject

__all__ = ["publish"]


def publish(
    run: Annotated[Path, typer.Argument(help="The folder of a run, as ptst run wrote it.")],
    adapter: Annotated[str, typer.Option(help="Which adapter.  [the only one]")] = "",
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder.  [RUN/publish/ADAPTER]")
    ] = None,
    repo: Annotated[str, typer.Option(help="OWNER/NAME on the hub.")] = "",
    push: Annotated[bool, typer.Option("--push", help="Upload it with the weights.")] = False,
    private: Annotated[
        bool, typer.Option("--private", help="The new repository is private.")
    ] = False,
    update: Annotated[
        bool, typer.Option("--update", help="Write anew a repository that ptst made.")
    ] = False,
    log_to: Annotated[str, typer.Option(help="Also write the numbers to a tracker: trackio.")] = "",
    quiet: Quiet = False,
    json: JsonFile = None,
) -> None:
    """Write an adapter's model card, with its numbers beside the base's and how to get them again.

    Holds no prompt, no answer, no path and no key. As JSON: {adapter, out, files, repo, logged, notes}.
    """
    from leaderboards.publish import bundle as made
    from leaderboards.publish.adapter_files import adapter_files
    from leaderboards.publish.hub import knock
    from leaderboards.publish.hub import push as send
    from leaderboards.publish.subject import subject_of
    from leaderboards.publish.tracker import check_tracker
    from leaderboards.publish.tracker import log_to as track

    require("publish", "huggingface_hub", who="ptst publish")
    _check_options(repo, push=push, private=private, update=update)
    if log_to:
        check_tracker(log_to)
    check_outputs([run], json=json)
    subject = subject_of(run, adapter)
    folder = out or run / "publish" / file_name(subject.plan.name)
    made.check_place(folder)
    weights = adapter_files(subject) if push else {}
    door = knock(repo, update=update) if push else None
    found = made.bundle(subject, repo, weights=push)
    address = ""
    if door:
        address = send(door, {**found.files, **weights}, private=private, title=_title(subject))
    files = [str(file) for file in made.write(folder, found.files)]
    logged = track(log_to, subject) if log_to else 0
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr)
    console = screen(quiet=quiet, json=json)
    for line in [*files, *([address] if address else [])]:
        console.print(line, markup=False, soft_wrap=True)
    if log_to:
        console.print(f"{logged} numbers written to {log_to}", markup=False, soft_wrap=True)
    put_json(json, {"adapter": subject.name, "out": str(folder), "files": files, "repo": address,
                    "logged": logged, "notes": list(found.notes)})  # fmt: skip


def _title(subject: Subject) -> str:
    return f"ptst publish: {subject.name}"


def _check_options(repo: str, *, push: bool, private: bool, update: bool) -> None:
    """Refuses options that would do nothing, and a name that the hub does not take."""
    if repo and not re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]{0,95}", repo):
        raise ConfigError(f"--repo is {repo!r}, expected OWNER/NAME of letters, digits and . _ -")
    if push and not repo:
        raise ConfigError("--push needs --repo OWNER/NAME")
    if not push and (private or update):
        raise ConfigError(f"--{'private' if private else 'update'} does nothing without --push")
    if private and update:
        raise ConfigError("--private is for a new repository; leave it out with --update")
