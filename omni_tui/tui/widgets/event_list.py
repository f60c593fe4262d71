"""A list of events: one line each, drawn for the visible ones only, following what comes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from omni_tui.tui.event_text import Teller, clock, urgency_of
from omni_tui.tui.ink import ink
from omni_tui.tui.trace import Row
from omni_tui.tui.widgets.bars import INK, clip

HEAD = 1
"""Lines that stay at the top: the names of the columns."""

SHORT_BELOW = 76
"""Cells below which the time is told without its milliseconds."""
MOST_DRAWN = 500
"""Rows of which the picture is kept."""


class EventList(ScrollView, can_focus=True):
    """Rows and a cursor. While it follows, the cursor is on the last row."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    EventList {
        width: 1fr; height: 1fr; background: $background;
        overflow-x: hidden; overflow-y: scroll; scrollbar-size-vertical: 1;
    }
    """
    BINDINGS = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home,g", "first", show=False),
        Binding("end,G", "follow", show=False),
    ]

    class Moved(Message):
        """The cursor is on another row, or the list follows or no longer does."""

    class Opened(Message):
        """The row under the cursor was clicked twice."""

    def __init__(self, teller: Teller, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.following = True
        self._teller = teller
        self._rows: Sequence[Row] = ()
        self._numbers: list[int] = []
        self._cursor = 0
        self._inks: dict[str, Style] = {}
        self._base = Style()
        self._look = ("", 0)
        """The theme and the width that rows were drawn for."""
        self._drawn: dict[tuple[int, int], Strip] = {}
        """Rows as they were drawn, by number and how much is folded into them."""

    # What is shown

    def take(self, rows: Sequence[Row]) -> None:
        """Show these rows; where one looked, the same rows stay in place."""
        top = self._number_at(self.scroll_offset.y)
        cursor = self._number_at(self._cursor)
        self._rows = rows
        self._numbers = [row.number for row in rows]
        self.virtual_size = Size(0, len(rows) + HEAD)
        if self.following:
            self._cursor = max(0, len(rows) - 1)
            self.scroll_end(animate=False, immediate=True, force=True)
        else:
            self._cursor = self._place_of(cursor)
            self.scroll_to(y=self._place_of(top), animate=False, immediate=True, force=True)
        self.refresh()

    @property
    def current(self) -> Row | None:
        """The row under the cursor."""
        return self._rows[self._cursor] if self._cursor < len(self._rows) else None

    @property
    def rows(self) -> Sequence[Row]:
        """All rows, the last one last."""
        return self._rows

    def _number_at(self, place: int) -> int:
        return self._numbers[place] if place < len(self._numbers) else 0

    def _place_of(self, number: int) -> int:
        """Where the row with this number is, or the next one after it."""
        return min(bisect_left(self._numbers, number), max(0, len(self._numbers) - 1))

    # Moving

    def follow(self, wanted: bool) -> None:
        """Stay at the end from now on, or stay where one is."""
        self.following = wanted
        if wanted:
            self._cursor = max(0, len(self._rows) - 1)
            self.scroll_end(animate=False, immediate=True, force=True)
        self.refresh()
        self.post_message(self.Moved())

    def _move_to(self, place: int) -> None:
        if not self._rows:
            return
        self._cursor = min(max(place, 0), len(self._rows) - 1)
        self.following = False
        top, room = self.scroll_offset.y, max(1, self.size.height - HEAD)
        if self._cursor < top:
            self.scroll_to(y=self._cursor, animate=False, immediate=True)
        elif self._cursor >= top + room:
            self.scroll_to(y=self._cursor - room + 1, animate=False, immediate=True)
        self.refresh()
        self.post_message(self.Moved())

    def action_move(self, step: int) -> None:
        """Go some rows down, or up when negative."""
        self._move_to(self._cursor + step)

    def action_page(self, step: int) -> None:
        """Go a screenful down, or up when negative."""
        self._move_to(self._cursor + step * max(1, self.size.height - HEAD - 1))

    def action_first(self) -> None:
        """Go to the oldest row."""
        self._move_to(0)

    def action_follow(self) -> None:
        """Go to the newest row, and stay with what comes."""
        self.follow(True)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Whoever looks back does not want to be carried away."""
        if self.following:
            self.follow(False)

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the row clicked; the second click opens it."""
        place = event.y - HEAD + self.scroll_offset.y
        if event.y >= HEAD and place < len(self._rows):
            self._move_to(place)
            if event.chain == 2:
                self.post_message(self.Opened())

    # Drawing

    def on_resize(self) -> None:
        """The end stays the end."""
        if self.following:
            self.scroll_end(animate=False, immediate=True, force=True)

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines in this region."""
        look = (self.app.theme, self.scrollable_content_region.width)
        if look != self._look or len(self._drawn) > MOST_DRAWN:
            self._look = look
            self._inks.clear()
            self._drawn.clear()
        self._base = self.rich_style
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """One line: the names of the columns stay, the rows scroll under them."""
        width = self._look[1]
        place = y - HEAD + self.scroll_offset.y
        if y < HEAD:
            names = ("seq", "time", "run", "node", "st", "type", "")
            return self._strip(list(zip(names, ["faint"] * 7, strict=True)), width)
        if place >= len(self._rows):
            said = "nothing yet" if not self._rows and y == HEAD else ""
            return self._padded([Segment(f" {said}", self._ink("muted"))], width)
        row = self._rows[place]
        if place == self._cursor:
            return self._strip(self._cells(row, width), width, is_cursor=True)
        key = (row.number, row.count)
        if (strip := self._drawn.get(key)) is None:
            strip = self._drawn[key] = self._strip(self._cells(row, width), width)
        return strip

    def _cells(self, row: Row, width: int) -> list[tuple[str, str]]:
        event = row.event
        kind = urgency_of(row) or ("muted" if row.is_folded else "plain")
        return [
            (str(event.seq or ""), "muted"),
            (clock(event.ts)[: 12 if width >= SHORT_BELOW else 8], "muted"),
            ((event.run_id or "")[:4], "muted"),
            ("" if event.node_id is None else str(event.node_id), "muted"),
            (str(event.step or ""), "muted"),
            (event.type, kind),
            (self._teller.line(row), kind if kind != "plain" else "muted"),
        ]

    def _strip(
        self, cells: Sequence[tuple[str, str]], width: int, is_cursor: bool = False
    ) -> Strip:
        widths = (5, 8 if width < SHORT_BELOW else 12, 4, 4, 2, 14)
        ground = self._ink("cursor" if self.has_focus else "held") if is_cursor else Style()
        out = [Segment(" ", ground)]
        for place, (text, kind) in enumerate(cells[:-1]):
            size = widths[place]
            text = text.rjust(size) if place in (0, 3, 4) else clip(text, size).ljust(size)
            out.append(Segment(text + " ", self._ink(kind) + ground))
        text, kind = cells[-1]
        room = width - sum(segment.cell_length for segment in out)
        out.append(Segment(clip(text, room), self._ink(kind) + ground))
        return self._padded(out, width, ground)

    def _padded(
        self, segments: Sequence[Segment], width: int, ground: Style | None = None
    ) -> Strip:
        base = self._base
        laid = [Segment(text, base + (style or Style())) for text, style, _ in segments]
        return Strip(laid).adjust_cell_length(width, base + (ground or Style()))

    def _ink(self, kind: str) -> Style:
        style = self._inks.get(kind)
        if style is None:
            variables = self.app.theme_variables
            if kind in ("cursor", "held"):
                name = "$block-cursor-background" if kind == "cursor" else "$omni-selection"
                style = Style(bgcolor=ink(name, variables, ground=False).color)
            else:
                style = ink(INK[kind], variables, ground=False)
            self._inks[kind] = style
        return style
