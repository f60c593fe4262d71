"""Histories: going on from any of them, and never leaving one that a provider would refuse."""

from __future__ import annotations

import pytest
from agent_helpers import (
    Guard,
    Recorder,
    all_events,
    assert_answered,
    labels,
    make_agent,
    payload_of,
    results_in,
    until_paused,
)

from omni_tui.agent.decisions import Decision, Execute, Pause, Reject
from omni_tui.agent.turn import MAX_GARBLED, MAX_TOOL_USES
from omni_tui.core.errors import AgentError, AgentRunError, BrokenStreamError
from omni_tui.core.messages import Message, Text, ToolResult, ToolUse
from omni_tui.core.tool import Tool
from omni_tui.llm.providers.scripted import Call, ScriptedProvider

ASKED = Message.user("Look")
CALLS = Message.assistant([ToolUse(id="a", name="look"), ToolUse(id="b", name="write")])


async def test_none_continues_from_a_user_message() -> None:
    provider = ScriptedProvider(["There."])
    agent = make_agent(provider, messages=[ASKED])
    run = agent.prompt(None)
    assert labels(await all_events(run))[:2] == ["status busy", "text_start"]
    assert run.prompt is None
    assert (await run).messages == agent.messages[1:]
    assert provider.requests[0].messages == (ASKED,)
    await agent.close()


async def test_none_continues_from_open_uses_and_asks_before_it_changes_anything() -> None:
    recorder = Recorder()
    guard = Guard()  # allows everything
    provider = ScriptedProvider(["Done."])
    agent = make_agent(
        provider,
        messages=[ASKED, CALLS],
        tools=[recorder.tool("look", read_only=True), recorder.tool("write")],
        hooks=[guard],
    )
    run = agent.prompt(None)
    pause = await until_paused(run)
    assert (pause.tool_use.id, pause.reason, pause.position) == ("b", "interrupted", 2)
    assert guard.asked == ["a", "b"]
    assert recorder.ran == []
    agent.resume(Execute())
    assert (await run).text == "Done."
    assert recorder.names == ["look", "write"]
    assert_answered(agent.messages)
    await agent.close()


@pytest.mark.parametrize("decision", [Reject("no"), Pause("mine")])
async def test_continuing_keeps_what_a_guard_decides(decision: Decision) -> None:
    recorder = Recorder()
    agent = make_agent(
        ["Done."],
        messages=[ASKED, Message.assistant(ToolUse(id="b", name="write"))],
        tools=[recorder.tool("write")],
        hooks=[Guard(lambda _: decision)],
    )
    run = agent.prompt(None)
    if isinstance(decision, Pause):
        assert (await until_paused(run)).reason == "mine"
        agent.resume(Reject("no"))
    await run
    assert results_in(agent.messages[2]) == {"b": "Tool rejected: no"}
    assert recorder.ran == []
    await agent.close()


async def test_there_must_be_something_to_continue() -> None:
    for history in ([], [ASKED, Message.assistant("done")]):
        agent = make_agent(["never"], messages=history)
        with pytest.raises(AgentError, match="nothing to continue"):
            agent.prompt(None)
        await agent.close()


async def test_a_new_prompt_repairs_open_uses() -> None:
    provider = ScriptedProvider(["Fine."])
    recorder = Recorder()
    agent = make_agent(
        provider, messages=[ASKED, CALLS], tools=[recorder.tool(), recorder.tool("write")]
    )
    run = agent.prompt("Never mind")
    assert labels(await all_events(run))[:3] == [
        "status busy",
        "message(user+results)",
        "message(user)",
    ]
    sent = provider.requests[0].messages
    assert_answered(sent)
    assert all(result.is_error for result in sent[2].tool_results)
    assert all("nterrupted" in content for content in results_in(sent[2]).values())
    assert sent[3].text == "Never mind"
    assert recorder.ran == []
    await agent.close()


async def test_a_prompt_may_bring_the_results_itself() -> None:
    provider = ScriptedProvider(["Thanks."])
    agent = make_agent(provider, messages=[ASKED, CALLS])
    await agent.prompt(
        [
            ToolResult(tool_use_id="a", name="look", content="seen"),
            ToolResult(tool_use_id="b", name="write", content="written"),
            Text(text="and go on"),
        ]
    )
    assert len(provider.requests[0].messages) == 3
    assert results_in(provider.requests[0].messages[2]) == {"a": "seen", "b": "written"}
    await agent.close()


async def test_results_a_prompt_does_not_bring_stand_beside_those_it_brings() -> None:
    provider = ScriptedProvider(["Thanks."])
    agent = make_agent(provider, messages=[ASKED, CALLS])
    await agent.prompt(ToolResult(tool_use_id="b", name="write", content="written"))
    sent = provider.requests[0].messages
    assert len(sent) == 3
    assert results_in(sent[2])["b"] == "written"
    assert "nterrupted" in results_in(sent[2])["a"]
    await agent.close()


