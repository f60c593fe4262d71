"""Prompts for a branch that is busy: one agent serves them all, in its place in the tree."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from omni_tui.agent.events import PromptReturned
from omni_tui.core.errors import BusyError, CancelledRequestError, QueueFullError
from omni_tui.core.tool import ToolContext, tool
from omni_tui.llm.providers.scripted import Call, Reply, ScriptedProvider, Wait
from omni_tui.session.manager import SessionManager
from omni_tui.session.session import Session
from omni_tui.session.setup import Setup
from omni_tui.session.store.memory import MemoryStore


def make(store: MemoryStore, *replies: Any, **setup: Any) -> Session:
    manager = SessionManager(store)
    model = ScriptedProvider(list(replies)).model()
    return manager.create(model=model, setup=Setup(**setup))


def texts(session: Session) -> list[str]:
    return [session.tree[node_id].message.text for node_id in session.tree.path]


async def test_queued_prompts_follow_each_other_on_their_branch() -> None:
    gate = asyncio.Event()
    session = make(MemoryStore(), [Wait(until=gate), "1"], "2", "3", max_pending=2)
    first = session.prompt("a")
    await asyncio.sleep(0.01)
    with pytest.raises(BusyError):
        session.prompt("b")
    runs = [session.prompt(text, when_busy="queue") for text in "bc"]
    with pytest.raises(QueueFullError):
        session.prompt("d", when_busy="queue")
    assert list(session.runs) == [first.id]
    gate.set()
    assert [(await run).message.text for run in (first, *runs)] == ["1", "2", "3"]
    assert texts(session) == ["a", "1", "b", "2", "c", "3"]
    assert [node.run_id for node in session.tree.nodes.values()] == [
        run.id for run in (first, *runs) for _ in range(2)
    ]
    assert session.runs == {}
    await session.close()


async def test_a_steered_text_is_a_prompt_of_its_own_in_the_same_run() -> None:
    gate = asyncio.Event()
    store = MemoryStore()
    session = make(store, [Wait(until=gate), "1"], "2")
    run = session.prompt("a")
    await asyncio.sleep(0.01)
    assert session.prompt("b", when_busy="steer") is run
    gate.set()
    await run
    assert texts(session) == ["a", "1", "b", "2"]
    await session.close()
    stored = await store.load(session.id)
    assert len(stored.tree) == 4


async def test_a_text_that_was_not_taken_is_the_draft_of_its_branch() -> None:
    session = make(MemoryStore(), [Wait(until=asyncio.Event())])
    events = session.subscribe()
    run = session.prompt("a")
    await asyncio.sleep(0.01)
    session.set_draft("half a thought", session.tree.head)
    session.prompt("b", when_busy="steer")
    run.cancel()
    with pytest.raises(CancelledRequestError):
        await run
    assert session.draft(session.tree.head) == "b\n\nhalf a thought"
    await session.close()
    returned = [
        e.payload for e in [e async for e in events] if isinstance(e.payload, PromptReturned)
    ]
    assert [each.reason for each in returned] == ["cancelled"]


async def test_closing_a_session_cancels_what_waits_on_its_branches() -> None:
    session = make(MemoryStore(), [Wait(until=asyncio.Event())])
    session.prompt("a")
    await asyncio.sleep(0.01)
    queued = session.prompt("b", when_busy="queue")
    await asyncio.wait_for(session.close(), 5)
    assert await queued.wait() == "cancelled"


async def test_other_branches_are_not_kept_waiting() -> None:
    gate = asyncio.Event()
    session = make(MemoryStore(), "0", [Wait(until=gate), "1"], "2")
    await session.prompt("a")
    reply = session.tree.head
    assert reply is not None
    busy = session.prompt("b")
    await asyncio.sleep(0.01)
    other = session.branch(reply, "c")
    assert (await other).message.text == "2"
    gate.set()
    assert (await busy).message.text == "1"
    await session.close()


async def test_scratch_is_shared_by_the_runs_of_a_session_and_never_stored() -> None:
    @tool
    async def count(context: ToolContext) -> str:
        """Count the calls."""
        context.private["calls"] = context.private.get("calls", 0) + 1
        return f"{context.private['calls']} in {context.session_id}"

    store = MemoryStore()
    replies: list[Reply] = [[Call("count")], "1", [Call("count")], "2"]
    manager = SessionManager(store, default_model=ScriptedProvider(replies).model())
    session = manager.create(setup=Setup(tools=(count,)))
    for text in "ab":
        await session.prompt(text)
    results = [r.content for n in session.tree.nodes.values() for r in n.message.tool_results]
    assert results == [f"1 in {session.id}", f"2 in {session.id}"]
    assert session.private == {"calls": 2}
    await manager.close(session.id)
    again, _ = await manager.open(session.id)
    assert again.private == {}
    await manager.shut_down()
