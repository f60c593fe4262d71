"""What the tests of the wire providers share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

from omni_tui.core.errors import OmniError
from omni_tui.core.messages import Block, Message
from omni_tui.core.stream import (
    Done,
    Failed,
    OpaqueEnd,
    StreamEvent,
    TextDelta,
    TextEnd,
    TextStart,
    ThinkingDelta,
    ThinkingEnd,
    ThinkingStart,
    ToolUseDelta,
    ToolUseEnd,
    ToolUseStart,
)
from omni_tui.llm.accumulator import Accumulator
from omni_tui.llm.providers.anthropic import AnthropicProvider, MessagesAssembly
from omni_tui.llm.providers.assembly import Assembly
from omni_tui.llm.providers.base import Options, Request
from omni_tui.llm.providers.openai_chat import ChatAssembly, ChatProvider
from omni_tui.llm.providers.openai_responses import ResponsesAssembly, ResponsesProvider
from omni_tui.llm.providers.quirks import Quirks
from omni_tui.llm.providers.wire import WireProvider

KEY = "test-key-4711-secret"


def make(dialect: str, url: str, *, name: str | None = None, **settings: Any) -> WireProvider:
    """A provider of `dialect` that talks to the loopback server."""
    settings = {"api_key": KEY, **settings}
    if dialect == "anthropic":
        return AnthropicProvider(name or "anthropic", base_url=url, **settings)
    if dialect == "responses":
        return ResponsesProvider(name or "openai", base_url=url + "/v1", **settings)
    settings.setdefault("quirks", Quirks())
    return ChatProvider(name or "groq", base_url=url + "/v1", **settings)


def assembly_for(dialect: str) -> Assembly:
    """What reads an answer of `dialect`."""
    if dialect == "anthropic":
        return MessagesAssembly()
    return ResponsesAssembly() if dialect == "responses" else ChatAssembly()


def ask(text: str = "Hello", model: str = "some-model", **options: Any) -> Request:
    return Request(model=model, messages=(Message.user(text),), options=Options(**options))


async def collect(provider: WireProvider, request: Request | None = None) -> list[StreamEvent]:
    """All events of one answer, checked against the rules every stream keeps."""
    events = [event async for event in provider.stream(request or ask())]
    check_rules(events)
    return events


def check_rules(events: Iterable[StreamEvent]) -> None:
    """One terminal event, last; every block opens and ends once and says what its deltas said."""
    seen = list(events)
    assert isinstance(seen[-1], Done | Failed)
    assert not any(isinstance(event, Done | Failed) for event in seen[:-1])
    open_blocks: dict[int, list[str]] = {}
    tools: set[int] = set()
    started: list[int] = []
    for event in seen[:-1]:
        match event:
            case TextStart() | ThinkingStart() | ToolUseStart():
                started.append(event.index)
                open_blocks[event.index] = []
                if isinstance(event, ToolUseStart):
                    tools.add(event.index)
            case TextDelta() | ThinkingDelta():
                open_blocks[event.index].append(event.text)
            case ToolUseDelta():
                assert event.index in open_blocks
            case TextEnd() | ThinkingEnd():
                assert event.block.text == "".join(open_blocks.pop(event.index))
            case ToolUseEnd():
                del open_blocks[event.index]
            case OpaqueEnd():
                started.append(event.index)
    assert started == list(range(len(started)))
    assert set(open_blocks) <= tools, "only a tool use may stay open"
    if isinstance(seen[-1], Done):
        assert not open_blocks or seen[-1].stop_reason == "length"


def blocks_of(events: Iterable[StreamEvent]) -> tuple[Block, ...]:
    accumulator = Accumulator()
    for event in events:
        accumulator.apply(event)
    return accumulator.blocks()


def done_of(events: list[StreamEvent]) -> Done:
    assert isinstance(events[-1], Done), events[-1]
    return events[-1]


def error_of(events: list[StreamEvent]) -> OmniError:
    assert isinstance(events[-1], Failed), events[-1]
    return events[-1].error


async def first(events: AsyncIterator[StreamEvent]) -> StreamEvent:
    return await anext(events)
