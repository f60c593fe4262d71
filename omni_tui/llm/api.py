"""The stateless LLM API: one request in, a stream of events or one response out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeAlias

import msgspec

from omni_tui.core.errors import BrokenStreamError, OmniError, OutputError, ProviderError
from omni_tui.core.messages import Message
from omni_tui.core.stream import Done, Failed, Response, StreamEvent
from omni_tui.core.tool import Tool
from omni_tui.llm.accumulator import Accumulator
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.output import MAX_CORRECTIONS, Output, correction, output_of
from omni_tui.llm.pricing import with_cost
from omni_tui.llm.providers.attachments import attachments, require_readable
from omni_tui.llm.providers.base import Model, Options, Request
from omni_tui.llm.retry import OnRetry, RetryPolicy, stream_with_retry

EVENTS_PER_BREATH = 16
"""Events after which a reader lets the event loop do something else: a provider that answers
faster than it is read never blocks by itself."""

_ENDS = (Done, Failed)

log = logging.getLogger(__name__)

OnFallback: TypeAlias = Callable[[Model, Model, OmniError], None]
"""Called when a model is given up: that model, the one asked instead, and why."""


async def stream_events(
    model: Model,
    request: Request,
    *,
    fallbacks: Sequence[Model] = (),
    retry: RetryPolicy | None = None,
    on_retry: OnRetry | None = None,
    on_fallback: OnFallback | None = None,
) -> AsyncGenerator[StreamEvent, None]:
    """The events of one step: any number of block events, then exactly one `Done` or `Failed`.

    Whatever a provider does (raise, stop early, go on after the end), this holds. Faults before the
    first event are retried by `retry`; a model whose provider still fails then is given up for the
    next of `fallbacks`. After the first event a fault is final. The request's `model` is replaced
    by the name of the model asked. The usage at the end has a cost where the provider or the
    catalogue knows the price.
    """
    policy = retry or RetryPolicy()
    deadline = None if policy.deadline is None else time.monotonic() + policy.deadline
    for target, spare in zip((model, *fallbacks), (*fallbacks, None), strict=True):
        count = 0
        is_over = False
        failed: Failed | None = None
        try:
            asked = await _fit(request, target)
            open_stream = partial(target.provider.stream, asked)
            events = stream_with_retry(open_stream, policy, on_retry=on_retry, deadline=deadline)
            async with aclosing(events):
                async for event in events:
                    is_over = isinstance(event, _ENDS)
                    if isinstance(event, Failed):
                        failed = with_cost(target, event, asked.options.cache)
                        break
                    if isinstance(event, Done):
                        yield with_cost(target, event, asked.options.cache)
                        return
                    yield event
                    count += 1
                    if count % EVENTS_PER_BREATH == 0:
                        await asyncio.sleep(0)
        except Exception as error:
            if not is_over:
                failed = Failed(error=_typed(target, error))
            else:
                log.warning("%s failed after its answer", target, exc_info=True)
                if failed is None:
                    return
        failed = failed or Failed(error=_cut(target))
        if spare is None or count or not isinstance(failed.error, ProviderError):
            yield failed
            return
        if on_fallback is not None:
            on_fallback(target, spare, failed.error)


async def _fit(request: Request, model: Model) -> Request:
    """The request for `model`; raises `UnsupportedModalityError` when it cannot read an attachment.

    A model that is known not to think is not told how much. What is not known of a model is left to
    its provider.
    """
    options, output = request.options, request.output
    if model.catalog is not None:
        await model.catalog.load()
    require_readable(attachments(request), model)
    if options.thinking is not None or output is not None:
        info = model.info
        if info is not None and info.reasoning is False:
            options = msgspec.structs.replace(options, thinking=None)
        if output is not None and info is not None and info.structured_output is False:
            output = msgspec.structs.replace(output, native=False)
    return msgspec.structs.replace(request, model=model.name, options=options, output=output)


def _cut(model: Model) -> BrokenStreamError:
    return BrokenStreamError(
        f"{model} stopped in the middle of its answer.", hint="retry, or choose another model"
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
        self,
        models: Sequence[str | Model],
        request: Request,
        *,
        output: Output | None = None,
        retry: RetryPolicy | None = None,
        on_retry: OnRetry | None = None,
        on_fallback: OnFallback | None = None,
    ) -> None:
        """Made by `stream_text`; `models` are the one to ask and its fallbacks."""
        self._models = models
        self._request = request
        self._output = output
        self._retry = retry
        self._on_retry = on_retry
        self._on_fallback = on_fallback
        self._registry = ProviderRegistry()
        self._targets: list[Model] = []
        self._accumulator = Accumulator()
        self._events: AsyncGenerator[StreamEvent, None] | None = None
        self._response: Response | None = None

    async def __aenter__(self) -> Self:
        self._targets = [self._registry.resolve(model) for model in self._models]
        self._events = self._ask(self._request)
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
        """The finished response.

        With `output`, an answer that does not fit is corrected here, by further requests whose
        events are not shown; the response then has all their messages and the sum of their usage.

        Raises:
            OmniError: What the step failed with.
            OutputError: The answer still does not fit, was cut off, or was refused.
        """
        if self._response is None:
            async for _ in self:
                pass
            reply = finished(self._accumulator)
            self._response = await self._shaped(self._output, reply) if self._output else reply
        return self._response

    def _ask(self, request: Request) -> AsyncGenerator[StreamEvent, None]:
        return stream_events(
            self._targets[0],
            request,
            fallbacks=self._targets[1:],
            retry=self._retry,
            on_retry=self._on_retry,
            on_fallback=self._on_fallback,
        )

    async def _shaped(self, output: Output, reply: Response) -> Response:
        """`reply` with its `output`, or the answer to what was wrong with it."""
        messages, usage = reply.messages, reply.usage
        for attempt in range(1, MAX_CORRECTIONS + 2):
            if reply.stop_reason in ("tool_use", "cancelled"):
                break
            try:
                value = output.read(reply)
            except OutputError as error:
                is_last = reply.stop_reason != "stop" or attempt > MAX_CORRECTIONS
                if is_last:
                    error.details.update(attempts=attempt, usage=usage)
                    raise
                messages = (*messages, Message.user(correction(error)))
            else:
                return msgspec.structs.replace(reply, messages=messages, usage=usage, output=value)
            history = (*self._request.messages, *messages)
            reply = await self._answer(msgspec.structs.replace(self._request, messages=history))
            messages, usage = (*messages, reply.message), usage + reply.usage
        return msgspec.structs.replace(reply, messages=messages, usage=usage)

    async def _answer(self, request: Request) -> Response:
        accumulator = Accumulator()
        async with aclosing(self._ask(request)) as events:
            async for event in events:
                accumulator.apply(event)
        return finished(accumulator)


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
    output: Any = None,
    fallbacks: Iterable[str | Model] = (),
    retry: RetryPolicy | None = None,
    on_retry: OnRetry | None = None,
    on_fallback: OnFallback | None = None,
) -> TextStream:
    """Ask a model and stream its reply.

    Args:
        model: `provider/model`, a bare model name, or a `Model`.
        prompt: A string, or the messages of a conversation.
        system: The system prompt.
        tools: Tools the model may ask for; this layer does not run them.
        options: Token limit, temperature, thinking, timeout, and what else a request can say.
        output: The shape the answer must have: a Struct, dataclass, TypedDict or any other type
            that msgspec knows, a pydantic model, or a JSON Schema (a `dict`) whose root is an
            object. The checked value is `Response.output`.
        fallbacks: Models to ask in turn when the provider of the one before fails for good.
        retry: What to do about faults before the first event; three retries by default.
        on_retry: Called before each wait.
        on_fallback: Called when a model is given up for the next one.

    Raises:
        TypeError: Of `output` no JSON Schema can be made, or it says what cannot be checked.
        UnknownModelError: On entering, when no provider serves the model or a fallback.
    """
    shape = output_of(output) if output is not None else None
    messages = (Message.user(prompt),) if isinstance(prompt, str) else tuple(prompt)
    request = Request(
        model="",
        messages=messages,
        system=system,
        tools=tuple(tools),
        options=options or Options(),
        output=shape.format if shape else None,
    )
    return TextStream(
        (model, *fallbacks),
        request,
        output=shape,
        retry=retry,
        on_retry=on_retry,
        on_fallback=on_fallback,
    )


async def generate_text(
    model: str | Model,
    prompt: str | Iterable[Message],
    *,
    system: str | None = None,
    tools: Iterable[Tool] = (),
    options: Options | None = None,
    output: Any = None,
    fallbacks: Iterable[str | Model] = (),
    retry: RetryPolicy | None = None,
    on_retry: OnRetry | None = None,
    on_fallback: OnFallback | None = None,
) -> Response:
    """Ask a model and wait for the whole reply; arguments as for `stream_text`.

    Raises the `ProviderError` the step failed with; `OutputError` is one.
    """
    stream = stream_text(
        model,
        prompt,
        system=system,
        tools=tools,
        options=options,
        output=output,
        fallbacks=fallbacks,
        retry=retry,
        on_retry=on_retry,
        on_fallback=on_fallback,
    )
    async with stream:
        return await stream.response()
