"""Sub-agents on screen: their rows, the way down and up, and their questions on both floors."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from screen_app import (
    ShownApp,
    app_of,
    chat_is_up,
    press,
    press_to,
    rows,
    say,
    shown_app,
    stop_clocks,
    text,
    until,
    until_still,
)
from textual.pilot import Pilot

from omni_tui.llm.providers.base import Request
from omni_tui.llm.providers.scripted import Call, Reply
from omni_tui.tui.dialogs.approval import ApprovalDialog
from omni_tui.tui.dialogs.choose import ChooseDialog
from omni_tui.tui.screens.sessions import SessionsScreen

SnapCompare = Callable[..., bool]
SIZE = (120, 40)


def delegate(what: str) -> Call:
    return Call("task", {"description": what, "prompt": f"Please {what}."})


WRITE = Call("write_file", {"path": "peaks.md", "content": "# Peaks\n"})

QUIET: tuple[Reply, ...] = (
    ["I have that looked up.", delegate("check the heights")],
    "Fuji is **3,776 m** high, and Kailash 6,638 m.",
    "Both heights are right.",
)
ASKING: tuple[Reply, ...] = (
    [delegate("write the peaks")],
    ["I write them down.", WRITE],
    "They are not written.",
    "So be it.",
)


def app_with(replies: Iterable[Reply] | Callable[[Request], Reply]) -> ShownApp:
    return shown_app(replies, max_depth=2)


def two_at_work() -> ShownApp:
    """Two sub-agents that both ask; what is said depends on who is asked."""

    def respond(request: Request) -> Reply:
        first = request.messages[0].text
        if first.startswith("Please "):
            return "refused" if len(request.messages) > 1 else [WRITE]
        return "done" if len(request.messages) > 1 else [delegate("go left"), delegate("go right")]

    return app_with(respond)


async def open_child(pilot: Pilot[None]) -> None:
    """From the composer to the message with the task, and down."""
    app = app_of(pilot)
    above = app.session
    await pilot.press("alt+up", "alt+up", "enter")
    await until(pilot, lambda: app.session is not above)


async def test_a_finished_sub_agent_is_opened_from_its_row_and_left_by_key() -> None:
    async with app_with(QUIET).run_test(size=SIZE) as pilot:
        app = app_of(pilot)
        await say(pilot, "How high are they?")
        above = app.session
        (row,) = [line for line in rows(pilot) if "task" in line]
        assert "✓ task  check the heights" in row
        assert "1 step" in row
        await open_child(pilot)
        assert app.session.record.parent_id == above.id
        assert "How high are they? › check the heights" in rows(pilot)[0]
        assert "Alt+← back" in text(pilot)
        assert "3,776 m high" in text(pilot)
        await pilot.press("alt+left")
        await until(pilot, lambda: app.session.id == above.id)
        assert "Alt+← back" not in text(pilot)


async def test_enter_unfolds_a_message_without_a_sub_agent() -> None:
    replies: list[Reply] = [[Call("glob", {"pattern": "*"})], "Nothing there."]
    async with app_with(replies).run_test(size=SIZE) as pilot:
        app = app_of(pilot)
        await say(pilot, "look")
        before = text(pilot)
        await pilot.press("alt+up", "alt+up")
        assert "Enter open" not in text(pilot)
        await press(pilot, "enter")
        assert text(pilot) != before
        assert app.session.record.parent_id is None


async def test_the_way_back_says_so_where_there_is_none() -> None:
    async with app_with(()).run_test(size=SIZE) as pilot:
        await chat_is_up(pilot)
        session = app_of(pilot).session
        await press(pilot, "alt+left")
        assert app_of(pilot).session is session
        (said,) = app_of(pilot)._notifications
        assert "nothing above it" in said.message


async def test_a_question_of_a_sub_agent_is_answered_above() -> None:
    async with app_with(ASKING).run_test(size=SIZE) as pilot:
        app = app_of(pilot)
        await say(pilot, "Write the peaks.")
        assert isinstance(app.screen, ApprovalDialog)
        assert "asked by the sub-agent  write the peaks" in text(pilot)
        assert "? task  write the peaks" in text(pilot)
        await pilot.press("p")
        await until(pilot, lambda: not isinstance(app.screen, ApprovalDialog))
        await pilot.press(*"done", "ctrl+s")
        await until(pilot, lambda: app.screen is app.chat)
        await until_still(pilot)
        assert "So be it." in text(pilot)
        await open_child(pilot)
        assert "result given by you" in text(pilot)


async def test_a_question_is_looked_into_and_answered_below() -> None:
    async with app_with(ASKING).run_test(size=SIZE) as pilot:
        app = app_of(pilot)
        await say(pilot, "Write the peaks.")
        above = app.session
        await pilot.press("o")
        await until(pilot, lambda: app.session is not above)
        await until_still(pilot)
        assert isinstance(app.screen, ApprovalDialog)  # the same question, here
        assert "I write them down." in text(pilot)
        assert above.active_run is not None
        assert above.active_run.paused is not None
        await pilot.press("n")
        await until(pilot, lambda: not isinstance(app.screen, ApprovalDialog))
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is app.chat and not above.runs)
        assert "They are not written." in text(pilot)
        await pilot.press("alt+left")
        await until(pilot, lambda: app.session.id == above.id)
        await until_still(pilot)
        assert "So be it." in text(pilot)


async def test_a_question_survives_a_look_elsewhere() -> None:
    async with app_with(ASKING).run_test(size=SIZE) as pilot:
        app = app_of(pilot)
        await say(pilot, "Write the peaks.")
        await press_to(pilot, SessionsScreen, "ctrl+s")
        assert sum("write the peaks" in line.casefold() for line in rows(pilot)[2:12]) <= 1
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.chat)
        await press_to(pilot, ApprovalDialog, "enter")
        assert "asked by the sub-agent" in text(pilot)


async def test_of_several_sub_agents_one_is_chosen() -> None:
    async with two_at_work().run_test(size=SIZE) as pilot:
        app = app_of(pilot)
        await say(pilot, "go both ways")
        above = app.session
        await until(pilot, lambda: len(above.children) == 2)
        assert "asked by the sub-agent" in text(pilot)
        await press_to(pilot, SessionsScreen, "ctrl+s")
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.chat)
        await press_to(pilot, ChooseDialog, "alt+up", "enter")
        assert "go left" in text(pilot)
        await pilot.press("down", "enter")
        await until(pilot, lambda: app.session is not above)
        assert app.session.title == "go right"
        await until_still(pilot)
        assert isinstance(app.screen, ApprovalDialog)  # though the other is asked above
        await pilot.press("escape")  # stops this one alone
        await until(pilot, lambda: not app.session.runs)
        assert above.active_run is not None
        await pilot.press("alt+left")
        await until(pilot, lambda: app.session is above)
        await until_still(pilot)
        assert "asked by the sub-agent  go left" in text(pilot)


async def test_it_is_shown_live_while_it_runs() -> None:
    replies: tuple[Reply, ...] = (
        [delegate("look")],
        [Call("bash", {"command": "ls"})],
        "seen",
        "done",
    )
    async with app_with(replies).run_test(size=SIZE) as pilot:
        app = app_of(pilot)
        await say(pilot, "look")
        above = app.session
        await pilot.press("o")
        await until(pilot, lambda: app.session is not above)
        child = app.session
        assert child in above.children  # the very one that works
        await until_still(pilot)
        await pilot.press("p")
        await until(pilot, lambda: not isinstance(app.screen, ApprovalDialog))
        await pilot.press(*"x", "ctrl+s")
        await until(pilot, lambda: "seen" in text(pilot))
        assert app.session is child


async def test_a_sub_agent_in_view_goes_with_the_session_above() -> None:
    async with app_with(QUIET).run_test(size=SIZE) as pilot:
        app = app_of(pilot)
        await say(pilot, "How high are they?")
        above = app.session
        await open_child(pilot)
        child = app.session
        await app.manager.delete(above.id)
        app.session_deleted(above.id)
        await pilot.pause()
        assert app.session.id not in (above.id, child.id)
        assert "check the heights" not in text(pilot)


async def test_sub_agents_are_in_no_list_and_the_session_above_is_marked() -> None:
    async with app_with(QUIET).run_test(size=SIZE) as pilot:
        await say(pilot, "How high are they?")
        await open_child(pilot)
        await press_to(pilot, SessionsScreen, "ctrl+s")
        listed = [line for line in rows(pilot) if "messages" in line and "just now" in line]
        assert len(listed) == 1
        assert "● How high are they?" in listed[0]


@pytest.fixture
def compare(snap_compare: SnapCompare, monkeypatch: pytest.MonkeyPatch) -> SnapCompare:
    stop_clocks(monkeypatch)
    return snap_compare


def test_the_row_of_a_finished_sub_agent(compare: SnapCompare) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await chat_is_up(pilot)
        await say(pilot, "How high are they?")
        await pilot.press("alt+up", "alt+up")

    assert compare(app_with(QUIET), terminal_size=SIZE, run_before=scene)


def test_a_sub_agent_and_the_way_back(compare: SnapCompare) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await chat_is_up(pilot)
        await say(pilot, "How high are they?")
        await open_child(pilot)
        await until_still(pilot)

    assert compare(app_with(QUIET), terminal_size=SIZE, run_before=scene)
