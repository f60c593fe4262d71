"""Named agents side by side: found, asked, stopped, and none hurt by another."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from agent_helpers import other_tasks

from omni_tui.agent.agent import Agent
from omni_tui.agent.decisions import AfterTurn, Continue, Halt, OnEvent, Stop
from omni_tui.agent.supervisor import AgentSupervisor
from omni_tui.core.errors import AgentError, AgentRunError, RequestError
from omni_tui.core.stream import Response
from omni_tui.llm.providers.scripted import Fail, ScriptedProvider, Wait


def scripted(*replies: Any) -> dict[str, Any]:
    return {"model": ScriptedProvider(replies).model()}


async def test_agents_are_started_found_asked_and_stopped_by_name() -> None:
    async with AgentSupervisor() as agents:
        alice = await agents.start(Agent, "alice", **scripted("Hi", "Ho"))
        await agents.start(Agent(**scripted("Salut")), "bob")
        assert agents.whereis("alice") is alice
        assert [entry.name for entry in agents.list()] == ["alice", "bob"]
        assert (await agents.ask("alice", "Hello")).message.text == "Hi"
        request = agents.tell("alice", "And?")
        while agents.poll("alice", request).status == "pending":
            await asyncio.sleep(0)
        done = agents.poll("alice", request).response
        assert done is not None
        assert done.message.text == "Ho"
        assert agents.status("alice").turns == 2
        assert await agents.stop("alice") is True
        assert await agents.stop("alice") is False
        assert agents.whereis("alice") is None
        assert (await agents.ask("bob", "Hello")).message.text == "Salut"
    assert other_tasks() == set()


async def test_a_name_is_taken_once() -> None:
    async with AgentSupervisor() as agents:
        await agents.start(Agent, "a", **scripted())
        with pytest.raises(AgentError, match="'a' already"):
            await agents.start(Agent, "a", **scripted())
        with pytest.raises(AgentError, match="no agent called 'b'"):
            agents.tell("b", "Hello")


async def test_a_hundred_prompts_may_wait() -> None:
    gate = asyncio.Event()
    async with AgentSupervisor() as agents:
        agent = await agents.start(Agent, "a", **scripted([Wait(until=gate), "x"]))
        agents.tell("a", "first")
        for _ in range(100):
            agents.tell("a", "more")
        with pytest.raises(AgentError, match="No more prompts"):
            agents.tell("a", "too many")
        assert (agents.status("a").queued, agent.health().max_pending) == (100, 100)


async def test_one_that_fails_is_felt_by_no_other() -> None:
    class Broken(Agent):
        async def pre_run(self) -> None:
            raise RuntimeError("no")

    class Unborn(Agent):
        async def init(self) -> None:
            raise RuntimeError("no")

    async with AgentSupervisor() as agents:
        await agents.start(Agent, "fine", **scripted("Hi"))
        await agents.start(Broken, "broken", **scripted())
        await agents.start(Agent, "failing", **scripted([Fail(RequestError("no"))], "Better"))
        with pytest.raises(AgentError, match="init failed"):
            await agents.start(Unborn, "unborn", **scripted())
        while agents.whereis("broken") is not None:
            await asyncio.sleep(0)
        with pytest.raises(AgentRunError):
            await agents.ask("failing", "Go")
        assert [entry.name for entry in agents.list()] == ["fine", "failing"]
        assert (await agents.ask("fine", "Go")).message.text == "Hi"
        assert (await agents.ask("failing", "Go")).message.text == "Better"
        await agents.start(Agent, "broken", **scripted("Now I am"))
        assert (await agents.ask("broken", "Go")).message.text == "Now I am"


async def test_agents_may_talk_and_one_may_start_another_from_a_hook() -> None:
    heard: list[str] = []

    class Parent(Agent):
        async def handle_turn(self, response: Response) -> AfterTurn:
            await agents.start(Child, "child", **scripted("Hello, parent"))
            agents.notify("child", response.message.text)
            return Stop()

        async def handle_event(self, event: Any) -> OnEvent:
            heard.append(event)
            done.set()
            return Halt()

    class Child(Agent):
        async def handle_event(self, event: Any) -> OnEvent:
            return Continue(event)

        async def handle_turn(self, response: Response) -> AfterTurn:
            agents.notify("parent", response.message.text)
            return Stop()

    done = asyncio.Event()
    async with AgentSupervisor() as agents:
        await agents.start(Parent, "parent", **scripted("Hello, child"))
        await agents.ask("parent", "Go")
        await done.wait()
        assert heard == ["Hello, parent"]
        while agents.status("parent").status != "halted":
            await asyncio.sleep(0)
        agents.unhalt("parent")
        assert agents.status("parent").status == "idle"
        assert agents.cancel("parent") is False


async def test_an_agent_is_busy_from_its_prompt_on() -> None:
    async with AgentSupervisor() as agents:
        agent = await agents.start(Agent, "a", **scripted("Hi"))
        request = agents.tell("a", "Hello")
        now = agents.status("a")
        assert (now.status, now.current, agent.health().busy) == ("busy", request, True)
        assert agent.run is not None
        await agent.run
        assert (agents.status("a").status, agents.status("a").current) == ("idle", None)


async def test_an_agent_may_take_its_name_as_an_option_and_comes_back_as_what_it_is() -> None:
    class Named(Agent):
        def __init__(self, *, name: str, **options: Any) -> None:
            super().__init__(**options)
            self.name = name

    async with AgentSupervisor() as agents:
        made = await agents.start(Named, "alice", name="alice", **scripted())
        given = await agents.start(Named(name="bob", **scripted()), "bob")
        assert (made.name, given.name) == ("alice", "bob")
