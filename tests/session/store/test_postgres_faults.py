"""Lost connections, restarts and servers that are not there."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import traceback
from collections.abc import Callable

import psycopg
import pytest
from postgres_server import PostgresServer, admin

from omni_tui.core.errors import (
    ConfigError,
    NotFoundError,
    OmniError,
    StoreError,
    StoreUnavailableError,
)
from omni_tui.core.messages import Message
from omni_tui.session.saving import Saver
from omni_tui.session.store import SessionRecord
from omni_tui.session.store.conformance.samples import assert_same, stored
from omni_tui.session.store.postgres import PostgresStore, connections, statements
from omni_tui.session.tree import Changes, Tree

OpenPostgres = Callable[..., PostgresStore]


async def terminate(connection: psycopg.AsyncConnection) -> int:
    """Cut off every other connection; says how many there were."""
    cursor = await connection.execute(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def grow(store: PostgresStore, tree: Tree, count: int) -> None:
    """Add messages, each committed before the next, as a saver would."""
    for _ in range(count):
        tree.push(Message.user(f"message {len(tree) + 1}"), run_id=str(len(tree)))
        changes = tree.take_changes()
        while True:
            try:
                await store.save_tree("s", changes)
                await store.save_state("s", title=f"after {len(tree)}")
            except StoreUnavailableError:
                continue
            break


# Connections that are lost


@pytest.mark.timeout(180)
async def test_connections_cut_at_random_moments_lose_and_double_nothing(
    postgres_store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_DELAY", 0.01)
    chance = random.Random(5)
    await postgres_store.create(SessionRecord(id="s"))
    tree = Tree()
    cut = 0
    async with admin(postgres_store) as connection:
        while cut < 60:
            work = asyncio.create_task(grow(postgres_store, tree, 3))
            while not work.done():
                await asyncio.sleep(chance.random() / 12)
                cut += await terminate(connection)
            await work
    loaded = await postgres_store.load("s")
    assert_same(loaded.tree, tree)
    assert loaded.record.title == f"after {len(tree)}"
    assert loaded.tree.path == tuple(range(1, len(tree) + 1))


@pytest.mark.timeout(120)
async def test_every_verb_gets_over_cut_connections(postgres_store: PostgresStore) -> None:
    store = postgres_store
    tree = await stored(store, title="Mountains")
    tree.push(Message.user("fuji"))
    changes = tree.take_changes()
    calls: list[Callable[[], object]] = [
        lambda: store.create(SessionRecord(id="kid", parent_id="s")),
        lambda: store.save_tree("s", changes),
        lambda: store.save_state("s", title="Rivers"),
        lambda: store.lease("s"),
        lambda: store.load("s"),
        lambda: store.list(),
        lambda: store.search("fuji"),
        lambda: store.child("s", 1, "x"),
        lambda: store.exists("s"),
        lambda: store.find("Riv"),
        lambda: store.latest(),
        lambda: store.release("s"),
        lambda: store.delete("kid"),
        lambda: store.delete("s"),
    ]
    async with admin(store) as connection:
        for call in calls:
            assert await terminate(connection)
            await call()  # type: ignore[misc]
    assert not await store.exists("s")


def lose_answer(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the connection of the next job cut once the job is done, before anybody hears of it."""
    once = store._connections._once

    async def cut(job: object) -> object:
        monkeypatch.setattr(store._connections, "_once", once)
        await once(job)  # type: ignore[arg-type]
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(store._connections, "_once", cut)


