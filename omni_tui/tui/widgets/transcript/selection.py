"""Text selection across messages: coordinates that survive scrolling, and clean text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.geometry import Offset
from textual.selection import Selection

from omni_tui.tui.widgets.transcript.lines import Line

_LINE_BITS = 20
_LINE_MASK = (1 << _LINE_BITS) - 1
MAX_RENDERED = 200
"""Messages of one selection that are laid out to be copied; those between give their source."""


def row_of(index: int, line: int) -> int:
    """The y of a line for selections: it does not change when messages above grow."""
    return index << _LINE_BITS | min(line, _LINE_MASK)


def place_of(row: int) -> tuple[int, int]:
    """(message, line of it) of a y made by `row_of`."""
    return row >> _LINE_BITS, row & _LINE_MASK


def span_of(selection: Selection, row: int, line: Line, body_x: int) -> tuple[int, int] | None:
    """The selected characters of a line (bar and air counted), never those of its layout."""
    span = selection.get_span(row)
    if span is None:
        return None
    low, high = (
        body_x + line.start,
        body_x + len(line.text if line.end is None else line.text[: line.end]),
    )
    start = max(low, span[0])
    end = high if span[1] < 0 else min(high, span[1])
    return (start, end) if start < end else None


def extract(
    selection: Selection,
    count: int,
    lines_of: Callable[[int], Sequence[Line]],
    source_of: Callable[[int], str],
    body_x: int,
) -> str:
    """The text of a selection over `count` messages, wraps undone, without bars and layout."""
    if not count:
        return ""
    start = selection.start or Offset(0, 0)
    first = min(place_of(start.y)[0], count - 1)
    last = count - 1 if selection.end is None else min(place_of(selection.end.y)[0], count - 1)
    if last - first >= MAX_RENDERED:
        between = [source_of(index) for index in range(first + 1, last)]
    else:
        between = [_of_message(selection, i, lines_of(i), body_x) for i in range(first + 1, last)]
    texts = [_of_message(selection, first, lines_of(first), body_x), *between]
    if last > first:
        texts.append(_of_message(selection, last, lines_of(last), body_x))
    return "\n\n".join(text for text in texts if text)


def _of_message(selection: Selection, index: int, lines: Sequence[Line], body_x: int) -> str:
    pieces: list[str] = []
    for number, line in enumerate(lines):
        row = row_of(index, number)
        if selection.get_span(row) is None:
            continue
        span = span_of(selection, row, line, body_x)
        text = "" if span is None else line.text[span[0] - body_x : span[1] - body_x]
        if pieces:
            pieces.append(line.join)
        pieces.append(text if line.join != "\n" else text.rstrip())
    return "".join(pieces).strip("\n").rstrip()
