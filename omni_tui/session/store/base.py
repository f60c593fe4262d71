"""What every store of sessions can do, and the values that pass in and out.

A store is an async object of small verbs. It raises `StoreError` and its kinds, never an error of
what is beneath it.
"""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterable
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias, TypedDict, Unpack

import msgspec

from omni_tui.core.errors import AmbiguousIdError, NotFoundError
from omni_tui.core.messages import Message, now
from omni_tui.core.safe_text import safe_line
from omni_tui.session.store.hits import Hit
from omni_tui.session.tree import Changes, Tree

PREVIEW_LENGTH = 120
"""Characters of a summary's preview, at most."""


class SessionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """All that is kept of a session beside its tree."""

    id: str
    title: str | None = None
    title_is_manual: bool = False
    """A person gave the title, so that no generated one may replace it."""
    model: str | None = None
    """As `provider/model`."""
    system: str | None = None
    options: dict[str, Any] = {}
    """Inference options: JSON values."""
    cwd: str | None = None
    """The folder the session was started in."""
    drafts: dict[str, str] = {}
    """Unsent text by branch."""
    approvals: tuple[str, ...] = ()
    """Rules a person allowed for this session."""
    parent_id: str | None = None
    """The session whose agent gave this one its task; `None` for one that a person began."""
    parent_node: int | None = None
    """The message there that asked for it."""
    parent_use: str | None = None
    """The id of the tool use in that message."""
    depth: int = 0
    """How many sessions stand above this one."""
    origin_id: str | None = None
    """The session this one was forked from; it may be gone."""
    origin_node: int | None = None
    """The message there at which it was."""
    partials: dict[str, Any] = {}
    """Replies that were being written, by run: `partials.Partial` as JSON values."""
    created_at: datetime = msgspec.field(default_factory=now)
    updated_at: datetime = msgspec.field(default_factory=now)


class State(TypedDict, total=False):
    """The parts of a record that `save_state` writes; those not given stay as they are."""

    title: str | None
    title_is_manual: bool
    model: str | None
    system: str | None
    options: dict[str, Any]
    cwd: str | None
    drafts: dict[str, str]
    approvals: tuple[str, ...]
    partials: dict[str, Any]
    updated_at: datetime
    """By default the moment of writing."""


class StoredSession(msgspec.Struct, frozen=True):
    """A session as loaded; it shares nothing with the store."""

    record: SessionRecord
    tree: Tree


class SessionSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a list of sessions."""

    id: str
    title: str | None
    model: str | None
    cwd: str | None
    created_at: datetime
    updated_at: datetime
    nodes: int
    branches: int
    """How many tips the tree has, hidden ones too."""
    preview: str
    """The head's words as one safe line, empty if it has none."""
    cost: float
    """US dollars, over all branches."""
    origin_id: str | None = None
    """The session it was forked from, which may be gone."""


Page: TypeAlias = list[SessionSummary]


class Store(Protocol):
    """Keeps sessions. `id` is a session's full id; unknown ones raise `NotFoundError`."""

    async def open(self) -> None:
        """Make sure now that the store can be used, rather than at its first use.

        Raises `StoreUnavailableError` when it cannot, and `StoreVersionError` when a newer version
        or another program wrote what is there.
        """

    async def create(self, record: SessionRecord) -> None:
        """Store a new session without nodes.

        Raises `AlreadyExistsError`, and `NotFoundError` when its parent is not stored.
        """

    async def save_tree(self, id: str, changes: Changes) -> None:
        """Write nodes, cursors and head in one go: after a crash all of it is there or nothing.

        Saving the same changes again is harmless. Raises `SessionLockedError` while another process
        holds the lease, and `StoreError` when another program stored something else under the id of
        a new node.
        """

    async def save_state(self, id: str, **changes: Unpack[State]) -> None:
        """Write these parts of the record and leave the others alone."""

    async def load(self, id: str, *, window: int | None = None) -> StoredSession:
        """Read a session with its whole tree.

        With a `window` a store may give the tree as soon as it has the messages of so many nodes at
        the end of the active path, and read the others meanwhile (see `node.Late`).
        """

    async def list(self, limit: int = 50, before: SessionSummary | None = None) -> Page:
        """The sessions updated last, newest first; those with a parent are left out.

        `before` is the last summary of a page and gives the next one.
        """

    async def search(
        self, query: str, *, limit: int = 20, offset: int = 0, session_id: str | None = None
    ) -> tuple[Hit, ...]:
        """What was said on any branch of any session, and titles, with all words of the query.

        Found are the texts of prompts and replies, not thinking and not what tools wrote; see
        `words.Query` for what a query is. Of the newest matches the best come first, then of those
        before them, so that common words cost no more than rare ones. Sessions of sub-agents are
        found too.

        Args:
            query: What a person types: words, and filters such as `model:sonnet` (see
                `filters.FILTERS`), which alone find all that fits, the newest first. Without
                either, and with a filter that cannot be read, nothing is found.
            limit: How many hits at most.
            offset: How many to leave out: those of the pages before.
            session_id: Look only there; an unknown one has no hits.
        """

    async def child(self, id: str, node: int, use: str) -> str | None:
        """The session that this tool use of session `id` began, the newest; `None` without one.

        Raises nothing for an unknown `id`.
        """

    async def delete(self, id: str) -> None:
        """Remove a session and all beneath it.

        Raises `SessionLockedError` while another process holds the lease of one of them.
        """

    async def exists(self, id: str) -> bool:
        """Whether the session is stored."""

    async def find(self, wanted: str) -> str:
        """The full id that a person means by an id, its beginning or a title (see `pick`)."""

    async def latest(self) -> str | None:
        """The session updated last, if there is any; never one with a parent."""

    async def lease(self, id: str, *, take_over: bool = False) -> None:
        """Claim the session for this store until `release` or `close`; claiming twice is fine.

        Raises `SessionLockedError` while a living process holds it, unless `take_over`: then that
        process loses it.
        """

    async def release(self, id: str) -> None:
        """Give a lease back; without one nothing happens."""

    async def close(self) -> None:
        """Finish what is being written, give back all leases and let go of the file."""


