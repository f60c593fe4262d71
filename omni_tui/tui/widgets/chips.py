"""The line over the composer that says what is attached to the message being written."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from omni_tui.core.safe_text import safe_line
from omni_tui.tui.attached import Chip
from omni_tui.tui.widgets.bars import Bar, Piece, clip

NAME_WIDTH = 32
"""Cells of a name before it is cut."""
LEAST = 8
"""Cells of a name below which a chip is better not shown."""
MARK = "▪ "
GAP = "   "


class ChipLine(Bar):
    """One line; there is none while nothing is attached.

    The chips added last are those one sees: what has no room is counted at the left.
    """

    DEFAULT_CSS = "ChipLine { padding: 0 2; display: none; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._chips: tuple[tuple[str, str], ...] = ()

    def show_chips(self, chips: Sequence[Chip], hints: Sequence[Sequence[Piece]] = ()) -> None:
        """Show these, and at the right what can be done about them."""
        self._chips = tuple((safe_line(chip.name), chip.facts) for chip in chips)
        self.display = bool(chips)
        self._lay_out(hints)

    def on_resize(self) -> None:
        self._lay_out(self._hints)

    def _lay_out(self, hints: Sequence[Sequence[Piece]]) -> None:
        self.show(fitting(self._chips, self.size.width - 1), hints=hints)


def fitting(chips: Sequence[tuple[str, str]], width: int) -> list[Piece]:
    """The last of these (name, facts) that fit into `width` cells, and how many are before them."""
    shown: list[Piece] = []
    used = 0
    for place in reversed(range(len(chips))):
        name, facts = chips[place]
        before = f"{place} more{GAP}" if place else ""
        gap = GAP if shown else ""
        around = cell_len(f"{before}{MARK} {facts}{gap}")
        room = width - used - around
        if shown and room < min(cell_len(name), NAME_WIDTH):
            return [Piece(f"{place + 1} more{GAP}"), *shown]
        name = clip(name, min(NAME_WIDTH, max(LEAST, room)))
        shown = [Piece(MARK, "accent"), Piece(name, "plain"), Piece(f" {facts}{gap}"), *shown]
        used += cell_len(f"{MARK}{name} {facts}{gap}")
    return shown
