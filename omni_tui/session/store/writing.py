"""Writes what changed in a tree as rows of a SQLite file."""

from __future__ import annotations

import sqlite3

from msgspec import UNSET

from omni_tui.core.errors import StoreError
from omni_tui.core.messages import now
from omni_tui.session.store import rows
from omni_tui.session.tree import Changes

_NODE = ", ".join(rows.NODE_COLUMNS)

# A stored message never changes; the guard keeps a second writer that gave out the same id from
# altering the facts of the first one's node.
_SAVE_NODE = f"""
INSERT INTO nodes (session_id, {_NODE}) VALUES (?, {", ".join("?" * len(rows.NODE_COLUMNS))})
ON CONFLICT (session_id, id) DO UPDATE SET
  status = excluded.status, error = excluded.error, label = excluded.label,
  input = excluded.input, output = excluded.output, cache_read = excluded.cache_read,
  cache_write = excluded.cache_write, cost = excluded.cost, pruned = excluded.pruned
WHERE created_at = excluded.created_at AND run_id IS excluded.run_id AND kind = excluded.kind
  AND parent_id IS excluded.parent_id AND message = excluded.message
"""


def write_changes(connection: sqlite3.Connection, id: str, changes: Changes) -> None:
    """Write them within the transaction that is open; costs the same however long the tree is.

    Raises `StoreError` when another program stored something else under the id of a new node.
    """
    connection.execute(
        "UPDATE sessions SET updated_at = ? WHERE id = ?", (rows.moment_text(now()), id)
    )
    connection.executemany(
        "DELETE FROM nodes WHERE session_id = ? AND id = ?",
        [(id, node_id) for node_id in changes.removed],
    )
    for node in changes.nodes:
        if not connection.execute(_SAVE_NODE, (id, *rows.node_row(node))).rowcount:
            raise StoreError(
                f"Another program added a message {node.id} to the session {id}.",
                hint="open the session anew",
                id=id,
                node_id=node.id,
            )
    connection.executemany(
        "UPDATE nodes SET cursor = ? WHERE session_id = ? AND id = ?",
        [(child, id, parent) for parent, child in changes.cursors.items() if parent is not None],
    )
    if None in changes.cursors:
        connection.execute(
            "UPDATE sessions SET root_cursor = ? WHERE id = ?", (changes.cursors[None], id)
        )
    if changes.head is not UNSET:
        connection.execute("UPDATE sessions SET head = ? WHERE id = ?", (changes.head, id))
