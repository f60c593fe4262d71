"""The words of every message in PostgreSQL, and finding them again.

A column holds the words of its row as a `tsvector` without places. It finds all that may fit, and
`Query.matches` has the last word on each: so phrases need no places (which PostgreSQL counts only
so far), and what is found is what every other store finds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, LiteralString

import msgspec

from omni_tui.core.messages import Message, decode_message
from omni_tui.session.node import Node
from omni_tui.session.store import rows
from omni_tui.session.store.hits import (
    BLOCK,
    TITLES,
    Hit,
    Paging,
    Scored,
    message_hit,
    title_hit,
)
from omni_tui.session.store.postgres.connections import Connection
from omni_tui.session.store.words import Query, words_of

MAX_WORD = 200
"""Characters of a word that are kept; the rest of a longer one is not looked at here."""

MAX_WORDS = 500_000
"""Bytes of words in one row. PostgreSQL holds a megabyte of them, and what has more is rare enough
to be looked at whenever anything is searched."""

TOO_MANY = "*"
"""Stands in for more words than that; no word is written so."""

_CHUNK = 100

_MESSAGES: LiteralString = """
SELECT n.seq, s.id, s.title, s.parent_id, n.id, n.created_at, convert_to(n.message, 'UTF8')
FROM nodes AS n JOIN sessions AS s ON s.id = n.session_id
WHERE (%(words)s::tsquery IS NULL OR n.words @@ %(words)s::tsquery)
  AND (%(ids)s::text[] IS NULL OR n.session_id = ANY(%(ids)s::text[]))
  AND n.kind = ANY(%(kinds)s::text[])
  AND (%(after)s::text IS NULL OR n.created_at >= %(after)s)
  AND (%(until)s::text IS NULL OR n.created_at < %(until)s)
  AND (%(models)s::text[] IS NULL OR n.model = ANY(%(models)s::text[]))
  AND (%(labels)s::text[] IS NULL OR n.label = ANY(%(labels)s::text[]))
  AND (%(before)s::bigint IS NULL OR n.seq < %(before)s)
ORDER BY n.seq DESC LIMIT %(limit)s
"""

_TITLES: LiteralString = """
SELECT id, title, parent_id, updated_at FROM sessions
WHERE title IS NOT NULL
  AND (%(words)s::tsquery IS NULL OR title_words @@ %(words)s::tsquery)
  AND (%(ids)s::text[] IS NULL OR id = ANY(%(ids)s::text[]))
  AND (%(updated_at)s::text IS NULL OR (updated_at, id) < (%(updated_at)s, %(id)s))
