"""How the tree pane looks: its rows, drawn for the visible ones only, and where they scroll."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Self, TypeAlias

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.cache import LRUCache
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from omni_tui.session.tree import Tree
from omni_tui.tui.tree_layout import (
    GuideKind,
    Mark,
    Row,
    Rows,
    State,
    row_label,
    row_state,
    row_text,
)

Marks: TypeAlias = Callable[[int], Mark | None]

_Piece: TypeAlias = tuple[str, str]
"""Text and the name of its style, `""` for the plain one."""

HEADER = 2
"""Lines that stay at the top: the title and a blank one."""

_LEAST_WORDS = 4
"""Cells of words a row must keep to have room for its position as well."""

_SIGNS: Mapping[State, tuple[str, str]] = MappingProxyType(
    {
        "active": ("●", "*"),
        "elsewhere": ("○", "o"),
        "unread": ("○", "o"),
        "running": ("◐", "~"),
        "asks": ("?", "?"),
        "failed": ("✗", "x"),
        "interrupted": ("⊘", "-"),
        "labelled": ("★", "+"),
    }
)
_GUIDES: Mapping[GuideKind, tuple[str, str]] = MappingProxyType(
    {
        "rail": ("│ ", "| "),
        "tee": ("├ ", "|-"),
        "corner": ("└ ", "`-"),
        "blank": ("  ", "  "),
        "fold": ("… ", ".."),
    }
)


class TreeView(ScrollView):
    """Draws a tree and its cursor, and scrolls to keep that in sight; knows nothing of keys.

    While nobody holds it, the cursor follows the head.
    """

    ALLOW_SELECT = False

    COMPONENT_CLASSES = {
        "tree-pane--title",
        "tree-pane--path",
        "tree-pane--prompt",
        "tree-pane--muted",
        "tree-pane--accent",
        "tree-pane--guide",
        "tree-pane--guide-path",
        "tree-pane--asks",
        "tree-pane--failed",
        "tree-pane--cursor",
    }

    DEFAULT_CSS = """
    TreeView {
        width: 30;
        height: 1fr;
        background: $background;
        color: $foreground;
        border-right: solid $omni-faint;
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 1;
        & > .tree-pane--title { color: $foreground; text-style: bold; }
        & > .tree-pane--path { color: $foreground; }
        & > .tree-pane--prompt { color: $foreground; text-style: bold; }
        & > .tree-pane--muted { color: $omni-muted; }
        & > .tree-pane--accent { color: $primary; }
        & > .tree-pane--guide { color: $omni-tool-bar; }
        & > .tree-pane--guide-path { color: $border; }
        & > .tree-pane--asks { color: $omni-warn; }
        & > .tree-pane--failed { color: $error; }
        & > .tree-pane--cursor { background: $omni-selection; }
        &:focus {
            border-right: solid $border;
            & > .tree-pane--title { color: $primary; }
            & > .tree-pane--cursor { background: $block-cursor-background; }
        }
    }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.ascii = False
        """Draw signs and lines with ASCII characters only; `refresh` after a change."""
        self._rows = Rows(Tree())
        self._marks: Marks = _no_marks
        self._cursor: int | None = None
        self._head: int | None = None
        self._is_held = False
        self._base = Style()
        self._fitted = Size(0, 0)
        self._width = 0
        self._drawn: dict[int, Strip] = {}
        """Rows as they were drawn, by index; scrolling only moves them."""
        self._texts: LRUCache[tuple[int, int, str | None], str] = LRUCache(1024)

    # What is shown

    def show(self, tree: Tree, marks: Marks | None = None) -> None:
        """Show this tree, the cursor at its head.

        `marks` tells what goes on at a row's last node; asked at every drawing of the row.
        """
        self._rows = Rows(tree)
        self._marks = marks or _no_marks
        self._texts.clear()
        self._cursor = self._head = self._row_id(tree.head)
        self._fit(center=True)
        self.refresh()

    def refresh_tree(self) -> None:
        """Draw again after nodes, head, labels or marks changed.

        The cursor stays where a person put it, and that row where it is on screen, unless it was
        at the head, which it follows.
        """
        follows = not self._is_held or self._cursor == self._head
        before = self.cursor_row
        index = None if before is None else before.index
        grown = self._rows.update()
        head = self._row_id(self._rows.tree.head)
        moved = head != self._head
        self._head = head
        if follows or self.cursor_row is None:
            self._cursor = head
        if grown or (moved and follows):
            row = self.cursor_row
            stays = before is not None and row is not None and row.first == before.first
            self._fit(shift=row.index - index if row and stays and index is not None else 0)
        self.refresh()

    @property
    def counts(self) -> tuple[int, int]:
        """How many rows the active path has, and how many there are."""
        return self._rows.active_count, len(self._rows)

    @property
    def cursor_row(self) -> Row | None:
        """The row the cursor is on; `None` without one (an empty tree, or no head)."""
        return self._rows.row_of(self._cursor)

    def _row_id(self, node_id: int | None) -> int | None:
        row = self._rows.row_of(node_id)
        return None if row is None else row.first

    def _fit(self, *, center: bool = False, shift: int = 0) -> None:
        """Give the picture its height and scroll until the cursor is in sight.

        By `shift` rows and no further than needed, or with the cursor in the middle.
        """
        self.virtual_size = Size(0, len(self._rows) + HEADER)
        self._fitted = self.size
        row, room = self.cursor_row, self._fitted.height - HEADER
        if row is None or room < 1:
            return
        top = max(0, round(self.scroll_target_y) + shift)
        if top <= row.index < top + room:
            if not shift:
                return
            wanted = top
        elif center:
            wanted = row.index - room // 2
        else:
            wanted = row.index if row.index < top else row.index - room + 1
        self.scroll_to(y=wanted, animate=False, force=True)

    def _catch_up(self) -> None:
        """Catch up with a tree that grew or shrank since it was last drawn."""
        if self._rows.is_stale:
            self.refresh_tree()

    # Drawing

    def refresh(
        self,
        *regions: Region,
        repaint: bool = True,
        layout: bool = False,
        recompose: bool = False,
    ) -> Self:
        """Draw again: everything, or what is drawn already in these regions."""
        if not regions:
            self._drawn.clear()
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Draw the rows where they are now, and the bar only when its thumb moves.

        In a long tree the thumb stands still for many rows, and to draw it costs as much as they.
        """
        if round(old_value) == round(new_value):
            return
        if self.show_vertical_scrollbar:
            bar, total = self.vertical_scrollbar, max(1, self.virtual_size.height)
            eighths = 8 * self.size.height / total
            if int(bar.position * eighths) != int(new_value * eighths):
                bar.position = new_value
        self.refresh(self.size.region)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._drawn.clear()

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines in this region, of the tree as it is now."""
        self._catch_up()
        if self.size != self._fitted:
            # Here, as a resize event comes after the first painting.
            self._fit(center=True)
        width = self.scrollable_content_region.width
        if width != self._width:
            self._width = width
            self._drawn.clear()
        self._base = self.rich_style
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """One line of the pane: the title stays, the rows scroll under it."""
        index = y - HEADER + self.scroll_offset.y
        if y == 0:
            return self._strip(self._title(self._width))
        if y >= HEADER and index < len(self._rows):
            strip = self._drawn.get(index)
            if strip is None:
                strip = self._drawn[index] = self._draw(self._rows[index])
            return strip
        if y == HEADER and not self._rows:
            return self._strip([("no messages yet", "muted")])
        return self._strip([])

    def _draw(self, row: Row) -> Strip:
        pieces = self._row(row, self._width)
        if row.first != self._cursor:
            return self._strip(pieces)
        if self.has_focus:
            pieces = [(text, "path" if name == "muted" else name) for text, name in pieces]
        return self._strip(pieces, self._style("cursor"))

    def _strip(self, pieces: Iterable[_Piece], ground: Style | None = None) -> Strip:
        """A line of these pieces, as wide as the pane."""
        base = self._base if ground is None else self._base + ground
        segments = [Segment(" ", base)]
        for text, name in pieces:
            segments.append(Segment(text, base + self._style(name) if name else base))
        filled = sum(segment.cell_length for segment in segments)
        segments.append(Segment(" " * (self._width - filled), base))
        return Strip(segments, self._width)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"tree-pane--{name}", partial=True)

    def _title(self, width: int) -> list[_Piece]:
        count = f"{self._rows.active_count}/{len(self._rows)}" if self._rows else ""
        gap = width - 2 - len("tree") - len(count)
        if gap < 1:
            return [("tree", "title")]
        return [("tree", "title"), (" " * gap, ""), (count, "muted")]

    def _row(self, row: Row, width: int) -> list[_Piece]:
        rows = self._rows
        guides = rows.guides(row, levels=max(1, (width // 2 - 1) // 2))
        state = row_state(rows, row, self._marks(row.tip))
        sign, words = self._styles_of(row, state)
        pieces = [
            (_GUIDES[guide.kind][self.ascii], "guide-path" if guide.active else "guide")
            for guide in guides
        ]
        pieces.append((_SIGNS[state][self.ascii] + " ", sign))
        room = width - 4 - 2 * len(guides)
        position = self._position(row)
        left = room - len(position) - 1
        if not position or left < _LEAST_WORDS:
            return [*pieces, (self._cut(self._text(row), room), words)]
        text = self._cut(self._text(row), left)
        gap = room - cell_len(text) - len(position)
        return [*pieces, (text, words), (" " * gap, ""), (position, "muted")]

    def _styles_of(self, row: Row, state: State) -> tuple[str, str]:
        """The component classes of a row's sign and of its words."""
        is_active = self._rows.is_active(row)
        words = ("prompt" if row.is_prompt else "path") if is_active else "muted"
        if state == "asks":
            return "asks", "asks"
        if state == "failed":
            return "failed", words
        if state == "unread":
            return "accent", "path"
        if state == "labelled" and not is_active:
            return "path", "path"
        if state == "running" or is_active:
            return "accent", words
        return "muted", words

    def _position(self, row: Row) -> str:
        versions = self._rows.versions(row)
        if len(versions) < 2:
            return ""
        return f"{versions.index(row.first) + 1}/{len(versions)}"

    def _text(self, row: Row) -> str:
        key = (row.first, row.tip, row_label(self._rows.tree, row))
        text = self._texts.get(key)
        if text is None:
            text = self._texts[key] = row_text(self._rows.tree, row)
        return text

    def _cut(self, text: str, room: int) -> str:
        """`text` in at most `room` cells, ending in an ellipsis if that is not all of it."""
        if cell_len(text) <= room:
            return text
        more = ".." if self.ascii else "…"
        if room <= len(more):
            return more[: max(0, room)]
        room -= len(more)
        cut = text[:room] if text.isascii() else set_cell_size(text[: 4 * room], room)
        return cut.rstrip() + more


def _no_marks(node_id: int) -> Mark | None:
    return None
