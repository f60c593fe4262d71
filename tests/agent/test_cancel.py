"""Stopping a run: what stays, what goes, and that nothing dangles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from agent_helpers import (
    Gate,
    Guard,
    Recorder,
    all_events,
    assert_answered,
    labels,
    make_agent,
    other_tasks,
    results_in,
    until,
    until_paused,
)

from omni_tui.agent.agent import Agent
from omni_tui.agent.decisions import Execute, Pause
from omni_tui.agent.events import RunCancelled
from omni_tui.agent.run import Run
from omni_tui.core.errors import AgentRunError, OverloadedError
from omni_tui.core.messages import Message, Text
from omni_tui.core.stream import Failed, StreamEvent, TextDelta, TextStart
from omni_tui.llm.providers.base import Model, Request
from omni_tui.llm.providers.scripted import (
    Call,
    Fail,
    Reply,
    Say,
    ScriptedProvider,
    Think,
    Wait,
)
from omni_tui.llm.retry import RetryPolicy


def never() -> Wait:
    return Wait(until=asyncio.Event())


async def cancelled(run: Run) -> list[str]:
    """The names of the events left when the run is stopped."""
    assert run.cancel() is True
    events = await all_events(run)
    assert run.outcome == "cancelled"
    payload = events[-1].payload
    assert isinstance(payload, RunCancelled)
    assert payload.prompt == run.prompt
    with pytest.raises(AgentRunError) as caught:
        await run
    assert caught.value.outcome == "cancelled"
    return labels(events)


@pytest.fixture(params=[False, True], ids=["bare", "keep_partial"])
def keeps(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


async def test_cancel_while_streaming_leaves_the_history_as_it_was_before() -> None:
    before = (Message.user("a"), Message.assistant("b"))
    agent = make_agent([[Say("I was "), never()]], messages=before)
    run = agent.prompt("Hi")
    await until(run, "text_end")
    assert await cancelled(run) == ["status idle", "cancelled"]
    assert agent.messages == before
    assert agent.snapshot().partial is None
    await agent.close()


async def test_cancel_while_streaming_keeps_what_was_said_with_keep_partial() -> None:
    agent = make_agent([[Think("Hm."), "I was ", never()]], keep_partial=True)
    run = agent.prompt("Hi")
    await until(run, "text_end")
    assert await cancelled(run) == ["message(assistant)", "status idle", "cancelled"]
    prompt, reply = agent.messages
    assert prompt.text == "Hi"
    assert [block for block in reply.content if isinstance(block, Text)] == [Text(text="I was ")]
    await agent.close()


class HalfABlock:
    """A provider that stops in the middle of a word and never goes on."""

    name = "half"

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        yield TextStart(index=0)
        yield TextDelta(index=0, text="I was ab")
        await asyncio.Event().wait()

    def prepare(self) -> None:
        pass

    async def close(self) -> None:
        pass


async def test_an_open_block_is_kept_as_far_as_it_came() -> None:
    agent = Agent(model=Model(HalfABlock(), "m"), keep_partial=True)
    run = agent.prompt("Hi")
    await until(run, "text_delta")
    assert agent.snapshot().partial is not None
    await cancelled(run)
    assert agent.messages[-1].content == (Text(text="I was ab"),)
    await agent.close()


async def test_a_finished_call_of_a_step_that_never_ended_is_not_kept() -> None:
    recorder = Recorder()
    agent = make_agent(
        [["I look.", Call("look"), never()]], tools=[recorder.tool()], keep_partial=True
    )
    run = agent.prompt("Hi")
    await until(run, "tool_use_end")
    await cancelled(run)
    assert agent.messages[-1].content == (Text(text="I look."),)
    assert recorder.ran == []
    await agent.close()


class FailsToClose(HalfABlock):
    """A provider whose connection cannot be closed in order."""

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        yield TextStart(index=0)
        yield TextDelta(index=0, text="I was ab")
        try:
            await asyncio.Event().wait()
        finally:
            raise OSError("the connection is gone")


class TellsOfIt(HalfABlock):
    """A provider that takes a cancel for a fault of its connection."""

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        yield TextStart(index=0)
        yield TextDelta(index=0, text="I was ab")
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        yield Failed(error=OverloadedError("gone"))


@pytest.mark.parametrize("provider", [FailsToClose, TellsOfIt])
async def test_what_a_cancel_breaks_on_its_way_is_no_failure(provider: type[HalfABlock]) -> None:
    agent = Agent(model=Model(provider(), "model"), keep_partial=True)
    async with agent:
        run = agent.prompt("Hi")
        await until(run, "text_delta")
        events = await cancelled(run)
        assert "error" not in " ".join(events)
        assert agent.messages[-1].text == "I was ab"


async def test_cancel_before_the_first_word_keeps_just_the_prompt() -> None:
    agent = make_agent([[Think("Hm."), never()], "there"], keep_partial=True)
    run = agent.prompt("Hi")
    await until(run, "thinking_end")
    assert await cancelled(run) == ["status idle", "cancelled"]
    assert [message.text for message in agent.messages] == ["Hi"]
    assert (await agent.prompt(None)).text == "there"
    await agent.close()


async def test_cancel_at_once_keeps_what_the_person_wrote() -> None:
    provider = ScriptedProvider(["never"])
    agent = make_agent(provider, keep_partial=True)
    run = agent.prompt("Precious words")
    assert await cancelled(run) == [
        "status busy",
        "message(user)",
        "status idle",
        "cancelled",
    ]
    assert [message.text for message in agent.messages] == ["Precious words"]
    assert provider.requests == []
    await agent.close()


async def test_cancel_while_paused(keeps: bool) -> None:
    recorder = Recorder()
    agent = make_agent(
        [["Shall I?", Call("look")], "fine"],
        tools=[recorder.tool()],
        hooks=[Guard(lambda _: Pause())],
        keep_partial=keeps,
    )
    run = agent.prompt("Look")
    await until_paused(run)
    names = await cancelled(run)
    assert names[-2:] == ["status idle", "cancelled"]
    assert (agent.status, agent.paused) == ("idle", None)
    assert recorder.ran == []
    assert_answered(agent.messages)
    if keeps:
        assert "Cancelled" in results_in(agent.messages[-1])["call_1"]
        assert agent.messages[-1].tool_results[0].is_error
        assert (await agent.prompt(None)).text == "fine"
    else:
        assert agent.messages == ()
    await agent.close()


async def test_cancel_while_tools_run_keeps_what_has_finished(keeps: bool) -> None:
    recorder, gate = Recorder(), Gate()
    agent = make_agent(
        [[Call("wait", id="slow"), Call("look", id="quick"), Call("wait", id="slower")], "fine"],
        tools=[recorder.tool(), gate.tool],
        keep_partial=keeps,
    )
    run = agent.prompt("Go")
    await until(run, "tool_finished")
    await gate.started.wait()
    await cancelled(run)
    assert gate.was_cancelled
    assert_answered(agent.messages)
    if keeps:
        results = results_in(agent.messages[-1])
        assert results["quick"] == "look done"
        assert "Cancelled" in results["slow"]
        assert "Cancelled" in results["slower"]
        assert list(results) == ["slow", "quick", "slower"]
        assert (await agent.ask("And now?")).text == "fine"
    else:
        assert agent.messages == ()
    await agent.close()


async def test_cancel_between_the_tools_and_the_answer_keeps_the_results() -> None:
    agent = make_agent(
        [[Call("look")], [never()], "fine"], tools=[Recorder().tool()], keep_partial=True
    )
    run = agent.prompt("Go")
    await until(run, "tool_finished")
    while len(agent.snapshot().pending) < 3:
        await asyncio.sleep(0)
    await cancelled(run)
    assert results_in(agent.messages[-1]) == {"call_1": "look done"}
    assert (await agent.prompt(None)).text == "fine"
    await agent.close()


async def test_cancel_while_waiting_to_ask_again_is_immediate() -> None:
    overloaded = OverloadedError("busy", retry_after=59.0)
    provider = ScriptedProvider([[Fail(overloaded)], "never"])
    agent = Agent(model=provider.model(), retry=RetryPolicy())
    run = agent.prompt("Hi")
    await until(run, "retry")
    assert await cancelled(run) == ["status idle", "cancelled"]
    assert len(provider.requests) == 1
    await agent.close()


async def test_cancelling_says_whether_there_was_anything() -> None:
    agent = make_agent([["one", never()], "two"])
    assert agent.cancel() is False
    run = agent.prompt("Hi")
    await until(run, "text_end")
    assert agent.cancel("another") is False
    assert agent.cancel(run.id) is True
    await run.wait()
    assert agent.cancel() is False
    assert run.cancel() is False
    second = agent.prompt("Hi")
    assert run.cancel() is False  # an old run does not stop a new one
    assert (await second).text == "two"
    await agent.close()


async def test_cancelling_twice_is_as_good_as_once() -> None:
    gate = Gate()
    agent = make_agent([[Call("wait")]], tools=[gate.tool], keep_partial=True)
    run = agent.prompt("Go")
    await gate.started.wait()
    run.cancel()
    run.cancel()
    await asyncio.sleep(0)
    run.cancel()
    assert await run.wait() == "cancelled"
    assert_answered(agent.messages)
    await agent.close()


async def test_cancelling_who_asks_cancels_the_run() -> None:
    agent = make_agent([[never()]])
    asking = asyncio.create_task(agent.ask("Hi"))
    while agent.run is None:
        await asyncio.sleep(0)
    run = agent.run
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await run.wait() == "cancelled"
    await agent.close()


async def test_cancelling_who_waits_for_a_run_leaves_the_run_alone() -> None:
    go = asyncio.Event()
    agent = make_agent([[Wait(until=go), "there"]])
    run = agent.prompt("Hi")

    async def wait() -> Any:
        return await run

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go.set()
    assert (await run).text == "there"
    await agent.close()


@pytest.mark.parametrize("moment", ["streaming", "paused", "running", "idle"])
async def test_closing_leaves_no_task_behind(moment: str) -> None:
    before = other_tasks()
    gate = Gate()
    replies: dict[str, list[Any]] = {
        "streaming": ["a", never()],
        "paused": [Call("look")],
        "running": [Call("wait")],
        "idle": ["a"],
    }
    agent = make_agent(
        [replies[moment]],
        tools=[Recorder().tool(), gate.tool],
        hooks=[Guard(lambda _: Pause())] if moment == "paused" else [],
    )
    _, subscription = agent.subscribe()
    run = agent.prompt("Hi")
    match moment:
        case "streaming":
            await until(subscription, "text_end")
        case "paused":
            await until_paused(subscription)
        case "running":
            await gate.started.wait()
        case _:
            await run
    await agent.close()
    assert run.is_done
    assert other_tasks() == before
    assert [event async for event in subscription][-1:] != []
    await agent.close()


async def test_leaving_the_block_stops_the_run() -> None:
    async with make_agent([[never()]]) as agent:
        run = agent.prompt("Hi")
    assert run.outcome == "cancelled"


async def test_cancelled_at_any_event_the_next_prompt_is_valid(keeps: bool) -> None:
    recorder = Recorder()

    def answer(request: Request) -> Reply:
        last = request.messages[-1]
        if last.tool_results or last.text == "And now?":
            return [Say("There it is.", chunk=5)]
        return [Think("Hm."), "I look.", Call("look", id="a"), Call("write", id="b")]

    async def stopped_after(count: int) -> bool:
        """Stop a run at this event; whether there was such an event."""
        provider = ScriptedProvider(answer)
        agent = make_agent(
            provider,
            tools=[recorder.tool(), recorder.tool("write")],
            hooks=[Guard(lambda use: Pause() if use.id == "b" else Execute())],
            keep_partial=keeps,
        )
        run = agent.prompt("Look")
        seen = 0
        async for event in run:
            seen += 1
            if seen == count:
                run.cancel()
            elif event.type == "pause" and seen < count:
                agent.resume(Execute())
        assert_answered(agent.messages)
        assert (await agent.ask("And now?")).text == "There it is."
        assert_answered(provider.requests[-1].messages)
        await agent.close()
        return seen >= count

    count = 1
    while await stopped_after(count):
        count += 1
    assert count > 20
