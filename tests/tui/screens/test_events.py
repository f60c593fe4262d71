"""The viewer of events, log and state: what opens it, what it shows, and what it costs."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from typing import Any

import pytest
from hostile_text import HOSTILE
from screen_app import (
    ShownApp,
    app_of,
    chat_is_up,
    press,
    press_to,
    rows,
    say,
    shown_app,
    text,
    until,
)
from textual.pilot import Pilot
from textual.widgets import Input

from omni_tui.agent.events import Event, StateChanged, StatusChanged
from omni_tui.config.settings import Settings
from omni_tui.core.safe_text import safe
from omni_tui.core.stream import TextDelta
from omni_tui.llm.providers.scripted import Call, Reply, Say, Wait
from omni_tui.tui.dialogs.approval import ApprovalDialog
from omni_tui.tui.screens.chat import ChatScreen
from omni_tui.tui.screens.events import EventsScreen
from omni_tui.tui.trace import KEPT
from omni_tui.tui.widgets.event_list import EventList
from omni_tui.tui.widgets.page import Page

SIZES = [(80, 24), (120, 40)]
LOOK: Reply = [Say("I look. " * 30), Call("glob", {"pattern": "*.none"})]


def viewer(pilot: Pilot[None]) -> EventsScreen:
    screen = pilot.app.screen
    assert isinstance(screen, EventsScreen)
    return screen


def events_of(pilot: Pilot[None]) -> EventList:
    return viewer(pilot).query_one(EventList)


def types(pilot: Pilot[None]) -> list[str]:
    return [row.event.type for row in events_of(pilot).rows]


def page(pilot: Pilot[None]) -> str:
    return "\n".join(
        "".join(piece.text for piece in row) for row in viewer(pilot).query_one(Page)._rows
    )


def tell(app: ShownApp, *payloads: Any, **facts: Any) -> None:
    """Events as the session would tell them."""
    for payload in payloads:
        app.session.seq += 1
        event = Event(payload=payload, seq=app.session.seq, session_id=app.session.id, **facts)
        for subscription in app.session._subscriptions:
            subscription.put(event)


async def until_told(pilot: Pilot[None], app: ShownApp) -> None:
    """Wait until the viewer has seen what the trace holds."""
    trace = app.chat.bridge.trace

    def seen() -> bool:
        last = trace.rows[-1].last.seq if trace.rows else 0
        return last in (0, app.session.seq) and viewer(pilot)._timer is None

    await until(pilot, seen)


async def opened(pilot: Pilot[None]) -> None:
    await press_to(pilot, EventsScreen, "f12")
    await until_told(pilot, app_of(pilot))


# Coming and going


@pytest.mark.parametrize("close", ["f12", "escape", "q"])
async def test_a_key_opens_and_closes_it(close: str) -> None:
    async with shown_app().run_test(size=(80, 24)) as pilot:
        await chat_is_up(pilot)
        await press_to(pilot, EventsScreen, "f12")
        await press_to(pilot, ChatScreen, close)
        assert app_of(pilot).focused is app_of(pilot).chat.composer


async def test_a_command_opens_it() -> None:
    async with shown_app().run_test(size=(80, 24)) as pilot:
        await chat_is_up(pilot)
        app_of(pilot).chat.composer.write("/debug")
        await press_to(pilot, EventsScreen, "enter")
        assert app_of(pilot).chat.composer.text == ""


async def test_it_is_in_the_palette() -> None:
    async with shown_app().run_test(size=(80, 24)) as pilot:
        await chat_is_up(pilot)
        commands = app_of(pilot).get_system_commands(pilot.app.screen)
        (command,) = [command for command in commands if command.title == "view: events"]
        command.callback()
        await until(pilot, lambda: isinstance(pilot.app.screen, EventsScreen))


async def test_another_key_opens_and_closes_it_when_a_person_says_so() -> None:
    made = shown_app()
    app = ShownApp(made.manager, made.session, settings=Settings(keymap={"view.events": "f9"}))
    async with app.run_test(size=(80, 24)) as pilot:
        await chat_is_up(pilot)
        await press_to(pilot, EventsScreen, "f9")
        assert "F9 close" in rows(pilot)[-1]
        await pilot.press("f12")
        await pilot.pause()
        assert isinstance(app.screen, EventsScreen)
        await press_to(pilot, ChatScreen, "f9")


async def test_a_question_that_came_meanwhile_is_asked_on_the_way_back() -> None:
    gate = asyncio.Event()
    app = shown_app([[Wait(until=gate), Call("bash", {"command": "make"})], "Done."])
    async with app.run_test(size=(80, 24)) as pilot:
        await chat_is_up(pilot)
        app.chat.composer.write("make it")
        await pilot.press("enter")
        await press_to(pilot, EventsScreen, "f12")
        gate.set()
        await until(pilot, lambda: "pause" in types(pilot))
        assert "asking" in text(pilot) or app.size.width < 100
        await press_to(pilot, ApprovalDialog, "f12")
        app.session.cancel()
        await until(pilot, lambda: not app.session.runs)


# Events


@pytest.mark.parametrize("size", SIZES)
async def test_what_happened_before_is_there_with_pieces_folded(size: tuple[int, int]) -> None:
    async with shown_app([LOOK, "Nothing."]).run_test(size=size) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Look")
        await opened(pilot)
        told = [kind for kind in types(pilot) if kind not in ("saved", "title")]
        assert told[:6] == ["status", "message", "tree", "text_start", "text_delta", "text_end"]
        assert told.count("text_delta") == 2
        assert told[-1] == "turn"
        deltas = next(row for row in events_of(pilot).rows if row.event.type == "text_delta")
        assert deltas.count > 10
        assert "● following" in rows(pilot)[0]


async def test_what_comes_is_followed_and_can_be_held() -> None:
    async with shown_app().run_test(size=(80, 24)) as pilot:
        app = app_of(pilot)
        await chat_is_up(pilot)
        tell(app, *[StatusChanged(status="busy")] * 60)
        await opened(pilot)
        await pilot.press("space")
        top = rows(pilot)[2]
        assert "paused" in rows(pilot)[0]
        tell(app, *[StatusChanged(status="idle")] * 30)
        await until(pilot, lambda: "30 new" in rows(pilot)[0])
        assert rows(pilot)[2] == top
        await pilot.press("space")
        await pilot.pause()
        assert "● following" in rows(pilot)[0]
        assert "idle" in rows(pilot)[-2]
        await pilot.press("up")
        await pilot.pause()
        assert "paused" in rows(pilot)[0]
        await pilot.press("end")
        await pilot.pause()
        assert "● following" in rows(pilot)[0]


async def test_what_one_looks_at_stays_while_old_rows_go() -> None:
    async with shown_app().run_test(size=(80, 24)) as pilot:
        app = app_of(pilot)
        await chat_is_up(pilot)
        tell(app, *[StateChanged(fields=("model",))] * KEPT)
        await opened(pilot)
        await pilot.press("pageup", "pageup")
        looked = events_of(pilot).current
        top = rows(pilot)[2]
        assert looked is not None
        tell(app, *[StateChanged(fields=("tools",))] * 500)
        await until(pilot, lambda: "500 new" in rows(pilot)[0])
        assert events_of(pilot).current is looked
        assert rows(pilot)[2] == top
        assert len(events_of(pilot).rows) == KEPT
        assert f"{KEPT:,} of 2,500 kept" in rows(pilot)[0]
        tell(app, *[StateChanged(fields=("tools",))] * KEPT)
        await until(pilot, lambda: "2,500 new" in rows(pilot)[0])
        assert events_of(pilot).current is events_of(pilot).rows[0]


async def test_only_the_session_in_view_and_the_log_are_shown() -> None:
    async with shown_app(["One.", "Two."]).run_test(size=(120, 40)) as pilot:
        app = app_of(pilot)
        await chat_is_up(pilot)
        await say(pilot, "First")
        first = app.session
        await press(pilot, "ctrl+n")
        logging.getLogger("omni_tui.test").warning("careful")
        await opened(pilot)
        assert types(pilot) == ["log"]
        assert "warning omni_tui.test: careful" in text(pilot)
        await press_to(pilot, ChatScreen, "f12")
        app.open_session(first)
        await opened(pilot)
        assert {"turn", "log"} <= set(types(pilot))


async def test_a_filter_narrows_what_is_shown_while_it_is_written() -> None:
    async with shown_app([LOOK, "Nothing."]).run_test(size=(80, 24)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Look")
        await opened(pilot)
        every = len(types(pilot))
        await pilot.press("slash", *"tool_", "enter")
        await pilot.pause()
        assert set(types(pilot)) >= {"tool_started", "tool_finished"}
        assert all("tool_" in kind or kind == "step" for kind in types(pilot))
        assert f"{len(types(pilot))} of {every} kept" in rows(pilot)[0]
        assert pilot.app.focused is events_of(pilot)
        await pilot.press("slash", "escape")
        await pilot.pause()
        assert len(types(pilot)) == every
        assert not viewer(pilot).query_one(Input).has_class("-shown")


async def test_one_key_shows_only_the_type_under_the_cursor() -> None:
    async with shown_app([LOOK, "Nothing."]).run_test(size=(80, 24)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Look")
        await opened(pilot)
        every = types(pilot)
        await pilot.press("home", "t")
        await until(pilot, lambda: set(types(pilot)) == {"status"})
        await pilot.press("t")
        await until(pilot, lambda: types(pilot) == every)


# One whole


@pytest.mark.parametrize("size", SIZES)
async def test_enter_shows_an_event_whole_and_escape_goes_back(size: tuple[int, int]) -> None:
    async with shown_app(["Kailash."]).run_test(size=size) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Which?")
        await opened(pilot)
        await pilot.press("home", "down", "enter")
        await pilot.pause()
        assert '"role": "user"' in page(pilot)
        assert '"text": "Which?"' in text(pilot)
        await pilot.press("right")
        await pilot.pause()
        assert '"tree"' in page(pilot)
        await pilot.press("left", "left")
        await pilot.pause()
        assert '"status"' in page(pilot)
        await pilot.press("escape")
        await pilot.pause()
        assert pilot.app.focused is events_of(pilot)
        assert events_of(pilot).display
        await press_to(pilot, ChatScreen, "escape")


async def test_a_text_still_growing_is_shown_as_it_grows() -> None:
    async with shown_app().run_test(size=(80, 24)) as pilot:
        app = app_of(pilot)
        await chat_is_up(pilot)
        tell(app, TextDelta(index=0, text="It is "), run_id="one")
        await opened(pilot)
        await pilot.press("enter")
        await pilot.pause()
        tell(app, TextDelta(index=0, text="sacred."), run_id="one")
        await until(pilot, lambda: "It is sacred." in text(pilot))
        assert '"pieces": 2' in text(pilot)


async def test_copying_gives_the_event_and_all_that_are_shown() -> None:
    async with shown_app(["Kailash."]).run_test(size=(80, 24)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Which?")
        await opened(pilot)
        await pilot.press("home", "y")
        await pilot.pause()
        assert json.loads(pilot.app.clipboard)["payload"] == {"type": "status", "status": "busy"}
        await pilot.press("t")
        await until(pilot, lambda: len(types(pilot)) == 2)
        await pilot.press("Y")
        await pilot.pause()
        lines = [json.loads(line) for line in pilot.app.clipboard.splitlines()]
        assert [line["payload"]["status"] for line in lines] == ["busy", "idle"]


@pytest.mark.parametrize("size", SIZES)
async def test_hostile_text_is_inert_wherever_it_stands(size: tuple[int, int]) -> None:
    hostile = "".join(HOSTILE)
    replies: list[Reply] = [
        [Say(hostile, chunk=40), Call("nothing", {hostile: hostile})],
        hostile,
    ]
    async with shown_app(replies).run_test(size=size) as pilot:
        app = app_of(pilot)
        await chat_is_up(pilot)
        app.session.rename(hostile)
        await say(pilot, "Hello")
        log = logging.getLogger("omni_tui.test")
        log.warning("%s", hostile.encode(errors="replace").decode())  # pytest reads it as well
        await opened(pilot)
        count = len(types(pilot))
        assert all(safe(row) == row for row in rows(pilot))
        await pilot.press("home", "enter")
        for _ in range(count):
            await pilot.press("right")
            assert all(safe(row) == row for row in rows(pilot))
        await pilot.press("escape", "tab")
        assert all(safe(row) == row for row in rows(pilot))


# State


@pytest.mark.parametrize("size", SIZES)
async def test_the_state_of_session_and_runs_is_shown_and_kept_up(size: tuple[int, int]) -> None:
    gate = asyncio.Event()
    app = shown_app([[Say("One, and "), Wait(until=gate), " two."]])
    async with app.run_test(size=size) as pilot:
        await chat_is_up(pilot)
        app.chat.composer.write("Count")
        await pilot.press("enter")
        await until(pilot, lambda: "One, and" in text(pilot))
        await opened(pilot)
        if size[0] < 100:
            assert "database" not in text(pilot)
        await pilot.press("tab")
        await pilot.pause()
        run = next(iter(app.session.runs))
        for words in ("busy · 1 run", app.session.id, "demo/chat", f"run {run[:8]}", "0 of 8"):
            assert words in page(pilot)
        assert "in memory" in page(pilot)
        gate.set()
        await until(pilot, lambda: "idle" in page(pilot))
        assert "messages  2 · head 2 · 1 branch" in page(pilot)
        app.session.halt()
        await until(pilot, lambda: "idle · halted" in page(pilot))


async def test_a_secret_of_the_environment_is_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "hunter2hunter2")
    async with shown_app(["hunter2hunter2, you said."]).run_test(size=(120, 40)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "My key is hunter2hunter2")
        await opened(pilot)
        await pilot.press("home", "down", "Y")
        await pilot.pause()
        assert "hunter2" not in text(pilot).replace("My key is hunter2hunter2", "", 1)
        assert "[key]" in text(pilot)
        assert "hunter2" not in pilot.app.clipboard


# What it costs


async def test_nothing_runs_when_nothing_comes() -> None:
    async with shown_app(["Hello."]).run_test(size=(120, 40)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Hi")
        await opened(pilot)
        assert viewer(pilot)._timer is None
        await press_to(pilot, ChatScreen, "f12")
        assert app_of(pilot).chat.bridge.on_noted is None


def test_it_is_not_imported_before_it_is_opened() -> None:
    program = "import sys, omni_tui.tui.app; print(*sys.modules, sep='\\n')"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=True
    )
    names = set(result.stdout.split())
    assert "omni_tui.tui.bridge" in names
    own = {"trace", "event_text", "inspector", "screens.events", "widgets.event_list"}
    assert {f"omni_tui.tui.{name}" for name in own} & names == set()
