"""The lines of two branches beside each other, or of one under the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from types import MappingProxyType
from typing import Literal, TypeAlias

import msgspec
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from omni_tui.tui.comparison import SIDES, Face, Item, Prose, SideName
from omni_tui.tui.ink import ink
from omni_tui.tui.widgets.bars import clip
from omni_tui.tui.widgets.transcript.wrap import Span, wrap

GUTTER = 4
"""Cells before the words: air, the sign of a line that differs, the bar of who says it, air."""
MEASURE = 100
"""The widest text, in cells."""
INK: Mapping[str, str] = MappingProxyType(
    {
        "plain": "$foreground",
        "bright": "$primary bold",
        "muted": "$omni-muted",
        "faint": "$omni-faint",
        "prompt": "$omni-user-bar",
        "tool": "$omni-tool-bar",
        "left": "$omni-removed",
        "right": "$omni-added",
        "marked-left": "$omni-removed underline",
        "marked-right": "$omni-added underline",
        "failed": "$error",
    }
)
Bar: TypeAlias = Literal["air", "prompt", "tool"]
"""What stands left of the words: a key of `INK`."""

_BARS: Mapping[Bar, str] = MappingProxyType({"air": " ", "prompt": "▌", "tool": "┆"})
SIGNS: Mapping[SideName, str] = MappingProxyType({"left": "-", "right": "+"})
_NOTES = MappingProxyType({"file": "▪ ", "failed": "✗ ", "stopped": "⊘ "})

Inks = Mapping[str, Style]


def inks_of(variables: Mapping[str, str], base: Style) -> Inks:
    """The styles of a comparison in the colours of the theme; `air` is that of empty cells."""
    inks = {kind: base + ink(rule, variables, ground=False) for kind, rule in INK.items()}
    return {**inks, "air": Style(bgcolor=base.bgcolor)}


class Line(msgspec.Struct, frozen=True):
    """One line of one side."""

    segments: Sequence[Segment] = ()
    bar: Bar = "air"
    differs: bool = False


class Drawing(msgspec.Struct, frozen=True):
    """How wide a side is, and the styles it is drawn in."""

    width: int
    inks: Inks
    unified: bool
    """One column, the left words before the right ones."""

    def rows(self, face: Face, *, apart: bool) -> list[Strip]:
        """The lines of a pair; `apart` begins with an empty one."""
        rows = [self._across(Line(), Line())] if apart else []
        for group in face.groups():
            differs = group[0] != group[1] and (self.unified or not _has_marks(group))
            left, right = (
                [line for item in items for line in self._item(face, side, item, differs)]
                for side, items in zip(SIDES, group, strict=True)
            )
            if not self.unified:
                rows += [self._across(*pair) for pair in zip_longest(left, right, fillvalue=Line())]
                continue
            if group[0] == group[1]:
                right = []
            rows += [self._strip(line, "left") for line in left]
            rows += [self._strip(line, "right") for line in right]
        return rows or [self._across(Line(), Line())]

    @property
    def room(self) -> int:
        """Cells for words."""
        return max(1, min(MEASURE, self.width - GUTTER - 1))

    def _item(self, face: Face, side: SideName, item: Item, differs: bool) -> list[Line]:
        plain = self.inks["muted" if face.is_equal else "plain"]
        if isinstance(item, Prose):
            return self._prose(item, side, plain, differs)
        differs = self.unified if item.kind == "end" else face.is_new(item, side)
        if item.kind == "tool":
            name = f"{clip(item.name, self.room - 2)}  "
            text = clip(item.text, self.room - cell_len(name))
            return [
                Line([Segment(name, plain), Segment(text, self.inks["muted"])], "tool", differs)
            ]
        kind = "failed" if item.kind == "failed" else "muted"
        text = clip(_NOTES.get(item.kind, "") + item.text, self.room)
        return [Line([Segment(text, self.inks[kind])], differs=differs)]

    def _prose(self, prose: Prose, side: SideName, plain: Style, differs: bool) -> list[Line]:
        marked = self.inks[f"marked-{side}"]
        spans = [Span(text, marked if changed else plain) for text, changed in prose.words]
        return [
            Line(
                [part for segment in row.segments for part in self._aired(segment)],
                "prompt" if prose.is_prompt else "air",
                bool(row.segments)
                and (differs or any(part.style == marked for part in row.segments)),
            )
            for row in wrap(spans, self.room)
        ]

    def _aired(self, segment: Segment) -> Iterator[Segment]:
        """The spaces a passage begins with as air: no line is drawn under them."""
        words = segment.text.lstrip(" ")
        if len(words) < len(segment.text):
            yield Segment(" " * (len(segment.text) - len(words)), self.inks["air"])
        if words:
            yield Segment(words, segment.style)

    def _across(self, left: Line, right: Line) -> Strip:
        return self.beside(self._strip(left, "left"), self._strip(right, "right"))

    def beside(self, left: Strip, right: Strip) -> Strip:
        """Both sides with the rule between them; in one column the left one."""
        rule = Strip([Segment("│", self.inks["faint"])], 1)
        return left if self.unified else Strip.join([left, rule, right])

    def _strip(self, line: Line, side: SideName) -> Strip:
        air = Segment(" ", self.inks["air"])
        sign = Segment(SIGNS[side], self.inks[side]) if line.differs else air
        bar = Segment(_BARS[line.bar], self.inks[line.bar])
        strip = Strip([air, sign, bar, air, *line.segments])
        return strip.adjust_cell_length(self.width, self.inks["air"])


def _has_marks(group: Iterable[Iterable[Item]]) -> bool:
    prose = (item for items in group for item in items if isinstance(item, Prose))
    return any(marked for each in prose for _, marked in each.words)
