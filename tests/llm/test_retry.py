"""Which failures are repeated, how often, and after which wait: without a real clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from omni_tui.core.errors import (
    AuthError,
    BrokenStreamError,
    ConfigError,
    ConnectionFailedError,
    ContextLengthError,
    OmniError,
    OverloadedError,
    RateLimitError,
    RequestError,
)
from omni_tui.core.stream import Done, Failed, StreamEvent, TextDelta, TextStart
from omni_tui.llm.retry import RetryPolicy, stream_with_retry

DONE = Done(stop_reason="stop")


class Trial:
    """Plays one list of events for each request and keeps what happened."""

    def __init__(self, *answers: list[StreamEvent]) -> None:
        self.answers = list(answers)
        self.requests = 0
        self.closed = 0
        self.slept: list[float] = []
        self.log: list[str] = []
        self.now = 100.0

    async def _play(self, events: list[StreamEvent]) -> AsyncIterator[StreamEvent]:
        try:
            for event in events:
                yield event
        finally:
            self.closed += 1

    def open(self) -> AsyncIterator[StreamEvent]:
        events = self.answers[min(self.requests, len(self.answers) - 1)]
        self.requests += 1
        return self._play(events)

    async def sleep(self, seconds: float) -> None:
        self.log.append("sleep")
        self.slept.append(seconds)
        self.now += seconds

    async def run(
        self, policy: RetryPolicy | None = None, *, draw: float = 1.0, deadline: float | None = None
    ) -> list[StreamEvent]:
        stream = stream_with_retry(
            self.open,
            policy or RetryPolicy(),
            on_retry=lambda attempt, delay, error: self.log.append(f"{attempt} {delay:g} {error}"),
            sleep=self.sleep,
            clock=lambda: self.now,
            random=lambda: draw,
            deadline=deadline,
        )
        return [event async for event in stream]


def fail(error: OmniError) -> list[StreamEvent]:
    return [Failed(error=error)]


def error_in(events: list[StreamEvent]) -> OmniError:
    assert isinstance(events[-1], Failed)
    return events[-1].error


async def test_an_answer_is_passed_on() -> None:
    trial = Trial([TextStart(index=0), DONE])
    assert await trial.run() == [TextStart(index=0), DONE]
    assert (trial.requests, trial.closed, trial.slept) == (1, 1, [])


@pytest.mark.parametrize(
    "error",
    [
        RateLimitError("429"),
        OverloadedError("503"),
        ConnectionFailedError("refused"),
        BrokenStreamError("empty"),
    ],
)
async def test_passing_faults_are_repeated(error: OmniError) -> None:
    trial = Trial(fail(error), fail(error), [DONE])
    assert await trial.run() == [DONE]
    assert trial.requests == trial.closed == 3


@pytest.mark.parametrize(
    "error",
    [
        AuthError("401"),
        RequestError("400"),
        ContextLengthError("too long"),
        ConfigError("not the provider's"),
    ],
)
async def test_lasting_faults_are_not_repeated(error: OmniError) -> None:
    trial = Trial(fail(error))
    assert error_in(await trial.run()) is error
    assert trial.requests == 1
    assert error.details["attempts"] == 1


async def test_an_error_may_say_that_it_lasts() -> None:
    error = RateLimitError("no quota")
    error.retryable = False
    trial = Trial(fail(error))
    assert error_in(await trial.run()) is error
    assert trial.requests == 1


async def test_nothing_is_repeated_after_the_first_event() -> None:
    error = BrokenStreamError("cut")
    begun: list[StreamEvent] = [TextStart(index=0), TextDelta(index=0, text="He")]
    trial = Trial([*begun, Failed(error=error)], [DONE])
    assert await trial.run() == [*begun, Failed(error=error)]
    assert trial.requests == 1


async def test_there_are_at_most_four_requests() -> None:
    errors = [OverloadedError(f"number {number}") for number in range(5)]
    trial = Trial(*(fail(error) for error in errors))
    events = await trial.run()
    assert len(events) == 1
    assert error_in(events) is errors[3]
    assert errors[3].details["attempts"] == 4
    assert trial.requests == trial.closed == 4
    assert trial.slept == [1.0, 2.0, 4.0]


async def test_waits_are_drawn_from_zero_up() -> None:
    trial = Trial(fail(OverloadedError("503")))
    await trial.run(draw=0.25)
    assert trial.slept == [0.25, 0.5, 1.0]


async def test_no_retries_means_none() -> None:
    trial = Trial(fail(OverloadedError("503")), [DONE])
    await trial.run(RetryPolicy(max_retries=0))
    assert trial.requests == 1


async def test_a_wait_the_provider_asks_for_is_kept() -> None:
    trial = Trial(fail(RateLimitError("429", retry_after=7.0)), [DONE])
    assert await trial.run() == [DONE]
    assert trial.slept == [7.0]


async def test_our_own_wait_counts_when_it_is_longer() -> None:
    trial = Trial(fail(RateLimitError("429", retry_after=0.5)), [DONE])
    await trial.run(RetryPolicy(base=3.0))
    assert trial.slept == [3.0]


@pytest.mark.parametrize("asked", [61.0, float("inf")])
async def test_a_wait_of_more_than_a_minute_is_given_up_at_once(asked: float) -> None:
    trial = Trial(fail(RateLimitError("429", retry_after=asked)), [DONE])
    assert isinstance(error_in(await trial.run()), RateLimitError)
    assert (trial.requests, trial.slept) == (1, [])


async def test_no_wait_goes_past_the_deadline() -> None:
    trial = Trial(fail(OverloadedError("503")))
    error = error_in(await trial.run(deadline=103.5))
    assert trial.slept == [1.0, 2.0]
    assert error.details["attempts"] == 3


async def test_each_retry_is_told_before_its_wait() -> None:
    trial = Trial(fail(OverloadedError("503")), fail(OverloadedError("503")), [DONE])
    await trial.run()
    assert trial.log == ["1 1 503", "sleep", "2 2 503", "sleep"]


async def test_a_wait_can_be_cancelled() -> None:
    waiting = asyncio.Event()

    async def sleep(seconds: float) -> None:
        waiting.set()
        await asyncio.Event().wait()

    trial = Trial(fail(OverloadedError("503")))

    async def read() -> list[StreamEvent]:
        stream = stream_with_retry(trial.open, RetryPolicy(), sleep=sleep)
        return [event async for event in stream]

    task = asyncio.create_task(read())
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert trial.requests == trial.closed == 1


async def test_closing_the_stream_closes_the_request() -> None:
    trial = Trial([TextStart(index=0), DONE])
    stream = stream_with_retry(trial.open, RetryPolicy())
    assert await anext(stream) == TextStart(index=0)
    await stream.aclose()
    assert trial.closed == 1


async def test_trouble_in_cleaning_up_does_not_replace_the_error() -> None:
    async def failing() -> AsyncIterator[StreamEvent]:
        try:
            yield Failed(error=AuthError("no"))
        finally:
            raise RuntimeError("could not close")

    stream = stream_with_retry(failing, RetryPolicy())
    assert isinstance(error_in([event async for event in stream]), AuthError)
