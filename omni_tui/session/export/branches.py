"""Which messages an export has, and in which order."""

from __future__ import annotations

from collections.abc import Iterator

from omni_tui.session.node import Node
from omni_tui.session.tree import Parent, Tree


def branch_of(tree: Tree, node_id: int | None = None) -> list[Node]:
    """The branch that goes through a node, to the tip last used there; by default the one in view.

    Raises `NodeNotFoundError`.
    """
    tip = tree.head if node_id is None else tree.tip_of(node_id)
    return [tree[step] for step in tree.path_to(tip)]


def below(tree: Tree, node_id: Parent, *, everything: bool = False) -> list[int]:
    """What stands under a node, oldest first; with `everything` hidden nodes and summaries too."""
    found = list(tree.children(node_id))
    if everything:
        found += tree.pruned(node_id)
        if node_id is not None:
            found += tree.summaries(node_id)
    return sorted(found)


def walk(tree: Tree, *, everything: bool = False) -> Iterator[Node]:
    """The whole tree, each node before those below it, older branches first."""
    stack = below(tree, None, everything=everything)[::-1]
    while stack:
        current = stack.pop()
        yield tree[current]
        stack.extend(reversed(below(tree, current, everything=everything)))


def version_of(tree: Tree, node: Node, *, everything: bool = False) -> tuple[int, int]:
    """Which of how many versions of its moment a node is: `(2, 3)` for the second of three."""
    versions = [
        each
        for each in below(tree, node.parent_id, everything=everything)
        if tree[each].kind != "summary"
    ]
    place = versions.index(node.id) + 1 if node.id in versions else 1
    return place, max(len(versions), 1)
