"""An agent that works until its model says that it is done."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from agent_helpers import Gate, Recorder, all_events, assert_answered, payload_of

from omni_tui.agent.completion import ACCEPTED, NOT_ALONE, NUDGE, CompletionAgent
from omni_tui.agent.decisions import AfterTurn, Halt
from omni_tui.agent.events import TurnFinished
from omni_tui.agent.hooks import Hooks
from omni_tui.core.errors import (
    AgentRunError,
    CancelledRequestError,
    MaxStepsReachedError,
    RequestError,
)
from omni_tui.core.messages import Message
from omni_tui.core.stream import Response
from omni_tui.llm.providers.scripted import Call, Fail, Reply, ScriptedProvider, Stop
from omni_tui.llm.retry import RetryPolicy


def done(result: str = "all sorted", **facts: Any) -> Call:
    return Call("task_complete", {"result": result}, **facts)


def agent_of(replies: Iterable[Reply] | ScriptedProvider, **facts: Any) -> CompletionAgent:
    provider = replies if isinstance(replies, ScriptedProvider) else ScriptedProvider(replies)
    return CompletionAgent(model=provider.model(), retry=RetryPolicy(base=0.0), **facts)


def asked(messages: Iterable[Message]) -> list[str]:
    return [message.text for message in messages if message.is_prompt]


async def test_it_goes_on_until_the_model_calls_the_tool() -> None:
    look = Recorder()
    replies: list[Reply] = ["First I plan.", [Call("look")], "I looked.", [done()], "Done."]
    async with agent_of(replies, tools=[look.tool()]) as agent:
        assert await agent.complete("Sort it.") == "all sorted"
        assert agent.result == "all sorted"
        assert asked(agent.messages) == ["Sort it.", NUDGE, NUDGE]
        assert agent.messages[-1].text == "Done."
        assert (agent.completion.turns, agent.completion.ended) == (3, "done")
        assert look.names == ["look"]
        assert_answered(agent.messages)
        health = agent.health()
    assert (health.status, health.turns) == ("idle", 3)


async def test_the_turns_tell_that_they_go_on_and_the_last_that_it_does_not() -> None:
    async with agent_of(["Hm.", [done()], "Done."]) as agent:
        events = await all_events(agent.prompt("Sort it."))
    assert [payload_of(e).kind for e in events if e.type == "turn"] == ["continue", "stop"]


async def test_turns_without_the_tool_end_at_the_cap() -> None:
    script = ScriptedProvider(f"Still at it, {number}." for number in range(9))
    async with agent_of(script, max_turns=3) as agent:
        with pytest.raises(MaxStepsReachedError) as caught:
            await agent.complete("Sort it.")
        assert caught.value.details["turns"] == 3
        assert (agent.result, agent.completion.ended) == (None, "limit")
        assert len(script.requests) == 3
        assert agent.messages[-1].text == "Still at it, 2."
        assert agent.status == "idle"


async def test_steps_end_it_too_and_leave_no_use_without_an_answer() -> None:
    script = ScriptedProvider([[Call("look")]] * 9)
    async with agent_of(script, tools=[Recorder().tool()], max_steps=4) as agent:
        run = agent.prompt("Sort it.")
        assert await run.wait() == "max_steps"
        assert (len(script.requests), agent.result, agent.completion.ended) == (4, None, None)
        assert_answered(agent.messages)


async def test_the_steps_are_counted_over_all_turns() -> None:
    script = ScriptedProvider(["One.", "Two.", "Three."])
    async with agent_of(script, max_steps=2) as agent:
        with pytest.raises(MaxStepsReachedError):
            await agent.complete("Sort it.")
        assert len(script.requests) == 2


async def test_a_result_given_beside_other_tools_is_not_taken() -> None:
    look = Recorder()
    replies: list[Reply] = [
        [Call("look", id="a"), done("too early", id="b")],
        [done("after looking", id="c")],
        "Done.",
    ]
    async with agent_of(replies, tools=[look.tool()]) as agent:
        assert await agent.complete("Sort it.") == "after looking"
        results = agent.messages[2].tool_results
        assert [(result.is_error, result.content) for result in results] == [
            (False, "look done"),
            (True, NOT_ALONE),
        ]
        assert agent.messages[4].tool_results[0].content == ACCEPTED
        assert look.names == ["look"]


async def test_a_result_of_the_wrong_shape_is_asked_for_again() -> None:
    replies: list[Reply] = [[Call("task_complete", {})], [done()], "Done."]
    async with agent_of(replies) as agent:
        assert await agent.complete("Sort it.") == "all sorted"
        assert agent.messages[2].tool_results[0].is_error


async def test_a_cancel_ends_it_at_once() -> None:
    gate = Gate()
    script = ScriptedProvider([[Call("wait")], "never said"])
    async with agent_of(script, tools=[gate.tool]) as agent:
        run = agent.prompt("Sort it.")
        await gate.started.wait()
        assert run.cancel()
        with pytest.raises(CancelledRequestError):
            await run
        assert (agent.result, len(script.requests), gate.was_cancelled) == (None, 1, True)


async def test_an_error_ends_it_with_the_error() -> None:
    async with agent_of(["Hm.", [Fail(RequestError("no"))]]) as agent:
        with pytest.raises(AgentRunError) as caught:
            await agent.complete("Sort it.")
        assert isinstance(caught.value.__cause__, RequestError)


async def test_a_model_that_refuses_is_not_asked_again() -> None:
    script = ScriptedProvider([["I will not.", Stop("refusal")], "never said"])
    async with agent_of(script) as agent:
        with pytest.raises(AgentRunError, match="refused"):
            await agent.complete("Sort it.")
        assert (agent.completion.ended, len(script.requests)) == ("refused", 1)


async def test_every_run_counts_for_itself() -> None:
    replies: list[Reply] = ["Hm.", [done("one")], "Done.", "Hm.", "Hm.", [done("two")], "Done."]
    async with agent_of(replies, max_turns=3) as agent:
        assert await agent.complete("First.") == "one"
        unknown = [
            agent.result
            async for event in agent.stream("Second.")
            if isinstance(event.payload, TurnFinished)
        ]
        assert unknown == [None, None, "two"]
        assert [agent.result, agent.completion.turns] == ["two", 3]


async def test_a_text_that_steers_takes_the_place_of_the_nudge() -> None:
    async with agent_of(["Hm.", [done()], "Done."]) as agent:
        run = agent.prompt("Sort it.")
        agent.steer("By colour, please.")
        await run
        assert asked(agent.messages) == ["Sort it.", "By colour, please."]
        assert agent.result == "all sorted"


async def test_a_hook_of_the_program_decides_before() -> None:
    class OneTurn(Hooks):
        async def handle_turn(self, response: Response) -> AfterTurn:
            return Halt()

    script = ScriptedProvider(["Hm.", "never said"])
    async with agent_of(script, hooks=[OneTurn()]) as agent:
        assert await agent.prompt("Sort it.").wait() == "halted"
        assert len(script.requests) == 1


async def test_words_of_ones_own_between_the_turns() -> None:
    async with agent_of(["Hm.", [done()], "Done."], nudge="Weiter!") as agent:
        await agent.complete("Sort it.")
        assert asked(agent.messages) == ["Sort it.", "Weiter!"]


def test_a_cap_below_one_turn_is_refused() -> None:
    with pytest.raises(ValueError, match="max_turns"):
        agent_of([], max_turns=0)
