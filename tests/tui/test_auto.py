"""`/auto`: the model works on a goal by itself, in sight, stoppable, and within a limit."""

from __future__ import annotations

import asyncio

import pytest
from screen_app import (
    app_of,
    chat_is_up,
    press,
    press_to,
    rows,
    say,
    shown_app,
    text,
    until,
    until_still,
)
from textual.pilot import Pilot

from omni_tui.agent.completion import MAX_TURNS, NUDGE
from omni_tui.llm.providers.scripted import Call, Reply, Say, Wait
from omni_tui.tui.dialogs.approval import ApprovalDialog
from omni_tui.tui.dialogs.text import TextDialog

DONE = Call("task_complete", {"result": "all sorted"})


def asked(pilot: Pilot[None]) -> list[str]:
    tree = app_of(pilot).session.tree
    return [node.message.text for node in tree.nodes.values() if node.kind == "prompt"]


def told(pilot: Pilot[None]) -> list[str]:
    return [note.message for note in pilot.app._notifications]


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_it_goes_on_until_it_is_done_and_says_so(size: tuple[int, int]) -> None:
    replies: list[Reply] = ["First I look.", [DONE], "All is sorted."]
    async with shown_app(replies).run_test(size=size) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "/auto sort it")
        assert asked(pilot) == ["sort it", NUDGE]
        assert "All is sorted." in text(pilot)
        assert "auto: done in 2 turns" in text(pilot)
        assert app_of(pilot).chat.composer.text == ""


async def test_the_turn_under_way_is_counted_on_the_rule() -> None:
    gate = asyncio.Event()
    replies: list[Reply] = ["One.", "Two.", [Wait(until=gate), DONE], "Done."]
    async with shown_app(replies).run_test(size=(80, 24)) as pilot:
        await chat_is_up(pilot)
        app_of(pilot).chat.composer.write("/auto sort it")
        await pilot.press("enter")
        await until(pilot, lambda: f"auto 3/{MAX_TURNS}" in text(pilot))
        rule = next(row for row in rows(pilot) if f"auto 3/{MAX_TURNS}" in row)
        assert "esc stops" in rule
        gate.set()
        await until(pilot, lambda: "done in 3 turns" in text(pilot))


async def test_what_it_told_itself_does_not_stand_under_your_name() -> None:
    async with shown_app(["One.", [DONE], "Done."]).run_test(size=(80, 24)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "/auto sort it")
        lines = [row.strip(" ▌") for row in rows(pilot)]
        nudge = next(place for place, line in enumerate(lines) if line.startswith(NUDGE[:30]))
        assert lines[nudge - 1] == "auto"
        assert "you" in lines[:nudge]


async def test_escape_stops_it() -> None:
    replies: list[Reply] = ["One.", [Say("Two, and "), Wait(until=asyncio.Event())]]
    async with shown_app(replies).run_test(size=(80, 24)) as pilot:
        await chat_is_up(pilot)
        app_of(pilot).chat.composer.write("/auto sort it")
        await pilot.press("enter")
        await until(pilot, lambda: "Two, and" in text(pilot))
        await press(pilot, "escape")
        await until(pilot, lambda: not app_of(pilot).session.runs)
        assert "auto: stopped after 1 turn · /auto goes on" in text(pilot)


async def test_the_limit_is_shown_with_the_way_to_go_on() -> None:
    replies: list[Reply] = [*["Not yet."] * MAX_TURNS, [DONE], "Done."]
    async with shown_app(replies).run_test(size=(120, 40)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "/auto sort it")
        assert len(asked(pilot)) == MAX_TURNS
        assert f"auto: not done after {MAX_TURNS} turns, the limit · /auto goes on" in text(pilot)
        app_of(pilot).chat.composer.write("/auto")
        await press_to(pilot, TextDialog, "enter")
        await press(pilot, "enter")
        await until(pilot, lambda: "done in 1 turn " in text(pilot))
        assert asked(pilot)[-1] == NUDGE


async def test_the_limit_of_steps_is_shown_too() -> None:
    app = shown_app([[Call("glob", {"pattern": "*"})]] * 60)
    async with app.run_test(size=(120, 40)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "/auto sort it")
        assert "auto: not done after 50 steps, the limit · /auto goes on" in text(pilot)


async def test_it_asks_for_leave_as_always() -> None:
    replies: list[Reply] = [
        [Call("bash", {"command": "touch /srv/demo/x"})],
        "I may not.",
        [DONE],
        "Done.",
    ]
    async with shown_app(replies).run_test(size=(80, 24)) as pilot:
        await chat_is_up(pilot)
        app_of(pilot).chat.composer.write("/auto sort it")
        await press_to(pilot, ApprovalDialog, "enter")
        await until_still(pilot)
        assert "bash" in text(pilot)
        app_of(pilot).session.cancel()
        await until(pilot, lambda: not app_of(pilot).session.runs)


async def test_a_goal_that_cannot_begin_now_comes_back() -> None:
    replies: list[Reply] = [[Say("One, and "), Wait(until=asyncio.Event())]]
    async with shown_app(replies).run_test(size=(80, 24)) as pilot:
        await chat_is_up(pilot)
        chat = app_of(pilot).chat
        chat.composer.write("Hello")
        await pilot.press("enter")
        await until(pilot, lambda: "One, and" in text(pilot))
        chat.composer.write("/auto sort it")
        await pilot.press("enter")
        await pilot.pause()
        assert chat.composer.text == "/auto sort it"
        assert "still being answered" in told(pilot)[0]
        await press(pilot, "escape")


async def test_its_end_is_told_when_another_branch_is_in_view() -> None:
    gate = asyncio.Event()
    replies: list[Reply] = ["Hello.", [Wait(until=gate), DONE], "Done."]
    async with shown_app(replies).run_test(size=(120, 40)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Hi")
        app = app_of(pilot)
        app.chat.composer.write("/auto sort it")
        await pilot.press("enter")
        await until(pilot, lambda: len(app.session.tree) == 3)
        app.session.navigate(None)
        gate.set()
        await until(pilot, lambda: not app.session.runs)
        await until(pilot, lambda: told(pilot) == ["auto: done in 1 turn"])


async def test_the_palette_asks_for_the_goal_and_an_empty_one_does_nothing() -> None:
    async with shown_app([[DONE], "Done."]).run_test(size=(80, 24)) as pilot:
        await chat_is_up(pilot)
        app_of(pilot).chat.action_run_auto()
        await press_to(pilot, TextDialog)
        await pilot.press("enter")
        await chat_is_up(pilot)
        assert asked(pilot) == []
        app_of(pilot).chat.action_run_auto()
        await press_to(pilot, TextDialog)
        await pilot.press(*"tidy", "enter")
        await until(pilot, lambda: "done in 1 turn " in text(pilot))
        assert asked(pilot) == ["tidy"]
