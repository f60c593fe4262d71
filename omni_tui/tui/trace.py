"""What happened lately: the events of the session in view and the log, in a ring.

It is filled whether anyone looks or not, so that one can look back; an event costs about as much as
a line in a list. Pieces of one text are folded into one row: a reply does not push out the rest.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from omni_tui.agent.events import Event, ToolOutput
from omni_tui.core.stream import TextDelta, ThinkingDelta, ToolUseDelta

KEPT = 2000
"""Rows that are kept."""

KEPT_CHARS = 16_000_000
"""Characters and bytes in kept rows; what several share counts for each."""

FOLD_CHARS = 4000
"""Characters kept of a folded text; the whole text stands in the event that ends it."""

LOG_CHARS = 20_000
"""Characters kept of one line of the log with its traceback."""

FOLDED: Mapping[type, tuple[str, str, str]] = MappingProxyType(
    {
        TextDelta: ("index", "text", "text"),
        ThinkingDelta: ("index", "text", "thinking"),
        ToolUseDelta: ("index", "json", "arguments"),
        ToolOutput: ("tool_use_id", "text", "output"),
    }
)
"""The pieces of texts: the fields that name the text and hold the piece, and the kind of text."""


class LogLine(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="log"):
    """Something a module of the program wrote to its log."""

    level: str
    logger: str
    text: str


class Row:
    """An event, or pieces of one text as one."""

    __slots__ = ("chars", "count", "event", "last", "number", "pieces", "told", "weight")

    def __init__(self, number: int, event: Event) -> None:
        self.number = number
        """Counts rows, from 1."""
        self.event = event
        """The event, or the first of those folded."""
        self.last = event
        self.count = 1
        self.chars = 0
        """Length of a folded text."""
        self.pieces: list[str] = []
        """The beginning of a folded text."""
        self.told: tuple[int, str] | None = None
        """What the row says, for this count; kept by whoever shows it."""
        self.weight = 0

    @property
    def is_folded(self) -> bool:
        """Whether this is pieces of a text."""
        return bool(self.pieces)

    @property
    def text(self) -> str:
        """The beginning of a folded text."""
        return "".join(self.pieces)


class Trace:
    """The last rows, at most `kept`, and fewer when they hold more than `kept_chars` characters."""

    def __init__(self, *, kept: int = KEPT, kept_chars: int = KEPT_CHARS) -> None:
        self.rows: deque[Row] = deque()
        self.total = 0
        """Rows there ever were."""
        self.kept = kept
        self._kept_chars = kept_chars
        self._weight = 0
        self._folds: dict[tuple[str | None, str, Any], Row] = {}
        """The texts under way."""

    def add(self, event: Event) -> None:
        """Note an event."""
        payload: Any = event.payload
        fields = FOLDED.get(type(payload))
        if fields is None:
            if self._folds:
                self._end_folds(event.run_id)
            self._append(Row(self.total + 1, event), weigh(payload))
            return
        name, field, kind = fields
        key = (event.run_id, kind, getattr(payload, name))
        piece = getattr(payload, field)
        row = self._folds.get(key)
        if row is None:
            row = self._folds[key] = Row(self.total + 1, event)
            row.pieces.append(piece[:FOLD_CHARS])
            self._append(row, FOLD_CHARS)
        else:
            row.count += 1
            row.last = event
            if row.chars < FOLD_CHARS:
                row.pieces.append(piece[: FOLD_CHARS - row.chars])
        row.chars += len(piece)

    def _end_folds(self, run_id: str | None) -> None:
        """Whatever else a run does ends its texts, and keeps the order."""
        for key in [key for key in self._folds if key[0] == run_id]:
            del self._folds[key]

    def _append(self, row: Row, weight: int) -> None:
        self.total += 1
        row.weight = weight
        self._weight += weight
        self.rows.append(row)
        while len(self.rows) > self.kept or (
            self._weight > self._kept_chars and len(self.rows) > 1
        ):
            self._weight -= self.rows.popleft().weight


def weigh(value: Any) -> int:
    """About how many characters and bytes a value holds, however deep."""
    weight, waiting = 0, [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str | bytes):
            weight += len(each)
        elif isinstance(each, msgspec.Struct):
            weight += 64
            waiting += [getattr(each, name) for name in each.__struct_fields__]
        elif isinstance(each, tuple | list):
            waiting += each
        elif isinstance(each, dict):
            waiting += each.values()
        else:
            weight += 16
    return weight


def note_log(trace: Trace) -> Callable[[], None]:
    """Note what the package logs from now on; gives a function that ends it.

    Must be called from the event loop that fills the trace.
    """
    handler = _TraceLog(trace, asyncio.get_running_loop())
    logger = logging.getLogger("omni_tui")
    logger.addHandler(handler)

    def end() -> None:
        logger.removeHandler(handler)

    return end


class _TraceLog(logging.Handler):
    """Notes what modules log, from any thread, in the loop's own."""

    def __init__(self, trace: Trace, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._trace = trace
        self._loop = loop
        self._formatter = logging.Formatter("%(message)s")

    def emit(self, record: logging.LogRecord) -> None:
        text = self._formatter.format(record)
        line = LogLine(level=record.levelname, logger=record.name, text=text[:LOG_CHARS])
        event = Event(payload=line, seq=0, ts=record.created)
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._trace.add, event)

    def handleError(self, record: logging.LogRecord) -> None:
        """Say nothing: the default prints a traceback over the screen."""
