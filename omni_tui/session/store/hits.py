"""What a search finds, and in which order it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

from omni_tui.core.messages import Attachment, Message, Role, ToolUse
from omni_tui.session.store.words import Query

BLOCK = 200
"""How many messages compete for the best place: ranking all would take the longer the more common
the words are."""

TITLES = 50
"""How many titles are told of, those of the sessions used last."""

_LONG = 50_000
"""Characters from which on a text is not kept while hits compete."""


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


class Scored(msgspec.Struct, frozen=True):
    """A hit that competes for a place; its snippet is made when it has one."""

    score: float
    hit: Hit
    text: str | None
    """What the snippet is made of; `None` when it is made."""


def title_hit(
    query: Query, session_id: str, title: str, parent_id: str | None, time: datetime
) -> Scored:
    """The hit for a title that matches."""
    hit = Hit(
        session_id=session_id,
        title=title,
        parent_id=parent_id,
        node_id=None,
        role=None,
        time=time,
        snippet="",
        matches=(),
    )
    return Scored(query.score(title), hit, title)


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
    text = message.text or _named(message)
    hit = Hit(
        session_id=session_id,
        title=title,
        parent_id=parent_id,
        node_id=node_id,
        role=message.role,
        time=time,
        snippet="",
        matches=(),
    )
    score = query.score(text)
    if len(text) > _LONG:
        return Scored(score, _with_snippet(query, hit, text), None)
    return Scored(score, hit, text)


def _named(message: Message) -> str:
    """What stands for a message without words: the tools it calls, the files it brings."""
    named = (block for block in message.content if isinstance(block, ToolUse | Attachment))
    return ", ".join(block.name for block in named if block.name)


def _with_snippet(query: Query, hit: Hit, text: str) -> Hit:
    snippet, matches = query.snippet(text)
    return msgspec.structs.replace(hit, snippet=snippet, matches=matches)


class Paging:
    """Puts one page of hits together from blocks of messages.

    For stores that must wait for a block: add those that are `wanted`, then read the `hits`.
    `page_of` does that for the others, and says more of what goes in.
    """

    wanted: int | None
    """The number of the block to be added next; `None` once there is enough."""

    def __init__(self, query: Query, titles: Iterable[Scored], limit: int, offset: int) -> None:
        self._query = query
        self._named = list(titles)
        number = max(0, offset - len(self._named)) // BLOCK
        skip = offset - (len(self._named) + number * BLOCK if number else 0)
        self._page = slice(skip, skip + limit)
        self._found: list[Scored] = []
        self.wanted = number if limit > 0 else None

    def add(self, messages: list[Scored]) -> None:
        """Add the block that was wanted."""
        assert self.wanted is not None
        ranked = messages if self.wanted else [*self._named, *messages]
        self._found += sorted(ranked, key=lambda scored: -scored.score)
        is_last = len(messages) < BLOCK or len(self._found) >= self._page.stop
        self.wanted = None if is_last else self.wanted + 1

    def hits(self) -> tuple[Hit, ...]:
        """The page, with snippets."""
        return tuple(
            scored.hit
            if scored.text is None
            else _with_snippet(self._query, scored.hit, scored.text)
            for scored in self._found[self._page]
        )


def page_of(
    query: Query,
    titles: Iterable[Scored],
    block: Callable[[int], list[Scored]],
    limit: int,
    offset: int,
) -> tuple[Hit, ...]:
    """The hits from `offset` on, at most `limit`.

    Args:
        query: What is looked for.
        titles: The matching titles, those of the sessions used last first.
        block: Gives a block of matching messages by its number, the newest first: `BLOCK` of them,
            or fewer if it is the last. Within one, the best come first, then the newest.
        limit: How many hits at most.
        offset: How many to leave out.
    """
    paging = Paging(query, titles, limit, offset)
    while paging.wanted is not None:
        paging.add(block(paging.wanted))
    return paging.hits()
