"""The lines of a whole message, part by part, so that a change costs one part."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from omni_tui.tui.widgets.transcript.lines import Line, blank
from omni_tui.tui.widgets.transcript.live import Growing
from omni_tui.tui.widgets.transcript.markdown import Renderer
from omni_tui.tui.widgets.transcript.model import Entry, Part, Thought, ToolRow
from omni_tui.tui.widgets.transcript.parts import header, part_lines

Unfolded = Callable[[int, Part], bool]


class PartLayout(msgspec.Struct, frozen=True):
    """A part and its lines."""

    part: Part
    unfolded: bool
    lines: list[Line]


class EntryLayout(msgspec.Struct, frozen=True):
    """A message, its lines, and those of its parts for the next time."""

    entry: Entry
    parts: tuple[PartLayout, ...]
    lines: list[Line]


def lay_out(
    entry: Entry,
    unfolded: Unfolded,
    renderer: Renderer,
    before: EntryLayout | None = None,
    live: Mapping[int, Growing] | None = None,
) -> EntryLayout:
    """The lines of `entry`; parts that are as they were in `before` are not rendered again.

    `unfolded(index, part)` tells whether the inside of a part is shown; `live` parts take the
    place of those of the entry.
    """
    live = live or {}
    old = before.parts if before is not None and before.entry.role == entry.role else ()
    parts: list[PartLayout] = []
    for index in range(max(len(entry.parts), max(live, default=-1) + 1)):
        growing = live.get(index)
        if growing is not None:
            part: Part = growing.part()
            shown = unfolded(index, part)
            parts.append(PartLayout(part, shown, growing.lines(shown, renderer)))
        elif index < len(entry.parts):
            part = entry.parts[index]
            shown = unfolded(index, part)
            known = old[index] if index < len(old) else None
            if known is None or known.unfolded != shown or known.part != part:
                known = PartLayout(
                    part, shown, part_lines(part, index, shown, renderer, entry.role)
                )
            parts.append(known)
    return EntryLayout(entry, tuple(parts), _assemble(entry, parts, renderer))


def _assemble(entry: Entry, parts: list[PartLayout], renderer: Renderer) -> list[Line]:
    lines = [blank("none")]
    head = header(entry, renderer)
    if head is not None:
        lines.append(head)
    row = False
    for layout in parts:
        if not layout.lines:
            continue
        is_row = isinstance(layout.part, ToolRow | Thought)
        if len(lines) > 1 + (head is not None) and not (row and is_row):
            lines.append(blank("user" if entry.role == "user" else ""))
        lines.extend(layout.lines)
        row = is_row
    return lines
