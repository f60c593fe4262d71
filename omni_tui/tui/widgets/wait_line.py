"""The line over the composer with the text that waits for the end of the turn under way."""

from __future__ import annotations

from omni_tui.core.safe_text import safe_line
from omni_tui.tui.widgets.bars import Bar, Piece

HINTS = ((Piece("  Up", "accent"), Piece(" takes it back")),)


class WaitLine(Bar):
    """One line; there is none while nothing waits."""

    DEFAULT_CSS = "WaitLine { padding: 0 2; display: none; }"

    def show_text(self, text: str) -> None:
        """Show that this waits; an empty text hides the line."""
        self.display = bool(text)
        if text:
            words = Piece(safe_line(text, 400), "plain")
            self.show([Piece("↳ ", "accent"), words], hints=HINTS)
