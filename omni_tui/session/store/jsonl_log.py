"""The log of a tree: a file of JSON lines that only grows.

A line says what a commit did: nodes that went (`removed`), a node with its `message`, `cursors`
that moved, the new `head`. A commit of several nodes has a line for each, all but the last marked
`more`; only with the last one it counts. The node's id alone, with other facts and no message,
alters a node that is there.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from omni_tui.core.safe_text import safe_line
from omni_tui.session.node import Kind, Status
from omni_tui.session.store import rows
from omni_tui.session.store.kept import COLUMN, KeptTree
from omni_tui.session.tree import Changes

log = logging.getLogger(__name__)

_TYPES: dict[str, Any] = {
    "id": int,
    "parent_id": int | None,
    "kind": Kind,
    "status": Status,
    "created_at": str,
    "cost": float | None,
    "pruned": int,
}
_TYPES |= dict.fromkeys(("duration_ms", "input", "output", "cache_read", "cache_write"), int | None)
_DEFAULTS: dict[str, Any] = {"status": "done", "created_at": "", "pruned": 0}

_SEEN = 64
"""Bytes before the end that tell whether a file is still the one that was read."""

LoggedNode: Any = msgspec.defstruct(
    "LoggedNode",
    [
        (name, _TYPES.get(name, str | None), msgspec.field(default=_DEFAULTS.get(name)))
        if name not in ("id", "kind")
        else (name, _TYPES[name])
        for name in rows.NODE_COLUMNS[:-1]
    ],
    omit_defaults=True,
    kw_only=True,
)
"""The facts of a node, which are `rows.NODE_COLUMNS` without the message."""


class Line(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One line of a log."""

    at: str
    """When the commit was made; the lines of one have the same."""
    removed: tuple[int, ...] = ()
    node: LoggedNode | None = None
    message: msgspec.Raw | UnsetType = UNSET
    cursors: tuple[tuple[int | None, int | None], ...] = ()
    """Parents and the child each names now."""
    head: int | UnsetType | None = UNSET
    more: bool = False
    """The commit goes on in the next line."""


_decode = msgspec.json.Decoder(Line).decode


class NodeLog:
    """What a log has said so far. Blocks, and belongs to one thread."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = path
        self._forget()

    def _forget(self) -> None:
        self.kept = KeptTree()
        self.end = 0
        """Where the last whole commit ends, in bytes."""
        self.updated = ""
        """When that was made."""
        self._file: tuple[int, int] | None = None
        self._tail = b""
        self._number = 0

    def read(self, *, warn: bool = True) -> None:
        """Take in what was added to the file since the last call; `warn` of what is torn.

        Raises `OSError`.
        """
        with open(self._path, "rb", opener=_open_read) as file:
            status = os.fstat(file.fileno())
            identity = status.st_dev, status.st_ino
            file.seek(max(0, self.end - len(self._tail)))
            if self._file not in (None, identity) or file.read(len(self._tail)) != self._tail:
                self._forget()
                file.seek(0)
            self._file = identity
            self._take(file.read(), warn=warn)

    def _take(self, added: bytes, *, warn: bool) -> None:
        pending: list[tuple[Line, int]] = []
        start, number = self.end, self._number
        *whole, torn = added.split(b"\n")
        for text in whole:
            start += len(text) + 1
            number += 1
            try:
                line = _decode(text)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                log.warning(
                    "%s, line %d is damaged and left out: %s",
                    self._path,
                    number,
                    safe_line(str(error), 100),
                )
            else:
                pending.append((line, number))
                if line.more:
                    continue
                for each, place in pending:
                    self._apply(each, place)
                pending.clear()
            if not pending:
                self.end, self._number = start, number
                self._tail = (text + b"\n")[-_SEEN:]
        if warn and (torn or pending):
            log.warning("%s ends in the middle of a commit, which is left out", self._path)

    def _apply(self, line: Line, number: int) -> None:
        kept = self.kept
        for node_id in line.removed:
            kept.drop(node_id)
        if line.node is not None:
            row = msgspec.structs.astuple(line.node)
            message = _text(line.message, kept.nodes.get(line.node.id))
            kept.put((*row, message), (line.at, number))
        for parent, child in line.cursors:
            kept.choose(parent, child)
        if line.head is not UNSET:
            kept.head = line.head
        self.updated = max(self.updated, line.at)

    def append(self, changes: Changes, at: str) -> None:
        """Write a commit to the end of the file and take it in.

        The file is locked by the caller and was read under the lock. What is torn at its end is
        cut off. Raises `StoreError` for nodes that do not fit, and `OSError`; then nothing of it
        counts.
        """
        new = [rows.node_row(node) for node in changes.nodes]
        self.kept.check(new)
        *first, last = (msgspec.json.encode(each) + b"\n" for each in self._lines(changes, new, at))
        with open(self._path, "r+b", buffering=0, opener=_open_write) as file:
            file.truncate(self.end)
            file.seek(self.end)
            if first:
                # The last line must not reach the disk before them.
                _write(file.fileno(), b"".join(first))
                os.fsync(file.fileno())
            _write(file.fileno(), last)
            os.fsync(file.fileno())
        self._take(b"".join((*first, last)), warn=False)

    def _lines(self, changes: Changes, new: list[rows.Row], at: str) -> Iterator[Line]:
        lines = [Line(at=at, **self._node(row)) for row in new] or [Line(at=at)]
        lines[0].removed = changes.removed
        lines[-1].cursors = tuple(
            sorted(changes.cursors.items(), key=lambda each: (each[0] or 0, each[1] or 0))
        )
        lines[-1].head = changes.head
        for line in lines[:-1]:
            line.more = True
        return iter(lines)

    def _node(self, row: rows.Row) -> dict[str, Any]:
        *facts, message = row
        node = LoggedNode(**dict(zip(LoggedNode.__struct_fields__, facts, strict=True)))
        stored = self.kept.nodes.get(node.id)
        if stored is not None and stored[COLUMN["message"]] == message:
            return {"node": node}
        return {"node": node, "message": _raw(message)}


def _text(message: msgspec.Raw | UnsetType, stored: rows.Row | None) -> str:
    if message is UNSET:
        return "" if stored is None else str(stored[COLUMN["message"]])
    text = bytes(message).decode()
    # What was no JSON when it was written stands there as a text.
    return str(msgspec.json.decode(text)) if text.startswith('"') else text


def _raw(message: str) -> msgspec.Raw:
    try:
        msgspec.json.decode(message)
    except msgspec.DecodeError:
        pass
    else:
        if message.startswith("{") and "\n" not in message:
            return msgspec.Raw(message)
    return msgspec.Raw(msgspec.json.encode(message))


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _open_read(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW)


def _open_write(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)
