"""The way to the hub: one new repository, one commit; nothing of anybody else's is written over.

Everything that can be refused is asked first: whose token it is, whether the owner is ours, whether the
repository is there and whose card is in it. What was found is what the commit is made on, so a change in
between ends it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from leaderboards.publish.model_card import MARKER
from ptst_tasks.errors import ConfigError, said

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = ["Door", "knock", "push"]

_LOGIN = "set HF_TOKEN to a token that may write, or `hf auth login`"


@dataclass(frozen=True, slots=True)
class Door:
    """A repository that may be written to.

    Attributes:
        api: Knows the token.
        repo: ``OWNER/NAME``.
        parent: The commit that was looked at; empty for a repository that is still to be made.
    """

    api: HfApi
    repo: str
    parent: str


def knock(repo: str, *, update: bool) -> Door:
    """Asks everything that can be refused; writes nothing.

    Args:
        repo: ``OWNER/NAME``.
        update: Whether a repository that is there may be written to, if its card is ours.

    Raises:
        ConfigError: If the hub cannot be reached or is not to be, the token is wrong or not the owner's,
            the repository is there, or its card is somebody else's.
    """
    from huggingface_hub import HfApi, constants, get_token

    if constants.HF_HUB_OFFLINE:
        raise ConfigError("--push needs the hub, and HF_HUB_OFFLINE is set: nothing was pushed")
    with _told(repo):
        token = get_token()
        if not token:
            raise ConfigError(f"--push needs a token of the hub, and there is none: {_LOGIN}")
        api = HfApi(token=token)
        _check_owner(repo, api.whoami())
        if not api.repo_exists(repo):
            return Door(api, repo, "")
        if not update:
            raise ConfigError(f"{repo!r} is there already: nothing was pushed; take another name, or add "
                              "--update if ptst made it")  # fmt: skip
        return Door(api, repo, _check_ours(api, repo))


def _check_owner(repo: str, who: Mapping[str, Any]) -> None:
    owner = repo.partition("/")[0]
    orgs = [str(org.get("name")) for org in who.get("orgs") or () if isinstance(org, Mapping)]
    if owner not in (who.get("name"), *orgs):
        raise ConfigError(
            f"{repo!r} is not ours: the token is of no member of {owner!r}; nothing was pushed"
        )


def _check_ours(api: HfApi, repo: str) -> str:
    """The commit at which a repository is empty, or has a card of ours."""
    info = api.model_info(repo)
    names = {file.rfilename for file in info.siblings or ()} - {".gitattributes"}
    if names and (
        "README.md" not in names or MARKER not in _card(api, repo, str(info.sha)).splitlines()
    ):
        raise ConfigError(f"{repo!r} has a card that ptst did not write, or files and no card: nothing was "
                          "pushed; take another name")  # fmt: skip
    return str(info.sha)


def _card(api: HfApi, repo: str, revision: str) -> str:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = api.hf_hub_download(repo, "README.md", revision=revision, local_dir=folder)
        return Path(file).read_text(encoding="utf-8", errors="replace")


def push(door: Door, files: Mapping[str, bytes | Path], *, private: bool, title: str) -> str:
    """Makes the repository if it is not there, and commits the files at once.

    Args:
        door: What `knock` found.
        files: Name in the repository -> contents, or the file that has them.
        private: For a new repository.
        title: The commit's message.

    Returns:
        The address of the repository.

    Raises:
        ConfigError: If the hub refuses; a repository that was made for it and is empty is named.
    """
    from huggingface_hub import CommitOperationAdd
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
    made = ""
    if not door.parent:
        with _told(door.repo):
            door.api.create_repo(door.repo, private=private or None, exist_ok=False)
        made = (
            f" ({door.repo!r} was made for it and is empty: the same command with --update goes on)"
        )
    adds = [
        CommitOperationAdd(name, str(body) if isinstance(body, Path) else body)
        for name, body in sorted(files.items())
    ]
    with _told(door.repo, made):
        door.api.create_commit(
            door.repo, adds, commit_message=title, parent_commit=door.parent or None
        )
    return f"{door.api.endpoint}/{door.repo}"


@contextmanager
def _told(repo: str, more: str = "") -> Iterator[None]:
    """Makes one line of whatever the hub, its client or the network says no with."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    network = cast(
        "type[Exception]", HfHubHTTPError.__mro__[1]
    )  # of the HTTP library that the hub's client carries
    try:
        yield
    except HfHubHTTPError as e:
        raise ConfigError(f"nothing was pushed to {repo!r}: {_status(e)}{more}") from e
    except OfflineModeIsEnabled as e:
        raise ConfigError(
            f"the hub is not to be asked (offline mode): nothing was pushed{more}"
        ) from e
    except (network, OSError, ValueError, RuntimeError) as e:
        if isinstance(e, ConfigError):
            raise
        raise ConfigError(f"nothing was pushed to {repo!r}: the hub cannot be reached or does not speak as "
                          f"expected: {said(e.__cause__ or e)}{more}") from e  # fmt: skip


def _status(error: Any) -> str:
    status = getattr(error.response, "status_code", None)
    told = {
        401: f"the hub does not know this token (401); {_LOGIN}",
        403: "this token may not write there (403): it is somebody else's, or the token can only read",
        409: "it is there already (409)",
        412: "it was changed while this ran (412); run it again",
    }
    return told.get(status or 0, f"the hub said {status}: {said(error)[:200]}")
