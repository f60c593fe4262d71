"""What is being written is stored while it is written, where it will be found again."""

from __future__ import annotations

import asyncio

import pytest
from screen_app import ShownApp, chat_is_up, press, say, shown_app, until
from textual.pilot import Pilot

from omni_tui.llm.providers.scripted import Say, Wait
from omni_tui.tui import drafts


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "STORED_AFTER", 0.01)


async def stored(app: ShownApp) -> dict[str, str]:
    assert app.session.saver is not None
    await app.session.saver.flush()
    return (await app.manager.store.load(app.session.id)).record.drafts


async def stored_as(pilot: Pilot[None], app: ShownApp, expected: dict[str, str]) -> None:
    """Wait until just this is in the store."""
    while await stored(app) != expected:
        await pilot.pause()


async def test_what_is_written_is_stored_without_enter() -> None:
    app = shown_app(["Hello."])
    async with app.run_test(size=(100, 24)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Hi")
        await press(pilot, *"words")
        await stored_as(pilot, app, {"2": "words"})
        await press(pilot, "backspace")
        await stored_as(pilot, app, {"2": "word"})
        await press(pilot, "ctrl+c")
        await stored_as(pilot, app, {})


async def test_nothing_is_stored_of_a_session_without_a_message() -> None:
    app = shown_app(["Hello."])
    async with app.run_test(size=(100, 24)) as pilot:
        await chat_is_up(pilot)
        await press(pilot, *"words")
        await until(pilot, lambda: app.session.record.drafts == {"0": "words"})
        assert app.session.saver is not None
        await app.session.saver.flush()
        assert not await app.manager.store.exists(app.session.id)
        await press(pilot, "enter")
        await until(pilot, lambda: len(app.session.tree) == 2)
        await stored_as(pilot, app, {})


async def test_what_is_written_while_the_branch_grows_is_found_at_its_end() -> None:
    go = asyncio.Event()
    app = shown_app(["Hello.", [Say("I begin"), Wait(until=go), Say("and end.")]])
    async with app.run_test(size=(100, 24)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Hi")
        app.chat.composer.write("Go on")
        await pilot.press("enter")
        await until(pilot, lambda: app.session.tree.head == 3)
        await pilot.press(*"next")
        await stored_as(pilot, app, {"3": "next"})
        go.set()
        await until(pilot, lambda: app.session.tree.head == 4)
        await stored_as(pilot, app, {"4": "next"})
        await press(pilot, "enter")
        await stored_as(pilot, app, {})


async def test_what_is_put_away_stays_while_an_earlier_question_is_written_anew() -> None:
    app = shown_app(["Hello.", "Other."])
    async with app.run_test(size=(100, 24)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Hi")
        app.chat.composer.write("for later")
        await press(pilot, "escape", "e")
        assert app.chat.composer.text == "Hi"
        await press(pilot, *" there")
        await stored_as(pilot, app, {"2": "for later"})
        await press(pilot, "enter")
        await until(pilot, lambda: len(app.session.tree) == 4)
        await press(pilot, *"more")
        await stored_as(pilot, app, {"2": "for later", "4": "more"})


async def test_drafts_of_branches_do_not_mix() -> None:
    app = shown_app(["one", "two"])
    async with app.run_test(size=(100, 24)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Hi")
        await press(pilot, "escape", "r", "i")
        assert app.session.tree.head == 3
        await press(pilot, *"three")
        app.chat.switch_to(2)
        await press(pilot, *"two")
        await stored_as(pilot, app, {"2": "two", "3": "three"})
        app.chat.switch_to(3)
        assert app.chat.composer.text == "three"
        await stored_as(pilot, app, {"2": "two", "3": "three"})


async def test_leaving_stores_what_was_just_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "STORED_AFTER", 3600.0)
    app = shown_app(["Hello."])
    async with app.run_test(size=(100, 24)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Hi")
        await pilot.press(*"words")
    assert app.session.record.drafts == {"2": "words"}
    assert (await app.manager.store.load(app.session.id)).record.drafts == {"2": "words"}


async def test_nothing_ticks_while_nothing_is_written() -> None:
    app = shown_app(["Hello."])
    async with app.run_test(size=(100, 24)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Hi")
        await press(pilot, "x")
        await stored_as(pilot, app, {"2": "x"})
        assert app.chat.draft_timer is None


async def test_a_text_that_could_not_go_in_comes_before_what_is_written_meanwhile() -> None:
    waiting = asyncio.Event()
    app = shown_app([[Say("I start"), Wait(until=waiting)], "Second."])
    async with app.run_test(size=(100, 24)) as pilot:
        await chat_is_up(pilot)
        app.chat.composer.write("Hello")
        await pilot.press("enter")
        await until(pilot, lambda: len(app.session.tree) == 1)
        app.chat.composer.write("and this?")
        await pilot.press("enter")
        await pilot.pause()
        await pilot.press(*"new")
        app.session.cancel()
        await until(pilot, lambda: app.session.active_run is None)
        await until(pilot, lambda: app.chat.composer.text == "and this?\n\nnew")
        head = app.session.tree.head
        await stored_as(pilot, app, {str(head): "and this?\n\nnew"})
