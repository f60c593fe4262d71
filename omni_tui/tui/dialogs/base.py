"""What all modals share: a panel in place of the composer that leaves the talk readable."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from omni_tui.tui.answers import GRACE
from omni_tui.tui.safe_content import safe_content

if TYPE_CHECKING:
    from omni_tui.tui.screens.chat import ChatScreen

Result = TypeVar("Result")


class Dock(Vertical):
    """The band a dialog stands in; whatever is under it makes room when it grows or shrinks."""

    def on_resize(self) -> None:
        if isinstance(self.screen, Dialog):
            self.screen.take_room()


class Reading(VerticalScroll, can_focus=False):
    """What there is to read before one answers: it shrinks, so that the answers always fit."""

    def on_mount(self) -> None:
        self.watch(self, "scroll_y", self._say_more, init=False)
        self.watch(self, "virtual_size", self._say_more, init=False)

    def on_resize(self) -> None:
        self._say_more()

    def _say_more(self) -> None:
        """Say below how much is out of sight."""
        below = round(self.max_scroll_y - self.scroll_y)
        above = round(self.scroll_y)
        words = ""
        if below > 0:
            words = f"▾ {below} more · PgDn"
        elif above:
            words = f"▴ {above} above · PgUp"
        for line in self.screen.query(".more").results(Static):
            line.update(safe_content(words))


class Dialog(ModalScreen[Result]):
    """A modal docked at the bottom.

    Its parts are `.foot`, always whole, and above it a `Reading` that takes what is left and
    scrolls; a line with the class `more` says what is out of sight.

    Args:
        title: Stands on the border.
        subtitle: The keys of the dialog, under it.
    """

    DEFAULT_CSS = """
    Dialog {
        align: center bottom;
        background: $background 0%;
        & > Dock {
            width: 100%;
            height: auto;
            margin-bottom: 1;
            background: $background;
            align-horizontal: center;
        }
        & .panel {
            width: 100%;
            max-width: 100;
            height: auto;
            max-height: 75vh;
            margin: 0 2;
            padding: 1 2 0 2;
            background: $panel;
            border: round $border;
            border-title-color: $foreground;
            border-subtitle-color: $omni-muted;
        }
        &.-floating {
            align: center middle;
            & > Dock { width: 76; max-width: 100%; margin: 0; }
            & .panel { margin: 0; }
        }
        & Reading { height: auto; max-height: 100%; scrollbar-size-vertical: 1; }
        & .foot { dock: bottom; height: auto; }
        & .more { color: $omni-muted; text-align: right; height: 1; }
        & .hint { color: $omni-muted; }
        & .warn { color: $omni-warn; }
        & Static { height: auto; }
        & TextArea {
            height: auto; min-height: 1; max-height: 8; border: none; padding: 0;
            background: $panel;
            &:focus { border: none; }
        }
        &.-low .panel, &.-tiny .panel { padding: 0 2; }
        &.-tiny .panel { max-height: 85vh; }
        &.-behind > Dock { display: none; }
    }
    """
    BINDINGS = [
        Binding("pageup", "scroll(-1)", show=False, priority=True),
        Binding("pagedown", "scroll(1)", show=False, priority=True),
    ]
    AUTO_FOCUS = "*"
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (22, "-low"), (28, "-high")]

    def __init__(self, title: str, subtitle: str) -> None:
        super().__init__()
        self._title = title
        self._subtitle = subtitle

    def compose(self) -> ComposeResult:
        with Dock(), Vertical(classes="panel") as panel:
            panel.border_title = safe_content(self._title)
            panel.border_subtitle = safe_content(self._subtitle)
            yield from self.parts()

    def parts(self) -> ComposeResult:
        """What stands in the panel: nothing, unless a dialog says more."""
        return ()

    def on_mount(self) -> None:
        self._shown_at = time.monotonic()
        self.set_class(self._talk() is None, "-floating")

    def on_screen_resume(self) -> None:
        self.take_room()

    def is_typed_ahead(self) -> bool:
        """Whether a key pressed now was meant for what was on screen before."""
        return time.monotonic() - self._shown_at < self.app_grace

    @property
    def app_grace(self) -> float:
        """Seconds of grace; the application may shorten them."""
        return float(getattr(self.app, "dialog_grace", GRACE))

    def after_typing(self, accept: Callable[[], object]) -> None:
        """Accept once all keys before this one have done their work, unless the dialog is gone.

        A key of the dialog's own comes to it at once; letters and arrows go to the field first.
        """

        def now() -> None:
            if self.is_current:
                accept()

        (self.focused or self).call_later(now)

    def take_room(self) -> None:
        """Let the conversation end above the dialog, when it stands over one."""
        rows = self.query_one(Dock).outer_size.height
        if rows and self.app.screen is self and (talk := self._talk()) is not None:
            talk.make_room(rows)
            talk.call_after_refresh(self._refresh_below)

    def _refresh_below(self) -> None:
        """Draw the dialogs under this one anew: each keeps a picture of the conversation."""
        for screen in self.app.screen_stack:
            if isinstance(screen, Dialog):
                screen.refresh()

    def _talk(self) -> ChatScreen | None:
        """The conversation this stands over, if it does."""
        from omni_tui.tui.screens.chat import ChatScreen

        stack = self.app.screen_stack
        below = next(each for each in reversed(stack) if not isinstance(each, Dialog))
        return below if isinstance(below, ChatScreen) else None

    def action_scroll(self, pages: int) -> None:
        """Scroll what is asked; at its end, the conversation behind it."""
        for reading in self.query(Reading):
            if reading.scroll_y < reading.max_scroll_y if pages > 0 else reading.scroll_y > 0:
                reading.scroll_relative(y=pages * max(1, reading.size.height - 1), animate=False)
                return
        if (talk := self._talk()) is not None:
            if pages < 0:
                talk.transcript.scroll_page_up(animate=False)
            else:
                talk.transcript.scroll_page_down(animate=False)
