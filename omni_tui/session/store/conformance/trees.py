"""What a store must do with trees: all of a change or nothing of it."""

from __future__ import annotations

from datetime import UTC, datetime

from omni_tui.core.errors import StoreError
from omni_tui.core.messages import Message
from omni_tui.core.usage import Usage
from omni_tui.session.store.base import PREVIEW_LENGTH, SessionRecord, Store
from omni_tui.session.store.conformance.samples import assert_same, branching, raising, stored
from omni_tui.session.tree import Changes, Node, Origin, Tree


class TreeConformance:
    """Trees come back as they went, step by step or at once."""

    async def test_a_tree_is_whole_however_little_of_it_is_read_first(self, store: Store) -> None:
        tree = branching()
        await stored(store, tree=tree)
        for window in (0, 1, 3, 1000):
            loaded = (await store.load("s", window=window)).tree
            assert_same(loaded, tree)

    async def test_a_tree_comes_back_with_all_its_facts(self, store: Store) -> None:
        tree = await stored(store, tree=branching())
        loaded = (await store.load("s")).tree
        assert_same(loaded, tree)
        assert not loaded.take_changes()

    async def test_hidden_branches_summaries_and_origins_come_back(self, store: Store) -> None:
        tree = await stored(store, tree=branching())
        tree.prune(5)
        summary = tree.summarize(Message.user("They looked."), covers=3)
        origin = Origin(node_id=1, session_id="other", how="graft")
        copied = tree.add(Message.user("copied"), parent=4, origin=origin)
        await store.save_tree("s", tree.take_changes())
        loaded = (await store.load("s")).tree
        assert_same(loaded, tree)
        assert loaded[copied.id].origin == origin
        assert (loaded.pruned(None), loaded.summaries(3)) == ((5,), (summary.id,))
        loaded.restore(5)
        await store.save_tree("s", loaded.take_changes())
        assert_same((await store.load("s")).tree, loaded)

    async def test_saving_step_by_step_equals_saving_at_once(self, store: Store) -> None:
        await store.create(SessionRecord(id="s"))
        tree = Tree()
        for index in range(6):
            tree.push(Message.user(str(index)))
            await store.save_tree("s", tree.take_changes())
            if index == 3:
                tree.navigate(2)
                await store.save_tree("s", tree.take_changes())
                tree.update(1, label="first", usage=Usage(cost=1.0))
                await store.save_tree("s", tree.take_changes())
        assert_same((await store.load("s")).tree, tree)

    async def test_a_cleared_path_is_saved_as_such(self, store: Store) -> None:
        tree = await stored(store)
        tree.navigate(None)
        await store.save_tree("s", tree.take_changes())
        loaded = (await store.load("s")).tree
        assert loaded.head is None
        assert dict(loaded.cursors) == {None: 1, 1: 2}

    async def test_removed_nodes_are_gone_and_the_cursors_are_back(self, store: Store) -> None:
        tree = await stored(store)
        before = await store.load("s")
        tree.navigate(1)
        tree.push(Message.assistant("again"))
        tree.push(Message.user("more"))
        await store.save_tree("s", tree.take_changes())
        tree.remove(3)
        tree.navigate(2)
        await store.save_tree("s", tree.take_changes())
        assert_same((await store.load("s")).tree, before.tree)

    async def test_saving_the_same_changes_twice_is_harmless(self, store: Store) -> None:
        await store.create(SessionRecord(id="s"))
        tree = branching()
        changes = tree.take_changes()
        await store.save_tree("s", changes)
        await store.save_tree("s", changes)
        assert_same((await store.load("s")).tree, tree)

    async def test_changes_put_back_are_saved_with_the_next(self, store: Store) -> None:
        await store.create(SessionRecord(id="s"))
        tree = Tree()
        tree.push(Message.user("a"))
        tree.put_back(tree.take_changes())
        tree.push(Message.assistant("b"))
        await store.save_tree("s", tree.take_changes())
        assert_same((await store.load("s")).tree, tree)

    async def test_a_node_of_a_second_writer_is_refused_and_nothing_of_its_changes_is_kept(
        self,
        store: Store,
    ) -> None:
        await stored(store)
        mine, theirs = (await store.load("s")).tree, (await store.load("s")).tree
        mine.push(Message.user("mine"), run_id="a")
        theirs.push(Message.user("theirs"), run_id="b")
        theirs.push(Message.assistant("reply"), run_id="b")
        await store.save_tree("s", mine.take_changes())
        with raising(StoreError):
            await store.save_tree("s", theirs.take_changes())
        assert_same((await store.load("s")).tree, mine)

    async def test_a_node_whose_parent_is_not_stored_is_refused_whole(self, store: Store) -> None:
        await stored(store)
        orphan = Node(9, 8, Message.user("where from?"))
        fine = Node(3, 2, Message.user("fine"))
        with raising(StoreError):
            await store.save_tree("s", Changes(nodes=(fine, orphan), head=9))
        assert len((await store.load("s")).tree) == 2

    async def test_a_clock_set_back_reorders_no_node(self, store: Store) -> None:
        tree = Tree()
        for year in (2030, 1970, 2001, 1970):
            tree.push(Message.user(str(year)), created_at=datetime(year, 1, 1, tzinfo=UTC))
        await stored(store, tree=tree)
        loaded = (await store.load("s")).tree
        assert [node.message.text for node in loaded.nodes.values()] == [
            "2030",
            "1970",
            "2001",
            "1970",
        ]
        assert loaded.path == (1, 2, 3, 4)

    async def test_eight_megabytes_in_one_message_come_back(self, store: Store) -> None:
        text = "é" * (4 << 20)
        tree = Tree()
        tree.push(Message.user(text))
        await stored(store, tree=tree)
        assert (await store.load("s")).tree[1].message.text == text
        assert len((await store.list())[0].preview) == PREVIEW_LENGTH
