"""When to ask a model again: the only place in the project where requests are repeated."""

from __future__ import annotations

import asyncio
import random as random_module
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import nullcontext, suppress
from typing import TypeAlias

import msgspec

from omni_tui.core.errors import OmniError, ProviderError
from omni_tui.core.stream import Failed, StreamEvent

OnRetry: TypeAlias = Callable[[int, float, OmniError], None]
"""Called before a wait: the number of the failed request from 1, the seconds, and its error."""

RETRIED_STATUSES = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
"""HTTP answers worth asking again for; connections that fail are too."""


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How often and how patiently to repeat a request that failed before its first word."""

    max_retries: int = 3
    """Requests after the first one; 0 never repeats."""
    base: float = 1.0
    """Seconds: the wait before repeat n, counted from 0, is drawn from 0 to `base * 2**n`."""
    max_retry_after: float = 60.0
    """Seconds: a provider that wants a longer wait is given up at once."""
    deadline: float | None = 300.0
    """Seconds after the first request: no wait begins that would end later. Fallbacks share it."""

    def delay(self, attempt: int, error: ProviderError, draw: Callable[[], float]) -> float | None:
        """Seconds to wait before repeat number `attempt` (from 1), `None` to give up.

        `draw` gives numbers from 0 to 1.
        """
        delay: float = draw() * self.base * 2 ** (attempt - 1)
        asked = error.details.get("retry_after")
        if not isinstance(asked, int | float):
            return delay
        return None if asked > self.max_retry_after else max(delay, float(asked))


async def stream_with_retry(
    open_stream: Callable[[], AsyncIterator[StreamEvent]],
    policy: RetryPolicy,
    *,
    on_retry: OnRetry | None = None,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
    random: Callable[[], float] = random_module.random,
    deadline: float | None = None,
) -> AsyncGenerator[StreamEvent, None]:
    """The events of `open_stream()`, asked again while it fails before its first event.

    Only a `Failed` whose error is `retryable` is repeated (its HTTP status, if it has one, being
    among `RETRIED_STATUSES`), and never once anything else was emitted. No wait begins that would
    end past `deadline` (a reading of `clock`). The `Failed` that is finally passed on has the
    number of requests made in its `details["attempts"]`.
    """
    attempt = 1
    while True:
        begun = False
        failure: Failed | None = None
        events = open_stream()
        try:
            async for event in events:
                if isinstance(event, Failed):
                    failure = event
                    break
                begun = True
                yield event
        finally:
            if isinstance(events, AsyncGenerator):
                # Trouble in cleaning up must not stand in for the error that is told.
                with suppress(Exception) if failure is not None else nullcontext():
                    await events.aclose()
        if failure is None:
            return
        delay = None if begun else _next_delay(policy, attempt, failure.error, random)
        if delay is None or (deadline is not None and clock() + delay > deadline):
            failure.error.details["attempts"] = attempt
            yield failure
            return
        if on_retry is not None:
            on_retry(attempt, delay, failure.error)
        await sleep(delay)
        attempt += 1


def _next_delay(
    policy: RetryPolicy, attempt: int, error: OmniError, draw: Callable[[], float]
) -> float | None:
    if attempt > policy.max_retries or not isinstance(error, ProviderError) or not error.retryable:
        return None
    status = error.details.get("status")
    if isinstance(status, int) and status not in RETRIED_STATUSES:
        return None
    return policy.delay(attempt, error, draw)
