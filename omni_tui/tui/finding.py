"""Searching from the main screen, and going to what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omni_tui.tui.actions import ChatActions

    Base = ChatActions
else:
    Base = object


class FindActions(Base):
    """Part of the chat screen."""

    def action_session_search(self) -> None:
        """Search in what was said."""
        self.app.show_search()

    def go_to(self, node_id: int) -> None:
        """Show the branch that has this message, hidden or not, with the cursor on the message.

        A message that is no longer there leaves everything as it is.
        """
        if node_id not in self.session.tree:
            return
        self.switch_to(node_id, keep_focus=True)
        if self.is_narrow:
            self.want_tree(None)
        entry = self._entry_of(node_id)
        self.transcript.focus()
        self.transcript.cursor_key = entry
        self.transcript.scroll_to_entry(entry)
