"""A page of plain text to read: long lines are cut to the width, and only the visible are drawn."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec
from rich.cells import cell_len, chop_cells
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from omni_tui.core.safe_text import safe
from omni_tui.tui.ink import ink
from omni_tui.tui.widgets.bars import INK, Piece
from omni_tui.tui.widgets.transcript.wrap import break_text

_NAME = re.compile(r'\s*"(?:[^"\\]|\\.)*":')
MAX_INDENT = 16
LEAST = 12
"""Cells a text must have beside its label."""


class Line(msgspec.Struct, frozen=True):
    """Something that begins a line, and a text that hangs beside it."""

    text: str
    label: str = ""
    indent: int = 0
    """The column where the text goes on when one row does not hold it."""
    kind: str = "plain"
    """A key of `INK`, for the text."""
    label_kind: str = "muted"
    by_words: bool = False
    """Break the text between words, rather than wherever the line is full."""


class Page(ScrollView, can_focus=True):
    """Shows lines; keys scroll it."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    Page {
        height: 1fr; padding: 0 1; background: $background;
        overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1;
    }
    """
    BINDINGS = [
        Binding("up,k", "scroll_up", show=False),
        Binding("down,j", "scroll_down", show=False),
        Binding("home,g", "scroll_home", show=False),
        Binding("end,G", "scroll_end", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: Sequence[Line] = ()
        self._rows: list[tuple[Piece, ...]] = []
        self._width = 0
        self._inks: dict[str, Style] = {}

    def show(self, lines: Sequence[Line], *, keep: bool = True) -> None:
        """Show these lines; `keep` stays where one has scrolled to."""
        if tuple(lines) == tuple(self._lines) and keep:
            return
        self._lines = lines
        self._lay_out()
        if not keep:
            self.scroll_home(animate=False, immediate=True)

    def on_resize(self) -> None:
        """Cut the lines anew."""
        self._lay_out()

    def _lay_out(self) -> None:
        self._width = max(8, self.size.width - self.styles.padding.width - 1)
        self._rows = [row for line in self._lines for row in _cut(line, self._width)]
        self.virtual_size = Size(0, len(self._rows))
        self.refresh()

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines in this region."""
        base, variables = self.rich_style, self.app.theme_variables
        self._inks = {kind: base + ink(rule, variables, ground=False) for kind, rule in INK.items()}
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """One line of the page."""
        place = y + self.scroll_offset.y
        row = self._rows[place] if place < len(self._rows) else ()
        base = self._inks["plain"]
        segments = [Segment(piece.text, self._inks[piece.kind]) for piece in row]
        return Strip(segments).adjust_cell_length(self.scrollable_content_region.width, base)


def _cut(line: Line, width: int) -> Iterable[tuple[Piece, ...]]:
    """The rows of a line: its label, and the text beside it in as many as it needs."""
    label, text = safe(line.label), safe(line.text).expandtabs(4)
    hang = min(max(line.indent, 0), width // 2)
    lead = Piece(label, line.label_kind)
    if cell_len(lead.text) > width - LEAST:  # the text begins under it
        for part in chop_cells(label, width):
            yield (Piece(part, line.label_kind),)
        lead = Piece(" " * hang)
    break_up = _between_words if line.by_words else _anywhere
    for part in break_up(text, width - cell_len(lead.text), width - hang):
        yield (lead, Piece(part, line.kind))
        lead = Piece(" " * hang)


def _between_words(text: str, first: int, width: int) -> Iterable[str]:
    return (text[start:end] for start, end, *_ in break_text(text, min(first, width)))


def _anywhere(text: str, first: int, width: int) -> Iterable[str]:
    for paragraph in text.split("\n"):
        part = (chop_cells(paragraph, first) or [""])[0]
        yield part
        if rest := paragraph[len(part) :]:
            yield from chop_cells(rest, width)
        first = width


def json_lines(text: str) -> list[Line]:
    """Lines of indented JSON: names muted, what is long hangs under its beginning."""
    lines = []
    for line in text.split("\n"):
        name, depth = _NAME.match(line), len(line) - len(line.lstrip(" "))
        label = f"{name.group()} " if name else " " * depth
        lines.append(Line(line[len(label) :], label, min(depth + 2, MAX_INDENT)))
    return lines
