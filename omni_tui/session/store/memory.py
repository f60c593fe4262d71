"""Sessions in memory: for programs that keep nothing, and for tests."""

from __future__ import annotations

import itertools
from typing import Any, Unpack

import msgspec
from msgspec import UNSET

from omni_tui.core.errors import AlreadyExistsError
from omni_tui.core.messages import now
from omni_tui.session.store import rows
from omni_tui.session.store.base import (
    Page,
    SessionRecord,
    SessionSummary,
    State,
    StoredSession,
    checked_state,
    not_found,
    pick,
)
from omni_tui.session.store.hits import Hit
from omni_tui.session.store.kept import KeptTree, page_before, search, summary_of
from omni_tui.session.tree import Changes


class _Session(msgspec.Struct):
    row: dict[str, object]
    kept: KeptTree = msgspec.field(default_factory=KeptTree)
    beside: dict[str, Any] = msgspec.field(default_factory=dict)

    def record(self) -> SessionRecord:
        return rows.record_from(tuple(self.row.values()))


class MemoryStore:
    """A `Store` that forgets all when it goes. It keeps rows, so what it gives shares nothing."""

    def __init__(self) -> None:
        self._sessions: dict[str, _Session] = {}
        self._count = itertools.count()

    def _session(self, id: str) -> _Session:
        if id not in self._sessions:
            raise not_found(id)
        return self._sessions[id]

    async def open(self) -> None:
        """Nothing to open."""

    async def create(self, record: SessionRecord) -> None:
        if record.id in self._sessions:
            raise AlreadyExistsError(f"There is a session {record.id} already.", id=record.id)
        if record.parent_id is not None:
            self._session(record.parent_id)
        row = rows.record_row(record)
        self._sessions[record.id] = _Session(dict(zip(rows.RECORD_COLUMNS, row, strict=True)))

    async def save_tree(self, id: str, changes: Changes) -> None:
        session = self._session(id)
        kept = session.kept
        new = [rows.node_row(node) for node in changes.nodes]
        kept.check(new)
        for node_id in changes.removed:
            kept.drop(node_id)
        for row in new:
            kept.put(row, ("", next(self._count)))
        for parent, child in changes.cursors.items():
            kept.choose(parent, child)
        if changes.head is not UNSET:
            kept.head = changes.head
        session.row["updated_at"] = rows.moment_text(now())

    async def save_state(self, id: str, **changes: Unpack[State]) -> None:
        values = {"updated_at": now(), **checked_state(changes)}
        stored = {column: rows.record_value(column, value) for column, value in values.items()}
        self._session(id).row.update(stored)

    async def load(self, id: str, *, window: int | None = None) -> StoredSession:
        session = self._session(id)
        return StoredSession(session.record(), session.kept.tree())

    async def list(self, limit: int = 50, before: SessionSummary | None = None) -> Page:
        begun = (each for each in self._sessions.values() if each.row["parent_id"] is None)
        summaries = (summary_of(each.record(), each.kept) for each in begun)
        return page_before(summaries, limit, before)

    async def search(
        self, query: str, *, limit: int = 20, offset: int = 0, session_id: str | None = None
    ) -> tuple[Hit, ...]:
        sessions = (each for id, each in self._sessions.items() if session_id in (None, id))
        return search(query, ((each.record(), each.kept) for each in sessions), limit, offset)

    async def child(self, id: str, node: int, use: str) -> str | None:
        use = rows.record_value("parent_use", use)
        wanted = {"parent_id": id, "parent_node": node, "parent_use": use}
        found = None
        for child_id, session in self._sessions.items():
            if wanted.items() <= session.row.items():
                found = child_id
        return found

    async def delete(self, id: str) -> None:
        self._session(id)
        del self._sessions[id]
        beneath = [key for key, each in self._sessions.items() if each.row["parent_id"] == id]
        for child_id in beneath:
            await self.delete(child_id)

    async def exists(self, id: str) -> bool:
        return id in self._sessions

    async def find(self, wanted: str) -> str:
        records = [session.record() for session in self._sessions.values()]
        return pick([(each.id, each.title, each.parent_id) for each in records], wanted)

    async def latest(self) -> str | None:
        page = await self.list(limit=1)
        return page[0].id if page else None

    def beside(self, name: str) -> dict[str, dict[str, Any]]:
        """What the extension of this name keeps of each session, by id; gone with the session."""
        return {id: each.beside.setdefault(name, {}) for id, each in self._sessions.items()}

    async def lease(self, id: str, *, take_over: bool = False) -> None:
        """Check that the session exists: no other process can reach this store."""
        self._session(id)

    async def release(self, id: str) -> None:
        """Nothing to give back."""

    async def close(self) -> None:
        """Nothing to let go of."""