class Entered(ABC):
    """`async with` for a store that has to be opened: closed when left, and when it cannot open."""

    @abstractmethod
    async def open(self) -> None:
        """See `Store.open`."""

    @abstractmethod
    async def close(self) -> None:
        """See `Store.close`."""

    async def __aenter__(self) -> Self:
        try:
            await self.open()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


def new_session_id() -> str:
    """A fresh id: 22 URL-safe characters of 16 random bytes.

    It never begins with a dash, so that it can stand on a command line.
    """
    while (id := secrets.token_urlsafe(16)).startswith("-"):
        pass
    return id


def checked_state(changes: State) -> dict[str, Any]:
    """The parts of a record to write; raises `TypeError` for a name that is none."""
    if unknown := changes.keys() - State.__annotations__.keys():
        raise TypeError(f"a session's state has no {', '.join(sorted(unknown))}")
    return dict(changes)


def pick(sessions: Iterable[tuple[str, str | None, str | None]], wanted: str) -> str:
    """Choose from (id, title, parent id) what a person means by `wanted`.

    Tried in this order: the id, a whole title, the beginning of an id, the beginning of a title;
    titles ignore case. A session with a parent is found by its id alone, and only where no other
    fits. Raises `NotFoundError`, or `AmbiguousIdError` with the (id, title) pairs that fit in
    `details["matches"]`.
    """
    known = list(sessions)
    try:
        return _pick([(id, title or "") for id, title, parent in known if parent is None], wanted)
    except NotFoundError:
        return _pick([(id, "") for id, _, parent in known if parent is not None], wanted)


def _pick(known: list[tuple[str, str]], wanted: str) -> str:
    pairs = known if wanted else []
    title_wanted = wanted.casefold()
    for matches in (
        [pair for pair in pairs if pair[0] == wanted],
        [pair for pair in pairs if pair[1].casefold() == title_wanted],
        [pair for pair in pairs if pair[0].startswith(wanted)],
        [pair for pair in pairs if pair[1].casefold().startswith(title_wanted)],
    ):
        if len(matches) == 1:
            return matches[0][0]
        if matches:
            shown = ", ".join(f"{id} {safe_line(title, 40)}".rstrip() for id, title in matches[:8])
            more = f" and {len(matches) - 8} more" if len(matches) > 8 else ""
            raise AmbiguousIdError(
                f"{safe_line(wanted, 60)!r} fits {len(matches)} sessions: {shown}{more}.",
                hint="type more of the id",
                matches=matches,
            )
    raise not_found(wanted)


def not_found(id: str) -> NotFoundError:
    """The error for a session that is not stored."""
    return NotFoundError(
        f"There is no session {safe_line(id, 60)!r}.",
        hint="start omni-tui and press ctrl+s to see what there is",
        id=id,
    )


def preview_of(message: Message) -> str:
    """A message as one safe line for a summary."""
    return safe_line(message.text, PREVIEW_LENGTH)
