"""The tree against a model so naive that it cannot be wrong: it works all out anew each time."""

from __future__ import annotations

from dataclasses import dataclass, field

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec import UNSET

from omni_tui.core.messages import Message
from omni_tui.core.usage import Usage
from omni_tui.session.tree import Changes, Node, Tree


@dataclass
class Model:
    """Parents, cursors and the head; nothing is kept that could be worked out."""

    parents: dict[int, int | None] = field(default_factory=dict)
    labels: dict[int, str | None] = field(default_factory=dict)
    cursors: dict[int | None, int] = field(default_factory=dict)
    head: int | None = None

    def children(self, parent: int | None) -> list[int]:
        return sorted(node for node, above in self.parents.items() if above == parent)

    def path(self, node: int | None) -> list[int]:
        return [] if node is None else [*self.path(self.parents[node]), node]

    def tip(self, node: int | None) -> int | None:
        children = self.children(node)
        if not children:
            return node
        return self.tip(self.cursors.get(node, children[-1]))

    def below(self, node: int) -> set[int]:
        return {node}.union(*(self.below(child) for child in self.children(node)))

    def choose(self, path: list[int]) -> None:
        for node in path:
            self.cursors[self.parents[node]] = node


class Saved:
    """What a store would hold after the changes it was given."""

    def __init__(self) -> None:
        self.nodes: dict[int, Node] = {}
        self.cursors: dict[int | None, int] = {}
        self.head: int | None = None

    def apply(self, changes: Changes) -> None:
        for node_id in changes.removed:
            self.nodes.pop(node_id, None)
            self.cursors.pop(node_id, None)
        for node in changes.nodes:
            assert node.parent_id is None or node.parent_id in self.nodes, "parents come first"
            self.nodes[node.id] = node
        for parent, child in changes.cursors.items():
            if child is None:
                self.cursors.pop(parent, None)
            else:
                self.cursors[parent] = child
        if changes.head is not UNSET:
            self.head = changes.head


class TreeMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.tree = Tree()
        self.saved = Saved()
        self.next_id = 1

    @initialize(gaps=st.lists(st.integers(1, 5), max_size=4))
    def start_with_sparse_ids(self, gaps: list[int]) -> None:
        nodes: list[Node] = []
        for gap in gaps:
            parent = nodes[-1].id if nodes else None
            nodes.append(Node((parent or 0) + gap, parent, Message.user("old")))
        for node in nodes:
            self.model.parents[node.id] = node.parent_id
            self.saved.nodes[node.id] = node
        head = nodes[-1].id if nodes else None
        self.model.choose(self.model.path(head))
        self.model.head = head
        self.saved.cursors, self.saved.head = dict(self.model.cursors), head
        self.tree = Tree.from_rows(nodes, cursors=self.model.cursors, head=head)
        self.next_id = (head or 0) + 1

    def pick(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(sorted(self.model.parents)))

    def note(self, node: Node, parent: int | None, follows: bool) -> None:
        assert node.id == self.next_id
        self.next_id += 1
        self.model.parents[node.id] = parent
        if follows:
            self.model.head = node.id
        if follows or parent not in self.model.cursors:
            self.model.cursors[parent] = node.id

    @rule(output=st.integers(0, 9))
    def push(self, output: int) -> None:
        head = self.model.head
        self.note(self.tree.push(Message.user("x"), usage=Usage(output=output)), head, True)

    @rule(data=st.data(), follow=st.booleans(), at_top=st.booleans())
    def add(self, data: st.DataObject, follow: bool, at_top: bool) -> None:
        parent = None if at_top or not self.model.parents else self.pick(data)
        node = self.tree.add(Message.assistant("x"), parent=parent, follow=follow)
        self.note(node, parent, follow and parent == self.model.head)

    @precondition(lambda self: self.model.parents)
    @rule(data=st.data())
    def navigate(self, data: st.DataObject) -> None:
        node = self.pick(data)
        self.tree.navigate(node)
        self.model.head = node
        self.model.choose(self.model.path(node))

    @rule()
    def clear(self) -> None:
        self.tree.navigate(None)
        self.model.head = None

    @rule()
    def extend(self) -> None:
        self.tree.extend()
        self.model.head = self.model.tip(self.model.head)
        self.model.choose(self.model.path(self.model.head))

    @precondition(lambda self: self.model.parents)
    @rule(data=st.data())
    def switch(self, data: st.DataObject) -> None:
        node = self.pick(data)
        self.tree.switch(node)
        self.model.choose(self.model.path(node))
        self.model.head = self.model.tip(node)
        self.model.choose(self.model.path(self.model.head))

    @precondition(lambda self: self.model.parents)
    @rule(data=st.data(), label=st.sampled_from(["a", "b", None]))
    def label(self, data: st.DataObject, label: str | None) -> None:
        node = self.pick(data)
        self.tree.update(node, label=label)
        self.model.labels[node] = label

    @precondition(lambda self: self.model.parents)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        node = self.pick(data)
        parent = self.model.parents[node]
        gone = self.model.below(node)
        assert {removed.id for removed in self.tree.remove(node)} == gone
        if self.model.head in gone:
            self.model.head = parent
        for lost in gone:
            del self.model.parents[lost]
            self.model.cursors.pop(lost, None)
            self.model.labels.pop(lost, None)
        if self.model.cursors.get(parent) == node:
            # Which child is named instead is history; that it is a child, or none, is the rule.
            del self.model.cursors[parent]
            if (child := self.tree.cursors.get(parent)) is not None:
                assert child in self.model.children(parent)
                self.model.cursors[parent] = child

    @rule()
    def save(self) -> None:
        self.saved.apply(self.tree.take_changes())
        self.compare_saved()

    @rule()
    def fail_to_save(self) -> None:
        self.tree.put_back(self.tree.take_changes())

    def compare_saved(self) -> None:
        assert self.saved.nodes == dict(self.tree.nodes)
        assert self.saved.cursors == dict(self.tree.cursors)
        assert self.saved.head == self.tree.head
        again = Tree.from_rows(
            [self.saved.nodes[node] for node in sorted(self.saved.nodes)],
            cursors=self.saved.cursors,
            head=self.saved.head,
        )
        assert again.path == self.tree.path
        assert again.tips() == self.tree.tips()

    @invariant()
    def agrees_with_the_model(self) -> None:
        model, tree = self.model, self.tree
        assert list(tree.path) == model.path(model.head)
        assert tree.head == model.head
        assert dict(tree.cursors) == model.cursors
        assert list(tree.roots) == model.children(None)
        assert set(tree.nodes) == set(model.parents)
        assert tree.tip_of(None) == model.tip(None)
        total = sum(node.usage.output for node in tree.nodes.values() if node.usage)
        assert tree.usage().output == total
        for node in model.parents:
            path = model.path(node)
            assert list(tree.path_to(node)) == path
            assert tree.depth(node) == len(path)
            assert tree.on_path(node) == (node in model.path(model.head))
            assert list(tree.children(node)) == model.children(node)
            assert {node, *tree.siblings(node)} == set(model.children(model.parents[node]))
            assert tree.tip_of(node) == model.tip(node)
            assert {below.id for below in tree.subtree(node)} == model.below(node)
            assert tree[node].label == model.labels.get(node)

    @precondition(lambda self: self.model.parents)
    @rule(data=st.data())
    def common_ancestors_agree(self, data: st.DataObject) -> None:
        one, other = self.pick(data), self.pick(data)
        shared = set(self.model.path(one)) & set(self.model.path(other))
        expected = max(shared, default=None)
        assert self.tree.common_ancestor(one, other) == expected


TestTreeAgainstModel = TreeMachine.TestCase
TestTreeAgainstModel.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, database=None
)
