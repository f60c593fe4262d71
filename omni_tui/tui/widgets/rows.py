"""Rows of lists and tables: they lay themselves out for the width they are given."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from rich.cells import cell_len
from textual.content import Content
from textual.css.styles import RulesMap
from textual.strip import Strip
from textual.style import Style
from textual.visual import RenderOptions, Visual
from textual.widgets import OptionList

from omni_tui.core.safe_text import safe_line

GAP = 3
"""Cells between two columns."""
NAME_ROOM = 28
"""Cells the name of a row keeps; columns that leave it less are not shown."""
WORDS_ROOM = 24
"""Cells beside a column that are still worth wrapping text into."""

MARKED = "bold underline $foreground"
"""The style of words that were looked for: told without colour, too."""


class RowList(OptionList):
    """A list whose cursor is one calm bar, the same with and without the focus."""

    DEFAULT_CSS = """
    RowList {
        height: auto; border: none; padding: 0; background: $panel;
        & > .option-list--option { padding: 0; }
        & > .option-list--option-hover { background: $foreground 5%; }
        & > .option-list--option-highlighted {
            color: $foreground; background: $primary 20%; text-style: none;
        }
        &:focus {
            border: none; background-tint: $foreground 0%;
            & > .option-list--option-highlighted {
                color: $foreground; background: $primary 20%; text-style: bold;
            }
        }
    }
    """


class _Lines(Visual):
    """Something drawn as whole lines that depend on the width."""

    @abstractmethod
    def lines(self, width: int) -> list[Content]:
        """The lines for this many cells."""

    def render_strips(
        self, width: int, height: int | None, style: Style, options: RenderOptions
    ) -> list[Strip]:
        """The lines as strips."""
        strips: list[Strip] = []
        for line in self.lines(width):
            strips += line.render_strips(width, 1, style, options)
        return strips if height is None else strips[:height]

    def get_optimal_width(self, rules: RulesMap, container_width: int) -> int:
        """All there is."""
        return container_width

    def get_height(self, rules: RulesMap, width: int) -> int:
        """How many lines there are."""
        return len(self.lines(width))


class Row(_Lines):
    """One line: a mark, a name that gives way, and facts in columns at the right.

    Args:
        name: The words one looks for; cut with an ellipsis.
        mark: At most one cell before the name.
        facts: One for each column, from the one that matters most; columns are dropped from the
            end where there is no room.
        widths: The width of each column, the same for all rows of a list: see `column_widths`.
    """

    def __init__(
        self,
        name: Content,
        *,
        mark: Content | None = None,
        facts: Sequence[str] = (),
        widths: Sequence[int] = (),
    ) -> None:
        self._name = name
        self._mark = mark or Content("")
        self._columns = [*zip(facts, widths, strict=True)]

    def lines(self, width: int) -> list[Content]:
        """The one line."""
        columns = [(fact, wide) for fact, wide in self._columns if wide]
        while columns and width - 2 - sum(wide + GAP for _, wide in columns) < NAME_ROOM:
            columns.pop()
        room = max(1, width - 2 - sum(wide + GAP for _, wide in columns))
        line = self._mark.truncate(1, pad=True) + " "
        line += self._name.truncate(room, ellipsis=True, pad=True)
        for fact, wide in columns:
            cell = Content.styled(safe_line(fact), "$omni-muted")
            line += cell.pad_left(max(0, GAP + wide - cell.cell_length))
        return [line.truncate(width)]


def column_widths(rows: Sequence[Sequence[str]]) -> tuple[int, ...]:
    """The cells each column of these facts needs."""
    return tuple(max(cell_len(safe_line(fact)) for fact in column) for column in zip(*rows))  # noqa: B905


class Hanging(_Lines):
    """Text behind a first column, each of its lines indented alike.

    Where the text would be left too little room it stands under the column instead.
    """

    def __init__(self, first: Content, text: Content, column: int) -> None:
        self._first = first
        self._text = text
        self._column = column

    def lines(self, width: int) -> list[Content]:
        """The first column with the text beside it, or over it."""
        if width - self._column < WORDS_ROOM and self._column > 4:
            indent = min(4, max(0, width - 1))
            return [*self._first.wrap(width), *self._wrapped(width, indent)]
        if self._first.cell_length >= self._column:
            return [*self._first.wrap(width), *self._wrapped(width, self._column)]
        beside = self._wrapped(width, self._column)
        first = self._first.truncate(self._column, pad=True)
        return [first + beside[0][self._column :], *beside[1:]]

    def _wrapped(self, width: int, indent: int) -> list[Content]:
        lines = self._text.wrap(max(1, width - indent)) or [Content("")]
        return [line.pad_left(indent) for line in lines]


class Excerpt(_Lines):
    """One line of text in which some words are marked; the first of them is always in sight.

    Args:
        text: Safe, and one line.
        marks: Where the words are: (start, end) in characters.
        indent: Cells before it.
    """

    def __init__(self, text: str, marks: Sequence[tuple[int, int]], *, indent: int = 0) -> None:
        self._text = text
        self._marks = marks
        self._indent = indent

    def lines(self, width: int) -> list[Content]:
        """The one line, cut at both ends if need be."""
        room = max(1, width - self._indent)
        text = Content.styled(self._text, "$omni-muted")
        for start, end in self._marks:
            text = text.stylize(MARKED, start, end)
        start = self._start(room)
        if start:
            text = Content.styled("…", "$omni-muted") + text[start:]
        return [text.truncate(room, ellipsis=True).pad_left(self._indent)]

    def _start(self, room: int) -> int:
        """The first character to show."""
        if not self._marks or cell_len(self._text[: self._marks[0][1]]) < room - 1:
            return 0
        mark, end = self._marks[0]
        first = mark
        while first > 0:
            longer = self._text[first - 1 :]
            is_near = cell_len(longer[: mark - first + 1]) <= room // 4
            if not is_near and cell_len(longer) >= room:
                break
            if cell_len(longer[: end - first + 1]) > room - 2:
                break
            first -= 1
        space = self._text.find(" ", first, mark)
        return first if first == 0 or space < 0 else space + 1


class Sheet(_Lines):
    """Rows one under another."""

    def __init__(self, rows: Sequence[Row | Hanging | Excerpt | Content]) -> None:
        self._rows = rows

    def lines(self, width: int) -> list[Content]:
        """The lines of every row."""
        out: list[Content] = []
        for row in self._rows:
            out += row.wrap(width) if isinstance(row, Content) else row.lines(width)
        return out
