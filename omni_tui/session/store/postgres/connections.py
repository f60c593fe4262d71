"""Connections to one schema of a PostgreSQL server, and jobs that outlive the loss of one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias, TypeVar

import msgspec
import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from omni_tui.core.errors import StoreUnavailableError
from omni_tui.session.store.postgres import text
from omni_tui.session.store.postgres.address import Address
from omni_tui.session.store.postgres.errors import is_passing, translate

Connection: TypeAlias = psycopg.AsyncConnection[TupleRow]

_T = TypeVar("_T")

PATIENCE = 5.0
"""Seconds for which a job is tried again while a server that was there restarts."""

FIRST_DELAY = 0.05
"""Seconds until a job is tried again; doubled each time."""

MAX_DELAY = 1.0
"""Where the doubling ends."""

# One trip for all of them. Names without a schema mean ours, and nobody else's.
_SETTINGS = """
SELECT set_config('search_path', quote_ident(%s), false),
  set_config('statement_timeout', %s, false),
  set_config('lock_timeout', %s, false),
  set_config('idle_in_transaction_session_timeout', %s, false)
"""


class Connections:
    """A few connections, opened when they are needed and used again.

    A job is a coroutine function of a connection. When the connection is lost under it, or when the
    server rolled it back in favour of another, it runs again from its start on another connection:
    so a job must do no harm when it is done twice. Nothing but `OmniError` comes out.

    Args:
        address: The server.
        schema: Where the tables are; unqualified names in a job mean these.
        timeout: Seconds a statement may take; a job may take four times that.
        size: How many connections at most.
        prepare: Runs on the first connection, before any job.
    """

    def __init__(
        self,
        address: Address,
        schema: str,
        *,
        timeout: float,
        size: int,
        prepare: Callable[[Connection], Awaitable[None]],
    ) -> None:
        self.address = address
        self._schema = schema
        self._timeout = timeout
        self._prepare = prepare
        self._slots = asyncio.Semaphore(size)
        self._idle: list[Connection] = []
        self._preparing = asyncio.Lock()
        self._is_prepared = False
        self._is_reached = False
        """Whether the server answered lately: only then it is worth waiting for."""
        self._is_closed = False

    async def run(
        self, job: Callable[[Connection], Awaitable[_T]], *, patience: float = PATIENCE
    ) -> _T:
        """Run a job and return what it returns, trying again for up to `patience` seconds.

        Raises `StoreUnavailableError` when the server cannot be reached, or does not answer in
        time; then it may have done the job all the same.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        delay = FIRST_DELAY
        was_reached = self._is_reached
        while True:
            try:
                return await self._once(job)
            except psycopg.Error as error:
                is_hopeless = not was_reached or not is_passing(error)
                if is_hopeless or loop.time() + delay > deadline:
                    raise translate(error, self.address) from None
            except TimeoutError:
                raise StoreUnavailableError(
                    f"{self.address} did not answer in time.", hint="see how busy it is"
                ) from None
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise StoreUnavailableError(
                    f"{self.address} holds a damaged row: {error}.", hint="restore it from a copy"
                ) from error
            await asyncio.sleep(delay)
            delay = min(delay * 2, MAX_DELAY)

    async def connect(self) -> Connection:
        """Open a connection that the caller closes; raises `psycopg.Error` or `StoreError`."""
        if self._is_closed:
            raise StoreUnavailableError(f"The store at {self.address} is closed.")
        try:
            connection = await psycopg.AsyncConnection.connect(
                self.address.conninfo, autocommit=True
            )
        except psycopg.Error:
            self._is_reached = False
            raise
        try:
            text.adapt(connection)
            limit = f"{round(self._timeout * 1000)}ms"
            await connection.execute(_SETTINGS, (self._schema, limit, limit, limit))
            async with self._preparing:
                if not self._is_prepared:
                    await self._prepare(connection)
                    self._is_prepared = True
        except BaseException:
            await connection.close()
            raise
        self._is_reached = True
        return connection

    async def close(self) -> None:
        """Close what is open; jobs under way go on, and later ones are refused."""
        self._is_closed = True
        await self._drop_idle()

    async def _once(self, job: Callable[[Connection], Awaitable[_T]]) -> _T:
        async with self._slots, asyncio.timeout(self._timeout * 4), self._borrowed() as connection:
            return await job(connection)

    @asynccontextmanager
    async def _borrowed(self) -> AsyncIterator[Connection]:
        connection = await self._take()
        try:
            yield connection
        finally:
            status = connection.info.transaction_status
            if status == TransactionStatus.IDLE and not self._is_closed:
                self._idle.append(connection)
            else:
                await connection.close()
                if status == TransactionStatus.UNKNOWN:
                    # What cut this one off has cut the others too, mostly.
                    await self._drop_idle()

    async def _take(self) -> Connection:
        if self._is_closed:
            raise StoreUnavailableError(f"The store at {self.address} is closed.")
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
        return await self.connect()

    async def _drop_idle(self) -> None:
        while self._idle:
            await self._idle.pop().close()
