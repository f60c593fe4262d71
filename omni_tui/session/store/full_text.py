"""The words of every message in SQLite: an FTS5 table that keeps none of the text again.

Triggers keep it up, so that a message and its words are committed together, and a session that goes
takes its words along. They belong to the connection, not to the file: with other programs, which
lack the function they call, rows can be changed too.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import msgspec

from omni_tui.core.messages import Message, decode_message
from omni_tui.session.store import rows
from omni_tui.session.store.hits import (
    BLOCK,
    TITLES,
    Hit,
    Scored,
    message_hit,
    page_of,
    title_hit,
)
from omni_tui.session.store.words import Query, spaced

_TRIGGERS = """
CREATE TEMP TRIGGER words_in AFTER INSERT ON main.nodes WHEN new.kind <> 'summary' BEGIN
  INSERT INTO message_words (rowid, words)
    SELECT new.seq, w FROM (SELECT words(new.message) AS w) WHERE w <> '';
END;
CREATE TEMP TRIGGER words_out AFTER DELETE ON main.nodes WHEN old.kind <> 'summary' BEGIN
  INSERT INTO message_words (message_words, rowid, words)
    SELECT 'delete', old.seq, w FROM (SELECT words(old.message) AS w) WHERE w <> '';
END;
"""

_TITLES = """
SELECT id, title, parent_id, updated_at FROM sessions
WHERE title IS NOT NULL {within} ORDER BY updated_at DESC, id DESC
"""

# CROSS JOIN keeps the order: the newest matches are read off the index, and no more than asked for.
_MESSAGES = """
SELECT s.id, s.title, s.parent_id, n.id, n.created_at, CAST(n.message AS BLOB)
FROM message_words AS w
CROSS JOIN nodes AS n ON n.seq = w.rowid
CROSS JOIN sessions AS s ON s.id = n.session_id
WHERE message_words MATCH ? {within} ORDER BY w.rowid DESC LIMIT ? OFFSET ?
"""

_WITHIN = """
AND n.session_id = ?
AND w.rowid BETWEEN (SELECT min(seq) FROM nodes WHERE session_id = ?)
  AND (SELECT max(seq) FROM nodes WHERE session_id = ?)
"""


def add_words(connection: sqlite3.Connection) -> None:
    """Teach a connection the function `words(message)`: what of a message is to be found."""
    connection.create_function("words", 1, _words, deterministic=True)


def keep_up(connection: sqlite3.Connection) -> None:
    """Have all that this connection writes to `nodes` kept up in the table of words."""
    connection.executescript(_TRIGGERS)


def search(
    connection: sqlite3.Connection, text: str, limit: int, offset: int, session_id: str | None
) -> tuple[Hit, ...]:
    """See `Store.search`."""
    query = Query(text)
    if not query.terms or limit <= 0:
        return ()
    return page_of(
        query,
        _titles(connection, query, session_id),
        lambda number: _messages(connection, query, number, session_id),
        limit,
        offset,
    )


def _titles(
    connection: sqlite3.Connection, query: Query, session_id: str | None
) -> Iterator[Scored]:
    within, values = ("", ()) if session_id is None else ("AND id = ?", (session_id,))
    found = 0
    for id, title, parent_id, updated_at in connection.execute(
        _TITLES.format(within=within), values
    ):
        if query.matches(title):
            yield title_hit(query, id, title, parent_id, rows.moment(updated_at))
            found += 1
            if found == TITLES:
                break


def _messages(
    connection: sqlite3.Connection, query: Query, number: int, session_id: str | None
) -> list[Scored]:
    within = "" if session_id is None else _WITHIN
    values = () if session_id is None else (session_id,) * 3
    found = connection.execute(
        _MESSAGES.format(within=within), (query.fts5, *values, BLOCK, number * BLOCK)
    )
    # One by one: two hundred messages may be large.
    return [
        message_hit(
            query,
            _message(message),
            session_id=id,
            title=title,
            parent_id=parent_id,
            node_id=node_id,
            time=rows.moment(created_at),
        )
        for id, title, parent_id, node_id, created_at, message in found
    ]


def _words(message: str) -> str:
    return spaced(_message(message).text)


def _message(stored: str | bytes) -> Message:
    try:
        return decode_message(stored)
    except (msgspec.DecodeError, UnicodeError):
        return Message.user(())
