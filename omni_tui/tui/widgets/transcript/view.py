"""The part of the transcript that finds, paints and selects the lines in view."""

from __future__ import annotations

import re
from functools import partial
from time import monotonic

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Offset, Region, Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from omni_tui.tui.widgets.transcript.code import Painter
from omni_tui.tui.widgets.transcript.heights import Heights
from omni_tui.tui.widgets.transcript.inline import openable
from omni_tui.tui.widgets.transcript.lines import Line
from omni_tui.tui.widgets.transcript.markdown import Renderer
from omni_tui.tui.widgets.transcript.paint import Geometry, compose, highlight
from omni_tui.tui.widgets.transcript.palette import Palette
from omni_tui.tui.widgets.transcript.parts import crop
from omni_tui.tui.widgets.transcript.selection import extract, row_of, span_of
from omni_tui.tui.widgets.transcript.shelf import Shelf
from omni_tui.tui.widgets.transcript.window import Window

FRAME = 1 / 15
"""Seconds between two paints of streamed text."""
BEHIND = 1 / 8
"""The same while text comes faster than it can be parsed: catching up goes first."""
SLICE = 0.008
"""Seconds of parsing at a time."""
_PAUSE = 0.001
_WORD = re.compile(r"\w+(?:[-'’]\w+)*|\S")

Row = tuple[Line, bool, int, int]
"""A line in view: itself, whether the cursor is on it, its message and its number in it."""


