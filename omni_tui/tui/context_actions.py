"""How full the window is, and the summaries that keep it from being full."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omni_tui.core.errors import OmniError
from omni_tui.core.safe_text import safe_line
from omni_tui.session.context import ContextUse
from omni_tui.session.events import Compacted, CompactionFailed
from omni_tui.tui.view import count
from omni_tui.tui.widgets.bars import Piece

if TYPE_CHECKING:
    from omni_tui.session.node import Node
    from omni_tui.session.session import Session
    from omni_tui.tui.actions import ChatActions

    Base = ChatActions
else:
    Base = object

SUMMARY_HINTS = ("message.open", "branch.undo", "message.copy", "composer.focus")
"""The actions that matter on the row of a summary."""

WARNING = 0.75
ERROR = 0.9
"""Parts of the window from which the meter says so."""

CELLS = 5
"""How long the bar of the meter is."""


class ContextActions(Base):
    """The meter, and what can be done with summaries; part of the chat screen."""

    def meter(self) -> list[Piece]:
        """How full the model's window is on the branch in view; nothing when nobody knows."""
        session = self.session
        pieces = []
        if session.compactor.is_at_work:
            pieces.append(Piece("◐ summing up  ", "accent"))
        use = session.context_use(session.tree.head)
        return pieces + meter_pieces(use, narrow=self.is_narrow, ascii=self.app.settings.ui.ascii)

    def tell_of_compaction(self, told: Compacted | CompactionFailed) -> None:
        """Say that a summary was made, or why it was not."""
        if isinstance(told, CompactionFailed):
            words = f"no summary could be made: {told.error}"
            self.app.notify(safe_line(words, 300), severity="warning", markup=False, timeout=8)
        else:
            before, after = count(told.before_tokens), count(told.after_tokens)
            messages = self.session.tree.depth(told.covers)
            self._say(
                f"{messages} messages are read as a summary from the next turn on: {before} →"
                f" {after} tokens · u on its row takes it back"
            )
        self.refresh_bars()

    def action_session_compact(self) -> None:
        """Sum up the branch in view now."""
        self.run_worker(self._compact(self.session), group="compact", exclusive=True)

    async def _compact(self, session: Session) -> None:
        try:
            await session.compact()
        except OmniError as error:
            self._say(f"nothing was summed up: {error}")

    def action_session_title(self) -> None:
        """Find another title for the session in view."""
        if self.session.tree.head is None:
            self._say("nothing was said yet that could give a title")
        else:
            self.session.titler.find_again()

    # On the row of a summary

    def chosen_summary(self) -> Node | None:
        """The summary under the message cursor."""
        key, tree = self.transcript.cursor_key, self.session.tree
        node = tree[key] if key is not None and key in tree else None
        return node if node is not None and node.kind == "summary" else None

    def _chosen(self) -> Node | None:
        """As elsewhere; on the row of a summary the message above it."""
        node = super()._chosen()
        while node is not None and node.kind == "summary" and node.parent_id is not None:
            node = self.session.tree[node.parent_id]
        return node

    def action_branch_undo(self) -> None:
        """Take the summary under the cursor back; elsewhere show again what was hidden last."""
        if not self._take_back():
            super().action_branch_undo()

    def action_branch_prune(self) -> None:
        """Take the summary under the cursor back; elsewhere hide this branch."""
        if not self._take_back():
            super().action_branch_prune()

    def _take_back(self) -> bool:
        """Have the messages read again in place of the summary under the cursor, if any."""
        summary = self.chosen_summary()
        if summary is None or self.focused is not self.transcript:
            return False
        self.session.prune(summary.id)
        self.transcript.cursor_key = summary.parent_id
        self.refresh_conversation()
        self._say("the messages themselves are read again")
        return True

    def action_message_copy(self) -> None:
        """Copy the summary under the cursor; elsewhere the message."""
        if (summary := self.chosen_summary()) is None:
            super().action_message_copy()
            return
        self.app.copy_to_clipboard(self.transcript.copy_text(summary.id))
        self._say("copied this summary")


def meter_pieces(use: ContextUse, *, narrow: bool, ascii: bool) -> list[Piece]:
    """`ctx ▰▰▱▱▱ 38% · `, without its bar where there is little room; `~` tells an estimate."""
    part = use.part
    if part is None:
        return []
    kind = "error" if part >= ERROR else "warn" if part >= WARNING else "muted"
    full, empty = ("#", "-") if ascii else ("▰", "▱")
    lit = min(CELLS, round(part * CELLS))
    bar = "" if narrow else f"{full * lit}{empty * (CELLS - lit)} "
    about = "~" if use.estimated else ""
    return [Piece(f"ctx {bar}{about}{part:.0%}", kind), Piece(" · ")]
