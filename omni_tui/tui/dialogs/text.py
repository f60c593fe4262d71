"""A modal that asks for a line or a page of text."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static, TextArea

from omni_tui.core.safe_text import safe
from omni_tui.tui.dialogs.base import Dialog, Reading
from omni_tui.tui.safe_content import safe_content


class TextDialog(Dialog[str | None]):
    """Ask for text; `None` when the person backs out.

    Args:
        title: What is asked, in a few words.
        text: What stands there at first.
        hint: One line under the field.
        many_lines: Enter starts a line and Ctrl+S accepts, instead of Enter accepting.
        problem: What was wrong with the text, if it comes back.
        about: What the text is about, over the field.
        waits: It belongs to a question that waits, and looks like one.
        verb: What the key does that accepts.
    """

    DEFAULT_CSS = """
    TextDialog {
        &.-waits .panel { border: round $omni-warn; border-title-color: $omni-warn; }
        &.-page TextArea { max-height: 40vh; }
        & .field { height: auto; }
        & .hint { margin-top: 1; }
    }
    """

    BINDINGS = [
        Binding("escape", "back", show=False, priority=True),
        Binding("enter", "accept_line", show=False, priority=True),
        Binding("ctrl+s", "accept", show=False, priority=True),
    ]

    def __init__(
        self,
        title: str,
        text: str = "",
        *,
        hint: str = "",
        many_lines: bool = False,
        problem: str = "",
        about: Content | None = None,
        waits: bool = False,
        verb: str = "accepts",
    ) -> None:
        key = "ctrl+s" if many_lines else "enter"
        super().__init__(title, f"{key} {verb} · esc goes back")
        self._text = text
        self._hint = hint
        self._many = many_lines
        self._problem = problem
        self._about: Content | None = about
        self.set_class(waits, "-waits")
        self.set_class(many_lines, "-page")

    def parts(self) -> ComposeResult:
        """What it is about, and the field."""
        if self._about is not None:
            with Reading():
                yield Static(self._about)
        with Vertical(classes="foot" if self._about is not None else "field"):
            if self._about is not None:
                yield Static(classes="more")
            if self._problem:
                yield Static(safe_content(self._problem), classes="warn")
            area = TextArea(
                safe(self._text), soft_wrap=True, compact=True, highlight_cursor_line=False
            )
            area.cursor_blink = False
            yield area
            if self._hint:
                yield Static(safe_content(self._hint), classes="hint")

    def on_mount(self) -> None:
        super().on_mount()
        area = self.query_one(TextArea)
        area.focus()
        area.move_cursor(area.document.end)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Enter accepts a line and belongs to the text in a page."""
        return not (action == "accept_line" and self._many)

    def action_accept_line(self) -> None:
        """Give back the line."""
        self.action_accept()

    def action_accept(self) -> None:
        """Give back the text."""
        self.after_typing(self.accept)

    def accept(self) -> None:
        """Give back the text, now that all of it is there."""
        self.dismiss(self.query_one(TextArea).text)

    def action_back(self) -> None:
        """Give back nothing."""
        self.dismiss(None)
