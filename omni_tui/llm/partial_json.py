"""Reads JSON that is still being written, for a person to watch: never to act upon.

What a tool is called with is parsed when the call is whole (`finish_tool_use`); half a command must
not be taken for a command.
"""

from __future__ import annotations

import json
import re
from typing import Any, Literal, TypeAlias

MAX_CHARS = 65_536
"""Characters that are looked at; a person does not read more while it streams."""

MAX_NESTING = 100
"""Objects and lists within each other past which nothing more is read."""

MAX_WORD = 64
"""Characters of a number or a word past which it is taken for nonsense."""

_Place: TypeAlias = Literal["key", "colon", "value", "end"]

_TOKEN = re.compile(r'[{}\[\]:,"]|[^\s{}\[\]:,"]+')
_STRING_RUN = re.compile(r'[^"\\]*')
_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|[^u])")
_STRING = re.compile(r'(?:[^"\\]+|\\(?:u[0-9a-fA-F]{4}|[^u]))*')
_CLOSERS = {"{": "}", "[": "]"}


class PartialJson:
    """The value that a growing JSON text has come to.

    `feed` takes the next piece in time that is linear in the piece, whatever came before; `value`
    is linear in the text, of which at most `max_chars` count; `text` in what it gives.
    """

    def __init__(self, max_chars: int = MAX_CHARS) -> None:
        self._max = max_chars
        self._text = ""
        self._at = 0
        """Where reading goes on."""
        self._open: list[str] = []
        self._place: _Place = "value"
        self._whole = 0
        """Up to here the text becomes valid by closing what is open."""
        self._string: int | None = None
        """Where the string begins that is still open."""
        self._name = ""
        """The last key of the outermost object."""
        self._strings: dict[str, int] = {}
        """Where the strings in the outermost object begin, by key."""
        self._is_over = False

    def feed(self, piece: str) -> None:
        """Take the next piece. What makes no sense ends the reading."""
        if self._is_over or not piece:
            return
        self._text += piece[: self._max - len(self._text)]
        while self._step():
            pass
        if len(self._text) == self._max:
            self._is_over = True

    def value(self) -> Any:
        """The value so far, `None` before it begins.

        An open string ends where it has come to; half a key, number or word is left out.
        """
        text = self._text[: self._whole]
        if self._string is not None and self._place == "value":
            text = self._text[: self._at] + '"'
        if not text:
            return None
        try:
            return json.loads(text + "".join(_CLOSERS[each] for each in reversed(self._open)))
        except ValueError:
            return None

    def text(self, name: str, limit: int) -> str | None:
        """The string at `name` in the outermost object as far as it has come, `None` before.

        Of a longer one the beginning, cut at about `limit` characters.
        """
        start = self._strings.get(name)
        if start is None:
            return None
        found = _STRING.match(self._text, start, start + limit)
        assert found is not None
        return _decoded(found[0])

    def _step(self) -> bool:
        """Read one token; says whether there may be another."""
        if self._is_over:
            return False
        if self._string is not None:
            return self._read_string()
        token = _TOKEN.search(self._text, self._at)
        if token is None:
            self._at = len(self._text)
            return False
        mark = token[0]
        if mark in '{}[]:,"':
            self._at = token.end()
            return self._read_mark(mark)
        if token.end() == len(self._text):
            self._at = token.start()  # a number or a word may go on in the next piece
            self._is_over = len(mark) > MAX_WORD
            return False
        self._at = token.end()
        return self._finish_value()

    def _read_mark(self, mark: str) -> bool:
        inside = self._open[-1] if self._open else ""
        if mark == '"' and self._place in ("key", "value"):
            self._string = self._at - 1
            if self._place == "value" and self._open == ["{"]:
                self._strings[self._name] = self._at
        elif mark in "{[" and self._place == "value" and len(self._open) < MAX_NESTING:
            self._open.append(mark)
            self._place = "key" if mark == "{" else "value"
            self._whole = self._at
        elif mark in "}]" and inside and _CLOSERS[inside] == mark:
            self._open.pop()
            return self._finish_value()
        elif mark == ":" and self._place == "colon":
            self._place = "value"
        elif mark == "," and self._place == "end" and inside:
            self._place = "key" if inside == "{" else "value"
        else:
            self._is_over = True
        return True

    def _read_string(self) -> bool:
        """Go on to the end of the open string, never into the middle of an escape."""
        assert self._string is not None
        run = _STRING_RUN.match(self._text, self._at)
        assert run is not None
        self._at = run.end()
        if self._at == len(self._text):
            return False
        if self._text[self._at] == '"':
            self._at += 1
            begin = self._string
            self._string = None
            if self._place == "key":
                self._place = "colon"
                if len(self._open) == 1:
                    self._name = _decoded(self._text[begin + 1 : self._at - 1]) or ""
                return True
            return self._finish_value()
        escape = _ESCAPE.match(self._text, self._at)
        if escape is None:
            self._is_over = len(self._text) - self._at > 6
            return False
        self._at = escape.end()
        return True

    def _finish_value(self) -> bool:
        self._place = "end"
        self._whole = self._at
        self._is_over = not self._open
        return True


def _decoded(inside: str) -> str | None:
    """The string between two quotes; `None` when it is none."""
    try:
        return str(json.loads(f'"{inside}"'))
    except ValueError:
        return None
