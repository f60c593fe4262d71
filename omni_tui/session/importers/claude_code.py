"""Session files of Claude Code: one block of a message a line, tied by `uuid` and `parentUuid`.

Lines of one message of the model become one message again, and so do the results of its tools,
which it writes under each call. What a sub-agent said (a sidechain) becomes a session of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from omni_tui.core.messages import Block, Thinking, ToolResult, ToolUse
from omni_tui.core.stream import StopReason
from omni_tui.session.importers.entries import MAX_JOINED, Entry, digest_of, grow
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
from omni_tui.session.importers.sessions import imported
from omni_tui.session.store.base import StoredSession
from omni_tui.session.tree import Tree

FORMAT = "claude-code"

_SYNTHETIC = "<synthetic>"
_STOPS: dict[str, StopReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_use",
    "refusal": "refusal",
}
_TITLES = {"summary": "summary", "ai-title": "aiTitle", "custom-title": "customTitle"}
"""Lines that name the session, the better ones last, and where they hold the name."""


def is_line(value: dict[str, Any]) -> bool:
    """Whether an object is a line of such a file that says something."""
    if value.get("type") == "summary":
        return "leafUuid" in value
    return "uuid" in value and ("parentUuid" in value or "sessionId" in value)


def read_session(lines: Iterable[dict[str, Any]], warn: Warn) -> Iterator[StoredSession]:
    """The session of a file, and after it one for each of its sub-agents."""
    main = _Reader(warn)
    sides: dict[str, _Reader] = {}
    roots: dict[str, str] = {}
    names: dict[str, tuple[str, str | None]] = {}
    session: str | None = None
    for number, line in enumerate(lines, 1):
        if (field := _TITLES.get(str(line.get("type")))) and (name := line_of(line.get(field))):
            names[field] = name, key_of(line.get("leafUuid"))
        if (key := key_of(line.get("uuid"))) is None:
            continue
        session = key_of(line.get("sessionId")) or session
        if line.get("isSidechain") is True:
            above = key_of(line.get("parentUuid")) or ""
            agent = key_of(line.get("agentId")) or roots.get(above, key)
            roots[key] = agent
            sides.setdefault(agent, _Reader(warn)).take(key, line, number)
        else:
            main.take(key, line, number)
    title = _title(names, main)
    id = derived_id(FORMAT, session or digest_of(main.entries.values()))
    tree = main.tree()
    if len(tree):
        yield imported(id, tree, title=title)
    calls = _tasks(tree)
    for agent, reader in sides.items():
        if not len(side := reader.tree()):
            continue
        words = _first_words(side)
        call = calls.get(words.strip())
        yield imported(
            derived_id(FORMAT, f"{session}\0{agent}"),
            side,
            title=line_of(words, 60),
            parent=None if call is None else (id, *call),
        )


def _title(names: dict[str, tuple[str, str | None]], main: _Reader) -> str | None:
    """The best name; one that says which message it sums up must be of this file."""
    for field in reversed(_TITLES.values()):
        name, leaf = names.get(field, (None, None))
        if name is not None and (leaf is None or leaf in main.entries):
            return name
    return None


def _first_words(tree: Tree) -> str:
    return tree[tree.roots[0]].message.text


def _tasks(tree: Tree) -> dict[str, tuple[int, str]]:
    """By the words a sub-agent was given: the node and the tool use that gave them."""
    found: dict[str, tuple[int, str]] = {}
    for node in tree.nodes.values():
        for use in node.message.tool_uses:
            if isinstance(words := use.input.get("prompt"), str):
                found.setdefault(words.strip(), (node.id, use.id))
    return found


class _Reader:
    """Takes the lines of one chain of messages in turn."""

    def __init__(self, warn: Warn) -> None:
        self.entries: dict[str, Entry] = {}
        self._replies: dict[str, Entry] = {}
        """By the id of the model's message."""
        self._callers: dict[str, Entry] = {}
        """By the id of a tool use."""
        self._names: dict[str, str] = {}
        self._results: dict[str, Entry] = {}
        """By the key of the entry with the calls."""
        self._warn = warn

    def tree(self) -> Tree:
        """All that was taken."""
        return grow(self.entries.values(), self._warn)

    def take(self, key: str, line: dict[str, Any], number: int) -> None:
        if key in self.entries:
            self._warn(f"line {number}: {line_of(key, 60)!r} is there twice")
            return
        entry = Entry(
            key=key,
            parent=key_of(line.get("parentUuid")) or key_of(line.get("logicalParentUuid")),
            created_at=time_of(line.get("timestamp")),
        )
        self.entries[key] = entry
        message = dict_of(line.get("message"))
        if line.get("isMeta") is True:
            return
        if line.get("type") == "assistant":
            self._reply(entry, message, is_error=line.get("isApiErrorMessage") is True)
        elif line.get("type") == "user":
            self._said(entry, message)
            entry.is_summary = line.get("isCompactSummary") is True

    def _reply(self, entry: Entry, message: dict[str, Any], *, is_error: bool) -> None:
        id = key_of(message.get("id"))
        blocks = tuple(self._blocks(entry.key, message.get("content")))
        first = None if id is None else self._replies.get(id)
        if first is not None and len(first.content) < MAX_JOINED:
            entry.parent = first.key  # from now on it stands for that one
            first.content += blocks
        else:
            first = entry
            first.role = "assistant"
            first.content = blocks
            if id is not None:
                self._replies[id] = first
        for block in blocks:
            if isinstance(block, ToolUse):
                self._callers[block.id] = first
                self._names[block.id] = block.name
        model = line_of(message.get("model"), 100)
        first.model = f"anthropic/{model}" if model and model != _SYNTHETIC else None
        used = dict_of(message.get("usage"))
        first.usage = usage_of(
            used,
            "input_tokens",
            "output_tokens",
            "cache_read_input_tokens",
            "cache_creation_input_tokens",
        )
        first.stop_reason = _STOPS.get(str(message.get("stop_reason")))
        if is_error:
            first.status, first.stop_reason = "failed", "error"
            first.error = line_of(" ".join(_words(blocks))) or "It failed."

    def _said(self, entry: Entry, message: dict[str, Any]) -> None:
        blocks = tuple(self._blocks(entry.key, message.get("content")))
        callers = [
            caller
            for block in blocks
            if isinstance(block, ToolResult)
            and (caller := self._callers.get(block.tool_use_id)) is not None
        ]
        if not callers:
            entry.content = blocks
            return
        caller = callers[0]
        first = self._results.get(caller.key)
        if first is not None and len(first.content) < MAX_JOINED:
            entry.parent = first.key
            said = {b.tool_use_id for b in first.content if isinstance(b, ToolResult)}
            first.content += tuple(
                b for b in blocks if not isinstance(b, ToolResult) or b.tool_use_id not in said
            )
            return
        self._results[caller.key] = entry
        entry.parent = caller.key
        entry.content = blocks

    def _blocks(self, key: str, content: Any) -> Iterator[Block]:
        if isinstance(content, str):
            yield from blocks_of(text_of(content))
            return
        for number, block in enumerate(map(dict_of, list_of(content))):
            match block.get("type"):
                case "text":
                    yield from blocks_of(text_of(block.get("text")))
                case "thinking" if thought := text_of(block.get("thinking")):
                    yield Thinking(text=thought)
                case "tool_use":
                    yield ToolUse(
                        id=key_of(block.get("id")) or f"{key}-{number}",
                        name=line_of(block.get("name"), 100) or "tool",
                        input=plain(dict_of(block.get("input"))),
                    )
                case "tool_result":
                    yield from self._result(block)
                case "image":
                    yield image_of(dict_of(block.get("source")).get("data"))

    def _result(self, block: dict[str, Any]) -> Iterator[Block]:
        id = key_of(block.get("tool_use_id")) or "unknown"
        content = block.get("content")
        parts = [dict_of(part) for part in list_of(content)]
        words = [text_of(part.get("text")) for part in parts]
        yield ToolResult(
            tool_use_id=id,
            name=self._names.get(id, "tool"),
            content=text_of(content) or "\n\n".join(word for word in words if word),
            is_error=block.get("is_error") is True,
        )
        for part in parts:
            if part.get("type") == "image":
                yield image_of(dict_of(part.get("source")).get("data"))


def _words(blocks: Iterable[Block]) -> list[str]:
    return [text for block in blocks if (text := getattr(block, "text", ""))]
