"""Leases that hold between machines: by the server's clock, renewed while the process lives."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from psycopg.rows import TupleRow

from omni_tui.core.errors import SessionLockedError, StoreError
from omni_tui.session.store.base import not_found
from omni_tui.session.store.branches import BranchLease
from omni_tui.session.store.lease import Holder, this_process
from omni_tui.session.store.postgres.connections import Connection, Connections

log = logging.getLogger(__name__)

_SESSION = ""
"""Stands in for the run where the lease is that of a session."""

_CLAIM = """
INSERT INTO leases (session_id, run_id, node_id, owner, pid, start, host, place, expires_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, clock_timestamp() + make_interval(secs => %s))
ON CONFLICT (session_id, run_id) DO UPDATE SET
  node_id = excluded.node_id, owner = excluded.owner, pid = excluded.pid, start = excluded.start,
  host = excluded.host, place = excluded.place, expires_at = excluded.expires_at
"""

_HELD = """
SELECT session_id, run_id, owner, pid, start, host, place, expires_at > clock_timestamp()
FROM leases
"""

# A branch is a node without a message of its run yet, or else the messages of the run.
_ON_BRANCH = f"""
{_HELD} AS lease WHERE session_id = %(id)s AND run_id NOT IN ('', %(run)s) AND (
  run_id = (SELECT n.run_id FROM nodes AS n WHERE n.session_id = %(id)s AND n.id = %(node)s)
  OR node_id = %(node)s AND NOT EXISTS (
    SELECT 1 FROM nodes AS n WHERE n.session_id = %(id)s AND n.run_id = lease.run_id))
"""

_RENEW = """
UPDATE leases SET expires_at = clock_timestamp() + make_interval(secs => %s)
WHERE owner = %s RETURNING session_id, run_id
"""


class _Held(msgspec.Struct, frozen=True):
    """A row of leases."""

    session_id: str
    run_id: str
    owner: str
    holder: Holder
    place: str | None
    is_fresh: bool

    @property
    def is_valid(self) -> bool:
        """Whether its holder may still live; one of this machine can be asked after."""
        is_here = self.place is not None and self.place == _place()
        return self.is_fresh and not (is_here and self.holder.is_gone)


class Leases:
    """The leases of one store.

    Args:
        connections: Leads to the server.
        lifetime: Seconds after which a lease that nobody renews may be taken by another. While
            there are any, they are renewed three times in that time.
    """

    def __init__(self, connections: Connections, lifetime: float) -> None:
        self.owner = secrets.token_urlsafe(12)
        """Names the store among all that share the tables."""
        self._connections = connections
        self._lifetime = lifetime
        self._sessions: set[str] = set()
        self._branches: dict[tuple[str, str], BranchLease] = {}
        self._renewal: asyncio.Task[None] | None = None

    # Sessions

    async def claim(self, connection: Connection, id: str, *, take_over: bool) -> None:
        """Take the lease of a session, in the transaction that is open."""
        await _lock_session(connection, id)
        held = await self._of_session(connection, id)
        if held is not None and held.owner != self.owner and held.is_valid and not take_over:
            raise locked(held)
        await self._write(connection, id, _SESSION, None)

    def claimed(self, id: str) -> None:
        """Keep the lease up: its transaction was committed."""
        self._sessions.add(id)
        self._keep_up()

    async def release(self, connection: Connection, id: str) -> None:
        """Give the lease of a session back, if it is this store's."""
        await self._delete(connection, id, _SESSION)

    def released(self, id: str) -> bool:
        """Forget a session's lease; says whether there was one."""
        had = id in self._sessions
        self._sessions.discard(id)
        self._rest()
        return had

    async def require_writable(self, connection: Connection, id: str) -> None:
        """Refuse to write a tree that is open in another store, or was since this one opened it."""
        held = await self._of_session(connection, id)
        if held is not None and held.owner == self.owner:
            return
        if id in self._sessions:
            # However it ended: what this store knows of the tree may be out of date.
            raise _taken(id, held)
        if held is not None and held.is_valid:
            raise locked(held)

    async def require_deletable(self, connection: Connection, ids: Sequence[str]) -> None:
        """Refuse to delete sessions one of which another store has open or runs."""
        cursor = await connection.execute(
            f"{_HELD} WHERE session_id = ANY(%s) AND owner <> %s", (list(ids), self.owner)
        )
        for held in map(_held, await cursor.fetchall()):
            if held.is_valid:
                raise locked(held)

    # Branches

    async def claim_branch(
        self, connection: Connection, id: str, node: int | None, run_id: str
    ) -> None:
        """Take the lease of a branch, in the transaction that is open."""
        await _lock_session(connection, id)
        wanted = {"id": id, "run": run_id, "node": node}
        cursor = await connection.execute(_ON_BRANCH, wanted)
        for held in map(_held, await cursor.fetchall()):
            if held.owner == self.owner:
                continue
            if held.is_valid:
                raise locked(held, node)
            await connection.execute(
                "DELETE FROM leases WHERE session_id = %s AND run_id = %s",
                (held.session_id, held.run_id),
            )
        await connection.execute(
            "DELETE FROM leases WHERE session_id = %s AND run_id <> '' "
            "AND expires_at < clock_timestamp() - interval '1 day'",
            (id,),
        )
        await self._write(connection, id, run_id, node)

    def claimed_branch(self, id: str, run_id: str) -> BranchLease:
        """Keep the lease up: its transaction was committed."""
        lease = self._branches[id, run_id] = BranchLease(lost=asyncio.Event())
        self._keep_up()
        return lease

    async def release_branch(self, connection: Connection, id: str, run_id: str) -> None:
        """Give the lease of a branch back, if it is this store's."""
        await self._delete(connection, id, run_id)

    def released_branch(self, id: str, run_id: str) -> None:
        """Forget the lease of a branch."""
        self._branches.pop((id, run_id), None)
        self._rest()

    # All of them

    def forget(self, ids: Sequence[str]) -> None:
        """Forget all leases of sessions that were deleted."""
        self._sessions.difference_update(ids)
        for id, run_id in list(self._branches):
            if id in ids:
                self._branches.pop((id, run_id)).lost.set()
        self._rest()

    async def close(self) -> None:
        """Give everything back. A server that is away is not waited for: leases run out."""
        has_any = bool(self._sessions or self._branches)
        self._sessions.clear()
        self._branches.clear()
        renewal = self._renewal
        self._rest()
        if renewal is not None:
            await asyncio.wait([renewal])
        if has_any:
            with suppress(StoreError):
                await self._connections.run(
                    lambda connection: connection.execute(
                        "DELETE FROM leases WHERE owner = %s", (self.owner,)
                    ),
                    patience=0,
                )

    def _keep_up(self) -> None:
        if self._renewal is None:
            self._renewal = asyncio.get_running_loop().create_task(self._renew(), name="leases")

    def _rest(self) -> None:
        if self._renewal is not None and not self._sessions and not self._branches:
            self._renewal.cancel()
            self._renewal = None

    async def _renew(self) -> None:
        clock = asyncio.get_running_loop().time
        renewed = clock()
        while True:
            await asyncio.sleep(self._lifetime / 3)
            asked = clock()
            before = list(self._branches)
            try:
                kept = await self._connections.run(self._renew_all)
            except StoreError as error:
                log.warning("leases could not be renewed: %s", error)
                kept = set() if clock() - renewed > self._lifetime else set(before)
            else:
                renewed = asked
            for key in before:
                if key not in kept and key in self._branches:
                    self._branches[key].lost.set()

    async def _renew_all(self, connection: Connection) -> set[tuple[str, str]]:
        cursor = await connection.execute(_RENEW, (self._lifetime, self.owner))
        return {(id, run_id) for id, run_id in await cursor.fetchall()}

    async def _of_session(self, connection: Connection, id: str) -> _Held | None:
        cursor = await connection.execute(
            f"{_HELD} WHERE session_id = %s AND run_id = %s", (id, _SESSION)
        )
        row = await cursor.fetchone()
        return None if row is None else _held(row)

    async def _write(self, connection: Connection, id: str, run_id: str, node: int | None) -> None:
        holder = this_process()
        await connection.execute(
            _CLAIM, (id, run_id, node, self.owner, *holder, _place(), self._lifetime)
        )

    async def _delete(self, connection: Connection, id: str, run_id: str) -> None:
        await connection.execute(
            "DELETE FROM leases WHERE session_id = %s AND run_id = %s AND owner = %s",
            (id, run_id, self.owner),
        )


