"""What happens on screen when another program has a session open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from screen_app import ShownApp, chat_is_up, say, until

from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.scripted import ScriptedProvider
from omni_tui.session.manager import SessionManager
from omni_tui.session.session import Session
from omni_tui.session.store.sqlite import SQLiteStore
from omni_tui.tui.dialogs.choose import ChooseDialog
from omni_tui.tui.widgets.bars import Bar


def program(path: Path) -> SessionManager:
    """As another process has it: a connection of its own."""
    provider = ScriptedProvider(["one", "two", "three"], name="demo")
    registry = ProviderRegistry({"demo": lambda: provider})
    return SessionManager(SQLiteStore(path), registry=registry)


@pytest.fixture
async def held(tmp_path: Path) -> AsyncIterator[Session]:
    """A session that another program has open."""
    async with program(tmp_path / "s.db") as manager:
        session = manager.create()
        await session.prompt("A")
        assert session.saver is not None
        await session.saver.flush()
        yield session


def app_beside(path: Path, opening: str | None = None) -> ShownApp:
    manager = program(path)
    app = ShownApp(manager, manager.create(), opening=opening)
    app.dialog_grace = 0
    return app


def status(app: ShownApp) -> str:
    return app.chat.query_one("#status", Bar).render_line(0).text


async def test_reading_it_is_offered_first_and_changes_nothing(
    tmp_path: Path, held: Session
) -> None:
    app = app_beside(tmp_path / "s.db", opening=held.id)
    async with app.run_test(size=(100, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, ChooseDialog))
        await pilot.press("enter")
        await until(pilot, lambda: app.session.id == held.id)
        assert app.session.is_read_only
        assert "read only" in status(app)
        await say(pilot, "B")
        assert len(app.session.tree) == 2
        assert app.chat.composer.text == "B"
        assert any("only be read" in note.message for note in app._notifications)


async def test_it_can_be_taken_over(tmp_path: Path, held: Session) -> None:
    app = app_beside(tmp_path / "s.db", opening=held.id)
    async with app.run_test(size=(100, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, ChooseDialog))
        await pilot.press("down", "enter")
        await until(pilot, lambda: app.session.id == held.id)
        assert not app.session.is_read_only
        await say(pilot, "B")
        assert len(app.session.tree) == 4


async def test_backing_out_stays_where_one_is(tmp_path: Path, held: Session) -> None:
    app = app_beside(tmp_path / "s.db")
    async with app.run_test(size=(100, 24)) as pilot:
        await chat_is_up(pilot)
        before = app.session
        app.load_session(held.id)
        await until(pilot, lambda: isinstance(app.screen, ChooseDialog))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.chat)
        assert app.session is before
