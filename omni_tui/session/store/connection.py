"""Threads with connections to a SQLite file, and SQLite's errors in the words of a store."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from omni_tui.core.errors import StoreError, StoreUnavailableError

_T = TypeVar("_T")

_ELSEWHERE = "check its permissions, or name another file with --db"

_EXAMINE = "run `omni-tui doctor --db {path}` to see what is left; begin anew with another --db"

_REASONS = {
    sqlite3.SQLITE_BUSY: (
        "{path} is in use: another program is writing and does not finish.",
        "try again, or close the other program",
    ),
    sqlite3.SQLITE_PROTOCOL: (
        "{path} is in use by too many programs at once.",
        "try again, or close the other programs",
    ),
    sqlite3.SQLITE_READONLY: ("{path} cannot be written.", _ELSEWHERE),
    sqlite3.SQLITE_PERM: ("{path} cannot be written.", _ELSEWHERE),
    sqlite3.SQLITE_CANTOPEN: ("{path} cannot be opened.", _ELSEWHERE),
    sqlite3.SQLITE_FULL: ("The disk that holds {path} is full.", "free some space and try again"),
    sqlite3.SQLITE_IOERR: ("The disk that holds {path} failed: {error}.", "check the disk"),
    sqlite3.SQLITE_CORRUPT: ("{path} is damaged: {error}.", _EXAMINE),
    sqlite3.SQLITE_NOTADB: (
        "{path} is not a SQLite database, or it is damaged.",
        "move it away, or name another file with --db",
    ),
}

_BREAKING = frozenset(
    {
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    }
)
"""After these a connection is not used again: a fresh one sees whether the cause is gone."""


class Identity(NamedTuple):
    """Which file a path names: another one put in its place has another."""

    device: int
    inode: int


class Link(NamedTuple):
    """A connection and the file it was made to."""

    connection: sqlite3.Connection
    file: Identity | None


class ConnectionPool:
    """Runs jobs in threads of its own, each on a connection that no other job has meanwhile.

    Threads and connections are made when a job finds none idle, up to `size` of each; with one,
    jobs run one after another in the order they came. An opening that fails is tried again with the
    next job, for its cause may be gone by then. A connection whose file is gone, or has another
    in its place, is given up: nothing written through it would be found again. `leave` is then
    called with it, in its thread and before the next one is made, and has to close it.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        connect: Callable[[], sqlite3.Connection],
        *,
        size: int = 1,
        leave: Callable[[sqlite3.Connection], None] = sqlite3.Connection.close,
    ) -> None:
        self._path = path
        self._connect = connect
        self._leave = leave
        self._idle: list[Link] = []
        self._opened: Identity | None = None
        """The file that was opened last."""
        self._jobs: set[Future[Any]] = set()
        self._executor = ThreadPoolExecutor(size, thread_name_prefix=name)

    async def run(self, job: Callable[[sqlite3.Connection], _T]) -> _T:
        """Run the job and return what it returns; cancelling the caller does not stop it."""
        future = asyncio.wrap_future(self.begin(job))
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            future.add_done_callback(_look_at_error)
            raise

    def begin(self, job: Callable[[sqlite3.Connection], _T]) -> Future[_T]:
        """Run the job without waiting for it."""
        return self._submit(self._do, job)

    def wait_until_open(self) -> None:
        """Have opened the file; blocks, so never call it on the event loop."""
        # Not behind the jobs that wait: one of them may wait for whoever calls this.
        if self._opened is not None and self._opened == identity(self._path):
            return
        self._submit(self._do, lambda _connection: None).result()

    async def close(self, last: Callable[[sqlite3.Connection], object] | None = None) -> None:
        """Finish the jobs that wait, run `last` if a connection is open, and close all of them.

        Closing again does nothing.
        """
        before = tuple(self._jobs)
        try:
            future = self._submit(self._close, before, last)
        except StoreUnavailableError:
            return
        self._executor.shutdown(wait=False)
        await asyncio.shield(asyncio.wrap_future(future))

    def _submit(self, work: Callable[..., _T], *arguments: object) -> Future[_T]:
        try:
            future = self._executor.submit(work, *arguments)
        except RuntimeError:
            raise StoreUnavailableError(f"The store {self._path} is closed.") from None
        self._jobs.add(future)
        future.add_done_callback(self._jobs.discard)
        return future

    def _close(
        self,
        before: tuple[Future[Any], ...],
        last: Callable[[sqlite3.Connection], object] | None,
    ) -> None:
        wait(before)  # they have all begun: this one is behind them in the queue
        while self._idle:
            link = self._idle.pop()
            with store_errors(self._path), closing(link.connection):
                if last is not None and not self._is_moved(link):
                    last(link.connection)

    def _do(self, job: Callable[[sqlite3.Connection], _T]) -> _T:
        with store_errors(self._path):
            link = self._take()
            try:
                result = job(link.connection)
            except sqlite3.Error as error:
                if _code(error) in _BREAKING:
                    with suppress(sqlite3.Error):
                        link.connection.close()
                else:
                    self._idle.append(link)
                raise
            except BaseException:
                self._idle.append(link)
                raise
            self._idle.append(link)
            return result

    def _take(self) -> Link:
        if self._idle:
            link = self._idle.pop()
            if not self._is_moved(link):
                return link
            with suppress(sqlite3.Error):
                self._leave(link.connection)
        before = identity(self._path)
        connection = self._connect()
        self._opened = before or identity(self._path)
        return Link(connection, self._opened)

    def _is_moved(self, link: Link) -> bool:
        return link.file != identity(self._path)


def identity(path: Path) -> Identity | None:
    """Which file this is now; `None` when there is none. Raises `OSError`."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return Identity(status.st_dev, status.st_ino)


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
            f"{path} is damaged: {error}.", hint=_EXAMINE.format(path=path), path=str(path)
        ) from error
    except OverflowError as error:
        raise StoreError(f"A number is too large to be stored: {error}.") from error


def _code(error: sqlite3.Error) -> int:
    if "decode to UTF-8" in str(error):  # Python's own finding, without a code
        return sqlite3.SQLITE_CORRUPT
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def is_damage(error: sqlite3.Error) -> bool:
    """Whether what is in the file makes no sense."""
    return _code(error) == sqlite3.SQLITE_CORRUPT


def _translate(error: sqlite3.Error, path: Path) -> StoreError:
    code = _code(error)
    if code in _REASONS:
        message, hint = _REASONS[code]
        return StoreUnavailableError(
            message.format(path=path, error=error), hint=hint.format(path=path), path=str(path)
        )
    if isinstance(error, sqlite3.IntegrityError):
        return StoreError(f"{path} refused a row: {error}.", path=str(path))
    return StoreUnavailableError(f"{path} cannot be used: {error}.", path=str(path))


def _look_at_error(future: asyncio.Future[_T]) -> None:
    # The caller was cancelled and will not: without this asyncio would complain on stderr.
    if not future.cancelled():
        future.exception()
