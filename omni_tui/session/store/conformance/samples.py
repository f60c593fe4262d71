"""Sessions to store, and what the conformance tests say about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from omni_tui.core.messages import Attachment, Message, Text, Thinking, ToolResult, ToolUse
from omni_tui.core.usage import Usage
from omni_tui.session.store.base import SessionRecord, Store
from omni_tui.session.store.hits import Hit
from omni_tui.session.tree import Tree

_E = TypeVar("_E", bound=Exception)

FULL_RECORD = SessionRecord(
    id="full",
    title="Mountains",
    title_is_manual=True,
    model="demo/chat",
    system="Be brief.",
    options={"temperature": 0.5, "thinking": {"budget": 1000}, "stop": ["a", None]},
    cwd="/home/ada/räume",
    drafts={"3": "half a thought", "": "a new line\nof talk"},
    approvals=("bash(git status)", "read_file"),
    parent_id="above",
    parent_node=7,
    parent_use="use-1",
    depth=2,
    origin_id="gone",
    origin_node=3,
    partials={"run-9": {"text": "half a reply", "node": None}},
    created_at=datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
    updated_at=datetime(2026, 1, 3, tzinfo=UTC),
)
"""A record with something in every field."""

HOSTILE = (
    "lone \ud800 surrogate",
    "\udfff\ud800",
    "nul \x00 inside",
    "\uffff \ufffe \ufeff",
    "'; DROP TABLE nodes; --",
    "\x1b]52;c;x\x07",
)
"""Texts that files, databases and terminals may take amiss."""


def branching() -> Tree:
    """Five nodes with every kind of block and fact, two branches and two roots."""
    tree = Tree()
    tree.push(
        Message.user([Text(text="look"), Attachment(media_type="image/png", data=b"\x00\xff")])
    )
    tree.push(
        Message.assistant(
            [Thinking(text="hm", signature="opaque=="), ToolUse(id="t1", name="bash")]
        ),
        usage=Usage(input=1, output=2, cache_read=3, cache_write=4, cost=0.1),
        model="demo/chat",
        stop_reason="tool_use",
        run_id="run-1",
        duration_ms=1234,
    )
    tree.push(Message.user([ToolResult(tool_use_id="t1", name="bash", data={"diff": "+"})]))
    tree.push(Message.assistant("half"), status="failed", error="503", label="nice try")
    tree.navigate(None)
    tree.push(Message.user("another start"), status="cancelled")
    tree.navigate(3)
    return tree


def assert_same(one: Tree, other: Tree) -> None:
    """Fail unless nodes, messages, path and cursors are the same."""
    assert dict(one.nodes) == dict(other.nodes)
    assert [node.message for node in one.nodes.values()] == [
        node.message for node in other.nodes.values()
    ]
    assert one.path == other.path
    assert dict(one.cursors) == dict(other.cursors)


async def stored(store: Store, id: str = "s", tree: Tree | None = None, **state: Any) -> Tree:
    """Store a session with this tree (by default one prompt and its reply)."""
    await store.create(SessionRecord(id=id, **state))
    if tree is None:
        tree = Tree()
        tree.push(Message.user("hello"))
        tree.push(Message.assistant("hi"))
    await store.save_tree(id, tree.take_changes())
    return tree


async def family(store: Store) -> None:
    """A session, two that a tool use each of it began, and one beneath the first of these."""
    await stored(store, "top", title="Mountains")
    await stored(store, "kid-1", title="Mountains", parent_id="top", parent_node=2, parent_use="a")
    await stored(store, "kid-2", title="Maps", parent_id="top", parent_node=2, parent_use="b")
    await stored(store, "kid-3", parent_id="kid-1", parent_node=2, parent_use="a", depth=2)


async def said(store: Store, id: str, *texts: str, **record: object) -> Tree:
    """Store a session in which a person and a model say these in turn."""
    tree = Tree()
    for index, text in enumerate(texts):
        tree.push(Message.user(text) if index % 2 == 0 else Message.assistant(text))
    await store.create(SessionRecord(id=id, **record))  # type: ignore[arg-type]
    await store.save_tree(id, tree.take_changes())
    return tree


def places(hits: Sequence[Hit]) -> list[tuple[str, int | None]]:
    """Session and node of each hit."""
    return [(hit.session_id, hit.node_id) for hit in hits]


class Caught(Generic[_E]):
    """The error that a block raised, once it is left."""

    error: _E


@contextmanager
def raising(kind: type[_E], words: str = "") -> Iterator[Caught[_E]]:
    """Fail unless the block raises an error of this kind that says `words`."""
    caught = Caught[_E]()
    try:
        yield caught
    except kind as error:
        caught.error = error
    else:
        raise AssertionError(f"no {kind.__name__} was raised")
    assert words in str(caught.error)
