"""Every session, those with a star first: find, open, rename, delete, and see what goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from types import MappingProxyType

import msgspec
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from omni_tui.core.errors import OmniError, StoreError
from omni_tui.core.safe_text import safe_line
from omni_tui.session.manager import SessionManager
from omni_tui.session.store.base import SessionSummary
from omni_tui.session.store.favourites import favourites_of
from omni_tui.session.store.feed import ChangeFeed
from omni_tui.tui.dialogs.confirm import ConfirmDialog
from omni_tui.tui.dialogs.text import TextDialog
from omni_tui.tui.watch import News, SessionWatch
from omni_tui.tui.widgets.rows import Row, RowList, column_widths

PAGE = 200

NEWS: Mapping[News | None, tuple[str, str]] = MappingProxyType(
    {
        None: (" ", ""),
        "running": ("◐", "$primary"),
        "asks": ("?", "$omni-warn"),
        "halted": ("⊘", "$omni-warn"),
        "new": ("•", "$primary"),
    }
)
"""The mark of what goes on in a session, and its colour; the word stands in a column."""


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
        Binding("ctrl+t", "star", show=False, priority=True),
        Binding("s,asterisk", "star", show=False),
    ]
    AUTO_FOCUS = "Input"

    def __init__(self, manager: SessionManager, watch: SessionWatch, current: str) -> None:
        super().__init__()
        self._manager = manager
        self._watch = watch
        self._current = current
        self._all: list[SessionSummary] = []
        self._shown: list[SessionSummary] = []
        self._stars: frozenset[str] = frozenset()

    def compose(self) -> ComposeResult:
        with Vertical(classes="panel") as panel:
            panel.border_title = "sessions"
            panel.border_subtitle = (
                "enter opens · ctrl+t ★ · f4 renames · f8 deletes · ctrl+n new · esc closes"
            )
            hint = "type to find a title · ctrl+f searches in what was said"
            field = Input(placeholder=hint, compact=True)
            field.cursor_blink = False
            yield field
            yield RowList()
            yield Static("no sessions yet", classes="empty")

    async def on_mount(self) -> None:
        self._watch.on_change = self._changed
        await self._load()
        if isinstance(store := self._manager.store, ChangeFeed):
            self.run_worker(self._follow(store), group="feed")

    async def _follow(self, store: ChangeFeed) -> None:
        """Read anew what other machines change, where the store tells of it."""
        with suppress(StoreError):  # the list says so itself when it cannot be read
            async with store.changes() as changes:
                async for _ in changes:
                    self._changed()

    def on_unmount(self) -> None:
        self._watch.on_change = None

    def _changed(self) -> None:
        """Something was told of a session: show it at once, then read what is stored anew."""
        if not self.is_attached:
            return
        self._show(keep=True)
        self.run_worker(self._load(keep=True), group="live", exclusive=True)

    async def _load(self, *, keep: bool = False) -> None:
        try:
            found = await self._manager.list_stored(PAGE)
            self._stars = await self._starred()
            page = found
            # Those with a star stand first, however old.
            while len(page) == PAGE and not self._stars <= {each.id for each in found}:
                page = await self._manager.list_stored(PAGE, page[-1])
                found += page
        except OmniError as error:
            self.notify(safe_line(str(error), 300), severity="error", markup=False)
        else:
            # What is open may have a title that is not stored yet.
            titles = {session.id: session.title for session in self._manager.list_open()}
            found = [
                msgspec.structs.replace(each, title=titles.get(each.id, each.title))
                for each in found
            ]
            self._all = sorted(found, key=lambda each: each.id not in self._stars)
        self._show(keep=keep)

    async def _starred(self) -> frozenset[str]:
        try:
            return frozenset(await favourites_of(self._manager.store).list())
        except StoreError:
            return frozenset()  # said when one is to be given

    def _show(self, *, keep: bool = False) -> None:
        """Fill the list; `keep` leaves the cursor on the session it is on."""
        before = self._chosen() if keep else None
        wanted = self.query_one(Input).value.casefold().split()
        self._shown = [
            each
            for each in self._all
            if all(word in f"{each.title or ''} {each.preview}".casefold() for word in wanted)
        ]
        options = self.query_one(OptionList)
        options.clear_options()
        news = [self._watch.news_of(each.id) for each in self._shown]
        facts = [_facts(each, its) for each, its in zip(self._shown, news, strict=True)]
        widths = column_widths(facts)
        options.add_options(
            Option(self._row(each, which, its, widths))
            for each, which, its in zip(self._shown, news, facts, strict=True)
        )
        if self._shown:
            ids = [each.id for each in self._shown]
            options.highlighted = ids.index(before.id) if before and before.id in ids else 0
        options.display = bool(self._shown)
        empty = self.query_one(".empty", Static)
        empty.display = not self._shown
        empty.update("nothing fits" if self._all else "no sessions yet")

    def _row(
        self, each: SessionSummary, news: News | None, facts: Sequence[str], widths: Sequence[int]
    ) -> Row:
        mark, style = ("●", "$primary") if each.id == self._current else NEWS[news]
        name = Content(f"{'★ ' if each.id in self._stars else ''}{name_of(each)}")
        if each.origin_id is not None:
            name += Content.styled(f"  {self._origin(each.origin_id)}", "$omni-muted")
        return Row(name, mark=Content.styled(mark, style), facts=facts, widths=widths)

    def _origin(self, id: str) -> str:
        """Where a fork came from, if that is in the list."""
        for each in self._all:
            if each.id == id:
                return f"fork of {name_of(each)}"
        return "fork"

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

    def action_star(self) -> None:
        """Give the session a star, or take it away."""
        if (chosen := self._chosen()) is not None:
            self.run_worker(self._star(chosen.id), exclusive=True)

    async def _star(self, id: str) -> None:
        try:
            favourites = favourites_of(self._manager.store)
            await (favourites.unstar if id in self._stars else favourites.star)(id)
        except OmniError as error:
            self.notify(safe_line(str(error), 300), severity="error", markup=False)
        await self._load(keep=True)

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


def _facts(each: SessionSummary, news: News | None) -> tuple[str, ...]:
    branches = f"{each.branches} branches" if each.branches > 1 else ""
    cost = f"${each.cost:.3f}" if each.cost else ""
    messages = f"{each.nodes} message{'s' if each.nodes != 1 else ''}"
    return news or "", ago(each.updated_at), messages, branches, cost


def ago(moment: datetime, now: datetime | None = None) -> str:
    """How long ago, in a word or two."""
    passed = max(0, int(((now or datetime.now(UTC)) - moment).total_seconds()))
    for size, word in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if passed >= size:
            return f"{passed // size} {word} ago"
    return "just now"
