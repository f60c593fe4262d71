"""The events of a run, in the order that every face may rely on."""

from __future__ import annotations

import pytest
from agent_helpers import (
    Guard,
    Recorder,
    added,
    all_events,
    label,
    labels,
    make_agent,
    payload_of,
    results_in,
    until_paused,
)

from omni_tui.agent.decisions import Answer, Decision, Execute, Pause, Provide, Reject
from omni_tui.agent.events import Retrying, RunFailed, TurnFinished
from omni_tui.core.errors import (
    AgentRunError,
    AuthError,
    BrokenStreamError,
    OverloadedError,
    UnknownModelError,
)
from omni_tui.core.messages import Text, ToolUse
from omni_tui.core.stream import TextDelta
from omni_tui.core.usage import Usage
from omni_tui.llm.providers.scripted import Call, Fail, Raise, Say, ScriptedProvider, Think

TEXT = ["text_start", "text_delta", "text_end"]
STEP_WITH_ONE_TOOL = [
    "tool_use_start",
    "tool_use_delta",
    "tool_use_end",
    "message(assistant+uses)",
    "step",
]


async def test_a_plain_prompt() -> None:
    agent = make_agent([[Say("Hello there", chunk=4)]])
    events = await all_events(agent.prompt("Hi"))
    assert labels(events) == [
        "status busy",
        "message(user)",
        *TEXT,
        "message(assistant)",
        "step",
        "status idle",
        "turn(stop)",
    ]
    await agent.close()


async def test_thinking_comes_as_a_block_of_its_own() -> None:
    agent = make_agent([[Think("Hm."), "Hello"]])
    events = await all_events(agent.prompt("Hi"))
    assert labels(events)[2:-4] == ["thinking_start", "thinking_delta", "thinking_end", *TEXT]
    await agent.close()


async def test_the_envelope_counts_events_and_names_run_and_step() -> None:
    recorder = Recorder()
    agent = make_agent([[Call("look")], "done"], tools=[recorder.tool()], session_id="s1")
    first = agent.prompt("Hi")
    events = await all_events(first)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert {event.run_id for event in events} == {first.id}
    assert {event.session_id for event in events} == {"s1"}
    steps = {label(event): event.step for event in events}
    assert (steps["message(user)"], steps["tool_started(call_1)"], steps["turn(stop)"]) == (0, 1, 2)
    assert [event.ts for event in events] == sorted(event.ts for event in events)
    await agent.close()


async def test_one_tool_that_runs_at_once() -> None:
    recorder = Recorder()
    provider = ScriptedProvider([[Call("look", {"at": "it"})], "It is there."])
    agent = make_agent(provider, tools=[recorder.tool()])
    run = agent.prompt("Look")
    events = await all_events(run)
    assert labels(events) == [
        "status busy",
        "message(user)",
        *STEP_WITH_ONE_TOOL,
        "tool_started(call_1)",
        "tool_finished(call_1)",
        "message(user+results)",
        *TEXT,
        "message(assistant)",
        "step",
        "status idle",
        "turn(stop)",
    ]
    assert recorder.ran == [("look", {"at": "it"})]
    response = await run
    assert response.text == "It is there."
    assert response.messages == tuple(added(events)) == agent.messages
    assert [message.role for message in provider.requests[1].messages] == [
        "user",
        "assistant",
        "user",
    ]
    await agent.close()


async def test_the_usage_of_a_turn_is_the_sum_of_its_steps() -> None:
    agent = make_agent([["I look.", Call("look")], "x" * 80], tools=[Recorder().tool()])
    events = await all_events(agent.prompt("Look"))
    steps = [payload_of(event).response.usage for event in events if event.type == "step"]
    turn = events[-1].payload
    assert isinstance(turn, TurnFinished)
    assert turn.response is not None
    assert len(steps) == 2
    assert turn.response.usage == sum(steps, Usage())
    assert turn.response.usage.output == steps[0].output + 20
    await agent.close()


async def test_two_tools_of_which_the_second_is_asked_about() -> None:
    recorder = Recorder()
    guard = Guard(lambda use: Pause("ask", {"why": "writes"}) if use.id == "b" else Execute())
    agent = make_agent(
        [[Call("look", id="a"), Call("write", id="b")], "done"],
        tools=[recorder.tool(), recorder.tool("write")],
        hooks=[guard],
    )
    run = agent.prompt("Do it")
    before = []
    async for event in run:
        before.append(event)
        if event.type == "pause":
            break
    assert labels(before)[-2:] == ["status paused", "pause(b)"]
    assert labels(before)[-4:-2] == ["message(assistant+uses)", "step"]
    pause = payload_of(before[-1])
    assert (pause.reason, pause.details) == ("ask", {"why": "writes"})
    assert (pause.position, pause.total) == (2, 2)
    assert guard.asked == ["a", "b"]
    assert recorder.ran == []
    assert agent.status == "paused"
    assert agent.paused is pause

    agent.resume(Execute())
    after = await all_events(run)
    assert labels(after)[:2] == ["status busy", "resume"]
    assert set(labels(after)[2:6]) == {
        "tool_started(a)",
        "tool_started(b)",
        "tool_finished(a)",
        "tool_finished(b)",
    }
    assert labels(after)[6] == "message(user+results)"
    (_, results, _) = agent.messages[1:]
    assert results_in(results) == {"a": "look done", "b": "write done"}
    assert list(results_in(results)) == ["a", "b"]
    assert agent.paused is None
    await agent.close()


