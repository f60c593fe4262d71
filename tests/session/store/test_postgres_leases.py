"""Leases on sessions and on branches: between stores, processes and machines."""

from __future__ import annotations

import asyncio
import operator
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import psycopg
import pytest
from postgres_server import PostgresServer, admin

from omni_tui.core.errors import NotFoundError, SessionLockedError, StoreError
from omni_tui.core.messages import Message
from omni_tui.session.store.branches import BranchLeases
from omni_tui.session.store.conformance.samples import assert_same, stored
from omni_tui.session.store.postgres import PostgresStore, connections
from omni_tui.session.tree import Tree

OpenPostgres = Callable[..., PostgresStore]

CHILD = """
import asyncio, sys
from omni_tui.core.messages import Message
from omni_tui.session.store.postgres import PostgresStore

async def main(url, schema, id):
    store = PostgresStore(url, schema=schema)
    await store.lease(id)
    async with store.branch(id, 2, "theirs"):
        tree = (await store.load(id)).tree
        tree.push(Message.user("theirs"), run_id="theirs")
        await store.save_tree(id, tree.take_changes())
        print("held", flush=True)
        sys.stdin.readline()
        tree.push(Message.assistant("late"), run_id="theirs")
        try:
            await store.save_tree(id, tree.take_changes())
            print("saved", flush=True)
        except Exception as error:
            print(type(error).__name__, flush=True)
        sys.stdin.readline()
    await store.close()

asyncio.run(main(*sys.argv[1:]))
"""


