"""Markdown to lines: our own layout over markdown-it's tokens, no Rich renderables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from omni_tui.core.safe_text import safe
from omni_tui.tui.widgets.transcript.blocks import Piece, Splitter
from omni_tui.tui.widgets.transcript.code import Painter
from omni_tui.tui.widgets.transcript.inline import Inline
from omni_tui.tui.widgets.transcript.lines import Line, Link, blank
from omni_tui.tui.widgets.transcript.palette import Palette
from omni_tui.tui.widgets.transcript.tables import Table, layout_table
from omni_tui.tui.widgets.transcript.wrap import Row, Span, wrap

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

BULLETS = "•◦▪"
_BOLD = Style(bold=True)
_TASK = re.compile(r"\[([ xX])\] ")
# A text without any of these is one plain paragraph: no parser needed.
_MARKED = re.compile(
    r"[\\`*_\[\]<>&~|#]|://|^\s*([-+]|\d{1,9}[.)])(\s|$)|^ {4}|^\s*(-+|=+)\s*$| {2}\n", re.MULTILINE
)
_INDENT = re.compile(r"[ \t]*\n[ \t]*")


class Frame(msgspec.Struct, frozen=True):
    """What stands before the lines of a nested block: `first` once, then `rest`."""

    first: tuple[Segment, ...] = ()
    rest: tuple[Segment, ...] = ()
    cells: int = 0
    base: Style | None = None

    def add(self, first: Segment, rest: Segment, base: Style | None = None) -> Frame:
        """This frame with one more mark in it."""
        return Frame(
            (*self.first, first),
            (*self.rest, rest),
            self.cells + cell_len(first.text),
            base or self.base,
        )

    @property
    def going_on(self) -> Frame:
        """The frame of every block but the first."""
        return Frame(self.rest, self.rest, self.cells, self.base)


class Renderer:
    """Lines of a theme and a width; `measure` bounds prose, `width` code and tables (cells)."""

    def __init__(self, palette: Palette, measure: int, width: int, painter: Painter) -> None:
        self.palette = palette
        self.measure = max(1, measure)
        self.width = max(1, width)
        self.painter = painter
        self._heads: dict[str, Table] = {}

    @cached_property
    def _parser(self) -> MarkdownIt:
        from markdown_it import MarkdownIt

        return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])

    @cached_property
    def _inline(self) -> Inline:
        return Inline(self.palette)

    def text(self, text: str, *, breaks: bool = False) -> list[Line]:
        """A whole text; `breaks`: each newline is meant."""
        splitter = Splitter()
        splitter.feed(safe(text))
        splitter.finish()
        lines: list[Line] = []
        for piece in splitter.take():
            self.extend(lines, piece, breaks=breaks)
        return lines

    def extend(self, lines: list[Line], piece: Piece, *, breaks: bool = False) -> None:
        """Add the lines of `piece`, and the blank line before it where it begins a block."""
        added = self.piece(piece, breaks=breaks)
        if lines and added and piece.first:
            lines.append(blank())
        lines.extend(added)

    def piece(self, piece: Piece, *, breaks: bool = False) -> list[Line]:
        """The lines of one piece."""
        if piece.kind == "more":
            text = f"… {int(piece.text):,} more characters"
            return [Line([Segment(text, self.palette.muted)], len(text), start=len(text))]
        if piece.kind == "fence":
            return self._fence(piece.text, piece.head, piece.first, Frame())
        if not _MARKED.search(piece.text):
            plain = _INDENT.sub("\n", piece.text.strip())
            return self._paragraph([Span(plain, self.palette.text)], Frame(), breaks)
        if piece.kind == "table" and piece.head:
            return self._table_rest(piece)
        return self._blocks(self._parser.parse(piece.text), Frame(), breaks)

    def code_tokens(self, text: str) -> Iterator[tuple[str, str]]:
        """(language, code) of each fenced block of a text."""
        for token in self._parser.parse(safe(text)):
            if token.type == "fence":
                yield (token.info.split() or [""])[0], token.content

    # -- blocks --------------------------------------------------------------

    def _blocks(
        self, tokens: Sequence[Token], frame: Frame, breaks: bool, tight: bool = False
    ) -> list[Line]:
        lines: list[Line] = []
        index, previous_end, previous = 0, None, ""
        while index < len(tokens):
            token = tokens[index]
            stop = _closing(tokens, index)
            added = self._block(tokens[index : stop + 1], frame, breaks)
            if added:
                gap = token.map is None or previous_end is None or token.map[0] > previous_end
                if lines and not tight and (gap or (previous, token.type) not in _SNUG):
                    lines.append(self._framed([], 0, frame.rest))
                lines.extend(added)
                frame = frame.going_on
            if token.map is not None:
                previous_end = token.map[1]
            previous = token.type
            index = stop + 1
        return lines

    def _block(self, tokens: Sequence[Token], frame: Frame, breaks: bool) -> list[Line]:
        token = tokens[0]
        match token.type:
            case "paragraph_open" | "inline":
                inline = tokens[1] if token.type == "paragraph_open" else token
                spans = self._inline.spans(
                    inline.children or (), frame.base or self.palette.text, breaks
                )
                return self._paragraph(spans, frame, breaks=True)
            case "heading_open":
                style = self._heading(int(token.tag[1:]))
                return self._paragraph(
                    self._inline.spans(tokens[1].children or (), style, False), frame, True
                )
            case "bullet_list_open" | "ordered_list_open":
                return self._list(tokens, frame, breaks)
            case "blockquote_open":
                bar = Segment("▎ " if self.width > 8 else "▎", self.palette.faint)
                inner = frame.add(bar, bar, self.palette.quote)
                return self._blocks(tokens[1:-1], inner, breaks)
            case "fence" | "code_block":
                return self._fence(token.content, token.info, True, frame)
            case "hr":
                size = max(1, self.measure - frame.cells)
                return [self._framed([Segment("─" * size, self.palette.faint)], size, frame.first)]
            case "table_open":
                return self._framed_rows(self._table(tokens, frame), frame)
        return self._paragraph([Span(safe(token.content), self.palette.text)], frame, True)

    def _heading(self, level: int) -> Style:
        palette = self.palette
        if level == 1:
            return palette.heading + Style(underline=True)
        return (palette.heading, palette.name, palette.muted + _BOLD)[min(level - 2, 2)]

    def _paragraph(self, spans: Sequence[Span], frame: Frame, breaks: bool) -> list[Line]:
        if not breaks:
            spans = [Span(span.text.replace("\n", " "), span.style, span.url) for span in spans]
        spans = [Span(s.text.expandtabs(4), s.style, s.url) if "\t" in s.text else s for s in spans]
        return self._framed_rows(wrap(spans, self.measure - frame.cells), frame)

    def _list(self, tokens: Sequence[Token], frame: Frame, breaks: bool) -> list[Line]:
        ordered = tokens[0].type == "ordered_list_open"
        number = int(tokens[0].attrGet("start") or 1) if ordered else 0
        items = [
            index
            for index, t in enumerate(tokens)
            if t.type == "list_item_open" and t.level == tokens[0].level + 1
        ]
        tight = all(
            t.hidden
            for t in tokens
            if t.type == "paragraph_open" and t.level == tokens[0].level + 2
        )
        pad = len(str(number + len(items) - 1)) + 1
        depth = sum(1 for segment in frame.rest if segment.text.isspace())
        lines: list[Line] = []
        for index in items:
            body = list(tokens[index + 1 : _closing(tokens, index)])
            mark = f"{number}.".rjust(pad) if ordered else self._bullet(body, depth)
            number += 1
            mark = f"{mark} " if self.measure - frame.cells > 8 else f"{mark[-1]} "[:2]
            inner = frame.add(
                Segment(mark, self.palette.muted), Segment(" " * cell_len(mark), self.palette.text)
            )
            if lines and not tight:
                lines.append(self._framed([], 0, frame.rest))
            lines.extend(
                self._blocks(body, inner, breaks, tight) or [self._framed([], 0, inner.first)]
            )
            frame = frame.going_on
        return lines

    def _bullet(self, body: Sequence[Token], depth: int) -> str:
        inline = body[1] if len(body) > 1 and body[1].type == "inline" else None
        first = inline.children[0] if inline is not None and inline.children else None
        task = _TASK.match(first.content) if first is not None and first.type == "text" else None
        if first is None or task is None:
            return BULLETS[depth % len(BULLETS)]
        first.content = first.content[task.end() :]
        return "☐" if task.group(1) == " " else "☑"

    # -- code and tables -----------------------------------------------------

    def _fence(self, text: str, info: str, first: bool, frame: Frame) -> list[Line]:
        """A code block on its own ground; the label stands above its first piece."""
        palette = self.palette
        language = (safe(info).split() or [""])[0]
        width = self.width - frame.cells
        lines: list[Line] = []
        if first:
            label = language[: max(0, width - 2)]
            segments = [Segment(" ", palette.block), Segment(label, palette.block_label)]
            cells = 1 + cell_len(label)
            line = self._framed(segments, cells, frame.first, fill=palette.block)
            line.start = line.end = len(line.text)
            lines.append(line)
        code = self.painter.paint(text.expandtabs(4).removesuffix("\n"), language, palette)
        for row in code:
            lines.extend(self._code_line(row, width, frame))
        return lines

    def _code_line(self, row: list[Segment], width: int, frame: Frame) -> Iterator[Line]:
        block = self.palette.block
        for chunk, cells, join in chop(row, max(1, width - 2)):
            line = self._framed([Segment(" ", block), *chunk], cells + 1, frame.rest, fill=block)
            line.start += 1
            line.join = join
            yield line

    def _table(self, tokens: Sequence[Token], frame: Frame) -> list[Row]:
        table = Table.read(tokens, self._inline, self.palette)
        return layout_table(table, table, self.width - frame.cells, self.palette)

    def _table_rest(self, piece: Piece) -> list[Line]:
        """Rows that go on with a long table: the columns are those of its first piece."""
        head = self._heads.get(piece.head)
        if head is None:
            tokens = self._parser.parse(piece.head)
            if not tokens or tokens[0].type != "table_open":
                return self._blocks(self._parser.parse(piece.text), Frame(), False)
            head = Table.read(tokens, self._inline, self.palette)
            self._heads = {piece.head: head}
        header = "\n".join(piece.head.split("\n", 2)[:2])
        tokens = self._parser.parse(f"{header}\n{piece.text}")
        stop = _closing(tokens, 0)
        rest = Table.read(tokens[: stop + 1], self._inline, self.palette)
        rows = layout_table(rest, head, self.width, self.palette, header=False)
        return self._framed_rows(rows, Frame()) + self._blocks(tokens[stop + 1 :], Frame(), False)

    # -- lines ---------------------------------------------------------------

    def _framed_rows(self, rows: Sequence[Row], frame: Frame) -> list[Line]:
        lines = []
        for index, row in enumerate(rows):
            marks = frame.rest if index else frame.first
            line = self._framed(row.segments, row.cells, marks)
            line.join = row.join
            if row.links:
                line.links = tuple(
                    Link(x.start + frame.cells, x.end + frame.cells, x.url) for x in row.links
                )
            lines.append(line)
        return lines

    def _framed(
        self,
        segments: list[Segment],
        cells: int,
        marks: tuple[Segment, ...],
        fill: Style | None = None,
    ) -> Line:
        if not marks:
            return Line(segments, cells, fill=fill)
        start = 0
        for mark in marks:
            start += len(mark.text)
        # A marker of a list is worth copying; bars and indents are not.
        if not marks[-1].text.isspace() and marks[-1].text[0] != "▎":
            start -= len(marks[-1].text)
        cells += sum(cell_len(mark.text) for mark in marks)
        return Line([*marks, *segments], cells, start=start, fill=fill)


_SNUG = frozenset(("paragraph_open", f"{kind}_list_open") for kind in ("bullet", "ordered"))
"""Blocks that follow each other without a blank line, where the source has none."""


def _closing(tokens: Sequence[Token], index: int) -> int:
    """The index of the token that closes the one at `index` (itself, if it has no inside)."""
    if tokens[index].nesting != 1:
        return index
    level = tokens[index].level
    for stop in range(index + 1, len(tokens)):
        if tokens[stop].nesting == -1 and tokens[stop].level == level:
            return stop
    return len(tokens) - 1


def chop(row: list[Segment], width: int) -> Iterator[tuple[list[Segment], int, str]]:
    """Cut a line that must keep its spaces (code) into (segments, cells, join) of `width` cells."""
    total = sum(segment.cell_length for segment in row)
    if total <= width:
        yield row, total, "\n"
        return
    from rich.cells import split_graphemes

    chunk: list[Segment] = []
    size, join = 0, "\n"
    for segment in row:
        begin = 0
        for start, _end, cells in split_graphemes(segment.text)[0]:
            if size + cells > width and (chunk or start > begin):
                if start > begin:
                    chunk.append(Segment(segment.text[begin:start], segment.style))
                yield chunk, size, join
                chunk, size, begin, join = [], 0, start, ""
            size += cells
        if begin < len(segment.text):
            chunk.append(Segment(segment.text[begin:], segment.style))
    yield chunk, size, join
