"""The shape of a tree in the languages of two drawing programs, safe whatever the words are."""

from __future__ import annotations

import re
from collections.abc import Iterator

from omni_tui.session.export.outline import Row, outline
from omni_tui.session.tree import Tree

# Mermaid reads directives and Markdown in quoted words too. What is no letter, digit or harmless
# mark is written by its number.
_NOT_PLAIN = re.compile(r"[\x00-\x7f]")
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,:!?'")


def to_mermaid(tree: Tree, *, everything: bool = False) -> Iterator[str]:
    """A flow chart for Mermaid, line by line; the branch in view is of class `active`."""
    yield "flowchart TD"
    edges: list[str] = []
    ends: dict[int, int] = {}
    for row in outline(tree, everything=everything):
        ends[row.nodes[-1].id] = row.id
        yield f'  n{row.id}["{mermaid_words(_label(row))}"]{_class(row)}'
        if row.parent is not None:
            arrow = "-.->" if row.is_hidden or row.nodes[0].kind == "summary" else "-->"
            edges.append(f"  n{ends[row.parent]} {arrow} n{row.id}")
    yield from edges
    yield "  classDef active stroke-width:3px"
    yield "  classDef hidden stroke-dasharray:4"


def _class(row: Row) -> str:
    return ":::active" if row.is_active else ":::hidden" if row.is_hidden else ""


def to_dot(tree: Tree, *, everything: bool = False) -> Iterator[str]:
    """A graph for Graphviz, line by line; the branch in view is bold."""
    yield "digraph session {"
    yield '  node [shape=box, style=rounded, fontname="sans-serif"];'
    ends: dict[int, int] = {}
    for row in outline(tree, everything=everything):
        ends[row.nodes[-1].id] = row.id
        style = ', style="rounded,bold"' if row.is_active else ""
        style = ', style="rounded,dashed"' if row.is_hidden else style
        yield f'  n{row.id} [label="{dot_words(_label(row))}"{style}];'
        if row.parent is not None:
            look = " [style=dashed]" if row.is_hidden or row.nodes[0].kind == "summary" else ""
            yield f"  n{ends[row.parent]} -> n{row.id}{look};"
    yield "}"


def _label(row: Row) -> str:
    labels = "".join(f"[{each}] " for each in row.labels)
    return f"{row.id} {labels}{row.words}"


def mermaid_words(line: str) -> str:
    """A safe line between the quotes of a Mermaid label."""

    def by_number(found: re.Match[str]) -> str:
        mark = found[0]
        return mark if mark in _PLAIN else f"#{ord(mark)};"

    return _NOT_PLAIN.sub(by_number, line)


def dot_words(line: str) -> str:
    """A safe line between the quotes of a Graphviz label."""
    escaped = line.replace("\\", "\\\\").replace('"', '\\"')
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
