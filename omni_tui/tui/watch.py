"""What goes on in all sessions, looked at or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from omni_tui.session.feed import (
    SessionClosed,
    SessionOpened,
    SessionStatus,
    SessionStatusChanged,
)
from omni_tui.session.manager import SessionManager

News: TypeAlias = Literal["running", "asks", "halted", "new"]
"""`new`: a run ended there since the session was last in view."""


class SessionWatch:
    """Follows the manager's feed.

    Args:
        manager: Tells of its sessions.
        in_view: Gives the id of the session a person looks at.
    """

    def __init__(self, manager: SessionManager, in_view: Callable[[], str]) -> None:
        self._manager = manager
        self._in_view = in_view
        self._statuses: dict[str, SessionStatus] = {}
        self._ended: set[str] = set()
        self.on_change: Callable[[], None] | None = None
        """Called when something is told; set by whoever shows it."""

    async def follow(self) -> None:
        """Listen until the manager is shut down or the task is cancelled."""
        opened, subscription = self._manager.subscribe()
        self._statuses = {each.id: each.status for each in opened}
        try:
            while events := await subscription.batch():
                for event in events:
                    self._note(event.session_id or "", event.payload)
                if self.on_change is not None:
                    self.on_change()
        finally:
            subscription.close()

    def _note(self, id: str, told: object) -> None:
        match told:
            case SessionOpened(status=status):
                self._statuses[id] = status
            case SessionStatusChanged(status=status):
                before, self._statuses[id] = self._statuses.get(id), status
                was_at_work = before in ("busy", "paused")
                if was_at_work and status in ("idle", "halted") and id != self._in_view():
                    self._ended.add(id)
            case SessionClosed():
                self._statuses.pop(id, None)

    def seen(self, id: str) -> None:
        """A person looks at this session now."""
        self._ended.discard(id)

    def news_of(self, id: str) -> News | None:
        """What matters most of a session; `None` if nothing goes on there."""
        match self._statuses.get(id):
            case "busy":
                return "running"
            case "paused":
                return "asks"
            case status:
                if id in self._ended:
                    return "new"
                return "halted" if status == "halted" else None
