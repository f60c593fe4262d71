"""Server-sent events, read from bytes as they come off the wire. Pure: no I/O and no clock."""

from __future__ import annotations

import json
from typing import Any, TypeAlias

import msgspec

Event: TypeAlias = tuple[bytes, bytes]
"""The name (empty when none was given) and the data of an event."""

MAX_STRAY = 65_536

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_decoder = msgspec.json.Decoder()


class EventDecoder:
    """Cuts a stream into events.

    Takes what servers really send: any line ending, a byte order mark, comments, `data:` with and
    without a blank, events without a name, a last event without its blank line. Lines of any length
    cost time in proportion to their length, however they are cut up on the way.
    """

    def __init__(self) -> None:
        self.found = False
        """Whether any event has come."""
        self.stray = b""
        """What came before the first event and is no event stream, up to 64 KiB."""
        self._tail: list[bytes] = []
        self._name = b""
        self._data: list[bytes] = []
        self._after_return = False
        self._begun = False

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that `chunk` completes."""
        if self._after_return or b"\r" in chunk:
            chunk = self._one_line_ending(chunk)
        if b"\n" not in chunk:
            self._tail.append(chunk)
            return []
        if self._tail:
            chunk = b"".join((*self._tail, chunk))
        lines = chunk.split(b"\n")
        self._tail = [lines.pop()]
        return self._read(lines)

    def finish(self) -> list[Event]:
        """What is left when the stream is over: an event that lacks its ending, perhaps cut."""
        events = self._read([b"".join(self._tail), b""])
        self._tail = []
        return events

    def _read(self, lines: list[bytes]) -> list[Event]:
        if not self._begun:
            self._begun = True
            lines[0] = lines[0].removeprefix(_BYTE_ORDER_MARK)
        events: list[Event] = []
        data = self._data
        for line in lines:
            if line.startswith(b"data:"):
                data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif not line:
                if data:
                    events.append((self._name, b"\n".join(data)))
                    data.clear()
                self._name = b""
            elif line.startswith(b"event:"):
                self._name = line[6:].strip()
            elif line == b"data":
                data.append(b"")
            elif not (self.found or events or line.startswith(b":")):
                self.stray += (line + b"\n")[: MAX_STRAY - len(self.stray)]
        self.found = self.found or bool(events)
        return events

    def _one_line_ending(self, chunk: bytes) -> bytes:
        """`chunk` with every line ending as a newline, also one that is cut in two by chunks."""
        if not chunk:
            return chunk
        if self._after_return and chunk[:1] == b"\n":
            chunk = chunk[1:]
            self._after_return = False
            return self._one_line_ending(chunk) if b"\r" in chunk else chunk
        self._after_return = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def decode(data: bytes) -> Any:
    """The JSON of an event.

    Lone surrogates and `NaN`, which servers do send, are taken. Raises `ValueError` or
    `RecursionError` when it is no JSON.
    """
    try:
        return _decoder.decode(data)
    except msgspec.DecodeError:
        return json.loads(data.decode())
