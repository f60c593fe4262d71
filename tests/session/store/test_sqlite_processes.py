"""Several processes at one file, and processes that die."""

from __future__ import annotations

import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from omni_tui.core.errors import SessionLockedError, StoreError
from omni_tui.core.messages import Message, Text
from omni_tui.session.store import SessionRecord, SQLiteStore
from omni_tui.session.store.lease import Holder, this_process
from omni_tui.session.tree import Tree

PRELUDE = """
import asyncio, sys
from omni_tui.core.messages import Message
from omni_tui.session.store import SessionRecord, SQLiteStore
from omni_tui.session.tree import Tree
"""

WRITER = (
    PRELUDE
    + """
async def main(path, id, count):
    async with SQLiteStore(path) as store:
        await store.create(SessionRecord(id=id))
        tree = Tree()
        print("ready", flush=True)
        sys.stdin.readline()
        for index in range(count):
            tree.push(Message.user(f"{id} {index}"))
            await store.save_tree(id, tree.take_changes())
            await store.save_state(id, title=str(index))
            print(index, flush=True)
asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""
)

HOLDER = (
    PRELUDE
    + """
async def main(path, id):
    store = SQLiteStore(path)
    await store.lease(id)
    print("held", flush=True)
    sys.stdin.readline()
    await store.close()
asyncio.run(main(sys.argv[1], sys.argv[2]))
"""
)


@contextmanager
def child(script: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A Python process, gone when the block ends."""
    with subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
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


def integrity(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])


@pytest.fixture
async def session(path: Path) -> Path:
    """A file with one session `s` of one prompt."""
    async with SQLiteStore(path) as store:
        tree = Tree()
        tree.push(Message.user("x"))
        await store.create(SessionRecord(id="s"))
        await store.save_tree("s", tree.take_changes())
    return path


async def test_two_processes_write_at_once_without_an_error(path: Path) -> None:
    count = 100
    with child(WRITER, path, "one", count) as one, child(WRITER, path, "two", count) as two:
        # Both have opened, and perhaps created, the file at the same moment.
        assert line(one) == line(two) == "ready"
        go(one)
        go(two)
        for process in (one, two):
            out, err = process.communicate()
            assert err == ""
            assert process.returncode == 0
            assert out.split() == [str(index) for index in range(count)]
    async with SQLiteStore(path) as store:
        for id in ("one", "two"):
            loaded = await store.load(id)
            assert [node.message.text for node in loaded.tree.nodes.values()] == [
                f"{id} {index}" for index in range(count)
            ]
            assert loaded.record.title == str(count - 1)


async def test_many_processes_may_create_the_file_at_once(path: Path) -> None:
    script = PRELUDE + "asyncio.run(SQLiteStore(sys.argv[1]).open())"
    for _ in range(3):
        processes = [
            subprocess.Popen([sys.executable, "-c", script, path], stderr=subprocess.PIPE)
            for _ in range(4)
        ]
        assert [process.communicate()[1] for process in processes] == [b""] * 4
        for file in path.parent.iterdir():
            file.unlink()


@pytest.mark.timeout(180)
async def test_kills_at_random_moments_lose_no_acknowledged_commit(path: Path) -> None:
    chance = random.Random(11)
    for round_ in range(5):  # the tests of whole sessions kill two hundred times
        id = f"round{round_}"
        acknowledged = -1
        with child(WRITER, path, id, 100_000) as process:
            assert line(process) == "ready"
            go(process)
            for _ in range(chance.randrange(1, 60)):
                acknowledged = int(line(process))
            process.send_signal(signal.SIGKILL)
            assert process.stdout is not None
            for rest in process.stdout.read().split("\n")[:-1]:
                acknowledged = int(rest)
        assert integrity(path) == "ok"
        async with SQLiteStore(path) as store:
            tree = (await store.load(id)).tree
            assert len(tree) >= acknowledged + 1
            assert tree.path == tuple(range(1, len(tree) + 1)), "whole commits only"
            tree.push(Message.assistant("and on it goes"))
            await store.save_tree(id, tree.take_changes())


