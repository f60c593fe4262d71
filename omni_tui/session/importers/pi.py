"""Session files of pi, and of Tau, which keeps to its format: a header, then a tree as lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from omni_tui.core.messages import Attachment, Block, Thinking, ToolResult, ToolUse
from omni_tui.core.stream import StopReason
from omni_tui.session.importers.entries import Content, Entry, digest_of, grow
from omni_tui.session.importers.reading import (
    Warn,
    blocks_of,
    derived_id,
    dict_of,
    image_of,
    key_of,
    line_of,
    list_of,
    plain,
    text_of,
    time_of,
    usage_of,
)
from omni_tui.session.importers.rounds import join_results
from omni_tui.session.importers.sessions import imported
from omni_tui.session.store.base import StoredSession

FORMAT = "pi"

_TYPES = ("message", "model_change", "thinking_level_change", "compaction", "leaf")
_STOPS: dict[str, StopReason] = {
    "stop": "stop",
    "length": "length",
    "toolUse": "tool_use",
    "error": "error",
    "aborted": "cancelled",
}


def is_line(value: dict[str, Any]) -> bool:
    """Whether an object is a line of such a file."""
    if value.get("type") == "session":
        return "id" in value
    return value.get("type") in _TYPES and ("parentId" in value or "parent_id" in value)


def read_session(lines: Iterable[dict[str, Any]], warn: Warn) -> Iterator[StoredSession]:
    """The one session of a file."""
    reader = _Reader(warn)
    for number, line in enumerate(lines, 1):
        reader.take(line, number)
    for key, label in reader.labels.items():
        if key in reader.entries:
            reader.entries[key].label = label
    entries = [*reader.entries.values(), *reader.summaries]
    if not entries:
        return
    foreign = key_of(reader.header.get("id")) or digest_of(entries)
    began = time_of(reader.header.get("timestamp"))
    tree = grow(entries, warn, head=reader.head, began=began, join=join_results)
    yield imported(derived_id(FORMAT, foreign), tree, title=reader.title, created_at=began)


class _Reader:
    """Takes the lines of a file in turn."""

    def __init__(self, warn: Warn) -> None:
        self.header: dict[str, Any] = {}
        self.title: str | None = None
        self.entries: dict[str, Entry] = {}
        self.summaries: list[Entry] = []
        self.labels: dict[str, str | None] = {}
        self.head: str | None = None
        """The newest entry, or the one a line says is in view."""
        self._warn = warn

    def take(self, line: dict[str, Any], number: int) -> None:
        kind = line.get("type")
        if kind == "session":
            self.header = self.header or line
            return
        key = key_of(line.get("id")) or f"\0{number}"
        has_parent = "parentId" in line or "parent_id" in line
        parent = key_of(line.get("parentId") or line.get("parent_id"))
        entry = Entry(
            key=key,
            parent=parent if has_parent else self.head,  # the first version had no ids
            created_at=time_of(line.get("timestamp")),
        )
        if key in self.entries:
            self._warn(f"line {number}: {line_of(key, 60)!r} is there twice")
            return
        self.entries[key] = entry
        if kind == "message":
            self._message(entry, dict_of(line.get("message")), number)
        elif kind == "custom_message":
            entry.content = _content(line.get("content"))
        elif kind == "branch_summary" and (words := text_of(line.get("summary"))):
            entry.content = blocks_of(f"[What another branch came to]\n\n{words}")
        elif kind == "compaction":
            self._compaction(entry, line)
        elif kind == "label" and (target := key_of(line.get("targetId"))):
            self.labels[target] = line_of(line.get("label"), 100)
        elif kind == "session_info":
            self.title = line_of(line.get("name"))
        self.head = _leaf(line) or key

    def _compaction(self, entry: Entry, line: dict[str, Any]) -> None:
        kept = self.entries.get(key_of(line.get("firstKeptEntryId")) or "")
        self.summaries.append(
            Entry(
                key=f"{entry.key}\0summary",
                parent=entry.parent if kept is None else kept.parent,
                content=blocks_of(text_of(line.get("summary"))),
                created_at=entry.created_at,
                is_summary=True,
            )
        )

    def _message(self, entry: Entry, message: dict[str, Any], number: int) -> None:
        entry.created_at = time_of(message.get("timestamp")) or entry.created_at
        match message.get("role"):
            case "user" | "custom" | "hookMessage":
                entry.content = _content(message.get("content"))
            case "assistant":
                _reply(entry, message)
            case "toolResult":
                entry.content = _result(message)
            case "bashExecution":
                command = text_of(message.get("command"))
                entry.content = blocks_of(f"$ {command}\n\n{text_of(message.get('output'))}")
            case other:
                self._warn(f"line {number}: a message of {line_of(str(other), 40)!r} is left out")


def _leaf(line: dict[str, Any]) -> str | None:
    if line.get("type") != "leaf":
        return None
    names = ("targetId", "target_id", "entryId", "entry_id", "leafId", "leaf_id")
    return next((key for name in names if (key := key_of(line.get(name)))), None)


def _content(content: Any) -> Content:
    if isinstance(content, str):
        return blocks_of(text_of(content))
    made: list[Block] = []
    for part in map(dict_of, list_of(content)):
        if part.get("type") == "image":
            made.append(image_of(part.get("data")))
        else:
            made += blocks_of(text_of(part.get("text")))
    return tuple(made)


def _reply(entry: Entry, message: dict[str, Any]) -> None:
    entry.role = "assistant"
    provider, model = line_of(message.get("provider"), 60), line_of(message.get("model"), 100)
    entry.model = f"{provider}/{model}" if provider and model else model
    used = dict_of(message.get("usage"))
    entry.usage = usage_of(used, "input", "output", "cacheRead", "cacheWrite")
    entry.stop_reason = _STOPS.get(str(message.get("stopReason")))
    if entry.stop_reason == "error":
        entry.status = "failed"
        entry.error = line_of(message.get("errorMessage")) or "It failed."
    elif entry.stop_reason == "cancelled":
        entry.status = "cancelled"
    made: list[Block] = []
    for number, part in enumerate(map(dict_of, list_of(message.get("content")))):
        match part.get("type"):
            case "thinking" if thought := text_of(part.get("thinking")):
                made.append(Thinking(text=thought))
            case "toolCall":
                use = ToolUse(
                    id=key_of(part.get("id")) or f"{entry.key}-{number}",
                    name=line_of(part.get("name"), 100) or "tool",
                    input=plain(dict_of(part.get("arguments"))),
                )
                made.append(use)
            case "text":
                made += blocks_of(text_of(part.get("text")))
    entry.content = tuple(made)


def _result(message: dict[str, Any]) -> Content:
    content = _content(message.get("content"))
    words = "\n\n".join(
        text for part in list_of(message.get("content")) if (text := text_of(_text(part)))
    )
    result = ToolResult(
        tool_use_id=key_of(message.get("toolCallId")) or "unknown",
        name=line_of(message.get("toolName"), 100) or "tool",
        content=words or text_of(message.get("content")),
        is_error=message.get("isError") is True,
    )
    return (result, *(block for block in content if isinstance(block, Attachment)))


def _text(part: Any) -> Any:
    return dict_of(part).get("text")