async def test_a_rejected_tool_does_not_run_and_the_model_may_answer() -> None:
    recorder = Recorder()
    provider = ScriptedProvider([[Call("look")], "Then not."])
    agent = make_agent(
        provider, tools=[recorder.tool()], hooks=[Guard(lambda _: Reject("too nosy", by="rule"))]
    )
    run = agent.prompt("Look")
    events = await all_events(run)
    assert (await run).text == "Then not."
    assert recorder.ran == []
    assert not any(label(event).startswith("tool_started") for event in events)
    (result,) = provider.requests[1].messages[-1].tool_results
    assert result.is_error
    assert "too nosy" in result.content
    assert result.data == {"decision": "rejected", "by": "rule"}
    await agent.close()


@pytest.mark.parametrize("decision", [Reject(), Provide("by hand"), Provide("no", is_error=True)])
async def test_when_nothing_is_executed_no_tool_event_is_told(decision: Decision) -> None:
    recorder = Recorder()
    provider = ScriptedProvider([[Call("look"), Call("look")], "Well."])
    agent = make_agent(provider, tools=[recorder.tool()], hooks=[Guard(lambda _: decision)])
    events = await all_events(agent.prompt("Look"))
    assert recorder.ran == []
    assert not [
        event for event in events if event.type.startswith("tool_") and "_use" not in event.type
    ]
    results = provider.requests[1].messages[-1].tool_results
    assert len(results) == 2
    if isinstance(decision, Provide):
        assert {result.content for result in results} == {decision.result}
        assert {result.is_error for result in results} == {decision.is_error}
        assert results[0].data == {"decision": "provided"}
    await agent.close()


async def test_a_mix_of_decisions_keeps_the_order_of_the_uses() -> None:
    recorder = Recorder()
    decisions: dict[str, Decision] = {"a": Reject("no"), "b": Execute(), "c": Provide("given")}
    agent = make_agent(
        [[Call("look", id=id) for id in "abcd"], "done"],
        tools=[recorder.tool()],
        hooks=[Guard(lambda use: decisions.get(use.id, Execute()))],
    )
    await agent.prompt("Go")
    assert results_in(agent.messages[2]) == {
        "a": "Tool rejected: no",
        "b": "look done",
        "c": "given",
        "d": "look done",
    }
    assert list(results_in(agent.messages[2])) == ["a", "b", "c", "d"]
    await agent.close()


async def test_several_questions_come_one_after_the_other() -> None:
    recorder = Recorder()
    agent = make_agent(
        [[Call("look", id="a"), Call("look", id="b"), Call("look", id="c")], "done"],
        tools=[recorder.tool()],
        hooks=[Guard(lambda _: Pause())],
    )
    run = agent.prompt("Go")
    answers: list[Answer] = [Execute(), Reject("no"), Provide("given")]
    for position, answer in enumerate(answers, 1):
        pause = await until_paused(run)
        assert (pause.position, pause.total) == (position, 3)
        assert recorder.ran == []
        agent.resume(answer)
    await run
    assert results_in(agent.messages[2]) == {
        "a": "look done",
        "b": "Tool rejected: no",
        "c": "given",
    }
    await agent.close()


async def test_a_fault_after_the_first_word_ends_the_run() -> None:
    agent = make_agent([["I begin ", Fail(OverloadedError("busy"))], "never"])
    run = agent.prompt("Hi")
    events = await all_events(run)
    assert labels(events) == ["status busy", "message(user)", *TEXT, "status idle", "error"]
    failed = events[-1].payload
    assert isinstance(failed, RunFailed)
    assert isinstance(failed.error, OverloadedError)
    assert failed.prompt == (Text(text="Hi"),)
    with pytest.raises(AgentRunError, match="busy") as caught:
        await run
    assert caught.value.outcome == run.outcome == "error"
    assert caught.value.__cause__ is failed.error
    assert agent.messages == ()
    await agent.close()


