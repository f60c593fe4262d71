"""The lines of the parts of a message: prose, thoughts, tool rows, notices."""

from __future__ import annotations

import re

from msgspec import structs
from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

from omni_tui.core.safe_text import safe, safe_line
from omni_tui.tui.widgets.transcript.lines import Line, blank
from omni_tui.tui.widgets.transcript.markdown import Renderer, chop
from omni_tui.tui.widgets.transcript.model import (
    Entry,
    Folded,
    Notice,
    Part,
    Prose,
    Thought,
    ToolRow,
)
from omni_tui.tui.widgets.transcript.palette import Palette
from omni_tui.tui.widgets.transcript.wrap import Span, wrap

MAX_OUTPUT_LINES = 400
MAX_OUTPUT_CHARS = 65_536

_COLOURS = re.compile(r"\x1b\[[0-9;:]*m")
_MARKS = {
    "writing": ("…", "muted"),
    "running": ("◐", "accent"),
    "asks": ("?", "warning"),
    "done": ("✓", "success"),
    "failed": ("✗", "error"),
    "rejected": ("⊘", "warning"),
    "cancelled": ("⊘", "muted"),
    "interrupted": ("⊘", "muted"),
}


def foldable(part: Part) -> bool:
    """Whether there is anything to unfold."""
    match part:
        case Thought() | Folded():
            return bool(part.text.strip())
        case ToolRow():
            return bool(part.output.strip() or part.diff)
    return False


def folded_by_default(part: Part) -> bool:
    """Whether nobody has to ask for the inside of `part` to be hidden: a diff is shown."""
    return not (isinstance(part, ToolRow) and part.diff)


def part_lines(part: Part, index: int, unfolded: bool, renderer: Renderer, role: str) -> list[Line]:
    """The lines of one part; `index` is its place in the message."""
    match part:
        case Prose():
            lines = renderer.text(part.text, breaks=role == "user")
            if role == "user":
                for line in lines:
                    line.bar = "user"
            return lines
        case Thought():
            lines = [
                thought_line(len(part.text.split()), part.done, index, unfolded, renderer.palette)
            ]
            if unfolded:
                lines.extend(as_thought(thinking(renderer).text(part.text)))
            return lines
        case ToolRow():
            return _tool(part, index, unfolded and foldable(part), renderer)
        case Folded():
            lines = [_folded(part, index, unfolded, renderer)]
            if unfolded:
                lines.extend(as_thought(thinking(renderer).text(part.text)))
            return lines
        case Notice():
            return _notice(part, renderer)


def header(entry: Entry, renderer: Renderer) -> Line | None:
    """Who speaks, what it took, and where among its siblings; nothing for a nameless message."""
    palette, width = renderer.palette, renderer.measure
    name, meta = safe_line(entry.name, 60), safe_line(entry.meta)
    position = f"‹ {entry.position[0]}/{entry.position[1]} ›" if entry.position else ""
    if not (name or meta or position):
        return None
    style = palette.user if entry.role == "user" else palette.name
    name = crop(name, width)
    room = width - cell_len(name) - (cell_len(position) + 1 if position else 0)
    segments = [Segment(name, style)] if name else []
    if meta and room > 6:
        segments.append(Segment(crop(f" · {meta}" if name else meta, room), palette.muted))
    cells = sum(cell_len(segment.text) for segment in segments)
    if position and cells + 1 + cell_len(position) <= width:
        pad = width - cells - cell_len(position)
        segments += [Segment(" " * pad, palette.text), Segment(position, palette.muted)]
        cells = width
    end = len(name) if name else 0
    bar = "user" if entry.role == "user" else "live" if entry.live else ""
    return Line(segments, cells, bar=bar, end=end, header=True)


def crop(text: str, cells: int) -> str:
    """`text` in at most `cells` cells, with an ellipsis where something is missing."""
    if cell_len(text) <= cells:
        return text
    return set_cell_size(text, cells - 1).rstrip() + "…" if cells > 1 else "…"[: max(0, cells)]


# -- thoughts ----------------------------------------------------------------


def thinking(renderer: Renderer) -> Renderer:
    """A renderer for thoughts: quieter and a little narrower."""
    palette = structs.replace(renderer.palette, text=renderer.palette.thought)
    return Renderer(palette, renderer.measure - 2, renderer.width - 2, renderer.painter)


def as_thought(lines: list[Line]) -> list[Line]:
    """Indent the lines of a thought under its own line."""
    return [indented(line, "thought") for line in lines]


def indented(line: Line, bar: str) -> Line:
    """`line` two cells to the right, in place."""
    line.segments.insert(0, Segment("  "))
    line.cells += 2
    line.start += 2
    if line.end is not None:
        line.end += 2
    for link in line.links:
        link.start += 2
        link.end += 2
    line.bar = bar
    return line


def thought_line(words: int, done: bool, index: int, unfolded: bool, palette: Palette) -> Line:
    """The one line of a folded thought."""
    mark = "▾" if unfolded else "▸" if done else "◐"
    text = f"{'thought' if done else 'thinking'} · {words:,} word{'' if words == 1 else 's'}"
    style = palette.accent if mark == "◐" else palette.muted
    segments = [Segment(mark, style), Segment(f" {text}", palette.muted)]
    return Line(segments, len(text) + 2, bar="thought", start=2, toggles=index)


# -- what stands beside the talk ---------------------------------------------


