"""A loopback HTTP server that plays scripted event streams, and breaks them in every way."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import socketserver
import struct
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Literal, cast

Ending = Literal["end", "drop", "reset", "stall"]


@dataclass(kw_only=True)
class Reply:
    """One answer: `pieces` are sent one by one, then the answer ends in the given way.

    `end` closes it properly, `drop` closes the connection before the end of the body, `reset` tears
    it down, `stall` sends nothing more until the client leaves.
    """

    pieces: tuple[bytes, ...] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "text/event-stream"
    ending: Ending = "end"
    raw: bytes | None = None
    """Sent instead of all that stands above but the ending: bytes that need not be HTTP."""


@dataclass(frozen=True)
class Recorded:
    """One request, as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class SSEServer(socketserver.ThreadingTCPServer):
    """Answers with `replies` in order; the last one is repeated."""

    allow_reuse_address = True
    block_on_close = True
    daemon_threads = False

    def __init__(self, replies: list[Reply]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.replies = replies
        self.requests: list[Recorded] = []
        self.client_left = threading.Event()
        """Set when a client closes the connection before an answer is whole."""
        self.stalling = threading.Event()
        """Set when an answer has sent all it will send and stalls."""
        self.connections: set[socket.socket] = set()
        self.connected = 0
        """Connections accepted so far."""
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"

    def next_reply(self, request: Recorded) -> Reply:
        with self._lock:
            self.requests.append(request)
            return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def hang_up(self) -> None:
        with self._lock:
            for connection in tuple(self.connections):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave are expected."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: SSEServer

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server.connections.add(self.connection)
        self.server.connected += 1

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Recorded(self.path, headers, self.rfile.read(length))
        reply = self.server.next_reply(request)
        if reply.raw is not None:
            self.wfile.write(reply.raw)
            self.close_connection = True
            if reply.ending != "end":
                self._end(reply.ending)
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for piece in reply.pieces:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self._end(reply.ending)
        except ConnectionError:
            self.server.client_left.set()

    def _end(self, ending: Ending) -> None:
        if ending == "end":
            self.wfile.write(b"0\r\n\r\n")
            return
        self.close_connection = True
        if ending == "reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            os.close(self.connection.detach())
        elif ending == "stall":
            self.server.stalling.set()
            with contextlib.suppress(ConnectionError):
                self.connection.recv(1)
            self.server.client_left.set()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged."""


@contextlib.contextmanager
def sse_server(*replies: Reply) -> Iterator[SSEServer]:
    """A running server; closed, with all its threads, at the end of the block."""
    server = SSEServer(list(replies))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.hang_up()
        server.server_close()
        thread.join()


def frame(data: Any, *, named: bool) -> bytes:
    """One server-sent event; `named` puts its `type` on an `event:` line."""
    payload = data if isinstance(data, str) else json.dumps(data)
    name = f"event: {cast('dict[str, Any]', data)['type']}\n" if named else ""
    return f"{name}data: {payload}\n\n".encode()


def messages(events: Iterable[dict[str, Any]]) -> tuple[bytes, ...]:
    """Events of the Messages or Responses API as pieces of a stream."""
    return tuple(frame(event, named=True) for event in events)


def chunks(events: Iterable[dict[str, Any]], *, done: bool = True) -> tuple[bytes, ...]:
    """Chunks of the Chat Completions API as pieces of a stream, `[DONE]` at the end."""
    pieces = tuple(frame(event, named=False) for event in events)
    return (*pieces, frame("[DONE]", named=False)) if done else pieces
