"""The tree pane: all branches of a session as a picture that is always on screen."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from omni_tui.tui.keys import bindings
from omni_tui.tui.tree_layout import Row
from omni_tui.tui.widgets.tree_view import HEADER, TreeView


class TreePane(TreeView, can_focus=True):
    """One line for each prompt and each answer, drawn for the visible ones only.

    The cursor moves by keys or a click and previews; Enter or a double click switches. Without
    focus it follows the head.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "switch", "open", show=False, id="tree.switch"),
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("down,j", "move(1)", "down", show=False),
        Binding("left", "parent", "out", show=False),
        Binding("right", "child", "in", show=False),
        Binding("shift+up,left_square_bracket", "sibling(-1)", "branch before", show=False),
        Binding("shift+down,right_square_bracket", "sibling(1)", "branch after", show=False),
        Binding("home,g", "first", "top", show=False),
        Binding("end,G", "last", "bottom", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
        *bindings("branch"),
    ]

    class Previewed(Message):
        """The cursor moved onto the row of `node_id` (an answer's last node).

        When the pane loses focus, the cursor goes back to the head and previews that.
        """

        def __init__(self, node_id: int) -> None:
            self.node_id = node_id
            super().__init__()

    class Switched(Message):
        """The person wants the branch of `node_id` to be the active one."""

        def __init__(self, node_id: int) -> None:
            self.node_id = node_id
            super().__init__()

    # Moving

    def on_focus(self) -> None:
        """From now on the cursor is the person's."""
        self._is_held = True

    def on_blur(self) -> None:
        """Send the cursor home, unless only the terminal's window lost focus."""
        if not self.app.app_focus:
            return
        self._is_held = False
        if (row := self._rows.row_of(self._head)) is not None:
            self._move_to(row)

    def _move_to(self, row: Row | None) -> None:
        """Put the cursor on a row, and say so if it was not there."""
        if row is None or row.first == self._cursor:
            return
        old, self._cursor = self.cursor_row, row.first
        self._fit()
        for changed in (old, row):
            if changed is not None:
                self._drawn.pop(changed.index, None)
                self.refresh_line(changed.index + HEADER)
        self.post_message(self.Previewed(row.tip))

    def _move_by(self, step: int) -> None:
        self._catch_up()
        if not self._rows:
            return
        row = self.cursor_row
        start = row.index if row is not None else (-1 if step > 0 else len(self._rows))
        self._move_to(self._rows[min(max(start + step, 0), len(self._rows) - 1)])

    def action_move(self, step: int) -> None:
        """Go some rows down, or up when negative."""
        self._move_by(step)

    def action_page(self, step: int) -> None:
        """Go a screenful down, or up when negative."""
        self._move_by(step * max(1, self.size.height - HEADER - 1))

    def action_first(self) -> None:
        """Go to the first row."""
        self._move_by(-len(self._rows))

    def action_last(self) -> None:
        """Go to the last row."""
        self._move_by(len(self._rows))

    def action_parent(self) -> None:
        """Go to what this row answers or follows."""
        self._catch_up()
        if (row := self.cursor_row) is not None:
            self._move_to(self._rows.parent(row))

    def action_child(self) -> None:
        """Go to what follows, on the branch last chosen."""
        self._catch_up()
        if (row := self.cursor_row) is not None:
            self._move_to(self._rows.child(row))

    def action_sibling(self, step: int) -> None:
        """Go to the next version of this row, or the one before when negative."""
        self._catch_up()
        if (row := self.cursor_row) is None:
            return
        versions = self._rows.versions(row)
        place = versions.index(row.first) + step
        if 0 <= place < len(versions):
            self._move_to(self._rows.row_of(versions[place]))

    def action_switch(self) -> None:
        """Ask for the branch of the cursor's row."""
        self._catch_up()
        if (row := self.cursor_row) is not None:
            self.post_message(self.Switched(row.tip))

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the row clicked; switch to it on the second click."""
        self._catch_up()
        place = event.get_content_offset(self)
        if place is None or place.y < HEADER:
            return
        index = place.y - HEADER + self.scroll_offset.y
        if index < len(self._rows):
            event.stop()
            self._move_to(self._rows[index])
            if event.chain == 2:
                self.action_switch()