async def test_a_tool_without_a_handler_ends_the_turn() -> None:
    recorder = Recorder()
    provider = ScriptedProvider([[Call("pick", id="p"), Call("look", id="l")], "Thanks."])
    agent = make_agent(provider, tools=[Tool(name="pick"), recorder.tool()])
    run = agent.prompt("Choose")
    response = await run
    assert run.outcome == "completed"
    assert response.stop_reason == "tool_use"
    assert [use.id for use in response.message.tool_uses] == ["p", "l"]
    assert recorder.ran == []
    assert agent.messages[-1] == response.message

    await agent.prompt(
        [
            ToolResult(tool_use_id="p", name="pick", content="this"),
            ToolResult(tool_use_id="l", name="look", content="that"),
        ]
    )
    assert_answered(provider.requests[1].messages)
    await agent.close()


async def test_the_step_limit_ends_the_run_with_every_use_answered() -> None:
    recorder = Recorder()
    provider = ScriptedProvider([[Call("look")], [Call("look")], "Rested."])
    agent = make_agent(provider, tools=[recorder.tool()], max_steps=2)
    run = agent.prompt("Go")
    response = await run
    assert run.outcome == "max_steps"
    assert recorder.names == ["look"]
    assert [use.name for use in response.message.tool_uses] == ["look"]
    assert_answered(agent.messages)
    assert "limit of 2 steps" in agent.messages[-1].tool_results[0].content
    assert agent.messages[-1].tool_results[0].data == {"decision": "limit"}

    assert (await agent.ask("Go on")).text == "Rested."
    assert_answered(provider.requests[2].messages)
    await agent.close()


async def test_after_the_step_limit_the_run_can_be_continued() -> None:
    agent = make_agent([[Call("look")], "Rested."], tools=[Recorder().tool()], max_steps=1)
    run = agent.prompt("Go")
    events = await all_events(run)
    assert payload_of(events[-1]).outcome == "max_steps"
    assert labels(events)[-3:] == ["message(user+results)", "status idle", "turn(stop)"]
    assert (await agent.prompt(None)).text == "Rested."
    await agent.close()


async def test_without_a_limit_a_run_takes_as_many_steps_as_it_needs() -> None:
    recorder = Recorder()
    agent = make_agent(
        [*([Call("look")] for _ in range(30)), "Done."], tools=[recorder.tool()], max_steps=None
    )
    run = agent.prompt("Go")
    await run
    assert (run.step, len(recorder.ran)) == (31, 30)
    await agent.close()


@pytest.mark.parametrize("steps", [0, -1])
def test_a_limit_below_one_is_refused(steps: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        make_agent([], max_steps=steps)


async def test_more_uses_than_a_person_can_judge_are_all_refused() -> None:
    recorder, guard = Recorder(), Guard()
    provider = ScriptedProvider([[Call("look")] * (MAX_TOOL_USES + 1), "Fewer, then."])
    agent = make_agent(provider, tools=[recorder.tool()], hooks=[guard])
    await agent.prompt("Go")
    assert recorder.ran == []
    assert guard.asked == []
    assert_answered(agent.messages)
    assert all(result.is_error for result in agent.messages[2].tool_results)
    await agent.close()


async def test_unreadable_arguments_several_times_in_a_row_end_the_run() -> None:
    recorder = Recorder()
    provider = ScriptedProvider([[Call("look", "{")] for _ in range(9)])
    agent = make_agent(provider, tools=[recorder.tool()], keep_partial=True)
    run = agent.prompt("Go")
    with pytest.raises(AgentRunError):
        await run
    assert isinstance(run.error, BrokenStreamError)
    assert len(provider.requests) == MAX_GARBLED
    assert recorder.ran == []
    assert_answered(agent.messages)
    await agent.close()


async def test_readable_arguments_in_between_start_the_count_again() -> None:
    recorder = Recorder()
    bad, good = [Call("look", "{")], [Call("look")]
    agent = make_agent([bad, bad, good, bad, bad, "Done."], tools=[recorder.tool()])
    assert (await agent.ask("Go")).text == "Done."
    assert recorder.names == ["look"]
    await agent.close()


async def test_a_second_turn_holds_only_its_own_messages_and_usage() -> None:
    agent = make_agent(["x" * 40, "y" * 80])
    first = await agent.ask("One")
    second = await agent.ask("Two")
    assert [message.text[:1] for message in second.messages] == ["T", "y"]
    assert (first.usage.output, second.usage.output) == (10, 20)
    assert agent.messages == (*first.messages, *second.messages)
    await agent.close()
