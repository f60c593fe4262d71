"""A session as one page that needs nothing else: no network, no other file, no script to be read.

Every text is escaped, and the page forbids itself all but its own style and script. With the script
it shows one branch at a time; without it, all of them, each message saying what it follows.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from html import escape
from typing import TypeAlias

from omni_tui.core.media import kind_of
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
from omni_tui.session.export.branches import below, walk
from omni_tui.session.export.markdown import attachment_line, remarks, speaker
from omni_tui.session.export.page import SCRIPT, STYLE, policy
from omni_tui.session.node import Node
from omni_tui.session.store.base import StoredSession
from omni_tui.session.tree import Tree

Render: TypeAlias = Callable[[str], str]
"""Makes HTML of the Markdown of a message; what it gives stands in the page as it is."""

MAX_INDENT = 6
ROW_LENGTH = 60
"""Characters of a message in the list of the tree."""

_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


def plain_text(text: str) -> str:
    """Text as it was written, Markdown and all."""
    return f'<div class="plain">{escape(safe(text))}</div>'


def to_html(
    stored: StoredSession, *, everything: bool = False, render: Render = plain_text
) -> Iterator[str]:
    """The whole tree as a page, in pieces.

    Args:
        stored: The session.
        everything: Hidden messages and summaries too.
        render: Turns the words of a message into HTML; it must escape what it does not mean.
    """
    record, tree = stored.record, stored.tree
    title = _line(record.title or "Untitled")
    facts = [_line(record.model) if record.model else "", f"{record.created_at:%Y-%m-%d %H:%M} UTC"]
    head = "" if tree.head is None else f"n{tree.head}"
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy())}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<header><h1>{title}</h1>\n<p>{' · '.join(filter(None, facts))}</p></header>\n"
        '<div class="both">\n<nav class="tree" aria-label="Branches">\n'
    )
    yield from _rows(tree, everything=everything)
    yield f'</nav>\n<main data-head="{head}">\n'
    for node in walk(tree, everything=everything):
        yield _article(tree, node, render, everything=everything)
    yield f"</main>\n</div>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"


def _rows(tree: Tree, *, everything: bool) -> Iterator[str]:
    """The list of the tree: prompts and replies, indented where branches part."""
    indents: dict[int | None, int] = {None: 0}
    for node in walk(tree, everything=everything):
        versions = below(tree, node.parent_id, everything=everything)
        indent = indents[node.parent_id] + (len(versions) > 1)
        indents[node.id] = indent
        if node.kind not in ("prompt", "reply"):
            continue
        words = _line(node.message.text, ROW_LENGTH) or "…"
        label = f'<span class="label">{_line(node.label, 30)}</span> ' if node.label else ""
        mark = "›" if node.kind == "prompt" else "·"
        on = ' class="on"' if tree.on_path(node.id) else ""
        place = min(indent, MAX_INDENT)
        yield f'<div class="d{place}"><a href="#n{node.id}"{on}>{mark} {label}{words}</a></div>\n'


def _article(tree: Tree, node: Node, render: Render, *, everything: bool) -> str:
    classes: list[str] = [node.kind]
    if node.is_pruned:
        classes.append("pruned")
    if tree.on_path(node.id):
        classes.append("on")
    above = f"n{node.parent_id}" if node.parent_id is not None else ""
    aside = " data-aside" if node.kind == "summary" else ""
    parts = [
        f'<article id="n{node.id}" class="{" ".join(classes)}" data-parent="{above}"{aside}>\n',
        _versions(tree, node, everything=everything),
        f"<h2>{_line(speaker(node))}</h2>",
        f'<p class="about">{_about(node)}</p>\n',
        *(_block(block, render) for block in node.message.content),
        "</article>\n",
    ]
    return "".join(parts)


def _versions(tree: Tree, node: Node, *, everything: bool) -> str:
    versions = [
        each
        for each in below(tree, node.parent_id, everything=everything)
        if tree[each].kind != "summary"
    ]
    if len(versions) < 2 or node.id not in versions:
        return ""
    place = versions.index(node.id)
    before, after = versions[place - 1], versions[(place + 1) % len(versions)]
    return (
        f'<span class="versions"><a href="#n{before}" aria-label="the version before">‹</a> '
        f"{place + 1}/{len(versions)} "
        f'<a href="#n{after}" aria-label="the next version">›</a></span>'
    )


def _about(node: Node) -> str:
    made = [f"#{node.id}"]
    if node.parent_id is not None and node.parent_id != node.id - 1:
        made.append(f'after <a href="#n{node.parent_id}">#{node.parent_id}</a>')
    made += [escape(each) for each in remarks(node)]
    words = " · ".join(made)
    return f'<span class="bad">{words}</span>' if node.status == "failed" else words


def _block(block: Block, render: Render) -> str:
    match block:
        case Text():
            return f"{render(block.text)}\n" if block.text.strip() else ""
        case Thinking():
            return _folded("Thinking", block.text.strip() or "(withheld by the provider)")
        case ToolUse():
            arguments = block.invalid
            if arguments is None:
                arguments = json.dumps(block.input, indent=2, ensure_ascii=False)
            return _folded(f"{block.name} was called", arguments)
        case ToolResult():
            how = "failed" if block.is_error else "answered"
            return _folded(f"{block.name} {how}", block.content)
        case Attachment():
            return _attachment(block)
        case Opaque():
            return f"<p>{_line(block.kind, 60)}, kept as it came</p>\n"


def _attachment(block: Attachment) -> str:
    line = _line(attachment_line(block), 200)
    if block.data is None:
        return f"<p>Attached: {line}</p>\n"
    if block.media_type in _IMAGES:
        data = base64.b64encode(block.data).decode("ascii")
        return f'<p><img alt="{line}" src="data:{block.media_type};base64,{data}"></p>\n'
    if kind_of(block.media_type) == "text":
        return _folded(attachment_line(block), block.data.decode("utf-8", "replace"))
    return f"<p>Attached: {line}</p>\n"


def _folded(summary: str, text: str) -> str:
    return (
        f"<details><summary>{_line(summary, 160)}</summary>"
        f"<pre><code>{escape(safe(text))}</code></pre></details>\n"
    )


def _line(text: str, limit: int = 200) -> str:
    return escape(safe_line(text, limit))
