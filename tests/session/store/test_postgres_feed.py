"""What one store commits, another is told of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from postgres_server import PostgresServer, admin

from omni_tui.core.errors import NotFoundError, StoreError
from omni_tui.core.messages import Message
from omni_tui.session.store import SessionRecord
from omni_tui.session.store.conformance.samples import stored
from omni_tui.session.store.feed import MAX_WAITING, ChangeFeed, Inbox, StoreChange
from omni_tui.session.store.postgres import PostgresStore
from omni_tui.session.tree import Changes, Tree

OpenPostgres = Callable[..., PostgresStore]

RESYNC = StoreChange("resync")


async def listeners(store: PostgresStore) -> int:
    """How many connections to the server listen, or did last."""
    async with admin(store) as connection:
        cursor = await connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%%'"
        )
        row = await cursor.fetchone()
        assert row is not None
        return int(row[0])


async def test_every_commit_is_told_in_order_and_only_to_others(
    open_postgres: OpenPostgres, postgres_store: PostgresStore
) -> None:
    feed: ChangeFeed = postgres_store
    async with open_postgres() as other, feed.changes() as theirs, other.changes() as mine:
        tree = await stored(other)
        await other.lease("s")
        tree.push(Message.user("more"))
        await other.save_tree("s", tree.take_changes())
        await other.save_state("s", title="x")
        await other.release("s")
        await other.create(SessionRecord(id="kid", parent_id="s"))
        await other.delete("s")
        told = [await anext(theirs) for _ in range(7)]
        writers = {change.writer for change in told}
        assert len(writers) == 1
        assert [(change.what, change.session_id) for change in told] == [
            ("created", "s"),
            ("tree", "s"),  # of two alike the later one
            ("state", "s"),
            ("lease", "s"),
            ("created", "kid"),
            ("deleted", "s"),
            ("deleted", "kid"),
        ]
        await postgres_store.create(SessionRecord(id="last"))
        change = await anext(mine)
        assert (change.what, change.session_id) == ("created", "last")
        assert change.writer not in writers


async def test_what_fails_is_not_told(
    open_postgres: OpenPostgres, postgres_store: PostgresStore
) -> None:
    async with open_postgres() as other, postgres_store.changes() as changes:
        with pytest.raises(NotFoundError):
            await other.save_state("nobody", title="x")
        await stored(other)
        with pytest.raises(StoreError):
            await other.create(SessionRecord(id="s"))
        tree = Tree()
        tree.push(Message.user("another first message"), run_id="other")
        with pytest.raises(StoreError):
            await other.save_tree("s", tree.take_changes())
        await other.delete("s")
        assert [(await anext(changes)).what for _ in range(3)] == ["created", "tree", "deleted"]


async def test_stores_in_other_schemas_are_not_heard(
    postgres_server: PostgresServer, postgres_store: PostgresStore, open_postgres: OpenPostgres
) -> None:
    elsewhere = PostgresStore(postgres_server.url, schema=f"{postgres_store.schema} 2")
    async with elsewhere, open_postgres() as other, postgres_store.changes() as changes:
        await elsewhere.create(SessionRecord(id="a"))
        await other.create(SessionRecord(id="b"))
        assert (await anext(changes)).session_id == "b"


@pytest.mark.parametrize("how", ["cut", "restart"])
async def test_a_lost_connection_is_told_as_a_resync_and_the_feed_goes_on(
    postgres_server: PostgresServer,
    open_postgres: OpenPostgres,
    postgres_store: PostgresStore,
    how: str,
) -> None:
    async with open_postgres() as other, postgres_store.changes() as changes:
        await other.create(SessionRecord(id="a"))
        assert (await anext(changes)).session_id == "a"
        if how == "restart":
            postgres_server.restart()
        else:
            async with admin(other) as connection:
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE query LIKE 'LISTEN%%'"
                )
        assert await anext(changes) == RESYNC
        await other.create(SessionRecord(id="b"))
        assert (await anext(changes)).session_id == "b"


async def test_one_connection_listens_for_all_and_none_when_nobody_does(
    postgres_store: PostgresStore,
) -> None:
    await postgres_store.open()
    assert await listeners(postgres_store) == 0
    async with postgres_store.changes(), postgres_store.changes():
        assert await listeners(postgres_store) == 1
    while await listeners(postgres_store):
        pass


async def test_closing_ends_the_feed(open_postgres: OpenPostgres) -> None:
    store = open_postgres()
    async with store.changes() as changes, open_postgres() as other:
        waiting = asyncio.ensure_future(anext(changes, None))
        await other.create(SessionRecord(id="a"))
        change = await waiting
        assert change is not None
        waiting = asyncio.ensure_future(anext(changes, None))
        await asyncio.sleep(0)
        await store.close()
        assert await waiting is None


async def test_an_id_too_long_to_be_told_is_a_resync(
    open_postgres: OpenPostgres, postgres_store: PostgresStore
) -> None:
    async with open_postgres() as other, postgres_store.changes() as changes:
        await other.create(SessionRecord(id="é" * 1500))  # six characters each in JSON
        assert await anext(changes) == RESYNC


async def test_what_others_shout_on_the_channel_is_a_resync(
    postgres_store: PostgresStore,
) -> None:
    async with postgres_store.changes() as changes, admin(postgres_store) as connection:
        for text in ("", "[]", '["tree", 1, 2]', "{", '["unheard of", "s", "w"]'):
            await connection.execute("SELECT pg_notify(%s, %s)", (postgres_store.schema, text))
            assert await anext(changes) == RESYNC


async def test_changes_that_wait_and_are_alike_are_told_once() -> None:
    inbox = Inbox()
    for change in (StoreChange("created", "s"), StoreChange("deleted", "s")) * 2:
        inbox.put(change)
    inbox.put(StoreChange("created", "s"))
    inbox.close()
    assert [change.what async for change in inbox] == ["deleted", "created"]


async def test_too_many_that_wait_are_one_resync() -> None:
    inbox = Inbox()
    for number in range(MAX_WAITING):
        inbox.put(StoreChange("tree", str(number), "w"))
    inbox.put(StoreChange("tree", "0", "w"))
    inbox.put(StoreChange("tree", "one too many", "w"))
    inbox.put(StoreChange("tree", "the next", "w"))
    inbox.close()
    assert [change.session_id async for change in inbox] == [None, "the next"]


async def test_a_store_that_is_closed_has_no_feed(postgres_store: PostgresStore) -> None:
    await postgres_store.close()
    with pytest.raises(StoreError, match="closed"):
        async with postgres_store.changes():
            pass
    with pytest.raises(StoreError, match="closed"):
        await postgres_store.save_tree("s", Changes())
