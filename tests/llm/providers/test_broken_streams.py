"""Streams that lie, break or make no sense: one typed ending each, and nothing whole is lost."""

from __future__ import annotations

from typing import Any

import pytest
from wire.made import (
    DIALECTS,
    anthropic_block,
    chunk,
    closing,
    failure,
    opening,
    text,
    tool,
    wrap,
)
from wire.server import Reply, sse_server
from wire_helpers import ask, blocks_of, collect, done_of, error_of, make

from omni_tui.core.errors import BrokenStreamError, OverloadedError, ProviderError
from omni_tui.core.messages import Block, Opaque, Text, ToolUse
from omni_tui.core.stream import StreamEvent
from omni_tui.core.usage import Usage

pytestmark = pytest.mark.parametrize("dialect", DIALECTS)


async def play(dialect: str, *pieces: bytes, **reply: Any) -> list[StreamEvent]:
    with sse_server(Reply(pieces=pieces, **reply)) as server:
        provider = make(dialect, server.url)
        try:
            return await collect(provider, ask())
        finally:
            await provider.close()


async def play_blocks(dialect: str, events: list[Any]) -> tuple[Block, ...]:
    seen = await play(dialect, *wrap(dialect, events))
    done_of(seen)
    return blocks_of(seen)


def greeting(dialect: str) -> list[Any]:
    return [*opening(dialect), *text(dialect, 0, "Hel", "lo")]


async def test_a_whole_answer(dialect: str) -> None:
    seen = await play(dialect, *wrap(dialect, [*greeting(dialect), *closing(dialect)]))
    assert [block.text for block in blocks_of(seen) if isinstance(block, Text)] == ["Hello"]
    done = done_of(seen)
    assert (done.stop_reason, done.model) == ("stop", "m")
    assert done.usage == Usage(input=7, output=5)


async def test_an_answer_cut_by_the_token_limit(dialect: str) -> None:
    seen = await play(dialect, *wrap(dialect, [*greeting(dialect), *closing(dialect, "length")]))
    assert done_of(seen).stop_reason == "length"


async def test_a_corrupted_event(dialect: str) -> None:
    good = wrap(dialect, greeting(dialect))[: 3 if dialect != "chat" else 2]
    bad = b'event: content_block_delta\ndata: {"type":"content_block_delta", "ind\n\n'
    seen = await play(dialect, *good, bad)
    error = error_of(seen)
    assert isinstance(error, BrokenStreamError)
    assert blocks_of(seen)[0].text.startswith("Hel")  # type: ignore[union-attr]


async def test_bytes_that_are_no_utf8(dialect: str) -> None:
    bad = b'event: content_block_delta\ndata: {"delta": "\xff\xfe"}\n\n'
    error = error_of(await play(dialect, *wrap(dialect, opening(dialect))[:1], bad))
    assert isinstance(error, BrokenStreamError)


@pytest.mark.parametrize("payload", ["[]", "7", '"words"', '{"type": 3, "choices": 3}', "{}"])
async def test_json_of_the_wrong_shape(dialect: str, payload: str) -> None:
    bad = f"event: message_start\ndata: {payload}\n\n".encode()
    assert isinstance(error_of(await play(dialect, bad)), BrokenStreamError)


async def test_a_null_event_is_no_answer(dialect: str) -> None:
    error = error_of(await play(dialect, b"event: message_start\ndata: null\n\n"))
    assert isinstance(error, BrokenStreamError)


async def test_an_error_event_in_the_middle(dialect: str) -> None:
    seen = await play(dialect, *wrap(dialect, [*greeting(dialect), failure(dialect)]))
    error = error_of(seen)
    assert isinstance(error, OverloadedError)
    assert "Overloaded" in error.message
    assert blocks_of(seen) == (Text(text="Hello"),)


async def test_an_open_call_is_never_ended_by_an_error(dialect: str) -> None:
    whole = tool(dialect, 1, "c1", "rm", '{"path": ', '"/"}')
    half = whole[:2]
    seen = await play(dialect, *wrap(dialect, [*greeting(dialect), *half, failure(dialect)]))
    assert isinstance(error_of(seen), OverloadedError)
    assert blocks_of(seen) == (Text(text="Hello"),)


async def test_an_empty_body(dialect: str) -> None:
    error = error_of(await play(dialect))
    assert isinstance(error, BrokenStreamError)
    assert error.retryable


async def test_a_web_page_instead_of_a_stream(dialect: str) -> None:
    page = b"<html><body>Please log in to the hotel network</body></html>"
    error = error_of(await play(dialect, page, content_type="text/html; charset=utf-8"))
    assert isinstance(error, BrokenStreamError)
    assert "web page" in error.message
    assert "127.0.0.1" in (error.hint or "")


async def test_a_web_page_that_calls_itself_a_stream(dialect: str) -> None:
    error = error_of(await play(dialect, b"<html>\n<body>Log in</body>\n</html>\n"))
    assert isinstance(error, BrokenStreamError)


@pytest.mark.parametrize("arguments", ['{"path": "/tm', "[1, 2]", "rm -rf", '{"a": NaN}'])
async def test_bad_arguments_are_marked_and_kept(dialect: str, arguments: str) -> None:
    events = [*opening(dialect), *tool(dialect, 0, "c1", "rm", arguments)]
    (use,) = await play_blocks(dialect, [*events, *closing(dialect, "tool_use")])
    assert use == ToolUse(id="c1", name="rm", input={}, invalid=arguments)


async def test_arguments_nested_too_deep_are_marked(dialect: str) -> None:
    arguments = '{"a":' * 2000 + "1" + "}" * 2000
    events = [*opening(dialect), *tool(dialect, 0, "c1", "rm", arguments)]
    (use,) = await play_blocks(dialect, [*events, *closing(dialect, "tool_use")])
    assert isinstance(use, ToolUse)
    assert use.invalid == arguments


