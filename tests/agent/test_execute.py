"""Running the tools of a message: whatever a tool does, the run goes on and the model is told."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from agent_helpers import (
    Gate,
    Guard,
    Recorder,
    all_events,
    assert_answered,
    label,
    make_agent,
    payload_of,
    results_in,
    until,
)

from omni_tui.agent import execute
from omni_tui.agent.decisions import Execute
from omni_tui.core.errors import ToolError
from omni_tui.core.messages import Message, ToolResult, decode_message, encode_message
from omni_tui.core.tool import Tool, ToolContext, ToolReply, tool
from omni_tui.llm.providers.scripted import Call, ScriptedProvider


async def result_of(made: Tool, **arguments: Any) -> ToolResult:
    """What a model reads after it used this tool once; it must be possible to store it."""
    agent = make_agent([[Call(made.name, arguments)], "Fine."], tools=[made])
    assert (await agent.ask("Go")).text == "Fine."
    await agent.close()
    message = agent.messages[2]
    assert decode_message(encode_message(message)).role == "user"
    (result,) = message.tool_results
    return result


def returning(value: Any) -> Tool:
    async def handler(arguments: dict[str, Any], context: ToolContext) -> Any:
        return value

    return Tool(name="give", handler=handler)


def raising(error: BaseException) -> Tool:
    async def handler(arguments: dict[str, Any], context: ToolContext) -> Any:
        raise error

    return Tool(name="fail", handler=handler)


@pytest.mark.parametrize(
    ("value", "text", "facts"),
    [
        ("words", "words", {}),
        (ToolReply(text="words", data={"diff": "-a"}), "words", {"diff": "-a"}),
        (("words", {"n": 1}), "words", {"n": 1}),
        ({"n": [1, None]}, '{"n":[1,null]}', {}),
        (None, "null", {}),
        (3.5, "3.5", {}),
        ("\ud800 and \0", "\ud800 and \0", {}),
        (
            ("words", {"at": Path("/a"), 3: {4}, "b": b"x"}),
            "words",
            {"at": "/a", "3": [4], "b": "eA=="},
        ),
        (("words", {"o": object}), "words", {"o": str(object)}),
    ],
)
async def test_a_tool_may_return_text_facts_or_anything_json_holds(
    value: Any, text: str, facts: dict[str, Any]
) -> None:
    result = await result_of(returning(value))
    assert (result.content, result.is_error) == (text, False)
    assert result.data is not None
    assert isinstance(result.data["duration_ms"], int)
    assert {key: item for key, item in result.data.items() if key != "duration_ms"} == facts


async def test_a_tool_may_say_itself_that_it_failed() -> None:
    result = await result_of(returning(ToolReply(text="exit code: 1", is_error=True)))
    assert (result.content, result.is_error) == ("exit code: 1", True)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ToolError("There is no such city.", hint="for people"), "There is no such city."),
        (ValueError("odd"), "ValueError: odd"),
        (TimeoutError("the server was slow"), "TimeoutError: the server was slow"),
        (SystemExit(2), "SystemExit: 2"),
        (asyncio.CancelledError(), "The tool cancelled itself."),
        (RecursionError("deep"), "RecursionError: deep"),
    ],
)
async def test_what_a_tool_raises_the_model_reads(error: BaseException, told: str) -> None:
    result = await result_of(raising(error))
    assert (result.content, result.is_error) == (told, True)


async def test_a_result_that_no_json_holds_is_an_error_the_model_reads() -> None:
    result = await result_of(returning(object()))
    assert result.is_error
    assert "object" in result.content


async def test_a_synchronous_tool_that_exits_ends_nothing_but_itself() -> None:
    @tool
    def leave() -> str:
        sys.exit("bye")

    result = await result_of(leave)
    assert (result.content, result.is_error) == ("SystemExit: bye", True)


async def test_an_unknown_tool_is_an_error_and_nobody_is_asked() -> None:
    guard = Guard()
    provider = ScriptedProvider([[Call("nothing", {"a": 1})], "I see."])
    agent = make_agent(provider, tools=[Recorder().tool()], hooks=[guard])
    events = await all_events(agent.prompt("Go"))
    assert results_in(agent.messages[2]) == {"call_1": "Tool not found: nothing"}
    assert guard.asked == []
    assert not any(label(event).startswith("tool_started") for event in events)
    await agent.close()


@pytest.mark.parametrize("text", ['{"a": ', "[1]", "null", '"x"', '{"a": NaN}', "{" * 400])
async def test_unreadable_arguments_are_never_executed(text: str) -> None:
    recorder, guard = Recorder(), Guard()
    agent = make_agent([[Call("look", text)], "Again."], tools=[recorder.tool()], hooks=[guard])
    await agent.prompt("Go")
    (result,) = agent.messages[2].tool_results
    assert result.is_error
    assert "not a JSON object" in result.content
    assert text[:400] in result.content
    assert (recorder.ran, guard.asked) == ([], [])
    await agent.close()


async def test_arguments_that_do_not_fit_are_explained() -> None:
    @tool
    async def add(a: int) -> int:
        return a + 1

    result = await result_of(add, a="many")
    assert result.is_error
    assert "$.a" in result.content


async def test_tools_run_side_by_side_and_results_keep_the_order_of_the_uses() -> None:
    gates = [Gate(name, answer=name) for name in ("one", "two", "three")]
    agent = make_agent(
        [[Call(gate.tool.name) for gate in gates], "Done."], tools=[gate.tool for gate in gates]
    )
    run = agent.prompt("Go")
    for gate in gates:
        await gate.started.wait()  # all of them run before any has ended
    finished = []
    for gate in reversed(gates):
        gate.open.set()
        finished.append(payload_of(await until(run, "tool_finished")).result.content)
    await run
    assert finished == ["three", "two", "one"]
    assert list(results_in(agent.messages[2]).values()) == ["one", "two", "three"]
    await agent.close()


async def test_a_tool_that_takes_too_long_leaves_its_neighbours_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(execute, "GRACE", 0.0)
    slow, other = Gate("slow"), Gate("other")
    limits: list[str] = []

    def limit(name: str) -> float:
        limits.append(name)
        return 0.01 if name == "slow" else 60.0

    agent = make_agent(
        [[Call("slow"), Call("other")], "Done."], tools=[slow.tool, other.tool], tool_timeout=limit
    )
    run = agent.prompt("Go")
    event = payload_of(await until(run, "tool_finished"))
    assert (event.result.name, event.result.is_error) == ("slow", True)
    assert "timed out after 0.01 s" in event.result.content
    assert slow.was_cancelled
    assert not other.was_cancelled
    other.open.set()
    await run
    assert [result.content for result in agent.messages[2].tool_results][1] == "through"
    assert sorted(limits) == ["other", "slow"]
    await agent.close()


async def test_a_tools_own_limit_goes_before_the_agents() -> None:
    seen: list[float | None] = []

    async def handler(arguments: dict[str, Any], context: ToolContext) -> str:
        seen.append(context.timeout)
        return ""

    tools = [Tool(name="own", handler=handler, timeout=7.0), Tool(name="common", handler=handler)]
    agent = make_agent([[Call("own"), Call("common")], "Done."], tools=tools, tool_timeout=3.0)
    await agent.prompt("Go")
    assert seen == [7.0, 3.0]
    await agent.close()


async def test_a_tool_knows_where_and_for_whom_it_runs(tmp_path: Path) -> None:
    seen: list[ToolContext] = []

    async def handler(arguments: dict[str, Any], context: ToolContext) -> str:
        seen.append(context)
        return ""

    agent = make_agent(
        [[Call("note", id="x")], "Done."],
        tools=[Tool(name="note", handler=handler)],
        cwd=tmp_path,
        session_id="s1",
    )
    await agent.prompt("Go")
    (context,) = seen
    assert (context.cwd, context.session_id, context.tool_use_id) == (tmp_path, "s1", "x")
    assert context.allowed_paths == ()
    await agent.close()


async def test_one_use_may_reach_further_and_the_next_may_not(tmp_path: Path) -> None:
    seen: dict[str, tuple[Path, ...]] = {}

    async def handler(arguments: dict[str, Any], context: ToolContext) -> str:
        seen[context.tool_use_id] = context.allowed_paths
        return ""

    outside = tmp_path / "outside"
    inside = tmp_path / "inside"
    inside.mkdir()
    agent = make_agent(
        [[Call("note", id="a"), Call("note", id="b")], "Done."],
        tools=[Tool(name="note", handler=handler)],
        cwd=inside,
        hooks=[Guard(lambda use: Execute(allowed_paths=(outside,) if use.id == "a" else ()))],
    )
    await agent.prompt("Go")
    assert seen == {"a": (inside.resolve(), outside), "b": ()}
    await agent.close()


async def test_edited_arguments_are_used_told_and_kept() -> None:
    recorder = Recorder()
    agent = make_agent(
        [[Call("look", {"at": "this"})], "Done."],
        tools=[recorder.tool()],
        hooks=[Guard(lambda _: Execute(input={"at": "that"}, by="you"))],
    )
    await agent.prompt("Go")
    assert recorder.ran == [("look", {"at": "that"})]
    (result,) = agent.messages[2].tool_results
    assert result.content == '(The user changed the arguments to {"at":"that"})\nlook done'
    assert result.data is not None
    assert result.data["input"] == {"at": "that"}
    assert (result.data["decision"], result.data["by"]) == ("allowed", "you")
    await agent.close()


async def test_output_is_shown_while_a_tool_runs_and_not_sent_to_the_model() -> None:
    async def handler(arguments: dict[str, Any], context: ToolContext) -> str:
        context.emit("half")
        context.emit("way")
        return "result"

    provider = ScriptedProvider([[Call("talk", id="t")], "Done."])
    agent = make_agent(provider, tools=[Tool(name="talk", handler=handler)])
    events = await all_events(agent.prompt("Go"))
    output = [payload_of(event) for event in events if event.type == "tool_output"]
    assert [(each.tool_use_id, each.text) for each in output] == [("t", "half"), ("t", "way")]
    assert b"half" not in encode_message(provider.requests[1].messages[-1])
    await agent.close()


async def test_uses_that_share_an_id_keep_their_own_results() -> None:
    async def handler(arguments: dict[str, Any], context: ToolContext) -> str:
        return str(arguments["n"])

    agent = make_agent(
        [[Call("count", {"n": n}, id="same") for n in range(3)], "Done."],
        tools=[Tool(name="count", handler=handler)],
    )
    await agent.prompt("Go")
    assert [result.content for result in agent.messages[2].tool_results] == ["0", "1", "2"]
    assert_answered(agent.messages)
    await agent.close()


async def test_a_guard_that_breaks_lets_nothing_through(caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder()

    def broken(use: object) -> Execute:
        raise LookupError("no rules")

    agent = make_agent([[Call("look")], "Fine."], tools=[recorder.tool()], hooks=[Guard(broken)])
    assert (await agent.ask("Go")).text == "Fine."
    assert recorder.ran == []
    (result,) = agent.messages[2].tool_results
    assert result.is_error
    assert "guard failed: LookupError: no rules" in result.content
    assert result.data == {"decision": "rejected", "by": "a failed hook"}
    assert "a hook failed on look" in caplog.text
    await agent.close()


async def test_results_travel_as_one_user_message() -> None:
    recorder = Recorder()
    agent = make_agent([[Call("look"), Call("look")], "Done."], tools=[recorder.tool()])
    await agent.prompt("Go")
    message = agent.messages[2]
    assert isinstance(message, Message)
    assert message.role == "user"
    assert not message.is_prompt
    assert [msgspec.structs.asdict(result)["name"] for result in message.tool_results] == [
        "look",
        "look",
    ]
    await agent.close()
