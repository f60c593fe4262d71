"""A session as Markdown for people: what was said in full, what tools did folded away."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from omni_tui.core.messages import (
    Attachment,
    Block,
    Opaque,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
)
from omni_tui.core.safe_text import safe, safe_line
from omni_tui.session.export.branches import version_of
from omni_tui.session.node import Node
from omni_tui.session.store.base import StoredSession
from omni_tui.session.tree import Tree

_FENCES = re.compile(r"`{3,}")


def to_markdown(
    stored: StoredSession, nodes: Iterable[Node], *, everything: bool = False
) -> Iterator[str]:
    """These messages of the session in pieces, after a head with its title and what it is.

    Control characters are replaced; Markdown stays as it was written.

    Args:
        stored: The session.
        nodes: Its messages to write, in their order.
        everything: Count hidden versions too.
    """
    record = stored.record
    title = safe_line(record.title or "Untitled")
    yield "---\n"
    yield f"title: {json.dumps(title, ensure_ascii=False)}\n"
    yield f"session: {json.dumps(safe_line(record.id), ensure_ascii=False)}\n"
    if record.model:
        yield f"model: {json.dumps(safe_line(record.model), ensure_ascii=False)}\n"
    yield f"created: {record.created_at.isoformat(timespec='seconds')}\n"
    yield f"---\n\n# {_heading(title)}\n"
    for node in nodes:
        yield from _message(stored.tree, node, everything=everything)


def _message(tree: Tree, node: Node, *, everything: bool) -> Iterator[str]:
    who = _heading(speaker(node))
    notes = [f"#{node.id}"]
    place, versions = version_of(tree, node, everything=everything)
    if versions > 1 and node.kind != "summary":
        notes.append(f"version {place} of {versions}")
    above = node.parent_id
    if above is not None and above != node.id - 1:
        notes.append(f"after #{above}")
    notes += remarks(node)
    yield f"\n## {who}\n\n<sub>{_heading(' · '.join(notes))}</sub>\n"
    for block in node.message.content:
        if words := _block(block):
            yield f"\n{words}\n"


def speaker(node: Node) -> str:
    """Whose words a node has, as one line."""
    match node.kind:
        case "prompt":
            return "You"
        case "results":
            return "Tools"
        case "summary":
            return "Summary of what came before"
    return safe_line(node.model or "Assistant", 80)


def remarks(node: Node) -> list[str]:
    """What else is to be said of a node: when, its label, and how it ended."""
    made = [node.created_at.isoformat(sep=" ", timespec="minutes")[:16]]
    if node.label:
        made.append(f"“{safe_line(node.label, 60)}”")
    if node.is_pruned:
        made.append("hidden")
    if node.status != "done":
        made.append(node.status)
    if node.error:
        made.append(safe_line(node.error))
    return made


def _block(block: Block) -> str:
    match block:
        case Text():
            return safe(block.text).strip("\n")
        case Thinking():
            thought = safe(block.text).strip() or "(withheld by the provider)"
            return _folded("Thinking", _fenced(thought))
        case ToolUse():
            arguments = block.invalid
            if arguments is None:
                arguments = json.dumps(block.input, indent=2, ensure_ascii=False)
            return _folded(f"{block.name} was called", _fenced(safe(arguments), "json"))
        case ToolResult():
            how = "failed" if block.is_error else "answered"
            return _folded(f"{block.name} {how}", _fenced(safe(block.content)))
        case Attachment():
            return f"*Attached: {_heading(attachment_line(block))}*"
        case Opaque():
            return f"*{_heading(safe_line(block.kind, 60))}, kept as it came*"


def attachment_line(block: Attachment) -> str:
    """What an attachment is, in one safe line."""
    name = safe_line(block.name or block.url or "a file", 120)
    size = f", {len(block.data):,} bytes" if block.data is not None else ""
    return f"{name} ({safe_line(block.media_type, 60)}{size})"


def _folded(summary: str, words: str) -> str:
    return (
        f"<details>\n<summary>{_html(safe_line(summary, 120))}</summary>\n\n{words}\n\n</details>"
    )


def _fenced(text: str, language: str = "") -> str:
    """A code block whose fence is longer than any in the text."""
    longest = max((len(each) for each in _FENCES.findall(text)), default=2)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _html(line: str) -> str:
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _heading(line: str) -> str:
    """A line as plain words: what Markdown would read into it is taken back."""
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", line)
