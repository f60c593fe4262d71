"""One step through the stateless API: exactly one end, whatever a provider does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

import pytest

from omni_tui.core.errors import (
    AuthError,
    BrokenStreamError,
    OmniError,
    OverloadedError,
    UnknownModelError,
)
from omni_tui.core.messages import Message, Text
from omni_tui.core.stream import (
    Done,
    Failed,
    StreamEvent,
    TextDelta,
    TextEnd,
    TextStart,
)
from omni_tui.core.tool import Tool
from omni_tui.core.usage import Usage
from omni_tui.llm.api import generate_text, stream_events, stream_text
from omni_tui.llm.providers.base import Model, Options, Request
from omni_tui.llm.providers.scripted import Call, Fail, Raise, Say, ScriptedProvider, Stop, Wait
from omni_tui.llm.retry import RetryPolicy

REQUEST = Request(model="m", messages=(Message.user("hi"),))
AT_ONCE = RetryPolicy(base=0.0)

START = TextStart(index=0)
WORD = TextDelta(index=0, text="a")
DONE = Done(stop_reason="stop")
NO_EVENTS: tuple[StreamEvent, ...] = ()
CUT = Failed(error=BrokenStreamError("cut"))


class Odd:
    """A provider that does what its generator function does."""

    name = "odd"

    def __init__(self, behave: Callable[[], AsyncIterator[StreamEvent]]) -> None:
        self._behave = behave

    def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        return self._behave()

    def prepare(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def model(self) -> Model:
        return Model(self, "m")


async def nothing() -> AsyncIterator[StreamEvent]:
    for event in NO_EVENTS:
        yield event


async def ends_early() -> AsyncIterator[StreamEvent]:
    yield START
    yield WORD


async def raises_first() -> AsyncIterator[StreamEvent]:
    for event in NO_EVENTS:
        yield event
    raise RuntimeError("boom")


async def raises_later() -> AsyncIterator[StreamEvent]:
    yield START
    raise KeyError("choices")


async def raises_ours() -> AsyncIterator[StreamEvent]:
    yield START
    raise AuthError("refused")


async def goes_on_after_done() -> AsyncIterator[StreamEvent]:
    yield START
    yield DONE
    yield WORD
    yield DONE
    yield CUT


async def goes_on_after_failed() -> AsyncIterator[StreamEvent]:
    yield START
    yield CUT
    yield DONE


async def raises_while_closed_after_done() -> AsyncIterator[StreamEvent]:
    try:
        yield START
        yield DONE
    finally:
        raise RuntimeError("while closing")


async def fails_at_once() -> AsyncIterator[StreamEvent]:
    yield Failed(error=AuthError("refused"))


def raises_when_called() -> AsyncIterator[StreamEvent]:
    raise TypeError("no generator at all")


@pytest.mark.parametrize(
    ("behave", "begun", "end"),
    [
        (nothing, False, BrokenStreamError),
        (ends_early, True, BrokenStreamError),
        (raises_first, False, BrokenStreamError),
        (raises_later, True, BrokenStreamError),
        (raises_ours, True, AuthError),
        (goes_on_after_done, True, None),
        (goes_on_after_failed, True, BrokenStreamError),
        (raises_while_closed_after_done, True, None),
        (fails_at_once, False, AuthError),
        (raises_when_called, False, BrokenStreamError),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
async def test_a_step_ends_exactly_once(
    behave: Callable[[], AsyncIterator[StreamEvent]], begun: bool, end: type[OmniError] | None
) -> None:
    events = [e async for e in stream_events(Odd(behave).model(), REQUEST, retry=AT_ONCE)]
    *before, last = events
    assert not any(isinstance(event, Done | Failed) for event in before)
    assert bool(before) is begun
    if end is None:
        assert last == DONE
    else:
        assert isinstance(last, Failed)
        assert type(last.error) is end
        assert "odd/m" in last.error.message or end is AuthError or last is CUT


async def test_leaving_early_closes_the_providers_connection() -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncIterator[StreamEvent]:
        try:
            yield START
            while True:
                yield WORD
        finally:
            closed.set()

    async with aclosing(stream_events(Odd(endless).model(), REQUEST)) as events:
        async for event in events:
            if event == WORD:
                break
    assert closed.is_set()


async def test_cancelling_the_reader_closes_the_providers_connection() -> None:
    waiting, closed = asyncio.Event(), asyncio.Event()

    async def silent() -> AsyncIterator[StreamEvent]:
        try:
            yield START
            waiting.set()
            await asyncio.Event().wait()
        finally:
            closed.set()

    async def read() -> None:
        async with aclosing(stream_events(Odd(silent).model(), REQUEST)) as events:
            async for _ in events:
                pass

    reader = asyncio.create_task(read())
    await waiting.wait()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert closed.is_set()


async def test_a_flood_leaves_turns_to_others() -> None:
    async def flood() -> AsyncIterator[StreamEvent]:
        for _ in range(2000):  # never waits for anything
            yield WORD
        yield DONE

    turns = 0
    is_over = False

    async def other() -> None:
        nonlocal turns
        while not is_over:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    seen = [event async for event in stream_events(Odd(flood).model(), REQUEST)]
    is_over = True
    await task
    assert len(seen) == 2001
    assert turns >= 100


async def test_faults_before_the_first_word_are_asked_again() -> None:
    overloaded = OverloadedError("busy")
    provider = ScriptedProvider([[Fail(overloaded)], [Fail(overloaded)], "Here."])
    told: list[tuple[int, OmniError]] = []
    events = [
        event
        async for event in stream_events(
            provider.model(),
            REQUEST,
            retry=AT_ONCE,
            on_retry=lambda attempt, _delay, error: told.append((attempt, error)),
        )
    ]
    assert [attempt for attempt, _ in told] == [1, 2]
    assert len(provider.requests) == 3
    assert [type(event) for event in events] == [TextStart, TextDelta, TextEnd, Done]


async def test_faults_after_the_first_word_are_final() -> None:
    provider = ScriptedProvider([["One", Fail(OverloadedError("busy"))], "Two"])
    events = [event async for event in stream_events(provider.model(), REQUEST, retry=AT_ONCE)]
    assert isinstance(events[-1], Failed)
    assert len(provider.requests) == 1


async def test_a_stream_gives_events_and_then_the_response() -> None:
    provider = ScriptedProvider([[Say("Hello there", chunk=4)]])
    async with stream_text(provider.model(), "Hi") as stream:
        words = [event.text async for event in stream if isinstance(event, TextDelta)]
        response = await stream.response()
    assert words == ["Hell", "o th", "ere"]
    assert response.text == "Hello there"
    assert response.messages == (response.message,)
    assert (response.stop_reason, response.model) == ("stop", "scripted/script")
    assert response.usage == Usage(input=1, output=2)


async def test_a_response_reads_what_is_left() -> None:
    provider = ScriptedProvider([[Say("Hello there", chunk=4)]])
    async with stream_text(provider.model(), "Hi") as stream:
        async for _ in stream:
            break
        assert (await stream.response()).text == "Hello there"
        assert (await stream.response()).text == "Hello there"


async def test_a_failed_step_raises_its_error_from_response() -> None:
    provider = ScriptedProvider([["Well", Fail(AuthError("refused"))]])
    async with stream_text(provider.model(), "Hi") as stream:
        with pytest.raises(AuthError, match="refused"):
            await stream.response()


async def test_leaving_the_block_closes_the_stream() -> None:
    never = asyncio.Event()
    provider = ScriptedProvider([["Well", Wait(until=never), "never"]])
    async with stream_text(provider.model(), "Hi") as stream:
        async for event in stream:
            if isinstance(event, TextEnd):
                break
    assert len(provider.requests) == 1
    leftover = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert leftover == []


async def test_a_stream_must_be_entered() -> None:
    stream = stream_text(ScriptedProvider([]).model(), "Hi")
    with pytest.raises(RuntimeError, match="async with"):
        await stream.response()


async def test_a_model_nobody_serves_is_refused_on_entering() -> None:
    stream = stream_text("nobody/knows", "Hi")
    with pytest.raises(UnknownModelError, match="nobody"):
        async with stream:
            pass


async def test_everything_asked_reaches_the_provider() -> None:
    provider = ScriptedProvider(["ok"])
    look = Tool(name="look")
    history = [Message.user("a"), Message.assistant("b"), Message.user("c")]
    options = Options(max_tokens=5, temperature=0.5)
    await generate_text(
        provider.model("big"), iter(history), system="Be brief.", tools=[look], options=options
    )
    assert provider.requests == [
        Request(
            model="big",
            messages=tuple(history),
            system="Be brief.",
            tools=(look,),
            options=options,
        )
    ]


async def test_generating_waits_for_the_whole_and_leaves_tools_alone() -> None:
    provider = ScriptedProvider([["I look.", Call("look", {"at": "it"})], [Stop("length"), "cut"]])
    response = await generate_text(provider.model(), "Hi")
    assert response.stop_reason == "tool_use"
    assert [use.input for use in response.message.tool_uses] == [{"at": "it"}]
    assert response.message.content[0] == Text(text="I look.")
    assert (await generate_text(provider.model(), "Hi")).stop_reason == "length"


async def test_generating_raises_what_the_step_failed_with() -> None:
    provider = ScriptedProvider([[Raise(ValueError("odd"))]])
    with pytest.raises(BrokenStreamError, match="ValueError: odd") as caught:
        await generate_text(provider.model(), "Hi")
    assert isinstance(caught.value.__cause__, ValueError)


async def test_a_generator_that_is_never_read_opens_nothing() -> None:
    provider = ScriptedProvider(["never"])
    events: AsyncGenerator[StreamEvent, None] = stream_events(provider.model(), REQUEST)
    await events.aclose()
    assert provider.requests == []
