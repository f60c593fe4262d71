"""A listener's queue: bounded, and never a reason to lose what matters."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

import msgspec

from omni_tui.agent.events import Event, ToolOutput
from omni_tui.core.stream import TextDelta, ThinkingDelta, ToolUseDelta

LIMIT = 1000
MERGED_CHARS = 4096


class Subscription:
    """Events for one listener: iterate it, or take all that is there with `batch()`.

    Past `limit` waiting events, adjacent pieces of one text (a block's deltas, a tool's output) are
    merged, to about 4,096 characters, so that merging stays linear: the words stay whole, and other
    events are never dropped.
    """

    def __init__(
        self, *, limit: int = LIMIT, on_close: Callable[[Subscription], None] | None = None
    ) -> None:
        self._events: deque[Event] = deque()
        self._ready = asyncio.Event()
        self._limit = limit
        self._on_close = on_close
        self._closed = False

    def put(self, event: Event) -> None:
        """Hand in an event; called by the agent."""
        if self._closed:
            return
        if len(self._events) >= self._limit and (merged := _merge(self._events[-1], event)):
            self._events[-1] = merged
        else:
            self._events.append(event)
        self._ready.set()

    async def batch(self) -> list[Event]:
        """All waiting events, at least one; an empty list once closed and drained."""
        await self._wait()
        events = list(self._events)
        self._events.clear()
        return events

    async def __aiter__(self) -> AsyncIterator[Event]:
        # One by one: whoever leaves the loop and comes back later finds the rest.
        while await self._wait():
            yield self._events.popleft()

    async def _wait(self) -> bool:
        while not self._events and not self._closed:
            self._ready.clear()
            await self._ready.wait()
        return bool(self._events)

    def close(self) -> None:
        """Stop listening; what waits can still be read."""
        if not self._closed:
            self._closed = True
            self._ready.set()
            if self._on_close:
                self._on_close(self)


def _merge(last: Event, event: Event) -> Event | None:
    if last.run_id != event.run_id:
        return None
    payload: TextDelta | ThinkingDelta | ToolUseDelta | ToolOutput
    match last.payload, event.payload:
        case (TextDelta() | ThinkingDelta() as old, TextDelta() | ThinkingDelta() as new):
            if type(old) is not type(new) or old.index != new.index or _is_long(old.text):
                return None
            payload = msgspec.structs.replace(old, text=old.text + new.text)
        case (ToolUseDelta() as old, ToolUseDelta() as new):
            if old.index != new.index or _is_long(old.json):
                return None
            payload = msgspec.structs.replace(old, json=old.json + new.json)
        case (ToolOutput() as old, ToolOutput() as new):
            if old.tool_use_id != new.tool_use_id or _is_long(old.text):
                return None
            payload = msgspec.structs.replace(old, text=old.text + new.text)
        case _:
            return None
    return msgspec.structs.replace(last, payload=payload)


def _is_long(text: str) -> bool:
    return len(text) >= MERGED_CHARS
