"""JSON values out of a stream, one at a time and in bounded memory.

An array gives its elements and JSON Lines give their lines; what cannot be read costs itself alone.
Parsers of events were tried: they hold the path to each value (a deep one takes all memory) and
give up at the first fault. So elements are cut out by their brackets here, and read whole.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from io import BufferedReader
from typing import Any

import msgspec

MAX_VALUE = 256 * 1_048_576
"""Characters of one value: a conversation of an archive, or a line."""

_CHUNK = 1_048_576
_BOM = b"\xef\xbb\xbf"
_SPACE = re.compile(r"\s*+")
_STRING_END = re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_QUIET = r'|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+'
_TO_BRACKET = re.compile(r'(?:[^"\[\]{}]++' + _QUIET, re.DOTALL)
_TO_BRACKET_OR_COMMA = re.compile(r'(?:[^"\[\]{},]++' + _QUIET, re.DOTALL)


class Damage(msgspec.Struct, frozen=True):
    """Stands in the place of a value that cannot be read."""

    problem: str


def read_values(stream: BufferedReader[Any], *, limit: int = MAX_VALUE) -> Iterator[Any]:
    """The elements of an array, or the values of lines, or the one value of the stream.

    What cannot be read, or is longer than `limit`, gives a `Damage`. Raises what reading the
    stream raises.
    """
    first = _first(stream)
    if first == b"[":
        stream.read(1)
        yield from _Elements(stream, limit).read()
        return
    line = stream.readline(limit + 1)
    while line and not line.strip():
        line = stream.readline(limit + 1)
    if not line:
        return
    value = decode(line)
    if isinstance(value, Damage) and len(line) <= limit:
        # Either the first of many lines is broken, or one value goes over many lines.
        rest = stream.read(limit + 1 - len(line))
        is_whole = len(line) + len(rest) <= limit
        if rest and is_whole and not isinstance(one := decode(line + rest), Damage):
            yield one
            return
        yield value
        lines = rest.split(b"\n")
        cut = b"" if is_whole else lines.pop() + stream.readline(limit + 1)
        yield from (decode(each) for each in lines if each.strip())
        yield from _lines(stream, limit, cut)
        return
    yield from _lines(stream, limit, line)


def decode(text: bytes | str) -> Any:
    """The value of a JSON text, however deep; a `Damage` if it is none.

    Broken UTF-8 becomes U+FFFD; NaN and infinity become `None`.
    """
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    try:
        return _decoder.decode(words)
    except RecursionError:
        return _decode_deep(words)
    except ValueError as error:
        return Damage(f"this is not JSON: {error}")


def _nothing(_: str) -> None:
    return None


_decoder = json.JSONDecoder(parse_constant=_nothing)


def _first(stream: BufferedReader[Any]) -> bytes:
    """The first byte that says something; all before it is taken from the stream."""
    if stream.peek(3)[:3] == _BOM:
        stream.read(3)
    while (byte := stream.peek(1)[:1]) and byte.isspace():
        stream.read(1)
    return byte


def _lines(stream: BufferedReader[Any], limit: int, line: bytes) -> Iterator[Any]:
    """The values of the lines from `line` on, of which only the beginning may be read."""
    while line:
        if len(line) <= limit:
            if line.strip():
                yield decode(line)
        else:
            yield Damage(f"a line is longer than {limit:,} characters")
            while line and not line.endswith(b"\n"):
                line = stream.readline(_CHUNK)
        line = stream.readline(limit + 1)


class _Elements:
    """Cuts an array whose opening bracket is read.

    An element that is in memory whole is read at once. Of one that is not, or makes no sense, the
    end is looked for first.
    """

    def __init__(self, stream: BufferedReader[Any], limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self._to_text = codecs.getincrementaldecoder("utf-8")("replace")
        self._buffer = ""
        self._start = 0
        """Where the element begins."""
        self._at = 0
        """Up to where it is looked through."""
        self._depth = 1
        self._in_string = False
        self._is_too_long = False

    def read(self) -> Iterator[Any]:
        while self._depth:
            if len(self._buffer) - self._start < _CHUNK // 2:
                self._fill()
            found = self._at_once()
            if found is None:
                found = self._looked_for()
            yield from found
        if self._buffer[self._start :].strip() or self._stream.read(_CHUNK).strip():
            yield Damage("something follows the end of the array")

    def _at_once(self) -> list[Any] | None:
        buffer = self._buffer
        try:
            value, end = _decoder.raw_decode(buffer, _end(_SPACE, buffer, self._start))
        except (ValueError, RecursionError):
            return None
        end = _end(_SPACE, buffer, end)
        if end - self._start > self._limit or buffer[end : end + 1] not in (",", "]"):
            return None
        self._depth = 1 if buffer[end] == "," else 0
        self._start = self._at = end + 1
        return [value]

    def _looked_for(self) -> list[Any]:
        while True:
            if self._to_next_mark():
                if self._ends_element():
                    return self._cut()
            elif not self._fill():
                self._depth, self._start = 0, len(self._buffer)
                return [Damage("the file ends in the middle")]

    def _to_next_mark(self) -> bool:
        """Go on to a bracket or comma that counts; false if more must be read."""
        buffer = self._buffer
        while True:
            if self._in_string:
                self._at = _end(_STRING_END, buffer, self._at)
                if self._at >= len(buffer) or buffer[self._at] != '"':
                    return False
                self._in_string = False
                self._at += 1
            wanted = _TO_BRACKET if self._depth > 1 else _TO_BRACKET_OR_COMMA
            self._at = _end(wanted, buffer, self._at)
            if self._at >= len(buffer):
                return False
            if buffer[self._at] != '"':
                return True
            self._in_string = True
            self._at += 1

    def _ends_element(self) -> bool:
        mark = self._buffer[self._at]
        self._at += 1
        if mark in "[{":
            self._depth += 1
        elif mark in "]}":
            self._depth -= 1
        return self._depth == 0 or (self._depth == 1 and mark == ",")

    def _cut(self) -> list[Any]:
        text = self._buffer[self._start : self._at - 1]
        is_too_long = self._is_too_long or len(text) > self._limit
        self._start, self._is_too_long = self._at, False
        if is_too_long:
            return [Damage(f"a value is longer than {self._limit:,} characters")]
        return [decode(text)] if text.strip() else []

    def _fill(self) -> bool:
        """Read more, the more the longer the element is; false at the end."""
        self._is_too_long = self._is_too_long or self._at - self._start > self._limit
        done = self._at if self._is_too_long else self._start
        kept = self._buffer[done:]
        more = self._stream.read(max(_CHUNK, min(len(kept), self._limit)))
        self._start, self._at = 0, self._at - done
        self._buffer = kept + self._to_text.decode(more, final=not more)
        return bool(more)


def _end(pattern: re.Pattern[str], buffer: str, start: int) -> int:
    found = pattern.match(buffer, start)
    assert found is not None  # they match the empty string
    return found.end()


_TOKEN = re.compile(r'\s*+([\[\]{},:]|"[^"\\]*+(?:\\.[^"\\]*+)*+"|[^\s\[\]{},:"]+)', re.DOTALL)


def _decode_deep(text: str) -> Any:
    """Decode what is nested deeper than the interpreter's stack; stricter readers come before."""
    holder: list[Any] = []
    stack: list[tuple[list[Any] | dict[str, Any], str | None]] = []
    here: list[Any] | dict[str, Any] = holder
    key: str | None = None
    at = 0
    try:
        while found := _TOKEN.match(text, at):
            at = found.end()
            token = found[1]
            if token in "[{":
                stack.append((here, key))
                here, key = ([] if token == "[" else {}), None
                continue
            if token in "]}":
                value: Any = here
                here, key = stack.pop()
            elif token in ",:":
                continue
            else:
                value = _decoder.decode(token)
            if isinstance(here, list):
                here.append(value)
            elif key is None:
                key = str(value)
            else:
                here[key], key = value, None
    except (ValueError, IndexError) as error:
        return Damage(f"this is not JSON: {error}")
    if text[at:].strip() or stack or len(holder) != 1:
        return Damage("this is not JSON: brackets do not match")
    return holder[0]
