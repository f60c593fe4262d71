"""The branching tree of a session: pure, in memory, no I/O.

Nodes hang under the message they answer, and several roots may stand side by side. One node is the
head; the *active path* leads from its root to it. Each parent remembers the child last chosen (its
*cursor*), so that coming back to a branch lands on the tip last used there. The tree notes what
changed since it was last saved; a store writes just that.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator, Mapping
from typing import Unpack

import msgspec
from msgspec import UNSET, UnsetType

from omni_tui.core.messages import Message
from omni_tui.core.usage import Usage
from omni_tui.session.node import Facts, Kind, Node, Origin, Status
from omni_tui.session.structure import Parent, Structure
from omni_tui.session.turns import Turn

__all__ = ["Changes", "Facts", "Kind", "Node", "Origin", "Parent", "Status", "Tree", "Turn"]


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


class Tree(Structure):
    """Nodes, the active path and the cursors of one session.

    Structure is told in ids, `tree[id]` gives the node. Every method that takes an id raises
    `NodeNotFoundError` for an unknown one. Moves and queries cost O(depth) or less, unless they
    say otherwise.
    """

    def __init__(self) -> None:
        super().__init__()
        self._displaced: dict[int, int | None] = {}
        self._next_id = 1
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
            beneath = (
                children if not node.is_pruned and node.kind != "summary" else tree._aside(node)
            )
            beneath.setdefault(parent, []).append(node.id)
        tree._next_id = max(known, default=0) + 1
        for parent, child in cursors.items():
            if child in known and known[child].parent_id == parent and tree._is_shown(known[child]):
                tree._cursors[parent] = child
        if head is not None:
            lost = head not in known or known[head].kind == "summary" or tree.is_hidden(head)
            tree._path = list(tree.path_to(tree.tip_of(None) if lost else head))
        return tree

    def _aside(self, node: Node) -> dict[Parent, list[int]]:
        """Where a node is listed that is nobody's child."""
        return self._summaries if node.kind == "summary" else self._hidden

    @staticmethod
    def _is_shown(node: Node) -> bool:
        return not node.is_pruned and node.kind != "summary"

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
        self._enter(node)
        self._children.setdefault(parent, []).append(node.id)
        if follows or before is None:
            self._displaced[node.id] = before
            self._choose(node.id)
        if follows:
            self._path.append(node.id)
            if self._path_total is not None and node.usage is not None:
                self._path_total += node.usage
            self._dirty_head = True
        return node

    def summarize(self, message: Message, *, covers: int, **facts: Unpack[Facts]) -> Node:
        """Add a summary of the path from the root to the node it `covers`.

        It changes no path: only what a model is given to read. `prune` takes it out of use again.
        """
        self._require(covers)
        node = Node(self._next_id, covers, message, "summary", **facts)
        self._enter(node)
        self._summaries.setdefault(covers, []).append(node.id)
        return node

    def _enter(self, node: Node) -> None:
        parent = node.parent_id
        self._next_id += 1
        self._nodes[node.id] = node
        self._depths[node.id] = 1 if parent is None else self._depths[parent] + 1
        if self._total is not None and node.usage is not None:
            self._total += node.usage
        self._dirty_nodes.add(node.id)

    def navigate(self, node_id: int | None) -> None:
        """Make this node the head and choose it, and all above it, at every parent.

        `None` clears the path, so that the next message starts a new root; nodes and cursors stay.
        What is hidden on the way is shown again. A summary stands for the node it covers.
        """
        if node_id is not None and self[node_id].kind == "summary":
            node_id = self[node_id].parent_id
        path = list(self.path_to(node_id))
        if self._hidden:
            for step in path:
                self.restore(step)
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
        gone = tuple(self._everything_below(node_id))
        parent = gone[0].parent_id
        if self.on_path(node_id):
            del self._path[self._depths[node_id] - 1 :]
            self._dirty_head = True
        listed = self._children if self._is_shown(gone[0]) else self._aside(gone[0])
        listed[parent].remove(node_id)
        if self._cursors.get(parent) == node_id:
            self._restore_cursor(parent, self._displaced.get(node_id))
        for node in gone:
            del self._nodes[node.id], self._depths[node.id]
            for lists in (self._children, self._hidden, self._summaries):
                lists.pop(node.id, None)
            self._cursors.pop(node.id, None)
            self._displaced.pop(node.id, None)
            self._dirty_nodes.discard(node.id)
            self._dirty_cursors.discard(node.id)
            self._removed.add(node.id)
        self._total = self._path_total = None
        return gone

    def _everything_below(self, node_id: int) -> Iterator[Node]:
        self._require(node_id)
        stack = [node_id]
        while stack:
            current = stack.pop()
            yield self._nodes[current]
            for lists in (self._children, self._hidden, self._summaries):
                stack.extend(reversed(lists.get(current, ())))

    def prune(self, node_id: int) -> None:
        """Hide a node and all below it; nothing is deleted, and what it cost still counts.

        A head among them falls back to the tip last used above it. A summary is no longer used.
        """
        node = self[node_id]
        if node.is_pruned:
            return
        self._mark(node, pruned=True)
        if node.kind == "summary":
            return
        parent = node.parent_id
        self._children[parent].remove(node_id)
        insort(self._hidden.setdefault(parent, []), node_id)
        if self._cursors.get(parent) == node_id:
            before = self._displaced.get(node_id)
            self._restore_cursor(parent, before if before in self._children[parent] else None)
        if self.on_path(node_id):
            self.navigate(self.tip_of(parent))

    def restore(self, node_id: int) -> None:
        """Show again what `prune` hid; the head stays where it is. Any other node is fine."""
        node = self[node_id]
        if not node.is_pruned:
            return
        self._mark(node, pruned=False)
        if node.kind == "summary":
            return
        parent = node.parent_id
        hidden = self._hidden[parent]
        hidden.remove(node_id)
        if not hidden:
            del self._hidden[parent]
        insort(self._children.setdefault(parent, []), node_id)

    def _mark(self, node: Node, *, pruned: bool) -> None:
        self._nodes[node.id] = node.copy(is_pruned=pruned)
        self.hides += 1
        self._dirty_nodes.add(node.id)

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
