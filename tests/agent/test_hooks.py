"""Every hook: when it is called, what it may decide, and what its failing means."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from agent_helpers import (
    Recorder,
    added,
    all_events,
    assert_answered,
    labels,
    make_agent,
    payload_of,
)

from omni_tui.agent.agent import Agent
from omni_tui.agent.decisions import (
    AfterError,
    AfterStep,
    AfterTurn,
    BeforeTurn,
    Continue,
    Decision,
    Execute,
    Halt,
    Ignore,
    OnEvent,
    Pause,
    Proceed,
    Reject,
    Retry,
    Skip,
    Stop,
)
from omni_tui.agent.events import Outcome, PromptReturned, Retrying, RunFailed, TurnFinished
from omni_tui.agent.hooks import Hooks
from omni_tui.core.errors import AgentError, AgentRunError, OmniError, OverloadedError, RequestError
from omni_tui.core.messages import Block, Text, ToolResult, ToolUse
from omni_tui.core.stream import Response, StreamEvent
from omni_tui.llm.providers.scripted import Call, Fail, Say, ScriptedProvider


class Trace(Hooks):
    """Notes which hook was called; `answers` gives decisions, one after the other, by hook."""

    def __init__(self, name: str = "", **answers: Any) -> None:
        self.name = name
        self.log: list[str] = []
        self.answers = {
            hook: list(answer) if isinstance(answer, list) else [answer]
            for hook, answer in answers.items()
        }

    def _answer(self, hook: str, default: Any) -> Any:
        self.log.append(self.name + hook)
        waiting = self.answers.get(hook)
        answer = waiting.pop(0) if waiting else default
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def init(self) -> None:
        self._answer("init", None)

    async def pre_run(self) -> None:
        self._answer("pre_run", None)

    async def pre_turn(self, content: tuple[Block, ...] | None) -> BeforeTurn:
        answer: BeforeTurn = self._answer("pre_turn", Proceed())
        return answer

    async def handle_stream_event(self, event: StreamEvent) -> None:
        self._answer("handle_stream_event", None)

    async def handle_step(self, response: Response) -> AfterStep:
        answer: AfterStep = self._answer("handle_step", Proceed())
        return answer

    async def handle_tool_use(self, tool_use: ToolUse) -> Decision:
        answer: Decision = self._answer("handle_tool_use", Execute())
        return answer

    async def handle_tool_result(self, result: ToolResult) -> ToolResult:
        answer: ToolResult = self._answer("handle_tool_result", result)
        return answer

    async def handle_turn(self, response: Response) -> AfterTurn:
        answer: AfterTurn = self._answer("handle_turn", Stop())
        return answer

    async def handle_error(self, error: OmniError) -> AfterError:
        answer: AfterError = self._answer("handle_error", Stop())
        return answer

    async def handle_event(self, event: Any) -> OnEvent:
        answer: OnEvent = self._answer("handle_event", Ignore())
        return answer

    async def post_turn(self, outcome: Outcome) -> None:
        self._answer(f"post_turn {outcome}", None)

    async def post_run(self) -> None:
        self._answer("post_run", None)

    async def terminate(self, reason: str) -> None:
        self._answer(f"terminate {reason}", None)

    @property
    def calls(self) -> list[str]:
        """The log with neighbouring stream events as one."""
        out: list[str] = []
        for name in self.log:
            if not (out and out[-1] == name == "handle_stream_event"):
                out.append(name)
        return out


BROKEN = RuntimeError("broken hook")


def traced(replies: Any, tools: Any = (), **answers: Any) -> tuple[Agent, Trace]:
    trace = Trace(**answers)
    return make_agent(replies, tools=tools, hooks=[trace]), trace


async def test_the_order_of_all_hooks() -> None:
    recorder = Recorder()
    agent, trace = traced([[Call("look")], "Seen", "More"], [recorder.tool()], handle_turn=[Stop()])
    async with agent:
        await agent.ask("Go")
        agent.notify("bell")
        await agent.ask("And now?")
    assert trace.calls == [
        "init",
        "pre_run",
        "pre_turn",
        "handle_stream_event",
        "handle_step",
        "handle_tool_use",
        "handle_tool_result",
        "handle_stream_event",
        "handle_step",
        "handle_turn",
        "post_turn completed",
        "handle_event",
        "pre_turn",
        "handle_stream_event",
        "handle_step",
        "handle_turn",
        "post_turn completed",
        "terminate closed",
    ]


async def test_hook_objects_are_asked_before_the_agent_and_the_first_decision_wins() -> None:
    log: list[str] = []

    class Own(Agent):
        async def handle_turn(self, response: Response) -> AfterTurn:
            log.append("own")
            return Stop()

    class Named(Trace):
        async def handle_turn(self, response: Response) -> AfterTurn:
            log.append(self.name)
            return await super().handle_turn(response)

    provider = ScriptedProvider(["one", "two"])
    hooks = [Named("first"), Named("second", handle_turn=Continue("again")), Named("third")]
    async with Own(model=provider.model(), hooks=hooks) as agent:
        response = await agent.ask("Go")
    assert response.message.text == "two"
    assert log == ["first", "second", "first", "second", "third", "own"]


async def test_the_first_prompt_of_an_agent_nobody_started_starts_it() -> None:
    agent, trace = traced(["Hi"])
    await agent.ask("Hello")
    assert trace.calls[:3] == ["init", "pre_run", "pre_turn"]
    await agent.close()
    assert trace.calls[-1] == "terminate closed"


async def test_a_failing_init_fails_the_start_and_closes_the_agent() -> None:
    agent, trace = traced([], init=BROKEN)
    with pytest.raises(AgentError, match="init failed: RuntimeError: broken hook"):
        await agent.start()
    with pytest.raises(AgentError, match="init failed"):
        agent.prompt("Hello")
    assert trace.calls == ["init", "terminate init failed"]
    await agent.close()


async def test_start_does_not_wait_for_pre_run_but_the_first_turn_does() -> None:
    gate, log = asyncio.Event(), list[str]()

    class Slow(Hooks):
        async def pre_run(self) -> None:
            await gate.wait()
            log.append("ready")

        async def pre_turn(self, content: tuple[Block, ...] | None) -> BeforeTurn:
            log.append("turn")
            return Proceed()

    agent = make_agent(["Hi"], hooks=[Slow()])
    await agent.start()
    run = agent.prompt("Hello")
    await asyncio.sleep(0)
    assert log == []
    gate.set()
    await run
    assert log == ["ready", "turn"]
    await agent.close()


async def test_a_failing_pre_run_closes_the_agent_and_fails_what_waits() -> None:
    trace = Trace(pre_run=BROKEN)
    agent = make_agent([], hooks=[trace], max_pending=1)
    first, second = agent.prompt("One"), agent.prompt("Two", when_busy="queue")
    with pytest.raises(AgentRunError, match="pre_run failed"):
        await first
    with pytest.raises(AgentRunError):
        await second
    with pytest.raises(AgentError, match="pre_run failed"):
        agent.prompt("Three")
    assert trace.calls == ["init", "pre_run", "terminate pre_run failed", "post_turn error"]
    await agent.close()


async def test_pre_turn_changes_the_prompt_and_each_hook_sees_what_the_one_before_made() -> None:
    class Add(Hooks):
        def __init__(self, word: str) -> None:
            self.word = word

        async def pre_turn(self, content: tuple[Block, ...] | None) -> BeforeTurn:
            assert content is not None
            assert isinstance(content[0], Text)
            return Proceed(f"{content[0].text} {self.word}")

    provider = ScriptedProvider(["Hi"])
    async with make_agent(provider, hooks=[Add("b"), Add("c")]) as agent:
        await agent.ask("a")
        assert agent.messages[0].text == "a b c"
    assert provider.requests[0].messages[0].text == "a b c"


@pytest.mark.parametrize("answer", [Skip(), BROKEN, None])
async def test_a_skipped_turn_asks_nothing_and_gives_the_prompt_back(answer: object) -> None:
    agent, trace = traced(["Hi"], pre_turn=[answer])
    run = agent.prompt("Hello")
    events = await all_events(run)
    assert labels(events) == ["status busy", "returned", "status idle", "turn(stop)"]
    returned, turn = payload_of(events[1]), payload_of(events[-1])
    assert isinstance(returned, PromptReturned)
    assert returned.content == (Text(text="Hello"),)
    assert isinstance(turn, TurnFinished)
    assert (turn.outcome, turn.response) == ("skipped", None)
    with pytest.raises(AgentRunError) as caught:
        await run
    assert caught.value.outcome == "skipped"
    assert agent.messages == ()
    assert trace.calls[-2:] == ["pre_turn", "post_turn skipped"]
    assert (await agent.ask("Again")).message.text == "Hi"
    await agent.close()


async def test_a_turn_halted_before_it_begins_freezes_the_agent() -> None:
    agent, trace = traced(["Hi"], pre_turn=[Halt()])
    events = await all_events(agent.prompt("Hello"))
    assert labels(events) == ["status busy", "returned", "status halted", "turn(stop)"]
    assert trace.calls[-2:] == ["post_turn halted", "post_run"]
    await agent.close()


async def test_a_failing_stream_hook_is_logged_and_the_answer_comes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    agent, _ = traced([[Say("Hello", chunk=2)]], handle_stream_event=[BROKEN] * 20)
    with caplog.at_level(logging.ERROR):
        assert (await agent.ask("Hi")).message.text == "Hello"
    assert "handle_stream_event failed" in caplog.text
    await agent.close()


@pytest.mark.parametrize(("answer", "outcome"), [(Stop(), "completed"), (Halt(), "halted")])
async def test_a_step_may_end_the_turn_before_its_tools_run(answer: object, outcome: str) -> None:
    recorder = Recorder()
    agent, _ = traced([[Call("look")], "never"], [recorder.tool()], handle_step=[answer])
    run = agent.prompt("Go")
    assert await run.wait() == outcome
    assert recorder.names == []
    assert_answered(agent.messages)
    await agent.close()


@pytest.mark.parametrize("hook", ["handle_step", "handle_turn"])
async def test_a_failing_decision_about_an_answer_fails_the_run(hook: str) -> None:
    agent, trace = traced(["Hi", "Well"], **{hook: [BROKEN]})
    run = agent.prompt("Go")
    events = await all_events(run)
    failed = payload_of(events[-1])
    assert isinstance(failed, RunFailed)
    assert f"{hook} failed: RuntimeError: broken hook" in str(failed.error)
    assert labels(events)[-2:] == ["status idle", "error"]
    assert trace.calls[-1] == "post_turn error"
    # A turn that was complete stays; one that was not is taken back.
    assert len(agent.messages) == (2 if hook == "handle_turn" else 0)
    assert (await agent.ask("Once more")).message.text == "Well"
    await agent.close()


@pytest.mark.parametrize("answer", [BROKEN, None, "yes"])
async def test_a_guard_that_fails_or_says_nothing_rejects(answer: object) -> None:
    recorder = Recorder()
    agent, _ = traced([[Call("look")], "Oh"], [recorder.tool()], handle_tool_use=[answer])
    await agent.ask("Go")
    assert recorder.names == []
    (result,) = agent.messages[2].tool_results
    assert result.is_error
    assert "the guard failed" in result.content
    await agent.close()


async def test_results_can_be_changed_in_order_and_answer_their_own_use_whatever_is_returned() -> (
    None
):
    class Redact(Hooks):
        async def handle_tool_result(self, result: ToolResult) -> ToolResult:
            seen.append(result.content)
            return ToolResult(tool_use_id="other", name="other", content="redacted")

    seen: list[str] = []
    recorder = Recorder()
    tools = [recorder.tool("a", answer="secret a"), recorder.tool("b", answer="secret b")]
    agent = make_agent(
        [[Call("a", id="1"), Call("b", id="2")], "Done"], tools=tools, hooks=[Redact()]
    )
    await agent.ask("Go")
    assert seen == ["secret a", "secret b"]
    results = agent.messages[2].tool_results
    assert [(r.tool_use_id, r.name, r.content) for r in results] == [
        ("1", "a", "redacted"),
        ("2", "b", "redacted"),
    ]
    await agent.close()


@pytest.mark.parametrize("answer", [BROKEN, None])
async def test_a_failing_result_hook_leaves_the_result(answer: object) -> None:
    recorder = Recorder()
    agent, _ = traced([[Call("look")], "Oh"], [recorder.tool()], handle_tool_result=[answer])
    await agent.ask("Go")
    assert agent.messages[2].tool_results[0].content == "look done"
    await agent.close()


async def test_a_continuation_is_a_turn_of_its_own() -> None:
    agent, trace = traced(["one", "two"], handle_turn=[Continue("more")])
    run = agent.prompt("Go")
    events = await all_events(run)
    turns = [e.payload for e in events if isinstance(e.payload, TurnFinished)]
    assert [turn.kind for turn in turns] == ["continue", "stop"]
    texts = [[m.text for m in turn.response.messages] for turn in turns if turn.response]
    assert texts == [["Go", "one"], ["more", "two"]]
    assert labels(events).count("status idle") == 1
    assert (await run).message.text == "two"
    assert run.step == 2
    assert trace.calls.count("post_turn completed") == 2
    await agent.close()


async def test_an_agent_that_continues_for_ever_runs_into_the_limit_of_steps() -> None:
    agent = make_agent(
        [str(n) for n in range(9)],
        hooks=[Trace(handle_turn=[Continue("on")] * 20)],
        max_steps=4,
    )
    run = agent.prompt("Go")
    assert await run.wait() == "max_steps"
    assert run.step == 4
    assert (await run).message.text == "3"
    await agent.close()


async def test_halt_calls_post_run_before_the_status_and_freezes_the_queue() -> None:
    trace = Trace(handle_turn=[Halt()])
    agent = make_agent(["one", "two"], hooks=[trace], max_pending=1)
    first, second = agent.prompt("One"), agent.prompt("Two", when_busy="queue")
    events = await all_events(first)
    assert labels(events)[-2:] == ["status halted", "turn(stop)"]
    assert trace.calls[-2:] == ["post_turn halted", "post_run"]
    assert (first.outcome, second.status, agent.status) == ("halted", "queued", "halted")
    agent.unhalt()
    assert (await second).message.text == "two"
    await agent.close()


async def test_an_error_may_be_retried_as_the_same_step() -> None:
    recorder = Recorder()
    provider = ScriptedProvider([[Call("look")], ["half", Fail(OverloadedError("no"))], "whole"])
    agent = make_agent(provider, tools=[recorder.tool()], hooks=[Trace(handle_error=[Retry(0.0)])])
    run = agent.prompt("Go")
    events = await all_events(run)
    assert (await run).message.text == "whole"
    assert recorder.names == ["look"]
    assert run.step == 2
    assert [e.payload.attempt for e in events if isinstance(e.payload, Retrying)] == [1]
    assert [m.text for m in added(events) if m.role == "assistant"][-1] == "whole"
    assert provider.requests[1].messages == provider.requests[2].messages
    await agent.close()


async def test_an_error_may_be_answered_with_another_prompt() -> None:
    failing = [Fail(RequestError("no"))]
    agent, trace = traced([failing, "fine"], handle_error=[Continue("try it this way")])
    run = agent.prompt("Go")
    events = await all_events(run)
    first = next(e.payload for e in events if isinstance(e.payload, TurnFinished))
    assert (first.kind, first.outcome, str(first.error)) == ("continue", "error", "no")
    assert (await run).message.text == "fine"
    assert "post_turn error" in trace.calls
    assert labels(events).count("error") == 0
    await agent.close()


async def test_an_error_may_halt_the_agent() -> None:
    agent, _ = traced([[Fail(RequestError("no"))]], handle_error=[Halt()])
    run = agent.prompt("Go")
    events = await all_events(run)
    assert labels(events)[-2:] == ["status halted", "turn(stop)"]
    assert str(payload_of(events[-1]).error) == "no"
    with pytest.raises(AgentRunError, match="no"):
        await run
    await agent.close()


@pytest.mark.parametrize("answer", [BROKEN, None, Stop()])
async def test_an_error_hook_that_fails_lets_the_error_stand(answer: object) -> None:
    agent, _ = traced([[Fail(RequestError("no room"))]], handle_error=[answer])
    run = agent.prompt("Go")
    assert await run.wait() == "error"
    assert str(run.error) == "no room"
    await agent.close()


async def test_a_cancel_is_no_error_and_post_turn_sees_it() -> None:
    agent, trace = traced([[Say("slow", delay=60)]])
    run = agent.prompt("Go")
    await asyncio.sleep(0)
    run.cancel()
    assert await run.wait() == "cancelled"
    assert "handle_error" not in trace.calls
    assert trace.calls[-1] == "post_turn cancelled"
    await agent.close()


@pytest.mark.parametrize("hook", ["post_turn completed", "post_run", "terminate closed"])
async def test_a_hook_that_only_looks_cannot_break_anything(
    hook: str, caplog: pytest.LogCaptureFixture
) -> None:
    agent, trace = traced(["Hi"], **{hook: BROKEN})
    with caplog.at_level(logging.ERROR):
        assert (await agent.ask("Go")).message.text == "Hi"
        agent.halt()
        while agent.status != "halted":
            await asyncio.sleep(0)
        await agent.close()
    assert f"{hook.split()[0]} failed" in caplog.text
    assert trace.calls[-1] == "terminate closed"


async def test_a_pause_of_a_hook_is_answered() -> None:
    recorder = Recorder()
    agent, _ = traced(
        [[Call("look")], "Done"], [recorder.tool()], handle_tool_use=[Pause("why"), Reject("no")]
    )
    run = agent.prompt("Go")
    async for event in run:
        if event.type == "pause":
            agent.resume(Execute())
    assert recorder.names == ["look"]
    await agent.close()
