"""Sessions in one SQLite file, the default store.

One thread writes and a few read, each with its connection, so that the event loop never waits for a
disk and a long read delays neither a commit nor another read. Several processes may share the file.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import TypeVar, Unpack

import msgspec

from omni_tui.core.errors import (
    AlreadyExistsError,
    NotFoundError,
    SessionLockedError,
)
from omni_tui.core.messages import decode_message, now
from omni_tui.session.node import Late
from omni_tui.session.store import full_text, mounts, rows, schema
from omni_tui.session.store.base import (
    Entered,
    Page,
    SessionRecord,
    SessionSummary,
    State,
    StoredSession,
    checked_state,
    not_found,
    pick,
    preview_of,
)
from omni_tui.session.store.connection import ConnectionPool, Identity, identity
from omni_tui.session.store.hits import Hit
from omni_tui.session.store.lease import Holder, this_process
from omni_tui.session.store.writing import write_changes
from omni_tui.session.tree import Changes

_T = TypeVar("_T")

BUSY_TIMEOUT = 10.0
"""Seconds to wait for another process that is writing."""

READERS = 3
"""How many reads go on at once; the next waits for one of them."""

_RECORD = ", ".join(rows.RECORD_COLUMNS)
_NODE = ", ".join(rows.NODE_COLUMNS)

_CREATE = f"INSERT INTO sessions ({_RECORD}) VALUES ({', '.join('?' * len(rows.RECORD_COLUMNS))})"

_LOAD_SESSION = f"SELECT {_RECORD}, head, root_cursor FROM sessions WHERE id = ?"

_LOAD_NODES = (
    f"SELECT {_NODE.replace('message', 'CAST(message AS BLOB)')}, cursor "
    "FROM nodes WHERE session_id = ? ORDER BY id"
)

# The messages at the end of the active path alone: large ones lie on pages of their own, which are
# not read for the others.
_LOAD_WINDOW = f"""
WITH RECURSIVE near (id, parent_id, place) AS (
  SELECT id, parent_id, 1 FROM nodes WHERE session_id = ?1 AND id = ?2
  UNION ALL SELECT n.id, n.parent_id, place + 1 FROM nodes AS n JOIN near ON n.id = near.parent_id
    WHERE n.session_id = ?1 AND place < ?3
)
SELECT {
    _NODE.replace(
        "message",
        "CASE WHEN id IN (SELECT id FROM near) THEN CAST(message AS BLOB) END",
    )
}, cursor FROM nodes WHERE session_id = ?1 ORDER BY id
"""

_LOAD_REST = "SELECT id, CAST(message AS BLOB) FROM nodes WHERE session_id = ?"

# Each count walks its part of the covering index; one grouped join took four times as long.
_LIST = """
SELECT id, title, model, cwd, created_at, updated_at, origin_id,
  (SELECT count(*) FROM nodes WHERE session_id = s.id AND kind <> 'summary'),
  (SELECT count(DISTINCT parent_id) FROM nodes WHERE session_id = s.id AND kind <> 'summary'),
  (SELECT total(cost) FROM nodes WHERE session_id = s.id),
  (SELECT CAST(message AS BLOB) FROM nodes WHERE session_id = s.id AND id = s.head)
