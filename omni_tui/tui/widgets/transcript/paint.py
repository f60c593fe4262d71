"""From a line to a strip: air, bar, body, ground, and the marks of a selection."""

from __future__ import annotations

import msgspec
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from omni_tui.tui.widgets.transcript.lines import Line
from omni_tui.tui.widgets.transcript.palette import Palette

MEASURE = 100
"""The widest prose, in cells."""
_ROOMY = 40


class Geometry(msgspec.Struct, frozen=True):
    """Where things stand in a width: `left` cells of air, the bar, a space, the body, `right`."""

    width: int
    left: int
    right: int

    @classmethod
    def of(cls, width: int) -> Geometry:
        """The geometry of a widget `width` cells wide; narrow ones have no air."""
        return cls(width, 2, 2) if width >= _ROOMY else cls(width, 0, 0)

    @property
    def body_x(self) -> int:
        """The column at which bodies begin."""
        return self.left + 2

    @property
    def body(self) -> int:
        """Cells for code and tables."""
        return max(1, self.width - self.body_x - self.right)

    @property
    def measure(self) -> int:
        """Cells for prose."""
        return min(MEASURE, self.body)


_BARS = {
    "user": ("▌", "user_dim"),
    "tool": ("┆", "faint"),
    "thought": ("┆", "faint"),
    "error": ("▌", "error"),
    "waits": ("▌", "warning"),
    "info": ("┆", "muted"),
    "live": ("◐", "accent"),
}
_QUIET = frozenset({"", "tool", "thought", "info"})


def bar_of(line: Line, cursor: Style | None, palette: Palette) -> Segment:
    """The bar left of a line; `cursor` is its style where the message cursor stands."""
    if line.bar == "none":
        return Segment(" ", palette.text)
    if cursor is not None and line.bar in _QUIET:
        return Segment("▎", cursor)
    if not line.bar:
        return Segment(" ", palette.text)
    glyph, name = _BARS[line.bar]
    style: Style = getattr(palette, name)
    return Segment(glyph, style if cursor is None or line.bar != "user" else cursor)


def compose(line: Line, geometry: Geometry, palette: Palette, cursor: Style | None) -> Strip:
    """The strip of `line`, as wide as the widget."""
    base = palette.text
    body = line.segments
    if cursor is not None and line.header and body:
        body = [Segment(body[0].text, body[0].style and body[0].style + cursor), *body[1:]]
        if len(body) > 1 and body[-1].text.startswith("‹"):
            body[-1] = Segment(body[-1].text, cursor)
    bar = bar_of(line, cursor, palette)
    # The air has a style of its own: pictures of the screen keep text apart from it by that.
    air = Style(bgcolor=base.bgcolor)
    segments = [Segment(" " * geometry.left, air), bar, Segment(" ", air), *body]
    used = geometry.body_x + line.cells
    edge = geometry.body_x + geometry.measure
    if line.fill is not None and used < edge:
        segments.append(Segment(" " * (edge - used), line.fill))
        used = edge
    if used < geometry.width:
        segments.append(Segment(" " * (geometry.width - used), base))
    strip = Strip(_joined(segments, base), max(used, geometry.width))
    return strip if used <= geometry.width else strip.adjust_cell_length(geometry.width, base)


def _joined(segments: list[Segment], base: Style) -> list[Segment]:
    """`segments` where spaces belong to the segment before, if they look the same there."""
    runs: list[Segment] = []
    for segment in segments:
        text, style, _ = segment
        look = base if style is None else style if style.bgcolor else base + style
        if runs and text[:1] == " ":
            words = text.lstrip(" ")
            space, before = text[: len(text) - len(words)], runs[-1]
            if _same_space(before.style or base, look):
                runs[-1] = Segment(before.text + space, before.style)
            else:
                runs.append(Segment(space, look))
            text = words
        if text:
            runs.append(Segment(text, look))
    return runs


def _same_space(one: Style, other: Style) -> bool:
    """Whether a space looks the same in both styles."""
    return one.bgcolor == other.bgcolor and not (
        one.underline or one.strike or other.underline or other.strike
    )


def highlight(strip: Strip, start: int, end: int, style: Style) -> Strip:
    """`strip` with characters `start` to `end` in the style of a selection."""
    segments: list[Segment] = []
    at = 0
    for text, own, control in strip:
        low, high = max(0, start - at), min(len(text), end - at)
        at += len(text)
        if low >= high:
            segments.append(Segment(text, own, control))
            continue
        marked = own + style if own else style
        cuts = ((text[:low], own), (text[low:high], marked), (text[high:], own))
        segments.extend(Segment(part, look) for part, look in cuts if part)
    return Strip(segments, strip.cell_length)
