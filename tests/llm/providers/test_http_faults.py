"""Requests that are refused, keys that are missing, limits of time, and cancelling."""

from __future__ import annotations

import asyncio
import socket
from contextlib import aclosing

import pytest
from wire.made import DIALECTS, closing, opening, text, wrap
from wire.server import Reply, sse_server
from wire_helpers import KEY, ask, blocks_of, collect, done_of, error_of, make

from omni_tui.core.errors import (
    AuthError,
    BrokenStreamError,
    ConnectionFailedError,
    ContextLengthError,
    MissingKeyError,
    OmniError,
    OverloadedError,
    ProviderError,
    RateLimitError,
    RequestError,
)
from omni_tui.core.messages import Text
from omni_tui.core.stream import StreamEvent, TextDelta

pytestmark = pytest.mark.parametrize("dialect", DIALECTS)

STATUSES = [
    (400, RequestError, False),
    (401, AuthError, False),
    (402, RequestError, False),
    (403, AuthError, False),
    (404, RequestError, False),
    (408, OverloadedError, True),
    (409, OverloadedError, True),
    (413, RequestError, False),
    (422, RequestError, False),
    (429, RateLimitError, True),
    (500, OverloadedError, True),
    (502, OverloadedError, True),
    (503, OverloadedError, True),
    (529, OverloadedError, True),
]


def whole(dialect: str) -> Reply:
    events = [*opening(dialect), *text(dialect, 0, "Hel", "lo"), *closing(dialect)]
    return Reply(pieces=wrap(dialect, events))


def refusal(status: int, message: str, **headers: str) -> Reply:
    body = b'{"type":"error","error":{"type":"x","message":"%s"}}' % message.encode()
    return Reply(status=status, content_type="application/json", pieces=(body,), headers=headers)


async def refused(dialect: str, reply: Reply) -> OmniError:
    with sse_server(reply) as server:
        provider = make(dialect, server.url)
        error = error_of(await collect(provider))
        await provider.close()
        assert len(server.requests) == 1, "the SDK must not retry"
    return error


async def test_every_status_has_its_error(dialect: str) -> None:
    replies = [refusal(status, f"no {status}") for status, _, _ in STATUSES]
    with sse_server(*replies) as server:
        provider = make(dialect, server.url)
        for status, kind, retryable in STATUSES:
            error = error_of(await collect(provider))
            assert type(error) is kind, status
            assert isinstance(error, ProviderError)
            assert error.retryable is retryable
            assert error.details["status"] == status
            assert f"no {status}" in error.message
        await provider.close()
        assert len(server.requests) == len(STATUSES), "the SDK must not retry"


async def test_the_wait_a_provider_asks_for_is_told(dialect: str) -> None:
    error = await refused(dialect, refusal(429, "slow down", **{"Retry-After": "7"}))
    assert error.details["retry_after"] == 7.0
    assert "wait 7 s" in (error.hint or "")


async def test_a_conversation_that_is_too_long_has_its_own_error(dialect: str) -> None:
    error = await refused(dialect, refusal(400, "prompt is too long: 210000 tokens > 200000"))
    assert isinstance(error, ContextLengthError)
    assert "compact" in (error.hint or "")


async def test_a_key_that_is_echoed_is_taken_out(dialect: str) -> None:
    said = f"Incorrect API key provided: {KEY}, sk-proj-abcdefgh12345678, ab****yz."
    error = await refused(dialect, refusal(401, said))
    shown = f"{error} {error.hint} {error.details} {error!r}"
    for secret in (KEY, "sk-proj", "ab****yz"):
        assert secret not in shown
    assert "Incorrect API key provided" in error.message
    assert error.__cause__ is None
    assert error.__context__ is None


async def test_a_page_of_a_proxy_is_not_quoted(dialect: str) -> None:
    page = Reply(status=502, content_type="text/html", pieces=(b"<html>Bad gateway</html>",))
    error = await refused(dialect, page)
    assert isinstance(error, OverloadedError)
    assert "HTTP 502" in error.message
    assert "<html>" not in error.message


