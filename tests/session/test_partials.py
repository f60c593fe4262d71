"""What a model was saying when the process was killed is there when the session is opened again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from session_helpers import flush, make_session, quiet, texts

from omni_tui.core.messages import Message
from omni_tui.llm.providers.scripted import Call, ScriptedProvider, Think, Wait
from omni_tui.session import partials
from omni_tui.session.manager import SessionManager
from omni_tui.session.partials import recover
from omni_tui.session.session import Session
from omni_tui.session.store.base import SessionRecord, Store
from omni_tui.session.store.memory import MemoryStore
from omni_tui.session.store.sqlite import SQLiteStore
from omni_tui.session.tree import Tree


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partials, "INTERVAL", 0.0)


async def kept(session: Session) -> dict[str, Any]:
    """The parts as the store has them."""
    await flush(session)
    assert session.saver is not None
    store: Store = session.saver._store
    if not await store.exists(session.id):
        return {}
    return (await store.load(session.id)).record.partials


async def kept_text(session: Session, wanted: str) -> dict[str, Any]:
    """Wait until the store has a part with these words at its end, and give it."""
    while True:
        for partial in (await kept(session)).values():
            if partial["message"]["content"][-1]["text"] == wanted:
                return dict(partial)
        await asyncio.sleep(0)


@pytest.mark.usefixtures("at_once")
async def test_words_on_their_way_are_kept_until_they_are_a_node() -> None:
    gate, again = asyncio.Event(), asyncio.Event()
    session = make_session(
        [["Half a ", Wait(until=gate), "thought", Wait(until=again), "."]], store=MemoryStore()
    )
    run = session.prompt("a")
    partial = await kept_text(session, "Half a ")
    assert partial["parent_id"] == 1
    assert partial["message"]["content"] == [{"type": "text", "text": "Half a "}]
    gate.set()
    partial = await kept_text(session, "thought")
    assert [block["text"] for block in partial["message"]["content"]] == ["Half a ", "thought"]
    again.set()
    await run
    await quiet()
    assert await kept(session) == {}
    await session.close()


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("end", ["cancel", "tool"])
async def test_no_part_is_left_however_the_step_ends(end: str) -> None:
    gate = asyncio.Event()
    session = make_session(
        [["Half", Wait(until=gate), *([Call("none")] if end == "tool" else [])], "Done"],
        store=MemoryStore(),
    )
    run = session.prompt("a")
    await kept_text(session, "Half")
    if end == "cancel":
        run.cancel()
    gate.set()
    await run.wait()
    await quiet()
    assert await kept(session) == {}
    await session.close()


async def test_a_quick_reply_costs_no_write_of_its_own() -> None:
    class Counting(MemoryStore):
        states = 0

        async def save_state(self, id: str, **changes: Any) -> None:
            self.states += "partials" in changes
            await super().save_state(id, **changes)

    store = Counting()
    session = make_session(["quick"], store=store)
    await session.prompt("a")
    await session.close()
    assert store.states == 0


@pytest.mark.usefixtures("at_once")
async def test_after_a_kill_the_part_is_a_reply_that_broke_off(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    provider = ScriptedProvider([["Half a thought", Wait(60)], "Whole."])
    store = SQLiteStore(path)
    manager = SessionManager(store, default_model=provider.model())
    session = manager.create()
    run = session.prompt("a")
    await kept_text(session, "Half a thought")
    # As after a kill: what the file holds now, opened by another.
    copy = tmp_path / "copy.db"
    async with SQLiteStore(path) as reader:
        await reader._writer.run(lambda connection: connection.execute(f"VACUUM INTO '{copy}'"))
    run.cancel()
    await manager.shut_down()

    async with SessionManager(SQLiteStore(copy), default_model=provider.model()) as again:
        await again.store.lease(session.id, take_over=True)
        await again.store.release(session.id)
        opened, _ = await again.open(session.id)
        assert texts(opened.tree) == ["a", "Half a thought"]
        node = opened.tree[2]
        assert (node.status, node.stop_reason, node.run_id) == ("cancelled", "cancelled", run.id)
        assert node.error == partials.INTERRUPTED
        assert await kept(opened) == {}
        await opened.proceed(2)
        assert texts(opened.tree) == ["a", "Whole."]
        assert opened.tree.children(1) == (2, 3)


def tree_of_one() -> Tree:
    tree = Tree()
    tree.push(Message.user("a"))
    return tree


def part(text: str = "words", parent: int | None = 1) -> dict[str, Any]:
    return {
        "parent_id": parent,
        "model": "demo/chat",
        "message": {
            "role": "assistant",
            "content": [{"type": "text", "text": text}],
            "created_at": "2026-01-01T00:00:00Z",
        },
    }


def test_a_part_that_was_stored_after_all_is_left_out() -> None:
    tree = tree_of_one()
    tree.push(Message.assistant("words and all"), run_id="r")
    assert recover(SessionRecord(id="s", partials={"r": part()}), tree) == []
    assert len(tree) == 2


@pytest.mark.parametrize(
    "stored",
    [None, 7, {}, {"parent_id": "x"}, part(parent=99), {**part(), "message": {"role": "x"}}],
)
def test_a_part_that_makes_no_sense_is_left_out(stored: Any) -> None:
    tree = tree_of_one()
    record = SessionRecord(id="s", partials={"bad": stored, "good": part()})
    assert [node.message.text for node in recover(record, tree)] == ["words"]


def test_parts_of_two_branches_both_come_back() -> None:
    tree = tree_of_one()
    record = SessionRecord(id="s", partials={"one": part("x"), "two": part("y")})
    recover(record, tree)
    assert [tree[child].message.text for child in tree.children(1)] == ["x", "y"]
    assert tree.head == 2


@pytest.mark.usefixtures("at_once")
async def test_thinking_alone_is_no_reply_to_keep() -> None:
    session = make_session([[Think("hm"), Wait(60)]], store=MemoryStore())
    run = session.prompt("a")
    while not (branch := session.active_run) or not branch.agent.partial:
        await asyncio.sleep(0)
    await quiet()
    assert await kept(session) == {}
    run.cancel()
    await run.wait()
    await session.close()
