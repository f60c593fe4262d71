"""What a store must do that outlives its process and may be open several times at once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack

from omni_tui.core.errors import SessionLockedError
from omni_tui.core.messages import Message
from omni_tui.session.store.base import SessionRecord, Store
from omni_tui.session.store.conformance.samples import (
    FULL_RECORD,
    assert_same,
    branching,
    places,
    raising,
    stored,
)

OpenStore = Callable[[], Store]
"""Gives another store at the place of the test, which has no sessions at first."""


def opened(stack: AsyncExitStack, open_store: OpenStore) -> Store:
    """A store that is closed with the stack."""
    store = open_store()
    stack.push_async_callback(store.close)
    return store


class DurableConformance:
    """What is stored is there for the next store at the place, and for another one beside it.

    The fixture `open_store` gives a function without arguments that makes a `Store` at one place,
    the same with every call; each test has a place of its own. The tests close what they open.
    """

    async def test_what_was_stored_is_there_when_it_is_opened_anew(
        self, open_store: OpenStore
    ) -> None:
        tree = branching()
        async with AsyncExitStack() as stack:
            store = opened(stack, open_store)
            await stored(store, "above", tree)
            await store.create(FULL_RECORD)
            await store.save_state("above", title="Top")
            before = await store.list()
        async with AsyncExitStack() as stack:
            store = opened(stack, open_store)
            assert_same((await store.load("above")).tree, tree)
            assert (await store.load("full")).record == FULL_RECORD
            assert await store.list() == before
            assert places(await store.search("nice look")) == []
            assert places(await store.search("another start")) == [("above", 5)]

    async def test_a_tree_is_continued_when_it_is_opened_anew(self, open_store: OpenStore) -> None:
        async with AsyncExitStack() as stack:
            await stored(opened(stack, open_store))
        async with AsyncExitStack() as stack:
            store = opened(stack, open_store)
            tree = (await store.load("s")).tree
            tree.push(Message.user("and then?"))
            tree.navigate(1)
            tree.push(Message.assistant("other"))
            tree.remove(2)
            await store.save_tree("s", tree.take_changes())
        async with AsyncExitStack() as stack:
            store = opened(stack, open_store)
            assert_same((await store.load("s")).tree, tree)

    async def test_what_was_deleted_does_not_come_back(self, open_store: OpenStore) -> None:
        async with AsyncExitStack() as stack:
            store = opened(stack, open_store)
            await stored(store)
            await stored(store, "kid", parent_id="s", parent_node=2, parent_use="a")
            await store.delete("s")
        async with AsyncExitStack() as stack:
            store = opened(stack, open_store)
            assert (await store.exists("s"), await store.exists("kid")) == (False, False)
            assert await store.list() == []
            await store.create(SessionRecord(id="s"))
            assert len((await store.load("s")).tree) == 0

    async def test_two_stores_at_one_place_see_what_the_other_wrote(
        self, open_store: OpenStore
    ) -> None:
        async with AsyncExitStack() as stack:
            one, two = [opened(stack, open_store) for _ in range(2)]
            tree = await stored(one)
            assert await two.latest() == "s"
            for number in range(3):
                tree.push(Message.user(f"from one {number}"))
                await one.save_tree("s", tree.take_changes())
                await two.save_state("s", title=f"from two {number}")
                assert_same((await two.load("s")).tree, tree)
                assert (await one.load("s")).record.title == f"from two {number}"
                assert places(await two.search(f"one {number}")) == [("s", 3 + number)]
            (summary,) = await one.list()
            assert (summary.title, summary.nodes, summary.preview) == (
                "from two 2",
                5,
                "from one 2",
            )
            await two.delete("s")
            assert not await one.exists("s")
            assert await one.search("from") == ()

    async def test_another_store_is_another_holder(self, open_store: OpenStore) -> None:
        async with AsyncExitStack() as stack:
            one, two = [opened(stack, open_store) for _ in range(2)]
            await stored(one)
            await one.lease("s")
            for _ in range(2):
                with raising(SessionLockedError):
                    await two.lease("s")
                await two.release("s")
            await one.release("s")
            await two.lease("s")
            with raising(SessionLockedError):
                await one.lease("s")

    async def test_a_lease_can_be_taken_over(self, open_store: OpenStore) -> None:
        async with AsyncExitStack() as stack:
            one, two, three = [opened(stack, open_store) for _ in range(3)]
            await stored(one)
            await one.lease("s")
            await two.lease("s", take_over=True)
            with raising(SessionLockedError):
                await three.lease("s")

    async def test_a_session_is_not_deleted_while_one_beneath_it_is_open_elsewhere(
        self, open_store: OpenStore
    ) -> None:
        async with AsyncExitStack() as stack:
            one, two = [opened(stack, open_store) for _ in range(2)]
            await stored(one)
            await one.create(SessionRecord(id="kid", parent_id="s", parent_node=1, parent_use="t"))
            await one.create(SessionRecord(id="grandkid", parent_id="kid"))
            await one.lease("grandkid")
            with raising(SessionLockedError, "grandkid"):
                await two.delete("s")
            assert [await two.exists(id) for id in ("s", "kid", "grandkid")] == [True] * 3
            await one.delete("s")
            assert not await two.exists("grandkid")

    async def test_closing_gives_all_leases_back(self, open_store: OpenStore) -> None:
        async with AsyncExitStack() as stack:
            one, two = [opened(stack, open_store) for _ in range(2)]
            for id in ("s", "t"):
                await stored(one, id)
                await one.lease(id)
            await one.close()
            await two.lease("s")
            await two.lease("t")
