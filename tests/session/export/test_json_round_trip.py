"""What is exported comes back equal: any tree, every kind of block."""

from __future__ import annotations

import io
import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omni_tui.core.messages import (
    Attachment,
    Block,
    Message,
    Opaque,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
)
from omni_tui.core.usage import Usage
from omni_tui.session.export.json import to_json, to_jsonl
from omni_tui.session.export.portable import NodeFacts, facts_of
from omni_tui.session.importers import Source, read_sessions
from omni_tui.session.node import Node, Origin
from omni_tui.session.store.base import SessionRecord, StoredSession
from omni_tui.session.tree import Tree

ID = "a-session-of-the-tests"

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
names = st.text("abc_", min_size=1, max_size=6)
signatures = st.none() | st.text("AZ=/+", max_size=8)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)
objects = st.dictionaries(words, values, max_size=2)
said = st.one_of(
    st.builds(Text, text=words, signature=signatures, signed_by=st.none() | names),
    st.builds(
        Attachment, media_type=st.just("image/png"), data=st.binary(max_size=9), name=st.none()
    ),
)
thought = st.one_of(
    st.builds(Thinking, text=words, signature=signatures, redacted=signatures),
    st.builds(ToolUse, id=names, name=names, input=objects, invalid=st.none() | words),
    st.builds(Opaque, kind=names, data=objects, signed_by=st.none() | names),
)
results = st.builds(
    ToolResult,
    tool_use_id=names,
    name=names,
    content=words,
    is_error=st.booleans(),
    data=st.none() | objects,
)
times = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)).map(
    lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000, tzinfo=UTC)
)


def message(role: str, block: st.SearchStrategy[Block]) -> st.SearchStrategy[Message]:
    content = st.lists(block, max_size=3).map(tuple)
    return st.builds(Message, role=st.just(role), content=content, created_at=times)


messages = st.one_of(message("user", said | results), message("assistant", said | thought))
counts = st.integers(0, 2**40)
usages = st.builds(
    Usage, input=counts, output=counts, cost=st.none() | st.floats(0, 100, allow_nan=False)
)
facts: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {},
    optional={
        "usage": st.none() | usages,
        "model": st.none() | words,
        "status": st.sampled_from(["done", "cancelled", "failed"]),
        "error": words,
        "run_id": words,
        "created_at": times,
        "duration_ms": counts,
        "label": words,
        "stop_reason": st.sampled_from(["stop", "tool_use", "length"]),
        "origin": st.builds(Origin, node_id=counts, session_id=words, how=st.just("import")),
    },
)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """A tree grown, summed up, hidden in part and walked through at random."""
    tree = Tree()
    tree.push(draw(messages), **draw(facts))
    for _ in range(draw(st.integers(0, 12))):
        known = list(tree.nodes)
        shown = [i for i in known if tree[i].kind != "summary" and not tree.is_hidden(i)]
        place = draw(st.sampled_from([None, *shown]))
        match draw(st.sampled_from(["add", "add", "add", "summarize", "prune", "navigate"])):
            case "summarize" if place is not None:
                text = Message(
                    role="user", content=(Text(text=draw(words)),), created_at=draw(times)
                )
                tree.summarize(text, covers=place, **draw(facts))
            case "prune" if place is not None:
                tree.prune(place)
            case "navigate":
                tree.navigate(place)
            case _:
                tree.add(draw(messages), parent=place, **draw(facts))
    return tree


def imported(text: str) -> tuple[list[StoredSession], list[str]]:
    warnings: list[str] = []
    source = Source.of(io.BufferedReader(io.BytesIO(text.encode())), "piped")
    return list(read_sessions(source, warnings.append)), warnings


def same(one: Tree, other: Tree) -> None:
    assert dict(one.nodes) == dict(other.nodes)
    assert list(one.nodes) == list(other.nodes)
    assert one.head == other.head
    assert one.path == other.path
    assert dict(one.cursors) == dict(other.cursors)


@settings(max_examples=50)
@given(trees())
def test_a_whole_session_comes_back_equal_from_json(tree: Tree) -> None:
    record = SessionRecord(
        id=ID, title="T", model="demo/chat", system="Be kind.", drafts={"1": "x"}
    )
    text = "".join(to_json(StoredSession(record, tree)))
    (back,), warnings = imported(text)
    assert warnings == []
    same(back.tree, tree)
    assert back.record == record


