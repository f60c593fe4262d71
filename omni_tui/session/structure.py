"""What a session's tree is made of, and all that can be asked of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TypeAlias

from omni_tui.core.errors import NodeNotFoundError
from omni_tui.core.messages import Message, ToolUse
from omni_tui.core.usage import Usage
from omni_tui.session.node import Node
from omni_tui.session.turns import Turn, split_turns

Parent: TypeAlias = int | None
"""The id of a node, or `None` for the place above the roots."""


class Structure:
    """Nodes under nodes, the active path and the cursors: the side of a `Tree` that is read."""

    def __init__(self) -> None:
        self._nodes: dict[int, Node] = {}
        self._children: dict[Parent, list[int]] = {None: []}
        self._hidden: dict[Parent, list[int]] = {}
        """What a person hid, by parent: those nodes are in no list of children."""
        self._summaries: dict[Parent, list[int]] = {}
        """Summaries by the last node they cover; they are in no list of children either."""
        self.hides = 0
        """How often a node was hidden or shown again; tells a picture that it is stale."""
        self._depths: dict[int, int] = {}
        self._cursors: dict[Parent, int] = {}
        self._path: list[int] = []
        self._total: Usage | None = None
        self._path_total: Usage | None = None

    @property
    def nodes(self) -> Mapping[int, Node]:
        """All nodes by id, in the order they were added; hidden ones and summaries too."""
        return MappingProxyType(self._nodes)

    @property
    def head(self) -> int | None:
        """The node the next message goes under; `None` starts a new root."""
        return self._path[-1] if self._path else None

    @property
    def path(self) -> tuple[int, ...]:
        """The active path, from its root to the head; empty without a head."""
        return tuple(self._path)

    @property
    def cursors(self) -> Mapping[Parent, int]:
        """The child last chosen at each parent (`None`: among the roots)."""
        return MappingProxyType(self._cursors)

    @property
    def roots(self) -> tuple[int, ...]:
        """The nodes without a parent, oldest first."""
        return self.children(None)

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, node_id: object) -> bool:
        return node_id in self._nodes

    def __getitem__(self, node_id: int) -> Node:
        self._require(node_id)
        return self._nodes[node_id]

    def _require(self, node_id: Parent) -> None:
        if node_id is not None and node_id not in self._nodes:
            raise NodeNotFoundError(f"There is no node {node_id}.", node_id=node_id)

    def children(self, node_id: Parent) -> tuple[int, ...]:
        """The nodes right under this one, oldest first; the roots for `None`."""
        self._require(node_id)
        return tuple(self._children.get(node_id, ()))

    def siblings(self, node_id: int) -> tuple[int, ...]:
        """The other nodes under the same parent, oldest first."""
        return tuple(i for i in self._children[self[node_id].parent_id] if i != node_id)

    def ancestors(self, node_id: int) -> Iterator[Node]:
        """The nodes above this one, from its parent up to its root."""
        parent = self[node_id].parent_id
        while parent is not None:
            node = self._nodes[parent]
            yield node
            parent = node.parent_id

    def path_to(self, node_id: int | None) -> tuple[int, ...]:
        """The ids from the root to this node, both included; empty for `None`."""
        if node_id is None:
            return ()
        path = [node_id, *(node.id for node in self.ancestors(node_id))]
        path.reverse()
        return tuple(path)

    def on_path(self, node_id: int) -> bool:
        """Whether the active path goes through this node; O(1)."""
        place = self.depth(node_id) - 1
        return place < len(self._path) and self._path[place] == node_id

    def depth(self, node_id: int) -> int:
        """How many nodes the path to this one has; 1 for a root; O(1)."""
        self._require(node_id)
        return self._depths[node_id]

    def tip_of(self, node_id: Parent) -> int | None:
        """The tip last used below this node: cursors where there are any, else the newest child.

        `None` asks for the whole tree; only an empty one has no tip.
        """
        self._require(node_id)
        tip = node_id
        while children := self._children.get(tip):
            tip = self._cursors.get(tip, children[-1])
        return tip

    def common_ancestor(self, a: int, b: int) -> int | None:
        """The deepest node that is on the paths to both; `None` if they share none."""
        self._require(a)
        self._require(b)
        one: Parent = a
        other: Parent = b
        while one != other:
            if other is None or (one is not None and self._depths[one] >= self._depths[other]):
                assert one is not None
                one = self._nodes[one].parent_id
            else:
                other = self._nodes[other].parent_id
        return one

    def pruned(self, node_id: Parent) -> tuple[int, ...]:
        """The hidden nodes right under this one, oldest first; the hidden roots for `None`."""
        self._require(node_id)
        return tuple(self._hidden.get(node_id, ()))

    def shown(self) -> list[Node]:
        """The nodes in the picture, in the order of their ids: no hidden ones and no summaries."""
        if not self._hidden and not self._summaries:
            return list(self._nodes.values())
        out: set[Parent] = set()
        nodes = []
        for node in self._nodes.values():
            if node.is_pruned or node.kind == "summary" or node.parent_id in out:
                out.add(node.id)
            else:
                nodes.append(node)
        return nodes

    def is_hidden(self, node_id: int) -> bool:
        """Whether this node, or one above it, is pruned."""
        if not self._hidden:
            return False
        return self[node_id].is_pruned or any(above.is_pruned for above in self.ancestors(node_id))

    def summaries(self, node_id: int) -> tuple[int, ...]:
        """The summaries of the path up to this node, oldest first; those not in use too."""
        self._require(node_id)
        return tuple(self._summaries.get(node_id, ()))

    def summary_for(self, node_id: int | None) -> Node | None:
        """The summary to read in place of the beginning of the path to this node.

        Of those in use on that path it is the one that covers most, and of two the newer.
        """
        if node_id is None or not self._summaries:
            return None
        for step in (node_id, *(above.id for above in self.ancestors(node_id))):
            for summary in reversed(self._summaries.get(step, ())):
                if not self._nodes[summary].is_pruned:
                    return self._nodes[summary]
        return None

    def subtree(self, node_id: int) -> Iterator[Node]:
        """This node and all below it, parents first, older branches first; O(what it yields).

        What is hidden below it is left out.
        """
        self._require(node_id)
        stack = [node_id]
        while stack:
            current = stack.pop()
            yield self._nodes[current]
            stack.extend(reversed(self._children.get(current, ())))

    def descendants(self, node_id: int) -> int:
        """How many nodes are below this one; O(that many)."""
        return sum(1 for _ in self.subtree(node_id)) - 1

    def tips(self) -> tuple[int, ...]:
        """The nodes with nothing below them, one for each branch, oldest first; O(n)."""
        below = self._children
        if not self._hidden and not self._summaries:
            return tuple(i for i in self._nodes if not below.get(i))
        shown = (node.id for root in below[None] for node in self.subtree(root))
        return tuple(sorted(i for i in shown if not below.get(i)))

    def messages(self, node_id: int | None) -> tuple[Message, ...]:
        """All messages from the root to this node."""
        return tuple(self._nodes[i].message for i in self.path_to(node_id))

    def usage(self, node_ids: Iterable[int] | None = None) -> Usage:
        """What these nodes consumed together; by default the whole tree, abandoned branches too."""
        if node_ids is not None:
            return _sum(self[node_id] for node_id in node_ids)
        if self._total is None:
            self._total = _sum(self._nodes.values())
        return self._total

    @property
    def path_usage(self) -> Usage:
        """What the active path consumed."""
        if self._path_total is None:
            self._path_total = _sum(self._nodes[node_id] for node_id in self._path)
        return self._path_total

    # Turns and their state

    def turns(self) -> list[Turn]:
        """The active path, cut into turns."""
        return split_turns(
            (self._nodes[i] for i in self._path),
            lambda parent: (self._nodes[i] for i in self._children.get(parent, ())),
        )

    def turn_prompt(self, node_id: int) -> Node:
        """The prompt that opens the turn this node belongs to.

        Operations on any message of a turn (a tool round, say) go through it. Where no prompt is
        above the node, its root stands in.
        """
        node = self[node_id]
        while node.kind != "prompt" and node.parent_id is not None:
            node = self._nodes[node.parent_id]
        return node

    def end_of_turn(self, node_id: int) -> int:
        """The last node of the turn this one belongs to, on the branch last used below it."""
        self._require(node_id)
        end = node_id
        while children := self._children.get(end):
            below = self._cursors.get(end, children[-1])
            if self._nodes[below].kind == "prompt":
                break
            end = below
        return end

    def is_finished(self, node_id: int) -> bool:
        """Whether the node is a complete reply, so that the next prompt may follow it."""
        node = self[node_id]
        return node.kind == "reply" and node.status == "done"

    def is_interrupted(self, node_id: int) -> bool:
        """Whether this tip waits for a step that never came: the process ended during its run.

        A run that is still under way looks the same; only its owner knows.
        """
        node = self[node_id]
        return node.kind != "reply" and node.status == "done"

    def dangling(self, node_id: int) -> tuple[ToolUse, ...]:
        """The tool uses that no result answers up to this tip."""
        node = self[node_id]
        if node.kind == "calls":
            return node.message.tool_uses
        if node.kind != "results" or node.parent_id is None:
            return ()
        answered = {result.tool_use_id for result in node.message.tool_results}
        uses = self._nodes[node.parent_id].message.tool_uses
        return tuple(use for use in uses if use.id not in answered)


def _sum(nodes: Iterable[Node]) -> Usage:
    # Ten thousand nodes are added up while a person waits: one sum is made, not one each.
    read = written = cache_read = cache_write = 0
    cost: float | None = None
    for node in nodes:
        usage = node.usage
        if usage is not None:
            read += usage.input
            written += usage.output
            cache_read += usage.cache_read
            cache_write += usage.cache_write
            if usage.cost is not None:
                cost = usage.cost if cost is None else cost + usage.cost
    return Usage(
        input=read, output=written, cache_read=cache_read, cache_write=cache_write, cost=cost
    )
