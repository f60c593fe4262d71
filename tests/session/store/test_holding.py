"""Runs hold their branch, so that two machines never run one, even after a take-over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from omni_tui.core.errors import AgentRunError, SessionLockedError, StoreUnavailableError
from omni_tui.llm.providers.scripted import ScriptedProvider, Wait
from omni_tui.session.manager import SessionManager
from omni_tui.session.store.branches import BranchLease
from omni_tui.session.store.memory import MemoryStore
from omni_tui.session.store.postgres import PostgresStore

OpenPostgres = Callable[..., PostgresStore]


class Shared(MemoryStore):
    """Notes who holds which branch; refuses with `error`."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[tuple[str, int | None]] = []
        self.leases: list[BranchLease] = []
        self.error: Exception | None = None

    @asynccontextmanager
    async def branch(self, id: str, tip: int | None, run_id: str) -> AsyncIterator[BranchLease]:
        if self.error is not None:
            raise self.error
        self.log.append(("hold", tip))
        self.leases.append(BranchLease(asyncio.Event()))
        yield self.leases[-1]
        self.log.append(("let go", tip))


def program(store: Shared, *replies: object) -> SessionManager:
    provider = ScriptedProvider(replies)  # type: ignore[arg-type]
    return SessionManager(store, default_model=provider.model())


async def test_each_run_holds_its_branch_while_it_goes_on() -> None:
    store = Shared()
    async with program(store, "1", "2") as manager:
        session = manager.create()
        await session.prompt("a")
        await session.prompt("b")
    assert sorted(store.log, key=str) == sorted(
        [("hold", None), ("let go", None), ("hold", 2), ("let go", 2)], key=str
    )
    assert store.log.index(("hold", 2)) < store.log.index(("let go", 2))


async def test_a_branch_that_another_runs_is_not_answered_and_the_words_stay() -> None:
    store = Shared()
    async with program(store, "1", "2") as manager:
        session = manager.create()
        store.error = SessionLockedError("taken by process 7")
        with pytest.raises(AgentRunError) as caught:
            await session.prompt("a")
        assert isinstance(caught.value.__cause__, SessionLockedError)
        assert session.tree[1].status == "failed"
        assert "process 7" in (session.tree[1].error or "")
        store.error = None
        await session.proceed(1)
        assert [session.tree[step].message.text for step in session.tree.path] == ["a", "1"]


async def test_a_store_that_cannot_be_reached_stops_nobody() -> None:
    store = Shared()
    store.error = StoreUnavailableError("away")
    async with program(store, "1") as manager:
        await manager.create().prompt("a")


async def test_a_run_whose_branch_is_lost_ends() -> None:
    store = Shared()
    async with program(store, ["half", Wait(60)]) as manager:
        session = manager.create()
        run = session.prompt("a")
        while not store.leases:
            await asyncio.sleep(0)
        await asyncio.sleep(0.02)
        store.leases[0].lost.set()
        assert await run.wait() == "cancelled"


async def test_two_programs_on_one_server_never_run_one_branch(
    open_postgres: OpenPostgres,
) -> None:
    gate = asyncio.Event()
    mine = ScriptedProvider(["1", [Wait(until=gate), "mine"], "3"])
    theirs = ScriptedProvider(["theirs"])
    async with (
        SessionManager(open_postgres(), default_model=mine.model()) as one,
        SessionManager(open_postgres(), default_model=theirs.model()) as other,
    ):
        session = one.create()
        await session.prompt("a")
        run = session.prompt("b")
        while len(mine.requests) < 2:
            await asyncio.sleep(0.01)
        taken, _ = await other.open(session.id, when_locked="take_over")
        assert taken.tree.head == 3
        with pytest.raises(AgentRunError) as caught:
            await taken.proceed(3)
        assert isinstance(caught.value.__cause__, SessionLockedError)
        assert theirs.requests == []
        await taken.branch(2, "elsewhere")
        assert len(theirs.requests) == 1
        gate.set()
        await run
        await asyncio.sleep(0)
        await one.close(session.id)
        assert [taken.tree[step].message.text for step in taken.tree.path][:2] == ["a", "1"]