@contextmanager
def child(server: PostgresServer, store: PostgresStore) -> Iterator[subprocess.Popen[str]]:
    """Another process, which holds the session `s` and runs the branch at node 2."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, server.url, store.schema, "s"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert line(process) == "held"
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


async def move_away(connection: psycopg.AsyncConnection) -> None:
    """Have all holders be on another machine, where nobody can ask after them."""
    await connection.execute("UPDATE leases SET host = 'elsewhere', place = 'elsewhere'")


async def run_out(connection: psycopg.AsyncConnection) -> None:
    """Have the time of all leases be over."""
    await connection.execute("UPDATE leases SET expires_at = clock_timestamp() - interval '1 s'")


async def expiries(connection: psycopg.AsyncConnection) -> list[datetime]:
    cursor = await connection.execute("SELECT expires_at FROM leases ORDER BY run_id")
    return [row[0] for row in await cursor.fetchall()]


# Sessions


async def test_a_session_open_in_another_process_is_refused_and_names_it(
    postgres_server: PostgresServer, postgres_store: PostgresStore
) -> None:
    tree = await stored(postgres_store)
    tree.push(Message.assistant("mine"))
    changes = tree.take_changes()
    with child(postgres_server, postgres_store) as other:
        for call in (
            postgres_store.lease("s"),
            postgres_store.delete("s"),
            postgres_store.save_tree("s", changes),
        ):
            with pytest.raises(SessionLockedError, match=str(other.pid)) as caught:
                await call
            assert caught.value.details["pid"] == other.pid
        await postgres_store.save_state("s", title="renaming is allowed")
        assert len((await postgres_store.load("s")).tree) == 3


async def test_the_leases_of_a_killed_process_are_free_at_once_on_its_machine(
    postgres_server: PostgresServer, postgres_store: PostgresStore
) -> None:
    await stored(postgres_store)
    with child(postgres_server, postgres_store) as other:
        other.kill()
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)  # dead, and still a zombie
        await postgres_store.lease("s")
        async with postgres_store.branch("s", 3, "mine"):
            pass


async def test_a_process_that_stands_still_is_not_taken_for_dead(
    postgres_server: PostgresServer, postgres_store: PostgresStore
) -> None:
    await stored(postgres_store)
    with child(postgres_server, postgres_store) as other:
        other.send_signal(signal.SIGSTOP)
        with pytest.raises(SessionLockedError):
            await postgres_store.lease("s")


async def test_a_lease_from_another_machine_ends_with_its_time_and_not_before(
    open_postgres: OpenPostgres, postgres_store: PostgresStore
) -> None:
    await stored(postgres_store)
    await postgres_store.lease("s")
    async with open_postgres() as other, admin(other) as connection:
        await move_away(connection)
        with pytest.raises(SessionLockedError, match="elsewhere"):
            await other.lease("s")
        await run_out(connection)
        await other.lease("s")
        with pytest.raises(SessionLockedError):
            await postgres_store.save_tree("s", Tree().take_changes())


async def test_what_was_not_missed_goes_on_after_its_time(
    open_postgres: OpenPostgres, postgres_store: PostgresStore
) -> None:
    """A machine that slept finds its session as it left it, if nobody opened it."""
    tree = await stored(postgres_store)
    await postgres_store.lease("s")
    async with admin(postgres_store) as connection:
        await run_out(connection)
    tree.push(Message.user("awake"))
    await postgres_store.save_tree("s", tree.take_changes())
    assert_same((await postgres_store.load("s")).tree, tree)


@pytest.mark.parametrize("is_released", [False, True])
async def test_who_lost_a_session_cannot_write_to_it_until_it_is_opened_anew(
    open_postgres: OpenPostgres, postgres_store: PostgresStore, is_released: bool
) -> None:
    old = await stored(postgres_store)
    await postgres_store.lease("s")
    async with open_postgres() as other:
        await other.lease("s", take_over=True)
        new = (await other.load("s")).tree
        new.push(Message.user("elsewhere"), run_id="b")
        await other.save_tree("s", new.take_changes())
        if is_released:
            await other.release("s")
        old.push(Message.user("here"), run_id="a")
        for _ in range(2):
            with pytest.raises(SessionLockedError, match="meanwhile"):
                await postgres_store.save_tree("s", old.take_changes())
        assert_same((await other.load("s")).tree, new)
        await other.release("s")
        await postgres_store.release("s")
        await postgres_store.lease("s")
        tree = (await postgres_store.load("s")).tree
        tree.push(Message.user("here again"))
        await postgres_store.save_tree("s", tree.take_changes())


async def test_of_many_that_claim_at_once_one_gets_it(open_postgres: OpenPostgres) -> None:
    async with open_postgres() as first:
        await stored(first)
        stores = [open_postgres() for _ in range(6)]
        results = await asyncio.gather(
            *(store.lease("s") for store in stores), return_exceptions=True
        )
        assert sorted(map(type, results), key=str) == sorted(
            [type(None)] + [SessionLockedError] * 5, key=str
        )
        for store in stores:
            await store.close()
        await first.lease("s")


async def test_leases_are_renewed_while_there_are_any_and_not_after(
    open_postgres: OpenPostgres,
) -> None:
    async with open_postgres(lease_time=0.03) as store, admin(store) as connection:
        await stored(store)
        await store.lease("s")
        async with store.branch("s", 2, "run"):
            before = await expiries(connection)
            while any(map(operator.eq, await expiries(connection), before)):
                pass
        assert [task for task in asyncio.all_tasks() if task.get_name() == "leases"]
        await store.release("s")
        assert await expiries(connection) == []
        assert not [task for task in asyncio.all_tasks() if task.get_name() == "leases"]


async def test_a_restart_of_the_server_keeps_leases(
    open_postgres: OpenPostgres, postgres_store: PostgresStore, postgres_server: PostgresServer
) -> None:
    await stored(postgres_store)
    await postgres_store.lease("s")
    postgres_server.restart("QUIT")
    async with open_postgres() as other:
        with pytest.raises(SessionLockedError):
            await other.lease("s")


# Branches


async def test_a_store_of_several_machines_keeps_branches(postgres_store: PostgresStore) -> None:
    keeper: BranchLeases = postgres_store
    await stored(postgres_store)
    async with keeper.branch("s", 2, "run") as lease:
        assert not lease.lost.is_set()
    with pytest.raises(NotFoundError):
        async with keeper.branch("nobody", 2, "run"):
            pass


async def test_a_branch_is_run_by_one_store_at_a_time(
    open_postgres: OpenPostgres, postgres_store: PostgresStore
) -> None:
    await stored(postgres_store)
    async with open_postgres() as other:
        async with postgres_store.branch("s", 2, "here"):
            with pytest.raises(SessionLockedError, match="branch") as caught:
                async with other.branch("s", 2, "there"):
                    pass
            assert caught.value.details["node_id"] == 2
            assert caught.value.details["pid"] == os.getpid()
            # Other branches are free, and so is a new root.
            async with other.branch("s", 1, "there"), other.branch("s", None, "root"):
                pass
            # Who holds it may start a second run there.
            async with postgres_store.branch("s", 2, "here too"):
                pass
        async with other.branch("s", 2, "there"):
            pass


async def test_the_lease_moves_with_the_messages_of_its_run(
    open_postgres: OpenPostgres, postgres_store: PostgresStore
) -> None:
    tree = await stored(postgres_store)
    async with open_postgres() as other, postgres_store.branch("s", 2, "here"):
        tree.push(Message.user("go on"), run_id="here")
        tree.push(Message.assistant("I do"), run_id="here")
        await postgres_store.save_tree("s", tree.take_changes())
        for node in (3, 4):
            with pytest.raises(SessionLockedError):
                async with other.branch("s", node, "there"):
                    pass
        async with other.branch("s", 2, "there"):
            pass


async def test_a_run_keeps_its_branch_when_its_session_is_taken_over(
    postgres_server: PostgresServer, postgres_store: PostgresStore
) -> None:
    tree = await stored(postgres_store)
    with child(postgres_server, postgres_store) as other:
        await postgres_store.lease("s", take_over=True)
        tree = (await postgres_store.load("s")).tree
        assert tree[3].message.text == "theirs"
        with pytest.raises(SessionLockedError, match=str(other.pid)):
            async with postgres_store.branch("s", 3, "mine"):
                pass
        # Elsewhere in the session this process works on, and the other cannot get in between.
        async with postgres_store.branch("s", 2, "mine"):
            tree.add(Message.user("mine"), parent=2, run_id="mine")
            await postgres_store.save_tree("s", tree.take_changes())
        go(other)
        assert line(other) == "SessionLockedError"
        go(other)
        other.wait()
        async with postgres_store.branch("s", 3, "mine"):
            pass
        assert_same((await postgres_store.load("s")).tree, tree)


async def test_a_branch_from_another_machine_is_free_when_its_time_is_over(
    open_postgres: OpenPostgres, postgres_store: PostgresStore
) -> None:
    await stored(postgres_store)
    async with open_postgres() as other, admin(other) as connection, other.branch("s", 2, "there"):
        await move_away(connection)
        with pytest.raises(SessionLockedError, match="elsewhere"):
            async with postgres_store.branch("s", 2, "here"):
                pass
        await run_out(connection)
        async with postgres_store.branch("s", 2, "here"):
            cursor = await connection.execute("SELECT run_id FROM leases")
            assert await cursor.fetchall() == [("here",)]


async def test_who_lost_a_branch_is_told(open_postgres: OpenPostgres) -> None:
    async with open_postgres(lease_time=0.03) as store, admin(store) as connection:
        await stored(store)
        async with store.branch("s", 2, "lost") as lost, store.branch("s", 2, "kept") as kept:
            await connection.execute("DELETE FROM leases WHERE run_id = 'lost'")
            await lost.lost.wait()
            assert not kept.lost.is_set()


async def test_who_cannot_renew_for_too_long_is_told_to_stop(
    open_postgres: OpenPostgres, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "FIRST_DELAY", 100.0)
    async with open_postgres(lease_time=0.3) as store:
        await stored(store)
        async with store.branch("s", 2, "run") as lease:
            postgres_server.stop()
            try:
                await lease.lost.wait()
            finally:
                postgres_server.start()


async def test_a_session_is_not_deleted_under_a_run_of_another_store(
    open_postgres: OpenPostgres, postgres_store: PostgresStore
) -> None:
    await stored(postgres_store)
    async with open_postgres() as other, other.branch("s", 2, "there"):
        with pytest.raises(StoreError, match="branch"):
            await postgres_store.delete("s")
    async with postgres_store.branch("s", 1, "here") as mine:
        await postgres_store.delete("s")
        assert mine.lost.is_set()
