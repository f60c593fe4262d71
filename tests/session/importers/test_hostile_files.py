"""Whatever a file holds: a tree that can be stored, warnings that name things, never an error."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from importing import FILES, read_lines, read_text, shape

from omni_tui.core.messages import decode_message
from omni_tui.session.store import MemoryStore
from omni_tui.session.store.base import StoredSession
from omni_tui.session.tree import Changes

DEPTH = 5_000


async def storable(stored: StoredSession) -> None:
    """The session can be stored and comes back."""
    tree = stored.tree
    store = MemoryStore()
    await store.create(stored.record)
    changes = Changes(nodes=tuple(tree.nodes.values()), cursors=dict(tree.cursors), head=tree.head)
    await store.save_tree(stored.record.id, changes)
    back = await store.load(stored.record.id)
    assert back.tree.path == tree.path
    assert list(back.tree.nodes) == list(tree.nodes)
    for node in tree.nodes.values():
        assert decode_message(node.raw) == node.message
        assert node.parent_id is None or node.parent_id < node.id


def chatgpt(nodes: dict[str, tuple[str | None, str]], **more: Any) -> str:
    """A conversation of user messages: key -> (parent, words)."""
    mapping: dict[str, Any] = {
        key: {
            "message": {"author": {"role": "user"}, "content": {"parts": [words]}},
            "parent": parent,
            "children": [],
        }
        for key, (parent, words) in nodes.items()
    }
    return json.dumps([{"mapping": mapping, "id": "x", "title": "T", **more}])


def test_a_circle_is_cut_and_said() -> None:
    (stored,), warnings = read_text(chatgpt({"a": ("c", "1"), "b": ("a", "2"), "c": ("b", "3")}))
    assert len(stored.tree.roots) == 1
    assert len(stored.tree) == 3
    assert len(warnings) == 1
    assert "in a circle" in warnings[0]
    (stored,), _ = read_text(chatgpt({"a": ("a", "1")}))
    assert stored.tree.roots == (1,)


def test_a_missing_parent_begins_a_branch() -> None:
    (stored,), warnings = read_text(chatgpt({"a": (None, "1"), "b": ("gone", "2")}))
    assert stored.tree.roots == (1, 2)
    assert "'b' follows one that is missing" in warnings[0]


def test_ids_used_twice_keep_the_first_one() -> None:
    def line(id: str, parent: str | None, words: str) -> dict[str, Any]:
        message = {"role": "user", "content": words}
        return {"uuid": id, "parentUuid": parent, "type": "user", "message": message}

    (stored,), warnings = read_lines(
        [line("a", None, "1"), line("b", "a", "2"), line("b", None, "3")]
    )
    assert [words for *_, words in shape(stored)] == ["1", "2"]
    assert "there twice" in warnings[0]
    messages = [
        {"messageId": "a", "isCreatedByUser": True, "text": words} for words in ("one", "two")
    ]
    (stored,), warnings = read_text(json.dumps({"conversationId": "c", "messages": messages}))
    assert [words for *_, words in shape(stored)] == ["one"]
    assert "there twice" in warnings[0]


async def test_depth_is_no_matter() -> None:
    chain = {f"n{i}": (f"n{i - 1}" if i else None, str(i)) for i in range(DEPTH)}
    (stored,), warnings = read_text(chatgpt(chain))
    assert warnings == []
    assert len(stored.tree.path) == DEPTH
    await storable(stored)
    nested: dict[str, Any] = {"messageId": "last", "isCreatedByUser": True, "text": "end"}
    for i in range(DEPTH):
        nested = {"messageId": f"m{i}", "isCreatedByUser": True, "text": "x", "children": [nested]}
    text = "".join(_encode(nested))
    (stored,), warnings = read_text(
        f'{{"conversationId":"c","recursive":true,"messages":[{text}]}}'
    )
    assert warnings == []
    assert len(stored.tree.path) == DEPTH + 1


def _encode(nested: dict[str, Any]) -> list[str]:
    """JSON of messages in messages, for the encoder has a limit of depth."""
    parts, closing = [], 0
    here: dict[str, Any] | None = nested
    while here is not None:
        own = {name: value for name, value in here.items() if name != "children"}
        below = here.get("children")
        parts.append(json.dumps(own)[:-1] + (',"children":[' if below else "}"))
        closing += bool(below)
        here = below[0] if below else None
    return [*parts, "]}" * closing]


async def test_empty_messages_are_passed_over_however_many() -> None:
    chain = {f"n{i}": (f"n{i - 1}" if i else None, "" if i % 100 else "x") for i in range(DEPTH)}
    (stored,), _ = read_text(chatgpt(chain, current_node=f"n{DEPTH - 1}"))
    assert len(stored.tree.path) == DEPTH // 100


@pytest.mark.parametrize("words", ["\ud800 lone", "nul \0 here", "\x1b]0;owned\x07", "\u202e"])
async def test_odd_characters_are_stored_as_text(words: str) -> None:
    (stored,), _ = read_text(chatgpt({"a": (None, words)}, title=words))
    await storable(stored)
    title = stored.record.title or ""
    assert not any(ord(c) < 32 or 0xD800 <= ord(c) < 0xE000 for c in title)


def test_deep_and_huge_arguments_of_a_tool_can_be_stored() -> None:
    deep: Any = "end"
    for _ in range(300):
        deep = [deep]
    use = {"type": "tool_use", "id": "t", "name": "x", "input": {"deep": deep, "big": 10**30}}
    line = {
        "uuid": "a",
        "parentUuid": None,
        "type": "assistant",
        "message": {"id": "m", "content": [use]},
    }
    (stored,), _ = read_lines([line])
    (made,) = decode_message(stored.tree[1].raw).tool_uses
    assert made.input["big"] == str(10**30)


def test_pictures_are_what_their_bytes_say_and_never_fetched() -> None:
    def user(source: dict[str, Any]) -> dict[str, Any]:
        image = {"type": "image", "source": source}
        message = {"role": "user", "content": [image]}
        return {"uuid": "a", "parentUuid": None, "type": "user", "message": message}

    png = "iVBORw0KGgoAAAANSUhEUg=="
    (stored,), _ = read_lines([user({"type": "base64", "media_type": "text/html", "data": png})])
    (picture,) = stored.tree[1].message.content
    assert getattr(picture, "media_type", None) == "image/png"
    for source in (
        {"type": "url", "url": "http://evil.example/x"},
        {"data": "!!"},
        {"data": "AAAA"},
    ):
        (stored,), _ = read_lines([user(source)])
        (words,) = stored.tree[1].message.content
        assert "[an image" in getattr(words, "text", "")


odd: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(
        [None, True, False, 0, -1, 1e300, 10**400, "", "x", "\ud800", "\0", "a", "u1", "m1", "e1"]
    ),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["type", "text", "id", "content", "role", "parts"]), inner
        )
    ),
    max_leaves=4,
)


def paths(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places of all values in a value."""
    found = [here]
    if isinstance(value, dict):
        for name, item in value.items():
            found += paths(item, (*here, name))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            found += paths(item, (*here, place))
    return found


