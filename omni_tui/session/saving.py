"""Writes a session's changes to its store: in order, off the loop, and until it works."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from omni_tui.core.errors import (
    AlreadyExistsError,
    NotFoundError,
    StoreError,
    StoreUnavailableError,
)
from omni_tui.session.events import Saved, SaveFailed, SessionEvent
from omni_tui.session.store.base import SessionRecord, State, Store
from omni_tui.session.tree import Changes, Tree

RETRY_AFTER = 2.0
"""Seconds until a refused write is tried again, if nothing else asks for one before."""


class Saver:
    """One writer per session.

    Changes that come while a write is under way go out together in the next one. A write that fails
    is reported and tried again; what it held stays in memory until then.
    """

    def __init__(
        self,
        store: Store,
        tree: Tree,
        record: SessionRecord,
        publish: Callable[[SessionEvent], None],
        *,
        stored: bool,
    ) -> None:
        self.error: StoreError | None = None
        """Why the latest changes are not durable yet."""
        self._store = store
        self._tree = tree
        self._record = record
        self._publish = publish
        self._stored = self._leased = stored
        self._anew = False
        """Whether all of it must be written, for the store has lost it."""
        self._state: dict[str, Any] = {}
        self._dirty = False
        self._owes_saved = False
        self._waiters: list[asyncio.Future[None]] = []
        self._task: asyncio.Task[None] | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def is_stored(self) -> bool:
        """Whether the session has a row yet; it gets one with its first message."""
        return self._stored

    def tree_changed(self) -> asyncio.Future[None]:
        """Write the tree's changes; the future is done once they are durable, or refused."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(future)
        self._wake()
        return future

    def record_changed(self, record: SessionRecord, changes: dict[str, Any]) -> None:
        """Write these fields of the record; before the first message they wait for it."""
        self._record = record
        self._state.update(changes)
        if self._stored:
            self._wake()

    async def flush(self) -> None:
        """Wait until everything is durable, or refused once more (see `error`)."""
        if self.error is not None:
            self._wake()
        while self._task is not None:
            await asyncio.wait([self._task])

    async def close(self) -> None:
        """Write what is due and stop trying."""
        self._closed = True
        await self.flush()
        self._stop_waiting()

    def _wake(self) -> None:
        self._dirty = True
        self._stop_waiting()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._write_all(), name="save")

    def _stop_waiting(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    async def _write_all(self) -> None:
        try:
            while self._dirty:
                self._dirty = False
                waiters, self._waiters = self._waiters, []
                self._owes_saved = self._owes_saved or bool(waiters)
                try:
                    await self._write()
                except Exception as error:
                    self.error = _typed(error)
                    self._publish(SaveFailed(error=self.error))
                else:
                    self.error = None
                    self._say_saved()
                finally:
                    for waiter in waiters:
                        if not waiter.done():
                            waiter.set_result(None)
        finally:
            self._task = None
        if self.error is not None and not self._closed:
            self._retry = asyncio.get_running_loop().call_later(RETRY_AFTER, self._wake)

    def _say_saved(self) -> None:
        # Not while the tree has changed again meanwhile: all that was told of must be durable.
        if self._owes_saved and self._stored and not self._waiters:
            self._owes_saved = False
            self._publish(Saved())

    async def _write(self) -> None:
        """Write once; nothing is lost when it raises."""
        try:
            await self._write_due()
        except NotFoundError:
            if not self._stored:
                raise  # it is the session above that is not stored
            # What was stored is gone: the file was removed, or an older copy took its place.
            self._stored = self._leased = False
            self._anew = True
            await self._write_due()

    async def _write_due(self) -> None:
        if not self._stored:
            if not len(self._tree):
                return
            self._state = {}  # the record holds all that came till now, not what comes meanwhile
            try:
                await self._store.create(self._record)
            except AlreadyExistsError:
                if not self._anew:
                    raise
                self._state = {name: getattr(self._record, name) for name in State.__annotations__}
            self._stored = True
        if not self._leased:
            await self._store.lease(self._record.id)
            self._leased = True
        state, self._state = self._state, {}
        changes = self._tree.take_changes()
        try:
            due = _whole(self._tree) if self._anew else changes
            # In this order: what became a node is forgotten as a partial only after.
            if due:
                await self._store.save_tree(self._record.id, due)
            if state:
                await self._store.save_state(self._record.id, **state)
        except Exception:
            self._state = {**state, **self._state}
            self._tree.put_back(changes)
            raise
        self._anew = False


def _whole(tree: Tree) -> Changes:
    """All of a tree, for a store that has none or only some of it."""
    return Changes(nodes=tuple(tree.nodes.values()), cursors=dict(tree.cursors), head=tree.head)


def _typed(error: Exception) -> StoreError:
    if isinstance(error, StoreError):
        return error
    return StoreUnavailableError(f"The store failed: {type(error).__name__}: {error}")
