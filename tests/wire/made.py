"""Small streams made by hand, alike in all three dialects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wire.server import chunks, messages

Event = dict[str, Any]
DIALECTS = ("anthropic", "responses", "chat")


def wrap(dialect: str, events: Iterable[Event]) -> tuple[bytes, ...]:
    """Events as pieces of a stream."""
    return chunks(events) if dialect == "chat" else messages(events)


def opening(dialect: str) -> list[Event]:
    """What comes before the first block."""
    if dialect == "anthropic":
        usage = {"input_tokens": 7, "output_tokens": 1}
        message = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [],
        }
        return [{"type": "message_start", "message": {**message, "usage": usage}}]
    if dialect == "responses":
        response = {"id": "resp_1", "model": "m", "status": "in_progress", "output": []}
        return [{"type": "response.created", "response": response}]
    return [chunk({"role": "assistant", "content": ""})]


def text(dialect: str, place: int, *words: str) -> list[Event]:
    """A block of text."""
    if dialect == "anthropic":
        deltas: list[Event] = [{"type": "text_delta", "text": word} for word in words]
        return anthropic_block(place, {"type": "text", "text": ""}, deltas)
    if dialect == "responses":
        item = {"type": "message", "id": f"msg_{place}", "role": "assistant", "content": []}
        part = {"type": "output_text", "text": "".join(words), "annotations": []}
        spot = {"output_index": place, "content_index": 0, "item_id": f"msg_{place}"}
        return [
            {"type": "response.output_item.added", "output_index": place, "item": item},
            *({"type": "response.output_text.delta", **spot, "delta": word} for word in words),
            {
                "type": "response.output_item.done",
                "output_index": place,
                "item": {**item, "content": [part]},
            },
        ]
    return [chunk({"content": word}) for word in words]


def thinking(dialect: str, place: int, words: str, signature: str) -> list[Event]:
    """A block of thinking, signed where the dialect signs."""
    if dialect == "anthropic":
        block = {"type": "thinking", "thinking": "", "signature": ""}
        deltas: list[Event] = [
            {"type": "thinking_delta", "thinking": words},
            {"type": "signature_delta", "signature": signature},
        ]
        return anthropic_block(place, block, deltas)
    if dialect == "responses":
        item = {"type": "reasoning", "id": f"rs_{place}", "summary": []}
        spot = {"output_index": place, "item_id": f"rs_{place}", "summary_index": 0}
        part = {"type": "summary_text", "text": words}
        whole = {**item, "summary": [part], "encrypted_content": signature}
        return [
            {"type": "response.output_item.added", "output_index": place, "item": item},
            {"type": "response.reasoning_summary_text.delta", **spot, "delta": words},
            {"type": "response.output_item.done", "output_index": place, "item": whole},
        ]
    return [chunk({"reasoning_content": words})]


def tool(dialect: str, place: int, id: str, name: str, *arguments: str) -> list[Event]:
    """A tool use whose argument text comes in pieces."""
    if dialect == "anthropic":
        block = {"type": "tool_use", "id": id, "name": name, "input": {}}
        deltas: list[Event] = [
            {"type": "input_json_delta", "partial_json": piece} for piece in arguments
        ]
        return anthropic_block(place, block, deltas)
    if dialect == "responses":
        item = {"type": "function_call", "id": f"fc_{place}", "call_id": id, "name": name}
        kind = "response.function_call_arguments.delta"
        return [
            {
                "type": "response.output_item.added",
                "output_index": place,
                "item": {**item, "arguments": ""},
            },
            *({"type": kind, "output_index": place, "delta": piece} for piece in arguments),
            {
                "type": "response.output_item.done",
                "output_index": place,
                "item": {**item, "arguments": "".join(arguments)},
            },
        ]
    return [
        call(place, id, name, ""),
        *(call(place, None, None, piece) for piece in arguments),
    ]


def closing(dialect: str, reason: str = "stop") -> list[Event]:
    """The stop reason (`stop`, `tool_use`, `length` or `refusal`) and the usage."""
    if dialect == "anthropic":
        word = {"stop": "end_turn", "length": "max_tokens"}.get(reason, reason)
        delta = {"stop_reason": word, "stop_sequence": None}
        return [
            {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 5}},
            {"type": "message_stop"},
        ]
    if dialect == "responses":
        usage = {"input_tokens": 7, "output_tokens": 5}
        response: Event = {"id": "resp_1", "model": "m", "status": "completed", "usage": usage}
        why = {"length": "max_output_tokens", "refusal": "content_filter"}.get(reason)
        if why is not None:
            cut = {"status": "incomplete", "incomplete_details": {"reason": why}}
            return [{"type": "response.incomplete", "response": {**response, **cut}}]
        return [{"type": "response.completed", "response": response}]
    word = {"tool_use": "tool_calls", "refusal": "content_filter"}.get(reason, reason)
    usage = {"prompt_tokens": 7, "completion_tokens": 5}
    return [chunk({}, finish_reason=word), {"id": "c", "choices": [], "usage": usage}]


def failure(dialect: str) -> Event:
    """The provider reports that it is overloaded, in the middle of a stream."""
    if dialect == "anthropic":
        return {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    if dialect == "responses":
        return {"type": "error", "code": "server_error", "message": "Overloaded", "param": None}
    return {"error": {"code": 503, "message": "Overloaded"}}


def anthropic_block(place: int, block: Event, deltas: Iterable[Event]) -> list[Event]:
    """A content block of the Messages API."""
    return [
        {"type": "content_block_start", "index": place, "content_block": block},
        *({"type": "content_block_delta", "index": place, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": place},
    ]


def chunk(delta: Event, *, finish_reason: str | None = None) -> Event:
    """A chunk of the Chat Completions API."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}


def call(index: int | None, id: str | None, name: str | None, arguments: str | None) -> Event:
    """A chunk with a piece of a tool call."""
    function = {"name": name, "arguments": arguments}
    return chunk({"tool_calls": [{"index": index, "id": id, "function": function}]})
