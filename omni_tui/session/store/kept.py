"""Trees as rows in memory, for stores that read whole sessions: what they tell, find and refuse."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import msgspec

from omni_tui.core.errors import StoreError
from omni_tui.core.messages import Message, decode_message
from omni_tui.session.store import rows
from omni_tui.session.store.base import SessionRecord, SessionSummary, preview_of
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
from omni_tui.session.tree import Tree

Stamp: TypeAlias = tuple[str, int]
"""When a node came, such that later ones are greater, over all sessions of a store."""

COLUMN = {name: index for index, name in enumerate(rows.NODE_COLUMNS)}
"""The place of each column in a row."""

_IDENTITY = tuple(COLUMN[name] for name in ("kind", "run_id", "created_at"))


class KeptTree(msgspec.Struct):
    """A tree as `rows.NODE_COLUMNS`."""

    nodes: dict[int, rows.Row] = msgspec.field(default_factory=dict)
    stamps: dict[int, Stamp] = msgspec.field(default_factory=dict)
    cursors: dict[int | None, int] = msgspec.field(default_factory=dict)
    head: int | None = None
    said: int = 0
    """How many nodes there are without the summaries."""
    cost: float = 0.0
    """US dollars, over all branches."""
    _followed: dict[int, int] = msgspec.field(default_factory=dict)
    """How many nodes without the summaries are right under each that has any."""

    @property
    def branches(self) -> int:
        """How many tips there are."""
        return self.said - len(self._followed)

    def check(self, new: Iterable[rows.Row]) -> None:
        """Raise `StoreError` for a row that another node's id has, or whose parent is missing."""
        new = list(new)
        known = {row[COLUMN["id"]] for row in new}
        for row in new:
            id, parent = row[COLUMN["id"]], row[COLUMN["parent_id"]]
            stored = self.nodes.get(id)
            if stored is not None and any(stored[i] != row[i] for i in _IDENTITY):
                raise StoreError(
                    f"Another program added a message {id} to the session.",
                    hint="open the session anew",
                    node_id=id,
                )
            if parent is not None and parent not in known and parent not in self.nodes:
                raise StoreError(f"The parent of message {id} is not stored.", node_id=id)

    def put(self, row: rows.Row, stamp: Stamp) -> None:
        """Add a node, or alter the one with its id; that keeps its stamp."""
        id = row[COLUMN["id"]]
        if (stored := self.nodes.get(id)) is not None:
            self._count(stored, -1)
        self._count(row, 1)
        self.nodes[id] = row
        self.stamps.setdefault(id, stamp)

    def drop(self, node_id: int) -> None:
        """Forget a node and its cursor."""
        if (stored := self.nodes.pop(node_id, None)) is not None:
            self._count(stored, -1)
        self.stamps.pop(node_id, None)
        self.cursors.pop(node_id, None)

    def _count(self, row: rows.Row, by: int) -> None:
        self.cost += by * (row[COLUMN["cost"]] or 0.0)
        if row[COLUMN["kind"]] == "summary":
            return
        self.said += by
        parent = row[COLUMN["parent_id"]]
        if parent is not None:
            self._followed[parent] = self._followed.get(parent, 0) + by
            if not self._followed[parent]:
                del self._followed[parent]

    def choose(self, parent: int | None, child: int | None) -> None:
        """Move a cursor; to `None` takes it away."""
        if child is None:
            self.cursors.pop(parent, None)
        else:
            self.cursors[parent] = child

    def tree(self) -> Tree:
        """The tree, which shares nothing with the rows."""
        in_order = (
            (*row[:-1], row[-1].encode(), self.cursors.get(node_id))
            for node_id, row in sorted(self.nodes.items())
        )
        return rows.tree_from(in_order, self.head, self.cursors.get(None))


def summary_of(record: SessionRecord, kept: KeptTree) -> SessionSummary:
    """The line of a list for this session."""
    head = None if kept.head is None else kept.nodes.get(kept.head)
    return SessionSummary(
        id=record.id,
        title=record.title,
        model=record.model,
        cwd=record.cwd,
        created_at=record.created_at,
        updated_at=record.updated_at,
        nodes=kept.said,
        branches=kept.branches,
        preview="" if head is None else _preview(head),
        cost=kept.cost,
        origin_id=record.origin_id,
    )


def _preview(row: rows.Row) -> str:
    message = _message(row)
    return "(damaged)" if message is None else preview_of(message)


def _message(row: rows.Row) -> Message | None:
    try:
        return decode_message(row[COLUMN["message"]])
    except msgspec.DecodeError:
        return None


def page_before(
    summaries: Iterable[SessionSummary], limit: int, before: SessionSummary | None
) -> list[SessionSummary]:
    """The newest of these, those that come after `before` in a list."""
    page = sorted(summaries, key=_age, reverse=True)
    if before is not None:
        page = [summary for summary in page if _age(summary) < _age(before)]
    return page[:limit]


def _age(summary: SessionSummary) -> tuple[Any, str]:
    return summary.updated_at, summary.id


def search(
    query: str, sessions: Iterable[tuple[SessionRecord, KeptTree]], limit: int, offset: int
) -> tuple[Hit, ...]:
    """What `Store.search` finds in these sessions, by reading every message of them."""
    wanted = Query(query)
    if wanted.is_vain or limit <= 0:
        return ()
    named: list[SessionRecord] = []
    found: list[tuple[Stamp, Scored]] = []
    for record, kept in sessions:
        if not wanted.filters.fits_session(record.id, record.title):
            continue
        if record.title is not None and wanted.names(record.id, record.title, record.updated_at):
            named.append(record)
        for node_id, row in kept.nodes.items():
            if (scored := _message_hit(wanted, record, row)) is not None:
                found.append((kept.stamps[node_id], scored))
    found.sort(key=lambda each: each[0], reverse=True)
    named.sort(key=lambda record: (record.updated_at, record.id), reverse=True)
    titles = [
        title_hit(wanted, each.id, each.title or "", each.parent_id, each.updated_at)
        for each in named[:TITLES]
    ]

    def block(number: int) -> list[Scored]:
        return [scored for _, scored in found[number * BLOCK : (number + 1) * BLOCK]]

    return page_of(wanted, titles, block, limit, offset)


def _message_hit(query: Query, record: SessionRecord, row: rows.Row) -> Scored | None:
    filters = query.filters
    time = rows.moment(row[COLUMN["created_at"]])
    fits = filters.fits_model(row[COLUMN["model"]]) and filters.fits_label(row[COLUMN["label"]])
    if row[COLUMN["kind"]] not in query.kinds or not fits or not filters.fits_time(time):
        return None
    message = _message(row)
    if message is None or not (filters.fits_tools(message) and query.matches(message.text)):
        return None
    return message_hit(
        query,
        message,
        session_id=record.id,
        title=record.title,
        parent_id=record.parent_id,
        node_id=row[COLUMN["id"]],
        time=time,
    )
