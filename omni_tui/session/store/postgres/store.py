"""Sessions in a PostgreSQL database, which programs on several machines may share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar, Unpack

from psycopg import AsyncCursor, errors
from psycopg.rows import TupleRow

from omni_tui.core.errors import AlreadyExistsError, StoreError, StoreUnavailableError
from omni_tui.core.messages import now
from omni_tui.session.store import rows
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
)
from omni_tui.session.store.branches import BranchLease
from omni_tui.session.store.feed import Inbox, StoreChange, What
from omni_tui.session.store.hits import Hit
from omni_tui.session.store.postgres import schema as tables
from omni_tui.session.store.postgres import search, statements
from omni_tui.session.store.postgres.address import Address
from omni_tui.session.store.postgres.connections import Connection, Connections
from omni_tui.session.store.postgres.leases import Leases
from omni_tui.session.store.postgres.listener import Listener, payload
from omni_tui.session.store.postgres.saving import save
from omni_tui.session.tree import Changes

_T = TypeVar("_T")

TIMEOUT = 30.0
"""Seconds a statement may take, unless said otherwise."""

LEASE_TIME = 30.0
"""Seconds for which a lease outlives the program that held it, unless said otherwise."""

CONNECTIONS = 4
"""Connections at once, unless said otherwise; listening takes one more."""


class PostgresStore(Entered):
    """A `Store` in a schema of a PostgreSQL database, which it creates when it is missing.

    Programs on several machines may share it: it is a `ChangeFeed` and keeps `BranchLeases`. A
    session is open in one of them at a time; leases run by the server's clock, and end with the
    process that held them or, on another machine, `lease_time` after it. Lost connections are
    opened again, and what was under way is repeated.

    Args:
        url: `postgresql://user:password@host:port/database`, or any other form libpq takes. What it
            does not say comes from the environment (`PGHOST`, `~/.pgpass` and so on).
        schema: The schema that holds the tables.
        timeout: Seconds a statement may take.
        lease_time: Seconds for which a lease outlives a program that does not renew it any more. It
            is renewed three times in that time.
        connections: How many connections at most; listening takes one more.

    Raises `ConfigError` when the address cannot be read. Passwords are in no error and no `repr`.
    """

    def __init__(
        self,
        url: str,
        *,
        schema: str = "omni_tui",
        timeout: float = TIMEOUT,
        lease_time: float = LEASE_TIME,
        connections: int = CONNECTIONS,
    ) -> None:
        self.address = Address(url)
        self.schema = schema
        self._connections = Connections(
            self.address,
            schema,
            timeout=timeout,
            size=connections,
            prepare=lambda connection: tables.prepare(connection, schema),
        )
        self._leases = Leases(self._connections, lease_time)
        self._listener = Listener(self._connections, schema, self._leases.owner)
        self._writes: set[asyncio.Task[Any]] = set()
        self._unsure: set[str] = set()
        """Sessions that may have been created although nobody said so."""

    def __repr__(self) -> str:
        return f"PostgresStore({self.address!r}, schema={self.schema!r})"

    async def open(self) -> None:
        """Connect now rather than at the first use, creating or migrating the tables.

        Raises `StoreUnavailableError` when the server cannot be used, and `StoreVersionError` when
        the tables are of a newer version or another program's.
        """
        await self._connections.run(lambda connection: connection.execute("SELECT 1"))

    async def _write(self, job: Callable[[Connection], Awaitable[_T]]) -> _T:
        """Run a job to its end; cancelling the caller does not stop it."""
        task = asyncio.get_running_loop().create_task(self._connections.run(job), name="write")
        self._writes.add(task)
        task.add_done_callback(self._written)
        return await asyncio.shield(task)

    def _written(self, task: asyncio.Task[Any]) -> None:
        self._writes.discard(task)
        if not task.cancelled():
            task.exception()  # a caller that was cancelled will not look at it

    def _news(self, what: What, id: str) -> tuple[str, str]:
        """The channel and what to tell there."""
        return self.schema, payload(what, id, self._leases.owner)

    # Writing

    async def create(self, record: SessionRecord) -> None:
        words = search.stored_words(record.title)
        values = (*rows.record_row(record), words, *self._news("created", record.id))

        async def job(connection: Connection) -> None:
            may_be_ours = record.id in self._unsure
            self._unsure.add(record.id)
            try:
                made = await (await connection.execute(statements.CREATE, values)).fetchone()
            except errors.ForeignKeyViolation:
                raise not_found(record.parent_id or "") from None
            if made is None and not (may_be_ours and await _is_stored(connection, record)):
                raise AlreadyExistsError(f"There is a session {record.id} already.", id=record.id)

        try:
            await self._write(job)
        except StoreUnavailableError:
            raise
        except StoreError:
            self._unsure.discard(record.id)
            raise
        self._unsure.discard(record.id)

    async def save_tree(self, id: str, changes: Changes) -> None:
        news = self._news("tree", id)
        await self._write(lambda connection: save(connection, id, changes, self._leases, news))

    async def save_state(self, id: str, **changes: Unpack[State]) -> None:
        values = {"updated_at": now(), **checked_state(changes)}
        stored = [rows.record_value(column, value) for column, value in values.items()]
        if "title" in values:
            stored.append(search.stored_words(values["title"]))
        statement = statements.change_session(values, title="title" in values)

        async def job(connection: Connection) -> None:
            cursor = await connection.execute(statement, (*stored, id, *self._news("state", id)))
            if await cursor.fetchone() is None:
                raise not_found(id)

        await self._write(job)

    async def delete(self, id: str) -> None:
        family: list[str] = []

        async def job(connection: Connection) -> None:
            nonlocal family
            async with connection.transaction():
                cursor = await connection.execute(statements.FAMILY, (id,))
                found = [str(each) for (each,) in await cursor.fetchall()]
                if not found and not family:  # else it went the time before, and nobody said so
                    raise not_found(id)
                family = found or family
                await connection.execute(statements.LOCK, (family,))
                await self._leases.require_deletable(connection, family)
                await connection.execute("DELETE FROM sessions WHERE id = %s", (id,))
                for each in family:
                    await connection.execute(statements.NOTIFY, self._news("deleted", each))

        await self._write(job)
        self._leases.forget(family)

    # Reading

    async def load(self, id: str, *, window: int | None = None) -> StoredSession:
        async def job(connection: Connection) -> StoredSession:
            async with connection.pipeline(), connection.transaction():
                await connection.execute(
                    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
                )
                session = await connection.execute(statements.LOAD_SESSION, (id,))
                nodes = await connection.execute(statements.LOAD_NODES, (id,), binary=True)
                row = await session.fetchone()
                if row is None:
                    raise not_found(id)
                found = await _all(nodes)
            *record, head, root_cursor = row
            tree = await asyncio.to_thread(rows.tree_from, found, head, root_cursor)
            return StoredSession(rows.record_from(tuple(record)), tree)

        return await self._connections.run(job)

    async def list(self, limit: int = 50, before: SessionSummary | None = None) -> Page:
        values: dict[str, Any] = {"limit": limit, "updated_at": None, "id": None}
        if before is not None:
            values.update(updated_at=rows.moment_text(before.updated_at), id=before.id)

        async def job(connection: Connection) -> Page:
            cursor = await connection.execute(statements.LIST, values)
            return [_summary(*row) for row in await cursor.fetchall()]

        return await self._connections.run(job)

    async def search(
        self, query: str, *, limit: int = 20, offset: int = 0, session_id: str | None = None
    ) -> tuple[Hit, ...]:
        return await self._connections.run(
            lambda connection: search.search(connection, query, limit, offset, session_id)
        )

    async def child(self, id: str, node: int, use: str) -> str | None:
        async def job(connection: Connection) -> str | None:
            cursor = await connection.execute(statements.CHILD, (id, node, use))
            row = await cursor.fetchone()
            return None if row is None else str(row[0])

        return await self._connections.run(job)

    async def exists(self, id: str) -> bool:
        async def job(connection: Connection) -> bool:
            cursor = await connection.execute("SELECT 1 FROM sessions WHERE id = %s", (id,))
            return await cursor.fetchone() is not None

        return await self._connections.run(job)

    async def find(self, wanted: str) -> str:
        async def job(connection: Connection) -> str:
            cursor = await connection.execute("SELECT id, title, parent_id FROM sessions")
            return pick(
                [(id, title, above) for id, title, above in await cursor.fetchall()], wanted
            )

        return await self._connections.run(job)

    async def latest(self) -> str | None:
        page = await self.list(limit=1)
        return page[0].id if page else None

    # Sharing

    async def lease(self, id: str, *, take_over: bool = False) -> None:
        async def job(connection: Connection) -> None:
            async with connection.transaction():
                await self._leases.claim(connection, id, take_over=take_over)
                await connection.execute(statements.NOTIFY, self._news("lease", id))

        await self._write(job)
        self._leases.claimed(id)

    async def release(self, id: str) -> None:
        async def job(connection: Connection) -> None:
            async with connection.transaction():
                await self._leases.release(connection, id)
                await connection.execute(statements.NOTIFY, self._news("lease", id))

        if self._leases.released(id):
            await self._write(job)

    @asynccontextmanager
    async def branch(self, id: str, tip: int | None, run_id: str) -> AsyncIterator[BranchLease]:
        """See `BranchLeases.branch`."""

        async def claim(connection: Connection) -> None:
            async with connection.transaction():
                await self._leases.claim_branch(connection, id, tip, run_id)

        async def release(connection: Connection) -> None:
            await self._leases.release_branch(connection, id, run_id)

        await self._write(claim)
        try:
            yield self._leases.claimed_branch(id, run_id)
        finally:
            self._leases.released_branch(id, run_id)
            with suppress(StoreError):  # then it runs out
                await self._write(release)

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[AsyncIterator[StoreChange]]:
        """See `ChangeFeed.changes`."""
        inbox = Inbox()
        await self._listener.add(inbox)
        try:
            yield inbox
        finally:
            await self._listener.remove(inbox)

    async def close(self) -> None:
        """Finish what is being written, give back all leases and let go of the server.

        Any later use raises `StoreUnavailableError`; closing again does nothing.
        """
        while self._writes:
            await asyncio.wait(self._writes)
        await self._listener.close()
        await self._leases.close()
        await self._connections.close()


async def _all(cursor: AsyncCursor[TupleRow]) -> list[TupleRow]:
    """All rows, without keeping the event loop from others for long."""
    found: list[TupleRow] = []
    while some := await cursor.fetchmany(500):
        found += some
        await asyncio.sleep(0)
    return found


async def _is_stored(connection: Connection, record: SessionRecord) -> bool:
    """Whether the session of this id is this very one."""
    cursor = await connection.execute(
        "SELECT 1 FROM sessions WHERE id = %s AND created_at = %s",
        (record.id, rows.moment_text(record.created_at)),
    )
    return await cursor.fetchone() is not None


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
    preview: str | None,
) -> SessionSummary:
    return SessionSummary(
        id=id,
        title=title,
        model=model,
        cwd=cwd,
        created_at=rows.moment(created_at),
        updated_at=rows.moment(updated_at),
        nodes=nodes,
        branches=nodes - parents,
        preview=preview or "",
        cost=cost,
        origin_id=origin_id,
    )
