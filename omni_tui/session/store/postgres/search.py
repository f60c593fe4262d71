"""The words of every message in PostgreSQL, and finding them again.

A column holds the words of its row as a `tsvector` without places. It finds all that may fit, and
`Query.matches` has the last word on each: so phrases need no places (which PostgreSQL counts only
so far), and what is found is what every other store finds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
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
WHERE n.words @@ CAST(%(words)s AS tsquery)
  AND (%(within)s::text IS NULL OR n.session_id = %(within)s)
  AND (%(before)s::bigint IS NULL OR n.seq < %(before)s)
ORDER BY n.seq DESC LIMIT %(limit)s
"""

_TITLES: LiteralString = """
SELECT id, title, parent_id, updated_at FROM sessions
WHERE title_words @@ CAST(%(words)s AS tsquery)
  AND (%(within)s::text IS NULL OR id = %(within)s)
  AND (%(updated_at)s::text IS NULL OR (updated_at, id) < (%(updated_at)s, %(id)s))
ORDER BY updated_at DESC, id DESC LIMIT %(limit)s
"""


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
    if not query.terms or limit <= 0:
        return ()
    wanted = _tsquery(query)
    paging = Paging(query, await _titles(connection, query, wanted, session_id), limit, offset)
    messages = _messages(connection, query, wanted, session_id)
    passed = 0
    while (wanted_block := paging.wanted) is not None:
        block = await _take(messages, BLOCK)
        if passed == wanted_block:
            paging.add(block)
        elif len(block) < BLOCK:
            paging.add([])  # the page lies beyond the last
        passed += 1
    return await asyncio.to_thread(paging.hits)


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
    connection: Connection, query: Query, wanted: str, session_id: str | None
) -> AsyncIterator[Scored]:
    """All matching messages, the newest first."""
    values: dict[str, Any] = {"words": wanted, "within": session_id, "limit": _CHUNK}
    values["before"] = None
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
        if query.matches(message.text):
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


async def _titles(
    connection: Connection, query: Query, wanted: str, session_id: str | None
) -> list[Scored]:
    values: dict[str, Any] = {"words": wanted, "within": session_id, "limit": _CHUNK}
    values["updated_at"] = values["id"] = None
    found: list[Scored] = []
    while len(found) < TITLES:
        cursor = await connection.execute(_TITLES, values, prepare=False)
        chunk = await cursor.fetchall()
        found += [
            title_hit(query, id, title, parent_id, rows.moment(updated_at))
            for id, title, parent_id, updated_at in chunk
            if query.matches(title)
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