@settings(max_examples=50)
@given(trees())
def test_a_branch_comes_back_equal_from_json_lines(tree: Tree) -> None:
    tip = tree.tip_of(None)
    branch = [tree[i] for i in tree.path_to(tip)]
    text = "".join(to_jsonl(StoredSession(SessionRecord(id=ID), tree), branch))
    found, warnings = imported(text)
    assert warnings == []
    if not branch:  # all of it is hidden
        assert found == []
        return
    alone = Tree.from_rows(branch, cursors={}, head=tip)
    (back,) = found
    assert dict(back.tree.nodes) == dict(alone.nodes)
    assert back.tree.path == alone.path


def test_a_line_is_a_chat_message_for_any_program() -> None:
    tree = Tree()
    tree.push(Message.user("Hi"))
    (line,) = "".join(to_jsonl(StoredSession(SessionRecord(id=ID), tree), [tree[1]])).splitlines()
    made = json.loads(line)
    assert (made["role"], made["content"]) == ("user", [{"type": "text", "text": "Hi"}])
    assert (made["session_id"], made["node"]["id"]) == (ID, 1)


def test_every_fact_of_a_node_travels() -> None:
    slots = {name for name in Node.__slots__ if not name.startswith("_")}
    assert slots == set(NodeFacts.__struct_fields__)


def test_a_damaged_message_is_exported_as_it_is_shown() -> None:
    node = Node(1, None, b"{broken", "reply", created_at=datetime(2026, 1, 1, tzinfo=UTC))
    tree = Tree.from_rows([node], cursors={}, head=1)
    (back,), _ = imported("".join(to_json(StoredSession(SessionRecord(id=ID), tree))))
    assert "damaged" in back.tree[1].message.text
    assert facts_of(node)["kind"] == "reply"


def test_approvals_do_not_travel_and_are_not_taken_in() -> None:
    record = SessionRecord(id=ID, approvals=("bash(rm *)",), cwd="/home/ann", options={"extra": {}})
    tree = Tree()
    tree.push(Message.user("Hi"))
    text = "".join(to_json(StoredSession(record, tree)))
    assert "rm *" not in text
    hostile = json.loads(text)
    hostile["session"]["approvals"] = ["bash(rm *)"]
    (back,), _ = imported(json.dumps(hostile))
    assert (back.record.approvals, back.record.cwd, back.record.options) == ((), None, {})


def _changed(**changes: Any) -> str:
    tree = Tree()
    tree.push(Message.user("one"))
    tree.push(Message.assistant("two"))
    value = json.loads("".join(to_json(StoredSession(SessionRecord(id=ID), tree))))
    value["nodes"][1].update(changes)
    return json.dumps(value)


@pytest.mark.parametrize(
    ("changes", "left", "warning"),
    [
        ({"id": 1}, [1], "there twice"),
        ({"id": "x"}, [1], "makes no sense"),
        ({"id": True}, [1], "makes no sense"),
        ({"id": 2**60}, [1], "makes no sense"),
        ({"parent_id": 9}, [1, 2], "missing"),
        ({"parent_id": 2}, [1, 2], "missing"),
        ({"message": None}, [1], "makes no sense"),
        ({"message": {"role": "system", "content": []}}, [1], "makes no sense"),
        ({"status": "owned"}, [1], "makes no sense"),
        ({"usage": {"input": "x"}}, [1], "makes no sense"),
    ],
)
def test_a_node_that_makes_no_sense_costs_itself_alone(
    changes: dict[str, Any], left: list[int], warning: str
) -> None:
    (back,), warnings = imported(_changed(**changes))
    assert list(back.tree.nodes) == left
    assert len(warnings) == 1
    assert warning in warnings[0]


def test_a_newer_version_is_refused_with_a_warning() -> None:
    text = _changed().replace('"version": 1', '"version": 2')
    found, warnings = imported(text)
    assert found == []
    assert "version 2" in warnings[0]


def test_nothing_a_terminal_obeys_stands_in_json_and_nothing_is_lost() -> None:
    words = "\x1b[2J \x7f \x9b31m \u202e \u2028 \ufeff \U000e0041 ok 富士 👩\u200d🚀"
    tree = Tree()
    tree.push(Message.user(words), label=words)
    stored = StoredSession(SessionRecord(id=ID, title=words), tree)
    for text in ("".join(to_json(stored)), "".join(to_jsonl(stored, [tree[1]]))):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028\ufeff\U000e0041]", text)
        assert "ok 富士 👩" in text
        (back,), _ = imported(text)
        assert back.tree[1].message.text == words