def load(name: str) -> Any:
    text = (FILES / name).read_text("utf-8")
    return (
        [json.loads(line) for line in text.splitlines()] if name.endswith("l") else json.loads(text)
    )


SAMPLES = {path.name: load(path.name) for path in sorted(FILES.iterdir())}
PLACES = {name: paths(value)[1:] for name, value in SAMPLES.items()}


@pytest.mark.parametrize("name", SAMPLES)
@given(data=st.data())
def test_no_value_in_any_place_is_an_error(name: str, data: st.DataObject) -> None:
    value = copy.deepcopy(SAMPLES[name])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.sampled_from(PLACES[name]))
        holder = value
        try:
            for step in place[:-1]:
                holder = holder[step]
            holder[place[-1]] = data.draw(odd)
        except (KeyError, IndexError, TypeError):
            continue  # what was there is replaced already
    if name.endswith("l"):
        sessions, _ = read_lines(value)
    else:
        sessions, _ = read_text(json.dumps(value))
    for stored in sessions:
        tree = stored.tree
        assert len(tree) > 0
        for node in tree.nodes.values():
            assert decode_message(node.raw).role == node.role
            assert node.parent_id is None or node.parent_id < node.id
        assert stored.record.created_at <= stored.record.updated_at


@given(st.binary(max_size=200))
def test_no_bytes_are_an_error(data: bytes) -> None:
    assert read_text(data)[0] == []


NAMES = [
    "type",
    "uuid",
    "id",
    "parentId",
    "parentUuid",
    "mapping",
    "chat_messages",
    "conversationId",
    "messages",
    "format",
    "version",
    "node",
    "nodes",
    "role",
    "content",
    "sessionId",
    "message",
]


@settings(max_examples=50)
@given(st.lists(st.dictionaries(st.sampled_from(NAMES), odd), max_size=4))
def test_no_objects_are_an_error(values: list[Any]) -> None:
    read_text(json.dumps(values))
    read_lines(values)
    for value in values:
        for format in ("omni-tui/session", "omni-tui/message"):
            read_lines([{**value, "format": format, "version": 1}])
