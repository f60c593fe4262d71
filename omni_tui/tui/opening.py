"""Opening a stored session, and what to do when another program has it open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omni_tui.core.errors import OmniError, SessionLockedError
from omni_tui.core.safe_text import safe_line

if TYPE_CHECKING:
    from textual.app import App

    from omni_tui.session.manager import SessionManager
    from omni_tui.session.session import Session
    from omni_tui.session.store.hits import Hit
    from omni_tui.tui.screens.chat import ChatScreen

    Base = App[None]
else:
    Base = object


class Opening(Base):
    """What the application does to open a session; part of it."""

    if TYPE_CHECKING:
        chat: ChatScreen
        manager: SessionManager
        session: Session

        def open_session(self, session: Session) -> None: ...

    def show_search(self, text: str = "") -> None:
        """Search in what was said, at first for `text`, and go to what is chosen."""
        from omni_tui.tui.screens.search import SearchScreen

        self.push_screen(SearchScreen(self.manager, self.session.id, text), self.go_to)

    def go_to(self, hit: Hit | None) -> None:
        """Open the session of a hit, at its message if it has one; `None` does nothing."""
        if hit is not None:
            self.load_session(hit.session_id, hit.node_id)

    def load_session(self, id: str | None, node_id: int | None = None) -> None:
        """Open a stored session and look at it, at this message; without an id do nothing."""
        if id is not None:
            self.run_worker(self._load(id, node_id), group="load", exclusive=True)

    async def _load(self, id: str, node_id: int | None) -> None:
        try:
            opened = await self._open(id)
        except OmniError as error:
            self.notify(safe_line(str(error), 300), severity="error", markup=False, timeout=8)
            return
        if opened is None:
            return
        session, notice = opened
        if notice:
            self.notify(safe_line(notice, 300), severity="warning", markup=False, timeout=8)
        self.open_session(session)
        if node_id is not None:
            self.chat.go_to(node_id)

    async def _open(self, id: str) -> tuple[Session, str | None] | None:
        """The session; asks first where another program has it, and gives `None` for no."""
        try:
            return await self.manager.open(id)
        except SessionLockedError as error:
            from omni_tui.tui.dialogs.choose import Choice, ChooseDialog

            where = f"open in process {error.details.get('pid')} on {error.details.get('host')}"
            choices = [
                Choice("read_only", "read it here", "nothing can be asked or changed"),
                Choice("take_over", "take it over", "the other program can save no more"),
            ]
            dialog = ChooseDialog(safe_line(where, 60), choices, "read_only")
            match await self.push_screen_wait(dialog):
                case "take_over":
                    return await self.manager.open(id, when_locked="take_over")
                case "read_only":
                    return await self.manager.open(id, when_locked="read_only")
        return None