async def test_two_writers_at_the_same_millisecond_do_not_take_each_others_nodes(
    session: Path,
) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    async with SQLiteStore(session) as one, SQLiteStore(session) as two:
        trees = [(await store.load("s")).tree for store in (one, two)]
        for tree, text in zip(trees, ("mine", "yours"), strict=True):
            tree.push(Message(role="user", content=(Text(text=text),), created_at=moment))
        await one.save_tree("s", trees[0].take_changes())
        with pytest.raises(StoreError, match="Another program"):
            await two.save_tree("s", trees[1].take_changes())
        assert (await two.load("s")).tree[2].message.text == "mine"


# Leases


async def test_a_session_open_in_another_process_is_refused_and_names_it(session: Path) -> None:
    async with SQLiteStore(session) as store:
        tree = (await store.load("s")).tree
        tree.push(Message.assistant("mine"))
        changes = tree.take_changes()
        with child(HOLDER, session, "s") as other:
            assert line(other) == "held"
            for call in (store.lease("s"), store.delete("s"), store.save_tree("s", changes)):
                with pytest.raises(SessionLockedError, match=str(other.pid)) as caught:
                    await call
                assert caught.value.details["pid"] == other.pid
            await store.save_state("s", title="renaming is allowed")
            go(other)
            other.wait()
        await store.lease("s")
        await store.save_tree("s", changes)


async def test_the_lease_of_a_killed_process_is_free_even_before_it_is_reaped(
    session: Path,
) -> None:
    async with SQLiteStore(session) as store:
        with child(HOLDER, session, "s") as other:
            assert line(other) == "held"
            other.kill()
            os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)  # dead, and still a zombie
            await store.lease("s")
        await store.lease("s")


async def test_a_lease_can_be_taken_over_and_the_old_holder_cannot_write_or_release(
    session: Path,
) -> None:
    with child(HOLDER, session, "s") as other:
        assert line(other) == "held"
        async with SQLiteStore(session) as store:
            await store.lease("s", take_over=True)
            go(other)
            assert other.communicate()[1] == ""
            with closing(sqlite3.connect(session)) as connection:
                assert connection.execute("SELECT lease_pid FROM sessions").fetchone() == (
                    os.getpid(),
                )


async def test_another_store_of_the_same_process_is_another_holder(session: Path) -> None:
    async with SQLiteStore(session) as one, SQLiteStore(session) as two:
        await one.lease("s")
        with pytest.raises(SessionLockedError, match="this process"):
            await two.lease("s")
        await two.release("s")
        with pytest.raises(SessionLockedError):
            await two.lease("s")
        await one.release("s")
        await two.lease("s")


async def test_a_session_is_not_deleted_while_one_beneath_it_is_open_elsewhere(
    session: Path,
) -> None:
    async with SQLiteStore(session) as one, SQLiteStore(session) as two:
        await one.create(SessionRecord(id="kid", parent_id="s", parent_node=1, parent_use="t"))
        await one.create(SessionRecord(id="grandkid", parent_id="kid"))
        await one.lease("grandkid")
        with pytest.raises(SessionLockedError, match="grandkid"):
            await two.delete("s")
        assert await two.exists("s")
        await one.delete("s")
        assert not await two.exists("grandkid")


async def test_closing_gives_all_leases_back(session: Path) -> None:
    async with SQLiteStore(session) as one:
        await one.create(SessionRecord(id="t"))
        await one.lease("s")
        await one.lease("t")
    async with SQLiteStore(session) as two:
        await two.lease("s")
        await two.lease("t")


def test_a_process_that_runs_is_not_gone() -> None:
    me = this_process()
    assert me.pid == os.getpid()
    assert not me.is_gone
    assert not me._replace(start=None).is_gone


def test_a_pid_used_again_by_another_process_is_gone() -> None:
    me = this_process()
    assert me.start is not None
    assert me._replace(start=me.start + "1").is_gone
    assert me._replace(start="another boot:1").is_gone


def test_a_process_on_another_machine_counts_as_running() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert Holder(process.pid, None, socket.gethostname()).is_gone
    assert not Holder(process.pid, None, "elsewhere").is_gone
