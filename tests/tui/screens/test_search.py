"""Search in the terminal: while one types, over every branch, and to the place that was found."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from screen_app import (
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
)
from textual.pilot import Pilot
from textual.widget import Widget
from textual.widgets import Input, OptionList

from omni_tui.core.errors import StoreError
from omni_tui.core.messages import Message
from omni_tui.session.session import Session
from omni_tui.session.store.base import SessionRecord
from omni_tui.session.store.hits import Hit
from omni_tui.session.tree import Tree
from omni_tui.tui.screens.chat import ChatScreen
from omni_tui.tui.screens.search import PAGE, SearchScreen
from omni_tui.tui.screens.sessions import SessionsScreen

Size = tuple[int, int]

REPLIES = (
    "Gangkhar Puensum, of all of them.",
    "Kailash: it is sacred.",
    "Nobody may, since 1994.",
    "山は静かにして性をやしなひ",
    "The sea is deep; no mountain stands in it that anyone has seen, or so they say.",
)


def screen_of(pilot: Pilot[None]) -> SearchScreen:
    screen = pilot.app.screen
    assert isinstance(screen, SearchScreen)
    return screen


def hits(pilot: Pilot[None]) -> OptionList:
    return screen_of(pilot).query_one(OptionList)


def focused(pilot: Pilot[None]) -> Widget | None:
    return pilot.app.focused


def path(session: Session) -> tuple[int, ...]:
    return session.tree.path


def state(pilot: Pilot[None]) -> str:
    return str(screen_of(pilot).query_one(".state").render())


async def talks(pilot: Pilot[None]) -> None:
    """Three sessions; in the first a question was answered twice."""
    await chat_is_up(pilot)
    await say(pilot, "Which peak has nobody climbed?")
    await press(pilot, "escape", "r", "i")
    await say(pilot, "Why not?")
    for prompt in ("山は静か?", "Tell me about the sea"):
        await press(pilot, "ctrl+n")
        await say(pilot, prompt)


async def search(pilot: Pilot[None], words: str, count: int) -> None:
    """Open the screen, type, and wait until so many hits are shown."""
    if not isinstance(pilot.app.screen, SearchScreen):
        await press_to(pilot, SearchScreen, "ctrl+f")
    screen_of(pilot).query_one(Input).value = words
    await until(pilot, lambda: hits(pilot).option_count == count)


async def opened(pilot: Pilot[None], node_id: int | None) -> None:
    """Press Enter and wait until the chat is at this message."""
    await pilot.press("enter")
    chat = app_of(pilot).chat
    await until(pilot, lambda: pilot.app.screen is chat and chat.transcript.cursor_key == node_id)


async def test_a_hit_opens_its_session_on_its_branch_at_the_message() -> None:
    async with shown_app(REPLIES).run_test(size=(120, 40)) as pilot:
        await talks(pilot)
        first = app_of(pilot).manager.list_open()[0]
        assert path(first) == (1, 3, 4, 5)
        await search(pilot, "gangkhar", 1)
        await opened(pilot, 2)
        assert app_of(pilot).session is first
        assert path(first) == (1, 2)
        assert focused(pilot) is app_of(pilot).chat.transcript
        assert "Gangkhar Puensum, of all of them." in text(pilot)


async def test_a_hidden_branch_is_shown_again() -> None:
    async with shown_app(REPLIES).run_test(size=(80, 24)) as pilot:
        await talks(pilot)
        first = app_of(pilot).manager.list_open()[0]
        first.prune(2)
        await search(pilot, "gangkhar", 1)
        await opened(pilot, 2)
        assert not first.tree.is_hidden(2)
        assert path(first) == (1, 2)


async def test_a_message_far_above_is_brought_into_view() -> None:
    app = shown_app(["needle " + "hay " * 400, *["hay " * 400] * 3])
    async with app.run_test(size=(80, 24)) as pilot:
        await chat_is_up(pilot)
        for _ in range(4):
            await say(pilot, "More")
        assert "needle" not in text(pilot)
        await search(pilot, "needle", 1)
        await opened(pilot, 2)
        await until(pilot, lambda: "needle" in text(pilot))
        assert path(app.session) == (1, 2, 3, 4, 5, 6, 7, 8)


async def test_a_title_opens_the_session_where_it_was_left() -> None:
    async with shown_app(REPLIES).run_test(size=(80, 24)) as pilot:
        await talks(pilot)
        first = app_of(pilot).manager.list_open()[0]
        first.rename("Unclimbed")
        await search(pilot, "unclimbed", 1)
        assert "title" in text(pilot)
        await opened(pilot, None)
        assert app_of(pilot).session is first
        assert path(first) == (1, 3, 4, 5)
        assert focused(pilot) is app_of(pilot).chat.composer


async def test_escape_goes_back_to_where_one_was() -> None:
    async with shown_app(REPLIES).run_test(size=(120, 40)) as pilot:
        await talks(pilot)
        app = app_of(pilot)
        await press(pilot, "escape")
        session, cursor = app.session, app.chat.transcript.cursor_key
        await press_to(pilot, SearchScreen, "slash")
        await search(pilot, "gangkhar", 1)
        await press_to(pilot, ChatScreen, "escape")
        assert (app.session, app.chat.transcript.cursor_key) == (session, cursor)
        assert focused(pilot) is app.chat.transcript
        await press_to(pilot, SearchScreen, "t", "slash")
        await press_to(pilot, ChatScreen, "escape")
        assert focused(pilot) is app.chat.tree_pane


async def test_in_the_composer_a_slash_is_written() -> None:
    async with shown_app().run_test(size=(80, 24)) as pilot:
        await chat_is_up(pilot)
        await press(pilot, "a", "slash", "b")
        assert app_of(pilot).chat.composer.text == "a/b"


async def test_the_command_brings_its_words_along() -> None:
    async with shown_app(REPLIES).run_test(size=(80, 24)) as pilot:
        await talks(pilot)
        app_of(pilot).chat.composer.write("/search gangkhar")
        await press_to(pilot, SearchScreen, "enter")
        await until(pilot, lambda: hits(pilot).option_count == 1)
        assert app_of(pilot).chat.composer.text == ""


async def test_from_the_list_of_sessions_and_back_to_it() -> None:
    async with shown_app(REPLIES).run_test(size=(80, 24)) as pilot:
        await talks(pilot)
        await press_to(pilot, SessionsScreen, "ctrl+s")
        await pilot.press(*"gangkhar")
        await press_to(pilot, SearchScreen, "ctrl+f")
        await until(pilot, lambda: hits(pilot).option_count == 1)
        await press_to(pilot, SessionsScreen, "escape")
        await press_to(pilot, SearchScreen, "ctrl+f")
        await until(pilot, lambda: hits(pilot).option_count == 1)
        await opened(pilot, 2)


async def test_short_beginnings_wait_for_enter() -> None:
    async with shown_app(REPLIES).run_test(size=(80, 24)) as pilot:
        await talks(pilot)
        await press_to(pilot, SearchScreen, "ctrl+f")
        await pilot.press("i", "t")
        await pilot.pause(0.3)
        assert hits(pilot).option_count == 0
        assert "enter searches" in text(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: hits(pilot).option_count == 2)
        await search(pilot, "静", 3)  # one character of a script without spaces is a word


async def test_tab_looks_in_this_session_only() -> None:
    async with shown_app(REPLIES).run_test(size=(80, 24)) as pilot:
        await talks(pilot)
        await search(pilot, "role:assistant", 5)
        assert state(pilot) == "all sessions · 5 found"
        await pilot.press("tab")
        await until(pilot, lambda: hits(pilot).option_count == 1)
        assert state(pilot) == "this session · 1 found"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: hits(pilot).option_count == 5)


async def test_nothing_found_and_what_is_wrong_are_said() -> None:
    async with shown_app(REPLIES).run_test(size=(80, 24)) as pilot:
        await talks(pilot)
        await press_to(pilot, SearchScreen, "ctrl+f")
        assert "every branch" in text(pilot)
        await pilot.press("tab")
        screen_of(pilot).query_one(Input).value = "gangkhar"
        await until(pilot, lambda: "nothing with gangkhar" in text(pilot))
        assert "tab looks in all sessions" in text(pilot)
        screen_of(pilot).query_one(Input).value = "gangkhar before:someday"
        await until(pilot, lambda: "before: wants a time" in text(pilot))
        await pilot.press("enter")
        screen_of(pilot).query_one(Input).value = ""
        await until(pilot, lambda: "every branch" in text(pilot))


async def test_more_hits_come_as_the_cursor_goes_down() -> None:
    app = shown_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await chat_is_up(pilot)
        tree, count = Tree(), PAGE * 2 + 5
        for number in range(count):
            tree.push(Message.user(f"needle number {number}"))
        await app.manager.store.create(SessionRecord(id="s"))
        await app.manager.store.save_tree("s", tree.take_changes())
        await search(pilot, "needle", PAGE)
        assert state(pilot) == f"all sessions · {PAGE}+ found"
        while hits(pilot).option_count < count:
            await pilot.press("pagedown", "down")
            assert hits(pilot).highlighted  # never back at the first
        await until(pilot, lambda: state(pilot) == f"all sessions · {count} found")
        hits(pilot).highlighted = count - 1
        every = await app.manager.search("needle", limit=count)
        await opened(pilot, every[-1].node_id)


async def test_an_older_answer_never_overwrites_a_newer_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = shown_app(REPLIES)
    held, asked = asyncio.Event(), asyncio.Event()
    true_search = app.manager.search

    async def search_late(query: str, **how: Any) -> tuple[Hit, ...]:
        found = await true_search(query, **how)
        if query == "kailash":
            asked.set()
            while not held.is_set():
                try:
                    await held.wait()
                except asyncio.CancelledError:  # a store that cannot be stopped
                    continue
        return found

    async with app.run_test(size=(80, 24)) as pilot:
        await talks(pilot)
        monkeypatch.setattr(app.manager, "search", search_late)
        await press_to(pilot, SearchScreen, "ctrl+f")
        screen_of(pilot).query_one(Input).value = "kailash"
        await asked.wait()
        await search(pilot, "gangkhar", 1)
        held.set()
        await pilot.pause(0.1)
        assert "Gangkhar" in text(pilot)
        assert "Kailash" not in "".join(rows(pilot)[4:20])


async def test_a_store_that_fails_is_told_and_another_try_can_be_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = shown_app(REPLIES)

    async def broken(query: str, **how: Any) -> tuple[Hit, ...]:
        raise StoreError("the disk is \x1b[31mgone")

    async with app.run_test(size=(80, 24)) as pilot:
        await talks(pilot)
        with monkeypatch.context() as patched:
            patched.setattr(app.manager, "search", broken)
            await press_to(pilot, SearchScreen, "ctrl+f")
            screen_of(pilot).query_one(Input).value = "kailash"
            await until(pilot, lambda: bool(app._notifications))
            (told,) = app._notifications
            assert told.message == "the disk is \N{REPLACEMENT CHARACTER}[31mgone"
        screen_of(pilot).query_one(Input).value = "gangkhar"
        await until(pilot, lambda: hits(pilot).option_count == 1)


# How it looks


@pytest.fixture(params=[(80, 24), (120, 40)], ids=["80x24", "120x40"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Size:
    stop_clocks(monkeypatch)
    given: Size = request.param
    return given


@pytest.mark.parametrize("theme", ["omni-dark", "omni-light"])
def test_what_is_found(snap_compare: Callable[..., bool], size: Size, theme: str) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        app_of(pilot).theme = theme
        await talks(pilot)
        await search(pilot, "sea the", 3)

    assert snap_compare(shown_app(REPLIES), terminal_size=size, run_before=scene)


def test_nothing_typed_yet(snap_compare: Callable[..., bool], size: Size) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await chat_is_up(pilot)
        await press_to(pilot, SearchScreen, "ctrl+f")

    assert snap_compare(shown_app(), terminal_size=size, run_before=scene)
