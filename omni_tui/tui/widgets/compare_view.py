"""Two branches compared: the words that stand over the sides, and the sides under one scroll."""

from __future__ import annotations

from collections import OrderedDict

from rich.cells import cell_len
from rich.segment import Segment
from textual.binding import Binding
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from omni_tui.tui.compare_lines import GUTTER, SIGNS, Drawing, Inks, inks_of
from omni_tui.tui.comparison import SIDES, Comparison, Heading, SideName, Versions
from omni_tui.tui.widgets.bars import clip
from omni_tui.tui.widgets.transcript.heights import Heights
from omni_tui.tui.widgets.transcript.window import Window

KEPT_FACES = 300
"""Pairs of messages whose lines are kept."""


class CompareHead(Widget):
    """Says what each side is, and which of them the keys mean."""

    DEFAULT_CSS = """
    CompareHead { height: 2; background: $background; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._headings: dict[SideName, Heading] = {}
        self._positions: dict[SideName, str] = {}
        self._side: SideName = "right"
        self._unified = False

    def show(
        self,
        headings: dict[SideName, Heading],
        versions: dict[SideName, Versions | None],
        side: SideName,
        *,
        unified: bool,
    ) -> None:
        """Show these; the heading of `side` is bright."""
        self._headings, self._side, self._unified = headings, side, unified
        self._positions = {
            name: f"{found.place + 1}/{len(found.nodes)}"
            for name, found in versions.items()
            if found is not None and len(found.nodes) > 1
        }
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Titles over facts, or a line for each side."""
        width = self.size.width
        side_width = width if self._unified else (width - 1) // 2
        drawing = Drawing(side_width, inks_of(self.app.theme_variables, self.rich_style), False)
        if not self._headings:
            return Strip.blank(width, self.rich_style)
        if self._unified:
            strip = self._one_line(SIDES[y], drawing)
        else:
            part = self._title if y == 0 else self._facts
            left, right = (part(side, drawing) for side in SIDES)
            strip = drawing.beside(left, right)
        return strip.adjust_cell_length(width, self.rich_style)

    def _title(self, side: SideName, drawing: Drawing) -> Strip:
        inks, bright = drawing.inks, side == self._side
        position = self._positions.get(side, "")
        room = drawing.width - GUTTER - len(position) - 2
        title = clip(self._headings[side].title, room)
        gap = " " * max(1, room + 1 - cell_len(title))
        return self._line(
            drawing,
            Segment("  ", inks["air"]),
            Segment("▸" if bright else " ", inks["bright" if bright else "air"]),
            Segment(" ", inks["air"]),
            Segment(title, inks["bright" if bright else "muted"]),
            Segment(gap, inks["air"]),
            Segment(position, inks["muted"]),
        )

    def _facts(self, side: SideName, drawing: Drawing) -> Strip:
        facts = clip(" · ".join(self._headings[side].facts), drawing.width - GUTTER - 1)
        air = Segment(" " * GUTTER, drawing.inks["air"])
        return self._line(drawing, air, Segment(facts, drawing.inks["muted"]))

    def _one_line(self, side: SideName, drawing: Drawing) -> Strip:
        inks, bright = drawing.inks, side == self._side
        heading, position = self._headings[side], self._positions.get(side, "")
        room = drawing.width - GUTTER - 1
        facts = clip(" · ".join(filter(None, (*heading.facts, position))), room * 2 // 3)
        title = clip(heading.title, room - cell_len(facts) - 3)
        return self._line(
            drawing,
            Segment(" ", inks["air"]),
            Segment(SIGNS[side], inks[side]),
            Segment("▸" if bright else " ", inks["bright" if bright else "air"]),
            Segment(" ", inks["air"]),
            Segment(title, inks["bright" if bright else "muted"]),
            Segment("   ", inks["air"]),
            Segment(facts, inks["muted"]),
        )

    def _line(self, drawing: Drawing, *segments: Segment) -> Strip:
        return Strip(segments).adjust_cell_length(drawing.width, drawing.inks["air"])


class CompareView(ScrollView, can_focus=True):
    """Both sides, pair by pair; what is not in view is neither compared nor wrapped."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    CompareView {
        height: 1fr; background: $background;
        overflow-x: hidden; overflow-y: scroll; scrollbar-size-vertical: 1;
    }
    """
    BINDINGS = [
        Binding("up,k", "scroll_lines(-1)", show=False),
        Binding("down,j", "scroll_lines(1)", show=False),
        Binding("pageup", "scroll_pages(-1)", show=False),
        Binding("pagedown,space", "scroll_pages(1)", show=False),
        Binding("home,g", "go_home", show=False),
        Binding("end,G", "go_end", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._comparison: Comparison | None = None
        self._unified = False
        self._window = Window()
        self._inks: Inks | None = None
        self._drawing: Drawing | None = None
        self._drawn: OrderedDict[int, list[Strip]] = OrderedDict()
        self._places: list[tuple[int, int]] = []
        """The pair, and the line of it, of each line in view."""

    # What is shown

    def show(self, comparison: Comparison) -> None:
        """Show another comparison from its beginning."""
        self._comparison = comparison
        self._window = Window()
        self._window.following = False
        self._drawing = None
        self._settle()

    def lay_out(self, *, unified: bool) -> None:
        """Two columns, or one."""
        self._unified = unified
        self._settle()

    def _settle(self) -> None:
        """Find the lines in view and correct what was estimated."""
        if self._comparison is None or not self.size.height:
            return
        self._prepare(self._comparison)
        window = self._window
        self._places = window.arrange(self.size.height, self._height)
        window.following = False
        self._place_scroll()
        self.refresh()

    def _prepare(self, comparison: Comparison) -> None:
        """Draw anew when the width, the columns or the theme changed."""
        width = self.scrollable_content_region.width
        side = width if self._unified else (width - 1) // 2
        if self._inks is None:
            self._inks = inks_of(self.app.theme_variables, self.rich_style)
        drawing = Drawing(max(GUTTER + 2, side), self._inks, self._unified)
        before, self._drawing = self._drawing, drawing
        if drawing == before:
            return
        self._drawn.clear()
        if before is None or (before.width, before.unified) != (drawing.width, drawing.unified):
            faces = comparison.faces
            self._window.heights = Heights(1 + face.estimate(drawing.room) for face in faces)
            self._window.offset = 0

    def _rows(self, index: int) -> list[Strip]:
        rows = self._drawn.get(index)
        if rows is None:
            assert self._comparison is not None
            assert self._drawing is not None
            faces = self._comparison.faces
            in_row = index > 0 and faces[index].is_tools and faces[index - 1].is_tools
            rows = self._drawn[index] = self._drawing.rows(faces[index], apart=not in_row)
            if len(self._drawn) > KEPT_FACES:
                self._drawn.popitem(last=False)
        self._drawn.move_to_end(index)
        return rows

    def _height(self, index: int) -> int:
        return len(self._rows(index))

    # Scrolling

    def _place_scroll(self) -> None:
        """Tell the scroll bar where we are, without a layout and without moving the view."""
        size = Size(self.size.width, self._window.total)
        top = float(min(self._window.top, max(0, size.height - self.size.height)))
        self.set_reactive(Widget.virtual_size, size)
        self.set_reactive(Widget.scroll_y, top)
        self.set_reactive(Widget.scroll_target_y, top)
        bar = self.vertical_scrollbar
        bar.window_virtual_size, bar.window_size = size.height, self.size.height
        bar.position = top

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Keys or the mouse scrolled: what is in view follows."""
        before, now = round(old_value), round(new_value)
        if before == now:
            return
        if abs(now - before) <= 4 * self.size.height:
            self._window.move(now - before, self._height)
        else:
            self._window.jump(now)
        self._settle()

    def action_scroll_lines(self, lines: int) -> None:
        """Scroll some lines down, or up when negative."""
        self.scroll_relative(y=lines, animate=False)

    def action_scroll_pages(self, pages: int) -> None:
        """Scroll by pages that overlap in two lines."""
        self.scroll_relative(y=pages * max(1, self.size.height - 2), animate=False)

    def action_go_home(self) -> None:
        """Go to where the branches part."""
        self._window.index = self._window.offset = 0
        self._settle()

    def action_go_end(self) -> None:
        """Go to the end of the longer one."""
        self._window.following = True
        self._settle()

    def on_resize(self) -> None:
        """Wrap for the width there is now; the pair at the top stays there."""
        self._settle()

    def notify_style_update(self) -> None:
        """Another theme has other colours."""
        super().notify_style_update()
        self._inks = None
        if self.is_attached:
            self.call_later(self._settle)

    # Drawing

    def render_line(self, y: int) -> Strip:
        """One line of what is in view."""
        if self._drawing is None:
            return Strip.blank(self.size.width, self.rich_style)
        air = self._drawing.inks["air"]
        if y < len(self._places):
            index, line = self._places[y]
            strip = self._rows(index)[line]
        else:
            blank = Strip.blank(self._drawing.width, air)
            strip = self._drawing.beside(blank, blank)
        return strip.adjust_cell_length(self.size.width, air)
