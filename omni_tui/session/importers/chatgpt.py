"""Conversations of a ChatGPT archive: each a tree already, as `mapping`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from omni_tui.core.messages import Block, Text, Thinking, ToolResult, ToolUse
from omni_tui.session.importers.entries import Content, Entry, digest_of, grow
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
from omni_tui.session.importers.rounds import join_results
from omni_tui.session.importers.sessions import imported
from omni_tui.session.store.base import StoredSession

FORMAT = "chatgpt"

_HIDDEN = "is_visually_hidden_from_conversation"
_INTERNAL = ("user_editable_context", "model_editable_context")


def is_conversation(value: dict[str, Any]) -> bool:
    """Whether an object is one of this format."""
    return isinstance(value.get("mapping"), dict)


def read_conversation(value: dict[str, Any], warn: Warn) -> StoredSession:
    """A conversation with all its branches; hidden instructions of the service are left out."""
    mapping = value["mapping"]
    entries = list(_entries(mapping, warn))
    foreign = key_of(value.get("conversation_id")) or key_of(value.get("id"))
    nameless = "" if foreign else digest_of(entries)
    began = time_of(value.get("create_time"))
    tree = grow(
        entries, warn, head=key_of(value.get("current_node")), began=began, join=_as_one_message
    )
    return imported(
        derived_id(FORMAT, foreign or nameless),
        tree,
        title=line_of(value.get("title")),
        created_at=began,
        updated_at=time_of(value.get("update_time")),
    )


def _entries(mapping: dict[str, Any], warn: Warn) -> Iterator[Entry]:
    callers = _Callers(mapping)
    for key, node in mapping.items():
        if not isinstance(node, dict) or key_of(key) is None:
            warn(f"message {line_of(str(key), 60)!r} is no message")
            continue
        parent = key_of(node.get("parent"))
        message = dict_of(node.get("message"))
        role = dict_of(message.get("author")).get("role")
        entry = Entry(key=key, parent=parent, created_at=time_of(message.get("create_time")))
        if dict_of(message.get("metadata")).get(_HIDDEN) is True:
            pass
        elif role == "user":
            entry.content = _content(message)
        elif role == "assistant":
            _reply(entry, message)
        elif role == "tool" and (text := _text(_content(message))):
            yield from _answer(entry, message, text, callers.of(key))
            continue
        yield entry


class _Callers:
    """Finds the message that asked for what a tool said: it may be several messages above."""

    def __init__(self, mapping: dict[str, Any]) -> None:
        self._mapping = mapping
        self._known: dict[str, str | None] = {}

    def of(self, key: str) -> str | None:
        walk: list[str] = []
        here: str | None = key
        found: str | None = None
        while here is not None and here not in self._known:
            self._known[here] = None  # what comes by here again walks in a circle
            walk.append(here)
            message = dict_of(dict_of(self._mapping.get(here)).get("message"))
            role = dict_of(message.get("author")).get("role")
            if role == "assistant" and _recipient(message) is not None:
                found = here
                break
            if role in ("user", "assistant") and _content(message):
                break
            here = key_of(dict_of(self._mapping.get(here)).get("parent"))
        else:
            found = None if here is None else self._known[here]
        self._known.update(dict.fromkeys(walk, found))
        return found


def _recipient(message: dict[str, Any]) -> str | None:
    """The tool an assistant message is for; `None` for a person."""
    recipient = line_of(message.get("recipient"), 100)
    return None if recipient in (None, "all") else recipient


def _reply(entry: Entry, message: dict[str, Any]) -> None:
    metadata = dict_of(message.get("metadata"))
    slug = line_of(metadata.get("model_slug"), 100)
    entry.role = "assistant"
    entry.model = f"openai/{slug}" if slug else None
    if (tool := _recipient(message)) is not None:
        words = _text(_content(message))
        entry.content = (ToolUse(id=entry.key, name=tool, input=_arguments(words)),)
        entry.stop_reason = "tool_use"
        return
    entry.content = _content(message)
    finish = dict_of(metadata.get("finish_details")).get("type")
    if message.get("status") == "in_progress" or finish == "interrupted":
        entry.status, entry.stop_reason = "cancelled", "cancelled"
    elif message.get("end_turn") is True:
        entry.stop_reason = "length" if finish == "max_tokens" else "stop"


def _arguments(words: str) -> dict[str, Any]:
    try:
        value = json.loads(words, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        value = None
    made = plain(value) if isinstance(value, dict) else {"text": words}
    assert isinstance(made, dict)
    return made


def _answer(
    entry: Entry, message: dict[str, Any], text: str, caller: str | None
) -> Iterator[Entry]:
    """What a tool said; one that nobody called is given a call, for a result needs one."""
    name = line_of(dict_of(message.get("author")).get("name"), 100) or "tool"
    if caller is None:
        caller = f"{entry.key}\0call"
        use = ToolUse(id=caller, name=name)
        yield Entry(
            key=caller,
            parent=entry.parent,
            role="assistant",
            content=(use,),
            created_at=entry.created_at,
        )
        entry.parent = caller
    is_error = dict_of(message.get("content")).get("content_type") == "system_error"
    entry.content = (ToolResult(tool_use_id=caller, name=name, content=text, is_error=is_error),)
    yield entry


def _as_one_message(first: Entry, second: Entry) -> Content | None:
    """Thoughts, words and the call of a tool are one message here, and so are its results."""
    if first.role != second.role:
        return None
    if first.role == "assistant":
        has_call = any(isinstance(block, ToolUse) for block in first.content)
        return None if has_call else (*first.content, *second.content)
    return join_results(first, second)


def _text(content: Content) -> str:
    return "\n\n".join(block.text for block in content if isinstance(block, Text))


def _content(message: dict[str, Any]) -> Content:
    content = dict_of(message.get("content"))
    kind = content.get("content_type")
    if kind in _INTERNAL:
        return ()
    if kind == "thoughts":
        parts = [dict_of(each) for each in list_of(content.get("thoughts"))]
        said = [text_of(part.get("content")) or text_of(part.get("summary")) for part in parts]
        thought = "\n\n".join(each for each in said if each.strip())
        return (Thinking(text=thought),) if thought else ()
    if kind == "reasoning_recap":
        return ()
    if isinstance(content.get("parts"), list):
        return tuple(block for part in content["parts"] for block in _part(part))
    words = text_of(content.get("text")) or text_of(content.get("result"))
    return blocks_of(words)


def _part(part: Any) -> tuple[Block, ...]:
    if isinstance(part, str):
        return blocks_of(text_of(part))
    part = dict_of(part)
    if words := text_of(part.get("text")):
        return blocks_of(words)
    kind = line_of(part.get("content_type"), 60)
    pointer = line_of(part.get("asset_pointer"), 120)
    if kind is None and pointer is None:
        return ()
    what = (kind or "file").removesuffix("_asset_pointer").replace("_", " ")
    return (Text(text=f"[{what}{f': {pointer}' if pointer else ''}]"),)
