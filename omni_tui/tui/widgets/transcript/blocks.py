"""Split growing Markdown into pieces that never change again and one unfinished tail.

A piece is a block (or a bounded part of a long one), so each is parsed once however long the text
grows. Where the cuts fall depends only on the text, never on how it arrived in chunks: a message
that was streamed and the same message read back are split, and so painted, alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

import msgspec

MAX_LINES = 60
MAX_CHARS = 4_096
MAX_BLOCK = 65_536
"""Characters of one block that are laid out; the rest is only counted."""
MAX_TEXT = 524_288
"""Characters of one text that are laid out."""

Kind = Literal["flow", "fence", "table", "more"]

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*([^`\n]*)$")
_DELIMITER = re.compile(r" {0,3}\|?[ \t]*:?-+:?[ \t]*(\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_HEADING = re.compile(r" {0,3}#{1,6}([ \t]|$)")
_ITEM = re.compile(r" {0,3}([-*+]|\d{1,9}[.)])([ \t]|$)")
_INTERRUPTS = re.compile(r"([-*+]|1[.)])[ \t]+\S")
# A last line that may yet become a marker is not shown while more is expected.
_UNDECIDED = re.compile(
    r"\s*(`{1,2}|~{1,2}|(`{3,}|~{3,})[^`]*|#{1,6}|[-*+_=]{1,3}|\d{1,9}[.)]?|>|\|[-|: \t]*)[ \t]*$"
)
_CLOSING = re.compile(r"[ \t]*(`+|~+)[ \t]*$")


class Piece(msgspec.Struct, frozen=True):
    """A part of a text that can be parsed alone.

    `first` is false where it goes on with the block before. `head` is the info string of a fence,
    or the piece of a table that settles its columns. For "more", `text` is a count of characters.
    """

    kind: Kind
    text: str
    first: bool = True
    head: str = ""


class Splitter:
    """Feed text, take finished pieces, look at the tail; O(1) for each character."""

    def __init__(self) -> None:
        self._kind: Kind = "flow"
        self._lines: list[str] = []
        self._chars = 0  # of _lines
        self._partial = ""
        self._first = True
        self._head = ""
        self._fence = ""
        self._gap = False  # a blank line was seen since the last text of the block
        self._nested = False  # a list (or indented code): indented lines go on after a gap
        self._inner = False  # inside a fence that belongs to a list item
        self._block = 0  # characters of the block laid out so far
        self._total = 0
        self._skipped = 0
        self._ready: list[Piece] = []

    def feed(self, text: str) -> None:
        """Take more text; it must be safe to show already (newlines only, no carriage returns)."""
        lines = text.split("\n")
        if len(lines) > 1:
            self._line(self._partial + lines[0] + "\n")
            for line in lines[1:-1]:
                self._line(line + "\n")
            self._partial = ""
        self._partial += lines[-1]
        if self._gap and self._kind == "flow" and self._partial[:1].strip():
            self._end_block()
        if self._chars + len(self._partial) > MAX_CHARS:
            self._partial = self._overflow(self._partial)

    def take(self) -> Iterator[Piece]:
        """The pieces finished since the last call."""
        ready, self._ready = self._ready, []
        return iter(ready)

    def finish(self) -> None:
        """No more text will come: the tail is finished as it stands."""
        partial, self._partial = self._partial, ""
        if partial:
            self._line(partial)
        self._end_block(last=True)

    def tail(self) -> Piece | None:
        """The unfinished end; while more is expected, an undecided marker is held back."""
        if self._skipped:
            return Piece("more", str(self._skipped + len(self._partial)), first=False)
        partial = self._partial
        if partial and (_CLOSING if self._kind == "fence" else _UNDECIDED).match(partial):
            partial = ""
        text = "".join(self._lines) + partial
        if not text.strip() and self._kind != "fence":
            return None
        first = self._first
        if not self._lines and partial and self._gap:
            first = first or not (self._nested and partial[0] in " \t")
        return Piece(self._kind, text, first, self._head)

    # -- one line ------------------------------------------------------------

    def _line(self, line: str) -> None:
        if self._chars + len(line) > MAX_CHARS:
            line = self._overflow(line)
        if self._kind == "fence":
            self._fence_line(line)
        elif not line.strip():
            self._blank_line(line)
        else:
            self._flow_line(line)

    def _fence_line(self, line: str) -> None:
        stripped = line.strip()
        if (
            stripped
            and stripped == self._fence[0] * len(stripped)
            and len(stripped) >= len(self._fence)
        ):
            self._end_block()
            return
        self._keep(line)
        if len(self._lines) >= MAX_LINES:
            self._cut()

    def _blank_line(self, line: str) -> None:
        if self._kind == "table":
            self._end_block()
        elif self._lines or not self._first or self._skipped:
            self._gap = True
            if self._lines:
                self._keep(line)

    def _flow_line(self, line: str) -> None:
        indented = line[0] in " \t"
        if self._gap and not (self._nested and indented):
            self._end_block()
        self._gap = False
        if self._nested and indented:
            if line.lstrip().startswith(("```", "~~~")):
                self._inner = not self._inner
        else:
            self._inner = False
            if self._opens_block(line):
                return
        if self._first and not self._lines and not self._skipped:
            self._nested = bool(_ITEM.match(line)) or line.startswith(("    ", "\t"))
        elif self._kind == "flow" and not self._nested and _INTERRUPTS.match(line):
            self._end_block(joined=True)
            self._nested = True
        if len(self._lines) >= MAX_LINES * (6 if self._inner else 1):
            self._cut()
        self._keep(line)

    def _opens_block(self, line: str) -> bool:
        """Whether `line` ends the block before it and was dealt with here."""
        fence = _FENCE.match(line.rstrip("\n"))
        if fence is not None:
            self._end_block()
            self._kind, self._fence, self._head = "fence", fence.group(1), fence.group(2).strip()
            return True
        if _HEADING.match(line):
            self._end_block()
            self._keep(line)
            self._end_block()
            return True
        if self._kind == "flow" and "|" in line and _DELIMITER.match(line.rstrip("\n")):
            self._opens_table()
        return False

    def _opens_table(self) -> None:
        """A delimiter row was read: the line before it, if any, is the head of a table."""
        if not self._lines or self._nested or "|" not in self._lines[-1]:
            return
        if len(self._lines) > 1:
            header = self._lines.pop()
            self._chars -= len(header)
            self._end_block()
            self._keep(header)
        self._kind = "table"

    # -- pieces --------------------------------------------------------------

    @property
    def _is_full(self) -> bool:
        """Whether what comes is only counted."""
        return self._block >= MAX_BLOCK or self._total >= MAX_TEXT

    def _keep(self, line: str) -> None:
        if self._is_full:
            self._skipped += len(line)
            return
        self._lines.append(line)
        self._chars += len(line)

    def _emit(self) -> None:
        """What is kept becomes a piece."""
        if self._lines:
            text = "".join(self._lines)
            self._ready.append(Piece(self._kind, text, self._first, self._head))
            if self._kind == "table" and not self._head:
                self._head = text
            self._block += self._chars
            self._total += self._chars
            self._lines, self._chars, self._first = [], 0, False

    def _cut(self) -> None:
        """Finish a piece in the middle of a block: at its last line that begins an item or so."""
        lines = self._lines
        at = len(lines)
        if self._kind == "flow" and self._nested and not self._inner:
            at = next((i for i in range(at - 1, 0, -1) if lines[i][0] not in " \t\n"), at)
        rest = lines[at:]
        self._lines = lines[:at]
        self._chars = sum(map(len, self._lines))
        self._emit()
        for line in rest:
            self._keep(line)

    def _overflow(self, line: str) -> str:
        """Make room for `line`, which with what is kept is too long for a piece; its rest."""
        if self._gap and self._kind == "flow" and not (self._nested and line[0] in " \t"):
            self._end_block()
        self._emit()
        start = 0
        while len(line) - start > MAX_CHARS:
            end = start + MAX_CHARS
            if self._is_full:
                end = len(line) - MAX_CHARS
            elif self._kind != "fence":
                end = line.rfind(" ", start + 1, end) + 1 or end
            self._keep(line[start:end])
            self._emit()
            start = end
        return line[start:]

    def _end_block(self, *, joined: bool = False, last: bool = False) -> None:
        """The block is complete; `joined`: no blank line follows it."""
        if self._kind == "fence" and not self._lines and self._first:
            self._lines = [""]
        self._emit()
        if self._skipped and (last or self._total < MAX_TEXT):
            self._ready.append(Piece("more", str(self._skipped), first=False))
            self._skipped = 0
        self._kind, self._head, self._fence = "flow", "", ""
        self._first = not joined or self._first
        self._gap = self._nested = self._inner = False
        self._block = 0
