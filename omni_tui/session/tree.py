"""The branching tree of a session: pure, in memory, no I/O.

Nodes hang under the message they answer, and several roots may stand side by side. One node is the
head; the *active path* leads from its root to it. Each parent remembers the child last chosen (its
*cursor*), so that coming back to a branch lands on the tip last used there. The tree notes what
changed since it was last saved; a store writes just that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TypeAlias, Unpack

import msgspec
from msgspec import UNSET, UnsetType

from omni_tui.core.errors import NodeNotFoundError
from omni_tui.core.messages import Message, ToolUse
from omni_tui.core.usage import Usage
from omni_tui.session.node import Facts, Kind, Node, Status
from omni_tui.session.turns import Turn, split_turns

__all__ = ["Changes", "Facts", "Kind", "Node", "Parent", "Status", "Tree", "Turn"]

Parent: TypeAlias = int | None
"""The id of a node, or `None` for the place above the roots."""


class Changes(msgspec.Struct, frozen=True):
    """What a store has to write; false when there is nothing."""

    nodes: tuple[Node, ...] = ()
    """New and altered nodes, parents before children."""
    removed: tuple[int, ...] = ()
    """Nodes to delete, children before parents."""
    cursors: Mapping[Parent, int | None] = msgspec.field(default_factory=dict)
    """Parents whose cursor moved; `None` as the value means it names no child any more."""
    head: int | UnsetType | None = UNSET
    """The new head; `UNSET` when it did not move."""

    def __bool__(self) -> bool:
        return bool(self.nodes or self.removed or self.cursors or self.head is not UNSET)


class Tree:
    """Nodes, the active path and the cursors of one session.

    Structure is told in ids, `tree[id]` gives the node. Every method that takes an id raises
    `NodeNotFoundError` for an unknown one. Moves and queries cost O(depth) or less, unless they
    say otherwise.
    """

    def __init__(self) -> None:
        self._nodes: dict[int, Node] = {}
        self._children: dict[Parent, list[int]] = {None: []}
        self._depths: dict[int, int] = {}
        self._cursors: dict[Parent, int] = {}
        self._displaced: dict[int, int | None] = {}
        self._path: list[int] = []
        self._next_id = 1
        self._total: Usage | None = None
        self._path_total: Usage | None = None
        self._dirty_nodes: set[int] = set()
        self._dirty_cursors: set[Parent] = set()
        self._dirty_head = False
        self._removed: set[int] = set()

    @classmethod
    def from_rows(
        cls, nodes: Iterable[Node], *, cursors: Mapping[Parent, int], head: int | None
    ) -> Tree:
        """Rebuild a stored tree in O(n), without decoding a message; nothing counts as changed.

        Nodes come in the order of their ids. Damage loses nothing that is there: a node whose
        parent is missing becomes a root, a cursor that names no child of its parent is dropped,
        and a head that is missing falls back to the tip last used.
        """
        tree = cls()
        known, depths, children = tree._nodes, tree._depths, tree._children
        for node in nodes:
            parent = node.parent_id
            if parent is not None and parent not in known:
                node, parent = node.copy(parent_id=None), None
            known[node.id] = node
            depths[node.id] = 1 if parent is None else depths[parent] + 1
            children.setdefault(parent, []).append(node.id)
        tree._next_id = max(known, default=0) + 1
        for parent, child in cursors.items():
            if child in tree._nodes and tree._nodes[child].parent_id == parent:
                tree._cursors[parent] = child
        if head is not None:
            tree._path = list(tree.path_to(head if head in tree._nodes else tree.tip_of(None)))
        return tree

    # What is there

    @property
    def nodes(self) -> Mapping[int, Node]:
        """All nodes by id, in the order they were added."""
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

    def subtree(self, node_id: int) -> Iterator[Node]:
        """This node and all below it, parents first, older branches first; O(what it yields)."""
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
        return tuple(i for i in self._nodes if not self._children.get(i))

    def messages(self, node_id: int | None) -> tuple[Message, ...]:
        """The messages from the root to this node: what a model is to read."""
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

    # Growing and moving

    def push(self, message: Message, **facts: Unpack[Facts]) -> Node:
        """Add a message under the head; it becomes the head."""
        return self.add(message, parent=self.head, **facts)

    def add(
        self, message: Message, *, parent: Parent, follow: bool = True, **facts: Unpack[Facts]
    ) -> Node:
        """Add a message under any node, or as a root for `None`.

        The head moves on to it when `parent` is the head and `follow` is true; else path and head
        stay. The parent's cursor goes with the head, and is set too where there was none.
        """
        self._require(parent)
        node = Node(self._next_id, parent, message, **facts)
        follows = follow and parent == self.head
        before = self._cursors.get(parent)
        self._next_id += 1
        self._nodes[node.id] = node
        self._depths[node.id] = 1 if parent is None else self._depths[parent] + 1
        self._children.setdefault(parent, []).append(node.id)
        if self._total is not None and node.usage is not None:
            self._total += node.usage
        self._dirty_nodes.add(node.id)
        if follows or before is None:
            self._displaced[node.id] = before
            self._choose(node.id)
        if follows:
            self._path.append(node.id)
            if self._path_total is not None and node.usage is not None:
                self._path_total += node.usage
            self._dirty_head = True
        return node

    def navigate(self, node_id: int | None) -> None:
        """Make this node the head and choose it, and all above it, at every parent.

        `None` clears the path, so that the next message starts a new root; nodes and cursors stay.
        """
        path = list(self.path_to(node_id))
        for step in path:
            self._choose(step)
        if path != self._path:
            self._path, self._path_total = path, None
            self._dirty_head = True

    def extend(self) -> None:
        """Move the head on to the tip last used below it."""
        self.navigate(self.tip_of(self.head))

    def switch(self, node_id: int) -> None:
        """Go to the branch that holds this node, and land on the tip last used there."""
        self.navigate(node_id)
        self.extend()

    def _choose(self, node_id: int) -> None:
        parent = self._nodes[node_id].parent_id
        if self._cursors.get(parent) != node_id:
            self._cursors[parent] = node_id
            self._dirty_cursors.add(parent)

    def update(
        self,
        node_id: int,
        *,
        status: Status | UnsetType = UNSET,
        error: str | UnsetType | None = UNSET,
        label: str | UnsetType | None = UNSET,
        usage: Usage | UnsetType | None = UNSET,
    ) -> Node:
        """Put a copy of the node with these facts in its place, and return it."""
        given = {"status": status, "error": error, "label": label, "usage": usage}
        node = self[node_id]
        changes = {
            name: value
            for name, value in given.items()
            if value is not UNSET and value != getattr(node, name)
        }
        if not changes:
            return node
        node = node.copy(**changes)
        self._nodes[node_id] = node
        self._dirty_nodes.add(node_id)
        if "usage" in changes:
            self._total = self._path_total = None
        return node

    def remove(self, node_id: int) -> tuple[Node, ...]:
        """Take the node and all below it out, and return them, parents first.

        This undoes what a run added: a head among them falls back to the parent, and the parent's
        cursor to the child it named before the node came (if the node is still the chosen one).
        Ids are not given out again while the tree is loaded.
        """
        gone = tuple(self.subtree(node_id))
        parent = gone[0].parent_id
        if self.on_path(node_id):
            del self._path[self._depths[node_id] - 1 :]
            self._dirty_head = True
        self._children[parent].remove(node_id)
        if self._cursors.get(parent) == node_id:
            self._restore_cursor(parent, self._displaced.get(node_id))
        for node in gone:
            del self._nodes[node.id], self._depths[node.id]
            self._children.pop(node.id, None)
            self._cursors.pop(node.id, None)
            self._displaced.pop(node.id, None)
            self._dirty_nodes.discard(node.id)
            self._dirty_cursors.discard(node.id)
            self._removed.add(node.id)
        self._total = self._path_total = None
        return gone

    def _restore_cursor(self, parent: Parent, child: int | None) -> None:
        if child is not None and child in self._nodes:
            self._cursors[parent] = child
        else:
            del self._cursors[parent]
        self._dirty_cursors.add(parent)

    # What to save

    def take_changes(self) -> Changes:
        """All that changed since the last call; from now on it counts as saved."""
        changes = Changes(
            nodes=tuple(self._nodes[i] for i in sorted(self._dirty_nodes)),
            removed=tuple(sorted(self._removed, reverse=True)),
            cursors={parent: self._cursors.get(parent) for parent in self._dirty_cursors},
            head=self.head if self._dirty_head else UNSET,
        )
        self._dirty_nodes, self._dirty_cursors, self._removed = set(), set(), set()
        self._dirty_head = False
        return changes

    def put_back(self, changes: Changes) -> None:
        """Count changes as unsaved again, because saving them failed.

        The next `take_changes` gives them as they are by then, with all that came since.
        """
        self._dirty_nodes.update(node.id for node in changes.nodes if node.id in self._nodes)
        self._removed.update(changes.removed)
        self._dirty_cursors.update(
            parent for parent in changes.cursors if parent is None or parent in self._nodes
        )
        self._dirty_head = self._dirty_head or changes.head is not UNSET


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