async def test_a_missing_key_is_told_before_any_request(
    dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOME_API_KEY", raising=False)
    with sse_server(whole(dialect)) as server:
        provider = make(dialect, server.url, api_key=None, api_key_env="SOME_API_KEY")
        error = error_of(await collect(provider))
        await provider.close()
        assert server.connected == 0
    assert isinstance(error, MissingKeyError)
    assert "SOME_API_KEY" in error.message
    assert error.details["variable"] == "SOME_API_KEY"


async def test_the_key_is_read_from_the_environment_at_each_request(
    dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sse_server(whole(dialect)) as server:
        provider = make(dialect, server.url, api_key=None, api_key_env=("FIRST_KEY", "SECOND_KEY"))
        for variable, value in (("SECOND_KEY", "two"), ("FIRST_KEY", "one")):
            monkeypatch.setenv(variable, value + "\n")
            done_of(await collect(provider))
        await provider.close()
        sent = [request.headers["authorization"] for request in server.requests]
    assert sent == ["Bearer two", "Bearer one"]


async def test_no_key_of_another_provider_leaves_for_a_server_without_keys(
    dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.setenv(variable, "sk-not-for-you")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-not-for-you")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-not-for-you")
    for variable in ("OPENAI_CUSTOM_HEADERS", "ANTHROPIC_CUSTOM_HEADERS"):
        monkeypatch.setenv(variable, "X-Key: key-not-for-you")
    with sse_server(whole(dialect)) as server:
        provider = make(dialect, server.url, api_key=None)
        provider.name = "elsewhere"
        done_of(await collect(provider))
        await provider.close()
        (request,) = server.requests
    assert "not-for-you" not in str(request.headers)
    assert "authorization" not in request.headers


async def test_custom_headers_of_an_account_go_to_its_own_provider_wherever_it_is(
    dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Gateway: for openai")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Gateway: for anthropic")
    with sse_server(whole(dialect)) as server:
        provider = make(dialect, server.url)
        provider.name = "anthropic" if dialect == "anthropic" else "openai"
        done_of(await collect(provider))
        await provider.close()
        (request,) = server.requests
    assert request.headers["x-gateway"] == f"for {provider.name}"


async def test_own_headers_and_body_go_along(dialect: str) -> None:
    with sse_server(whole(dialect)) as server:
        provider = make(
            dialect,
            server.url,
            headers={"X-Team": "blue", "authorization": "Basic abc"},
            extra_body={"service_tier": "flex"},
        )
        done_of(await collect(provider))
        await provider.close()
        (request,) = server.requests
    assert request.headers["x-team"] == "blue"
    assert request.headers["authorization"] == "Basic abc"
    assert request.json["service_tier"] == "flex"
    assert request.json["stream"] is True
    assert request.headers["content-type"] == "application/json"


async def test_lone_surrogates_in_a_prompt_are_sent_as_replacement_characters(
    dialect: str,
) -> None:
    with sse_server(whole(dialect)) as server:
        provider = make(dialect, server.url)
        done_of(await collect(provider, ask("a\ud83db")))
        await provider.close()
        (request,) = server.requests
    assert "a\N{REPLACEMENT CHARACTER}b".encode() in request.body


async def test_a_server_that_is_not_there(dialect: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://user:pass@127.0.0.1:{free.getsockname()[1]}"
        provider = make(dialect, url)
        error = error_of(await collect(provider))
        await provider.close()
    assert isinstance(error, ConnectionFailedError)
    assert error.retryable
    assert "127.0.0.1" in error.message
    assert "pass" not in str(error)


async def test_an_address_that_is_none(dialect: str) -> None:
    provider = make(dialect, "ftp://example.invalid")
    error = error_of(await collect(provider))
    await provider.close()
    assert isinstance(error, RequestError)
    assert "base_url" in (error.hint or "")


async def test_a_key_that_fits_no_header(dialect: str) -> None:
    with sse_server(whole(dialect)) as server:
        provider = make(dialect, server.url, api_key="ключ-от-всех-дверей")
        error = error_of(await collect(provider))
        await provider.close()
        assert server.connected == 0
    assert isinstance(error, AuthError)
    assert "дверей" not in str(error)


@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "identity"}])
async def test_the_whole_answer_has_a_limit_of_time(
    dialect: str, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    start = whole(dialect).pieces[: 2 if dialect == "chat" else 3]
    stalled = Reply(pieces=start, ending="stall", headers=headers)
    loop = asyncio.get_running_loop()
    real_time, later = loop.time, 0.0
    monkeypatch.setattr(loop, "time", lambda: real_time() + later)
    events: list[StreamEvent] = []
    with sse_server(stalled) as server:
        provider = make(dialect, server.url, silence=1e6)
        async for event in provider.stream(ask(timeout=1000.0)):
            events.append(event)
            if isinstance(event, TextDelta):
                later = 2000.0
        await provider.close()
        assert await asyncio.to_thread(server.client_left.wait, 10)
    error = error_of(events)
    assert isinstance(error, BrokenStreamError)
    assert not error.retryable
    assert "1000 s" in error.message
    assert blocks_of(events) == (Text(text="Hel"),)


async def test_a_connection_that_is_slow_to_answer_uses_up_the_time(
    dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    real_time, later = loop.time, 0.0
    monkeypatch.setattr(loop, "time", lambda: real_time() + later)
    with sse_server(Reply(raw=b"HTTP/1.1 200 OK\r\n", ending="stall")) as server:
        provider = make(dialect, server.url, silence=1e6)
        reading = asyncio.create_task(collect(provider, ask(timeout=1000.0)))
        await asyncio.to_thread(server.stalling.wait, 10)
        later = 2000.0
        error = error_of(await reading)
        await provider.close()
    assert isinstance(error, BrokenStreamError)
    assert not error.retryable


async def test_a_cancelled_reader_closes_the_connection(dialect: str) -> None:
    stalled = Reply(pieces=whole(dialect).pieces[:3], ending="stall")
    with sse_server(stalled) as server:
        provider = make(dialect, server.url)
        task = asyncio.create_task(collect(provider))
        await asyncio.to_thread(server.stalling.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(server.client_left.wait, 10)
        await provider.close()


async def test_closing_the_iterator_closes_the_connection(dialect: str) -> None:
    stalled = Reply(pieces=whole(dialect).pieces[:3], ending="stall")
    with sse_server(stalled) as server:
        provider = make(dialect, server.url)
        async with aclosing(provider.stream(ask())) as events:  # type: ignore[type-var]
            async for event in events:
                if isinstance(event, TextDelta):
                    break
        assert await asyncio.to_thread(server.client_left.wait, 10)
        await provider.close()


async def test_connections_are_used_again(dialect: str) -> None:
    with sse_server(whole(dialect)) as server:
        provider = make(dialect, server.url)
        for _ in range(3):
            done_of(await collect(provider))
        await provider.close()
        assert len(server.requests) == 3
        assert server.connected == 1


async def test_two_requests_at_once_share_one_client(dialect: str) -> None:
    with sse_server(whole(dialect)) as server:
        provider = make(dialect, server.url)
        answers = await asyncio.gather(*(collect(provider) for _ in range(4)))
        await provider.close()
    assert all(blocks_of(events) == (Text(text="Hello"),) for events in answers)


async def test_a_closed_provider_opens_again(dialect: str) -> None:
    with sse_server(whole(dialect)) as server:
        provider = make(dialect, server.url)
        provider.prepare()
        await provider.close()
        done_of(await collect(provider))
        await provider.close()
        await provider.close()