def _folded(part: Folded, index: int, unfolded: bool, renderer: Renderer) -> Line:
    palette, width = renderer.palette, renderer.measure
    title, detail = safe_line(part.title), safe_line(part.detail)
    room = width - 4 - cell_len(detail)
    if room < cell_len(title):
        detail, room = "", width - 2
    title = crop(title, max(1, room))
    segments = [
        Segment("▾ " if unfolded else "▸ ", palette.muted),
        Segment(title, palette.muted),
    ]
    cells = 2 + cell_len(title)
    if detail:
        segments.append(Segment(" " * (width - cells - cell_len(detail)), palette.text))
        segments.append(Segment(detail, palette.muted))
        cells = width
    return Line(segments, cells, bar="thought", start=2, end=2 + len(title), toggles=index)


# -- tools -------------------------------------------------------------------


def _tool(row: ToolRow, index: int, unfolded: bool, renderer: Renderer) -> list[Line]:
    lines = _tool_head(row, index, unfolded, renderer)
    if unfolded:
        if row.diff:
            lines.extend(_diff(row.diff, renderer))
        if row.output and (not row.diff or row.status == "failed"):
            lines.extend(_output(row.output, renderer))
    for line in lines:
        line.bar = "tool"
    return lines


def _tool_head(row: ToolRow, index: int, unfolded: bool, renderer: Renderer) -> list[Line]:
    palette, width = renderer.palette, renderer.measure
    mark, meaning = _MARKS[row.status]
    fold = "▾" if unfolded else "▸" if foldable(row) else " "
    loud = row.status in ("asks", "failed")
    state: Style = getattr(palette, meaning)
    segments = [Segment(f"{fold} ", palette.muted), Segment(f"{mark} ", state)]
    name, detail = crop(safe_line(row.name, 60), max(1, width - 4)), safe_line(row.detail)
    title = safe_line(row.title, 400)
    used = 4 + cell_len(name)
    segments.append(Segment(name, palette.name))
    below = bool(detail) and width - used - cell_len(detail) - 4 < min(12, cell_len(title))
    room = width - used - 2 - (cell_len(detail) + 2 if detail and not below else 0)
    if title and room > 2:
        title = crop(title, room)
        segments.append(Segment(f"  {title}", palette.text))
        used += 2 + cell_len(title)
    end = sum(len(segment.text) for segment in segments)
    lines = [Line(segments, used, start=4, end=end, toggles=index)]
    if detail and not below:
        segments.append(Segment(" " * (width - used - cell_len(detail)), palette.text))
        segments.append(Segment(detail, state if loud else palette.muted))
        lines[0].cells = width
    elif detail:
        detail = crop(detail, max(1, width - 4))
        text = Segment(f"    {detail}", state if loud else palette.muted)
        lines.append(Line([text], text.cell_length, start=4, toggles=index))
    return lines


def _clipped(text: str) -> tuple[list[str], str]:
    """The lines that are laid out, and words for the rest."""
    shown = safe(_COLOURS.sub("", text[:MAX_OUTPUT_CHARS])).expandtabs(4).rstrip("\n").split("\n")
    rest = len(text) - MAX_OUTPUT_CHARS
    if len(shown) > MAX_OUTPUT_LINES:
        more = (
            len(shown) - MAX_OUTPUT_LINES + (text.count("\n", MAX_OUTPUT_CHARS) if rest > 0 else 0)
        )
        return shown[:MAX_OUTPUT_LINES], f"… {more:,} more lines"
    return shown, f"… {rest:,} more characters" if rest > 0 else ""


def _output(text: str, renderer: Renderer) -> list[Line]:
    palette = renderer.palette
    shown, more = _clipped(text)
    lines = []
    for row in shown:
        lines.extend(_raw(row, palette.muted, renderer))
    return lines + _more(more, palette)


def _diff(text: str, renderer: Renderer) -> list[Line]:
    palette = renderer.palette
    shown, more = _clipped(text)
    lines = []
    for row in shown:
        style, fill = palette.muted, None
        if row.startswith("+") and not row.startswith("+++"):
            style = fill = palette.added
        elif row.startswith("-") and not row.startswith("---"):
            style = fill = palette.removed
        lines.extend(_raw(row, style, renderer, fill))
    return lines + _more(more, palette)


def _raw(row: str, style: Style, renderer: Renderer, fill: Style | None = None) -> list[Line]:
    """Text that keeps its spaces, four cells in."""
    lead = Segment("    ", renderer.palette.text)
    lines = []
    for chunk, cells, join in chop(
        [Segment(row, style)] if row else [], max(1, renderer.width - 4)
    ):
        lines.append(Line([lead, *chunk], cells + 4, start=4, join=join, fill=fill))
    return lines


def _more(text: str, palette: Palette) -> list[Line]:
    if not text:
        return []
    segment = Segment(f"    {text}", palette.faint)
    return [Line([segment], segment.cell_length, start=len(segment.text))]


# -- notices -----------------------------------------------------------------


def _notice(notice: Notice, renderer: Renderer) -> list[Line]:
    palette = renderer.palette
    style = {"error": palette.text, "waits": palette.warning, "info": palette.muted}[notice.kind]
    spans = [Span(safe(notice.text[:MAX_OUTPUT_CHARS]).expandtabs(4), style)]
    rows = wrap(spans, renderer.measure)
    if notice.hint:
        rows += wrap([Span(safe(notice.hint).expandtabs(4), palette.muted)], renderer.measure)
    lines = [Line(row.segments, row.cells, join=row.join) for row in rows] or [blank()]
    for line in lines:
        line.bar = notice.kind
    return lines
