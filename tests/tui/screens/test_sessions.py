"""The list of sessions: one line each, the facts in columns, whatever a session is called."""

from __future__ import annotations

import asyncio

import pytest
from rich.cells import cell_len
from screen_app import app_of, chat_is_up, press, press_to, rows, say, shown_app, text, until
from textual.pilot import Pilot
from textual.widgets import OptionList

from omni_tui.llm.providers.scripted import Wait
from omni_tui.tui.dialogs.confirm import ConfirmDialog
from omni_tui.tui.screens.sessions import SessionsScreen

NAMES = ["山は静かにして性をやしなひ、水はうごいて情を慰す", "x" * 200, "👩‍🚀 🏔️ ✅", "plain"]


async def listed(pilot: Pilot[None], count: int) -> None:
    for session in app_of(pilot).manager.list_open():
        assert session.saver is not None
        await session.saver.flush()
    await press_to(pilot, SessionsScreen, "ctrl+s")
    options = pilot.app.screen.query_one(OptionList)
    await until(pilot, lambda: options.option_count == count)


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 40)])
async def test_every_session_has_one_line_and_its_facts_a_column(size: tuple[int, int]) -> None:
    async with shown_app(["one", "two", "three", "four"]).run_test(size=size) as pilot:
        await chat_is_up(pilot)
        for number, name in enumerate(NAMES):
            await press(pilot, *(["ctrl+n"] if number else []))
            await say(pilot, name)
        await listed(pilot, len(NAMES))
        assert pilot.app.screen.query_one(OptionList).virtual_size.height == len(NAMES)
        facts = [row for row in rows(pilot) if " messages" in row and "just now" in row]
        assert len(facts) == len(NAMES)
        assert len({cell_len(row[: row.index("just now")]) for row in facts}) == 1


async def test_a_session_stopped_in_its_first_turn_has_a_name() -> None:
    app = shown_app([[Wait(until=asyncio.Event())]])
    async with app.run_test(size=(80, 24)) as pilot:
        await chat_is_up(pilot)
        app.chat.composer.write("Name three mountains")
        await pilot.press("enter")
        await until(pilot, lambda: len(app.session.tree) == 1)
        await press(pilot, "escape")
        await listed(pilot, 1)
        assert "● Name three mountains" in text(pilot)
        assert "1 message " in text(pilot)
        assert "untitled" not in text(pilot)


async def test_a_question_over_the_list_leaves_it_around_itself() -> None:
    async with shown_app(["one"]).run_test(size=(120, 40)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Hello")
        await listed(pilot, 1)
        await press_to(pilot, ConfirmDialog, "down", "f8")
        await pilot.pause()
        screen = rows(pilot)
        top = next(place for place, row in enumerate(screen) if "delete a session" in row)
        assert screen[top].strip().startswith("│")  # the frame of the list, on both sides
        assert screen[top].strip().endswith("│")
        assert "enter opens" in text(pilot)