FROM sessions AS s WHERE parent_id IS NULL {after} ORDER BY updated_at DESC, id DESC LIMIT ?
"""

# A tool use runs again where it was interrupted: then what it began last counts.
_CHILD = """
SELECT id FROM sessions WHERE parent_id = ? AND parent_node = ? AND parent_use = ?
ORDER BY created_at DESC, rowid DESC LIMIT 1
"""

_FAMILY = """
WITH RECURSIVE family (id) AS (
  VALUES (?) UNION ALL SELECT s.id FROM sessions AS s JOIN family ON s.parent_id = family.id
) SELECT id FROM family
"""

_HOLDER = "lease_pid, lease_start, lease_host"


class SQLiteStore(Entered):
    """A `Store` in a SQLite file, created with its folders when it is missing (0600, 0700).

    The file is opened by `open`, by entering the store with `async with`, or by the first use; all
    of these raise `StoreUnavailableError` when it cannot be used and `StoreVersionError` when it is
    of a newer version or another program's.
    """

    notice: str | None
    """Something the user should know about the file, once it is open."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.notice = None
        self._leases: set[str] = set()
        self._lost: set[str] = set()
        """Sessions whose leases, and perhaps more, were in a file that is no longer there."""
        self._logs: dict[Path, Identity | None] = {}
        self._writer = ConnectionPool(
            "store-writer", self.path, self._open_writer, leave=self._leave
        )
        self._readers = ConnectionPool("store-reader", self.path, self._open_reader, size=READERS)

    async def open(self) -> None:
        """Open the file now rather than at the first use, creating or migrating it."""
        await self._writer.run(lambda _connection: None)

    # Opening

    def _connect(self) -> sqlite3.Connection:
        return schema.connect(self.path, BUSY_TIMEOUT)

    def _open_writer(self) -> sqlite3.Connection:
        mounts.refuse_network(self.path)
        schema.make_private(self.path)
        schema.check_header(self.path)
        connection = self._connect()
        try:
            if not schema.make_ready(connection, self.path, BUSY_TIMEOUT):
                self.notice = (
                    f"The file system of {self.path} cannot do write-ahead logging: "
                    "saving is slower, and only one program should use the file."
                )
            self._logs = {file: identity(file) for file in schema.side_files(self.path)}
        except BaseException:
            connection.close()
            raise
        return connection

    def _open_reader(self) -> sqlite3.Connection:
        self._writer.wait_until_open()
        connection = self._connect()
        connection.execute("PRAGMA query_only = ON")
        return connection

    def _leave(self, connection: sqlite3.Connection) -> None:
        """Give up a file that was removed or replaced; what is open must be stored anew."""
        self._lost |= self._leases
        self._leases.clear()
        ours = {file: one for file, one in self._logs.items() if one and identity(file) == one}
        # The log goes into the file it belongs to, wherever that is, and out of the way: the one
        # now in its place must not be read with it. Other processes find it gone.
        try:
            with closing(connection):
                if ours:
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            for file in ours:
                file.unlink(missing_ok=True)

    def _require_known(self, id: str) -> None:
        if id in self._lost:
            raise NotFoundError(
                f"{self.path} was removed or replaced; the session {id} must be stored anew.",
                hint="create it, claim it, and save all of its tree",
                id=id,
            )

    # Writing

    async def create(self, record: SessionRecord) -> None:
        def job(connection: sqlite3.Connection) -> None:
            with schema.transaction(connection):
                if _exists(connection, record.id):
                    raise AlreadyExistsError(
                        f"There is a session {record.id} already.", id=record.id
                    )
                if record.parent_id is not None and not _exists(connection, record.parent_id):
                    raise not_found(record.parent_id)
                connection.execute(_CREATE, rows.record_row(record))
            self._lost.discard(record.id)

        await self._writer.run(job)

    async def save_tree(self, id: str, changes: Changes) -> None:
        def job(connection: sqlite3.Connection) -> None:
            self._require_known(id)
            with schema.transaction(connection):
                holder = _holder(connection, id)
                if holder is not None and holder != this_process() and not holder.is_gone:
                    raise _locked(id, holder)
                write_changes(connection, id, changes)

        await self._writer.run(job)

    async def save_state(self, id: str, **changes: Unpack[State]) -> None:
        values = {"updated_at": now(), **checked_state(changes)}
        assignments = ", ".join(f"{column} = ?" for column in values)

        def job(connection: sqlite3.Connection) -> None:
            self._require_known(id)
            stored = [rows.record_value(column, value) for column, value in values.items()]
            with schema.transaction(connection):
                cursor = connection.execute(
                    f"UPDATE sessions SET {assignments} WHERE id = ?", (*stored, id)
                )
                if not cursor.rowcount:
                    raise not_found(id)

        await self._writer.run(job)

    async def delete(self, id: str) -> None:
        def job(connection: sqlite3.Connection) -> None:
            with schema.transaction(connection):
                family = [each for (each,) in connection.execute(_FAMILY, (id,))]
                for each in family:
                    holder = _holder(connection, each)
                    if holder is not None and each not in self._leases and not holder.is_gone:
                        raise _locked(each, holder)
                connection.execute("DELETE FROM sessions WHERE id = ?", (id,))
            self._leases.difference_update(family)

        await self._writer.run(job)

    # Reading

    async def load(self, id: str, *, window: int | None = None) -> StoredSession:
        def rest() -> Future[Mapping[int, bytes]]:
            return self._readers.begin(
                lambda connection: dict(connection.execute(_LOAD_REST, (id,)))
            )

        def job(connection: sqlite3.Connection) -> StoredSession:
            with schema.transaction(connection, "DEFERRED"):
                row = connection.execute(_LOAD_SESSION, (id,)).fetchone()
                if row is None:
                    raise not_found(id)
                *record, head, root_cursor = row
                if window is None:
                    found = connection.execute(_LOAD_NODES, (id,)).fetchall()
                else:
                    found = connection.execute(_LOAD_WINDOW, (id, head, window)).fetchall()
            late = None if window is None else Late(rest)
            tree = rows.tree_from(found, head, root_cursor, late)
            return StoredSession(rows.record_from(tuple(record)), tree)

        return await self._readers.run(job)

    async def list(self, limit: int = 50, before: SessionSummary | None = None) -> Page:
        after = ""
        last: tuple[str, ...] = ()
        if before is not None:
            after = "AND (updated_at, id) < (?, ?)"
            last = rows.moment_text(before.updated_at), before.id

        def job(connection: sqlite3.Connection) -> Page:
            found = connection.execute(_LIST.format(after=after), (*last, limit))
            return [_summary(*row) for row in found]

        return await self._readers.run(job)

    async def search(
        self, query: str, *, limit: int = 20, offset: int = 0, session_id: str | None = None
    ) -> tuple[Hit, ...]:
        def job(connection: sqlite3.Connection) -> tuple[Hit, ...]:
            with schema.transaction(connection, "DEFERRED"):
                return full_text.search(connection, query, limit, offset, session_id)

        return await self._readers.run(job)

    async def child(self, id: str, node: int, use: str) -> str | None:
        def job(connection: sqlite3.Connection) -> str | None:
            wanted = id, node, rows.record_value("parent_use", use)
            found = connection.execute(_CHILD, wanted).fetchone()
            return None if found is None else str(found[0])

        return await self._readers.run(job)

    async def exists(self, id: str) -> bool:
        return await self._readers.run(lambda connection: _exists(connection, id))

    async def find(self, wanted: str) -> str:
        def job(connection: sqlite3.Connection) -> str:
            known = connection.execute("SELECT id, title, parent_id FROM sessions")
            return pick(known, wanted)

        return await self._readers.run(job)

    async def latest(self) -> str | None:
        page = await self.list(limit=1)
        return page[0].id if page else None

    async def run(self, job: Callable[[sqlite3.Connection], _T], *, writes: bool = False) -> _T:
        """Do what an extension asks of the file, in one transaction and in a thread."""
        mode, pool = ("IMMEDIATE", self._writer) if writes else ("DEFERRED", self._readers)

        def whole(connection: sqlite3.Connection) -> _T:
            with schema.transaction(connection, mode):
                return job(connection)

        return await pool.run(whole)

    # Leases

    async def lease(self, id: str, *, take_over: bool = False) -> None:
        def job(connection: sqlite3.Connection) -> None:
            with schema.transaction(connection):
                holder = _holder(connection, id)
                mine = this_process()
                known = id in self._leases or id in self._lost
                held = holder is not None and not (holder == mine and known)
                if holder is not None and held and not take_over and not holder.is_gone:
                    raise _locked(id, holder)
                connection.execute(
                    f"UPDATE sessions SET ({_HOLDER}) = (?, ?, ?) WHERE id = ?", (*mine, id)
                )
            self._leases.add(id)
            self._lost.discard(id)

        await self._writer.run(job)

    async def release(self, id: str) -> None:
        await self._writer.run(lambda connection: self._release(connection, [id]))

    def _release(self, connection: sqlite3.Connection, ids: Iterable[str]) -> None:
        held = [id for id in ids if id in self._leases]
        if not held:
            return
        with schema.transaction(connection):
            connection.executemany(
                f"UPDATE sessions SET ({_HOLDER}) = (NULL, NULL, NULL) "
                f"WHERE id = ? AND ({_HOLDER}) IS (?, ?, ?)",
                [(id, *this_process()) for id in held],
            )
        self._leases.difference_update(held)

    async def close(self) -> None:
        """Finish what is being written, give back all leases and close the file.

        Any later use raises `StoreUnavailableError`; closing again does nothing.
        """
        try:
            await self._readers.close()
        finally:
            await self._writer.close(
                lambda connection: self._release(connection, tuple(self._leases))
            )


