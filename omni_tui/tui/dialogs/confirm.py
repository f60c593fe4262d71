"""A modal that says what will happen, and waits for the word."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Static

from omni_tui.tui.dialogs.base import Dialog, Reading
from omni_tui.tui.safe_content import safe_content


class ConfirmDialog(Dialog[bool]):
    """`y` does it; every other way out does not."""

    BINDINGS = [
        Binding("y", "yes", show=False),
        Binding("n,escape,enter", "no", show=False),
    ]

    def __init__(self, title: str, text: str, verb: str) -> None:
        super().__init__(title, f"y {verb} · esc goes back")
        self._text = text

    def parts(self) -> ComposeResult:
        """What will happen."""
        with Reading():
            yield Static(safe_content(self._text))
        yield Static(classes="foot more")

    def action_yes(self) -> None:
        """Do it."""
        if not self.is_typed_ahead():
            self.dismiss(True)

    def action_no(self) -> None:
        """Leave it."""
        self.dismiss(False)
