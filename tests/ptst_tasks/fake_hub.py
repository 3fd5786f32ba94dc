"""A hub on this machine with one data set and one public file, as the hub's client asks for them."""

from __future__ import annotations

import hashlib
import json
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["fake_hub"]

_CARD = """\
---
configs:
- config_name: default
  default: true
  data_files: [{split: train, path: train.jsonl}, {split: test, path: test.jsonl}]
- config_name: other
  data_files: [{split: extra, path: other.jsonl}]
- config_name: odd
  data_files: [{split: a, path: test.jsonl}, {split: b, path: train.jsonl}]
- config_name: bad
  data_files: [{split: train, path: bad.jsonl}]
---
"""
_COMMIT = "a" * 40


@contextmanager
def fake_hub(
    files: dict[str, bytes], public: dict[str, bytes], *, etag: bool = False
) -> Iterator[str]:
    """Serves the files as the data set ``me/mine``, and public ones at the root; gives the address."""
    files = {"README.md": _CARD.encode(), **files}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
            head, _, name = path.partition(f"/resolve/{_COMMIT}/")
            if not name:
                head, _, name = path.partition("/resolve/main/")
            if head == "/datasets/me/mine" and name in files:
                self._send(files[name], ETag=f'"{_blob(files[name])}"', X_Repo_Commit=_COMMIT)
            elif head == "/datasets/me/mine":
                self._send(b"", 404, X_Error_Code="EntryNotFound")
            elif path.startswith("/api/datasets/me/mine/tree/"):
                self._json([{"type": "file", "path": name, "size": len(data), "oid": _blob(data)}
                            for name, data in files.items()])  # fmt: skip
            elif path.startswith("/api/datasets/me/mine"):
                self._json({"_id": "1", "id": "me/mine", "sha": _COMMIT, "private": False,
                            "gated": False, "disabled": False, "downloads": 0, "likes": 0,
                            "tags": [], "siblings": [{"rfilename": name} for name in files]})  # fmt: skip
            elif path[1:] in public:
                self._send(public[path[1:]], **{"ETag": _blob(public[path[1:]])} if etag else {})
            else:
                self._send(b"", 404, X_Error_Code="RepoNotFound")

        do_HEAD = do_POST = do_GET  # noqa: N815

        def _json(self, value: object) -> None:
            self._send(json.dumps(value).encode(), content_type="application/json")

        def _send(self, body: bytes, status: int = 200, **head: str) -> None:
            self.send_response(status)
            for name, value in head.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _blob(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
