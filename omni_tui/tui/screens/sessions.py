"""Every session, those used last first: find, open, rename, delete."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from omni_tui.core.errors import OmniError
from omni_tui.core.safe_text import safe_line
from omni_tui.session.manager import SessionManager
from omni_tui.session.store.base import SessionSummary
from omni_tui.tui.dialogs.confirm import ConfirmDialog
from omni_tui.tui.dialogs.text import TextDialog
from omni_tui.tui.widgets.rows import Row, RowList, column_widths

PAGE = 200


class SessionsScreen(ModalScreen[str | None]):
    """Gives the id of the session to open, or `None`."""

    DEFAULT_CSS = """
    SessionsScreen {
        align: center middle;
        background: $background 60%;
        & > .panel {
            width: 96; max-width: 100%; height: 80%;
            padding: 0 2; background: $panel; border: round $border;
            border-title-color: $foreground; border-subtitle-color: $omni-muted;
        }
        & Input { border: none; height: 1; margin: 1 0; padding: 0 2; background: $panel; }
        & Input:focus { border: none; background-tint: $foreground 0%; }
        & RowList { height: 1fr; }
        & .empty { color: $omni-muted; height: 1fr; content-align: center middle; }
    }
    """
    BINDINGS = [
        Binding("escape,ctrl+s", "back", show=False, priority=True),
        Binding("down", "to_list", show=False),
        Binding("ctrl+n", "new", show=False, priority=True),
        Binding("ctrl+f", "search", show=False, priority=True),
        Binding("f4", "rename", show=False, priority=True),
        Binding("delete,f8", "delete", show=False),
    ]
    AUTO_FOCUS = "Input"

    def __init__(self, manager: SessionManager, current: str) -> None:
        super().__init__()
        self._manager = manager
        self._current = current
        self._all: list[SessionSummary] = []
        self._shown: list[SessionSummary] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="panel") as panel:
            panel.border_title = "sessions"
            panel.border_subtitle = (
                "enter opens · f4 renames · f8 deletes · ctrl+n new · esc closes"
            )
            field = Input(placeholder="type to find by title or words", compact=True)
            field.cursor_blink = False
            yield field
            yield RowList()
            yield Static("no sessions yet", classes="empty")

    async def on_mount(self) -> None:
        await self._load()

    async def _load(self) -> None:
        try:
            self._all = await self._manager.list_stored(PAGE)
        except OmniError as error:
            self.notify(safe_line(str(error), 300), severity="error", markup=False)
        self._show()

    def _show(self) -> None:
        wanted = self.query_one(Input).value.casefold().split()
        self._shown = [
            each
            for each in self._all
            if all(word in f"{each.title or ''} {each.preview}".casefold() for word in wanted)
        ]
        options = self.query_one(OptionList)
        options.clear_options()
        facts = [_facts(each) for each in self._shown]
        widths = column_widths(facts)
        options.add_options(
            Option(self._row(each, its, widths))
            for each, its in zip(self._shown, facts, strict=True)
        )
        if self._shown:
            options.highlighted = 0
        options.display = bool(self._shown)
        empty = self.query_one(".empty", Static)
        empty.display = not self._shown
        empty.update("nothing fits" if self._all else "no sessions yet")

    def _row(self, each: SessionSummary, facts: Sequence[str], widths: Sequence[int]) -> Row:
        busy = any(s.id == each.id and s.is_busy for s in self._manager.list_open())
        mark = "●" if each.id == self._current else "◐" if busy else " "
        return Row(
            Content(name_of(each)),
            mark=Content.styled(mark, "$primary"),
            facts=facts,
            widths=widths,
        )

    def _chosen(self) -> SessionSummary | None:
        place = self.query_one(OptionList).highlighted
        return self._shown[place] if place is not None and place < len(self._shown) else None

    @on(Input.Changed)
    def _typed(self) -> None:
        self._show()

    @on(Input.Submitted)
    def _submitted(self) -> None:
        if (chosen := self._chosen()) is not None:
            self.dismiss(chosen.id)

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._shown[event.option_index].id)

    def action_to_list(self) -> None:
        """From the field to the list."""
        self.query_one(OptionList).focus()

    def action_back(self) -> None:
        """Open none."""
        self.dismiss(None)

    def action_new(self) -> None:
        """Start a session instead."""
        self.dismiss(None)
        self.app.call_later(self.app.new_session)  # type: ignore[attr-defined]

    def action_search(self) -> None:
        """Look for what is typed in what was said, too."""
        self.run_worker(self._search(), exclusive=True)

    async def _search(self) -> None:
        from omni_tui.tui.screens.search import SearchScreen

        text = self.query_one(Input).value
        hit = await self.app.push_screen_wait(SearchScreen(self._manager, self._current, text))
        if hit is not None:
            self.app.go_to(hit)  # type: ignore[attr-defined]
            self.dismiss(None)

    def action_rename(self) -> None:
        """Give the session another title."""
        if (chosen := self._chosen()) is not None:
            self.run_worker(self._rename(chosen), exclusive=True)

    def action_delete(self) -> None:
        """Delete the session, after saying what goes with it."""
        if (chosen := self._chosen()) is not None:
            self.run_worker(self._delete(chosen), exclusive=True)

    async def _rename(self, each: SessionSummary) -> None:
        title = await self.app.push_screen_wait(TextDialog("title", each.title or ""))
        if title is not None:
            try:
                await self._manager.rename(each.id, " ".join(title.split()) or None)
            except OmniError as error:
                self.notify(safe_line(str(error), 300), severity="error", markup=False)
            await self._load()

    async def _delete(self, each: SessionSummary) -> None:
        name = name_of(each)
        text = f"“{name}” goes with all its {each.nodes} messages. This cannot be undone."
        if not await self.app.push_screen_wait(
            ConfirmDialog("delete a session", text, "deletes it")
        ):
            return
        try:
            await self._manager.delete(each.id)
        except OmniError as error:
            self.notify(safe_line(str(error), 300), severity="error", markup=False)
        else:
            self.app.session_deleted(each.id)  # type: ignore[attr-defined]
        await self._load()


def name_of(each: SessionSummary) -> str:
    """What a session is called where it stands beside others."""
    return safe_line(each.title or each.preview or "untitled", 60)


def _facts(each: SessionSummary) -> tuple[str, ...]:
    branches = f"{each.branches} branches" if each.branches > 1 else ""
    cost = f"${each.cost:.3f}" if each.cost else ""
    messages = f"{each.nodes} message{'s' if each.nodes != 1 else ''}"
    return ago(each.updated_at), messages, branches, cost


def ago(moment: datetime, now: datetime | None = None) -> str:
    """How long ago, in a word or two."""
    passed = max(0, int(((now or datetime.now(UTC)) - moment).total_seconds()))
    for size, word in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if passed >= size:
            return f"{passed // size} {word} ago"
    return "just now"
