"""What every store must do, run on each adapter."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omni_tui.core.errors import (
    AlreadyExistsError,
    AmbiguousIdError,
    NotFoundError,
    StoreError,
)
from omni_tui.core.messages import Attachment, Message, Text, Thinking, ToolResult, ToolUse
from omni_tui.core.usage import Usage
from omni_tui.session.store import MemoryStore, SessionRecord, Store, new_session_id
from omni_tui.session.store import base as store_base
from omni_tui.session.tree import Changes, Node, Tree

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
    created_at=datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
    updated_at=datetime(2026, 1, 3, tzinfo=UTC),
)


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


async def test_a_record_comes_back_as_it_went(store: Store) -> None:
    await store.create(SessionRecord(id="above"))
    await store.create(FULL_RECORD)
    loaded = await store.load("full")
    assert loaded.record == FULL_RECORD
    assert len(loaded.tree) == 0


async def test_a_tree_comes_back_with_all_its_facts(store: Store) -> None:
    tree = await stored(store, tree=branching())
    loaded = (await store.load("s")).tree
    assert_same(loaded, tree)
    assert not loaded.take_changes()


async def test_what_is_loaded_shares_nothing_with_the_store(store: Store) -> None:
    await stored(store, options={"a": [1]}, drafts={"1": "x"})
    first = await store.load("s")
    first.record.options["a"].append(2)
    first.record.drafts["2"] = "y"
    first.tree.push(Message.user("only here"))
    second = await store.load("s")
    assert second.record.options == {"a": [1]}
    assert second.record.drafts == {"1": "x"}
    assert len(second.tree) == 2


async def test_a_stored_record_does_not_change_with_the_dictionaries_it_was_made_of(
    store: Store,
) -> None:
    options: dict[str, Any] = {"a": [1]}
    await store.create(SessionRecord(id="s", options=options))
    options["a"].append(2)
    assert (await store.load("s")).record.options == {"a": [1]}


async def test_saving_step_by_step_equals_saving_at_once(store: Store) -> None:
    await store.create(SessionRecord(id="s"))
    tree = Tree()
    for index in range(6):
        tree.push(Message.user(str(index)))
        await store.save_tree("s", tree.take_changes())
        if index == 3:
            tree.navigate(2)
            await store.save_tree("s", tree.take_changes())
            tree.update(1, label="first", usage=Usage(cost=1.0))
            await store.save_tree("s", tree.take_changes())
    assert_same((await store.load("s")).tree, tree)


async def test_a_cleared_path_is_saved_as_such(store: Store) -> None:
    tree = await stored(store)
    tree.navigate(None)
    await store.save_tree("s", tree.take_changes())
    loaded = (await store.load("s")).tree
    assert loaded.head is None
    assert dict(loaded.cursors) == {None: 1, 1: 2}


async def test_removed_nodes_are_gone_and_the_cursors_are_back(store: Store) -> None:
    tree = await stored(store)
    before = await store.load("s")
    tree.navigate(1)
    tree.push(Message.assistant("again"))
    tree.push(Message.user("more"))
    await store.save_tree("s", tree.take_changes())
    tree.remove(3)
    tree.navigate(2)
    await store.save_tree("s", tree.take_changes())
    assert_same((await store.load("s")).tree, before.tree)


async def test_saving_the_same_changes_twice_is_harmless(store: Store) -> None:
    await store.create(SessionRecord(id="s"))
    tree = branching()
    changes = tree.take_changes()
    await store.save_tree("s", changes)
    await store.save_tree("s", changes)
    assert_same((await store.load("s")).tree, tree)


async def test_changes_put_back_are_saved_with_the_next(store: Store) -> None:
    await store.create(SessionRecord(id="s"))
    tree = Tree()
    tree.push(Message.user("a"))
    tree.put_back(tree.take_changes())
    tree.push(Message.assistant("b"))
    await store.save_tree("s", tree.take_changes())
    assert_same((await store.load("s")).tree, tree)


async def test_a_node_of_a_second_writer_is_refused_and_nothing_of_its_changes_is_kept(
    store: Store,
) -> None:
    await stored(store)
    mine, theirs = (await store.load("s")).tree, (await store.load("s")).tree
    mine.push(Message.user("mine"), run_id="a")
    theirs.push(Message.user("theirs"), run_id="b")
    theirs.push(Message.assistant("reply"), run_id="b")
    await store.save_tree("s", mine.take_changes())
    with pytest.raises(StoreError):
        await store.save_tree("s", theirs.take_changes())
    assert_same((await store.load("s")).tree, mine)


async def test_a_node_whose_parent_is_not_stored_is_refused_whole(store: Store) -> None:
    await stored(store)
    orphan = Node(9, 8, Message.user("where from?"))
    fine = Node(3, 2, Message.user("fine"))
    with pytest.raises(StoreError):
        await store.save_tree("s", Changes(nodes=(fine, orphan), head=9))
    assert len((await store.load("s")).tree) == 2


async def test_state_is_written_in_parts(store: Store) -> None:
    await store.create(SessionRecord(id="above"))
    await store.create(FULL_RECORD)
    await store.save_state("full", title=None, drafts={}, approvals=("x",), title_is_manual=False)
    record = (await store.load("full")).record
    assert (record.title, record.drafts, record.approvals) == (None, {}, ("x",))
    assert record.title_is_manual is False
    assert (record.model, record.options) == (FULL_RECORD.model, FULL_RECORD.options)
    assert record.created_at == FULL_RECORD.created_at
    assert record.updated_at > FULL_RECORD.updated_at


async def test_state_that_no_record_has_is_refused(store: Store) -> None:
    await stored(store)
    for name in ("colour", "id", "created_at", "updated_at"):
        with pytest.raises(TypeError, match=name):
            await store.save_state("s", **{name: "x"})  # type: ignore[arg-type]


async def test_an_id_is_stored_once(store: Store) -> None:
    await stored(store)
    with pytest.raises(AlreadyExistsError):
        await store.create(SessionRecord(id="s", title="other"))
    assert (await store.load("s")).record.title is None


async def test_an_unknown_session_is_not_found_by_any_verb(store: Store) -> None:
    await stored(store, "other")
    tree = branching()
    for call in (
        store.load("s"),
        store.save_tree("s", tree.take_changes()),
        store.save_state("s", title="x"),
        store.delete("s"),
        store.lease("s"),
    ):
        with pytest.raises(NotFoundError, match="'s'"):
            await call
    assert not await store.exists("s")
    await store.release("s")


async def test_a_deleted_session_leaves_nothing_behind(store: Store) -> None:
    await stored(store)
    await stored(store, "other")
    await store.delete("s")
    assert not await store.exists("s")
    await store.create(SessionRecord(id="s"))
    assert len((await store.load("s")).tree) == 0
    assert len((await store.load("other")).tree) == 2


async def test_a_summary_counts_nodes_branches_and_money(store: Store) -> None:
    tree = branching()
    tree.navigate(1)
    tree.push(Message.assistant(" a\x1b[31m\nreply " + "x" * 200), usage=Usage(cost=0.25))
    await stored(store, tree=tree, title="T", model="demo/chat", cwd="/tmp")
    (summary,) = await store.list()
    assert (summary.id, summary.title, summary.model, summary.cwd) == (
        "s",
        "T",
        "demo/chat",
        "/tmp",
    )
    assert (summary.nodes, summary.branches) == (6, 3)
    assert summary.cost == pytest.approx(0.35)
    assert summary.preview.startswith("a\N{REPLACEMENT CHARACTER}[31m reply x")
    assert len(summary.preview) == store_base.PREVIEW_LENGTH


async def test_a_session_without_nodes_has_an_empty_summary(store: Store) -> None:
    await store.create(SessionRecord(id="s"))
    (summary,) = await store.list()
    assert (summary.nodes, summary.branches, summary.preview, summary.cost) == (0, 0, "", 0.0)
    assert await store.latest() == "s"


async def test_lists_run_from_the_newest_and_pages_follow_on(store: Store) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for index in range(7):
        # Three sessions share one moment, so that a page may end among equals.
        when = start + timedelta(seconds=min(index, 4))
        await store.create(SessionRecord(id=f"s{index}", updated_at=when))
    whole = [summary.id for summary in await store.list(limit=100)]
    assert whole == ["s6", "s5", "s4", "s3", "s2", "s1", "s0"]
    paged: list[str] = []
    before = None
    while page := await store.list(limit=2, before=before):
        paged += [summary.id for summary in page]
        before = page[-1]
    assert paged == whole


async def test_saving_moves_a_session_to_the_top(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await store.latest() is None
    old = datetime(2026, 1, 1, tzinfo=UTC)
    for id in ("a", "b", "c"):
        await store.create(SessionRecord(id=id, updated_at=old))
    later = old + timedelta(days=1)
    module = "memory" if isinstance(store, MemoryStore) else "sqlite"
    monkeypatch.setattr(f"omni_tui.session.store.{module}.now", lambda: later)
    tree = Tree()
    tree.push(Message.user("x"))
    await store.save_tree("b", tree.take_changes())
    assert await store.latest() == "b"
    later += timedelta(days=1)
    await store.save_state("a", title="x")
    assert [summary.id for summary in await store.list()] == ["a", "b", "c"]


async def test_a_clock_set_back_reorders_no_node(store: Store) -> None:
    tree = Tree()
    for year in (2030, 1970, 2001, 1970):
        tree.push(Message.user(str(year)), created_at=datetime(year, 1, 1, tzinfo=UTC))
    await stored(store, tree=tree)
    loaded = (await store.load("s")).tree
    assert [node.message.text for node in loaded.nodes.values()] == ["2030", "1970", "2001", "1970"]
    assert loaded.path == (1, 2, 3, 4)


HOSTILE = [
    "lone \ud800 surrogate",
    "\udfff\ud800",
    "nul \x00 inside",
    "\uffff \ufffe \ufeff",
    "'; DROP TABLE nodes; --",
    "\x1b]52;c;x\x07",
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_text_that_utf8_refuses_is_kept_as_well_as_can_be(store: Store, text: str) -> None:
    clean = re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text)
    tree = Tree()
    tree.push(Message.user(text), label=text, error=text, status="failed")
    await stored(store, tree=tree, title=text, options={text: text}, drafts={"1": text}, cwd=text)
    record, loaded = (await store.load("s")).record, (await store.load("s")).tree
    assert loaded[1].message.text == clean
    assert (loaded[1].label, loaded[1].error) == (clean, clean)
    assert (record.title, record.cwd) == (clean, clean)
    assert (record.options, record.drafts) == ({clean: clean}, {"1": clean})
    await store.save_state("s", title=text + "!", system=text)
    assert (await store.load("s")).record.system == clean
    assert await store.find(f"{clean}!") == "s"


async def test_eight_megabytes_in_one_message_come_back(store: Store) -> None:
    text = "é" * (4 << 20)
    tree = Tree()
    tree.push(Message.user(text))
    await stored(store, tree=tree)
    assert (await store.load("s")).tree[1].message.text == text
    assert len((await store.list())[0].preview) == store_base.PREVIEW_LENGTH


@settings(
    max_examples=30,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(text=st.text(st.characters(codec=None), max_size=40), number=st.floats(allow_nan=False))
def test_any_text_and_number_survives(text: str, number: float) -> None:
    async def check() -> None:
        store = MemoryStore()
        tree = Tree()
        tree.push(Message.user([ToolResult(tool_use_id="x", name="n", content=text)]))
        tree.push(Message.assistant([ToolUse(id="x", name="n", input={"a": number, "b": [text]})]))
        await stored(store, tree=tree)
        loaded = (await store.load("s")).tree
        assert [node.raw for node in loaded.nodes.values()] == [
            node.raw for node in tree.nodes.values()
        ]

    asyncio.run(check())


# Finding


async def test_a_session_is_found_by_id_beginning_and_title(store: Store) -> None:
    await stored(store, "abc1", title="Mountains of Tibet")
    await stored(store, "abd2", title="Rivers")
    await stored(store, "zz", title="abc")
    assert await store.find("abc1") == "abc1"
    assert await store.find("abd") == "abd2"
    assert await store.find("rIVERS") == "abd2"
    assert await store.find("mountains") == "abc1"
    assert await store.find("abc") == "zz", "a whole title goes before the beginning of an id"


async def test_what_fits_several_sessions_lists_them(store: Store) -> None:
    await stored(store, "abc1", title="Mountains")
    await stored(store, "abc2", title="Rivers\x1b[2J")
    with pytest.raises(AmbiguousIdError, match="abc1 Mountains, abc2 Rivers") as caught:
        await store.find("abc")
    assert caught.value.details["matches"] == [("abc1", "Mountains"), ("abc2", "Rivers\x1b[2J")]
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("wanted", ["nope", "", "%", "_", "ABC1"])
async def test_what_fits_none_is_not_found(store: Store, wanted: str) -> None:
    await stored(store, "abc1")
    with pytest.raises(NotFoundError):
        await store.find(wanted)


# Leases and closing


async def test_a_lease_may_be_taken_again_and_given_back_twice(store: Store) -> None:
    tree = await stored(store)
    await store.lease("s")
    await store.lease("s")
    tree.push(Message.user("still mine"))
    await store.save_tree("s", tree.take_changes())
    await store.release("s")
    await store.release("s")
    await store.lease("s")
    await store.delete("s")


async def test_closing_twice_is_fine(store: Store) -> None:
    await stored(store)
    await store.close()
    await store.close()


def test_new_ids_are_22_characters_that_a_command_line_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ids = {new_session_id() for _ in range(2000)}
    assert len(ids) == 2000
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{21}", id) for id in ids)
    drawn = iter(["-bad", "-worse", "good"])
    monkeypatch.setattr("secrets.token_urlsafe", lambda _size: next(drawn))
    assert new_session_id() == "good"


# Sessions that another one began


async def family(store: Store) -> None:
    """A session, two that a tool use each of it began, and one beneath the first of these."""
    await stored(store, "top", title="Mountains")
    await stored(store, "kid-1", title="Mountains", parent_id="top", parent_node=2, parent_use="a")
    await stored(store, "kid-2", title="Maps", parent_id="top", parent_node=2, parent_use="b")
    await stored(store, "kid-3", parent_id="kid-1", parent_node=2, parent_use="a", depth=2)


async def test_a_session_is_found_by_the_tool_use_that_began_it(store: Store) -> None:
    await family(store)
    assert await store.child("top", 2, "a") == "kid-1"
    assert await store.child("top", 2, "b") == "kid-2"
    assert await store.child("kid-1", 2, "a") == "kid-3"
    assert await store.child("top", 4, "a") is None
    assert await store.child("nobody", 2, "a") is None


async def test_the_newest_session_of_a_tool_use_is_found(store: Store) -> None:
    await family(store)
    await stored(store, "kid-4", parent_id="top", parent_node=2, parent_use="a")
    assert await store.child("top", 2, "a") == "kid-4"


async def test_a_session_beneath_one_that_is_not_stored_is_refused(store: Store) -> None:
    with pytest.raises(NotFoundError, match="nobody"):
        await store.create(SessionRecord(id="kid", parent_id="nobody"))
    assert not await store.exists("kid")


async def test_sessions_beneath_another_are_in_no_list(store: Store) -> None:
    await family(store)
    (only,) = await store.list()
    assert (only.id, only.nodes, only.branches) == ("top", 2, 1)
    assert await store.list(before=only) == []
    assert await store.latest() == "top"


async def test_a_session_beneath_another_is_found_by_its_id_alone(store: Store) -> None:
    await family(store)
    assert await store.find("kid-2") == "kid-2"
    assert await store.find("Mountains") == "top"
    with pytest.raises(NotFoundError):
        await store.find("Maps")
    with pytest.raises(AmbiguousIdError) as raised:
        await store.find("kid")
    assert sorted(id for id, _ in raised.value.details["matches"]) == ["kid-1", "kid-2", "kid-3"]
    await stored(store, "kids of my own")
    assert await store.find("kid") == "kids of my own"


async def test_a_session_is_deleted_with_all_beneath_it(store: Store) -> None:
    await family(store)
    await stored(store, "other")
    await store.delete("kid-1")
    assert [id for id in ("top", "kid-1", "kid-2", "kid-3") if await store.exists(id)] == [
        "top",
        "kid-2",
    ]
    await store.delete("top")
    assert not await store.exists("kid-2")
    assert await store.exists("other")
