"""Copies what can still be read of a damaged file of sessions into a new one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from omni_tui.core.errors import StoreError
from omni_tui.session.store import schema
from omni_tui.session.store.connection import store_errors

PATIENCE = 10.0
"""Seconds to wait for another program that is writing."""

# What leads to a row and was lost is told by what is left.
_PUT_RIGHT = (
    """
    INSERT OR IGNORE INTO sessions (id, created_at, updated_at)
      SELECT session_id, min(created_at), max(created_at) FROM nodes GROUP BY session_id
    """,
    """
    UPDATE sessions SET parent_id = NULL WHERE parent_id IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM sessions AS above WHERE above.id = sessions.parent_id)
    """,
    """
    UPDATE nodes SET parent_id = NULL WHERE parent_id IS NOT NULL AND (parent_id >= id
      OR NOT EXISTS (SELECT 1 FROM nodes AS above
        WHERE above.session_id = nodes.session_id AND above.id = nodes.parent_id))
    """,
    """
    UPDATE nodes SET cursor = NULL WHERE cursor IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM nodes AS below WHERE below.session_id = nodes.session_id
        AND below.id = nodes.cursor AND below.parent_id = nodes.id)
    """,
    """
    UPDATE sessions SET head = (SELECT max(id) FROM nodes
      WHERE session_id = sessions.id AND kind <> 'summary')
    WHERE NOT EXISTS (SELECT 1 FROM nodes WHERE session_id = sessions.id AND id = sessions.head)
    """,
    "UPDATE sessions SET lease_pid = NULL, lease_start = NULL, lease_host = NULL",
)


class Rescued(NamedTuple):
    """What the new file has."""

    sessions: int
    messages: int
    lost: int
    """Messages that are known to have been there, and could not be read."""


def rescue(path: Path, target: Path) -> Rescued:
    """Copy every session and message that can be read; `path` is left as it is.

    A message whose parent is lost begins a branch of its own, and messages whose session is lost
    are in one without a title. Raises `AlreadyExistsError` when `target` is there, and `StoreError`
    when nothing can be read.
    """
    with store_errors(path):
        if not path.exists():
            raise StoreError(f"There is no file {path}.", hint="name it with --db", path=str(path))
        schema.check_header(path)
        with closing(_open_damaged(path)) as source:
            columns = {table: _columns(source, table) for table in ("sessions", "nodes")}
            with store_errors(target):
                schema.reserve(target)
                try:
                    with closing(schema.connect(target, PATIENCE)) as copy:
                        schema.make_ready(copy, target, PATIENCE)
                        return _copy(source, copy, columns)
                except BaseException:
                    for file in (target, *schema.side_files(target)):
                        file.unlink(missing_ok=True)
                    raise


def _open_damaged(path: Path) -> sqlite3.Connection:
    """A connection that leaves all as it is, and takes texts for what they were meant to be."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, timeout=PATIENCE, isolation_level=None)
    connection.text_factory = lambda stored: stored.decode("utf-8", "replace")
    return connection


def _copy(
    source: sqlite3.Connection, copy: sqlite3.Connection, columns: dict[str, list[str]]
) -> Rescued:
    copy.execute("PRAGMA foreign_keys = OFF")
    missed = 0
    with schema.transaction(copy):
        for table, names in columns.items():
            known = set(_columns(copy, table))
            kept = [name for name in names if name in known]
            missed = _copy_rows(source, copy, table, kept)
        for statement in _PUT_RIGHT:
            copy.execute(statement)
    copy.execute("PRAGMA foreign_keys = ON")
    sessions, messages = copy.execute(
        "SELECT (SELECT count(*) FROM sessions), (SELECT count(*) FROM nodes)"
    ).fetchone()
    return Rescued(sessions, messages, missed)


def _copy_rows(
    source: sqlite3.Connection, copy: sqlite3.Connection, table: str, names: list[str]
) -> int:
    """Copy the rows of a table one by one; how many were known to be there and are lost."""
    listed = ", ".join(names)
    read = f"SELECT {listed} FROM {table} WHERE rowid = ?"
    write = f"INSERT INTO {table} ({listed}) VALUES ({', '.join('?' * len(names))})"
    known = _rowids(source, table)
    lost = 0
    for rowid in range(1, max(known, default=0) + 1):
        try:
            row = source.execute(read, (rowid,)).fetchone()
            if row is not None:
                copy.execute(write, row)
        except sqlite3.DatabaseError:  # a page of it is damaged, or what stands there no row
            row = None
        lost += row is None and rowid in known
    return lost


def _rowids(source: sqlite3.Connection, table: str) -> set[int]:
    """The rows that were there, by the table itself and by its indexes, as far as each goes."""
    ways = [("NOT INDEXED", ["rowid"])]
    for _, index, *_ in source.execute(f"PRAGMA index_list({table})").fetchall():
        keys = [name for _, _, name in source.execute(f"PRAGMA index_info({index})")]
        ways.append((f"INDEXED BY {index}", keys))
    found: set[int] = set()
    for way, keys in ways:
        for order in ("ASC", "DESC"):
            by = ", ".join(f"{key} {order}" for key in keys)
            found.update(_until_damage(source, f"SELECT rowid FROM {table} {way} ORDER BY {by}"))
    return found


def _until_damage(source: sqlite3.Connection, query: str) -> Iterator[int]:
    with suppress(sqlite3.DatabaseError):
        yield from (rowid for (rowid,) in source.execute(query))


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [name for (_, name, *_) in connection.execute(f"PRAGMA table_info({table})")]