def _exists(connection: sqlite3.Connection, id: str) -> bool:
    return connection.execute("SELECT 1 FROM sessions WHERE id = ?", (id,)).fetchone() is not None


def _holder(connection: sqlite3.Connection, id: str) -> Holder | None:
    row = connection.execute(f"SELECT {_HOLDER} FROM sessions WHERE id = ?", (id,)).fetchone()
    if row is None:
        raise not_found(id)
    return None if row[0] is None else Holder(*row)


def _locked(id: str, holder: Holder) -> SessionLockedError:
    where = "this process" if holder == this_process() else f"process {holder.pid}"
    return SessionLockedError(
        f"The session {id} is open in {where} on {holder.host}.",
        hint="close it there first",
        id=id,
        pid=holder.pid,
        host=holder.host,
    )


def _summary(
    id: str,
    title: str | None,
    model: str | None,
    cwd: str | None,
    created_at: str,
    updated_at: str,
    origin_id: str | None,
    nodes: int,
    parents: int,
    cost: float,
    message: bytes | None,
) -> SessionSummary:
    preview = ""
    if message is not None:
        try:
            preview = preview_of(decode_message(message))
        except (msgspec.DecodeError, UnicodeDecodeError):
            preview = "(damaged)"
    return SessionSummary(
        id=id,
        title=title,
        model=model,
        cwd=cwd,
        created_at=rows.moment(created_at),
        updated_at=rows.moment(updated_at),
        nodes=nodes,
        branches=nodes - parents,
        preview=preview,
        cost=cost,
        origin_id=origin_id,
    )
