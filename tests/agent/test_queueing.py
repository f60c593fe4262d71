"""Prompts for an agent that is busy: refused, queued, steered; and events told meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from agent_helpers import (
    Gate,
    Recorder,
    all_events,
    assert_answered,
    labels,
    make_agent,
    other_tasks,
    payload_of,
    until,
    until_paused,
)

from omni_tui.agent.agent import Agent
from omni_tui.agent.decisions import (
    AfterTurn,
    BeforeTurn,
    Continue,
    Decision,
    Halt,
    Ignore,
    OnEvent,
    Pause,
    Proceed,
    Stop,
)
from omni_tui.agent.events import Outcome, PromptReturned, QueueChanged, RunCancelled
from omni_tui.agent.hooks import Hooks
from omni_tui.core.errors import (
    AgentError,
    AgentRunError,
    BusyError,
    CancelledRequestError,
    HaltedError,
    QueueFullError,
    RequestError,
)
from omni_tui.core.messages import Block, Text, ToolUse
from omni_tui.core.stream import Response
from omni_tui.llm.providers.scripted import Call, Fail, ScriptedProvider, Wait


class Listener(Hooks):
    """Answers events by a table, and notes in which order the hooks came."""

    def __init__(self, answers: dict[Any, OnEvent] | None = None) -> None:
        self.answers = answers or {}
        self.log: list[str] = []

    async def handle_turn(self, response: Response) -> AfterTurn:
        self.log.append(f"turn {response.message.text}")
        return Stop()

    async def handle_event(self, event: Any) -> OnEvent:
        self.log.append(f"event {event}")
        return self.answers.get(event, Ignore())

    async def post_turn(self, outcome: Outcome) -> None:
        self.log.append(f"post {outcome}")


def slow(gate: asyncio.Event, text: str) -> list[Any]:
    return [Wait(until=gate), text]


def texts(agent: Agent) -> list[str]:
    return [message.text for message in agent.messages]


async def test_queued_prompts_run_in_order_and_no_more_than_may_wait() -> None:
    gate = asyncio.Event()
    agent = make_agent([slow(gate, "1"), "2", "3"], max_pending=2)
    runs = [agent.prompt("a"), *(agent.prompt(x, when_busy="queue") for x in "bc")]
    assert [run.status for run in runs] == ["running", "queued", "queued"]
    with pytest.raises(QueueFullError) as caught:
        agent.prompt("d", when_busy="queue")
    assert caught.value.details["limit"] == 2
    with pytest.raises(BusyError):
        agent.prompt("d")
    gate.set()
    assert [(await run).message.text for run in runs] == ["1", "2", "3"]
    assert texts(agent) == ["a", "1", "b", "2", "c", "3"]
    await agent.close()


async def test_without_a_queue_nothing_waits() -> None:
    agent = make_agent(["1"])
    agent.prompt("a")
    with pytest.raises(QueueFullError):
        agent.prompt("b", when_busy="queue")
    await agent.close()


@pytest.mark.parametrize("end", ["finish", "crash", "cancel"])
async def test_the_next_begins_however_the_first_ends(end: str) -> None:
    gate = asyncio.Event()
    first: list[Any] = (
        [Wait(until=gate), Fail(RequestError("no"))] if end == "crash" else slow(gate, "1")
    )
    agent = make_agent([first, "2"], max_pending=1)
    run, queued = agent.prompt("a"), agent.prompt("b", when_busy="queue")
    await until(run, "status")
    if end == "cancel":
        run.cancel()
    else:
        gate.set()
    assert (await queued).message.text == "2"
    assert run.outcome == {"finish": "completed", "crash": "error", "cancel": "cancelled"}[end]
    await agent.close()


async def test_a_queued_request_can_be_cancelled_and_says_so() -> None:
    gate = asyncio.Event()
    agent = make_agent([slow(gate, "1"), "3"], max_pending=2)
    first = agent.prompt("a")
    second, third = (agent.prompt(x, when_busy="queue") for x in "bc")
    assert agent.cancel(second.id) is True
    assert agent.cancel(second.id) is False
    with pytest.raises(CancelledRequestError) as caught:
        await second
    assert caught.value.phase == "queued"
    (event,) = await all_events(second)
    assert event.run_id == second.id
    assert event.payload == RunCancelled(prompt=(Text(text="b"),))
    gate.set()
    assert (await first).message.text == "1"
    assert (await third).message.text == "3"
    await agent.close()


async def test_a_cancelled_run_raises_what_says_it_was_running() -> None:
    agent = make_agent([slow(asyncio.Event(), "1")])
    run = agent.prompt("a")
    run.cancel()
    with pytest.raises(CancelledRequestError) as caught:
        await run
    assert caught.value.phase == "running"
    await agent.close()


async def test_closing_cancels_what_waits() -> None:
    agent = make_agent([slow(asyncio.Event(), "1")], max_pending=1)
    run, queued = agent.prompt("a"), agent.prompt("b", when_busy="queue")
    await agent.close()
    assert (run.outcome, queued.outcome) == ("cancelled", "cancelled")
    assert other_tasks() == set()


async def test_the_last_steering_text_is_taken_at_the_turns_end_and_the_first_comes_back() -> None:
    gate = asyncio.Event()
    listener = Listener()
    agent = make_agent([slow(gate, "1"), "2"], hooks=[listener])
    run = agent.prompt("a")
    assert agent.steer("b") is run
    assert agent.steer("c") is run
    gate.set()
    events = await all_events(run)
    assert [e.payload for e in events if isinstance(e.payload, PromptReturned)] == [
        PromptReturned(content=(Text(text="b"),), reason="replaced")
    ]
    names = labels(events)
    at = names.index("turn(continue)")
    assert names[at + 1] == "message(user)"
    assert texts(agent) == ["a", "1", "c", "2"]
    assert listener.log == ["turn 1", "post completed", "turn 2", "post completed"]
    assert (await run).message.text == "2"
    await agent.close()


async def test_steering_overrides_the_hooks_decision() -> None:
    class On(Hooks):
        async def handle_turn(self, response: Response) -> AfterTurn:
            return Continue("its own idea") if response.message.text == "1" else Stop()

    gate = asyncio.Event()
    agent = make_agent([slow(gate, "1"), "2"], hooks=[On()])
    run = agent.prompt("a")
    agent.steer("the person's")
    gate.set()
    await run
    assert texts(agent) == ["a", "1", "the person's", "2"]
    await agent.close()


async def test_a_text_for_the_next_step_joins_the_tool_results() -> None:
    gate = Gate()
    agent = make_agent([[Call("wait", id="x")], "done"], tools=[gate.tool])
    run = agent.prompt("a")
    await gate.started.wait()
    agent.steer("hurry", at="step")
    gate.open.set()
    await run
    results = agent.messages[2]
    assert [type(block).__name__ for block in results.content] == ["ToolResult", "Text"]
    assert results.text == "hurry"
    assert_answered(agent.messages)
    assert len(agent.messages) == 4
    await agent.close()


async def test_a_text_for_the_next_step_waits_for_the_turns_end_when_no_step_follows() -> None:
    gate = asyncio.Event()
    agent = make_agent([slow(gate, "1"), "2"])
    run = agent.prompt("a")
    agent.steer("b", at="step")
    gate.set()
    await run
    assert texts(agent) == ["a", "1", "b", "2"]
    await agent.close()


async def test_steering_an_idle_agent_is_a_prompt() -> None:
    agent = make_agent(["1"])
    assert (await agent.steer("a")).message.text == "1"
    await agent.close()


@pytest.mark.parametrize("why", ["limit", "cancelled", "error", "halted"])
async def test_a_text_that_cannot_go_in_comes_back(why: str) -> None:
    class Halting(Hooks):
        async def handle_turn(self, response: Response) -> AfterTurn:
            return Halt()

    gate = asyncio.Event()
    answer: list[Any] = (
        [Wait(until=gate), Fail(RequestError("no"))] if why == "error" else slow(gate, "1")
    )
    hooks = [Halting()] if why == "halted" else []
    agent = make_agent([answer], hooks=hooks, max_steps=1 if why == "limit" else 9)
    run = agent.prompt("a")
    agent.steer("b")
    if why == "cancelled":
        run.cancel()
    gate.set()
    events = await all_events(run)
    assert labels(events).count("returned") == 1
    returned = next(e.payload for e in events if isinstance(e.payload, PromptReturned))
    assert returned == PromptReturned(content=(Text(text="b"),), reason=why)  # type: ignore[arg-type]
    expected = {"limit": "max_steps", "cancelled": "cancelled", "error": "error"}
    assert run.outcome == expected.get(why, "halted")
    assert agent.steering is None
    await agent.close()


async def test_what_waits_is_told() -> None:
    gate = asyncio.Event()
    agent = make_agent([slow(gate, "1"), "2", "3"], max_pending=1)
    _, events = agent.subscribe()
    agent.prompt("a")
    queued = agent.prompt("b", when_busy="queue")
    agent.steer("c")
    snapshot = agent.snapshot()
    assert snapshot.waiting == (queued.id,)
    assert snapshot.steer is not None
    assert snapshot.steer.content == (Text(text="c"),)
    gate.set()
    await queued
    await agent.close()
    told = [e.payload for e in [e async for e in events] if isinstance(e.payload, QueueChanged)]
    assert told == [
        QueueChanged(waiting=(queued.id,), steer=None),
        QueueChanged(waiting=(queued.id,), steer=(Text(text="c"),)),
        QueueChanged(waiting=(queued.id,), steer=None),
        QueueChanged(waiting=(), steer=None),
    ]


async def test_tell_and_poll() -> None:
    gate = asyncio.Event()
    agent = make_agent([slow(gate, "1"), [Fail(RequestError("no"))]], max_pending=1)
    first, second = agent.tell("a"), agent.tell("b")
    assert agent.poll(first).status == "pending"
    assert agent.poll("nobody").status == "not_found"
    gate.set()
    while agent.poll(second).status == "pending":
        await asyncio.sleep(0)
    done, failed = agent.poll(first), agent.poll(second)
    assert done.response is not None
    assert (done.status, done.response.message.text) == ("done", "1")
    assert (failed.status, str(failed.error)) == ("error", "no")
    await agent.close()


async def test_the_last_hundred_requests_are_known() -> None:
    agent = make_agent([str(n) for n in range(101)])
    ids = []
    for _ in range(101):
        run = agent.prompt("a")
        ids.append(run.id)
        await run
    assert agent.poll(ids[0]).status == "not_found"
    assert [agent.poll(id).status for id in ids[1:]] == ["done"] * 100
    await agent.close()


async def test_a_stream_gives_the_events_and_stops_the_run_when_it_is_left() -> None:
    agent = make_agent(["Hello", slow(asyncio.Event(), "never")])
    kinds = [event.type async for event in agent.stream("a")]
    assert kinds[-1] == "turn"
    stream = agent.stream("b")
    async for _ in stream:
        break
    await stream.aclose()
    run = agent.run
    assert run is None or await run.wait() == "cancelled"
    assert texts(agent) == ["a", "Hello"]
    await agent.close()


async def test_events_told_meanwhile_are_handled_in_order_before_idle() -> None:
    gate = asyncio.Event()
    listener = Listener()
    agent = make_agent([slow(gate, "1")], hooks=[listener])
    run = agent.prompt("a")
    await until(run, "status")
    agent.notify("x")
    agent.notify("y")
    assert listener.log == []
    gate.set()
    await run
    assert listener.log == ["turn 1", "post completed", "event x", "event y"]
    await agent.close()


async def test_an_event_told_to_an_idle_agent_may_begin_a_run() -> None:
    listener = Listener({"bell": Continue("who is there?")})
    agent = make_agent(["nobody"], hooks=[listener])
    _, events = agent.subscribe()
    agent.notify("noise")
    agent.notify("bell")
    await until(events, "turn")
    assert texts(agent) == ["who is there?", "nobody"]
    assert listener.log[:2] == ["event noise", "event bell"]
    await agent.close()


async def test_what_several_events_ask_for_is_all_done() -> None:
    gate = asyncio.Event()
    listener = Listener({"x": Continue("for x"), "y": Continue("for y")})
    agent = make_agent([slow(gate, "1"), "2", "3"], hooks=[listener])
    run = agent.prompt("a")
    await until(run, "status")
    agent.notify("x")
    agent.notify("y")
    gate.set()
    await run
    assert texts(agent) == ["a", "1", "for x", "2", "for y", "3"]
    await agent.close()


async def test_what_events_ask_for_survives_a_run_that_fails() -> None:
    gate = asyncio.Event()
    agent = make_agent(
        [[Wait(until=gate), Fail(RequestError("no"))], "2"],
        hooks=[Listener({"x": Continue("for x")})],
    )
    _, events = agent.subscribe()
    run = agent.prompt("a")
    await until(run, "status")
    agent.notify("x")
    gate.set()
    with pytest.raises(AgentRunError):
        await run
    await until(events, "turn")
    assert texts(agent) == ["for x", "2"]
    await agent.close()


async def test_an_event_may_halt_an_idle_agent_and_what_comes_then_waits() -> None:
    listener = Listener({"stop": Halt()})
    agent = make_agent(["1"], hooks=[listener], max_pending=1)
    _, events = agent.subscribe()
    agent.notify("stop")
    await until(events, "status")
    assert agent.status == "halted"
    agent.notify("later")
    with pytest.raises(HaltedError):
        agent.prompt("a")
    with pytest.raises(HaltedError):
        agent.steer("a")
    queued = agent.prompt("a", when_busy="queue")
    await asyncio.sleep(0)
    assert listener.log == ["event stop"]
    agent.unhalt()
    assert (await queued).message.text == "1"
    assert "event later" in listener.log
    await agent.close()


async def test_halting_a_busy_agent_waits_for_the_end_of_the_turn() -> None:
    gate = asyncio.Event()
    agent = make_agent([slow(gate, "1"), "2"], max_pending=1)
    run, queued = agent.prompt("a"), agent.prompt("b", when_busy="queue")
    agent.halt()
    gate.set()
    assert await run.wait() == "halted"
    assert (agent.status, queued.status) == ("halted", "queued")
    assert texts(agent) == ["a", "1"]
    agent.unhalt()
    assert (await queued).message.text == "2"
    await agent.close()


async def test_unhalting_in_time_changes_nothing() -> None:
    gate = asyncio.Event()
    agent = make_agent([slow(gate, "1")])
    run = agent.prompt("a")
    agent.halt()
    agent.unhalt()
    gate.set()
    assert (await run).message.text == "1"
    assert agent.status == "idle"
    await agent.close()


async def test_halting_while_the_agent_prepares_is_not_forgotten() -> None:
    class Slow(Listener):
        async def pre_run(self) -> None:
            await gate.wait()
            self.log.append("pre_run")

        async def post_run(self) -> None:
            self.log.append("post_run")

    for is_thawed in (False, True):
        gate, listener = asyncio.Event(), Slow()
        async with make_agent(["Hi"], hooks=[listener]) as agent:
            agent.halt()
            if is_thawed:
                agent.unhalt()
            gate.set()
            await other_tasks().pop()
            assert listener.log == (["pre_run"] if is_thawed else ["pre_run", "post_run"])
            assert agent.status == ("idle" if is_thawed else "halted")


async def test_a_run_that_waits_for_what_halts_the_agent_is_the_last_one() -> None:
    listener = Listener({"enough": Halt()})
    async with make_agent(["Hi"], hooks=[listener]) as agent:
        agent.notify("enough")
        run = agent.prompt("Hello?")
        statuses = [payload_of(event).status async for event in run if event.type == "status"]
        assert (await run.wait(), statuses) == ("halted", ["busy", "halted"])
        assert [message.text for message in agent.messages] == ["Hello?", "Hi"]


async def test_a_cancel_while_paused_goes_on_with_what_waits() -> None:
    class Asking(Hooks):
        async def handle_tool_use(self, tool_use: ToolUse) -> Decision:
            return Pause()

    recorder = Recorder()
    agent = make_agent(
        [[Call("look")], "2"], tools=[recorder.tool()], hooks=[Asking()], max_pending=1
    )
    run, queued = agent.prompt("a"), agent.prompt("b", when_busy="queue")
    await until_paused(run)
    run.cancel()
    assert (await queued).message.text == "2"
    assert recorder.names == []
    await agent.close()


async def test_a_closed_agent_takes_nothing() -> None:
    agent = make_agent(ScriptedProvider([]))
    await agent.close()
    with pytest.raises(AgentError, match="closed"):
        agent.prompt("a")
    with pytest.raises(AgentError, match="closed"):
        agent.notify("x")


async def test_asking_may_wait_its_turn() -> None:
    gate = asyncio.Event()
    agent = make_agent([slow(gate, "1"), "2"], max_pending=1)
    run = agent.prompt("a")
    asked = asyncio.ensure_future(agent.ask("b", when_busy="queue"))
    await asyncio.sleep(0)
    gate.set()
    assert (await asked).message.text == "2"
    assert run.outcome == "completed"
    await agent.close()


async def test_a_steered_text_of_a_run_cut_off_before_its_turn_began_is_kept_with_the_partial() -> (
    None
):
    """What a person wrote stays, when partial replies do."""

    class Slow(Hooks):
        async def pre_turn(self, content: tuple[Block, ...] | None) -> BeforeTurn:
            if content == (Text(text="b"),):
                reached.set()
                await asyncio.Event().wait()
            return Proceed()

    reached, gate = asyncio.Event(), asyncio.Event()
    agent = make_agent([slow(gate, "1")], hooks=[Slow()], keep_partial=True)
    run = agent.prompt("a")
    agent.steer("b")
    gate.set()
    await reached.wait()
    run.cancel()
    assert await run.wait() == "cancelled"
    assert texts(agent) == ["a", "1", "b"]
    await agent.close()
