"""Which lines of a long conversation are in view; knows heights, renders nothing."""

from __future__ import annotations

from collections.abc import Callable

from omni_tui.tui.widgets.transcript.heights import Heights

BELOW = 1
"""Empty lines after the last message."""

Measure = Callable[[int], int]


class Window:
    """A view anchored on a message and a line of it, so that corrected heights move nothing.

    Heights of messages that were never in view are estimates; `measure` gives the true one.
    While `following`, the view keeps to the end.
    """

    def __init__(self) -> None:
        self.heights = Heights()
        self.index = 0
        self.offset = 0
        self.following = True

    @property
    def total(self) -> int:
        """Lines of the whole conversation."""
        return self.heights.total + BELOW if len(self.heights) else 0

    @property
    def top(self) -> int:
        """The first visible line, counted from the start of the conversation."""
        return self.heights.before(self.index) + self.offset

    def arrange(self, height: int, measure: Measure) -> list[tuple[int, int]]:
        """(message, line of it) for each visible line that has one, top first."""
        if not len(self.heights) or height <= 0:
            return []
        if self.following or not self._fills(height, measure):
            self._to_end(height, measure)
        rows: list[tuple[int, int]] = []
        index, line = self.index, self.offset
        while index < len(self.heights) and len(rows) < height:
            lines = self._measured(index, measure)
            take = min(lines - line, height - len(rows))
            rows.extend((index, line + step) for step in range(take))
            index, line = index + 1, 0
        return rows

    def move(self, lines: int, measure: Measure) -> None:
        """Scroll by `lines`, through true heights."""
        index, offset = self.index, self.offset + lines
        while offset < 0 and index > 0:
            index -= 1
            offset += self._measured(index, measure)
        last = len(self.heights) - 1
        while index < last and offset >= (size := self._measured(index, measure)):
            index, offset = index + 1, offset - size
        self.index, self.offset = index, max(0, offset)

    def jump(self, line: int) -> None:
        """Scroll to a line of the whole."""
        self.index, self.offset = self.heights.find(line)

    def _measured(self, index: int, measure: Measure) -> int:
        size = measure(index)
        self.heights[index] = size
        return size

    def _fills(self, height: int, measure: Measure) -> bool:
        """Whether there is more below the view than the view shows; settles the anchor."""
        self.index = min(self.index, len(self.heights) - 1)
        self.offset = min(self.offset, self._measured(self.index, measure) - 1)
        below = -self.offset
        for index in range(self.index, len(self.heights)):
            below += self._measured(index, measure)
            if below >= height:
                return True
        return False

    def _to_end(self, height: int, measure: Measure) -> None:
        self.following = True
        need = height - BELOW
        index, seen = len(self.heights), 0
        while index > 0 and seen < need:
            index -= 1
            seen += self._measured(index, measure)
        self.index, self.offset = index, max(0, seen - need)
        if index == len(self.heights):
            self.index, self.offset = index - 1, self._measured(index - 1, measure) - 1
