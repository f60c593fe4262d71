"""The words of every message in SQLite: an FTS5 table that keeps none of the text again.

Triggers keep it up, so that a message and its words are committed together, and a session that goes
takes its words along. They belong to the connection, not to the file: with other programs, which
lack the function they call, rows can be changed too.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, TypeAlias

import msgspec

from omni_tui.core.messages import Message, decode_message
from omni_tui.session.store import rows
from omni_tui.session.store.filters import Filters
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

Values: TypeAlias = dict[str, Any]

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
WHERE title IS NOT NULL AND (:ids IS NULL OR id IN (SELECT value FROM json_each(:ids)))
ORDER BY updated_at DESC, id DESC
"""

_HIT = "SELECT s.id, s.title, s.parent_id, n.id, n.created_at, CAST(n.message AS BLOB)"

# CROSS JOIN keeps the order: the newest matches are read off the index, and no more than asked for.
_WITH_WORDS = f"""
{_HIT}
FROM message_words AS w
CROSS JOIN nodes AS n ON n.seq = w.rowid
CROSS JOIN sessions AS s ON s.id = n.session_id
WHERE message_words MATCH :words {{filters}} ORDER BY w.rowid DESC LIMIT :limit OFFSET :offset
"""

# Read from its end, and no further than to the last match asked for.
_WITHOUT_WORDS = f"""
{_HIT}
FROM nodes AS n NOT INDEXED
CROSS JOIN sessions AS s ON s.id = n.session_id
WHERE true {{filters}} ORDER BY n.seq DESC LIMIT :limit OFFSET :offset
"""

_WITHIN = """
AND n.session_id IN (SELECT value FROM json_each(:ids)) AND {seq} BETWEEN
  (SELECT min(seq) FROM nodes WHERE session_id IN (SELECT value FROM json_each(:ids)))
  AND (SELECT max(seq) FROM nodes WHERE session_id IN (SELECT value FROM json_each(:ids)))
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
    if query.is_vain or limit <= 0:
        return ()
    ids = _sessions(connection, query.filters, session_id)
    if ids is not None and not ids:
        return ()
    statement, values = _statement(query, ids)
    _teach(connection, query.filters)
    return page_of(
        query,
        _titles(connection, query, values),
        lambda number: _messages(connection, query, number, statement, values),
        limit,
        offset,
    )


def _sessions(
    connection: sqlite3.Connection, filters: Filters, session_id: str | None
) -> list[str] | None:
    """The ids of the sessions to look at; `None` for all of them."""
    if not filters.about_sessions:
        return None if session_id is None else [session_id]
    found = connection.execute(
        "SELECT id, title FROM sessions WHERE ?1 IS NULL OR id = ?1", (session_id,)
    )
    return [id for id, title in found if filters.fits_session(id, title)]


def _statement(query: Query, ids: Sequence[str] | None) -> tuple[str, Values]:
    """The search for messages, and its values but for the block."""
    filters, has_words = query.filters, bool(query.terms)
    values: Values = {
        "words": query.fts5,
        "ids": None if ids is None else json.dumps(ids),
        "kinds": json.dumps(sorted(query.kinds)),
        "after": filters.after and rows.moment_text(filters.after),
        "before": filters.before and rows.moment_text(filters.before),
    }
    clauses = [
        (_WITHIN.format(seq="w.rowid" if has_words else "n.seq"), ids is not None),
        # With words all kinds fit but the summaries, which are not in the index.
        ("AND n.kind IN (SELECT value FROM json_each(:kinds))", bool(filters)),
        ("AND n.created_at >= :after", filters.after is not None),
        ("AND n.created_at < :before", filters.before is not None),
        ("AND n.label IS NOT NULL AND fits_label(n.label)", bool(filters.labels)),
        ("AND n.model IS NOT NULL AND fits_model(n.model)", bool(filters.models)),
        ("AND fits_tools(CAST(n.message AS BLOB))", bool(filters.tools)),
    ]
    statement = _WITH_WORDS if has_words else _WITHOUT_WORDS
    return statement.format(filters=" ".join(clause for clause, asked in clauses if asked)), values


def _teach(connection: sqlite3.Connection, filters: Filters) -> None:
    """Teach the connection what this query's filters mean, in place of those of the one before."""

    def fits_tools(message: bytes) -> bool:
        return filters.fits_tools(_message(message))

    # There are few models, and few names.
    connection.create_function("fits_model", 1, cache(filters.fits_model))
    connection.create_function("fits_label", 1, cache(filters.fits_label))
    connection.create_function("fits_tools", 1, fits_tools)


def _titles(connection: sqlite3.Connection, query: Query, values: Values) -> Iterator[Scored]:
    found = 0
    for id, title, parent_id, updated_at in connection.execute(_TITLES, values):
        time = rows.moment(updated_at)
        if query.names(id, title, time):
            yield title_hit(query, id, title, parent_id, time)
            found += 1
            if found == TITLES:
                break


def _messages(
    connection: sqlite3.Connection, query: Query, number: int, statement: str, values: Values
) -> list[Scored]:
    found = connection.execute(statement, {**values, "limit": BLOCK, "offset": number * BLOCK})
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
