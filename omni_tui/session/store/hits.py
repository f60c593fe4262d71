"""What a search finds, and in which order it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeAlias

import msgspec

from omni_tui.core.messages import Message, Role
from omni_tui.session.store.words import Query

BLOCK = 200
"""How many messages compete for the best place: ranking all would take the longer the more common
the words are."""

TITLES = 50
"""How many titles are told of, those of the sessions used last."""


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A message, or a session by its title, that has the words of a query."""

    session_id: str
    title: str | None
    """Of the session."""
    parent_id: str | None
    """The session whose sub-agent had this one; `None` for one that a person began."""
    node_id: int | None
    """`None` where it is the title that has the words."""
    role: Role | None
    """Whose message it is; `None` for a title."""
    time: datetime
    """Of the message, or when the session was last written to."""
    snippet: str
    """One safe line of the text around the words, without markup."""
    matches: tuple[tuple[int, int], ...]
    """Where the words are in the snippet: (start, end) in characters."""


Scored: TypeAlias = tuple[float, Hit]


def title_hit(
    query: Query, session_id: str, title: str, parent_id: str | None, time: datetime
) -> Scored:
    """The hit for a title that matches."""
    snippet, matches = query.snippet(title)
    hit = Hit(
        session_id=session_id,
        title=title,
        parent_id=parent_id,
        node_id=None,
        role=None,
        time=time,
        snippet=snippet,
        matches=matches,
    )
    return query.score(title), hit


def message_hit(
    query: Query,
    message: Message,
    *,
    session_id: str,
    title: str | None,
    parent_id: str | None,
    node_id: int,
    time: datetime,
) -> Scored:
    """The hit for a message that matches."""
    text = message.text
    snippet, matches = query.snippet(text)
    hit = Hit(
        session_id=session_id,
        title=title,
        parent_id=parent_id,
        node_id=node_id,
        role=message.role,
        time=time,
        snippet=snippet,
        matches=matches,
    )
    return query.score(text), hit


def page_of(
    titles: Iterable[Scored],
    block: Callable[[int], list[Scored]],
    limit: int,
    offset: int,
) -> tuple[Hit, ...]:
    """The hits from `offset` on, at most `limit`.

    Args:
        titles: The matching titles, those of the sessions used last first.
        block: Gives a block of matching messages by its number, the newest first: `BLOCK` of them,
            or fewer if it is the last. Within one, the best come first, then the newest.
        limit: How many hits at most.
        offset: How many to leave out.
    """
    named = list(titles)
    number = max(0, offset - len(named)) // BLOCK
    skip = offset - (len(named) + number * BLOCK if number else 0)
    found: list[Hit] = []
    while len(found) < skip + limit:
        messages = block(number)
        ranked = messages if number else [*named, *messages]
        ranked.sort(key=lambda scored: -scored[0])
        found += [hit for _, hit in ranked]
        if len(messages) < BLOCK:
            break
        number += 1
    return tuple(found[skip : skip + limit])
