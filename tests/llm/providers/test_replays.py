"""Recorded streams through the real SDKs and the adapters."""

from __future__ import annotations

import pytest
from wire import golden, recordings
from wire.server import Ending, Reply, messages, sse_server
from wire_helpers import ask, blocks_of, check_rules, collect, done_of, error_of, make

from omni_tui.core.errors import BrokenStreamError, RateLimitError
from omni_tui.core.messages import (
    Block,
    Message,
    Opaque,
    Text,
    Thinking,
    ToolUse,
    decode_message,
    encode_message,
)
from omni_tui.core.stream import Done
from omni_tui.core.usage import Usage
from omni_tui.llm.providers.base import Request
from omni_tui.llm.providers.responses_request import build_request


@pytest.mark.parametrize("name", recordings.streams())
async def test_a_recording_becomes_its_golden_message(name: str) -> None:
    written = (golden.GOLDEN / f"{name}.json").read_text("utf-8")
    assert golden.render(await golden.replay(name)) == written


def test_every_golden_file_has_its_recording() -> None:
    assert {path.stem for path in golden.GOLDEN.iterdir()} == set(recordings.streams())


async def replay(name: str) -> tuple[tuple[Block, ...], Done]:
    events = await golden.replay(name.partition(".")[0])
    return blocks_of(events), done_of(events)


async def test_two_message_starts_count_once() -> None:
    blocks, done = await replay("anthropic-duplicate-message-start.jsonl")
    assert blocks == (Text(text="Hello, World!"),)
    assert done.usage == Usage(input=17, output=227)


async def test_server_tools_are_kept_and_go_back_to_their_provider_alone() -> None:
    blocks, done = await replay("anthropic-server-web-fetch.jsonl")
    said, use, result, summary = blocks
    assert isinstance(said, Text)
    assert said.text.startswith("I'll fetch the content from that Wikipedia page")
    assert isinstance(use, Opaque)
    assert isinstance(result, Opaque)
    assert [use.kind, result.kind] == ["server_tool_use", "web_fetch_tool_result"]
    assert use.data["input"]["url"].startswith("https://en.wikipedia.org/")
    assert result.data["tool_use_id"] == use.data["id"]
    assert isinstance(summary, Text)
    assert summary.text.endswith("submerged by rising sea levels.")
    assert done.usage == Usage(input=4230, output=446)

    stored = decode_message(encode_message(Message.assistant(blocks)))
    history = (Message.user("Fetch it"), stored, Message.user("And now?"))
    with sse_server(Reply(pieces=recordings.streams()["anthropic-server-web-fetch"])) as srv:
        for name in ("anthropic", "other"):
            provider = make("anthropic", srv.url, name=name)
            await collect(provider, Request(model="some-model", messages=history))
            await provider.close()
        sent, elsewhere = (request.json["messages"][1]["content"] for request in srv.requests)
    assert sent[1:3] == [use.data, result.data]
    assert [part["type"] for part in elsewhere] == ["text", "text"]


async def test_thinking_keeps_its_signature_byte_for_byte() -> None:
    blocks, done = await replay("anthropic-thinking.jsonl")
    signed = next(
        event["delta"]["signature"]
        for event in recordings.events("anthropic-thinking.jsonl")
        if event.get("delta", {}).get("type") == "signature_delta"
    )
    thought, answer = blocks
    assert isinstance(thought, Thinking)
    assert thought.signature == signed
    assert thought.text.startswith("The previous result was 925.")
    assert answer == Text(text="925 ÷ 5 = 185")
    assert done.stop_reason == "stop"


async def test_an_error_in_the_middle_of_responses() -> None:
    pieces = recordings.pieces("responses-error-midstream.jsonl")
    with sse_server(Reply(pieces=pieces)) as server:
        provider = make("responses", server.url)
        error = error_of(await collect(provider))
        await provider.close()
    assert isinstance(error, RateLimitError)
    assert not error.retryable
    assert "exceeded your current quota" in error.message
    assert error.hint == "check the plan and billing of this key"


async def test_encrypted_reasoning_goes_back_exactly() -> None:
    name = "responses-reasoning-encrypted.jsonl"
    streams = recordings.responses(name)
    assert len(streams) == 4
    replies = [Reply(pieces=messages(stream)) for stream in streams]
    with sse_server(*replies) as server:
        provider = make("responses", server.url)
        outcomes = [await collect(provider) for _ in streams]
        await provider.close()
    thought, call = blocks_of(outcomes[0])
    assert isinstance(thought, Thinking)
    assert thought.text.startswith("**Calculating step-by-step using calculator**\n\nI'll compute")
    assert call == ToolUse(
        id="call_AB6AaRZ1FYZB2RwS6A5vbdqn",
        name="calculator",
        input={"a": 12, "b": 7, "op": "add"},
    )
    assert done_of(outcomes[0]).stop_reason == "tool_use"
    assert blocks_of(outcomes[3]) == (Text(text="The final result is **570**."),)
    history = (Message.user("Compute"), Message.assistant((thought, call)))
    sent = build_request(Request(model="gpt-5.5", messages=history))["input"]
    item = next(
        event["item"]
        for event in streams[0]
        if event["type"] == "response.output_item.done" and event["item"]["type"] == "reasoning"
    )
    assert sent[1]["type"] == "reasoning"
    assert sent[1]["id"] == item["id"]
    assert sent[1]["encrypted_content"] == item["encrypted_content"]
    assert sent[2]["call_id"] == call.id


@pytest.mark.parametrize("name", ["anthropic-thinking.jsonl", "chat-deepseek-reasoning-tool.jsonl"])
@pytest.mark.parametrize("ending", ["drop", "reset", "stall"])
async def test_a_connection_lost_or_silent_in_the_middle(name: str, ending: Ending) -> None:
    reply = Reply(pieces=recordings.pieces(name)[:6], ending=ending)
    with sse_server(reply) as server:
        provider = make(recordings.dialect_of(name), server.url, silence=1.0)
        events = await collect(provider, ask())
        await provider.close()
    error = error_of(events)
    assert isinstance(error, BrokenStreamError)
    assert error.retryable
    check_rules(events)
