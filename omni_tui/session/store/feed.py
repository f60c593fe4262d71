"""What other programs did to a store that several share, told as it happens.

A store that can tell has `changes()` (see `ChangeFeed`): PostgreSQL's has.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import msgspec

MAX_WAITING = 1000
"""Changes that wait to be read, at most; beyond, one `resync` stands for all of them."""

What: TypeAlias = Literal["created", "tree", "state", "deleted", "lease", "resync"]
"""What became of a session: its tree or its record was written to, it was opened or closed
somewhere, or it came or went. `resync`: changes may have been missed, so read anew what matters."""


class StoreChange(msgspec.Struct, frozen=True):
    """Something another program committed."""

    what: What
    session_id: str | None = None
    """`None` for a `resync`, which is about all of them."""
    writer: str | None = None
    """The store that did it: a name of its own for as long as it is open; `None` for a `resync`."""


@runtime_checkable
class ChangeFeed(Protocol):
    """A store that tells of what others commit."""

    def changes(self) -> AbstractAsyncContextManager[AsyncIterator[StoreChange]]:
        """Every change committed by other stores while the block is entered, in their order.

        What this store did itself is left out. Of changes that are alike and wait to be read only
        the last is told. Where some may have been missed (the connection was lost, or `MAX_WAITING`
        of them were not read) comes a `resync`. The iterator ends when the store is closed.

        Raises `StoreUnavailableError` on entering if the store cannot be reached.
        """


class Inbox:
    """Changes that wait for one reader."""

    def __init__(self) -> None:
        self._waiting: dict[StoreChange, None] = {}
        self._came = asyncio.Event()
        self._closed = False

    def put(self, change: StoreChange) -> None:
        """Add a change, in place of one like it that waits already."""
        self._waiting.pop(change, None)
        if change.what == "resync" or len(self._waiting) >= MAX_WAITING:
            self._waiting = {StoreChange("resync"): None}
        else:
            self._waiting[change] = None
        self._came.set()

    def close(self) -> None:
        """End the iteration once everything is read."""
        self._closed = True
        self._came.set()

    def __aiter__(self) -> AsyncIterator[StoreChange]:
        return self

    async def __anext__(self) -> StoreChange:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._came.clear()
            await self._came.wait()
        change = next(iter(self._waiting))
        del self._waiting[change]
        return change
