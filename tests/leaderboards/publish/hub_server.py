"""A hub on loopback: the routes that creating a repository and one commit take, and their refusals."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

import pytest

TOKEN = "hf_madeupmadeupmadeup"


@dataclass
class Repo:
    """Files by name, and the commit at which they are that."""

    files: dict[str, bytes] = field(default_factory=lambda: {".gitattributes": b""})
    sha: str = "0" * 40
    private: bool = False
    messages: list[str] = field(default_factory=list)


class Hub:
    """Serves while it is entered; user ``me``, member of ``lab``.

    Attributes:
        repos: What is there.
        refuse: Path's end -> the status that it answers with.
        calls: ``METHOD path`` of every call.
    """

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.refuse: dict[str, int] = {}
        self.calls: list[str] = []
        self.blobs: dict[str, bytes] = {}

    def __enter__(self) -> Self:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                chunked = "chunked" in self.headers.get("transfer-encoding", "")
                data = self._chunks() if chunked else self._whole()
                path = urlsplit(self.path).path
                hub.calls.append(f"{self.command} {path}")
                status, body, more = hub.answer(self.command, path, self.headers, data)
                raw = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"content-length": str(len(raw)), **more}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(raw)

            def _whole(self) -> bytes:
                return self.rfile.read(int(self.headers.get("content-length") or 0))

            def _chunks(self) -> bytes:
                out = b""
                while size := int(self.rfile.readline(), 16):
                    out += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return out

            do_GET = do_HEAD = do_POST = do_PUT = _any  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def environment(self) -> dict[str, str]:
        """What makes another process's client ask this hub, without Xet, which no server here speaks."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            "HF_TOKEN": TOKEN,
        }

    def answer(
        self, method: str, path: str, head: Any, data: bytes
    ) -> tuple[int, Any, dict[str, str]]:
        for end, status in self.refuse.items():
            if path.endswith(end):
                return status, {"error": "no"}, {"X-Error-Message": "no"}
        if path.startswith("/lfs/"):  # storage asks for no token
            oid = path.removeprefix("/lfs/")
            assert hashlib.sha256(data).hexdigest() == oid
            self.blobs[oid] = data
            return 200, b"", {}
        if head.get("authorization") != f"Bearer {TOKEN}":
            told = {"X-Error-Message": "Invalid credentials in Authorization header"}
            return 401, {"error": told["X-Error-Message"]}, told
        return self._known(method, path, data)

    def _known(self, method: str, path: str, data: bytes) -> tuple[int, Any, dict[str, str]]:
        if path == "/api/whoami-v2":
            return 200, {"type": "user", "name": "me", "orgs": [{"name": "lab"}]}, {}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}, {}
        if path == "/api/repos/create":
            return self._create(json.loads(data))
        parts = path.removeprefix("/api/models").strip("/").split("/")
        name = "/".join(parts[:2]).removesuffix(".git")
        if name not in self.repos:
            return 404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"}
        return self._of(name, self.repos[name], parts[2:], data)

    def _create(self, asked: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        name = f"{asked['organization']}/{asked['name']}"
        if name in self.repos:
            return 409, {"error": "You already created this model repo", "url": name}, {}
        self.repos[name] = Repo(private=asked.get("visibility") == "private")
        return 200, {"url": f"{self.url}/{name}", "name": name}, {}

    def _of(
        self, name: str, repo: Repo, parts: list[str], data: bytes
    ) -> tuple[int, Any, dict[str, str]]:
        if not parts or parts[0] == "revision":
            files = [{"rfilename": file} for file in repo.files]
            return (
                200,
                {"id": name, "sha": repo.sha, "siblings": files, "private": repo.private},
                {},
            )
        if parts[0] == "resolve":
            body = repo.files["/".join(parts[2:])]
            return (
                200,
                body,
                {"ETag": f'"{hashlib.sha1(body).hexdigest()}"', "X-Repo-Commit": repo.sha},
            )
        if parts[0] == "preupload":
            asked = json.loads(data)["files"]
            heavy = (".safetensors", ".png")
            return 200, {"files": [{"path": f["path"], "shouldIgnore": False, "oid": None,
                                    "uploadMode": "lfs" if f["path"].endswith(heavy) else "regular"}
                                   for f in asked]}, {}  # fmt: skip
        if parts[-1] == "batch":
            asked = json.loads(data)["objects"]
            return 200, {"transfer": "basic", "objects": [
                {**o, "actions": {"upload": {"href": f"{self.url}/lfs/{o['oid']}"}}} for o in asked
            ]}, {"content-type": "application/vnd.git-lfs+json"}  # fmt: skip
        assert parts == ["commit", "main"], parts
        return self._commit(name, repo, [json.loads(line) for line in data.splitlines()])

    def _commit(
        self, name: str, repo: Repo, lines: list[dict[str, Any]]
    ) -> tuple[int, Any, dict[str, str]]:
        head, *files = lines
        if head["value"].get("parentCommit") not in (None, repo.sha):
            return 412, {"error": "A commit has happened since."}, {}
        for line in files:
            value = line["value"]
            body = (
                base64.b64decode(value["content"])
                if line["key"] == "file"
                else self.blobs[value["oid"]]
            )
            repo.files[value["path"]] = body
        repo.messages.append(head["value"]["summary"])
        repo.sha = f"{len(repo.messages):040d}"
        return (
            200,
            {
                "success": True,
                "commitOid": repo.sha,
                "commitUrl": f"{self.url}/{name}/commit/{repo.sha}",
            },
            {},
        )


def point_at(hub: Hub, patch: pytest.MonkeyPatch, token: str = TOKEN) -> None:
    """Makes the hub's client in this process ask `hub`, without Xet, which no server here speaks."""
    from huggingface_hub import constants

    patch.setattr(constants, "ENDPOINT", hub.url)
    url = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url)
    patch.setattr(constants, "HF_HUB_OFFLINE", False)
    patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    patch.setattr(constants, "HF_TOKEN_PATH", "/nonexistent/token")
    patch.setenv("HF_TOKEN", token)
