"""Writing the changes of a tree, in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeAlias

from msgspec import UNSET
from psycopg import AsyncCursor
from psycopg.rows import TupleRow

from omni_tui.core.errors import StoreError
from omni_tui.core.messages import now
from omni_tui.session.node import Node
from omni_tui.session.store import rows
from omni_tui.session.store.base import not_found, preview_of
from omni_tui.session.store.postgres import search, statements
from omni_tui.session.store.postgres.connections import Connection
from omni_tui.session.store.postgres.leases import Leases
from omni_tui.session.tree import Changes

Cursor: TypeAlias = AsyncCursor[TupleRow]


async def save(
    connection: Connection, id: str, changes: Changes, leases: Leases, news: tuple[str, str]
) -> None:
    """See `Store.save_tree`; `news` is the channel to tell of it, and what to tell."""
    new = await asyncio.to_thread(_node_values, id, changes.nodes)
    # Three trips to the server, however much there is to write.
    async with connection.pipeline(), connection.transaction():
        session = await connection.execute(
            "UPDATE sessions SET updated_at = %s WHERE id = %s", (rows.moment_text(now()), id)
        )
        await leases.require_writable(connection, id)
        if not session.rowcount:
            raise not_found(id)
        nodes = await _queue_changes(connection, id, changes, new)
        told = await connection.execute(statements.NOTIFY, news)
        # Not `pipeline.sync()`, which sends no more of a long message than fits the socket.
        await told.fetchone()
        if new and nodes.rowcount != len(new):
            raise await _refused(connection, id, changes)


def _node_values(id: str, nodes: Sequence[Node]) -> list[rows.Row]:
    """The values of `SAVE_NODE`; long messages take a while."""
    return [
        (id, *rows.node_row(node), preview_of(node.message), search.node_words(node))
        for node in nodes
    ]


async def _queue_changes(
    connection: Connection, id: str, changes: Changes, new: list[rows.Row]
) -> Cursor:
    """Ask for the writes of a tree; returns what will know how many nodes were written."""
    nodes = connection.cursor()
    if changes.removed:
        await connection.execute(
            "DELETE FROM nodes WHERE session_id = %s AND id = ANY(%s)", (id, list(changes.removed))
        )
    if new:
        await nodes.executemany(statements.SAVE_NODE, new)
    moved = [(child, id, parent) for parent, child in changes.cursors.items() if parent is not None]
    if moved:
        await connection.cursor().executemany(
            "UPDATE nodes SET cursor = %s WHERE session_id = %s AND id = %s", moved
        )
    if None in changes.cursors:
        await connection.execute(
            "UPDATE sessions SET root_cursor = %s WHERE id = %s", (changes.cursors[None], id)
        )
    if changes.head is not UNSET:
        await connection.execute("UPDATE sessions SET head = %s WHERE id = %s", (changes.head, id))
    return nodes


async def _refused(connection: Connection, id: str, changes: Changes) -> StoreError:
    """The error for a node whose id another writer gave to one of its own."""
    cursor = await connection.execute(
        "SELECT id, kind, run_id, created_at FROM nodes WHERE session_id = %s AND id = ANY(%s)",
        (id, [node.id for node in changes.nodes]),
    )
    stored = {row[0]: row[1:] for row in await cursor.fetchall()}
    other = next(
        node.id
        for node in changes.nodes
        if stored.get(node.id) != (node.kind, node.run_id, rows.moment_text(node.created_at))
    )
    return StoreError(
        f"Another program added a message {other} to the session {id}.",
        hint="open the session anew",
        id=id,
        node_id=other,
    )