async def test_with_keep_partial_a_failed_run_keeps_prompt_and_words() -> None:
    agent = make_agent([["I begin ", Fail(OverloadedError("busy"))], "whole"], keep_partial=True)
    events = await all_events(agent.prompt("Hi"))
    assert labels(events)[-3:] == ["message(assistant)", "status idle", "error"]
    assert [message.text for message in agent.messages] == ["Hi", "I begin "]
    assert (await agent.ask("Again")).text == "whole"
    await agent.close()


async def test_a_fault_before_the_first_word_is_told_and_asked_again() -> None:
    overloaded = OverloadedError("busy")
    agent = make_agent([[Fail(overloaded)], [Fail(overloaded)], "There."])
    run = agent.prompt("Hi")
    events = await all_events(run)
    retries = [event.payload for event in events if isinstance(event.payload, Retrying)]
    assert [(retry.attempt, retry.error) for retry in retries] == [(1, overloaded), (2, overloaded)]
    assert (await run).text == "There."
    assert labels(events).count("message(assistant)") == 1
    await agent.close()


async def test_a_model_that_fails_for_good_gives_way_to_the_next_for_this_step() -> None:
    down = OverloadedError("down", status=503)
    first = ScriptedProvider([[Fail(down)]] * 4 + ["I am back."], name="first")
    second = ScriptedProvider(["Here."], name="second")
    agent = make_agent(first, fallbacks=[second.model("spare")])
    run = agent.prompt("Hi")
    events = await all_events(run)
    retries = [event.payload for event in events if isinstance(event.payload, Retrying)]
    assert [retry.fallback for retry in retries] == [None, None, None, "second/spare"]
    assert (retries[-1].attempt, retries[-1].delay, retries[-1].error) == (4, 0.0, down)
    assert {retry.model for retry in retries} == {"first/script"}
    response = await run
    assert (response.text, response.model) == ("Here.", "second/spare")
    assert (await agent.ask("Again")).model == "first/script"
    await agent.close()


async def test_cancelling_ends_a_wait_for_the_next_try() -> None:
    agent = make_agent([[Fail(OverloadedError("busy", retry_after=59.0))], "never"])
    run = agent.prompt("Hi")
    async for event in run:
        if isinstance(event.payload, Retrying):
            assert agent.cancel()
    with pytest.raises(AgentRunError) as caught:
        await run
    assert caught.value.outcome == "cancelled"
    await agent.close()


async def test_an_error_that_no_retry_mends_is_not_retried() -> None:
    provider = ScriptedProvider([[Fail(AuthError("refused"))], "never"])
    agent = make_agent(provider)
    with pytest.raises(AgentRunError):
        await agent.ask("Hi")
    assert len(provider.requests) == 1
    await agent.close()


async def test_a_provider_that_raises_fails_the_run_with_a_typed_error() -> None:
    agent = make_agent([[Raise(KeyError("choices"))]])
    run = agent.prompt("Hi")
    with pytest.raises(AgentRunError):
        await run
    assert isinstance(run.error, BrokenStreamError)
    assert agent.status == "idle"
    await agent.close()


async def test_an_unknown_model_fails_the_run_and_not_the_constructor() -> None:
    from omni_tui.agent.agent import Agent

    async with Agent(model="nobody/knows") as agent:
        run = agent.prompt("Hi")
        with pytest.raises(AgentRunError, match="nobody"):
            await run
        assert isinstance(run.error, UnknownModelError)
        assert agent.messages == ()


async def test_the_text_of_the_response_is_the_deltas_joined() -> None:
    agent = make_agent([[Say("Grüße an 世界 👩‍🚀", chunk=1)]])
    run = agent.prompt("Hi")
    words = [e.payload.text async for e in run if isinstance(e.payload, TextDelta)]
    assert "".join(words) == (await run).text == "Grüße an 世界 👩‍🚀"
    await agent.close()


async def test_an_empty_reply_is_a_finished_turn() -> None:
    agent = make_agent([[], "more"])
    run = agent.prompt("Hi")
    assert labels(await all_events(run))[-4:] == [
        "message(assistant)",
        "step",
        "status idle",
        "turn(stop)",
    ]
    assert (await run).text == ""
    assert (await agent.ask("And?")).text == "more"
    await agent.close()


async def test_decisions_are_asked_for_uses_in_order_before_anything_runs() -> None:
    recorder = Recorder()
    ran_when_asked: list[int] = []

    def note(use: ToolUse) -> Decision:
        ran_when_asked.append(len(recorder.ran))
        return Execute()

    agent = make_agent(
        [[Call("look", id="a"), Call("look", id="b")], "done"],
        tools=[recorder.tool()],
        hooks=[guard := Guard(note)],
    )
    await agent.prompt("Go")
    assert guard.asked == ["a", "b"]
    assert ran_when_asked == [0, 0]
    await agent.close()
