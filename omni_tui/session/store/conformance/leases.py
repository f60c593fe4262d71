"""What a store must do with leases, and with being closed."""

from __future__ import annotations

from omni_tui.core.messages import Message
from omni_tui.session.store.base import Store
from omni_tui.session.store.conformance.samples import stored


class LeaseConformance:
    """A lease may be claimed and given back any number of times by who has it."""

    async def test_a_lease_may_be_taken_again_and_given_back_twice(self, store: Store) -> None:
        tree = await stored(store)
        await store.lease("s")
        await store.lease("s")
        tree.push(Message.user("still mine"))
        await store.save_tree("s", tree.take_changes())
        await store.release("s")
        await store.release("s")
        await store.lease("s")
        await store.delete("s")

    async def test_opening_again_is_fine(self, store: Store) -> None:
        await store.open()
        await stored(store)
        await store.open()
        assert await store.exists("s")

    async def test_closing_twice_is_fine(self, store: Store) -> None:
        await stored(store)
        await store.close()
        await store.close()
