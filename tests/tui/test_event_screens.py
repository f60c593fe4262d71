"""How the viewer of events, log and state looks, in a small and in a large terminal."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeAlias

import pytest
from screen_app import ShownApp, chat_is_up, press_to, shown_app, until
from textual.pilot import Pilot

from omni_tui.agent.events import (
    Event,
    MessageAdded,
    Paused,
    Resumed,
    Retrying,
    StatusChanged,
    StepFinished,
    ToolFinished,
    ToolOutput,
    ToolStarted,
)
from omni_tui.core.errors import OverloadedError
from omni_tui.core.messages import Message, Text, ToolResult, ToolUse
from omni_tui.core.stream import (
    Response,
    TextDelta,
    TextEnd,
    TextStart,
    ThinkingDelta,
    ThinkingStart,
    ToolUseDelta,
    ToolUseEnd,
    ToolUseStart,
)
from omni_tui.core.usage import Usage
from omni_tui.session import manager
from omni_tui.session.events import Saved, TitleChanged, TreeChanged
from omni_tui.tui.screens.events import EventsScreen
from omni_tui.tui.trace import LogLine
from omni_tui.tui.widgets.event_list import EventList

Size: TypeAlias = tuple[int, int]
SnapCompare = Callable[..., bool]

START = 1_790_000_000.0
WORDS = "山は静かにして性をやしなひ、水はうごいて情を慰す 👩‍🚀🏔️ " + "w" * 90
USE = ToolUse(
    id="call_1",
    name="bash",
    input={"command": "make test && rm -rf build\x1b[2J", "timeout": 60, "why": WORDS},
)
RESULT = ToolResult(
    tool_use_id="call_1",
    name="bash",
    content="2 failed\n",
    is_error=True,
    data={"duration_ms": 812},
)
STEP = Response(
    message=Message.assistant(WORDS),
    stop_reason="tool_use",
    usage=Usage(input=3100, output=840, cache_read=2048, cost=0.011),
    model="anthropic/claude-sonnet-4-6",
)
TOLD: tuple[Any, ...] = (
    StatusChanged(status="busy"),
    MessageAdded(message=Message.user("Which mountains has nobody climbed?")),
    TreeChanged(new=(1,)),
    Saved(),
    Retrying(
        attempt=1,
        delay=1.8,
        error=OverloadedError("overloaded", hint="try again in a moment"),
        model="anthropic/claude-sonnet-4-6",
    ),
    ThinkingStart(index=0),
    *[ThinkingDelta(index=0, text="Unclimbed, ")] * 40,
    TextStart(index=1),
    *[TextDelta(index=1, text="Gangkhar Puensum ")] * 600,
    TextEnd(index=1, block=Text(text=WORDS)),
    ToolUseStart(index=2, id="call_1", name="bash"),
    *[ToolUseDelta(index=2, json='{"command": ')] * 9,
    ToolUseEnd(index=2, block=USE),
    MessageAdded(message=Message.assistant([Text(text=WORDS), USE])),
    StepFinished(response=STEP),
    TreeChanged(new=(2,)),
    StatusChanged(status="paused"),
    Paused(reason="approval", tool_use=USE),
    Resumed(tool_use_id="call_1"),
    ToolStarted(tool_use=USE),
    *[ToolOutput(tool_use_id="call_1", text="test passed ✅\n")] * 60,
    ToolFinished(result=RESULT),
    MessageAdded(message=Message.user([RESULT])),
    TreeChanged(new=(3,), changed=(2,)),
    TitleChanged(title="Mountains"),
    LogLine(level="WARNING", logger="omni_tui.llm.catalog", text="the catalogue is 40 days old"),
)


@pytest.fixture(params=[(80, 24), (120, 40)], ids=["80x24", "120x40"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Size]:
    monkeypatch.setattr(manager, "new_session_id", lambda: "m0Untains-of-the-w0rld")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    given: Size = request.param
    yield given
    monkeypatch.undo()
    time.tzset()


async def opened(pilot: Pilot[None]) -> None:
    """Some events of a run, told through the session's subscription, and the viewer."""
    await chat_is_up(pilot)
    app = pilot.app
    assert isinstance(app, ShownApp)
    session = app.session
    session.rename("Mountains of the world")
    for message in (Message.user("Which?"), Message.assistant(WORDS), Message.assistant("Other")):
        session.tree.add(message, parent=1 if len(session.tree) else None, usage=STEP.usage)
    await until(pilot, lambda: bool(app.chat.bridge.trace.rows))
    app.chat.bridge.trace.rows.clear()
    for number, payload in enumerate(TOLD):
        is_log = isinstance(payload, LogLine)
        event = Event(
            payload=payload,
            seq=0 if is_log else 100 + number,
            ts=START + number * 0.0473,
            session_id=None if is_log else session.id,
            run_id=None if isinstance(payload, Saved | TreeChanged | LogLine) else "3fa9c0de",
            node_id=12,
            step=2,
        )
        for subscription in session._subscriptions:
            subscription.put(event)
    await press_to(pilot, EventsScreen, "f12")
    viewer = app.screen
    assert isinstance(viewer, EventsScreen)

    def is_whole() -> bool:
        rows = viewer.query_one(EventList).rows
        return bool(rows) and rows[-1].event.type == "log"

    await until(pilot, is_whole)


def pressing(*keys: str) -> Callable[[Pilot[None]], Awaitable[None]]:
    async def scene(pilot: Pilot[None]) -> None:
        await opened(pilot)
        await pilot.press(*keys)
        await pilot.pause()

    return scene


def test_the_events_as_they_come(snap_compare: SnapCompare, size: Size) -> None:
    assert snap_compare(shown_app(), terminal_size=size, run_before=opened)


def test_one_event_whole(snap_compare: SnapCompare, size: Size) -> None:
    scene = pressing("slash", *"tool_started", "enter", "enter")
    assert snap_compare(shown_app(), terminal_size=size, run_before=scene)


def test_the_events_that_fit_a_filter(snap_compare: SnapCompare, size: Size) -> None:
    scene = pressing("slash", *"tool -delta")
    assert snap_compare(shown_app(), terminal_size=size, run_before=scene)


def test_the_state(snap_compare: SnapCompare, size: Size) -> None:
    assert snap_compare(shown_app(), terminal_size=size, run_before=pressing("up", "tab"))
