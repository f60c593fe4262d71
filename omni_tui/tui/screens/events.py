"""What goes on inside: the events and the log as they come, one of them whole, and the state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.events import DescendantFocus, Resize
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Input

from omni_tui.config.keymap import key_label
from omni_tui.core.safe_text import safe_line
from omni_tui.tui.event_text import Filter, Teller, secrets_of
from omni_tui.tui.inspector import inspect
from omni_tui.tui.trace import Row
from omni_tui.tui.widgets.bars import Bar, Piece
from omni_tui.tui.widgets.event_list import EventList
from omni_tui.tui.widgets.page import Page, json_lines

if TYPE_CHECKING:
    from omni_tui.tui.app import OmniApp
    from omni_tui.tui.bridge import Bridge

WIDE = 100
"""Columns from which the state stands beside the list."""

FRAME = 0.1
"""Seconds between two looks at what came; nothing looks when nothing comes."""

COPIED_ROWS = 500
"""Rows that are copied at once, the last ones."""


class EventsScreen(Screen[None]):
    """Shows the trace that the screen of the conversation keeps; it only looks."""

    DEFAULT_CSS = """
    EventsScreen {
        background: $background; color: $foreground;
        & Horizontal { height: 1fr; }
        & #side { width: 40; border-left: solid $omni-faint; }
        & #side:focus { border-left: solid $primary; }
        &.-narrow #side { width: 1fr; border-left: none; }
        & Input { border: none; height: 1; padding: 0 1; background: $panel; display: none; }
        & Input:focus { border: none; background-tint: $foreground 0%; }
        & Input.-shown { display: block; }
    }
    """
    BINDINGS = [
        Binding("f12", "close", show=False, id="view.events"),
        Binding("escape", "back", show=False, priority=True),
        Binding("q", "close", show=False),
        Binding("space", "pause", show=False),
        Binding("slash", "filter", show=False),
        Binding("t", "only_type", show=False),
        Binding("y", "copy", show=False),
        Binding("Y", "copy_all", show=False),
        Binding("tab", "turn", show=False, priority=True),
        Binding("enter", "open", show=False),
        Binding("left", "step(-1)", show=False),
        Binding("right", "step(1)", show=False),
    ]
    AUTO_FOCUS = "EventList"

    app: OmniApp

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self._trace = bridge.trace
        self._secrets = secrets_of()
        self._teller = Teller(self._secrets)
        self._filter = Filter("", self._teller.line)
        self._opened = False
        """Whether the side shows an event rather than the state."""
        self._left_at = 0
        """Rows there were when the list stopped following."""
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        yield Bar(id="events-title")
        with Horizontal():
            yield EventList(self._teller, id="events")
            yield Page(id="side")
        field = Input(placeholder="tool  -delta  type:step  run:3f  node:12", compact=True)
        field.cursor_blink = False
        yield field
        yield Bar(id="events-keys")

    def on_mount(self) -> None:
        self._list = self.query_one(EventList)
        self._side = self.query_one(Page)
        self._field = self.query_one(Input)
        self._title, self._keys = self.query(Bar).results(Bar)
        self._lay_out(side=False)
        self._take()
        self._bridge.on_noted = self._came

    def on_unmount(self) -> None:
        self._bridge.on_noted = None

    # What comes

    def _came(self) -> None:
        """Something came: look at it soon, together with what comes until then."""
        if self._timer is None:
            self._timer = self.set_timer(FRAME, self._take)

    def _take(self) -> None:
        self._timer = None
        session = self.app.session.id
        rows = [row for row in self._trace.rows if row.event.session_id in (None, session)]
        self._kept = len(rows)
        self._list.take([row for row in rows if self._filter.fits(row)] if self._filter else rows)
        if not self._opened:
            self._show_state()
        elif (row := self._list.current) is not None and row.is_folded:
            self._show_event()
        self._show_bars()

    def _show_state(self) -> None:
        self._side.show(inspect(self.app, self._secrets))

    def _show_event(self) -> None:
        if (row := self._list.current) is not None:
            self._side.show(json_lines(self._teller.json(row)), keep=False)

    # Bars

    def _show_bars(self) -> None:
        rows = self._list.rows
        title = safe_line(self.app.session.title or "new conversation", 60)
        left = [Piece(" events", "title"), Piece(f"   {title}")]
        shown = f"{len(rows):,} of {self._kept:,}" if self._filter else f"{self._kept:,}"
        full = f" of {self._trace.total:,}" if self._trace.total > self._trace.kept else ""
        right = [Piece(f"{shown}{full} kept · ")]
        if self._list.following:
            right.append(Piece("● following", "accent"))
        else:
            new = self._trace.total - self._left_at
            right.append(Piece(f"paused · {new:,} new" if new else "paused", "warn"))
        if self._filter:
            left.append(Piece(f"   / {safe_line(self._filter.text, 40)}", "accent"))
        self._title.show(left, right)
        self._keys.show(
            [],
            hints=[(Piece(key, "accent"), Piece(f" {verb}   ")) for key, verb in self._hints()],
        )

    def _hints(self) -> list[tuple[str, str]]:
        close = self.app.keymap["view.events"]
        closes = (key_label(close[0]) if close else "q", "close")
        if self.focused is self._field:
            return [("Enter", "back to the list"), ("Esc", "all of them")]
        if self._opened:
            return [("←→", "events"), ("y", "copy"), ("Esc", "back"), closes]
        if self.focused is self._side:
            return [("Tab", "events"), ("Esc", "back"), closes]
        return [
            ("Enter", "whole"),
            ("Space", "pause" if self._list.following else "follow"),
            ("/", "filter"),
            ("Tab", "state"),
            closes,
            ("y", "copy"),
            ("t", "all types" if self._only_type else "this type"),
            ("Y", "copy all"),
        ]

    @on(EventList.Moved)
    def _moved(self) -> None:
        if not self._list.following and not self._left_at:
            self._left_at = self._trace.total
        elif self._list.following:
            self._left_at = 0
        if self._opened:
            self._show_event()
        self._show_bars()

    @on(DescendantFocus)
    def _focus_moved(self) -> None:
        self._show_bars()

    # Layout

    @property
    def _is_narrow(self) -> bool:
        return self.size.width < WIDE

    def on_resize(self, event: Resize) -> None:
        self._lay_out(side=self._opened or self.focused is self._side)

    def _lay_out(self, *, side: bool) -> None:
        """List and side beside each other, or one of them."""
        self.set_class(self._is_narrow, "-narrow")
        self._side.display = side or not self._is_narrow
        self._list.display = not (side and self._is_narrow)

    # Keys

    def action_close(self) -> None:
        """Back to the conversation."""
        self.dismiss()

    def action_back(self) -> None:
        """One step outward: out of the filter, the event, the state, the screen."""
        if self.focused is self._field:
            self._field.value = ""
            self._field.remove_class("-shown")
            self._list.focus()
        elif self._opened or self.focused is self._side:
            self._opened = False
            self._lay_out(side=False)
            self._list.focus()
            self._show_state()
            self._show_bars()
        else:
            self.dismiss()

    def action_turn(self) -> None:
        """From the list to the state, and back."""
        if self.focused is self._list:
            self._lay_out(side=True)
            self._side.focus()
        elif self._opened or self.focused is self._side:
            self.action_back()
        else:
            self._list.focus()

    @on(EventList.Opened)
    def action_open(self) -> None:
        """Show the event under the cursor whole."""
        if self._list.current is None or self.focused is not self._list:
            return
        self._opened = True
        self._list.follow(False)
        self._lay_out(side=True)
        self._side.focus()
        self._show_event()
        self._show_bars()

    def action_step(self, step: int) -> None:
        """Look at the event after this one, or the one before."""
        if self._opened:
            self._list.action_move(step)

    def action_pause(self) -> None:
        """Stay here while more comes, or go with it again."""
        if self._opened:
            return
        self._list.follow(not self._list.following)

    def action_filter(self) -> None:
        """Write what to show."""
        if self._opened or self.focused is self._side:
            self.action_back()
        self._field.add_class("-shown")
        self._field.focus()

    @property
    def _only_type(self) -> bool:
        return self._filter.text.startswith("type:")

    def action_only_type(self) -> None:
        """Show only what is of the type under the cursor, or everything again."""
        row = self._list.current
        if self._only_type:
            self._field.value = ""
        elif row is not None:
            self._field.value = f"type:{row.event.type}"

    @on(Input.Changed)
    def _filtered(self, event: Input.Changed) -> None:
        self._filter = Filter(event.value, self._teller.line)
        self._take()

    @on(Input.Submitted)
    def _filter_written(self) -> None:
        if not self._field.value:
            self._field.remove_class("-shown")
        self._list.focus()

    def action_copy(self) -> None:
        """Copy the event under the cursor as JSON."""
        if (row := self._list.current) is not None:
            self._copy([row], "copied this event", indent=2)

    def action_copy_all(self) -> None:
        """Copy what is shown, a line each."""
        rows = self._list.rows[-COPIED_ROWS:]
        if rows:
            self._copy(rows, f"copied {len(rows)} events, a line of JSON each")

    def _copy(self, rows: Sequence[Row], said: str, *, indent: int | None = None) -> None:
        self.app.copy_to_clipboard("\n".join(self._teller.json(row, indent=indent) for row in rows))
        self.notify(safe_line(said), markup=False, timeout=3)
