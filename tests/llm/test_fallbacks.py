"""What is asked again, what is asked of another model, and what never is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from omni_tui.core.errors import (
    AuthError,
    ConfigError,
    OmniError,
    OverloadedError,
    ProviderError,
    UnknownModelError,
    UnsupportedModalityError,
)
from omni_tui.core.messages import Attachment, Message
from omni_tui.llm.api import generate_text, stream_text
from omni_tui.llm.catalog import Catalog
from omni_tui.llm.providers.base import Model
from omni_tui.llm.providers.faults import Origin, to_error
from omni_tui.llm.providers.scripted import Fail, Reply, ScriptedProvider, Wait
from omni_tui.llm.retry import RETRIED_STATUSES, RetryPolicy

AT_ONCE = RetryPolicy(base=0.0)
ONCE = RetryPolicy(max_retries=0)


class HTTPAnswer(Exception):
    """What an SDK raises for an HTTP status."""

    def __init__(self, status: int, headers: dict[str, str] | None = None) -> None:
        super().__init__("no")
        self.status_code = status
        self.body: Any = None
        self.response = self
        self.headers = headers or {}


def answer(status: int, **headers: str) -> ProviderError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return to_error(HTTPAnswer(status, named), Origin(provider="p"), answered=False)


def script(name: str, *replies: Reply) -> ScriptedProvider:
    return ScriptedProvider(replies, name=name)


@pytest.mark.parametrize("status", [*range(400, 432), 451, *range(500, 512), 520, 529, 530])
async def test_exactly_the_statuses_that_pass_are_asked_again(status: int) -> None:
    provider = ScriptedProvider(lambda _: [Fail(answer(status))])
    with pytest.raises(ProviderError):
        await generate_text(provider.model(), "Hi", retry=AT_ONCE)
    assert len(provider.requests) == (4 if status in RETRIED_STATUSES else 1)
    assert frozenset({408, 409, 429, 500, 502, 503, 504, 529}) == RETRIED_STATUSES


async def test_a_model_that_fails_for_good_gives_way_to_the_next() -> None:
    first = ScriptedProvider(lambda _: [Fail(answer(503))], name="first")
    second = script("second", [Fail(AuthError("refused"))])
    third = script("third", "Here.")
    told: list[tuple[str, str, type[OmniError]]] = []
    response = await generate_text(
        first.model("a"),
        "Hi",
        fallbacks=[second.model("b"), third.model("c")],
        retry=AT_ONCE,
        on_fallback=lambda failed, spare, error: told.append(
            (str(failed), str(spare), type(error))
        ),
    )
    assert response.text == "Here."
    assert response.model == "third/c"
    assert [len(each.requests) for each in (first, second, third)] == [4, 1, 1]
    assert [each.requests[0].model for each in (first, second, third)] == ["a", "b", "c"]
    assert told == [
        ("first/a", "second/b", OverloadedError),
        ("second/b", "third/c", AuthError),
    ]


async def test_the_error_of_the_last_model_is_raised() -> None:
    first = script("first", [Fail(OverloadedError("busy"))])
    second = script("second", [Fail(AuthError("refused"))])
    with pytest.raises(AuthError, match="refused"):
        await generate_text(first.model(), "Hi", fallbacks=[second.model()], retry=ONCE)


async def test_nothing_is_asked_elsewhere_after_the_first_event() -> None:
    first = script("first", ["Well", Fail(OverloadedError("busy"))])
    second = script("second", "never")
    with pytest.raises(OverloadedError):
        await generate_text(first.model(), "Hi", fallbacks=[second.model()], retry=AT_ONCE)
    assert (len(first.requests), len(second.requests)) == (1, 0)


async def test_what_is_not_the_providers_fault_is_asked_of_nobody_else() -> None:
    first = script("first", [Fail(ConfigError("wrong file"))])
    second = script("second", "never")
    with pytest.raises(ConfigError):
        await generate_text(first.model(), "Hi", fallbacks=[second.model()], retry=AT_ONCE)
    assert second.requests == []


async def test_a_fallback_nobody_serves_is_refused_on_entering() -> None:
    provider = script("first", "never")
    with pytest.raises(UnknownModelError, match="nobody"):
        await generate_text(provider.model(), "Hi", fallbacks=["nobody/knows"])
    assert provider.requests == []


async def test_a_provider_that_wants_too_long_a_wait_gives_way_at_once() -> None:
    first = script("first", [Fail(answer(429, retry_after="61"))])
    second = script("second", "Here.")
    waits: list[float] = []
    response = await generate_text(
        first.model(),
        "Hi",
        fallbacks=[second.model()],
        on_retry=lambda _attempt, delay, _error: waits.append(delay),
    )
    assert (response.text, waits) == ("Here.", [])


async def test_retries_are_told_and_stop_at_the_deadline() -> None:
    provider = ScriptedProvider(lambda _: [Fail(answer(503, retry_after_ms="1"))])
    waits: list[tuple[int, float]] = []
    with pytest.raises(OverloadedError) as caught:
        await generate_text(
            provider.model(),
            "Hi",
            retry=RetryPolicy(base=0.0, deadline=0.0),
            on_retry=lambda attempt, delay, _error: waits.append((attempt, delay)),
        )
    assert caught.value.details["attempts"] == 1
    with pytest.raises(OverloadedError):
        await generate_text(
            provider.model(),
            "Hi",
            retry=RetryPolicy(base=0.0, deadline=None),
            on_retry=lambda attempt, delay, _error: waits.append((attempt, delay)),
        )
    assert waits == [(1, 0.001), (2, 0.001), (3, 0.001)]


async def test_cancelling_ends_a_wait() -> None:
    provider = script("first", [Fail(answer(429, retry_after="60"))], "never")
    waiting = asyncio.Event()

    async def ask() -> None:
        await generate_text(
            provider.model(), "Hi", retry=AT_ONCE, on_retry=lambda *_: waiting.set()
        )

    task = asyncio.create_task(ask())
    await waiting.wait()
    await asyncio.sleep(0)
    task.cancel()
    for _ in range(3):
        await asyncio.sleep(0)
    assert task.cancelled(), "a cancel waits for no timer: the loop turns thrice and it is over"
    assert len(provider.requests) == 1


async def test_cancelling_a_request_asks_no_fallback() -> None:
    asked = asyncio.Event()

    def respond(_: object) -> Reply:
        asked.set()
        return [Wait(until=asyncio.Event()), "never"]

    first, second = ScriptedProvider(respond), script("second", "never")
    task = asyncio.create_task(generate_text(first.model(), "Hi", fallbacks=[second.model()]))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert second.requests == []


PICTURE = Attachment(media_type="image/png", data=b"\x89PNG", name="cat.png")


def known(provider: ScriptedProvider, name: str) -> Model:
    """A model of the shipped catalogue, answered by a script."""
    return Model(provider, name, Catalog())


async def test_a_model_that_cannot_read_an_attachment_is_not_asked() -> None:
    blind = script("openai", "never")
    ask = [Message.user(PICTURE)]
    with pytest.raises(UnsupportedModalityError, match=r"cat\.png.*openai/gpt-4 .*image/png"):
        await generate_text(known(blind, "gpt-4"), ask)
    assert blind.requests == []


async def test_a_model_that_can_read_it_is_asked_instead() -> None:
    blind, seeing = script("openai", "never"), script("openai", "A cat.")
    response = await generate_text(
        known(blind, "gpt-4"),
        [Message.user(PICTURE)],
        fallbacks=[known(seeing, "gpt-4o")],
    )
    assert response.text == "A cat."
    assert blind.requests == []


async def test_nothing_is_refused_to_a_model_nothing_is_known_of() -> None:
    for model in (script("x", "ok").model(), known(script("x", "ok"), "unheard-of")):
        async with stream_text(model, [Message.user(PICTURE)]) as stream:
            assert (await stream.response()).text == "ok"


async def test_a_text_file_can_be_read_by_every_model() -> None:
    note = Attachment(media_type="application/json", data=b"{}", name="a.json")
    provider = script("openai", "ok")
    assert (await generate_text(known(provider, "gpt-4"), [Message.user(note)])).text == "ok"
