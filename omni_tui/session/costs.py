"""What a tree cost: each message, each branch, and what was spent at each fork beside the line."""

from __future__ import annotations

from collections import defaultdict

import msgspec

from omni_tui.core.usage import Usage
from omni_tui.session.node import Node
from omni_tui.session.tree import Parent, Tree


class BranchCost(msgspec.Struct, frozen=True):
    """A branch, from its root to its tip."""

    tip: int
    usage: Usage
    """Of all its messages; those it shares with others count in each of them."""
    own: Usage
    """Of the messages after the last fork: what only this branch took."""


class Version(msgspec.Struct, frozen=True):
    """One of the ways on from a fork."""

    node_id: int
    usage: Usage
    """Of the message and all that is below it."""
    is_chosen: bool
    """Whether it is the way last taken."""


class Fork(msgspec.Struct, frozen=True):
    """A place where branches part."""

    at: Parent
    """The last message they share; `None` where there are several roots."""
    versions: tuple[Version, ...]
    detour: Usage
    """Of the ways that are not the chosen one."""


class Costs(msgspec.Struct, frozen=True):
    """What a tree cost; hidden branches and summaries are paid for, so they count."""

    total: Usage
    """`Tree.usage()`: the sum over `nodes`."""
    nodes: tuple[Node, ...]
    """Those that consumed anything known, in the order of their ids."""
    branches: tuple[BranchCost, ...]
    """In the order of their tips."""
    forks: tuple[Fork, ...]
    """In the order of the messages they are at."""
    unpriced: int
    """How many of `nodes` have no known price: sums of costs leave them out."""


def costs_of(tree: Tree) -> Costs:
    """Add up a tree; O(n)."""
    kids: defaultdict[Parent, list[int]] = defaultdict(list)
    above: dict[Parent, Usage] = {None: Usage()}
    own: dict[Parent, Usage] = {None: Usage()}
    for node in tree.nodes.values():
        spent = node.usage or Usage()
        above[node.id] = above[node.parent_id] + spent
        if node.kind == "summary":
            continue
        kids[node.parent_id].append(node.id)
        own[node.id] = spent
    for parent, found in kids.items():
        if len(found) == 1 and parent is not None:
            # The ids of a line grow downwards, so what is above is complete by now.
            own[found[0]] = own[parent] + own[found[0]]
    below = _below(tree)
    paid = tuple(node for node in tree.nodes.values() if node.usage is not None)
    tips = (node.id for node in tree.nodes.values() if node.kind != "summary")
    return Costs(
        total=tree.usage(),
        nodes=paid,
        branches=tuple(BranchCost(id, above[id], own[id]) for id in tips if id not in kids),
        forks=tuple(
            _fork(tree, parent, found, below)
            for parent, found in sorted(kids.items(), key=lambda pair: pair[0] or 0)
            if len(found) > 1
        ),
        unpriced=sum(node.usage is not None and node.usage.cost is None for node in paid),
    )


def _below(tree: Tree) -> dict[int, Usage]:
    """What each message and all below it consumed."""
    sums = {node.id: node.usage or Usage() for node in tree.nodes.values()}
    for node in reversed(list(tree.nodes.values())):
        if node.parent_id is not None:
            sums[node.parent_id] += sums[node.id]
    return sums


def _fork(tree: Tree, at: Parent, found: list[int], below: dict[int, Usage]) -> Fork:
    shown = tree.children(at)
    chosen = tree.cursors.get(at, shown[-1] if shown else None)
    detour = sum((below[id] for id in found if id != chosen), Usage())
    return Fork(at, tuple(Version(id, below[id], id == chosen) for id in found), detour)
