"""What else servers do to a stream: odd framing, wrong labels, other people's error shapes."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from wire.made import DIALECTS, Event, chunk, closing, opening, text, wrap
from wire.server import Reply, frame, sse_server
from wire_helpers import blocks_of, collect, done_of, error_of, make

from omni_tui.core.errors import (
    BrokenStreamError,
    ConnectionFailedError,
    OmniError,
    OverloadedError,
    ProviderError,
    RateLimitError,
    RequestError,
)
from omni_tui.core.messages import Text
from omni_tui.core.stream import StreamEvent
from omni_tui.core.usage import Usage

pytestmark = pytest.mark.parametrize("dialect", DIALECTS)

HELLO = (Text(text="Hello"),)


async def play(dialect: str, *pieces: bytes, **reply: Any) -> list[StreamEvent]:
    with sse_server(Reply(pieces=pieces, **reply)) as server:
        provider = make(dialect, server.url)
        try:
            return await collect(provider)
        finally:
            await provider.close()


def stream(dialect: str) -> bytes:
    events = [*opening(dialect), *text(dialect, 0, "Hel", "lo"), *closing(dialect)]
    return b"".join(wrap(dialect, events))


def framed(dialect: str, event: Event) -> bytes:
    return frame(event, named=dialect != "chat")


async def error_after_greeting(dialect: str, *pieces: bytes) -> OmniError:
    """The error of an answer that goes on with `pieces`; the words before it must be kept."""
    begun = wrap(dialect, [*opening(dialect), *text(dialect, 0, "Hel", "lo")])
    begun = begun if dialect != "chat" else begun[:-1]
    events = await play(dialect, *begun, *pieces)
    assert blocks_of(events) == HELLO
    return error_of(events)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"data: ", b"data:"),
        (b"\n", b"\r"),
        (b"event: ", b"name: "),
        (b"\n\n", b"\n: keep-alive\n\n: keep-alive\n\n"),
    ],
    ids=["no blank after data:", "carriage returns", "no names", "keep-alive comments"],
)
async def test_other_ways_to_frame_a_stream(dialect: str, old: bytes, new: bytes) -> None:
    seen = await play(dialect, stream(dialect).replace(old, new))
    done_of(seen)
    assert blocks_of(seen) == HELLO


async def test_a_byte_order_mark_before_the_stream(dialect: str) -> None:
    seen = await play(dialect, b"\xef\xbb", b"\xbf" + stream(dialect))
    done_of(seen)
    assert blocks_of(seen) == HELLO


async def test_a_last_event_without_its_blank_line(dialect: str) -> None:
    whole = stream(dialect).removesuffix(b"data: [DONE]\n\n").rstrip(b"\n")
    assert done_of(await play(dialect, whole)).stop_reason == "stop"


async def test_a_missing_done_mark(dialect: str) -> None:
    seen = await play(dialect, stream(dialect).removesuffix(b"data: [DONE]\n\n"))
    assert done_of(seen).stop_reason == "stop"


async def test_a_done_mark_does_not_stand_in_for_a_stop_reason(dialect: str) -> None:
    error = await error_after_greeting(dialect, b"data: [DONE]\n\n")
    assert isinstance(error, BrokenStreamError)
    assert error.retryable


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "application/octet-stream", ""])
async def test_a_stream_under_a_wrong_label(dialect: str, kind: str) -> None:
    seen = await play(dialect, stream(dialect), content_type=kind)
    done_of(seen)
    assert blocks_of(seen) == HELLO


async def test_usage_that_never_comes(dialect: str) -> None:
    events = [*opening(dialect), *text(dialect, 0, "Hel", "lo"), *closing(dialect)]
    said = json.dumps(events).replace('"usage"', '"abusage"')
    done = done_of(await play(dialect, *wrap(dialect, json.loads(said))))
    assert done.usage == Usage()


async def test_a_packed_stream_is_unpacked(dialect: str) -> None:
    packed = gzip.compress(stream(dialect))
    pieces = [packed[at : at + 7] for at in range(0, len(packed), 7)]
    seen = await play(dialect, *pieces, headers={"Content-Encoding": "gzip"})
    done_of(seen)
    assert blocks_of(seen) == HELLO


async def test_what_calls_itself_packed_and_is_not(dialect: str) -> None:
    seen = await play(dialect, stream(dialect), headers={"Content-Encoding": "gzip"})
    error = error_of(seen)
    assert isinstance(error, BrokenStreamError)
    assert error.retryable


async def test_a_refusal_that_cannot_be_unpacked(dialect: str) -> None:
    seen = await play(dialect, b"garbage", status=503, headers={"Content-Encoding": "gzip"})
    error = error_of(seen)
    assert isinstance(error, BrokenStreamError)
    assert error.retryable


@pytest.mark.parametrize("status", [200, 500])
async def test_an_error_that_comes_as_a_whole_body(dialect: str, status: int) -> None:
    body = {"error": {"type": "rate_limit_error", "code": 429, "message": "slow down"}}
    pieces = json.dumps(body, indent=1).encode()
    error = error_of(await play(dialect, pieces, status=status, content_type="application/json"))
    assert isinstance(error, RateLimitError if status == 200 else OverloadedError)
    assert "slow down" in error.message


async def test_a_whole_answer_from_a_server_that_does_not_stream(dialect: str) -> None:
    error = error_of(
        await play(dialect, b'{"id": "1", "content": []}\n', content_type="application/json")
    )
    assert isinstance(error, BrokenStreamError)
    assert "stream" in (error.hint or "")


@pytest.mark.parametrize("page", [b"<!doctype html>\n<p>Log in", b"\n  <html></html>"])
async def test_a_page_under_a_wrong_label(dialect: str, page: bytes) -> None:
    error = error_of(await play(dialect, page))
    assert isinstance(error, BrokenStreamError)
    assert "web page" in error.message


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Ty",
        b"HTTP/1.1 200 OK\r\n\x00: \xff\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: nonsense\r\n\r\n",
        b"HTTP/1.1 999999 What\r\n\r\n",
    ],
)
@pytest.mark.parametrize("ending", ["end", "reset"])
async def test_what_is_no_http(dialect: str, raw: bytes, ending: Any) -> None:
    error = error_of(await play(dialect, raw=raw, ending=ending))
    assert isinstance(error, ConnectionFailedError)
    assert error.retryable


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\ndata: {}\n\n",
    ],
)
async def test_a_body_that_is_not_what_its_head_says(dialect: str, raw: bytes) -> None:
    error = error_of(await play(dialect, raw=raw))
    assert isinstance(error, BrokenStreamError)
    assert error.retryable


async def test_a_redirect_is_not_an_answer(dialect: str) -> None:
    seen = await play(dialect, status=304, headers={"Location": "/elsewhere"})
    assert isinstance(error_of(seen), RequestError)


async def test_an_event_named_error_whose_words_are_no_json(dialect: str) -> None:
    error = await error_after_greeting(dialect, b"event: error\ndata: upstream is gone\n\n")
    assert isinstance(error, OverloadedError)
    assert "upstream is gone" in error.message


async def test_an_error_without_a_type(dialect: str) -> None:
    shape = {"error": {"message": "no more memory", "code": "server_error"}}
    error = await error_after_greeting(dialect, frame(shape, named=False))
    assert isinstance(error, OverloadedError)
    assert "no more memory" in error.message


SHAPES: dict[str, list[tuple[Event, type[ProviderError]]]] = {
    "anthropic": [
        (
            {"type": "error", "error": {"type": "rate_limit_error", "message": "too fast"}},
            RateLimitError,
        ),
        (
            {"type": "error", "error": {"type": "invalid_request_error", "message": "too fast"}},
            RequestError,
        ),
    ],
    "responses": [
        (
            {
                "type": "response.failed",
                "response": {
                    "status": "failed",
                    "error": {"code": "rate_limit_exceeded", "message": "too fast"},
                },
            },
            RateLimitError,
        ),
        (
            {"type": "error", "code": "invalid_prompt", "message": "too fast", "param": None},
            RequestError,
        ),
    ],
    "chat": [
        ({"object": "error", "message": "too fast", "code": 429}, RateLimitError),
        (
            {
                "choices": [
                    {
                        "index": 0,
                        "delta": {},
                        "finish_reason": "error",
                        "error": {"code": 400, "message": "too fast"},
                    }
                ]
            },
            RequestError,
        ),
        ({"error": "too fast"}, OverloadedError),
    ],
}


async def test_the_error_shapes_of_each_dialect(dialect: str) -> None:
    for shape, kind in SHAPES[dialect]:
        error = await error_after_greeting(dialect, framed(dialect, shape))
        assert type(error) is kind, shape
        assert "too fast" in error.message


async def test_an_event_nested_without_end(dialect: str) -> None:
    bottomless = b'data: {"type": "x", "choices": ' + b"[" * 200_000 + b"\n\n"
    error = await error_after_greeting(dialect, b"event: x\n" + bottomless)
    assert isinstance(error, BrokenStreamError)


async def test_an_error_nested_deeply(dialect: str) -> None:
    deep: Any = "x"
    for _ in range(300):
        deep = {"message": [deep]}
    error = await error_after_greeting(dialect, framed(dialect, {"type": "error", "error": deep}))
    assert isinstance(error, ProviderError)
    assert len(error.message) < 1000


@pytest.mark.parametrize("piece", [5, {"a": 1}, ["x"], True])
async def test_words_that_are_no_text(dialect: str, piece: Any) -> None:
    odd = {
        "anthropic": {
            "type": "content_block_delta",
            "index": 1,
            "delta": {"type": "text_delta", "text": piece},
        },
        "responses": {
            "type": "response.output_text.delta",
            "output_index": 1,
            "content_index": 0,
            "delta": piece,
        },
        "chat": chunk({"reasoning_content": piece}),
    }
    error = await error_after_greeting(dialect, framed(dialect, odd[dialect]))
    assert isinstance(error, BrokenStreamError)