ORDER BY updated_at DESC, id DESC LIMIT %(limit)s
"""

# There are few of either: what fits is told here, with the rules of every other store.
_MODELS: LiteralString = "SELECT DISTINCT model FROM nodes WHERE model IS NOT NULL"
_LABELS: LiteralString = "SELECT DISTINCT label FROM nodes WHERE label IS NOT NULL"


def node_words(node: Node) -> str:
    """The words to be stored with a node, as `tsvector` reads them."""
    return "" if node.kind == "summary" else stored_words(node.message.text)


def stored_words(text: str | None) -> str:
    """The words of a text to be stored with it, as `tsvector` reads them."""
    words = {word[:MAX_WORD] for word in words_of(text or "")}
    # Words are letters and digits: none of them needs a quote.
    made = " ".join(words)
    return made if len(made.encode()) <= MAX_WORDS else TOO_MANY


async def search(
    connection: Connection, text: str, limit: int, offset: int, session_id: str | None
) -> tuple[Hit, ...]:
    """See `Store.search`."""
    query = Query(text)
    if query.is_vain or limit <= 0:
        return ()
    values = await _values(connection, query, session_id)
    paging = Paging(query, await _titles(connection, query, values), limit, offset)
    messages = _messages(connection, query, values)
    passed = 0
    while (wanted_block := paging.wanted) is not None:
        block = await _take(messages, BLOCK)
        if passed == wanted_block:
            paging.add(block)
        elif len(block) < BLOCK:
            paging.add([])  # the page lies beyond the last
        passed += 1
    return await asyncio.to_thread(paging.hits)


async def _values(connection: Connection, query: Query, session_id: str | None) -> dict[str, Any]:
    """What the statements ask for, but for the place where to go on."""
    filters = query.filters
    ids = None if session_id is None else [session_id]
    if filters.about_sessions:
        found = await connection.execute("SELECT id, title FROM sessions")
        fit = [id for id, title in await found.fetchall() if filters.fits_session(id, title)]
        ids = fit if session_id is None else [id for id in fit if id == session_id]
    return {
        "words": _tsquery(query) if query.terms else None,
        "ids": ids,
        "kinds": sorted(query.kinds),
        "after": filters.after and rows.moment_text(filters.after),
        "until": filters.before and rows.moment_text(filters.before),
        "models": await _fitting(connection, _MODELS, filters.fits_model, filters.models),
        "labels": await _fitting(connection, _LABELS, filters.fits_label, filters.labels),
        "limit": _CHUNK,
    }


async def _fitting(
    connection: Connection,
    statement: LiteralString,
    fits: Callable[[str], bool],
    wanted: Sequence[str],
) -> list[str] | None:
    """Those of a column's values that a filter lets through; `None` without one."""
    if not wanted:
        return None
    cursor = await connection.execute(statement)
    return [value for (value,) in await cursor.fetchall() if fits(value)]


def _tsquery(query: Query) -> str:
    words = dict.fromkeys(query.words)
    terms = (f"'{word[:MAX_WORD]}'{':*' if may_go_on else ''}" for word, may_go_on in words)
    return f"{' & '.join(terms)} | '{TOO_MANY}'"


async def _take(messages: AsyncIterator[Scored], count: int) -> list[Scored]:
    taken: list[Scored] = []
    while len(taken) < count and (scored := await anext(messages, None)) is not None:
        taken.append(scored)
    return taken


async def _messages(
    connection: Connection, query: Query, values: dict[str, Any]
) -> AsyncIterator[Scored]:
    """All matching messages, the newest first."""
    values = {**values, "before": None}
    while True:
        # Never prepared: how to go about it depends on how common the words are.
        cursor = await connection.execute(_MESSAGES, values, prepare=False, binary=True)
        found = await cursor.fetchall()
        for scored in await asyncio.to_thread(_scored, query, found):
            yield scored
        if len(found) < _CHUNK:
            return
        values["before"] = found[-1][0]


def _scored(query: Query, found: Sequence[rows.Row]) -> list[Scored]:
    made = []
    for _, id, title, parent_id, node_id, created_at, stored in found:
        message = _message(stored)
        if query.filters.fits_tools(message) and query.matches(message.text):
            made.append(
                message_hit(
                    query,
                    message,
                    session_id=id,
                    title=title,
                    parent_id=parent_id,
                    node_id=node_id,
                    time=rows.moment(created_at),
                )
            )
    return made


async def _titles(connection: Connection, query: Query, values: dict[str, Any]) -> list[Scored]:
    values = {**values, "updated_at": None, "id": None}
    found: list[Scored] = []
    while len(found) < TITLES:
        cursor = await connection.execute(_TITLES, values, prepare=False)
        chunk = await cursor.fetchall()
        found += [
            title_hit(query, id, title, parent_id, rows.moment(updated_at))
            for id, title, parent_id, updated_at in chunk
            if query.names(id, title, rows.moment(updated_at))
        ]
        if len(chunk) < _CHUNK:
            break
        values["id"], values["updated_at"] = chunk[-1][0], chunk[-1][3]
    return found[:TITLES]


def _message(stored: bytes) -> Message:
    try:
        return decode_message(stored)
    except (msgspec.DecodeError, UnicodeError):
        return Message.user(())
