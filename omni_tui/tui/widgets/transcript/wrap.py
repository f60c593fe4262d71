"""Break styled text into lines by terminal cells: CJK, emoji, joiners and very long words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache

import msgspec
from rich.cells import cell_len, split_graphemes
from rich.segment import Segment
from rich.style import Style

from omni_tui.tui.widgets.transcript.lines import Link

_WIDE = (
    "\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60"
)
# What may not begin a line stays with the character before it.
_CLOSING = "、。，．・：；？！）」』】〕〉》！，．：；？）]】ーぁぃぅぇぉっゃゅょァィゥェォッャュョ"
_WORD = re.compile(" +|[^ ]+")


@cache
def _atom() -> re.Pattern[str]:
    """A gap, a wide character with what may not leave it, or a word; slow to compile."""
    return re.compile(rf" +|[{_WIDE}][{re.escape(_CLOSING)}\ufe0f]*|[^ {_WIDE}]+")


class Span(msgspec.Struct, frozen=True):
    """A run of text in one style, perhaps a link."""

    text: str
    style: Style
    url: str = ""


class Row(msgspec.Struct, frozen=True):
    """A wrapped line: segments, their width, links in cells, and how it joins the one before."""

    segments: list[Segment]
    cells: int
    links: tuple[Link, ...]
    join: str


def break_text(text: str, width: int) -> Iterator[tuple[int, int, int, str]]:
    """(start, end, cells, join) of each line of one paragraph; spaces at a break are dropped."""
    start = end = cells = gap = 0
    join = "\n"
    atoms = _WORD if text.isascii() else _atom()
    for match in atoms.finditer(text):
        atom, at = match.group(), match.start()
        if atom[0] == " ":
            gap = len(atom)
            continue
        size = cell_len(atom)
        if end > start and cells + gap + size > width:
            yield start, end, cells, join
            join = " " if gap else ""
            start = end = at
            cells = gap = 0
        if cells + gap + size <= width:
            end, cells, gap = match.end(), cells + gap + size, 0
            continue
        for piece_start, piece_end, piece_cells in _chop(atom, width):
            if end > start:
                yield start, end, cells, join
                join = ""
            start, end, cells, gap = at + piece_start, at + piece_end, piece_cells, 0
    if end > start or not text:
        yield start, end, cells, join


def _chop(word: str, width: int) -> Iterator[tuple[int, int, int]]:
    """Pieces (start, end, cells) of a word no line can hold, cut between graphemes."""
    begin = size = 0
    spans, _ = split_graphemes(word)
    for start, _end, cells in spans:
        if size + cells > width and start > begin:
            yield begin, start, size
            begin, size = start, 0
        size += cells
    yield begin, len(word), size


def wrap(spans: Sequence[Span], width: int) -> list[Row]:
    """`spans` as lines of at most `width` cells; newlines in them are hard breaks."""
    width = max(1, width)
    rows: list[Row] = []
    for paragraph in _paragraphs(spans):
        text = "".join(span.text for span in paragraph)
        cursor = _Cursor(paragraph)
        rows.extend(
            cursor.row(start, end, cells, join)
            for start, end, cells, join in break_text(text, width)
        )
    return rows


def _paragraphs(spans: Sequence[Span]) -> Iterator[list[Span]]:
    current: list[Span] = []
    for span in spans:
        if "\n" not in span.text:
            if span.text:
                current.append(span)
            continue
        first, *others = span.text.split("\n")
        if first:
            current.append(Span(first, span.style, span.url))
        for other in others:
            yield current
            current = [Span(other, span.style, span.url)] if other else []
    yield current


class _Cursor:
    """Slices consecutive ranges out of a paragraph's spans."""

    def __init__(self, spans: list[Span]) -> None:
        self._spans = spans
        self._linked = any(span.url for span in spans)
        self._index = self._base = 0

    def row(self, start: int, end: int, cells: int, join: str) -> Row:
        """The segments of characters `start` to `end`; ranges must come in order."""
        spans, at = self._spans, 0
        segments: list[Segment] = []
        links: list[Link] = []
        while self._index < len(spans):
            span = spans[self._index]
            stop = self._base + len(span.text)
            if stop <= start:
                self._base, self._index = stop, self._index + 1
                continue
            if self._base >= end:
                break
            text = span.text[max(0, start - self._base) : end - self._base]
            if text:
                segments.append(Segment(text, span.style))
                if self._linked:
                    size = cell_len(text)
                    if span.url:
                        links.append(Link(at, at + size, span.url))
                    at += size
            if stop > end:
                break
            self._base, self._index = stop, self._index + 1
        return Row(segments, cells, tuple(links), join)
