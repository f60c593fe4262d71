"""What every provider offers: one request in, normalised stream events out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import msgspec

from omni_tui.core.messages import Message, ToolUse
from omni_tui.core.stream import StreamEvent
from omni_tui.core.tool import Tool

ThinkingLevel: TypeAlias = Literal["off", "low", "medium", "high", "xhigh", "max"]

MAX_NESTING = 100
MAX_ARGUMENT_CHARS = 1_048_576


class Options(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How to ask. `None` leaves the choice to the provider."""

    max_tokens: int | None = None
    temperature: float | None = None
    thinking: ThinkingLevel | None = None
    timeout: float = 300.0
    """Seconds for the whole request."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One step: everything a stateless model needs."""

    model: str
    """The provider's own name of the model."""
    messages: tuple[Message, ...]
    system: str | None = None
    tools: tuple[Tool, ...] = ()
    options: Options = Options()


@runtime_checkable
class Provider(Protocol):
    """An endpoint that answers requests."""

    name: str
    """The part of a model string before the first slash."""

    def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        """Answer `request`: block events, then one `Done` or `Failed`.

        Faults of the provider arrive as `Failed`, never as an exception. Closing the iterator (or
        cancelling the task that reads it) closes the connection at once.
        """
        ...

    def prepare(self) -> None:
        """Import what the first request needs. Blocking: call it in a thread, early."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class Model(msgspec.Struct, frozen=True):
    """A model bound to the provider that serves it; `str()` gives `provider/name`."""

    provider: Provider
    name: str

    def __str__(self) -> str:
        return f"{self.provider.name}/{self.name}"


def finish_tool_use(id: str, name: str, arguments: str, *, signature: str | None = None) -> ToolUse:
    """The tool use for accumulated argument text.

    Text that is not a JSON object, is nested deeper than 100 or longer than 1 MiB gives a use
    marked `invalid`, which no executor runs: the SDKs would pass broken arguments off as `{}`.
    """
    problem = None
    value: Any = {}
    if len(arguments) > MAX_ARGUMENT_CHARS:
        problem = arguments[:1000]
    elif arguments.strip():
        try:
            value = json.loads(arguments, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            problem = arguments
        else:
            if not isinstance(value, dict) or _depth(value) > MAX_NESTING:
                problem = arguments
    if problem is not None:
        return ToolUse(id=id, name=name, input={}, signature=signature, invalid=problem)
    return ToolUse(id=id, name=name, input=value, signature=signature)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _depth(value: Any) -> int:
    deepest, stack = 0, [(value, 1)]
    while stack:
        item, depth = stack.pop()
        deepest = max(deepest, depth)
        children = (
            item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        )
        stack.extend((child, depth + 1) for child in children if isinstance(child, dict | list))
    return deepest
