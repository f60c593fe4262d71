"""A loopback HTTP server for plain documents, with entity tags."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast


@dataclass(kw_only=True)
class Page:
    """What is served; `repeat` sends the body that many times, `cut` ends it too early."""

    body: bytes = b""
    status: int = 200
    content_type: str = "application/json"
    etag: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    repeat: int = 1
    cut: bool = False


class PageServer(ThreadingHTTPServer):
    """Serves `pages` by path, and `page` for every other path.

    The path of a POST has a blank and the body behind it.
    """

    daemon_threads = False
    block_on_close = True

    def __init__(self, page: Page) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.page = page
        self.pages: dict[str, Page] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        """Path and headers (names in lower case) of each request."""
        self.sent = 0
        """Bytes of bodies handed to the system so far."""

    @property
    def url(self) -> str:
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.path = f"{self.path} {asked.decode()}"
        self.do_GET()

    def do_GET(self) -> None:
        server = cast("PageServer", self.server)
        headers = {name.lower(): value for name, value in self.headers.items()}
        server.requests.append((self.path, headers))
        page = server.pages.get(self.path, server.page)
        is_known = page.etag is not None and headers.get("if-none-match") == page.etag
        self.send_response(304 if is_known else page.status)
        for name, value in page.headers.items():
            self.send_header(name, value)
        if page.etag is not None:
            self.send_header("ETag", page.etag)
        if is_known:
            self.end_headers()
            return
        length = len(page.body) * page.repeat + (1000 if page.cut else 0)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            for _ in range(page.repeat):
                self.wfile.write(page.body)
                server.sent += len(page.body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


@contextlib.contextmanager
def page_server(page: Page | None = None) -> Iterator[PageServer]:
    """A running server; closed, with all its threads, at the end of the block."""
    server = PageServer(page or Page())
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