class ConversationView(ScrollView, can_focus=True):
    """Paints the messages of a shelf through a window; knows nothing of keys and commands."""

    cursor_key: reactive[int | None] = reactive(None, repaint=False)
    """The message the cursor is on."""

    def __init__(
        self, *, name: str | None = None, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self._shelf = Shelf()
        self._window = Window()
        self._painter = Painter(self._want_language)
        self._visible_rows: list[Row] = []
        self._settled_for: tuple[Size, Palette] | None = None
        self._palette_now: Palette | None = None
        self._empty: tuple[str, ...] = ()
        self._flush_timer: Timer | None = None
        self._last_flush = 0.0
        self._finishing: list[int] = []
        self._painting = False

    # -- settling: what is in view -------------------------------------------

    def _height(self, index: int) -> int:
        return len(self._shelf.lines(index))

    def _measure(self, start: int) -> None:
        """Estimate the heights of the messages from `start` on; what is known above stays."""
        if start:
            self._window.heights.cut(start)
            self._window.heights.extend(self._shelf.estimates(start))
        else:
            self._window.heights = Heights(self._shelf.estimates(0))

    def _settle(self) -> None:
        """Find the lines in view, correct what was estimated, repaint the lines that changed."""
        if not self.is_attached or not self.size:
            return
        self._prepare()
        places = self._window.arrange(self.size.height, self._height)
        cursor = self._shelf.index(self.cursor_key)
        rows = [
            (self._shelf.lines(index)[line], index == cursor, index, line) for index, line in places
        ]
        old, self._visible_rows = self._visible_rows, rows
        self._place_scroll()
        self._repaint(old, rows)

    def _prepare(self) -> None:
        """A renderer for the width and the theme as they are now."""
        if self._palette_now is None:
            self._palette_now = Palette.of(self.app.theme_variables)
        state = (self.size, self._palette_now)
        if state == self._settled_for:
            return
        before, self._settled_for = self._settled_for, state
        if before is not None and (before[0].width, before[1]) == (self.size.width, state[1]):
            return
        geometry, window, shelf = Geometry.of(self.size.width), self._window, self._shelf
        old_height = window.heights[window.index] if window.index < len(window.heights) else 0
        shelf.renderer = Renderer(self._palette_now, geometry.measure, geometry.body, self._painter)
        shelf.forget()
        shelf.restart_live()
        self._measure(0)
        if old_height and not window.following:
            window.offset = window.offset * self._height(window.index) // old_height
        if before is not None and self.text_selection is not None:
            self.screen.clear_selection()
        if shelf.live and not shelf.work(monotonic() + SLICE, monotonic) and not self._flush_timer:
            self._flush_timer = self.set_timer(_PAUSE, self._flush)

    def _place_scroll(self) -> None:
        """Tell the scroll bar where we are, without a layout and without moving the view."""
        size = Size(self.size.width, self._window.total)
        top = min(self._window.top, max(0, size.height - self.size.height))
        self.set_reactive(Widget.virtual_size, size)
        if round(self.scroll_y) != top:
            self.set_reactive(Widget.scroll_y, float(top))
        self.set_reactive(Widget.scroll_target_y, float(top))
        bar = self.vertical_scrollbar
        if _thumb(bar.window_virtual_size, bar.window_size, bar.position) != _thumb(
            size.height, self.size.height, top
        ):
            bar.window_virtual_size = size.height
            bar.window_size = self.size.height
            bar.position = top

    def _repaint(self, old: list[Row], new: list[Row]) -> None:
        height = self.size.height
        changed = [
            y
            for y in range(max(len(old), len(new)))
            if y >= len(old) or y >= len(new) or not _alike(old[y], new[y])
        ]
        if len(changed) * 2 > height:
            self.refresh()
        elif changed:
            self.refresh(*(Region(0, y, self.size.width, 1) for y in changed))

    # -- painting ------------------------------------------------------------

    def render_lines(self, crop: Region) -> list[Strip]:
        if self._settled_for is None or self._settled_for != (self.size, self._palette_now):
            self._settle()
        self._painting = True
        try:
            styles = self.styles
            if styles.gutter or styles.has_rule("tint") or self.opacity != 1:
                return super().render_lines(crop)
            # Nothing around the text: its strips, with what they cached, are what is painted.
            strips = [self.render_line(y) for y in crop.line_range]
        finally:
            self._painting = False
        _, background = self.background_colors
        for line_filter in self.get_line_filters():
            strips = [strip.apply_filter(line_filter, background) for strip in strips]
        if crop.column_span != (0, self.size.width):
            strips = [strip.crop(*crop.column_span) for strip in strips]
        return strips

    def render_line(self, y: int) -> Strip:
        """A line as it is painted; asked by anyone else, it carries the offsets selection needs.

        To paint the offsets too would cost each segment a style of its own.
        """
        palette, width = self._palette_now, self.size.width
        if palette is None:
            return Strip.blank(width)
        if not self._shelf.keys:
            return self._empty_line(y, palette)
        if y >= len(self._visible_rows):
            return Strip.blank(width, palette.text)
        line, on_cursor, index, number = self._visible_rows[y]
        geometry = Geometry.of(width)
        if on_cursor:
            strip = compose(line, geometry, palette, self._cursor_style(palette))
        elif line.strip is None:
            strip = line.strip = compose(line, geometry, palette, None)
        else:
            strip = line.strip
        row = row_of(index, number)
        selection = self.text_selection
        span = selection and span_of(selection, row, line, geometry.body_x)
        if span:
            style = self.screen.get_component_rich_style("screen--selection")
            strip = highlight(strip, *span, style)
        return strip if self._painting else strip.apply_offsets(0, row)

    def _cursor_style(self, palette: Palette) -> Style:
        return palette.accent if self.has_focus else palette.user_dim

    def _empty_line(self, y: int, palette: Palette) -> Strip:
        width = self.size.width
        index = y - max(0, (self.size.height - len(self._empty)) // 3)
        if not 0 <= index < len(self._empty):
            return Strip.blank(width, palette.text)
        style = palette.heading if index == 0 else palette.muted
        segment = Segment(crop(self._empty[index], width), style)
        left = (width - segment.cell_length) // 2
        strip = Strip([Segment(" " * left, palette.text), segment])
        return strip.adjust_cell_length(width, palette.text)

    def _want_language(self, language: str) -> None:
        self.call_after_refresh(
            lambda: self.run_worker(
                partial(self._load_language, language),
                thread=True,
                group="lexers",
                exit_on_error=False,
            )
        )

    def _load_language(self, language: str) -> None:
        if self._painter.load(language):
            self.app.call_from_thread(self._repaint_code)

    def _repaint_code(self) -> None:
        self._shelf.forget()
        self._shelf.restart_live()
        self._flush()

    # -- live text ---

    def _catch_up(self) -> None:
        """Settle after the path changed: what was fed for its messages is due now."""
        if self._shelf.live and self.is_mounted:
            self._last_flush = 0.0
            self._flush()
        self._settle()

    def _flush(self) -> None:
        """Parse for `SLICE` seconds; paint when all is done or a frame has passed."""
        if self._flush_timer is not None:
            self._flush_timer.stop()
            self._flush_timer = None
        now = monotonic()
        done = self._shelf.work(now + SLICE, monotonic)
        if done:
            for key in self._finishing:
                self._shelf.finish(key)
            self._finishing.clear()
        if done or monotonic() - self._last_flush >= BEHIND:
            self._settle()
            self._last_flush = monotonic()
        if not done and self.is_mounted:
            self._flush_timer = self.set_timer(_PAUSE, self._flush)

    def link_at(self, x: int, y: int) -> str | None:
        """The link painted at a cell of the widget's content, if it may be opened."""
        if not 0 <= y < len(self._visible_rows):
            return None
        column = x - Geometry.of(self.size.width).body_x
        for link in self._visible_rows[y][0].links:
            if link.start <= column < link.end and openable(link.url):
                return link.url
        return None

    # -- selection -----------------------------------------------------------

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        shelf = self._shelf
        if shelf.renderer is None:
            return None
        text = extract(
            selection,
            len(shelf.keys),
            shelf.lines,
            lambda index: shelf.source_text(shelf.keys[index]),
            Geometry.of(self.size.width).body_x,
        )
        return text, "\n"

    def _select(self, chain: int, offset: Offset, place: Row) -> None:
        """Select the word at a click (chain 2) or the message (3 and more)."""
        line, _, index, number = place
        row = row_of(index, number)
        if chain == 2:
            body_x = Geometry.of(self.size.width).body_x
            start, end = word_at(line, offset.x - body_x)
            selection = Selection(Offset(body_x + start, row), Offset(body_x + end, row))
        else:
            last = row_of(index, self._height(index))
            selection = Selection(Offset(0, row_of(index, 0)), Offset(0, last))
        self.screen.selections = {self: selection}

    # -- events ---------------------------------------------------------------

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._palette_now = None
        if self.is_attached and self._shelf.keys:
            self.call_later(self._settle)

    def on_mount(self) -> None:
        self._flush()

    def on_resize(self) -> None:
        self._settle()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """The user scrolled: the anchor follows."""
        before, now = round(old_value), round(new_value)
        if before == now:
            return
        window = self._window
        window.following = False
        if abs(now - before) <= 4 * self.size.height:
            window.move(now - before, self._height)
        else:
            window.jump(now)
        if now >= self.max_scroll_y:
            window.following = True
        self._settle()


def word_at(line: Line, cell: int) -> tuple[int, int]:
    """The characters of the word painted at a cell of a line's body."""
    text, index, at = line.text, 0, 0
    while index < len(text) and (at := at + cell_len(text[index])) <= cell:
        index += 1
    for match in _WORD.finditer(text):
        if match.start() <= index < match.end():
            return match.span()
    return index, min(index + 1, len(text))


def _alike(old: Row, new: Row) -> bool:
    """Whether two rows are painted alike (offsets for selection included)."""
    return old[1:] == new[1:] and old[0].same(new[0])


def _thumb(total: float, window: int, top: float) -> tuple[int, int] | None:
    """What a scroll bar shows, in the eighths of a cell it can show; None: no thumb."""
    if total <= window or window <= 0:
        return None
    return int(top / total * window * 8), int(window / total * window * 8)