async def test_two_calls_of_one_id_become_two_ids(dialect: str) -> None:
    events = [
        *opening(dialect),
        *tool(dialect, 0, "same", "ls", '{"n": 1}'),
        *tool(dialect, 1, "same", "ls", '{"n": 2}'),
        *closing(dialect, "tool_use"),
    ]
    first, second = await play_blocks(dialect, events)
    assert first == ToolUse(id="same", name="ls", input={"n": 1})
    assert second == ToolUse(id="same-2", name="ls", input={"n": 2})


async def test_a_call_without_an_id_gets_one(dialect: str) -> None:
    events = [*opening(dialect), *tool(dialect, 0, "", "ls", "{}"), *closing(dialect, "tool_use")]
    (use,) = await play_blocks(dialect, events)
    assert isinstance(use, ToolUse)
    assert use.id.startswith(("call_", "fc_"))


async def test_a_delta_before_its_start(dialect: str) -> None:
    events = [*opening(dialect), text(dialect, 0, "Hello")[0 if dialect == "chat" else 1]]
    assert await play_blocks(dialect, [*events, *closing(dialect)]) == (Text(text="Hello"),)


async def test_unknown_events_are_skipped_and_unknown_blocks_kept(dialect: str) -> None:
    strange: dict[str, list[Any]] = {
        "anthropic": [
            {"type": "telepathy", "wave": [1, 2]},
            *anthropic_block(9, {"type": "aura"}, [{"type": "aura_delta", "glow": 3}]),
            {"type": "content_block_delta", "index": 9, "delta": {"type": "mood", "x": 1}},
        ],
        "responses": [
            {"type": "response.telepathy.delta", "output_index": 9, "delta": "hmm"},
            {
                "type": "response.output_item.added",
                "output_index": 9,
                "item": {"type": "aura_call", "id": "x"},
            },
            {
                "type": "response.output_item.done",
                "output_index": 9,
                "item": {"type": "aura_call", "id": "x"},
            },
        ],
        "chat": [
            {"object": "telepathy", "wave": 1},
            chunk({"aura": "blue", "audio": {"id": "a"}}),
            {"id": "c", "choices": None},
            {"id": "c"},
        ],
    }
    events = [*greeting(dialect), *strange[dialect], *closing(dialect)]
    greeted, *kept = await play_blocks(dialect, events)
    assert greeted == Text(text="Hello")
    whole: dict[str, list[Any]] = {
        "anthropic": [{"type": "aura", "glow": 3}],
        "responses": [{"type": "aura_call", "id": "x"}],
        "chat": [],
    }
    assert [block.data for block in kept if isinstance(block, Opaque)] == whole[dialect]
    assert len(kept) == len(whole[dialect])


async def test_an_unknown_stop_reason_is_a_stop(dialect: str) -> None:
    events: list[Any] = closing(dialect)
    if dialect == "anthropic":
        events[0]["delta"]["stop_reason"] = "bored"
    elif dialect == "chat":
        events[0]["choices"][0]["finish_reason"] = "bored"
    seen = await play(dialect, *wrap(dialect, [*greeting(dialect), *events]))
    assert done_of(seen).stop_reason == "stop"


async def test_a_stop_reason_that_forgets_the_calls(dialect: str) -> None:
    events = [*opening(dialect), *tool(dialect, 0, "c1", "ls", "{}"), *closing(dialect, "stop")]
    seen = await play(dialect, *wrap(dialect, events))
    assert done_of(seen).stop_reason == "tool_use"


async def test_surrogates_nul_and_ten_megabytes_pass_through(dialect: str) -> None:
    odd = "\ud83d\x00" + "x" * 10_000_000
    events = [*opening(dialect), *text(dialect, 0, odd), *closing(dialect)]
    (block,) = await play_blocks(dialect, events)
    assert isinstance(block, Text)
    assert block.text == odd


async def test_carriage_returns_and_comments_in_the_framing(dialect: str) -> None:
    stream = b"".join(wrap(dialect, [*greeting(dialect), *closing(dialect)]))
    seen = await play(dialect, b": hello\r\n\r\n", stream.replace(b"\n", b"\r\n"))
    assert blocks_of(seen) == (Text(text="Hello"),)


async def test_bytes_that_come_one_by_one(dialect: str) -> None:
    stream = b"".join(wrap(dialect, [*opening(dialect), *text(dialect, 0, "é…😀")]))
    stream += b"".join(wrap(dialect, closing(dialect)))
    stream = stream.replace(b"data: [DONE]\n\n", b"", 1) if dialect == "chat" else stream
    seen = await play(dialect, *(stream[at : at + 1] for at in range(len(stream))))
    assert blocks_of(seen) == (Text(text="é…😀"),)


@pytest.mark.parametrize("ending", ["drop", "reset"])
async def test_a_connection_lost_after_the_stop_reason_loses_nothing(
    dialect: str, ending: str
) -> None:
    pieces = wrap(dialect, [*greeting(dialect), *closing(dialect)])
    whole = pieces if dialect == "responses" else pieces[:-1]
    seen = await play(dialect, *whole, ending=ending)
    assert done_of(seen).stop_reason == "stop"
    assert blocks_of(seen) == (Text(text="Hello"),)


@pytest.mark.parametrize("ending", ["drop", "reset", "stall"])
async def test_a_stream_that_breaks_before_its_first_event(dialect: str, ending: str) -> None:
    with sse_server(Reply(ending=ending)) as server:  # type: ignore[arg-type]
        provider = make(dialect, server.url, silence=1.0)
        error = error_of(await collect(provider))
        await provider.close()
    assert isinstance(error, ProviderError)
    assert error.retryable
