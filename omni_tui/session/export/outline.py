"""The shape of a tree as lines: one for each turn, and for each version where there are several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from omni_tui.core.safe_text import safe_line
from omni_tui.session.export.branches import below
from omni_tui.session.node import Node
from omni_tui.session.tree import Tree

MAX_LEVELS = 24
"""Levels of branches that are drawn; what is deeper stands under the last one."""

WORDS = 72


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A turn, or the part of one that a version is."""

    nodes: tuple[Node, ...]
    """Its messages, the first one above the others."""
    parent: int | None
    """The id of the last node of the row above; `None` for a root."""
    lasts: tuple[bool, ...]
    """For each level of branches down to this row, whether it is the last one there."""
    is_fork: bool
    """Whether it is one of several at its place."""
    is_active: bool
    """Whether it is on the branch in view."""
    is_hidden: bool
    """Whether it, or what is above it, is hidden."""

    @property
    def id(self) -> int:
        """The id of its first node."""
        return self.nodes[0].id

    @property
    def words(self) -> str:
        """What is said in it, as one safe line: the prompt, and the reply."""
        said = [safe_line(node.message.text, WORDS) for node in _speakers(self.nodes)]
        return " → ".join(filter(None, said)) or f"({self.nodes[0].kind})"

    @property
    def labels(self) -> tuple[str, ...]:
        """The names people gave its messages, as safe lines."""
        return tuple(safe_line(node.label, 40) for node in self.nodes if node.label)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What else there is to say of it."""
        last = self.nodes[-1]
        made: list[str] = [last.status] if last.status != "done" else []
        if self.nodes[0].kind == "summary":
            made.append("summary")
        if self.is_hidden:
            made.append("hidden")
        return tuple(made)


def _speakers(nodes: Sequence[Node]) -> list[Node]:
    """The first message, and the last one if it is a reply."""
    first, last = nodes[0], nodes[-1]
    return [first] if first is last or last.kind != "reply" else [first, last]


def outline(tree: Tree, *, everything: bool = False) -> Iterator[Row]:
    """The rows of a tree, each under its parent, older branches first.

    `everything` brings what is hidden, and summaries.
    """
    stack = _begun(tree, None, (), False, everything=everything)
    while stack:
        first, parent, lasts, is_fork, is_hidden = stack.pop()
        nodes = [tree[first]]
        beneath = below(tree, first, everything=everything)
        while len(beneath) == 1 and _goes_on(tree[beneath[0]]):
            nodes.append(tree[beneath[0]])
            beneath = below(tree, nodes[-1].id, everything=everything)
        is_hidden = is_hidden or nodes[0].is_pruned
        yield Row(
            nodes=tuple(nodes),
            parent=parent,
            lasts=lasts,
            is_fork=is_fork,
            is_active=tree.on_path(first) and nodes[0].kind != "summary",
            is_hidden=is_hidden,
        )
        stack += _begun(tree, nodes[-1].id, lasts, is_hidden, everything=everything)


def _goes_on(node: Node) -> bool:
    return node.kind not in ("prompt", "summary") and not node.is_pruned


def _begun(
    tree: Tree, parent: int | None, lasts: tuple[bool, ...], is_hidden: bool, *, everything: bool
) -> list[tuple[int, int | None, tuple[bool, ...], bool, bool]]:
    """The rows under a node, the first one last, for a stack."""
    beneath = below(tree, parent, everything=everything)
    is_fork = len(beneath) > 1
    made = []
    for each in reversed(beneath):
        levels = (*lasts, each == beneath[-1])[:MAX_LEVELS] if is_fork else lasts
        made.append((each, parent, levels, is_fork, is_hidden))
    return made


def to_lines(tree: Tree, *, everything: bool = False) -> Iterator[str]:
    """The tree as text: lines between branches, `●` on the branch in view, ids, words, labels."""
    for row in outline(tree, everything=everything):
        levels = row.lasts
        rails = "".join("   " if last else "│  " for last in levels[: -1 if row.is_fork else None])
        if row.is_fork and levels:
            rails += "└─ " if levels[-1] else "├─ "
        label = "".join(f" [{each}]" for each in row.labels)
        notes = f"  ({', '.join(row.remarks)})" if row.remarks else ""
        yield f"{rails}{'●' if row.is_active else '○'} {row.id} {row.words}{label}{notes}"
