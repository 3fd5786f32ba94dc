"""An HTTP server on loopback in a thread; what it answers is a subclass's business."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import dataclass, field
from typing import Any, Self

JSON = "application/json"


@dataclass
class Reply:
    """One answer; `body` is sent as it is, a dict as JSON."""

    body: Any = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drop: bool = False
    kind: str = JSON


class Loopback:
    """Serves while it is entered; a subclass writes `answer`.

    Attributes:
        connections: How many were made.
        in_flight, most_in_flight: Calls that wait for their answer.
    """

    def __init__(self) -> None:
        self.in_flight = self.most_in_flight = self.connections = 0
        self.first_port = 0  # any
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._ready = threading.Event()

    def answer(self, path: str, head: dict[str, str], body: Any) -> Reply:
        """The answer to one call; names and values of the head are in small letters."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._main())
        self._loop.close()

    async def _main(self) -> None:
        self._stop = asyncio.Event()
        self._open: set[asyncio.Task[Any]] = set()
        self.port = self.first_port
        await self._listen()
        self._ready.set()
        await self._stop.wait()
        await self._hang_up()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(
            self._connection, "127.0.0.1", self.port, backlog=512
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _hang_up(self) -> None:
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def go_away(self) -> None:
        """Closes the port and what is open: connections are refused from now on."""
        asyncio.run_coroutine_threadsafe(self._hang_up(), self._loop).result(10)

    def come_back(self) -> None:
        """Opens the same port again."""
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._open.add(task)
        self.connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        head = dict(line.lower().split(": ", 1) for line in rest if ": " in line)
        data = await reader.readexactly(int(head.get("content-length", 0)))
        body = json.loads(data) if data and head.get("content-type") == JSON else {"raw": data}
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            reply = self.answer(first.split()[1], head, body if data else {})
            await asyncio.sleep(reply.delay)
        finally:
            self.in_flight -= 1
        if reply.drop:
            return False
        out = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
        raw = out.encode("utf-8", "surrogatepass")
        lines = [f"HTTP/1.1 {reply.status} X", f"content-type: {reply.kind}"]
        lines += [f"content-length: {len(raw)}", *(f"{k}: {v}" for k, v in reply.headers.items())]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + raw)
        await writer.drain()
        return True
