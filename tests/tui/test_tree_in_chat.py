"""The tree pane in the main screen: its width, and the place it and the title tell."""

from __future__ import annotations

from pathlib import Path

import pytest
from screen_app import app_of, chat_is_up, press, say, shown_app
from textual.pilot import Pilot

from omni_tui.config.settings import Settings, Ui
from omni_tui.llm.providers.scripted import Call, Reply
from omni_tui.tui.widgets.bars import Bar

LOOK_UP: tuple[Reply, ...] = (
    ["Let me look.", Call("read_file", {"path": "notes.md"})],
    "It says: Kailash.",
    "Gangkhar Puensum.",
)


def title(pilot: Pilot[None]) -> str:
    return app_of(pilot).chat.query_one("#title", Bar).render_line(0).text


def header(pilot: Pilot[None]) -> str:
    return app_of(pilot).chat.tree_pane.render_line(0).text


@pytest.mark.parametrize("columns", [40, 80, 99])
async def test_alone_the_tree_is_as_wide_as_the_screen(columns: int) -> None:
    app = shown_app(LOOK_UP)
    async with app.run_test(size=(columns, 24)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Which one?")
        await press(pilot, "f3")

        assert app.chat.tree_pane.region.width == columns
        assert not app.chat.query_one("#talk").display


async def test_beside_the_talk_the_tree_has_the_width_of_the_settings() -> None:
    app = shown_app(LOOK_UP)
    app.settings = Settings(ui=Ui(tree_width=37))
    async with app.run_test(size=(120, 24)) as pilot:
        await chat_is_up(pilot)
        assert app.chat.tree_pane.outer_size.width == 37

        await pilot.resize_terminal(80, 24)
        await press(pilot, "f3")
        assert app.chat.tree_pane.outer_size.width == 80

        await pilot.resize_terminal(130, 24)
        await pilot.pause()
        assert app.chat.tree_pane.outer_size.width == 37


async def test_the_title_and_the_tree_count_alike(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("Kailash\n")
    app = shown_app(LOOK_UP, cwd=tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Which one?")
        assert len(app.session.tree) == 4
        assert "  2/2" in title(pilot)

        await press(pilot, "escape", "r")
        assert "  2/3" in title(pilot)
        await press(pilot, "f3")
        assert header(pilot).split() == ["tree", "2/3"]
