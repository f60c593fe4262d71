"""The tree against a model so naive that it cannot be wrong: it works all out anew each time."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec import UNSET

from omni_tui.core.messages import Message
from omni_tui.core.usage import Usage
from omni_tui.session.store import SessionRecord, SQLiteStore
from omni_tui.session.tree import Changes, Node, Tree


@dataclass
class Model:
    """Parents, cursors and the head; nothing is kept that could be worked out."""

    parents: dict[int, int | None] = field(default_factory=dict)
    labels: dict[int, str | None] = field(default_factory=dict)
    pruned: set[int] = field(default_factory=set)
    covers: dict[int, int] = field(default_factory=dict)
    """The summaries, by their id, and the node each covers."""
    cursors: dict[int | None, int] = field(default_factory=dict)
    head: int | None = None

    def children(self, parent: int | None) -> list[int]:
        return sorted(
            node
            for node, above in self.parents.items()
            if above == parent and node not in self.pruned
        )

    def hidden(self, parent: int | None) -> list[int]:
        return sorted(node for node in self.pruned if self.parents.get(node, -1) == parent)

    def path(self, node: int | None) -> list[int]:
        return [] if node is None else [*self.path(self.parents[node]), node]

    def tip(self, node: int | None) -> int | None:
        children = self.children(node)
        if not children:
            return node
        return self.tip(self.cursors.get(node, children[-1]))

    def below(self, node: int) -> set[int]:
        return {node}.union(*(self.below(child) for child in self.children(node)))

    def everything_below(self, node: int) -> set[int]:
        beneath = [*self.children(node), *self.hidden(node)]
        summaries = {summary for summary, covered in self.covers.items() if covered == node}
        return {node, *summaries}.union(*map(self.everything_below, beneath))

    def is_hidden(self, node: int) -> bool:
        return not self.pruned.isdisjoint(self.path(node))

    def summary(self, node: int | None) -> int | None:
        for covered in reversed(self.path(node)):
            fits = [s for s, c in self.covers.items() if c == covered and s not in self.pruned]
            if fits:
                return max(fits)
        return None

    def choose(self, path: list[int]) -> None:
        self.pruned.difference_update(path)
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
        self.saved: Saved = Saved()
        self.next_id = 1

    @initialize(gaps=st.lists(st.integers(1, 5), max_size=4))
    def start_with_sparse_ids(self, gaps: list[int]) -> None:
        nodes: list[Node] = []
        for gap in gaps:
            parent = nodes[-1].id if nodes else None
            nodes.append(Node((parent or 0) + gap, parent, Message.user("old")))
        for node in nodes:
            self.model.parents[node.id] = node.parent_id
        head = nodes[-1].id if nodes else None
        self.model.choose(self.model.path(head))
        self.model.head = head
        cursors: dict[int | None, int | None] = {**self.model.cursors}
        self.saved.apply(Changes(tuple(nodes), cursors=cursors, head=head))
        self.tree = Tree.from_rows(nodes, cursors=self.model.cursors, head=head)
        self.next_id = (head or 0) + 1

    def pick(self, data: st.DataObject) -> int:
        """A node that is shown; if there is none, a hidden one."""
        shown = [node for node in self.model.parents if not self.model.is_hidden(node)]
        return data.draw(st.sampled_from(sorted(shown or self.model.parents)))

    def pick_any(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(sorted({*self.model.parents, *self.model.covers})))

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
        node = self.pick_any(data)
        self.tree.navigate(node)
        node = self.model.covers.get(node, node)
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
        node = self.pick_any(data)
        self.tree.switch(node)
        node = self.model.covers.get(node, node)
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
    def summarize(self, data: st.DataObject) -> None:
        covered = self.pick(data)
        node = self.tree.summarize(Message.user("in short"), covers=covered)
        assert node.id == self.next_id
        self.next_id += 1
        self.model.covers[node.id] = covered

    @precondition(lambda self: self.model.parents)
    @rule(data=st.data())
    def prune(self, data: st.DataObject) -> None:
        node = self.pick_any(data)
        was_pruned = node in self.model.pruned
        self.tree.prune(node)
        self.model.pruned.add(node)
        if was_pruned or node in self.model.covers:
            return
        parent = self.model.parents[node]
        self.forget_cursor(parent, node)
        if node in self.model.path(self.model.head):
            self.model.head = self.model.tip(parent)
            self.model.choose(self.model.path(self.model.head))

    @precondition(lambda self: self.model.parents)
    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        node = self.pick_any(data)
        self.tree.restore(node)
        self.model.pruned.discard(node)

    @precondition(lambda self: self.model.parents)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        node = self.pick(data)
        parent = self.model.parents[node]
        gone = self.model.everything_below(node)
        assert {removed.id for removed in self.tree.remove(node)} == gone
        if self.model.head in gone:
            self.model.head = parent
        for lost in gone:
            self.model.parents.pop(lost, None)
            self.model.covers.pop(lost, None)
            self.model.pruned.discard(lost)
            self.model.cursors.pop(lost, None)
            self.model.labels.pop(lost, None)
        self.forget_cursor(parent, node)

    def forget_cursor(self, parent: int | None, node: int) -> None:
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
        for node in self.model.parents:
            assert again.children(node) == self.tree.children(node)
            assert again.pruned(node) == self.tree.pruned(node)
            assert again.summary_for(node) == self.tree.summary_for(node)

    @invariant()
    def agrees_with_the_model(self) -> None:
        model, tree = self.model, self.tree
        assert list(tree.path) == model.path(model.head)
        assert tree.head == model.head
        assert dict(tree.cursors) == model.cursors
        assert list(tree.roots) == model.children(None)
        assert set(tree.nodes) == {*model.parents, *model.covers}
        shown = [node for node in sorted(model.parents) if not model.is_hidden(node)]
        assert list(tree.tips()) == [node for node in shown if not model.children(node)]
        assert {node for node in tree.nodes if tree[node].is_pruned} == model.pruned
        assert list(tree.pruned(None)) == model.hidden(None)
        assert tree.tip_of(None) == model.tip(None)
        total = sum(node.usage.output for node in tree.nodes.values() if node.usage)
        assert tree.usage().output == total
        for node in model.parents:
            path = model.path(node)
            assert list(tree.path_to(node)) == path
            assert tree.depth(node) == len(path)
            assert tree.on_path(node) == (node in model.path(model.head))
            assert list(tree.children(node)) == model.children(node)
            assert {node, *tree.siblings(node)} == {node, *model.children(model.parents[node])}
            assert list(tree.pruned(node)) == model.hidden(node)
            assert tree.is_hidden(node) == model.is_hidden(node)
            summary = tree.summary_for(node)
            assert (summary and summary.id) == model.summary(node)
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


class InSQLite(Saved):
    """The same, as a file tells it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.loop = asyncio.new_event_loop()
        self.store = SQLiteStore(Path(self.folder.name, "sessions.db"))
        self.loop.run_until_complete(self.store.create(SessionRecord(id="s")))

    def apply(self, changes: Changes) -> None:
        self.loop.run_until_complete(self.store.save_tree("s", changes))
        tree = self.loop.run_until_complete(self.store.load("s")).tree
        self.nodes, self.cursors = dict(tree.nodes), dict(tree.cursors)
        self.head = tree.head

    def close(self) -> None:
        self.loop.run_until_complete(self.store.close())
        self.loop.close()
        self.folder.cleanup()


class SQLiteMachine(TreeMachine):
    """Every save goes through a file, and what is compared was read back from it."""

    def __init__(self) -> None:
        super().__init__()
        self.saved = self.file = InSQLite()

    def teardown(self) -> None:
        self.file.close()


TestTreeAgainstModel = TreeMachine.TestCase
TestTreeAgainstModel.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, database=None
)

TestTreeInSQLite = SQLiteMachine.TestCase
TestTreeInSQLite.settings = settings(
    max_examples=30, stateful_step_count=30, deadline=None, database=None
)
