"""Sessions in a folder of text files, to be read, searched and kept in git with everyday tools.

Each session has a folder with `session.json`, which is replaced, and `nodes.jsonl`, which only
grows: one line a message, in the order things happened. Nothing is ever taken out of it; what was
removed can be read there until the session is deleted. Several processes may share the folder, on
a file system that knows `flock`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar, Unpack

import msgspec

from omni_tui.core.errors import StoreUnavailableError
from omni_tui.session.store.base import (
    Entered,
    Page,
    SessionRecord,
    SessionSummary,
    State,
    StoredSession,
    checked_state,
    pick,
)
from omni_tui.session.store.hits import Hit
from omni_tui.session.store.jsonl_sessions import Sessions
from omni_tui.session.tree import Changes

_T = TypeVar("_T")


class JSONLStore(Entered):
    """A `Store` in a folder, created when it is missing (0700, its files 0600).

    One thread writes and one reads. A search reads all there is: use `SQLiteStore` for more than
    some thousand sessions. An id that makes too long a name for a folder is refused by `create`
    with `StoreError`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._writer = _Thread("store-writer", self.path, opens=True)
        self._reader = _Thread("store-reader", self.path)

    async def open(self) -> None:
        """Make the folder now rather than at the first use."""
        await self._writer.run(lambda _: None)

    async def create(self, record: SessionRecord) -> None:
        await self._writer.run(lambda sessions: sessions.create(record))

    async def save_tree(self, id: str, changes: Changes) -> None:
        await self._writer.run(lambda sessions: sessions.save_tree(id, changes))

    async def save_state(self, id: str, **changes: Unpack[State]) -> None:
        values = checked_state(changes)
        await self._writer.run(lambda sessions: sessions.save_state(id, values))

    async def load(self, id: str, *, window: int | None = None) -> StoredSession:
        return await self._reader.run(lambda sessions: sessions.load(id))

    async def list(self, limit: int = 50, before: SessionSummary | None = None) -> Page:
        return await self._reader.run(lambda sessions: sessions.list(limit, before))

    async def search(
        self, query: str, *, limit: int = 20, offset: int = 0, session_id: str | None = None
    ) -> tuple[Hit, ...]:
        return await self._reader.run(
            lambda sessions: sessions.search(query, limit, offset, session_id)
        )

    async def child(self, id: str, node: int, use: str) -> str | None:
        return await self._reader.run(lambda sessions: sessions.child(id, node, use))

    async def delete(self, id: str) -> None:
        await self._writer.run(lambda sessions: sessions.delete(id))

    async def exists(self, id: str) -> bool:
        return await self._reader.run(lambda sessions: sessions.exists(id))

    async def find(self, wanted: str) -> str:
        return await self._reader.run(lambda sessions: pick(sessions.known(), wanted))

    async def latest(self) -> str | None:
        page = await self.list(limit=1)
        return page[0].id if page else None

    async def lease(self, id: str, *, take_over: bool = False) -> None:
        await self._writer.run(lambda sessions: sessions.lease(id, take_over=take_over))

    async def release(self, id: str) -> None:
        await self._writer.run(lambda sessions: sessions.release(id))

    async def close(self) -> None:
        """Finish what is being written and give back all leases.

        Any later use raises `StoreUnavailableError`; closing again does nothing.
        """
        try:
            await self._reader.close()
        finally:
            await self._writer.close()


class _Thread:
    """Runs jobs one after another in a thread of its own."""

    def __init__(self, name: str, path: Path, *, opens: bool = False) -> None:
        self._path = path
        self._sessions = Sessions(path)
        self._must_open = opens
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def run(self, job: Callable[[Sessions], _T]) -> _T:
        """Run the job and return what it returns; cancelling the caller does not stop it."""
        try:
            future = asyncio.get_running_loop().run_in_executor(self._executor, self._do, job)
        except RuntimeError:
            raise StoreUnavailableError(f"The store {self._path} is closed.") from None
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            future.add_done_callback(_look_at_error)
            raise

    async def close(self) -> None:
        try:
            future = asyncio.get_running_loop().run_in_executor(self._executor, self._release)
        except RuntimeError:
            return
        self._executor.shutdown(wait=False)
        await asyncio.shield(future)

    def _do(self, job: Callable[[Sessions], _T]) -> _T:
        with _store_errors(self._path):
            if self._must_open:
                self._sessions.open()
                self._must_open = False
            return job(self._sessions)

    def _release(self) -> None:
        with _store_errors(self._path):
            self._sessions.release_all()


@contextmanager
def _store_errors(path: Path) -> Iterator[None]:
    """Let only `StoreError` and its kinds out; each names the file and what to do."""
    try:
        yield
    except OSError as error:
        raise StoreUnavailableError(
            f"{error.filename or path} cannot be used: {error.strerror or error}.",
            hint="check its permissions and the disk, or name another folder with --db",
            path=str(path),
        ) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StoreUnavailableError(
            f"A file in {path} is damaged: {error}.",
            hint="restore it from a copy",
            path=str(path),
        ) from error


def _look_at_error(future: asyncio.Future[_T]) -> None:
    # The caller was cancelled and will not: without this asyncio would complain on stderr.
    if not future.cancelled():
        future.exception()
