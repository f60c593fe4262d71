"""Tables: columns aligned by cells, shrunk and wrapped where the terminal is narrow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import msgspec
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from omni_tui.tui.widgets.transcript.inline import Inline
from omni_tui.tui.widgets.transcript.lines import Link
from omni_tui.tui.widgets.transcript.palette import Palette
from omni_tui.tui.widgets.transcript.wrap import Row, Span, wrap

if TYPE_CHECKING:
    from markdown_it.token import Token

Align = Literal["left", "center", "right"]
Cell = list[Span]

_SEPARATOR = " │ "
_NARROWEST = 5


class Table(msgspec.Struct, frozen=True):
    """A table as it was read: its first row is the header."""

    rows: tuple[tuple[Cell, ...], ...]
    aligns: tuple[Align, ...]

    @classmethod
    def read(cls, tokens: Sequence[Token], inline: Inline, palette: Palette) -> Table:
        """The table of a `table_open … table_close` run of tokens."""
        rows: list[tuple[Cell, ...]] = []
        aligns: list[Align] = []
        row: list[Cell] = []
        base = palette.text
        for token in tokens:
            if token.type == "tr_open":
                row = []
            elif token.type == "tr_close":
                rows.append(tuple(row))
            elif token.type in ("th_open", "td_open"):
                base = palette.name if token.type == "th_open" else palette.text
                if token.type == "th_open":
                    aligns.append(_align(str(token.attrGet("style") or "")))
            elif token.type == "inline":
                row.append(inline.spans(token.children or (), base, False))
        return cls(tuple(rows), tuple(aligns))

    def widths(self) -> list[int]:
        """The natural width of each column."""
        widths = [1] * len(self.aligns)
        for row in self.rows:
            for index, cell in enumerate(row[: len(widths)]):
                widths[index] = max(widths[index], sum(cell_len(span.text) for span in cell))
        return widths


def _align(style: str) -> Align:
    if "right" in style:
        return "right"
    return "center" if "center" in style else "left"


def fit(natural: Sequence[int], room: int) -> list[int]:
    """Widths that sum to at most `room`: only the widest columns give way."""
    widths = list(natural)
    excess = sum(widths) - room
    while excess > 0 and max(widths) > 0:
        widest = max(widths)
        at = [index for index, width in enumerate(widths) if width == widest]
        below = max((width for width in widths if width < widest), default=0)
        step = min(widest - below, -(-excess // len(at)))
        for index in at:
            cut = min(step, excess)
            widths[index] -= cut
            excess -= cut
    return widths


def layout_table(
    table: Table, measured: Table, width: int, palette: Palette, *, header: bool = True
) -> list[Row]:
    """The rows of `table` with the columns of `measured`; `header`: with its first row and rule."""
    natural = measured.widths()
    room = width - len(_SEPARATOR) * (len(natural) - 1)
    widths = fit(natural, room)
    if (
        not widths
        or min(a for a in (*widths, width)) < 1
        or any(size < min(_NARROWEST, wish) for size, wish in zip(widths, natural, strict=True))
    ):
        return _stacked(table, width, palette)
    rows: list[Row] = []
    for index, cells in enumerate(table.rows):
        if index == 0 and not header:
            continue
        rows.extend(_row(cells, widths, table.aligns, palette))
        if index == 0:
            rule = "─┼─".join("─" * size for size in widths)
            rows.append(Row([Segment(rule, palette.faint)], cell_len(rule), (), "\n"))
    return rows


def _row(
    cells: Sequence[Cell], widths: Sequence[int], aligns: Sequence[Align], palette: Palette
) -> list[Row]:
    columns = [wrap(cell, size) for cell, size in zip(cells, widths, strict=False)]
    height = max(1, *(len(column) for column in columns)) if columns else 1
    rows = []
    for level in range(height):
        segments: list[Segment] = []
        links: list[Link] = []
        at = 0
        for index, size in enumerate(widths):
            if index:
                segments.append(Segment(_SEPARATOR, palette.faint))
                at += len(_SEPARATOR)
            column = columns[index] if index < len(columns) else []
            row = column[level] if level < len(column) else Row([], 0, (), "\n")
            before, after = _pads(max(0, size - row.cells), aligns[index])
            _pad(segments, before, palette.text)
            segments.extend(row.segments)
            links += [Link(at + before + x.start, at + before + x.end, x.url) for x in row.links]
            _pad(segments, after, palette.text)
            at += before + row.cells + after
        rows.append(Row(segments, at, tuple(links), "\n"))
    return rows


def _pads(space: int, align: Align) -> tuple[int, int]:
    if align == "right":
        return space, 0
    return (space // 2, space - space // 2) if align == "center" else (0, space)


def _pad(segments: list[Segment], cells: int, style: Style) -> None:
    if cells:
        segments.append(Segment(" " * cells, style))


def _stacked(table: Table, width: int, palette: Palette) -> list[Row]:
    """Too narrow for columns: each row as lines of `header: value`."""
    rows: list[Row] = []
    names = ["".join(span.text for span in cell) for cell in table.rows[0]] if table.rows else []
    for row in table.rows[1:]:
        if rows:
            rows.append(Row([Segment("─" * min(3, width), palette.faint)], min(3, width), (), "\n"))
        for name, cell in zip(names, row, strict=False):
            rows.extend(wrap([Span(f"{name}: ", palette.name), *cell], width))
    return rows or [Row([], 0, (), "\n")]
