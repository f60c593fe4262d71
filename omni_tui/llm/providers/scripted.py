"""A model that follows a script: for tests, examples and offline use, without a network.

A script is a list of replies, one for each request. A reply is a string, or a list of pieces:
`Say`, `Think`, `Call`, `Wait`, `Fail`, `Raise`, `Stop`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import Any, TypeAlias

import msgspec

from omni_tui.core.errors import OmniError, RequestError
from omni_tui.core.messages import Message, Text, Thinking
from omni_tui.core.stream import (
    Done,
    Failed,
    StopReason,
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
from omni_tui.core.usage import Usage
from omni_tui.llm.providers.base import Model, Request, finish_tool_use


class Say(msgspec.Struct, frozen=True):
    """Stream text, `chunk` characters at a time, `delay` seconds before each."""

    text: str
    chunk: int = 16
    delay: float = 0.0


class Think(msgspec.Struct, frozen=True):
    """Think aloud, like `Say`."""

    text: str
    chunk: int = 16
    delay: float = 0.0


class Call(msgspec.Struct, frozen=True):
    """Use a tool; the arguments stream like `Say`.

    A string as `input` is sent as it is, JSON or not.
    """

    name: str
    input: dict[str, Any] | str = {}
    id: str | None = None
    chunk: int = 64
    delay: float = 0.0


class Wait(msgspec.Struct, frozen=True):
    """Say nothing for `seconds`, or until the event is set."""

    seconds: float = 0.0
    until: asyncio.Event | None = None


class Fail(msgspec.Struct, frozen=True):
    """End the step with `Failed`."""

    error: OmniError


class Raise(msgspec.Struct, frozen=True):
    """Raise from inside the stream, as a broken provider would."""

    exception: BaseException


class Stop(msgspec.Struct, frozen=True):
    """End the step with this stop reason instead of the natural one."""

    reason: StopReason


Piece: TypeAlias = Say | Think | Call | Wait | Fail | Raise | Stop
Reply: TypeAlias = str | Sequence[Piece | str]


class ScriptedProvider:
    """Plays replies in order and records what it was asked.

    Args:
        replies: One reply a request, or a function from the request to its reply.
        name: The provider part of the model string.

    A request past the end of the script ends in `Failed(RequestError)`.
    """

    def __init__(
        self, replies: Iterable[Reply] | Callable[[Request], Reply], *, name: str = "scripted"
    ) -> None:
        self.name = name
        self.requests: list[Request] = []
        """Every request received, in order."""
        self._respond = replies if callable(replies) else None
        self._replies = iter(()) if callable(replies) else iter(replies)
        self._calls = 0

    def model(self, name: str = "script") -> Model:
        """This provider as a model, ready for `Agent(model=…)`."""
        return Model(self, name)

    def prepare(self) -> None:
        """Nothing to import."""

    async def close(self) -> None:
        """Nothing to release."""

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        """Play the next reply."""
        self.requests.append(request)
        reply = self._respond(request) if self._respond else next(self._replies, None)
        if reply is None:
            yield Failed(
                error=RequestError(f"The script has no reply number {len(self.requests)}.")
            )
            return
        stop: StopReason | None = None
        written = index = 0
        for piece in [reply] if isinstance(reply, str) else reply:
            match piece:
                case Stop(reason=stop):
                    continue
                case Wait():
                    await _wait(piece)
                    continue
                case Fail(error=error):
                    yield Failed(error=error, usage=_usage(request, written))
                    return
                case Raise(exception=exception):
                    raise exception
                case Call():
                    stop = stop or "tool_use"
                case _:
                    pass
            block = self._play(index, Say(piece) if isinstance(piece, str) else piece)
            async with aclosing(block) as events:
                async for event in events:
                    yield event
                    if isinstance(event, TextDelta | ThinkingDelta):
                        written += len(event.text)
            index += 1
        yield Done(
            stop_reason=stop or "stop",
            usage=_usage(request, written),
            model=f"{self.name}/{request.model}",
        )

    async def _play(
        self, index: int, piece: Say | Think | Call
    ) -> AsyncGenerator[StreamEvent, None]:
        match piece:
            case Say(text=text):
                yield TextStart(index=index)
                for part in _chunks(text, piece.chunk):
                    await _breathe(piece.delay)
                    yield TextDelta(index=index, text=part)
                yield TextEnd(index=index, block=Text(text=text))
            case Think(text=text):
                yield ThinkingStart(index=index)
                for part in _chunks(text, piece.chunk):
                    await _breathe(piece.delay)
                    yield ThinkingDelta(index=index, text=part)
                thought = Thinking(text=text, signature="scripted", signed_by=self.name)
                yield ThinkingEnd(index=index, block=thought)
            case Call(name=name, input=arguments):
                self._calls += 1
                id = piece.id or f"call_{self._calls}"
                text = arguments if isinstance(arguments, str) else json.dumps(arguments)
                yield ToolUseStart(index=index, id=id, name=name)
                for part in _chunks(text, piece.chunk):
                    await _breathe(piece.delay)
                    yield ToolUseDelta(index=index, json=part)
                yield ToolUseEnd(index=index, block=finish_tool_use(id, name, text))


def _chunks(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


async def _breathe(delay: float) -> None:
    if delay:
        await asyncio.sleep(delay)


async def _wait(piece: Wait) -> None:
    if piece.until is not None:
        await piece.until.wait()
    else:
        await asyncio.sleep(piece.seconds)


def _usage(request: Request, written: int) -> Usage:
    read = sum(_size(message) for message in request.messages) + len(request.system or "")
    return Usage(input=max(1, read // 4), output=written // 4)


def _size(message: Message) -> int:
    return sum(
        len(getattr(block, "text", "") or getattr(block, "content", "") or "")
        for block in message.content
    )
