"""A child's output: the end of it in bounded memory, and a calm live view."""

from __future__ import annotations

import asyncio
import codecs
import os
from collections import deque
from collections.abc import Callable

_EMIT_SECONDS = 0.1
_EMIT_BYTES = 4000
_READ_BYTES = 64 * 1024


class Tail:
    """Keeps the last `limit` characters of what is fed, in memory that does not grow."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._chunks: deque[bytes] = deque()
        self._kept = 0
        self._dropped_bytes = 0
        self._dropped_lines = 0

    def feed(self, data: bytes) -> None:
        self._chunks.append(data)
        self._kept += len(data)
        # A character has at most four bytes, so that many are always enough.
        while self._kept - len(self._chunks[0]) > self._limit * 4:
            self._drop(self._chunks.popleft())

    def _drop(self, data: bytes) -> None:
        self._kept -= len(data)
        self._dropped_bytes += len(data)
        self._dropped_lines += data.count(b"\n")

    def text(self) -> str:
        """The end of the output, from the start of a line where there is one, with a note."""
        text = b"".join(self._chunks).decode("utf-8", "replace")
        if not self._dropped_bytes and len(text) <= self._limit:
            return text
        start = max(0, len(text) - self._limit)
        # The cut falls on a line's start unless that would cost most of what there is room for.
        line = text.find("\n", max(0, start - 1)) + 1
        if 0 < line < len(text) and line - start <= self._limit // 2:
            start = line
        lines = self._dropped_lines + text.count("\n", 0, start)
        size = self._dropped_bytes + len(text[:start].encode())
        return f"[{lines} lines, {size} bytes dropped; this is the end]\n{text[start:]}"


class Live:
    """Passes output on at most ten times a second, and then only its last 4 kB."""

    def __init__(self, emit: Callable[[str], None]) -> None:
        self._emit = emit
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._waiting = b""
        self._timer: asyncio.TimerHandle | None = None

    def feed(self, data: bytes) -> None:
        self._waiting += data
        if len(self._waiting) > _EMIT_BYTES:
            self._waiting = self._waiting[-_EMIT_BYTES:]
            self._decoder.reset()
        if self._timer is None:
            self._pass_on()
            self._timer = asyncio.get_running_loop().call_later(_EMIT_SECONDS, self._tick)

    def close(self) -> None:
        """Pass on what still waits, and stop the clock."""
        if self._timer is not None:
            self._timer.cancel()
        self._pass_on(final=True)

    def _tick(self) -> None:
        self._timer = None
        if self._waiting:
            self.feed(b"")

    def _pass_on(self, *, final: bool = False) -> None:
        text = self._decoder.decode(self._waiting, final)
        self._waiting = b""
        if text:
            self._emit(text)


class PipeReader:
    """Reads a pipe of its own on the event loop.

    The pipe is ours and not the subprocess transport's, so that it can be let go while a process
    that escaped still holds its other end. Give `write_end` to the child, then call `started`.
    """

    def __init__(self, feed: Callable[[bytes], None]) -> None:
        self._feed = feed
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._read_end, self._readable)
        self.ended = asyncio.Event()
        """Set when no process holds the other end any more."""

    def started(self) -> None:
        """The child has its copy of `write_end`: close ours."""
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1

    def close(self) -> None:
        self.started()
        if self._read_end >= 0:
            self._loop.remove_reader(self._read_end)
            os.close(self._read_end)
            self._read_end = -1

    def _readable(self) -> None:
        try:
            data = os.read(self._read_end, _READ_BYTES)
        except BlockingIOError:
            return
        if data:
            self._feed(data)
        else:
            self._loop.remove_reader(self._read_end)
            self.ended.set()
