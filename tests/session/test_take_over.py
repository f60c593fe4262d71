"""A session that another program has open: refused, read, or taken over."""

from __future__ import annotations

from pathlib import Path

import pytest
from session_helpers import AT_ONCE, flush, texts

from omni_tui.core.errors import SessionLockedError
from omni_tui.llm.providers.scripted import ScriptedProvider
from omni_tui.session.manager import SessionManager
from omni_tui.session.setup import Setup
from omni_tui.session.store.sqlite import SQLiteStore


def program(path: Path, *replies: str) -> SessionManager:
    """A manager with a connection of its own, as another process has."""
    provider = ScriptedProvider(replies or ["one", "two"])
    return SessionManager(
        SQLiteStore(path), default_model=provider.model(), setup=Setup(retry=AT_ONCE)
    )


async def test_it_is_refused_unless_said_otherwise(tmp_path: Path) -> None:
    async with program(tmp_path / "s.db") as one, program(tmp_path / "s.db") as other:
        session = one.create()
        await session.prompt("A")
        await flush(session)
        with pytest.raises(SessionLockedError):
            await other.open(session.id)
        assert other.list_open() == []


async def test_it_can_be_read_and_nothing_can_be_changed(tmp_path: Path) -> None:
    async with program(tmp_path / "s.db") as one, program(tmp_path / "s.db") as other:
        session = one.create()
        await session.prompt("A")
        await flush(session)
        reading, notice = await other.open(session.id, when_locked="read_only")
        assert notice is not None
        assert "only be read" in notice
        assert texts(reading.tree) == ["A", "one"]
        for change in (
            lambda: reading.prompt("B"),
            lambda: reading.regenerate(1),
            lambda: reading.label(1, "x"),
            lambda: reading.prune(1),
            lambda: reading.edit_reply(2, "x"),
            lambda: reading.graft(1, None),
        ):
            with pytest.raises(SessionLockedError, match="only be read"):
                change()
        reading.navigate(1)
        await session.prompt("B")
        await other.close(session.id)
        assert (await flush(session)) is None
        assert texts((await one.store.load(session.id)).tree) == ["A", "one", "B", "two"]


async def test_a_reader_can_fork(tmp_path: Path) -> None:
    async with program(tmp_path / "s.db") as one, program(tmp_path / "s.db", "mine") as other:
        session = one.create()
        await session.prompt("A")
        await flush(session)
        await other.open(session.id, when_locked="read_only")
        fork = await other.fork(session.id, 2)
        await fork.prompt("B")
        assert texts(fork.tree) == ["A", "one", "B", "mine"]


async def test_what_was_read_only_is_whole_once_the_other_let_go(tmp_path: Path) -> None:
    async with program(tmp_path / "s.db") as one, program(tmp_path / "s.db", "mine") as other:
        session = one.create()
        await session.prompt("A")
        reading, _ = await other.open(session.id, when_locked="read_only")
        assert reading.is_read_only
        await one.close(session.id)
        opened, notice = await other.open(session.id)
        assert notice is None
        assert not opened.is_read_only
        await opened.prompt("B")
        assert texts(opened.tree) == ["A", "one", "B", "mine"]


async def test_who_loses_a_session_is_told_and_the_new_owner_saves(tmp_path: Path) -> None:
    async with program(tmp_path / "s.db") as one, program(tmp_path / "s.db", "mine") as other:
        session = one.create()
        await session.prompt("A")
        await flush(session)
        taken, _ = await other.open(session.id, when_locked="take_over")
        await taken.prompt("B")
        assert await flush(taken) is None
        await session.prompt("C")
        error = await flush(session)
        assert error is not None
        assert texts(session.tree) == ["A", "one", "C", "two"]
        stored = (await other.store.load(session.id)).tree
        assert texts(stored) == ["A", "one", "B", "mine"]
