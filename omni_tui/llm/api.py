"""The stateless LLM API: one request in, a stream of events or one response out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from types import TracebackType
from typing import Self

from omni_tui.core.errors import BrokenStreamError, OmniError
from omni_tui.core.messages import Message
from omni_tui.core.stream import Done, Failed, Response, StreamEvent
from omni_tui.core.tool import Tool
from omni_tui.llm.accumulator import Accumulator
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.base import Model, Options, Request
from omni_tui.llm.retry import RetryPolicy, stream_with_retry

EVENTS_PER_BREATH = 16
"""Events after which a reader lets the event loop do something else: a provider that answers
faster than it is read never blocks by itself."""

log = logging.getLogger(__name__)

OnRetry = Callable[[int, float, OmniError], None]


async def stream_events(
    model: Model,
    request: Request,
    *,
    retry: RetryPolicy | None = None,
    on_retry: OnRetry | None = None,
) -> AsyncGenerator[StreamEvent, None]:
    """The events of one step: any number of block events, then exactly one `Done` or `Failed`.

    Whatever a provider does (raise, stop early, go on after the end), this holds. Faults before the
    first event are retried by `retry`; `on_retry(attempt, seconds, error)` is called before a wait.
    """
    policy = retry or RetryPolicy()
    count = 0
    is_over = False
    try:
        async with aclosing(
            stream_with_retry(lambda: model.provider.stream(request), policy, on_retry=on_retry)
        ) as events:
            async for event in events:
                is_over = isinstance(event, Done | Failed)
                yield event
                if is_over:
                    return
                count += 1
                if count % EVENTS_PER_BREATH == 0:
                    await asyncio.sleep(0)
    except Exception as error:
        if is_over:
            log.warning("%s failed after its answer", model, exc_info=True)
        else:
            yield Failed(error=_typed(model, error))
        return
    yield Failed(
        error=BrokenStreamError(
            f"{model} stopped in the middle of its answer.", hint="retry, or choose another model"
        )
    )


def _typed(model: Model, error: Exception) -> OmniError:
    if isinstance(error, OmniError):
        return error
    broken = BrokenStreamError(
        f"{model} failed: {type(error).__name__}: {error}", hint="retry, or choose another model"
    )
    broken.__cause__ = error
    return broken


class TextStream:
    """A reply on its way: an async context manager to iterate for events.

    `response()` reads what is left and gives the whole; it raises the error the step failed with.
    Leaving the block early closes the connection.
    """

    def __init__(
        self, model: str | Model, request: Request, retry: RetryPolicy, registry: ProviderRegistry
    ) -> None:
        self._model = model
        self._request = request
        self._retry = retry
        self._registry = registry
        self._accumulator = Accumulator()
        self._events: AsyncGenerator[StreamEvent, None] | None = None

    async def __aenter__(self) -> Self:
        model = self._registry.resolve(self._model)
        self._events = stream_events(model, _named(self._request, model), retry=self._retry)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._events is not None:
            await self._events.aclose()
        await self._registry.close()

    async def __aiter__(self) -> AsyncIterator[StreamEvent]:
        if self._events is None:
            raise RuntimeError("use `async with stream_text(…) as stream`")
        async for event in self._events:
            self._accumulator.apply(event)
            yield event

    async def response(self) -> Response:
        """The finished response; raises the `OmniError` the step failed with."""
        async for _ in self:
            pass
        return finished(self._accumulator)


def finished(accumulator: Accumulator) -> Response:
    """The response a step accumulated; raises its error when it failed."""
    terminal = accumulator.terminal
    if isinstance(terminal, Failed):
        raise terminal.error
    message = accumulator.message()
    return Response(
        message=message,
        messages=(message,),
        stop_reason=accumulator.stop_reason,
        usage=accumulator.usage,
        model=(terminal.model or "") if isinstance(terminal, Done) else "",
    )


def stream_text(
    model: str | Model,
    prompt: str | Iterable[Message],
    *,
    system: str | None = None,
    tools: Iterable[Tool] = (),
    options: Options | None = None,
    retry: RetryPolicy | None = None,
) -> TextStream:
    """Ask a model and stream its reply.

    Args:
        model: `provider/model`, a bare model name, or a `Model`.
        prompt: A string, or the messages of a conversation.
        system: The system prompt.
        tools: Tools the model may ask for; this layer does not run them.
        options: Token limit, temperature, thinking, timeout.
        retry: What to do about faults before the first event; three retries by default.

    Raises:
        UnknownModelError: On entering, when no provider serves the model.
    """
    messages = (Message.user(prompt),) if isinstance(prompt, str) else tuple(prompt)
    request = Request(
        model="",
        messages=messages,
        system=system,
        tools=tuple(tools),
        options=options or Options(),
    )
    return TextStream(model, request, retry or RetryPolicy(), ProviderRegistry())


async def generate_text(
    model: str | Model,
    prompt: str | Iterable[Message],
    *,
    system: str | None = None,
    tools: Iterable[Tool] = (),
    options: Options | None = None,
    retry: RetryPolicy | None = None,
) -> Response:
    """Ask a model and wait for the whole reply; arguments as for `stream_text`.

    Raises the `ProviderError` the step failed with.
    """
    stream = stream_text(model, prompt, system=system, tools=tools, options=options, retry=retry)
    async with stream:
        return await stream.response()


def _named(request: Request, model: Model) -> Request:
    return Request(
        model=model.name,
        messages=request.messages,
        system=request.system,
        tools=request.tools,
        options=request.options,
    )