async def test_what_was_done_before_its_answer_was_lost_is_not_done_twice(
    postgres_store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = postgres_store
    await store.open()
    lose_answer(store, monkeypatch)
    await store.create(SessionRecord(id="s", title="one"))
    tree = Tree()
    tree.push(Message.user("hello"))
    lose_answer(store, monkeypatch)
    await store.save_tree("s", tree.take_changes())
    lose_answer(store, monkeypatch)
    await store.lease("s")
    assert_same((await store.load("s")).tree, tree)
    lose_answer(store, monkeypatch)
    await store.delete("s")
    assert not await store.exists("s")
    with pytest.raises(NotFoundError):
        await store.delete("s")


async def test_a_session_that_was_created_unheard_is_taken_for_created_later_on(
    postgres_store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = postgres_store
    await store.open()
    monkeypatch.setattr(connections, "FIRST_DELAY", 100.0)
    record = SessionRecord(id="s")
    lose_answer(store, monkeypatch)
    with pytest.raises(StoreUnavailableError):
        await store.create(record)
    await store.create(record)
    with pytest.raises(StoreError, match="already"):
        await store.create(record)


@pytest.mark.parametrize("how", ["INT", "QUIT"])
async def test_a_restart_of_the_server_goes_unnoticed(
    postgres_store: PostgresStore, postgres_server: PostgresServer, how: str
) -> None:
    await postgres_store.create(SessionRecord(id="s"))
    await postgres_store.lease("s")
    tree = Tree()
    await grow(postgres_store, tree, 3)
    restart = asyncio.create_task(asyncio.to_thread(postgres_server.restart, how))
    while not restart.done():
        await grow(postgres_store, tree, 1)
    await restart
    await grow(postgres_store, tree, 3)
    assert_same((await postgres_store.load("s")).tree, tree)


# Servers that are not there, or do not answer


async def test_a_server_that_is_away_is_said_at_once_and_the_saver_goes_on_later(
    postgres_store: PostgresStore, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omni_tui.session.saving.RETRY_AFTER", 0.05)
    tree = Tree()
    record = SessionRecord(id="s")
    saver = Saver(postgres_store, tree, record, lambda _event: None, stored=False)
    postgres_server.stop()
    try:
        postgres_store._connections._is_reached = False  # as after a first attempt in vain
        with pytest.raises(StoreUnavailableError, match="cannot be reached"):
            await postgres_store.load("s")
        tree.push(Message.user("hello"))
        await saver.tree_changed()
        error = saver.error
        assert isinstance(error, StoreUnavailableError)
    finally:
        postgres_server.start()
    await saver.flush()
    assert saver.error is None
    assert_same((await postgres_store.load("s")).tree, tree)
    await saver.close()


async def test_nobody_at_the_port_is_an_error_of_the_store() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        store = PostgresStore(f"postgresql://omni@127.0.0.1:{taken.getsockname()[1]}/db")
        for call in (store.open(), store.list(), store.create(SessionRecord(id="s"))):
            with pytest.raises(StoreUnavailableError, match="cannot be reached") as caught:
                await call
            assert "127.0.0.1" in str(caught.value)
            assert "\n" not in str(caught.value)
        with pytest.raises(StoreUnavailableError):
            async with store.changes():
                pass
        await store.close()


async def test_a_statement_that_waits_too_long_is_given_up(
    open_postgres: OpenPostgres, postgres_store: PostgresStore
) -> None:
    await postgres_store.create(SessionRecord(id="s"))
    async with open_postgres(timeout=0.2) as impatient, admin(postgres_store) as other:
        async with other.transaction():
            await other.execute("LOCK TABLE sessions")
            with pytest.raises(StoreUnavailableError, match="did not answer in time"):
                await impatient.save_state("s", title="x")
        await impatient.save_state("s", title="y")
        assert (await impatient.load("s")).record.title == "y"


async def test_a_server_that_hangs_is_given_up(
    open_postgres: OpenPostgres, postgres_store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await postgres_store.create(SessionRecord(id="s"))
    async with open_postgres(timeout=0.1) as impatient, admin(postgres_store) as other:
        # Nothing on the server ends this one: it is the store that stops waiting.
        slow = statements.CHILD.replace("SELECT id", "SELECT pg_sleep(20), id")
        monkeypatch.setattr(statements, "CHILD", slow)
        await impatient._connections.run(lambda c: c.execute("SET statement_timeout = 0"))
        await other.execute("UPDATE sessions SET parent_id = 's', parent_node = 1, parent_use = ''")
        with pytest.raises(StoreUnavailableError, match="did not answer in time"):
            await impatient.child("s", 1, "")
        assert await impatient.exists("s")


async def test_a_closed_store_says_so(postgres_store: PostgresStore) -> None:
    await stored(postgres_store)
    await postgres_store.close()
    for call in (postgres_store.load("s"), postgres_store.save_tree("s", Changes(head=1))):
        with pytest.raises(StoreUnavailableError, match="closed"):
            await call


async def test_a_caller_that_is_cancelled_does_not_stop_a_write(
    postgres_store: PostgresStore,
) -> None:
    tree = await stored(postgres_store)
    tree.push(Message.user("late"))
    async with admin(postgres_store) as other:
        async with other.transaction():
            await other.execute("LOCK TABLE nodes")
            writing = asyncio.create_task(postgres_store.save_tree("s", tree.take_changes()))
            await asyncio.sleep(0)
            writing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await writing
        await postgres_store.close()
        cursor = await other.execute("SELECT count(*) FROM nodes")
        assert await cursor.fetchone() == (3,)


# Secrets

SECRET = "tr0ub4dor"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://omni:{SECRET}@127.0.0.1:1/db",
        f"postgresql://127.0.0.1:1/db?user=omni&password={SECRET}",
        f"host=127.0.0.1 port=1 user=omni password={SECRET}",
        f"postgresql://omni:a@{SECRET}@127.0.0.1:1/db",
        f"postgresql://omni:a/{SECRET}@127.0.0.1:1/db",
        f"postgresql://omni:1/{SECRET}@127.0.0.1:1/db",
        f"postgresql://omni:a?{SECRET}@127.0.0.1:1/db",
        f"postgresql://omni:%zz{SECRET}@127.0.0.1:1/db",
        f"host=127.0.0.1 password='{SECRET}",
    ],
)
async def test_a_password_is_in_no_error_log_or_repr(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shown = []
    try:
        store = PostgresStore(url)
        shown += [repr(store), str(store.address), repr(store.address)]
        await store.open()
    except OmniError as error:
        shown += ["".join(traceback.format_exception(error)), str(error.details)]
    assert shown
    assert SECRET not in "\n".join([*shown, caplog.text])


def test_an_address_that_makes_no_sense_is_an_error_of_configuration() -> None:
    for url in ("postgresql://a:b:c/d", "nonsense", "postgresql://u:p@x@h/d"):
        with pytest.raises(ConfigError, match="cannot be read"):
            PostgresStore(url)


async def test_a_wrong_password_is_said_without_it(
    postgres_server: PostgresServer, open_postgres: OpenPostgres
) -> None:
    store = PostgresStore(postgres_server.url.replace("/postgres?", "/nowhere?"))
    with pytest.raises(StoreUnavailableError, match="nowhere"):
        await store.open()
