"""Sessions in memory: for programs that keep nothing, and for tests."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Unpack

import msgspec
from msgspec import UNSET

from omni_tui.core.errors import AlreadyExistsError, StoreError
from omni_tui.core.messages import decode_message, now
from omni_tui.session.node import Node
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
    preview_of,
)
from omni_tui.session.store.hits import (
    BLOCK,
    TITLES,
    Hit,
    Scored,
    message_hit,
    page_of,
    title_hit,
)
from omni_tui.session.store.words import Query
from omni_tui.session.tree import Changes

_COLUMN = {name: index for index, name in enumerate(rows.NODE_COLUMNS)}
_IDENTITY = tuple(_COLUMN[name] for name in ("kind", "run_id", "created_at"))


class _Session(msgspec.Struct):
    record: dict[str, object]
    nodes: dict[int, rows.Row] = msgspec.field(default_factory=dict)
    order: dict[int, int] = msgspec.field(default_factory=dict)
    """When each node came, counted over all sessions."""
    cursors: dict[int | None, int] = msgspec.field(default_factory=dict)
    head: int | None = None


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
        new = {node.id: rows.node_row(node) for node in changes.nodes}
        for node in changes.nodes:
            _check(session, node, new)
        for node_id in changes.removed:
            session.nodes.pop(node_id, None)
            session.order.pop(node_id, None)
            session.cursors.pop(node_id, None)
        session.nodes.update(new)
        for node_id in new:
            session.order.setdefault(node_id, next(self._count))
        for parent, child in changes.cursors.items():
            if child is None:
                session.cursors.pop(parent, None)
            else:
                session.cursors[parent] = child
        if changes.head is not UNSET:
            session.head = changes.head
        session.record["updated_at"] = rows.moment_text(now())

    async def save_state(self, id: str, **changes: Unpack[State]) -> None:
        values = {**checked_state(changes), "updated_at": now()}
        stored = {column: rows.record_value(column, value) for column, value in values.items()}
        self._session(id).record.update(stored)

    async def load(self, id: str) -> StoredSession:
        session = self._session(id)
        in_order = (
            (*row[:-1], row[-1].encode(), session.cursors.get(node_id))
            for node_id, row in sorted(session.nodes.items())
        )
        return StoredSession(
            rows.record_from(tuple(session.record.values())),
            rows.tree_from(in_order, session.head, session.cursors.get(None)),
        )

    async def list(self, limit: int = 50, before: SessionSummary | None = None) -> Page:
        begun = (each for each in self._sessions.values() if each.record["parent_id"] is None)
        page = sorted(map(_summary, begun), key=_age, reverse=True)
        if before is not None:
            page = [summary for summary in page if _age(summary) < _age(before)]
        return page[:limit]

    async def search(
        self, query: str, *, limit: int = 20, offset: int = 0, session_id: str | None = None
    ) -> tuple[Hit, ...]:
        wanted = Query(query)
        if not wanted.terms or limit <= 0:
            return ()
        sessions = [each for id, each in self._sessions.items() if session_id in (None, id)]
        records = [rows.record_from(tuple(each.record.values())) for each in sessions]
        found = [
            (each.order[node_id], scored)
            for record, each in zip(records, sessions, strict=True)
            for node_id, row in each.nodes.items()
            if (scored := _message_hit(wanted, record, row)) is not None
        ]
        newest = [scored for _, scored in sorted(found, key=lambda each: -each[0])]
        return page_of(
            wanted,
            _title_hits(wanted, records),
            lambda number: newest[number * BLOCK : (number + 1) * BLOCK],
            limit,
            offset,
        )

    async def child(self, id: str, node: int, use: str) -> str | None:
        use = rows.record_value("parent_use", use)
        wanted = {"parent_id": id, "parent_node": node, "parent_use": use}
        found = None
        for child_id, session in self._sessions.items():
            if wanted.items() <= session.record.items():
                found = child_id
        return found

    async def delete(self, id: str) -> None:
        self._session(id)
        del self._sessions[id]
        beneath = [key for key, each in self._sessions.items() if each.record["parent_id"] == id]
        for child_id in beneath:
            await self.delete(child_id)

    async def exists(self, id: str) -> bool:
        return id in self._sessions

    async def find(self, wanted: str) -> str:
        records = [rows.record_from(tuple(s.record.values())) for s in self._sessions.values()]
        return pick([(each.id, each.title, each.parent_id) for each in records], wanted)

    async def latest(self) -> str | None:
        page = await self.list(limit=1)
        return page[0].id if page else None

    async def lease(self, id: str, *, take_over: bool = False) -> None:
        """Check that the session exists: no other process can reach this store."""
        self._session(id)

    async def release(self, id: str) -> None:
        """Nothing to give back."""

    async def close(self) -> None:
        """Nothing to let go of."""


def _check(session: _Session, node: Node, new: dict[int, rows.Row]) -> None:
    stored, row = session.nodes.get(node.id), new[node.id]
    if stored is not None and any(stored[i] != row[i] for i in _IDENTITY):
        raise StoreError(f"Another program added a message {node.id} to the session.")
    if node.parent_id is not None and not (
        node.parent_id in new or node.parent_id in session.nodes
    ):
        raise StoreError(f"The parent of message {node.id} is not stored.")


def _age(summary: SessionSummary) -> tuple[object, str]:
    return summary.updated_at, summary.id


def _title_hits(query: Query, records: Iterable[SessionRecord]) -> list[Scored]:
    newest = sorted(records, key=lambda record: (record.updated_at, record.id), reverse=True)
    return [
        title_hit(query, record.id, record.title, record.parent_id, record.updated_at)
        for record in newest
        if record.title is not None and query.matches(record.title)
    ][:TITLES]


def _message_hit(query: Query, record: SessionRecord, row: rows.Row) -> Scored | None:
    if row[_COLUMN["kind"]] == "summary":
        return None
    message = decode_message(row[_COLUMN["message"]])
    if not query.matches(message.text):
        return None
    return message_hit(
        query,
        message,
        session_id=record.id,
        title=record.title,
        parent_id=record.parent_id,
        node_id=row[_COLUMN["id"]],
        time=rows.moment(row[_COLUMN["created_at"]]),
    )


def _summary(session: _Session) -> SessionSummary:
    record = rows.record_from(tuple(session.record.values()))
    said = [row for row in session.nodes.values() if row[_COLUMN["kind"]] != "summary"]
    parents = {row[_COLUMN["parent_id"]] for row in said} - {None}
    head = None if session.head is None else session.nodes[session.head]
    return SessionSummary(
        id=record.id,
        title=record.title,
        model=record.model,
        cwd=record.cwd,
        created_at=record.created_at,
        updated_at=record.updated_at,
        nodes=len(said),
        branches=len(said) - len(parents),
        preview="" if head is None else preview_of(decode_message(head[_COLUMN["message"]])),
        cost=sum(row[_COLUMN["cost"]] or 0.0 for row in session.nodes.values()),
    )
