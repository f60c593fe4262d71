"""Helpers for the tests of programs that use this library: a model that follows a script.

They work with any test framework: what does not hold is an `AssertionError` that says what was
there instead.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import msgspec

from omni_tui.agent.agent import Agent
from omni_tui.agent.decisions import Answer
from omni_tui.agent.events import AgentEvent, Event, MessageAdded, Outcome, Paused
from omni_tui.agent.run import Run
from omni_tui.core.errors import OmniError
from omni_tui.core.messages import Content, Message, ToolUse
from omni_tui.core.stream import Response, StreamEvent
from omni_tui.llm.accumulator import Accumulator
from omni_tui.llm.providers.base import Request
from omni_tui.llm.providers.scripted import (
    Call,
    Fail,
    Piece,
    Raise,
    Reply,
    Say,
    ScriptedProvider,
    Stop,
    Think,
    Wait,
)

__all__ = [
    "Call",
    "Fail",
    "Piece",
    "Raise",
    "Ran",
    "Reply",
    "Say",
    "ScriptedProvider",
    "Stop",
    "Think",
    "Wait",
    "assert_tool_called",
    "last_text",
    "run_with_responses",
    "tool_uses",
]


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """What came of `run_with_responses`."""

    outcome: Outcome
    """Of the last run."""
    response: Response | None
    """Of the last run; `None` when it failed or was cancelled."""
    error: OmniError | None
    """What the last run failed with."""
    events: tuple[Event, ...]
    """All that was told, in order."""
    requests: tuple[Request, ...]
    """All that the model was asked."""

    @property
    def messages(self) -> tuple[Message, ...]:
        """The messages that were added, in order; a failed run may have taken its own back."""
        return tuple(_messages(self.events))

    @property
    def text(self) -> str:
        """The last words of the model; see `last_text`."""
        return last_text(self)


Told: TypeAlias = Ran | Response | Message | Iterable[Message | Event | AgentEvent | StreamEvent]
"""What assertions look into: a result, or the messages or events of one."""


async def run_with_responses(
    agent: Agent | Mapping[str, Any],
    responses: Iterable[Reply],
    *prompts: Content,
    answers: Iterable[Answer] = (),
) -> Ran:
    """Prompt an agent whose model, and every fallback of it, gives these responses.

    Args:
        agent: An agent, which gets its own models back afterwards and is left open, or the
            arguments to make one from (`model` may be left out).
        responses: One for each request that is made: a text, or a list of pieces.
        prompts: One for each run, in order.
        answers: What to say when a run pauses, in order.

    Raises `AssertionError` when there are too few or too many responses or answers. A run that
    fails raises nothing: see `Ran.outcome` and `Ran.error`.
    """
    if not prompts:
        raise TypeError("run_with_responses needs at least one prompt")
    script = ScriptedProvider(given := list(responses))
    said = list(answers)
    events: list[Event] = []
    async with _scripted(agent, script) as scripted:
        for prompt in prompts:
            run = scripted.prompt(prompt)
            await _follow(scripted, run, events, said)
    asked = len(script.requests)
    if asked > len(given):
        last = script.requests[-1].messages[-1]
        raise AssertionError(
            f"the model was asked {asked} times, for {_count(len(given), 'response')};"
            f" at last: {_shown(last)}"
        )
    if asked < len(given):
        raise AssertionError(
            f"the model was asked {asked} times, for {_count(len(given), 'response')};"
            f" not asked for: {given[asked]!r}"
        )
    if said:
        raise AssertionError(f"nothing was asked that this would answer: {said[0]!r}")
    return Ran(
        outcome=await run.wait(),
        response=run.response,
        error=run.error,
        events=tuple(events),
        requests=tuple(script.requests),
    )


def tool_uses(told: Told, name: str | None = None) -> list[ToolUse]:
    """What the model wanted to run, in order, whether it ran or not; of one tool with `name`."""
    uses = (use for message in _messages(told) for use in message.tool_uses)
    return [use for use in uses if name is None or use.name == name]


def assert_tool_called(told: Told, name: str, /, **input: Any) -> ToolUse:
    """The first use of the tool `name` whose arguments have these values; others may be there.

    Raises `AssertionError` with the uses there were when there is none such.
    """
    uses = tool_uses(told)
    for use in uses:
        if use.name == name and all(
            key in use.input and use.input[key] == value for key, value in input.items()
        ):
            return use
    wanted = f"{name} with {_arguments(input)}" if input else name
    there = "".join(f"\n  {each.name}({_arguments(each.input)})" for each in uses)
    raise AssertionError(
        f"the model did not use {wanted}; it used{':' + there if there else ' no tool'}"
    )


def last_text(told: Told) -> str:
    """The text of the model's last message.

    Raises `AssertionError` when it said nothing, or only used tools.
    """
    said = [message for message in _messages(told) if message.role == "assistant"]
    if not said:
        raise AssertionError("the model said nothing")
    if not said[-1].text:
        raise AssertionError(f"the model's last message has no text: {_shown(said[-1])}")
    return said[-1].text


@asynccontextmanager
async def _scripted(
    agent: Agent | Mapping[str, Any], script: ScriptedProvider
) -> AsyncIterator[Agent]:
    if not isinstance(agent, Agent):
        async with Agent(**{"model": "script", **agent}) as made, _scripted(made, script):
            yield made
        return
    settings = agent._engine.settings
    models = settings.model, settings.fallbacks
    settings.model = script.model(str(settings.model))
    settings.fallbacks = tuple(script.model(str(fallback)) for fallback in settings.fallbacks)
    try:
        yield agent
    finally:
        settings.model, settings.fallbacks = models


async def _follow(agent: Agent, run: Run, events: list[Event], answers: list[Answer]) -> None:
    try:
        async for event in run:
            events.append(event)
            if isinstance(event.payload, Paused):
                if not answers:
                    use = event.payload.tool_use
                    raise AssertionError(
                        f"the run paused ({event.payload.reason}) and no answer is left:"
                        f" {use.name}({_arguments(use.input)})"
                    )
                agent.resume(answers.pop(0))
    finally:
        run.cancel()
        await run.wait()


def _messages(told: Told) -> Iterator[Message]:
    """The messages in what was told; events of a stream alone make up one."""
    match told:
        case Ran():
            told = told.events
        case Response():
            told = told.messages or (told.message,)
        case Message():
            told = (told,)
    streamed: list[StreamEvent] = []
    is_whole = False
    for each in told:
        match each.payload if isinstance(each, Event) else each:
            case Message() as message:
                yield message
            case MessageAdded(message=message):
                is_whole = True
                yield message
            case event if isinstance(event, StreamEvent):
                streamed.append(event)
    if streamed and not is_whole:
        accumulator = Accumulator()
        for event in streamed:
            accumulator.apply(event)
        yield accumulator.message()


def _arguments(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in values.items())


def _shown(message: Message) -> str:
    """A message in a few words."""
    parts = [repr(message.text)] if message.text else []
    parts += [f"{use.name}({_arguments(use.input)})" for use in message.tool_uses]
    parts += [f"{result.name} said {result.content!r}" for result in message.tool_results]
    return ", ".join(parts) or "nothing"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
