"""What all modals share: a panel over the composer that leaves the talk readable."""

from __future__ import annotations

import time
from typing import TypeVar

from textual.binding import Binding
from textual.screen import ModalScreen

from omni_tui.tui.answers import GRACE

Result = TypeVar("Result")


class Dialog(ModalScreen[Result]):
    """A modal docked at the bottom."""

    DEFAULT_CSS = """
    Dialog {
        align: center bottom;
        background: $background 0%;
        & > .panel {
            width: 100%;
            max-width: 100;
            height: auto;
            max-height: 70%;
            margin: 0 2 1 2;
            padding: 0 2;
            background: $panel;
            border: round $border;
            border-title-color: $foreground;
            border-subtitle-color: $omni-muted;
        }
        & .hint { color: $omni-muted; height: auto; }
        & .warn { color: $omni-warn; height: auto; }
        & Static { height: auto; }
    }
    """
    BINDINGS = [
        Binding("pageup", "scroll_talk(-1)", show=False, priority=True),
        Binding("pagedown", "scroll_talk(1)", show=False, priority=True),
    ]
    AUTO_FOCUS = "*"

    def on_mount(self) -> None:
        self._shown_at = time.monotonic()

    def is_typed_ahead(self) -> bool:
        """Whether a key pressed now was meant for what was on screen before."""
        return time.monotonic() - self._shown_at < self.app_grace

    @property
    def app_grace(self) -> float:
        """Seconds of grace; the application may shorten them."""
        return float(getattr(self.app, "dialog_grace", GRACE))

    def action_scroll_talk(self, pages: int) -> None:
        """Scroll the conversation behind the dialog."""
        from omni_tui.tui.widgets.transcript import Transcript

        below = self.app.screen_stack[-2]
        for transcript in below.query(Transcript):
            if pages < 0:
                transcript.scroll_page_up(animate=False)
            else:
                transcript.scroll_page_down(animate=False)
