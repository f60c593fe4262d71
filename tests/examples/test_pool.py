"""Pool: tasks go round, wait in the queues, and the pool knows when it is quiet."""

from __future__ import annotations

import asyncio
from typing import Any

from examples.patterns import asked, load
from omni_tui import ProviderError
from omni_tui.testing import Fail, Reply, ScriptedProvider, Wait

pattern = load("pool")


async def test_tasks_go_round_and_wait_their_turn() -> None:
    gate = asyncio.Event()
    script = ScriptedProvider(lambda request: [Wait(until=gate), asked(request).upper()])
    async with pattern.open_pool(2, model=script.model()) as pool:
        assert pool.is_quiet
        runs = [pool.submit(letter) for letter in "abcde"]
        assert not pool.is_quiet
        assert [(each.status, each.queued) for each in pool.agents.list()] == [
            ("busy", 2),
            ("busy", 1),
        ]
        gate.set()
        assert await pool.drain() == runs
        assert pool.is_quiet
        assert [(await run).text for run in runs] == list("ABCDE")
        assert [
            [message.text for message in pool.agents.whereis(name).messages[::2]]
            for name in ("worker-1", "worker-2")
        ] == [["a", "c", "e"], ["b", "d"]]


async def test_a_task_that_fails_harms_neither_its_worker_nor_what_waits() -> None:
    def respond(request: Any) -> Reply:
        return [Fail(ProviderError("bad"))] if asked(request) == "bad" else "good"

    async with pattern.open_pool(1, model=ScriptedProvider(respond).model()) as pool:
        for task in ("bad", "fine", "bad", "fine"):
            pool.submit(task)
        runs = await pool.drain()
        assert [run.status for run in runs] == ["error", "completed"] * 2
        assert pool.is_quiet


async def test_tasks_that_come_while_it_drains_are_waited_for() -> None:
    gate = asyncio.Event()
    script = ScriptedProvider(["one", [Wait(until=gate), "two"]])
    async with pattern.open_pool(2, model=script.model()) as pool:
        first = pool.submit("1")
        draining = asyncio.create_task(pool.drain())
        await first
        second = pool.submit("2")
        gate.set()
        assert await draining == [first, second]
        assert second.status == "completed"
