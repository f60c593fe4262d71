"""Conversations of a Claude.ai archive; a tree where messages name their parents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from omni_tui.core.errors import AttachmentError
from omni_tui.core.messages import Attachment, Block, Text, Thinking, ToolResult, ToolUse
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

FORMAT = "claude"

ROOT = "00000000-0000-4000-8000-000000000000"
"""What a first message names as its parent."""


def is_conversation(value: dict[str, Any]) -> bool:
    """Whether an object is one of this format."""
    return isinstance(value.get("chat_messages"), list)


def read_conversation(value: dict[str, Any], warn: Warn) -> StoredSession:
    """A conversation; without the names of parents each message follows the one before it."""
    entries = list(_entries(value["chat_messages"], warn))
    foreign = key_of(value.get("uuid")) or digest_of(entries)
    began = time_of(value.get("created_at"))
    head = key_of(value.get("current_leaf_message_uuid"))
    return imported(
        derived_id(FORMAT, foreign),
        grow(entries, warn, head=head, began=began),
        title=line_of(value.get("name")),
        created_at=began,
        updated_at=time_of(value.get("updated_at")),
    )


def _entries(messages: list[Any], warn: Warn) -> Iterator[Entry]:
    before: str | None = None
    for number, message in enumerate(messages, 1):
        if not isinstance(message, dict):
            warn(f"message {number} is no message")
            continue
        key = key_of(message.get("uuid")) or f"\0{number}"
        named = key_of(message.get("parent_message_uuid"))
        parent = (named or before) if named != ROOT else None
        before = key
        entry = Entry(key=key, parent=parent, created_at=time_of(message.get("created_at")))
        if message.get("sender") == "human":
            entry.content = (*_blocks(message, key), *_files(message))
            yield entry
        elif message.get("sender") == "assistant":
            entry.role = "assistant"
            model = line_of(message.get("model"), 100)
            entry.model = f"anthropic/{model}" if model else None
            entry.stop_reason = "stop"
            yield from split_rounds(entry, _blocks(message, key))
        else:
            warn(f"message {number} is of nobody known: what follows it is kept")
            yield entry


def _blocks(message: dict[str, Any], key: str) -> tuple[Block, ...]:
    calls: list[ToolUse] = []
    made: list[Block] = []
    answered = 0
    for block in map(dict_of, list_of(message.get("content"))):
        match block.get("type"):
            case "text":
                made += blocks_of(text_of(block.get("text")))
            case "thinking" if thought := text_of(block.get("thinking")):
                made.append(Thinking(text=thought))
            case "tool_use":
                calls.append(_call(block, f"{key}-{len(calls)}"))
                made.append(calls[-1])
            case "tool_result" if calls:
                caller = calls[min(answered, len(calls) - 1)]
                answered += 1
                made.append(_result(block, caller))
    return tuple(made) or blocks_of(text_of(message.get("text")))


def _call(block: dict[str, Any], id: str) -> ToolUse:
    return ToolUse(
        id=key_of(block.get("id")) or id,
        name=line_of(block.get("name"), 100) or "tool",
        input=plain(dict_of(block.get("input"))),
    )


def _result(block: dict[str, Any], caller: ToolUse) -> ToolResult:
    """A result; archives leave the ids out, and then results stand in the order of the calls."""
    return ToolResult(
        tool_use_id=key_of(block.get("tool_use_id")) or caller.id,
        name=line_of(block.get("name"), 100) or caller.name,
        content=result_text(block.get("content")),
        is_error=block.get("is_error") is True,
    )


def result_text(content: Any) -> str:
    """What a tool said, as text."""
    if isinstance(content, str):
        return text_of(content)
    parts = [dict_of(part) for part in list_of(content)]
    return "\n\n".join(text for part in parts if (text := text_of(part.get("text"))))


def _files(message: dict[str, Any]) -> Iterator[Block]:
    for file in map(dict_of, list_of(message.get("attachments"))):
        name = line_of(file.get("file_name"), 120)
        words = text_of(file.get("extracted_content"))
        try:
            yield Attachment.from_bytes(words.encode(), media_type="text/plain", name=name)
        except AttachmentError as error:
            yield Text(text=f"[a file left out: {error.message}]")
    for file in map(dict_of, list_of(message.get("files"))):
        if name := line_of(file.get("file_name"), 120):
            yield Text(text=f"[file: {name}]")
