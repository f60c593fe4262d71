"""Supervisor: plan, fan out, wait for all, good or bad, and sum up."""

from __future__ import annotations

import asyncio
from typing import Any

from examples.patterns import asked, load
from omni_tui import AgentSupervisor, ProviderError
from omni_tui.testing import Fail, Reply, ScriptedProvider, Wait

pattern = load("supervisor")


async def coordinate(agents: AgentSupervisor, script: ScriptedProvider) -> Any:
    boss = await agents.start(
        pattern.Coordinator, "boss", agents=agents, name="boss", model=script.model()
    )
    agents.tell("boss", "Plan!")
    await boss.is_done.wait()
    return boss


async def test_workers_run_side_by_side_and_all_reports_come_together() -> None:
    everybody = asyncio.Event()

    def respond(request: Any) -> Reply:
        if asked(request) == "Plan!":
            return "1. Dig\n2. Lay\n3. Cover"
        if asked(request).startswith("All workers"):
            return "A road."
        if len(script.requests) == 4:
            everybody.set()
        return [Wait(until=everybody), f"{asked(request)} is done"]

    script = ScriptedProvider(respond)
    async with AgentSupervisor() as agents:
        boss = await coordinate(agents, script)
        assert (boss.phase, boss.answer) == ("done", "A road.")
        assert {report.text for report in boss.reports} == {
            "Dig is done",
            "Lay is done",
            "Cover is done",
        }
        assert [(entry.name, entry.status) for entry in agents.list()] == [
            (name, "halted") for name in ("boss", "worker-1", "worker-2", "worker-3")
        ]
    summary = asked(script.requests[-1])
    assert [line in summary for line in ("Dig: Dig is done", "Cover: Cover is done")] == [True] * 2


async def test_a_worker_that_fails_is_counted_and_named_in_the_summary() -> None:
    def respond(request: Any) -> Reply:
        match asked(request):
            case "Plan!":
                return "Dig\nLay"
            case "Dig":
                return [Fail(ProviderError("no shovel"))]
            case "Lay":
                return "done"
            case _:
                return "Half a road."

    script = ScriptedProvider(respond)
    async with AgentSupervisor() as agents:
        boss = await coordinate(agents, script)
    assert boss.answer == "Half a road."
    assert sorted(report.is_failure for report in boss.reports) == [False, True]
    assert "Dig: FAILED: no shovel" in asked(script.requests[-1])


async def test_no_more_workers_than_the_limit_are_started() -> None:
    tasks = "\n".join(f"Task {letter}" for letter in "abcdefgh")
    script = ScriptedProvider(
        lambda request: tasks if asked(request) == "Plan!" else asked(request)
    )
    async with AgentSupervisor() as agents:
        boss = await coordinate(agents, script)
        assert list(boss.tasks) == ["worker-1", "worker-2", "worker-3", "worker-4"]
        assert len(agents.list()) == 5


async def test_a_plan_that_fails_or_is_empty_is_the_end() -> None:
    for plan, reason in (([Fail(ProviderError("no"))], "no"), (" \n", "")):
        async with AgentSupervisor() as agents:
            boss = await coordinate(agents, ScriptedProvider([plan]))
            assert (boss.phase, boss.answer, boss.status) == ("failed", reason, "halted")
            assert [entry.name for entry in agents.list()] == ["boss"]


async def test_a_worker_that_is_cancelled_is_counted_and_a_cancelled_coordinator_gives_up() -> None:
    replies: list[Reply] = ["Dig", [Wait(until=asyncio.Event())], [Wait(until=asyncio.Event())]]
    script = ScriptedProvider(replies)
    async with AgentSupervisor() as agents:
        boss = await agents.start(
            pattern.Coordinator, "boss", agents=agents, name="boss", model=script.model()
        )
        agents.tell("boss", "Plan!")
        for name, requests in (("worker-1", 2), ("boss", 3)):
            while len(script.requests) < requests:
                await asyncio.sleep(0)
            assert agents.cancel(name)
        await boss.is_done.wait()
        assert boss.reports == [pattern.Report("worker-1", "cancelled", is_failure=True)]
        assert (boss.phase, boss.status) == ("failed", "halted")
