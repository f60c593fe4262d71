"""What the agent tests share: tools that record, guards that decide, events as short names."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from omni_tui.agent.agent import Agent
from omni_tui.agent.decisions import Decision, Execute
from omni_tui.agent.events import Event, MessageAdded, Paused
from omni_tui.agent.hooks import Hooks
from omni_tui.agent.run import Run
from omni_tui.agent.subscription import Subscription
from omni_tui.core.messages import Message, ToolUse
from omni_tui.core.tool import Tool, ToolContext
from omni_tui.llm.providers.scripted import Reply, ScriptedProvider
from omni_tui.llm.retry import RetryPolicy


class Recorder:
    """Makes tools, and notes which ran with what."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, dict[str, Any]]] = []

    def tool(self, name: str = "look", *, answer: str | None = None, **facts: Any) -> Tool:
        """A tool that answers at once."""

        async def handler(arguments: dict[str, Any], context: ToolContext) -> str:
            self.ran.append((name, arguments))
            return answer if answer is not None else f"{name} done"

        return Tool(name=name, handler=handler, **facts)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.ran]


class Guard(Hooks):
    """Decides by a function, and notes what it was asked."""

    def __init__(self, decide: Callable[[ToolUse], Decision] = lambda _use: Execute()) -> None:
        self.decide = decide
        self.asked: list[str] = []

    async def handle_tool_use(self, tool_use: ToolUse) -> Decision:
        self.asked.append(tool_use.id)
        return self.decide(tool_use)


class Gate:
    """A tool that says it has started and then waits to be let through."""

    def __init__(self, name: str = "wait", answer: str = "through") -> None:
        self.started = asyncio.Event()
        self.open = asyncio.Event()
        self.was_cancelled = False
        self.tool = Tool(name=name, handler=self._run)
        self._answer = answer

    async def _run(self, arguments: dict[str, Any], context: ToolContext) -> str:
        self.started.set()
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        return self._answer


def make_agent(
    replies: Iterable[Reply] | ScriptedProvider, *, tools: Iterable[Tool] = (), **facts: Any
) -> Agent:
    """An agent of a script; retries wait for nothing."""
    provider = replies if isinstance(replies, ScriptedProvider) else ScriptedProvider(replies)
    facts.setdefault("retry", RetryPolicy(base=0.0))
    return Agent(model=provider.model(), tools=tools, **facts)


def label(event: Event) -> str:
    """An event's name with what tells it from its like: `status busy`, `message(user)`."""
    payload = payload_of(event)
    match event.type:
        case "status":
            return f"status {payload.status}"
        case "message":
            results = "+results" if payload.message.tool_results else ""
            uses = "+uses" if payload.message.tool_uses else ""
            return f"message({payload.message.role}{uses}{results})"
        case "turn":
            return f"turn({payload.kind})"
        case "tool_started":
            return f"tool_started({payload.tool_use.id})"
        case "tool_finished":
            return f"tool_finished({payload.result.tool_use_id})"
        case "pause":
            return f"pause({payload.tool_use.id})"
        case "tree":
            return f"tree({list(payload.new)})"
        case kind:
            return kind


def labels(events: Iterable[Event]) -> list[str]:
    """The names in order; neighbouring deltas count once."""
    out: list[str] = []
    for event in events:
        name = label(event)
        if not (name.endswith("_delta") and out and out[-1] == name):
            out.append(name)
    return out


async def all_events(run: Run) -> list[Event]:
    """Every event of a run, once it is over."""
    return [event async for event in run]


async def until(listener: Run | Subscription, kind: str) -> Event:
    """Read events up to the first of this kind."""
    async for event in listener:
        if event.type == kind:
            return event
    raise AssertionError(f"the events ended without {kind!r}")


async def until_paused(listener: Run | Subscription) -> Paused:
    """Read events up to the next question."""
    payload = (await until(listener, "pause")).payload
    assert isinstance(payload, Paused)
    return payload


def payload_of(event: Event) -> Any:
    """What an event carries, whose kind the test knows."""
    return event.payload


def added(events: Iterable[Event]) -> list[Message]:
    """The messages a run added, as its events told."""
    return [event.payload.message for event in events if isinstance(event.payload, MessageAdded)]


def results_in(message: Message) -> dict[str, str]:
    """What each tool use of a results message got."""
    return {result.tool_use_id: result.content for result in message.tool_results}


def assert_answered(messages: Iterable[Message]) -> None:
    """Every tool use has exactly one result, in the next message and in order."""
    waiting: list[str] = []
    for message in messages:
        assert [result.tool_use_id for result in message.tool_results] == waiting
        waiting = [use.id for use in message.tool_uses]
    assert waiting == []


def other_tasks() -> set[asyncio.Task[Any]]:
    """Every task but the test's own."""
    return asyncio.all_tasks() - {asyncio.current_task()}
