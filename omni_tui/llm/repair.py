"""Makes a conversation acceptable to a provider: pure, and applied just before a request goes out.

What is stored stays as it was. A history may hold calls without answers (a run was cut off),
answers without calls (a view dropped the call), ids used twice or made by another provider, and
messages with nothing in them; every provider refuses some of these, and no retry can mend that.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable

import msgspec

from omni_tui.core.messages import (
    Attachment,
    Block,
    Message,
    Opaque,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
)

INTERRUPTED = "interrupted: this tool gave no result"
GO_ON = "Go on."
"""Said for a person where a history ends in an answer, and must not."""

_NOT_NAME = re.compile(r"[^a-zA-Z0-9_-]")


def safe_tool_id(id: str) -> str:
    """`id` in the letters and length (64) every provider takes."""
    return _NOT_NAME.sub("_", id)[:64] or "call"


def repair(
    messages: Iterable[Message], *, tool_id: Callable[[str], str] = safe_tool_id
) -> tuple[Message, ...]:
    """The conversation as a provider takes it.

    Every tool use is answered in the very next message (`INTERRUPTED` when there was no result) and
    results stand first there. Dropped are results that answer nothing, blocks only the other role
    may send, blank text, thinking that leads to nothing and empty messages. Ids pass through
    `tool_id` and are unique.
    """
    out: list[Message] = []
    taken: set[str] = set()
    calls: list[tuple[str, ToolUse]] = []
    for message in messages:
        if message.role == "assistant":
            if calls:
                out.append(Message(role="user", content=_answers(calls, ())))
            content, calls = _assistant(message.content, taken, tool_id)
        else:
            said = (
                b for b in _words(message.content) if not isinstance(b, ToolUse | Thinking | Opaque)
            )
            content = (*_answers(calls, message.content), *said)
            calls = []
        if content:
            out.append(msgspec.structs.replace(message, content=content))
    if calls:
        out.append(Message(role="user", content=_answers(calls, ())))
    return tuple(out)


def merge_roles(messages: Iterable[Message]) -> tuple[Message, ...]:
    """The messages with neighbours of one role joined, for dialects in which turns alternate."""
    out: list[Message] = []
    for message in messages:
        if out and out[-1].role == message.role:
            joined = (*out[-1].content, *message.content)
            out[-1] = msgspec.structs.replace(out[-1], content=joined)
        else:
            out.append(message)
    return tuple(out)


def _assistant(
    content: tuple[Block, ...], taken: set[str], tool_id: Callable[[str], str]
) -> tuple[tuple[Block, ...], list[tuple[str, ToolUse]]]:
    """The blocks to send, and the calls among them with the ids their results are stored under."""
    blocks: list[Block] = []
    calls: list[tuple[str, ToolUse]] = []
    for block in _words(content):
        if isinstance(block, Attachment):
            continue
        if isinstance(block, ToolUse):
            use = msgspec.structs.replace(
                block,
                id=_unique(block.id, taken, tool_id),
                name=_NOT_NAME.sub("_", block.name)[:64] or "unknown",
            )
            calls.append((block.id, use))
            blocks.append(use)
        else:
            blocks.append(block)
    while blocks and isinstance(blocks[-1], Thinking):
        blocks.pop()
    return tuple(blocks), calls


def _answers(
    calls: list[tuple[str, ToolUse]], content: tuple[Block, ...]
) -> tuple[ToolResult, ...]:
    """One result for each call, in the order of the calls."""
    waiting: dict[str, deque[ToolResult]] = {}
    for block in content:
        if isinstance(block, ToolResult):
            waiting.setdefault(block.tool_use_id, deque()).append(block)
    answers = []
    for stored_id, use in calls:
        found = waiting.get(stored_id)
        result = (
            found.popleft()
            if found
            else ToolResult(tool_use_id=use.id, name=use.name, content=INTERRUPTED, is_error=True)
        )
        answers.append(msgspec.structs.replace(result, tool_use_id=use.id, name=use.name))
    return tuple(answers)


def _words(content: tuple[Block, ...]) -> tuple[Block, ...]:
    return tuple(
        block
        for block in content
        if not isinstance(block, ToolResult)
        and not (isinstance(block, Text) and not block.text.strip())
    )


def _unique(id: str, taken: set[str], tool_id: Callable[[str], str]) -> str:
    candidate, number = tool_id(id), 2
    while candidate in taken:
        candidate = tool_id(f"{number}-{id}")
        number += 1
    taken.add(candidate)
    return candidate
