"""What a store must do with sessions that another one began."""

from __future__ import annotations

from omni_tui.core.errors import AmbiguousIdError, NotFoundError
from omni_tui.session.store.base import SessionRecord, Store
from omni_tui.session.store.conformance.samples import family, raising, stored


class FamilyConformance:
    """Sessions of sub-agents are found from above, listed nowhere, and go with their family."""

    async def test_a_session_is_found_by_the_tool_use_that_began_it(self, store: Store) -> None:
        await family(store)
        assert await store.child("top", 2, "a") == "kid-1"
        assert await store.child("top", 2, "b") == "kid-2"
        assert await store.child("kid-1", 2, "a") == "kid-3"
        assert await store.child("top", 4, "a") is None
        assert await store.child("nobody", 2, "a") is None

    async def test_the_newest_session_of_a_tool_use_is_found(self, store: Store) -> None:
        await family(store)
        await stored(store, "kid-4", parent_id="top", parent_node=2, parent_use="a")
        assert await store.child("top", 2, "a") == "kid-4"

    async def test_a_session_beneath_one_that_is_not_stored_is_refused(self, store: Store) -> None:
        with raising(NotFoundError, "nobody"):
            await store.create(SessionRecord(id="kid", parent_id="nobody"))
        assert not await store.exists("kid")

    async def test_sessions_beneath_another_are_in_no_list(self, store: Store) -> None:
        await family(store)
        (only,) = await store.list()
        assert (only.id, only.nodes, only.branches) == ("top", 2, 1)
        assert await store.list(before=only) == []
        assert await store.latest() == "top"

    async def test_a_session_beneath_another_is_found_by_its_id_alone(self, store: Store) -> None:
        await family(store)
        assert await store.find("kid-2") == "kid-2"
        assert await store.find("Mountains") == "top"
        with raising(NotFoundError):
            await store.find("Maps")
        with raising(AmbiguousIdError) as raised:
            await store.find("kid")
        assert sorted(id for id, _ in raised.error.details["matches"]) == [
            "kid-1",
            "kid-2",
            "kid-3",
        ]
        await stored(store, "kids of my own")
        assert await store.find("kid") == "kids of my own"

    async def test_a_session_is_deleted_with_all_beneath_it(self, store: Store) -> None:
        await family(store)
        await stored(store, "other")
        await store.delete("kid-1")
        assert [id for id in ("top", "kid-1", "kid-2", "kid-3") if await store.exists(id)] == [
            "top",
            "kid-2",
        ]
        await store.delete("top")
        assert not await store.exists("kid-2")
        assert await store.exists("other")
