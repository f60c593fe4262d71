"""The sub-agents of a conversation: opened from their rows, and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omni_tui.core.messages import ToolUse
from omni_tui.core.safe_text import safe_line
from omni_tui.session.task import TASK
from omni_tui.tui.widgets.bars import Piece
from omni_tui.tui.widgets.transcript.model import ToolRow

if TYPE_CHECKING:
    from textual.screen import Screen

    from omni_tui.agent.events import Paused
    from omni_tui.session.node import Node
    from omni_tui.session.session import Session
    from omni_tui.tui.app import OmniApp
    from omni_tui.tui.view import SessionView
    from omni_tui.tui.widgets.transcript import Transcript

    Base = Screen[None]
else:
    Base = object


class TaskActions(Base):
    """Goes down to a sub-agent and up again; part of the chat screen."""

    if TYPE_CHECKING:
        app: OmniApp
        session: Session
        view: SessionView
        transcript: Transcript

        def refresh_bars(self) -> None: ...
        def _say(self, text: str) -> None: ...

    def __init__(self) -> None:
        super().__init__()
        self._titles: dict[str, str] = {}
        """Of the sessions above, as last seen: they are closed while only a sub-agent is open."""

    def action_message_open(self) -> None:
        """Open the sub-agent of the message; without one, unfold what is folded."""
        if (node := self.task_node()) is not None:
            self.run_worker(self._open_task(node), group="load", exclusive=True)
        else:
            self.transcript.action_unfold()

    def action_session_parent(self) -> None:
        """From a sub-agent, go back to the session that asked."""
        above = self.session.record.parent_id
        if above is None:
            self._say("this session is no sub-agent's: there is nothing above it")
        else:
            self.app.load_session(above)

    def task_node(self) -> Node | None:
        """The message under the cursor if it gave tasks; without a cursor the last that did."""
        tree, key = self.session.tree, self.transcript.cursor_key
        if key is not None:
            return tree[key] if key in tree and tasks_of(tree[key]) else None
        shown = (tree[each] for each in reversed(self.view.keys) if each in tree)
        return next((node for node in shown if tasks_of(node)), None)

    async def _open_task(self, node: Node) -> None:
        uses = tasks_of(node)
        use = uses[0] if len(uses) == 1 else await self._choose_task(node, uses)
        if use is None:
            return
        found = await self.app.manager.find_child(self.session.id, node.id, use.id)
        if found is None:
            self._say("this sub-agent never began")
        else:
            self.app.load_session(found)

    async def _choose_task(self, node: Node, uses: tuple[ToolUse, ...]) -> ToolUse | None:
        from omni_tui.tui.dialogs.choose import Choice, ChooseDialog

        parts = self.view.entry(node.id).parts
        rows = [part for part in parts if isinstance(part, ToolRow) and part.name == TASK]
        choices = [
            Choice(str(place), safe_line(row.title, 60), " · ".join(filter(None, facts)))
            for place, row in enumerate(rows)
            for facts in [(row.status, row.detail)]
        ]
        chosen = await self.app.push_screen_wait(ChooseDialog("sub-agents", choices))
        return None if chosen is None else uses[int(chosen)]

    def breadcrumb(self) -> list[Piece]:
        """Whose sub-agent this is; nothing for a session that a person began."""
        above = self.session.record.parent_id
        if above is None:
            return []
        for each in self.app.manager.list_open():
            if each.id == above and each.title:
                self._titles[above] = each.title
        return [Piece(f" {safe_line(self._titles.get(above, 'sub-agent'), 30)} ›", "muted")]

    def asks_for(self, pause: Paused) -> str | None:
        """The sub-agent that asks, in words; `None` when the session's own agent does."""
        who = pause.details.get("agent")
        if self.session.record.parent_id is None:
            return who
        own = self.session.title or "sub-agent"
        return f"{own} › {who}" if who else own

    def refresh_tasks(self) -> None:
        """Show how far the sub-agents are, and for how long."""
        run = self.session.active_run
        tip = run.tip if run is not None else None
        if self.session.children and tip is not None and tip in self.view.keys:
            self.transcript.refresh_entry(tip)

    def on_transcript_cursor_moved(self) -> None:
        """Other keys count on a message with a sub-agent."""
        self.refresh_bars()


def tasks_of(node: Node) -> tuple[ToolUse, ...]:
    """The uses of `task` in a message."""
    if node.kind != "calls":
        return ()
    return tuple(use for use in node.message.tool_uses if use.name == TASK)
