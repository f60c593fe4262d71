"""The widget: a conversation, however long, its message cursor, its keys and its commands."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from omni_tui.core.safe_text import safe
from omni_tui.tui.widgets.transcript.model import CodeBlock, DeltaKind, GrowingRow, Prose, Source
from omni_tui.tui.widgets.transcript.palette import CSS
from omni_tui.tui.widgets.transcript.parts import foldable
from omni_tui.tui.widgets.transcript.view import FRAME, ConversationView


class Transcript(ConversationView):
    """A conversation: `show` a path, `feed` it deltas, move a message cursor, select, copy.

    Messages are rendered when they come into view. The view follows the end until the user
    scrolls up, and again when they come back to it.
    """

    DEFAULT_CSS = CSS
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "move_cursor(1)", "next", show=False, id="transcript.next"),
        Binding("k", "move_cursor(-1)", "previous", show=False, id="transcript.previous"),
        Binding("up", "scroll_lines(-1)", "up", show=False, id="transcript.up"),
        Binding("down", "scroll_lines(1)", "down", show=False, id="transcript.down"),
        Binding("pageup", "scroll_pages(-1)", "page up", show=False, id="transcript.page_up"),
        Binding(
            "pagedown,space", "scroll_pages(1)", "page down", show=False, id="transcript.page_down"
        ),
        Binding("g,home", "go_home", "first", show=False, id="transcript.home"),
        Binding("G,end", "go_end", "last", show=False, id="transcript.end"),
        Binding("enter", "unfold", "unfold", show=False, id="transcript.unfold"),
        Binding("ctrl+o", "toggle_tools", "tool output", show=False, id="transcript.tools"),
        Binding("ctrl+t", "toggle_thoughts", "thoughts", show=False, id="transcript.thoughts"),
    ]

    class CursorMoved(Message):
        """The message cursor is on another message."""

        def __init__(self, key: int) -> None:
            super().__init__()
            self.key = key

    class LinkClicked(Message):
        """A link was clicked; `url` is http, https or mailto."""

        def __init__(self, url: str) -> None:
            super().__init__()
            self.url = url

    # -- what is shown -------------------------------------------------------

    def show(self, source: Source, *, keep: bool = True) -> None:
        """Show the path of `source`.

        `keep`: it is the same session, so what did not change stays rendered and in place;
        else it is another one, shown from its end.
        """
        window, shelf = self._window, self._shelf
        anchor = shelf.keys[window.index] if keep and window.index < len(shelf.keys) else None
        same = shelf.show(source, keep=keep)
        if shelf.renderer is not None:  # else there is no width to estimate for
            self._measure(same)
        index = shelf.index(anchor)
        if index is None:
            window.following = True
            window.index = window.offset = 0
        else:
            window.index = index
        if shelf.index(self.cursor_key) is None:
            self.cursor_key = None
        self._catch_up()

    def refresh_entry(self, key: int) -> None:
        """A message changed: look at it again (when it is in view)."""
        self._shelf.touch(key)
        self._settle()

    def set_empty(self, lines: Sequence[str]) -> None:
        """What is said, centred, while there is no message; the first line is the title."""
        self._empty = tuple(safe(line).expandtabs(4) for line in lines)
        self.refresh()

    def scroll_to_entry(self, key: int) -> None:
        """Bring the beginning of a message to the top (or as near as the end allows)."""
        index = self._shelf.index(key)
        if index is not None:
            self._window.following = False
            self._window.index, self._window.offset = index, 0
            self._settle()

    # -- live text -----------------------------------------------------------

    def feed(self, key: int, part_index: int, kind: DeltaKind, delta: str) -> None:
        """Add a delta to a part of a message; cheap, painted at most every `FRAME` seconds."""
        self._finish_before(key)
        self._shelf.feed(key, part_index, kind, delta)
        self._flush_soon()

    def grow(self, key: int, part_index: int, source: GrowingRow) -> None:
        """Show a row that is still being written; call it again when the row has changed.

        Cheap: the row is asked for when it is painted, at most every `FRAME` seconds.
        """
        self._finish_before(key)
        self._shelf.grow(key, part_index, source)
        self._flush_soon()

    def _flush_soon(self) -> None:
        if self._flush_timer is None and self.is_mounted:
            wait = self._last_flush + FRAME - monotonic()
            if wait <= 0:
                self._flush()
            else:
                self._flush_timer = self.set_timer(wait, self._flush)

    def finish(self, key: int) -> None:
        """The message is complete: its entry, read from the source again, takes over."""
        self._finishing.append(key)
        if self._flush_timer is None:
            self._flush()

    def settle(self, key: int, new: int) -> None:
        """The message is complete, and is `new` in the source that is shown next."""
        self._finish_before(key)
        self._shelf.rename(key, new)
        self._finishing.append(new)

    def _finish_before(self, key: int) -> None:
        """Finish a message whose key begins to grow again, so that its end takes nothing new."""
        if key in self._finishing:
            self._finishing = [other for other in self._finishing if other != key]
            self._shelf.finish(key)

    # -- cursor --------------------------------------------------------------

    def move_cursor(self, step: int) -> None:
        """Put the cursor on the next (1) or previous (-1) message; on the last one at first."""
        keys = self._shelf.keys
        if not keys:
            return
        index = self._shelf.index(self.cursor_key)
        index = len(keys) - 1 if index is None else max(0, min(len(keys) - 1, index + step))
        self.cursor_key = keys[index]
        self._reveal(index)

    def watch_cursor_key(self, key: int | None) -> None:
        self._settle()
        if key is not None:
            self.post_message(self.CursorMoved(key))

    def _reveal(self, index: int) -> None:
        """Scroll as little as brings a message into view, its beginning first."""
        window, height = self._window, self.size.height
        if index == len(self._shelf.keys) - 1 and self._height(index) <= height:
            window.following = True
        else:
            shown = [row for row in self._visible_rows if row[2] == index]
            size = self._height(index)
            if len(shown) >= min(size, height):
                return
            above = bool(shown) and shown[0][3] > 0
            window.following = False
            below = not above and index >= (self._visible_rows[-1][2] if self._visible_rows else 0)
            window.index, window.offset = index, 0
            if below and size < height:
                window.move(size - height, self._height)
        self._settle()

    # -- copying -------------------------------------------------------------

    def copy_text(self, key: int) -> str:
        """The Markdown of a message, safe to paste; what its tools said where it has no words."""
        return self._shelf.source_text(key)

    def code_blocks(self, key: int) -> list[CodeBlock]:
        """The fenced blocks of a message, first to last."""
        renderer = self._shelf.renderer
        if renderer is None:
            return []
        return [
            CodeBlock(language, safe(code))
            for part in self._shelf.parts(key)
            if isinstance(part, Prose)
            for language, code in renderer.code_tokens(part.text)
        ]

    # -- keys and mouse ------------------------------------------------------

    def action_move_cursor(self, step: int) -> None:
        self.move_cursor(step)

    def action_scroll_lines(self, lines: int) -> None:
        self.scroll_relative(y=lines, animate=False)

    def action_scroll_pages(self, pages: int) -> None:
        """Scroll by pages that overlap in two lines."""
        self.scroll_relative(y=pages * max(1, self.size.height - 2), animate=False)

    def action_go_home(self) -> None:
        self._window.following = False
        self._window.index = self._window.offset = 0
        self._settle()

    def action_go_end(self) -> None:
        self._window.following = True
        self._settle()

    def action_unfold(self) -> None:
        """Fold or unfold the tool rows and thoughts of the message under the cursor."""
        key = self.cursor_key
        if key is not None and self._shelf.index(key) is not None:
            self._shelf.toggle_message(key)
            self._settle()

    def action_toggle_tools(self) -> None:
        self._shelf.toggle_tools()
        self._settle()

    def action_toggle_thoughts(self) -> None:
        self._shelf.toggle_thoughts()
        self._settle()

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None or self.screen.get_selected_text():
            return
        if not 0 <= offset.y < len(self._visible_rows):
            return
        line, _, index, _ = self._visible_rows[offset.y]
        key = self._shelf.keys[index]
        self.cursor_key = key
        if event.chain > 1:
            event.prevent_default()
            self._select(event.chain, offset, self._visible_rows[offset.y])
            return
        url = self.link_at(offset.x, offset.y)
        if url is not None:
            self.post_message(self.LinkClicked(url))
        elif line.toggles is not None and foldable(self._shelf.parts(key)[line.toggles]):
            self._shelf.toggle(key, line.toggles)
            self._settle()
