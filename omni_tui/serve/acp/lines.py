"""Messages of the protocol as lines on two pipes.

What is no message is answered here: the package would write about it to the root logger, and so on
standard error, and would be stopped by some of it.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import IO, Any

log = logging.getLogger(__name__)

MAX_LINE = 64 * 1024 * 1024
"""Bytes a line may have: pictures are in it."""
NOTIFICATIONS = frozenset({"session/cancel"})
"""What a client may say without waiting for an answer; anything else of the kind is ignored."""

_LAST_WORDS = 1.0
"""Seconds a client has to take what was written before the end."""
_PARSE_ERROR, _INVALID_REQUEST, _INVALID_PARAMS = -32700, -32600, -32602


class Lines:
    """Reads and writes messages, as the package wants a transport."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def receive(self) -> dict[str, Any] | None:
        """The next message that is one; `None` when the client has left."""
        while True:
            line = await self._line()
            if line is None:
                return None
            message = await self._understood(line)
            if message is not None:
                return message

    async def send(self, message: dict[str, Any]) -> None:
        """Write a message; that the client has left is found out by reading."""
        line = json.dumps(_tidied(message), separators=(",", ":"), default=str).encode()
        try:
            self._writer.write(line + b"\n")
            await self._writer.drain()
        except (ConnectionError, RuntimeError) as error:
            log.debug("a message was not sent: %s", error)

    async def close(self) -> None:
        """The pipes are let go by whom they were opened."""

    async def _line(self) -> bytes | None:
        """The next line with its end; empty when it was too long, `None` at the end."""
        too_long = False
        while True:
            try:
                line = await self._reader.readuntil(b"\n")
            except asyncio.LimitOverrunError as error:
                await self._reader.readexactly(error.consumed)
                too_long = True
            except asyncio.IncompleteReadError as error:
                return error.partial or None
            else:
                return b"" if too_long else line

    async def _understood(self, line: bytes) -> dict[str, Any] | None:
        """The message of a line; one that cannot be understood is answered."""
        if not line:
            await self._refuse(None, _INVALID_REQUEST, f"A line has at most {MAX_LINE} bytes")
            return None
        if not line.strip():
            return None
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            await self._refuse(None, _PARSE_ERROR, "This is not JSON")
            return None
        id = message.get("id") if isinstance(message, dict) else None
        if not isinstance(message, dict) or not isinstance(id, int | str | None):
            await self._refuse(None, _INVALID_REQUEST, "This is no message of JSON-RPC")
            return None
        if "method" in message:
            if not isinstance(message["method"], str):
                await self._refuse(id, _INVALID_REQUEST, "A method is a string")
                return None
            if "id" not in message and message["method"] not in NOTIFICATIONS:
                log.debug("ignored: %r", message["method"])
                return None
            if isinstance(params := message.get("params"), dict):
                params.pop("_meta", None)  # the package would mix it with the arguments
        elif "result" not in message and not isinstance(message.get("error"), dict):
            await self._refuse(id, _INVALID_REQUEST, "This is no message of JSON-RPC")
            return None
        return message

    async def _refuse(self, id: int | str | None, code: int, words: str) -> None:
        await self.send({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": words}})


def _tidied(message: dict[str, Any]) -> dict[str, Any]:
    """A message whose complaint about arguments does not say all of them again."""
    error = message.get("error") or {}
    data = error.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("errors"), list):
        return message
    problems = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in data["errors"]]
    words = f"{error['message']}: {'; '.join(problems[:3])}"
    return {**message, "error": {"code": _INVALID_PARAMS, "message": words}}


@asynccontextmanager
async def open_lines(incoming: IO[bytes], outgoing: IO[bytes]) -> AsyncIterator[Lines]:
    """Talk over two pipes (or sockets), which are closed in the end.

    A client that closes either of them has left. Raises `ValueError` when one is no pipe.
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=MAX_LINE)
    read_end, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), incoming
    )
    watched = asyncio.StreamReader()
    write_end, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(watched), outgoing
    )
    writer = asyncio.StreamWriter(write_end, protocol, None, loop)

    async def notice_the_end() -> None:
        await watched.read()
        read_end.close()

    watching = loop.create_task(notice_the_end(), name="acp: is the client there")
    try:
        yield Lines(reader, writer)
    finally:
        watching.cancel()
        read_end.close()
        writer.close()
        try:
            async with asyncio.timeout(_LAST_WORDS):
                await writer.wait_closed()
        except (TimeoutError, OSError):
            write_end.abort()
