"""Search in what was said: every branch of every session, while one types."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from omni_tui.core.errors import OmniError
from omni_tui.core.safe_text import safe_line
from omni_tui.session.manager import SessionManager
from omni_tui.session.store.hits import Hit
from omni_tui.session.store.words import MAX_QUERY, Query
from omni_tui.tui.safe_content import safe_content
from omni_tui.tui.screens.sessions import ago
from omni_tui.tui.widgets.rows import MARKED, Excerpt, Row, RowList, Sheet, column_widths

PAUSE = 0.12
"""Seconds without a key until what is typed is looked for."""

PAGE = 40
"""Hits that are asked for at once."""

AHEAD = 10
"""Hits below the cursor at which the next ones are asked for."""

HELP = """\
what was said, on every branch

"side by side"   role:user   after:7d   before:2026-01
model:sonnet   tool:bash   label:best   title:mountains"""


class SearchScreen(ModalScreen[Hit | None]):
    """Gives the hit to go to, or `None`.

    Args:
        manager: Looks.
        current: The session in view, which can be searched alone.
        text: What is looked for at first.
    """

    DEFAULT_CSS = """
    SearchScreen {
        align: center middle;
        background: $background 60%;
        & > .panel {
            width: 96; max-width: 100%; height: 80%;
            padding: 0 2; background: $panel; border: round $border;
            border-title-color: $foreground; border-subtitle-color: $omni-muted;
        }
        & Input { border: none; height: 1; margin: 1 0 0 2; padding: 0; background: $panel; }
        & Input:focus { border: none; background-tint: $foreground 0%; }
        & .state { color: $omni-muted; height: 1; margin: 0 0 1 0; padding: 0 2; }
        & RowList { height: 1fr; scrollbar-size-vertical: 1; }
        & .empty { color: $omni-muted; height: 1fr; align: center middle; }
        & .empty Static { width: auto; max-width: 100%; }
    }
    """
    BINDINGS = [
        Binding("escape,ctrl+f", "back", show=False, priority=True),
        Binding("tab,ctrl+s", "scope", show=False, priority=True),
        Binding("down", "go('cursor_down')", show=False, priority=True),
        Binding("up", "go('cursor_up')", show=False, priority=True),
        Binding("pagedown", "go('page_down')", show=False, priority=True),
        Binding("pageup", "go('page_up')", show=False, priority=True),
    ]
    AUTO_FOCUS = "Input"

    def __init__(self, manager: SessionManager, current: str, text: str = "") -> None:
        super().__init__()
        self._manager = manager
        self._current = current
        self._text = text
        self._everywhere = True
        self._timer: Timer | None = None
        self._number = 0
        """Of the last question asked: answers to others are too late."""
        self._answered: tuple[str, bool] | None = None
        """What the hits shown fit: words, and whether all sessions were looked through."""
        self._hits: list[Hit] = []
        self._goes_on = False
        """Whether there may be more hits than these."""
        self._is_asking = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="panel") as panel:
            panel.border_title = "search"
            field = Input(self._text, placeholder="type words", compact=True, max_length=MAX_QUERY)
            field.cursor_blink = False
            yield field
            yield Static(classes="state")
            hits = RowList()
            hits.can_focus = False  # what is typed goes to the field, whatever was clicked
            yield hits
            with Vertical(classes="empty"):
                yield Static(Content(HELP))

    def on_mount(self) -> None:
        self._show()
        if self._text:
            self._ask()

    # Asking

    @property
    def _wanted(self) -> tuple[str, bool]:
        return self.query_one(Input).value, self._everywhere

    @on(Input.Changed)
    def _typed(self) -> None:
        if self._wanted == self._answered:
            return
        self._forget()
        query = Query(self.query_one(Input).value)
        if query.is_vain:
            self._hits, self._answered = [], None
            self._show()
        elif query.is_unfinished:
            self._say_state()
        else:
            self._timer = self.set_timer(PAUSE, self._ask)

    def _forget(self) -> None:
        """Want no answer any more to what was asked."""
        self._number += 1
        self._is_asking = False
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def _ask(self, offset: int = 0) -> None:
        self._forget()
        self._is_asking = True
        work = self._find(self._number, *self._wanted, offset)
        self.run_worker(work, group="search", exclusive=True)

    async def _find(self, number: int, text: str, everywhere: bool, offset: int) -> None:
        within = None if everywhere else self._current
        found: tuple[Hit, ...] = ()
        try:
            found = await self._manager.search(text, limit=PAGE, offset=offset, session_id=within)
        except OmniError as error:
            self.notify(safe_line(str(error), 300), severity="error", markup=False)
        if number != self._number:
            return
        self._is_asking = False
        self._goes_on = len(found) == PAGE
        if offset:
            self._hits += found
            self._add(found)
        else:
            self._hits, self._answered = list(found), (text, everywhere)
            self._show()

    # Showing

    def _show(self) -> None:
        hits = self.query_one(RowList)
        hits.clear_options()
        hits.display = bool(self._hits)
        empty = self.query_one(".empty")
        empty.display = not self._hits
        empty.query_one(Static).update(Content(self._why_empty()))
        self._add(self._hits)
        if self._hits:
            hits.highlighted = 0
            hits.scroll_home(animate=False)

    def _add(self, hits: list[Hit] | tuple[Hit, ...]) -> None:
        facts = [_facts(hit) for hit in self._hits]
        widths = column_widths(facts)
        self.query_one(RowList).add_options(
            Option(_entry(hit, its, widths))
            for hit, its in zip(hits, facts[len(facts) - len(hits) :], strict=True)
        )
        self._say_state()

    def _why_empty(self) -> str:
        if self._answered is None:
            faults = Query(self.query_one(Input).value).filters.faults
            return "\n".join(faults) or HELP
        words = safe_line(self._answered[0].strip(), 60)
        more = "" if self._everywhere else "\n\ntab looks in all sessions"
        return f"nothing with {words}{more}"

    def _say_state(self) -> None:
        """Say where is looked, how much there is, and what Enter and Tab do."""
        here, there = "all sessions", "this session"
        if not self._everywhere:
            here, there = there, here
        text, _ = self._wanted
        said, hints = here, [f"tab {there}", "esc closes"]
        if self._answered == self._wanted:
            if self._hits:
                said += f" · {len(self._hits)}{'+' if self._goes_on else ''} found"
                hints.insert(0, "enter opens")
        elif not Query(text).is_vain:
            hints.insert(0, "enter searches")
        self.query_one(".state", Static).update(Content(said))
        self.query_one(".panel").border_subtitle = safe_content(" · ".join(hints))

    # Keys

    def action_back(self) -> None:
        """Open nothing."""
        self.dismiss(None)

    def action_scope(self) -> None:
        """Look in this session only, or in all of them."""
        self._everywhere = not self._everywhere
        if Query(self.query_one(Input).value).is_vain:
            self._say_state()
        else:
            self._ask()

    def action_go(self, how: str) -> None:
        """Move the cursor, and not from the last hit to the first: more may be on their way."""
        hits = self.query_one(RowList)
        ends = {"cursor_down": len(self._hits) - 1, "cursor_up": 0}
        if self._hits and hits.highlighted != ends.get(how, -1):
            getattr(hits, f"action_{how}")()

    @on(OptionList.OptionHighlighted)
    def _moved(self, event: OptionList.OptionHighlighted) -> None:
        is_near_end = event.option_index >= len(self._hits) - AHEAD
        is_at_rest = not self._is_asking and self._answered == self._wanted
        if is_near_end and is_at_rest and self._goes_on:
            self._ask(len(self._hits))

    @on(Input.Submitted)
    def _submitted(self) -> None:
        if self._answered != self._wanted:
            if not Query(self.query_one(Input).value).is_vain:
                self._ask()
        elif (place := self.query_one(RowList).highlighted) is not None:
            self.dismiss(self._hits[place])

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._hits[event.option_index])


def _facts(hit: Hit) -> tuple[str, ...]:
    who = "title" if hit.role is None else "you" if hit.role == "user" else "model"
    return who, ago(hit.time), "sub-agent" if hit.parent_id is not None else ""


def _entry(hit: Hit, facts: tuple[str, ...], widths: tuple[int, ...]) -> Sheet:
    """The session, and under it the words around those that were found there."""
    if hit.node_id is None:
        title = Content(hit.snippet)
        for start, end in hit.matches:
            title = title.stylize(MARKED, start, end)
        return Sheet([Row(title, facts=facts, widths=widths)])
    title = Content(safe_line(hit.title or "untitled", 60))
    words = Excerpt(hit.snippet or "(no words)", hit.matches, indent=4)
    return Sheet([Row(title, facts=facts, widths=widths), words])
