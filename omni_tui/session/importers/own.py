"""Sessions that omni-tui exported: whole ones as JSON, branches as JSON Lines.

They come back as they were, but what could decide a permission or where something is sent stays
behind: approvals, the folder, and options but for the harmless ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from omni_tui.core.messages import Message
from omni_tui.session.export.portable import (
    MESSAGE_FORMAT,
    SESSION_FORMAT,
    VERSION,
    node_from,
)
from omni_tui.session.importers.reading import (
    Warn,
    derived_id,
    dict_of,
    key_of,
    line_of,
    list_of,
    plain,
    text_of,
    time_of,
)
from omni_tui.session.importers.sessions import imported
from omni_tui.session.node import Node, kind_of
from omni_tui.session.store.base import StoredSession
from omni_tui.session.tree import Tree

HARMLESS_OPTIONS = frozenset({"max_tokens", "temperature", "thinking", "cache"})

_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
_MAX_NODE = 2**53
_DEPTH = 150
"""Of a message in all, for the arguments of a tool may be a hundred deep."""


def is_session(value: dict[str, Any]) -> bool:
    """Whether an object is a whole session."""
    return value.get("format") == SESSION_FORMAT


def is_line(value: dict[str, Any]) -> bool:
    """Whether an object is a message of a branch."""
    return value.get("format") == MESSAGE_FORMAT


def read_session(value: dict[str, Any], warn: Warn) -> StoredSession | None:
    """The session under its own id; `None` for one of a newer version."""
    if not _is_readable(value, warn):
        return None
    nodes = (
        _node(dict_of(each), dict_of(each).get("message"), warn)
        for each in list_of(value.get("nodes"))
    )
    cursors = {
        pair[0]: pair[1]
        for pair in list_of(value.get("cursors"))
        if isinstance(pair, list) and len(pair) == 2 and _is_place(*pair)
    }
    head = value.get("head")
    tree = _tree(nodes, cursors, head if _is_place(None, head) else None, warn)
    return StoredSession(_record(dict_of(value.get("session")), tree), tree)


def read_branches(lines: Iterable[dict[str, Any]], warn: Warn) -> Iterator[StoredSession]:
    """A session for each one the lines are of, of the messages that are there."""
    found: dict[str, list[Node]] = {}
    for line in lines:
        if not _is_readable(line, warn):
            continue
        if (node := _node(dict_of(line.get("node")), line, warn)) is not None:
            found.setdefault(key_of(line.get("session_id")) or "", []).append(node)
    for session, nodes in found.items():
        tree = _tree(nodes, {}, nodes[-1].id, warn)
        part = ",".join(map(str, tree.nodes))
        yield imported(derived_id("jsonl", f"{session}\0{part}"), tree, title=None)


def _is_readable(value: dict[str, Any], warn: Warn) -> bool:
    if value.get("version") == VERSION:
        return True
    warn(f"version {line_of(str(value.get('version')), 20)} of the format is not known here")
    return False


def _is_place(parent: Any, child: Any) -> bool:
    return (parent is None or type(parent) is int) and type(child) is int


def _node(facts: dict[str, Any], message: Any, warn: Warn) -> Node | None:
    """A node as the file has it; `None`, and a warning, for one that makes no sense."""
    id = facts.get("id")
    try:
        if type(id) is not int or not 0 < id < _MAX_NODE:
            raise msgspec.ValidationError("it has no number")
        said = msgspec.convert(plain(message, _DEPTH), Message)
        said = msgspec.structs.replace(said, created_at=_in_utc(said.created_at))
        kept = {name: each for name, each in plain(facts, _DEPTH).items() if name != "message"}
        node = node_from(kept, said)
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        warn(f"message {line_of(str(id), 30)} makes no sense: {line_of(str(error))}")
        return None
    is_summary = node.kind == "summary" and said.role == "user"
    return node.copy(
        kind="summary" if is_summary else kind_of(said), created_at=_in_utc(node.created_at)
    )


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _tree(
    nodes: Iterable[Node | None], cursors: dict[int | None, int], head: int | None, warn: Warn
) -> Tree:
    known: dict[int, Node] = {}
    for node in nodes:
        if node is None:
            continue
        if node.id in known:
            warn(f"message {node.id} is there twice: the second one is left out")
        else:
            known[node.id] = node
    ordered: dict[int, Node] = {}
    for id in sorted(known):
        ordered[id] = _placed(known[id], ordered, warn)
    return Tree.from_rows(ordered.values(), cursors=cursors, head=head)


def _placed(node: Node, before: dict[int, Node], warn: Warn) -> Node:
    """The node under one that stands before it, and never under a summary."""
    parent = node.parent_id
    if parent is not None and parent not in before:
        warn(f"message {node.id} follows one that is missing: it begins a branch")
        parent = None
    if parent is not None and before[parent].kind == "summary":
        parent = before[parent].parent_id
    kind = kind_of(node.message) if parent is None else node.kind
    return node.copy(parent_id=parent, kind=kind)


def _record(facts: dict[str, Any], tree: Tree) -> Any:
    id = facts.get("id")
    own = id if isinstance(id, str) and _ID.fullmatch(id) else derived_id("json", str(id))
    base = imported(
        own,
        tree,
        title=line_of(facts.get("title")),
        created_at=time_of(facts.get("created_at")),
        updated_at=time_of(facts.get("updated_at")),
    ).record
    options = plain(dict_of(facts.get("options")))
    drafts = {
        text_of(branch): text_of(text) for branch, text in dict_of(facts.get("drafts")).items()
    }
    above, node, use = (facts.get(name) for name in ("parent_id", "parent_node", "parent_use"))
    has_parent = isinstance(above, str) and _is_place(None, node) and isinstance(use, str)
    origin, at = facts.get("origin_id"), facts.get("origin_node")
    return msgspec.structs.replace(
        base,
        title_is_manual=facts.get("title_is_manual") is True and base.title is not None,
        model=line_of(facts.get("model")),
        system=text_of(facts.get("system")) or None,
        options={name: options[name] for name in HARMLESS_OPTIONS & options.keys()},
        drafts=drafts,
        parent_id=above if has_parent else None,
        parent_node=node if has_parent else None,
        parent_use=use if has_parent else None,
        depth=1 if has_parent else 0,
        origin_id=key_of(origin) if _is_place(None, at) else None,
        origin_node=at if _is_place(None, at) and key_of(origin) else None,
    )
