"""Conversations exported by LibreChat: a list of messages, or messages within messages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from omni_tui.core.messages import Block, Text, Thinking, ToolResult, ToolUse
from omni_tui.session.importers.entries import Entry, digest_of, grow
from omni_tui.session.importers.reading import (
    Warn,
    blocks_of,
    derived_id,
    dict_of,
    key_of,
    line_of,
    list_of,
    plain,
    text_of,
    time_of,
)
from omni_tui.session.importers.rounds import split_rounds
from omni_tui.session.importers.sessions import imported
from omni_tui.session.store.base import StoredSession

FORMAT = "librechat"

ROOT = "00000000-0000-0000-0000-000000000000"
"""What a first message names as its parent."""


def is_conversation(value: dict[str, Any]) -> bool:
    """Whether an object is one of this format."""
    has_messages = isinstance(value.get("messages"), list)
    has_tree = isinstance(value.get("messagesTree"), list)
    return "conversationId" in value and (has_messages or has_tree)


def read_conversation(value: dict[str, Any], warn: Warn) -> StoredSession:
    """A conversation with its branches."""
    entries = list(_entries(value, warn))
    foreign = key_of(value.get("conversationId")) or digest_of(entries)
    return imported(
        derived_id(FORMAT, foreign),
        grow(entries, warn),
        title=line_of(value.get("title")),
    )


def _entries(value: dict[str, Any], warn: Warn) -> Iterator[Entry]:
    messages = value.get("messagesTree") or value.get("messages")
    for number, (message, above) in enumerate(_flat(list_of(messages)), 1):
        if not isinstance(message, dict):
            warn(f"message {number} is no message")
            continue
        key = key_of(message.get("messageId")) or f"\0{number}"
        parent = key_of(message.get("parentMessageId"))
        if parent in (None, ROOT):
            parent = above
        entry = Entry(
            key=key,
            parent=parent,
            created_at=time_of(message.get("createdAt")),
        )
        if message.get("isCreatedByUser") is True:
            entry.content = _blocks(message, key)
            yield entry
        else:
            yield from _reply(entry, message, value)


def _flat(messages: list[Any]) -> Iterator[tuple[Any, str | None]]:
    """Each message with the key of the one it stands in, however deep that is."""
    stack: list[tuple[Any, str | None]] = [(each, None) for each in reversed(messages)]
    while stack:
        message, above = stack.pop()
        yield message, above
        if isinstance(message, dict):
            own = key_of(message.get("messageId"))
            beneath = list_of(message.get("children"))
            stack.extend((each, own) for each in reversed(beneath))


def _reply(entry: Entry, message: dict[str, Any], value: dict[str, Any]) -> Iterator[Entry]:
    entry.role, entry.stop_reason = "assistant", "stop"
    if model := line_of(message.get("model"), 100):
        endpoint = line_of(message.get("endpoint") or value.get("endpoint"), 40) or FORMAT
        entry.model = f"{endpoint.lower()}/{model}"
    blocks = _blocks(message, entry.key)
    if message.get("error") is True:
        entry.status, entry.stop_reason = "failed", "error"
        entry.error = line_of(message.get("text")) or "It failed."
    elif message.get("unfinished") is True:
        entry.status, entry.stop_reason = "cancelled", "cancelled"
    yield from split_rounds(entry, blocks)


def _blocks(message: dict[str, Any], key: str) -> tuple[Block, ...]:
    made: list[Block] = []
    for number, part in enumerate(map(dict_of, list_of(message.get("content")))):
        match part.get("type"):
            case "text":
                words = part.get("text")
                made += blocks_of(text_of(dict_of(words).get("value")) or text_of(words))
            case "think" if thought := text_of(part.get("think")):
                made.append(Thinking(text=thought))
            case "tool_call":
                made += _call(dict_of(part.get("tool_call")), f"{key}-{number}")
    made = made or list(blocks_of(text_of(message.get("text"))))
    for file in map(dict_of, list_of(message.get("files"))):
        if name := line_of(file.get("filename"), 120):
            made.append(Text(text=f"[file: {name}]"))
    return tuple(made)


def _call(call: dict[str, Any], id: str) -> tuple[Block, ...]:
    id = key_of(call.get("id")) or id
    name = line_of(call.get("name"), 100) or "tool"
    arguments = call.get("args")
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments, parse_constant=lambda _: None)
        except (ValueError, RecursionError):
            arguments = {"text": arguments}
    use = ToolUse(id=id, name=name, input=plain(dict_of(arguments)))
    output = text_of(call.get("output"))
    return (use, ToolResult(tool_use_id=id, name=name, content=output)) if output else (use,)
