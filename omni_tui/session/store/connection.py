"""A thread that owns a SQLite connection, and SQLite's errors in the words of a store."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from omni_tui.core.errors import StoreError, StoreUnavailableError

_T = TypeVar("_T")

_ELSEWHERE = "check its permissions, or name another file with --db"

_REASONS = {
    sqlite3.SQLITE_BUSY: (
        "{path} is in use: another program is writing and does not finish.",
        "try again, or close the other program",
    ),
    sqlite3.SQLITE_READONLY: ("{path} cannot be written.", _ELSEWHERE),
    sqlite3.SQLITE_PERM: ("{path} cannot be written.", _ELSEWHERE),
    sqlite3.SQLITE_CANTOPEN: ("{path} cannot be opened.", _ELSEWHERE),
    sqlite3.SQLITE_FULL: ("The disk that holds {path} is full.", "free some space and try again"),
    sqlite3.SQLITE_IOERR: ("The disk that holds {path} failed: {error}.", "check the disk"),
    sqlite3.SQLITE_CORRUPT: (
        "{path} is damaged: {error}.",
        "move it away; `sqlite3 FILE .recover` may rescue what is in it",
    ),
    sqlite3.SQLITE_NOTADB: (
        "{path} is not a SQLite database, or it is damaged.",
        "move it away, or name another file with --db",
    ),
}


class ConnectionThread:
    """Runs jobs one after another on one connection, which the first job opens.

    An opening that fails is tried again with the next job, for its cause may be gone by then.
    """

    def __init__(self, name: str, path: Path, connect: Callable[[], sqlite3.Connection]) -> None:
        self._path = path
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def run(self, job: Callable[[sqlite3.Connection], _T]) -> _T:
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

    def wait_until_open(self) -> None:
        """Open the connection if it is not; blocks, so never call it on the event loop."""
        self._executor.submit(self._do, lambda _connection: None).result()

    async def close(self, last: Callable[[sqlite3.Connection], object] | None = None) -> None:
        """Finish the jobs that wait, run `last` if a connection was ever opened, and close it.

        Closing again does nothing.
        """
        try:
            future = asyncio.get_running_loop().run_in_executor(self._executor, self._close, last)
        except RuntimeError:
            return
        self._executor.shutdown(wait=False)
        await asyncio.shield(future)

    def _close(self, last: Callable[[sqlite3.Connection], object] | None) -> None:
        if self._connection is None:
            return
        with store_errors(self._path), closing(self._connection):
            if last is not None:
                last(self._connection)

    def _do(self, job: Callable[[sqlite3.Connection], _T]) -> _T:
        with store_errors(self._path):
            if self._connection is None:
                self._connection = self._connect()
            return job(self._connection)


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Let only `StoreError` and its kinds out; each names the file and what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translate(error, path) from error
    except OSError as error:
        raise StoreUnavailableError(
            f"{path} cannot be used: {error.strerror or error}.", hint=_ELSEWHERE, path=str(path)
        ) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StoreUnavailableError(
            f"{path} is damaged: {error}.",
            hint="restore it from a copy",
            path=str(path),
        ) from error
    except OverflowError as error:
        raise StoreError(f"A number is too large to be stored: {error}.") from error


def _translate(error: sqlite3.Error, path: Path) -> StoreError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in _REASONS:
        message, hint = _REASONS[code]
        return StoreUnavailableError(
            message.format(path=path, error=error), hint=hint, path=str(path)
        )
    if isinstance(error, sqlite3.IntegrityError):
        return StoreError(f"{path} refused a row: {error}.", path=str(path))
    return StoreUnavailableError(f"{path} cannot be used: {error}.", path=str(path))


def _look_at_error(future: asyncio.Future[_T]) -> None:
    # The caller was cancelled and will not: without this asyncio would complain on stderr.
    if not future.cancelled():
        future.exception()
