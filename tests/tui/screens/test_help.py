"""The page of keys: readable at any width."""

from __future__ import annotations

import pytest
from screen_app import chat_is_up, press_to, shown_app
from textual.widgets import Static

from omni_tui.config.keymap import CONTEXTS
from omni_tui.tui.screens.help import KEY_WIDTH, HelpScreen
from omni_tui.tui.widgets.rows import Sheet


@pytest.mark.parametrize("width", [120, 80, 60, 40])
async def test_no_text_falls_back_to_the_first_column(width: int) -> None:
    async with shown_app().run_test(size=(width, 24)) as pilot:
        await chat_is_up(pilot)
        await press_to(pilot, HelpScreen, "f1")
        static = pilot.app.screen.query_one(Static)
        sheet = static.visual
        assert isinstance(sheet, Sheet)
        titles = {*CONTEXTS.values(), "Commands", ""}
        lines = [line.plain.rstrip() for line in sheet.lines(static.size.width)]
        assert {line for line in lines if not line.startswith("  ")} == titles
        if width >= 80:
            wrapped = [line for line in lines if line.startswith(" " * 4)]
            assert all(line.startswith(" " * KEY_WIDTH) for line in wrapped)


async def test_an_action_without_a_key_names_its_command() -> None:
    async with shown_app().run_test(size=(80, 24)) as pilot:
        await chat_is_up(pilot)
        await press_to(pilot, HelpScreen, "f1")
        sheet = pilot.app.screen.query_one(Static).visual
        assert isinstance(sheet, Sheet)
        lines = [line.plain for line in sheet.lines(80)]
        assert any("/theme " in line and "Choose a theme" in line for line in lines)
        assert any("Ctrl+R" in line for line in lines)
