"""Recorded streams through the real SDKs and the adapters."""

from __future__ import annotations

import pytest
from wire import recordings
from wire.server import Ending, Reply, messages, sse_server
from wire_helpers import ask, blocks_of, check_rules, collect, done_of, error_of, make

from omni_tui.core.errors import BrokenStreamError, RateLimitError
from omni_tui.core.messages import Block, Message, Text, Thinking, ToolUse
from omni_tui.core.stream import Done, Failed
from omni_tui.core.usage import Usage
from omni_tui.llm.providers.base import Request
from omni_tui.llm.providers.responses_request import build_request

WHOLE = [
    "anthropic-sdk-basic.sse",
    "anthropic-sdk-refusal.sse",
    "anthropic-sdk-tool-use.sse",
    "anthropic-duplicate-message-start.jsonl",
    "anthropic-server-web-fetch.jsonl",
    "anthropic-thinking.jsonl",
    "chat-azure-model-router.jsonl",
    "chat-deepseek-reasoning-tool.jsonl",
    "chat-groq-tool.jsonl",
    "responses-item-id-rotation.jsonl",
]


def dialect_of(name: str) -> str:
    return name.partition("-")[0]


async def replay(name: str) -> tuple[tuple[Block, ...], Done]:
    with sse_server(Reply(pieces=recordings.pieces(name))) as server:
        provider = make(dialect_of(name), server.url)
        events = await collect(provider)
        await provider.close()
    return blocks_of(events), done_of(events)


async def test_plain_text_of_messages() -> None:
    blocks, done = await replay("anthropic-sdk-basic.sse")
    assert blocks == (Text(text="Hello there!"),)
    assert done == Done(
        stop_reason="stop", usage=Usage(input=11, output=6), model="claude-3-opus-latest"
    )


async def test_a_refusal_of_messages() -> None:
    blocks, done = await replay("anthropic-sdk-refusal.sse")
    assert blocks == ()
    assert done.stop_reason == "refusal"
    assert done.usage == Usage(input=20)


async def test_text_and_a_tool_use_of_messages() -> None:
    blocks, done = await replay("anthropic-sdk-tool-use.sse")
    assert blocks == (
        Text(text="I'll check the current weather in Paris for you."),
        ToolUse(
            id="toolu_01NRLabsLyVHZPKxbKvkfSMn", name="get_weather", input={"location": "Paris"}
        ),
    )
    assert done.stop_reason == "tool_use"
    assert done.usage == Usage(input=377, output=65)


async def test_two_message_starts_count_once() -> None:
    blocks, done = await replay("anthropic-duplicate-message-start.jsonl")
    assert blocks == (Text(text="Hello, World!"),)
    assert done.usage == Usage(input=17, output=227)


async def test_server_tools_are_passed_over() -> None:
    blocks, done = await replay("anthropic-server-web-fetch.jsonl")
    assert [type(block) for block in blocks] == [Text, Text]
    assert isinstance(blocks[0], Text)
    assert blocks[0].text.startswith("I'll fetch the content from that Wikipedia page")
    assert isinstance(blocks[1], Text)
    assert blocks[1].text.endswith("submerged by rising sea levels.")
    assert done.usage == Usage(input=4230, output=446)


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


async def test_empty_choices_and_a_late_usage_chunk() -> None:
    blocks, done = await replay("chat-azure-model-router.jsonl")
    assert blocks == (Text(text="Capital of Denmark."),)
    assert done == Done(
        stop_reason="stop", usage=Usage(input=15, output=78), model="gpt-5-nano-2025-08-07"
    )


async def test_reasoning_and_a_fragmented_call() -> None:
    blocks, done = await replay("chat-deepseek-reasoning-tool.jsonl")
    thought, call = blocks
    assert isinstance(thought, Thinking)
    assert thought.text.startswith("The user is asking for the weather in San Francisco.")
    assert call == ToolUse(
        id="call_00_ioIn7yN9p1ZOMNpDLwd4MgAF",
        name="weather",
        input={"location": "San Francisco"},
    )
    assert done.stop_reason == "tool_use"
    assert done.usage == Usage(input=19, output=83, cache_read=320)


async def test_a_whole_call_in_one_chunk() -> None:
    blocks, done = await replay("chat-groq-tool.jsonl")
    assert blocks == (ToolUse(id="tk85n1k4m", name="weather", input={}),)
    assert done.stop_reason == "tool_use"
    assert done.usage == Usage(input=210, output=15)


async def test_items_are_known_by_place_not_by_id() -> None:
    blocks, done = await replay("responses-item-id-rotation.jsonl")
    thought, answer = blocks
    assert thought == Thinking(text="**Counting character occurrences**")
    assert isinstance(answer, Text)
    assert answer.text.startswith("There are **3** letter")
    assert answer.signature == '{"phase": "final_answer"}'
    assert done.stop_reason == "stop"
    assert done.usage == Usage(input=19, output=105)


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


@pytest.mark.parametrize("name", WHOLE)
async def test_a_cut_at_any_event_keeps_what_came(name: str) -> None:
    pieces = recordings.pieces(name)
    whole, _ = await replay(name)
    cuts = range(len(pieces))
    with sse_server(*(Reply(pieces=pieces[:cut]) for cut in cuts)) as server:
        provider = make(dialect_of(name), server.url)
        for cut in cuts:
            events = await collect(provider)
            kept = blocks_of(events)
            if isinstance(events[-1], Done):
                assert kept == whole, f"cut at {cut}: an answer called whole is not"
                continue
            assert isinstance(events[-1], Failed)
            assert isinstance(events[-1].error, BrokenStreamError)
            assert len(kept) <= len(whole)
            for block, full in zip(kept, whole, strict=False):
                assert type(block) is type(full)
                if isinstance(block, ToolUse):
                    assert block == full
                else:
                    assert isinstance(block, Text | Thinking)
                    assert isinstance(full, Text | Thinking)
                    assert full.text.startswith(block.text)
        await provider.close()


@pytest.mark.parametrize("name", ["anthropic-thinking.jsonl", "chat-deepseek-reasoning-tool.jsonl"])
@pytest.mark.parametrize("ending", ["drop", "reset", "stall"])
async def test_a_connection_lost_or_silent_in_the_middle(name: str, ending: Ending) -> None:
    reply = Reply(pieces=recordings.pieces(name)[:6], ending=ending)
    with sse_server(reply) as server:
        provider = make(dialect_of(name), server.url, silence=1.0)
        events = await collect(provider, ask())
        await provider.close()
    error = error_of(events)
    assert isinstance(error, BrokenStreamError)
    assert error.retryable
    check_rules(events)
