"""What llmock says of us: faults of every kind, and a client that asks again as a person would."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest
from backends import Mocked
from llmock.pytest_plugin import LLMock
from wire.made import DIALECTS

from omni_tui.core.errors import (
    AuthError,
    BrokenStreamError,
    ContextLengthError,
    OverloadedError,
    ProviderError,
    RateLimitError,
    RequestError,
)
from omni_tui.core.stream import Response
from omni_tui.core.tool import tool
from omni_tui.llm.api import generate_text
from omni_tui.llm.retry import RetryPolicy

ONCE = RetryPolicy(base=0.01)


@tool
async def search(query: str) -> str:
    """Look something up."""
    return query


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault, the errors a caller gets to see, and the requests it takes to be done with it."""

    inject: Callable[[LLMock], object]
    seen: tuple[type[ProviderError], ...] = ()
    requests: int = 2
    answered: bool = True


FAULTS = {
    "a rate limit": Fault(inject=lambda mock: mock.rate_limit(retry_after=0.2)),
    "an overload": Fault(inject=lambda mock: mock.fail(529, retry_after=0.1)),
    "a server error": Fault(inject=lambda mock: mock.fail(500, retry_after=0)),
    "a bad gateway with a wait": Fault(inject=lambda mock: mock.fail(502, retry_after=0.2)),
    "a request timeout": Fault(inject=lambda mock: mock.fail(408)),
    "a bad request": Fault(
        inject=lambda mock: mock.fail(400), seen=(RequestError,), requests=1, answered=False
    ),
    "a wrong key": Fault(
        inject=lambda mock: mock.fail(401), seen=(AuthError,), requests=1, answered=False
    ),
    "a prompt that is too long": Fault(
        inject=lambda mock: mock.context_overflow(),
        seen=(ContextLengthError,),
        requests=1,
        answered=False,
    ),
    "a lost connection": Fault(
        inject=lambda mock: mock.disconnect(after_chunks=6), seen=(BrokenStreamError,)
    ),
    "a silent end": Fault(
        inject=lambda mock: mock.truncate(after_chunks=6), seen=(BrokenStreamError,)
    ),
    "a corrupted event": Fault(
        # Paced, or the whole stream is sent before anyone can be seen to stop reading it.
        inject=lambda mock: mock.corrupt(after_chunks=6).pace(150),
        seen=(BrokenStreamError,),
    ),
    "a stall": Fault(
        inject=lambda mock: mock.stall(after_chunks=6, seconds=30), seen=(BrokenStreamError,)
    ),
    "a lost connection before the first word": Fault(
        inject=lambda mock: mock.disconnect(after_chunks=0)
    ),
    "an outage": Fault(
        inject=lambda mock: mock.fail(503, times=2, retry_after=0.1),
        seen=(OverloadedError,),
        requests=3,
    ),
}


@pytest.fixture(params=DIALECTS)
async def mocked(request: pytest.FixtureRequest, llmock: LLMock) -> AsyncIterator[Mocked]:
    # Silence is what one test waits for; the others must not be hurried.
    silence = 2.5 if "stall" in request.node.name else 60.0
    backend = Mocked(request.param, llmock, silence=silence)
    yield backend
    await backend.model.provider.close()


async def ask_again(backend: Mocked, retry: RetryPolicy) -> tuple[Response | None, list[type]]:
    """Ask until there is an answer or an error that asking again cannot mend, at most 4 times."""
    errors: list[type] = []
    for _ in range(4):
        try:
            return await generate_text(backend.model, "Tell me a story", retry=retry), errors
        except ProviderError as error:
            errors.append(type(error))
            if not error.retryable:
                break
            # llmock takes a request for a new one when it has not yet seen the one before left.
            await asyncio.to_thread(lambda: backend.llmock.requests)
            await asyncio.sleep(error.details.get("retry_after", 0))
    return None, errors


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_is_met_as_it_should_be(mocked: Mocked, name: str) -> None:
    fault = FAULTS[name]
    fault.inject(mocked.llmock)
    mocked.llmock.reply("Once upon a time there was a story. The end.", times=None)
    # An outage outlasts one request and its repeat; every other fault is over after one.
    retry = RetryPolicy(base=0.01, max_retries=1)
    response, errors = await ask_again(mocked, retry)
    assert tuple(errors) == fault.seen
    assert (response is not None) is fault.answered
    if response is not None:
        assert response.text == "Once upon a time there was a story. The end."
        assert response.stop_reason == "stop"
    assert len(mocked.llmock.requests) == fault.requests
    mocked.llmock.assert_resilient(strict=True)


@pytest.mark.parametrize("kind", ["malformed_arguments", "unknown_tool"])
async def test_a_broken_tool_call_is_never_one_that_runs(mocked: Mocked, kind: str) -> None:
    mocked.llmock.break_tool_call(kind)
    response = await generate_text(mocked.model, "search for owls", tools=(search,), retry=ONCE)
    (use,) = response.message.tool_uses
    assert (use.invalid is not None) is (kind == "malformed_arguments")
    assert (use.name == "search") is (kind == "malformed_arguments")
    mocked.llmock.assert_resilient(strict=True)


async def test_quotas_are_kept_by_waiting_as_long_as_is_asked(mocked: Mocked) -> None:
    mocked.llmock.rate_limit(times=2, retry_after=0.3)
    response = await generate_text(mocked.model, "Hello", retry=ONCE)
    assert response.text
    assert len(mocked.llmock.requests) == 3
    mocked.llmock.assert_resilient(strict=True)


async def test_a_cancel_of_a_wait_needs_no_more_than_turns_of_the_loop(mocked: Mocked) -> None:
    mocked.llmock.rate_limit(retry_after=50)
    waiting = asyncio.Event()

    async def ask() -> None:
        await generate_text(mocked.model, "Hello", on_retry=lambda *_: waiting.set())

    asking = asyncio.create_task(ask())
    await waiting.wait()
    await asyncio.sleep(0)
    asking.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    assert asking.cancelled()
    assert len(mocked.llmock.requests) == 1


async def test_a_wait_that_is_too_long_is_not_begun(mocked: Mocked) -> None:
    mocked.llmock.rate_limit(retry_after=3600)
    with pytest.raises(RateLimitError) as caught:
        await generate_text(mocked.model, "Hello", retry=ONCE)
    assert caught.value.details["retry_after"] == 3600
    assert len(mocked.llmock.requests) == 1
    mocked.llmock.assert_resilient()