def locked(held: _Held, node: int | None = None) -> SessionLockedError:
    """The error for what another store holds."""
    holder = held.holder
    where = "this process" if holder == this_process() else f"process {holder.pid}"
    what = f"The session {held.session_id} is open"
    if held.run_id != _SESSION:
        what = f"A branch of the session {held.session_id} is being answered"
    details = {"id": held.session_id, "pid": holder.pid, "host": holder.host}
    if node is not None:
        details["node_id"] = node
    return SessionLockedError(
        f"{what} in {where} on {holder.host}.", hint="close it there first", **details
    )


def _taken(id: str, held: _Held | None) -> SessionLockedError:
    where = "elsewhere" if held is None else f"in process {held.holder.pid} on {held.holder.host}"
    details = {} if held is None else {"pid": held.holder.pid, "host": held.holder.host}
    return SessionLockedError(
        f"The session {id} was opened {where} meanwhile.", hint="open it anew", id=id, **details
    )


async def _lock_session(connection: Connection, id: str) -> None:
    """Have all that would lease or write this session wait for the end of the transaction."""
    cursor = await connection.execute(
        "SELECT 1 FROM sessions WHERE id = %s FOR NO KEY UPDATE", (id,)
    )
    if await cursor.fetchone() is None:
        raise not_found(id)


def _held(row: TupleRow) -> _Held:
    session_id, run_id, owner, pid, start, host, place, is_fresh = row
    return _Held(session_id, run_id, owner, Holder(pid, start, host), place, is_fresh)


def _place() -> str | None:
    """The boot and the space of process ids, in which one can ask whether a process lives.

    Containers may share a host's name but not its processes. `None` where the system does not tell.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot}:{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return None
