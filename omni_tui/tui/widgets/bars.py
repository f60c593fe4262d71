"""The three lines around a conversation: title, rule and status."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import msgspec
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from omni_tui.core.safe_text import safe_line
from omni_tui.tui.ink import ink

INK = MappingProxyType(
    {
        "plain": "$foreground",
        "title": "$foreground bold",
        "muted": "$omni-muted",
        "faint": "$omni-faint",
        "accent": "$primary",
        "warn": "$omni-warn",
        "error": "$error",
    }
)


class Piece(msgspec.Struct, frozen=True):
    """Words of one kind: a key of `INK`."""

    text: str
    kind: str = "muted"


class Bar(Widget):
    """One line with something on the left and something on the right.

    The right side gives way when there is no room for both: hints whole, from the last one on, the
    rest with an ellipsis.
    """

    DEFAULT_CSS = """
    Bar {
        height: 1;
        background: $background;
    }
    """
    FILL = " "

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._left: tuple[Piece, ...] = ()
        self._right: tuple[Piece, ...] = ()
        self._hints: tuple[tuple[Piece, ...], ...] = ()

    def show(
        self,
        left: Sequence[Piece],
        right: Sequence[Piece] = (),
        *,
        hints: Sequence[Sequence[Piece]] = (),
    ) -> None:
        """Show these, the hints at the right end; nothing is drawn when nothing changed."""
        new = (tuple(left), tuple(right), tuple(map(tuple, hints)))
        if new != (self._left, self._right, self._hints):
            self._left, self._right, self._hints = new
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """The line, cut to the width."""
        width = self.size.width
        base = self.rich_style
        left, left_width = self._segments(self._left, max(0, width - 1))
        right, right_width = self._at_right(width - left_width - 2)
        gap = max(0, width - left_width - right_width - (1 if right else 0))
        fill = self._style("faint")
        middle = Segment(self.FILL * gap, base + fill)
        end = [Segment(self.FILL, base + fill)] if right else []
        return Strip([*left, middle, *right, *end]).adjust_cell_length(width, base)

    def _at_right(self, room: int) -> tuple[list[Segment], int]:
        right, used = self._segments(self._right, max(0, room))
        if used < min(12, sum(cell_len(piece.text) for piece in self._right)):
            right, used = [], 0
        for hint in self._hints:
            wanted = sum(cell_len(safe_piece(piece.text)) for piece in hint)
            if used + wanted > room:
                break
            right += self._segments(hint, wanted)[0]
            used += wanted
        return right, used

    def _segments(self, pieces: Sequence[Piece], room: int) -> tuple[list[Segment], int]:
        base = self.rich_style
        out: list[Segment] = []
        used = 0
        for piece in pieces:
            text = safe_piece(piece.text)
            if used + cell_len(text) > room:
                text = clip(text, room - used)
            if text:
                out.append(Segment(text, base + self._style(piece.kind)))
                used += cell_len(text)
        return out, used

    def _style(self, kind: str) -> Style:
        return ink(INK[kind], self.app.theme_variables, ground=False)


def safe_piece(text: str) -> str:
    """Safe text on one line, spaces at its ends kept."""
    lead = len(text) - len(text.lstrip(" "))
    tail = len(text) - len(text.rstrip(" ")) if text.strip() else 0
    return " " * lead + safe_line(text, 400) + " " * tail


def clip(text: str, room: int) -> str:
    """`text` cut to `room` cells, with an ellipsis where something is missing."""
    if cell_len(text) <= room:
        return text
    if room < 2:
        return ""
    cut = text[: 2 * room]  # combining characters take no room
    while cut and cell_len(cut) > room - 1:
        cut = cut[:-1]
    return cut.rstrip() + "…"


class Rule(Bar):
    """The line over the composer: the approval mode, and what the run is doing."""

    FILL = "─"
