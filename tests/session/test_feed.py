"""The manager's live feed, and how long a session stays open that nobody looks at."""

from __future__ import annotations

import asyncio
from typing import Any

from agent_helpers import Recorder
from session_helpers import make_session, quiet

from omni_tui.agent.decisions import Execute, Pause
from omni_tui.agent.events import Event
from omni_tui.agent.hooks import Hooks
from omni_tui.agent.subscription import Subscription
from omni_tui.core.messages import ToolUse
from omni_tui.llm.providers.scripted import Call, Reply, ScriptedProvider, Wait
from omni_tui.session.feed import OpenSession
from omni_tui.session.manager import IDLE_SHUTDOWN_AFTER, SessionManager
from omni_tui.session.setup import Setup
from omni_tui.session.store.memory import MemoryStore


def house(*replies: Reply, **options: Any) -> SessionManager:
    provider = ScriptedProvider(replies)
    return SessionManager(MemoryStore(), default_model=provider.model(), **options)


async def told(subscription: Subscription) -> list[tuple[str | None, str, str | None]]:
    """(session, what, status or title) of all that was told so far."""
    subscription.put(Event(payload=None, seq=0))
    return [
        (
            event.session_id,
            type(event.payload).__name__.removeprefix("Session").removesuffix("Changed"),
            getattr(event.payload, "status", getattr(event.payload, "title", None)),
        )
        for event in (await subscription.batch())[:-1]
    ]


async def test_two_sessions_at_once_are_told_apart() -> None:
    gate = asyncio.Event()
    async with house([Wait(until=gate), "one"], "two") as manager:
        here, feed = manager.subscribe()
        assert here == ()
        first, second = manager.create(), manager.create()
        run = first.prompt("A")
        await quiet()
        await second.prompt("B")
        gate.set()
        await run
        await quiet()
        events = await told(feed)
        assert [event for event in events if event[0] == first.id] == [
            (first.id, "Opened", "idle"),
            (first.id, "Status", "busy"),
            (first.id, "Status", "idle"),
            (first.id, "Title", "A"),
        ]
        assert [event[1:] for event in events if event[0] == second.id] == [
            ("Opened", "idle"),
            ("Status", "busy"),
            ("Status", "idle"),
            ("Title", "B"),
        ]
        late, _ = manager.subscribe()
        assert late == (
            OpenSession(id=first.id, title="A", status="idle"),
            OpenSession(id=second.id, title="B", status="idle"),
        )
        await manager.close(first.id)
        assert await told(feed) == [(first.id, "Closed", None)]


async def test_a_question_and_a_halt_are_told() -> None:
    class Asking(Hooks):
        async def handle_tool_use(self, tool_use: ToolUse) -> Pause:
            return Pause()

    look = Recorder().tool()
    async with house([Call("look")], "done", setup=Setup(tools=(look,))) as manager:
        _, feed = manager.subscribe()
        session = manager.create()
        run = session.prompt("A", hooks=[Asking()])
        await quiet(200)
        session.resume(Execute())
        await run
        session.halt()
        session.unhalt()
        statuses = [event[2] for event in await told(feed) if event[1] == "Status"]
        assert statuses == ["busy", "paused", "busy", "idle", "halted", "idle"]


async def test_the_feed_ends_with_the_manager() -> None:
    manager = house()
    session = manager.create()
    _, feed = manager.subscribe()
    await manager.shut_down()
    assert [type(event.payload).__name__ async for event in feed] == ["SessionClosed"]
    assert session not in manager.list_open()


async def test_a_session_that_was_left_stays_open_for_a_while() -> None:
    async with house("one", idle_shutdown_after=0.05) as manager:
        session = manager.create()
        await session.prompt("A")
        manager.leave(session.id)
        await quiet()
        assert manager.list_open() == [session]
        _, feed = manager.subscribe()
        assert [type(event.payload).__name__ for event in await feed.batch()] == ["SessionClosed"]
    assert IDLE_SHUTDOWN_AFTER == 300.0


async def test_a_session_without_a_message_goes_at_once() -> None:
    async with house() as manager:
        manager.leave(manager.create().id)
        await quiet()
        assert manager.list_open() == []


async def test_idle_sessions_can_stay_for_good() -> None:
    async with house("one", idle_shutdown_after=None) as manager:
        session = manager.create()
        await session.prompt("A")
        manager.leave(session.id)
        await quiet()
        assert manager.list_open() == [session]


async def test_viewers_hold_a_session_open_and_observers_do_not() -> None:
    async with house("one", idle_shutdown_after=0.0) as manager:
        session = manager.create()
        await session.prompt("A")
        observer = session.subscribe()
        one, other = session.subscribe("viewer"), session.subscribe("viewer")
        manager.leave("another")
        one.close()
        await quiet()
        assert manager.list_open() == [session]
        other.close()
        await quiet()
        assert manager.list_open() == []
        assert [event async for event in observer][-1:] == []


async def test_a_viewer_who_comes_back_in_time_keeps_it() -> None:
    async with house("one") as manager:
        session = manager.create()
        await session.prompt("A")
        session.subscribe("viewer").close()
        await quiet()
        session.subscribe("viewer")
        await quiet()
        assert manager.list_open() == [session]


async def test_a_session_alone_has_a_status_too() -> None:
    session = make_session([["half", Wait(60)]])
    run = session.prompt("A")
    await quiet()
    assert session.status == "busy"
    run.cancel()
    await run.wait()
    statuses = [session.status]
    assert statuses == ["idle"]
    session.subscribe("viewer").close()
    await session.close()
