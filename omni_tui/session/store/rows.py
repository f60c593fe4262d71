"""Sessions and nodes as rows of plain values, for any store that keeps rows.

Text that UTF-8 cannot hold (lone surrogates) is stored as U+FFFD.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TypeAlias

import msgspec

from omni_tui.core.messages import scrub
from omni_tui.core.usage import Usage
from omni_tui.session.node import Late, Node, Origin
from omni_tui.session.store.base import SessionRecord
from omni_tui.session.tree import Tree

Row: TypeAlias = tuple[Any, ...]

RECORD_COLUMNS = SessionRecord.__struct_fields__

NODE_COLUMNS = (
    "id",
    "parent_id",
    "kind",
    "status",
    "error",
    "label",
    "model",
    "stop_reason",
    "run_id",
    "created_at",
    "duration_ms",
    "input",
    "output",
    "cache_read",
    "cache_write",
    "cost",
    "pruned",
    "origin",
    "message",
)

_JSON = frozenset({"options", "drafts", "approvals", "partials"})


def record_value(column: str, value: Any) -> Any:
    """A field of a record, as stored."""
    if column in _JSON:
        return msgspec.json.encode(scrub(msgspec.to_builtins(value))).decode()
    if isinstance(value, datetime):
        return moment_text(value)
    if isinstance(value, bool):
        return int(value)
    return scrub(value)


def record_row(record: SessionRecord) -> Row:
    """The values of `RECORD_COLUMNS`."""
    return tuple(record_value(column, getattr(record, column)) for column in RECORD_COLUMNS)


def record_from(row: Row) -> SessionRecord:
    """Read a row of `RECORD_COLUMNS`; raises `msgspec.DecodeError` on damaged JSON."""
    fields = dict(zip(RECORD_COLUMNS, row, strict=True))
    for column in _JSON:
        fields[column] = msgspec.json.decode(fields[column])
    fields["title_is_manual"] = bool(fields["title_is_manual"])
    fields["created_at"] = moment(fields["created_at"])
    fields["updated_at"] = moment(fields["updated_at"])
    return msgspec.convert(fields, SessionRecord)


def node_row(node: Node) -> Row:
    """The values of `NODE_COLUMNS`."""
    usage = node.usage
    return (
        node.id,
        node.parent_id,
        node.kind,
        node.status,
        scrub(node.error),
        scrub(node.label),
        scrub(node.model),
        node.stop_reason,
        scrub(node.run_id),
        moment_text(node.created_at),
        node.duration_ms,
        *((None,) * 5 if usage is None else msgspec.structs.astuple(usage)),
        int(node.is_pruned),
        None if node.origin is None else msgspec.json.encode(node.origin).decode(),
        node.raw.decode("utf-8", "replace"),
    )


def tree_from(
    found: Iterable[Row], head: int | None, root_cursor: int | None, late: Late | None = None
) -> Tree:
    """Rebuild a tree from rows of `NODE_COLUMNS` and the cursor, in the order of their ids.

    Messages come as bytes and are not decoded; `late` stands for those that are `None`.
    """
    nodes: list[Node] = []
    cursors: dict[int | None, int] = {}
    if root_cursor is not None:
        cursors[None] = root_cursor
    for row in found:
        node, cursor = _node_from(row, late)
        nodes.append(node)
        if cursor is not None:
            cursors[node.id] = cursor
    return Tree.from_rows(nodes, cursors=cursors, head=head)


def _node_from(row: Row, late: Any) -> tuple[Node, int | None]:
    # Ten thousand of these are made while a person waits: hence positions and no calls.
    (
        id,
        parent_id,
        kind,
        status,
        error,
        label,
        model,
        stop_reason,
        run_id,
        created_at,
        duration_ms,
        read,
        written,
        cache_read,
        cache_write,
        cost,
        pruned,
        origin,
        message,
        cursor,
    ) = row
    usage = None
    if read is not None:
        usage = Usage(
            input=read,
            output=written,
            cache_read=cache_read,
            cache_write=cache_write,
            cost=cost,
        )
    try:
        created = datetime.fromisoformat(created_at)
    except (ValueError, TypeError):
        created = moment(created_at)
    node = Node(
        id,
        parent_id,
        late if message is None else message,
        kind,
        usage,
        model,
        stop_reason,
        status,
        error,
        run_id,
        created,
        duration_ms,
        label,
        bool(pruned),
        None if origin is None else _origin(origin),
    )
    return node, cursor


def _origin(text: str) -> Origin | None:
    try:
        return msgspec.json.decode(text, type=Origin)
    except msgspec.DecodeError:
        return None


def moment_text(value: datetime) -> str:
    """A time as stored: UTC with milliseconds, so that text sorts as time."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(text: str) -> datetime:
    """Read a stored time; a damaged one gives 1970, for order never depends on it."""
    try:
        return datetime.fromisoformat(text)
    except (ValueError, TypeError):
        return datetime.fromtimestamp(0, UTC)
