"""An agent as a tool: its answer, its cost, its questions, its depth."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from agent_helpers import Gate, Recorder, make_agent, other_tasks, results_in, until_paused

from omni_tui.agent.agent import Agent
from omni_tui.agent.decisions import Decision, Execute, Pause, Reject
from omni_tui.agent.hooks import Hooks
from omni_tui.agent.subagent import agent_as_tool
from omni_tui.core.errors import RequestError
from omni_tui.core.messages import ToolUse
from omni_tui.core.tool import Tool
from omni_tui.core.usage import Usage
from omni_tui.llm.providers.scripted import Call, Fail, Say, ScriptedProvider


class Ask(Hooks):
    async def handle_tool_use(self, tool_use: ToolUse) -> Decision:
        return Pause("approval", {"why": "writes"})


def worker(replies: Any, **options: Any) -> Tool:
    provider = replies if isinstance(replies, ScriptedProvider) else ScriptedProvider(replies)
    facts = {"name": "worker", "description": "Does work.", **options}
    return agent_as_tool(Agent, model=provider.model(), **facts)


async def test_the_answer_is_the_result_and_what_it_says_is_shown() -> None:
    tool = worker([[Say("Four.", chunk=2)]])
    agent = make_agent([[Call("worker", {"prompt": "2+2?"}, id="1")], "It is 4."], tools=[tool])
    run = agent.prompt("a")
    shown = "".join([e.payload.text async for e in run if e.type == "tool_output"])  # type: ignore[union-attr]
    assert shown == "Four."
    assert results_in(agent.messages[2]) == {"1": "Four."}
    await agent.close()


async def test_what_it_uses_is_added_up_once() -> None:
    tool = worker(["Four."])
    agent = make_agent([[Call("worker", {"prompt": "2+2?"})], "It is 4."], tools=[tool])
    run = agent.prompt("a")
    steps = Usage()
    async for event in run:
        if event.type == "step":
            steps += event.payload.response.usage  # type: ignore[union-attr]
    response = await run
    assert response.usage == agent.usage
    assert response.usage.output > steps.output
    await agent.close()


async def test_its_questions_are_asked_as_the_agents_own_and_one_at_a_time() -> None:
    recorder = Recorder()
    provider = ScriptedProvider([[Call("write")], [Call("write")], "wrote", "wrote"])
    tool = worker(provider, tools=[recorder.tool("write")], hooks=[Ask()])
    calls = [Call("worker", {"prompt": "write"}, id=id) for id in "12"]
    agent = make_agent([calls, "done"], tools=[tool], tool_timeout=0.1)
    run = agent.prompt("a")
    for answer in (Execute(), Reject("no")):
        pause = await until_paused(run)
        assert pause.details == {"why": "writes", "agent": "worker"}
        assert pause.tool_use.name == "write"
        assert agent.status == "paused"
        agent.resume(answer)
    await run
    assert recorder.names == ["write"]
    assert agent.status == "idle"
    await agent.close()


async def test_the_time_a_person_takes_for_it_does_not_count() -> None:
    recorder = Recorder()
    provider = ScriptedProvider([[Call("write")], "wrote"])
    tool = worker(provider, tools=[recorder.tool("write")], hooks=[Ask()], timeout=-4.7)
    agent = make_agent(
        [[Call("worker", {"prompt": "w"}, id="1")], "done"], tools=[tool], turn_timeout=1.0
    )
    run = agent.prompt("a")
    await until_paused(run)
    await asyncio.sleep(1.2)
    agent.resume(Execute())
    await run
    assert results_in(agent.messages[2]) == {"1": "wrote"}
    await agent.close()


async def test_agents_cannot_call_each_other_without_end() -> None:
    calls = [Call("worker", {"prompt": "go deeper"})]
    provider = ScriptedProvider([calls, calls, calls, "I did it myself.", "second", "first"])

    class Deep(Agent):
        def __init__(self, **facts: Any) -> None:
            super().__init__(**{**facts, "tools": [deep()]})

    def deep() -> Tool:
        return agent_as_tool(
            Deep, name="worker", description="", model=provider.model(), max_depth=3
        )

    agent = make_agent(provider, tools=[deep()])
    response = await agent.ask("a")
    assert response.message.text == "first"
    refusals = [r for q in provider.requests for m in q.messages for r in m.tool_results]
    assert any("No more than 3 agents" in result.content for result in refusals)
    await agent.close()


@pytest.mark.parametrize(
    ("arguments", "reply", "told"),
    [
        ({}, "never", "prompt must be a text"),
        ({"prompt": " "}, "never", "prompt must be a text"),
        ({"prompt": "go"}, [Fail(RequestError("no room"))], "gave no answer"),
    ],
)
async def test_a_task_that_fails_is_told_to_the_model(
    arguments: dict[str, Any], reply: Any, told: str
) -> None:
    agent = make_agent([[Call("worker", arguments, id="1")], "Oh."], tools=[worker([reply])])
    await agent.ask("a")
    (result,) = agent.messages[2].tool_results
    assert result.is_error
    assert told in result.content
    await agent.close()


async def test_stopping_the_agent_stops_its_workers() -> None:
    gate = Gate()
    tool = worker([[Call("wait")]], tools=[gate.tool])
    agent = make_agent([[Call("worker", {"prompt": "go"})]], tools=[tool])
    run = agent.prompt("a")
    await gate.started.wait()
    run.cancel()
    assert await run.wait() == "cancelled"
    assert gate.was_cancelled
    await agent.close()
    assert other_tasks() == set()
