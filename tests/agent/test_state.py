"""What an agent says of itself, how it is changed, and what watches its time."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import msgspec
import pytest
from agent_helpers import (
    Gate,
    Recorder,
    all_events,
    assert_answered,
    labels,
    make_agent,
    until,
    until_paused,
)

from omni_tui.agent.decisions import AfterError, Decision, Execute, Pause, Retry, Stop
from omni_tui.agent.events import RunFailed, StateChanged
from omni_tui.agent.hooks import Hooks
from omni_tui.core.errors import BusyError, OmniError, TurnTimeoutError, UnknownModelError
from omni_tui.core.messages import Text, ToolUse
from omni_tui.core.stream import TextDelta
from omni_tui.core.tool import Tool, ToolContext
from omni_tui.core.usage import Usage
from omni_tui.llm.providers.base import Options
from omni_tui.llm.providers.scripted import Call, Say, ScriptedProvider, Wait


class Ask(Hooks):
    async def handle_tool_use(self, tool_use: ToolUse) -> Decision:
        return Pause()


async def test_whoever_comes_late_can_rebuild_the_text() -> None:
    agent = make_agent(["first", [Say("Hello world", chunk=1, delay=0.01)]])
    await agent.ask("a")
    run = agent.prompt("b")
    heard = 0
    async for event in run:
        heard += isinstance(event.payload, TextDelta)
        if heard == 3:
            break
    snapshot, events = agent.subscribe()
    assert [m.text for m in snapshot.messages] == ["a", "first"]
    assert [m.text for m in snapshot.pending] == ["b"]
    assert snapshot.partial is not None
    assert snapshot.partial.text.startswith("Hel")
    await run
    await agent.close()
    rest = [e.payload.text for e in [e async for e in events] if isinstance(e.payload, TextDelta)]
    assert snapshot.partial.text + "".join(rest) == "Hello world" == agent.messages[-1].text


async def test_an_update_is_for_the_next_run_and_says_what_changed() -> None:
    first, second = ScriptedProvider(["1"]), ScriptedProvider(["2"])
    recorder = Recorder()
    async with make_agent(first) as agent:
        await agent.ask("a")
        _, events = agent.subscribe()
        agent.update(
            model=second.model(),
            system="Be brief.",
            tools=[recorder.tool()],
            options=lambda old: msgspec.structs.replace(old, max_tokens=7),
        )
        assert (await agent.ask("b")).message.text == "2"
    (request,) = second.requests
    assert request.system == "Be brief."
    assert [tool.name for tool in request.tools] == ["look"]
    assert request.options.max_tokens == 7
    assert [m.text for m in request.messages] == ["a", "1", "b"]
    changes = [e.payload for e in [e async for e in events] if isinstance(e.payload, StateChanged)]
    assert changes == [StateChanged(fields=("model", "system", "tools", "options"))]


async def test_an_update_changes_all_or_nothing() -> None:
    async with make_agent(["1"], system="old") as agent:
        before = agent.model
        with pytest.raises(UnknownModelError):
            agent.update(system="new", model="nobody/nothing")
        assert (agent.system, agent.model) == ("old", before)
        agent.update(system=None)
        assert agent.system is None


@pytest.mark.parametrize("paused", [False, True])
async def test_a_busy_agent_is_neither_updated_nor_reset(paused: bool) -> None:
    recorder = Recorder()
    gate = asyncio.Event()
    reply: Any = [Call("look")] if paused else [Wait(until=gate), "1"]
    agent = make_agent([reply, "2"], tools=[recorder.tool()], hooks=[Ask()])
    run = agent.prompt("a")
    await (until_paused(run) if paused else until(run, "status"))
    for change in (partial(agent.update, system="x"), agent.reset):
        with pytest.raises(BusyError) as caught:
            change()
        assert caught.value.details["status"] == ("paused" if paused else "busy")
    await agent.close()


async def test_a_reset_forgets_the_conversation_and_keeps_the_rest() -> None:
    provider = ScriptedProvider(["1", "2"])
    async with make_agent(provider, system="Be brief.") as agent:
        await agent.ask("a")
        used = agent.usage
        agent.reset()
        assert agent.messages == ()
        assert agent.usage == used != Usage()
        await agent.ask("b")
    assert [m.text for m in provider.requests[1].messages] == ["b"]
    assert provider.requests[1].system == "Be brief."


async def test_a_halted_agent_can_be_reset_which_cancels_what_waits() -> None:
    agent = make_agent(["1"], max_pending=1)
    agent.halt()
    queued = agent.prompt("a", when_busy="queue")
    agent.reset()
    assert queued.outcome == "cancelled"
    assert agent.health().pending_count == 0
    await agent.close()


async def test_health_and_export_show_what_is_committed() -> None:
    gate = asyncio.Event()
    agent = make_agent(["1", [Wait(until=gate), "2"]], max_pending=3, session_id="s")
    await agent.ask("a")
    run = agent.prompt("b")
    agent.tell("c")
    await until(run, "message")
    health, export = agent.health(), agent.export()
    assert (health.status, health.busy, health.turns) == ("busy", True, 1)
    assert (health.message_count, health.pending_count, health.max_pending) == (2, 1, 3)
    assert health.uptime >= 0
    assert [m.text for m in export.messages] == ["a", "1"]
    assert export.id == "s"
    assert export.metadata == {"status": "busy", "turns": 1, "model": str(agent.model)}
    assert export.usage == health.usage
    assert msgspec.json.decode(msgspec.json.encode(export), type=type(export)) == export
    await agent.close()


async def test_a_turn_that_takes_too_long_fails_and_leaves_nothing_open() -> None:
    gate = Gate()
    agent = make_agent(
        [[Call("wait")], "never"], tools=[gate.tool], turn_timeout=0.05, keep_partial=True
    )
    run = agent.prompt("a")
    events = await all_events(run)
    failed = events[-1].payload
    assert isinstance(failed, RunFailed)
    assert isinstance(failed.error, TurnTimeoutError)
    assert gate.was_cancelled
    assert_answered(agent.messages)
    await agent.close()


async def test_a_hook_may_let_a_turn_that_took_too_long_go_on() -> None:
    class Patient(Hooks):
        async def handle_error(self, error: OmniError) -> AfterError:
            seen.append(error)
            return Retry() if len(seen) == 1 else Stop()

    seen: list[OmniError] = []
    gate = Gate()
    agent = make_agent(
        [[Call("wait")], "went on"], tools=[gate.tool], hooks=[Patient()], turn_timeout=0.05
    )
    assert (await agent.ask("a")).message.text == "went on"
    assert [type(error) for error in seen] == [TurnTimeoutError]
    assert_answered(agent.messages)
    await agent.close()


async def test_the_time_a_person_takes_does_not_count() -> None:
    recorder = Recorder()
    agent = make_agent(
        [[Call("look")], "done"], tools=[recorder.tool()], hooks=[Ask()], turn_timeout=0.3
    )
    run = agent.prompt("a")
    await until_paused(run)
    await asyncio.sleep(0.5)
    agent.resume(Execute())
    assert (await run).message.text == "done"
    await agent.close()


async def test_a_slow_tool_never_takes_its_neighbours_along() -> None:
    async def handler(arguments: dict[str, Any], context: ToolContext) -> str:
        await asyncio.sleep(60)
        return "never"

    recorder = Recorder()
    slow = Tool(name="slow", handler=handler, timeout=-4.95)
    agent = make_agent(
        [[Call("slow", id="1"), Call("look", id="2")], "done"], tools=[slow, recorder.tool()]
    )
    await agent.ask("a")
    first, second = agent.messages[2].tool_results
    assert "timed out" in first.content
    assert (second.content, second.is_error) == ("look done", False)
    await agent.close()


async def test_turns_are_limited_one_by_one() -> None:
    from omni_tui.agent.decisions import AfterTurn, Continue
    from omni_tui.core.stream import Response

    class On(Hooks):
        async def handle_turn(self, response: Response) -> AfterTurn:
            return Stop() if response.message.text == "3" else Continue("more")

    pieces = [[Say(str(n), delay=0.2)] for n in (1, 2, 3)]
    agent = make_agent(pieces, hooks=[On()], turn_timeout=0.5)
    run = agent.prompt("a")
    assert (await run).message.content == (Text(text="3"),)
    assert "error" not in labels(await all_events(run))
    assert Options() == agent.options
    await agent.close()
