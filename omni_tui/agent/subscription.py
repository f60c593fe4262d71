"""A listener's queue: bounded, and never a reason to lose what matters."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

import msgspec

from omni_tui.agent.events import Event
from omni_tui.core.stream import TextDelta, ThinkingDelta

LIMIT = 1000
MERGED_CHARS = 4096


class Subscription:
    """Events for one listener: iterate it, or take all that is there with `batch()`.

    Past `limit` waiting events, adjacent text deltas are merged (to about 4,096 characters, so that
    merging stays linear): the words stay whole, and other events are never dropped.
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
        await self._ready.wait()
        events = list(self._events)
        self._events.clear()
        if not self._closed:
            self._ready.clear()
        return events

    async def __aiter__(self) -> AsyncIterator[Event]:
        while events := await self.batch():
            for event in events:
                yield event

    def close(self) -> None:
        """Stop listening; what waits can still be read."""
        if not self._closed:
            self._closed = True
            self._ready.set()
            if self._on_close:
                self._on_close(self)


def _merge(last: Event, event: Event) -> Event | None:
    old, new = last.payload, event.payload
    if (
        isinstance(new, TextDelta | ThinkingDelta)
        and type(old) is type(new)
        and old.index == new.index
        and len(old.text) < MERGED_CHARS
        and last.run_id == event.run_id
    ):
        payload = msgspec.structs.replace(old, text=old.text + new.text)
        return msgspec.structs.replace(last, payload=payload)
    return None
