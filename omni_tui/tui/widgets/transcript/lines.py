"""A rendered line and what it knows about its source."""

from __future__ import annotations

import msgspec
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip


class Link(msgspec.Struct, eq=False):
    """Cells `start` to `end` (of the line's body) lead to `url`."""

    start: int
    end: int
    url: str


class Line(msgspec.Struct, eq=False):
    """One line of a message: what is painted and what may be selected.

    `bar` names what stands left of the body (see `paint`), `header` is the line with the name,
    `toggles` the part a click on the line folds or unfolds, `fill` the ground to the right edge.

    `start` and `end` bound the selectable characters of the body (`end` None: all of it), so that
    markers of layout are never copied. `join` is what stands between this line and the one
    before it in the source: a newline, or the space (or nothing) a wrap put there.
    """

    segments: list[Segment]
    cells: int
    bar: str = ""
    start: int = 0
    end: int | None = None
    join: str = "\n"
    links: tuple[Link, ...] = ()
    fill: Style | None = None
    header: bool = False
    toggles: int | None = None
    strip: Strip | None = None

    @property
    def text(self) -> str:
        """The body as it is painted."""
        return "".join(segment.text for segment in self.segments)

    @property
    def copy(self) -> str:
        """The selectable part of the body."""
        return self.text[self.start : self.end].rstrip()

    def same(self, other: Line) -> bool:
        """Whether both are painted alike."""
        return self is other or (
            self.cells == other.cells
            and self.bar == other.bar
            and self.fill == other.fill
            and self.segments == other.segments
        )


def blank(bar: str = "") -> Line:
    """An empty line."""
    return Line([], 0, bar=bar)
