"""The keys the last line names, and what they do."""

from __future__ import annotations

import asyncio

from screen_app import app_of, chat_is_up, press, press_to, say, shown_app, until

from omni_tui.core.errors import OverloadedError
from omni_tui.llm.providers.scripted import Fail, Reply, Say, Wait
from omni_tui.tui.screens.help import HelpScreen
from omni_tui.tui.widgets.bars import Bar

FAILS: Reply = [Say("I start, and "), Fail(OverloadedError("demo: overloaded (529)."))]


def hints(bar: Bar) -> str:
    return bar.render_line(0).text


async def test_a_failed_answer_is_tried_again_from_the_empty_composer() -> None:
    app = shown_app([FAILS, "It worked."])
    async with app.run_test(size=(80, 24)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Hello")
        bar = app.chat.query_one("#status", Bar)
        assert app.focused is app.chat.composer
        assert "Ctrl+R try again" in hints(bar)
        await press(pilot, "ctrl+r")
        assert app.session.tree[3].message.text == "It worked."
        assert "Ctrl+R" not in hints(bar)
        assert app.chat.composer.text == ""


async def test_trying_again_keeps_what_is_written() -> None:
    app = shown_app([FAILS, "It worked."])
    async with app.run_test(size=(80, 24)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Hello")
        await press(pilot, *"next", "ctrl+r")
        assert app.session.tree[3].message.text == "It worked."
        assert app.chat.composer.text == "next"


async def test_a_question_under_way_is_not_asked_twice() -> None:
    app = shown_app([[Say("I start"), Wait(until=asyncio.Event())]])
    async with app.run_test(size=(80, 24)) as pilot:
        await chat_is_up(pilot)
        await pilot.press("ctrl+r")  # nothing to ask yet
        app.chat.composer.write("Hello")
        await pilot.press("enter")
        await until(pilot, lambda: len(app.session.tree) == 1)
        await pilot.press("ctrl+r")
        await pilot.pause()
        assert len(app.session.runs) == 1


async def test_esc_is_named_for_what_it_does() -> None:
    app = shown_app([[Say("I start"), Wait(until=asyncio.Event())]])
    async with app.run_test(size=(120, 24)) as pilot:
        await chat_is_up(pilot)
        bar = app.chat.query_one("#status", Bar)
        assert "Esc" not in hints(bar)
        app.chat.composer.write("Hello")
        await pilot.press("enter")
        await until(pilot, lambda: len(app.session.tree) == 1)
        assert "Esc stop" in hints(bar)
        await press(pilot, "escape")
        assert "Esc messages" in hints(bar)
        await press(pilot, "escape", "e")
        assert "Esc back" in hints(bar)


async def test_the_keys_to_both_sides_stand_together() -> None:
    app = shown_app(["one"])
    async with app.run_test(size=(120, 24)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Hello")
        await press(pilot, "escape")
        assert "←→ versions" in hints(app.chat.query_one("#status", Bar))


async def test_a_modal_leaves_no_keys_of_the_composer() -> None:
    app = shown_app()
    async with app.run_test(size=(120, 24)) as pilot:
        await chat_is_up(pilot)
        bar = app.chat.query_one("#status", Bar)
        assert "Enter send" in hints(bar)
        await press_to(pilot, HelpScreen, "f1")
        await pilot.pause()
        assert "Enter send" not in hints(bar)
        await pilot.press("escape")
        await until(pilot, lambda: app_of(pilot).screen is app.chat)
        assert "Enter send" in hints(bar)
