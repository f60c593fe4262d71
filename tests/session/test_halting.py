"""A halted session: turns under way end, what waits keeps waiting, nothing new begins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from test_session_queue import make, texts

from omni_tui.agent.events import PromptReturned
from omni_tui.agent.run import Run
from omni_tui.core.errors import CancelledRequestError, HaltedError
from omni_tui.llm.providers.scripted import Call, Wait
from omni_tui.session.store.memory import MemoryStore


async def test_a_halt_lets_the_turn_end_and_holds_what_is_queued() -> None:
    gate = asyncio.Event()
    session = make(MemoryStore(), [Wait(until=gate), "1"], "2", "3", max_pending=2)
    first = session.prompt("a")
    await asyncio.sleep(0.01)
    second = session.prompt("b", when_busy="queue")
    session.halt()
    gate.set()
    assert await first.wait() == "halted"
    assert (texts(session), second.status, session.runs) == (["a", "1"], "queued", {})
    third = session.prompt("c", when_busy="queue")
    session.unhalt()
    assert (await second).text == "2"
    assert (await third).text == "3"
    assert texts(session) == ["a", "1", "b", "2", "c", "3"]
    assert (await session.prompt("d", when_busy="queue").wait()) == "error"  # the script is over
    await session.close()


async def test_nothing_begins_while_it_is_halted() -> None:
    session = make(MemoryStore(), "1", "2", max_pending=1)
    await session.prompt("a")
    session.halt()
    beginnings: tuple[Callable[[], Run], ...] = (
        lambda: session.prompt("b"),
        lambda: session.prompt("b", when_busy="steer"),
        lambda: session.regenerate(2),
        lambda: session.edit(1, "other"),
        lambda: session.proceed(2),
    )
    for begin in beginnings:
        with pytest.raises(HaltedError, match="halted"):
            begin()
    assert (texts(session), len(session.tree)) == (["a", "1"], 2)
    waiting = session.prompt("b", when_busy="queue")
    await asyncio.sleep(0.01)
    assert waiting.status == "queued"
    session.unhalt()
    assert (await waiting).text == "2"
    await session.close()


async def test_a_text_that_steered_comes_back_as_a_draft() -> None:
    gate = asyncio.Event()
    session = make(MemoryStore(), [Wait(until=gate), "1"], "2")
    run = session.prompt("a")
    await asyncio.sleep(0.01)
    session.prompt("and b", when_busy="steer")
    events = session.subscribe()
    session.halt()
    gate.set()
    await run.wait()
    await asyncio.sleep(0)
    told = [event.payload for event in await events.batch()]
    assert [each.reason for each in told if isinstance(each, PromptReturned)] == ["halted"]
    assert session.draft(session.tree.head) == "and b"
    session.unhalt()
    assert (await session.prompt("go on")).text == "2"
    await session.close()


async def test_what_waits_can_be_cancelled_and_leaves_the_run_under_way_alone() -> None:
    gate = asyncio.Event()
    session = make(MemoryStore(), [Wait(until=gate), "1"], "2", max_pending=2)
    first = session.prompt("a")
    await asyncio.sleep(0.01)
    queued = session.prompt("b", when_busy="queue")
    assert queued.cancel()
    with pytest.raises(CancelledRequestError):
        await queued
    assert list(session.runs) == [first.id]
    session.halt()
    held = session.prompt("c", when_busy="queue")
    gate.set()
    assert await first.wait() == "halted"
    assert held.cancel()
    session.unhalt()
    assert (await session.prompt("d")).text == "2"
    assert texts(session) == ["a", "1", "d", "2"]
    await session.close()


async def test_closing_a_halted_session_ends_what_waits() -> None:
    session = make(MemoryStore(), [Call("nothing")], max_pending=1)
    session.halt()
    waiting = session.prompt("a", when_busy="queue")
    await session.close()
    assert waiting.status == "cancelled"
