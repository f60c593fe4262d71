"""Opening a long session reads the end of the active path; the rest comes while it is shown."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from omni_tui.core.errors import StoreUnavailableError
from omni_tui.core.messages import Message
from omni_tui.session.manager import WINDOW, SessionManager
from omni_tui.session.store import SessionRecord, SQLiteStore
from omni_tui.session.store.connection import ConnectionPool
from omni_tui.session.tree import Tree
from omni_tui.tui.view import UNREAD, SessionView

Job = Callable[[sqlite3.Connection], Any]


async def fill(path: Path, turns: int = 300) -> Tree:
    """A talk of so many turns, and a branch at its beginning."""
    tree = Tree()
    for number in range(turns):
        tree.push(Message.user(f"question {number}"))
        tree.push(Message.assistant(f"answer {number}"))
    tree.add(Message.assistant("another answer"), parent=1)
    async with SQLiteStore(path) as store:
        await store.create(SessionRecord(id="s"))
        await store.save_tree("s", tree.take_changes())
    return tree


class Later:
    """Holds the reading of the rest back until it is asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.held: list[tuple[ConnectionPool, Job, Future[Any]]] = []
        self.begin = ConnectionPool.begin
        holding = self

        async def run(pool: ConnectionPool, job: Job) -> Any:
            return await asyncio.wrap_future(holding.begin(pool, job))

        def begin(pool: ConnectionPool, job: Job) -> Future[Any]:
            promised: Future[Any] = Future()
            holding.held.append((pool, job, promised))
            return promised

        monkeypatch.setattr(ConnectionPool, "run", run)
        monkeypatch.setattr(ConnectionPool, "begin", begin)

    def go_on(self) -> None:
        for pool, job, promised in self.held:
            promised.set_result(self.begin(pool, job).result())


async def test_only_the_window_is_read_before_the_tree_is_there(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = await fill(path)
    later = Later(monkeypatch)
    async with SQLiteStore(path) as store:
        tree = (await store.load("s", window=50)).tree
        read = [node.id for node in tree.nodes.values() if node.is_read]
        assert read == list(tree.path[-50:])
        assert tree[tree.path[-1]].message.text == "answer 299"
        assert tree.path == whole.path
        later.go_on()
        assert all(node.is_read for node in tree.nodes.values())
        assert dict(tree.nodes) == dict(whole.nodes)


async def test_a_changed_copy_of_an_unread_node_finds_its_message_too(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(path)
    later = Later(monkeypatch)
    async with SQLiteStore(path) as store:
        tree = (await store.load("s", window=1)).tree
        tree.update(1, label="here")
        later.go_on()
        await store.save_tree("s", tree.take_changes())
        node = (await store.load("s")).tree[1]
        assert (node.label, node.message.text) == ("here", "question 0")


async def test_the_screen_measures_no_message_that_is_on_its_way(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(path)
    later = Later(monkeypatch)
    async with SessionManager(SQLiteStore(path)) as manager:
        session, _ = await manager.open("s")
        view = SessionView(session)
        sizes = [view.size(key) for key in view.keys]
        assert sizes[:-WINDOW] == [UNREAD] * (600 - WINDOW)
        assert UNREAD not in sizes[-WINDOW:]
        later.go_on()
        assert view.size(1) == (len(session.tree[1].raw), 0)


async def test_asking_for_a_message_waits_for_it(path: Path) -> None:
    await fill(path)
    async with SQLiteStore(path) as store:
        tree = (await store.load("s", window=0)).tree
        assert tree[1].message.text == "question 0"
        assert tree[601].message.text == "another answer"


async def test_messages_are_read_again_when_reading_them_failed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(path)
    later = Later(monkeypatch)
    async with SQLiteStore(path) as store:
        tree = (await store.load("s", window=1)).tree
        later.held[0][2].set_exception(StoreUnavailableError("the disk failed"))
        monkeypatch.setattr(ConnectionPool, "begin", later.begin)
        tree.update(1, label="here")
        await store.save_tree("s", tree.take_changes())
        node = (await store.load("s")).tree[1]
        assert (node.label, node.message.text) == ("here", "question 0")
