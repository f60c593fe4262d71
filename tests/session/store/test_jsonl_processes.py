"""Several processes at one folder of text files, and processes that die."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from omni_tui.core.errors import SessionLockedError, StoreUnavailableError
from omni_tui.core.messages import Message
from omni_tui.session.store import SessionRecord, jsonl_folder
from omni_tui.session.store.base import State
from omni_tui.session.store.conformance.samples import stored
from omni_tui.session.store.jsonl import JSONLStore
from omni_tui.session.tree import Tree

PRELUDE = """
import asyncio, sys
from omni_tui.core.messages import Message
from omni_tui.session.store import SessionRecord
from omni_tui.session.store.jsonl import JSONLStore
from omni_tui.session.tree import Tree
"""

WRITER = (
    PRELUDE
    + """
async def main(root, id, count):
    async with JSONLStore(root) as store:
        await store.create(SessionRecord(id=id))
        tree = Tree()
        print("ready", flush=True)
        sys.stdin.readline()
        for index in range(count):
            tree.push(Message.user(f"{id} {index}"))
            tree.push(Message.assistant("yes"))
            await store.save_tree(id, tree.take_changes())
            await store.save_state(id, title=str(index))
            print(index, flush=True)
asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""
)

HOLDER = (
    PRELUDE
    + """
async def main(root, id):
    store = JSONLStore(root)
    await store.lease(id)
    print("held", flush=True)
    sys.stdin.readline()
    await store.close()
asyncio.run(main(sys.argv[1], sys.argv[2]))
"""
)

RACER = (
    PRELUDE
    + """
from omni_tui.core.errors import SessionLockedError
async def main(root, id):
    store = JSONLStore(root)
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        await store.lease(id)
        print("won", flush=True)
    except SessionLockedError:
        print("lost", flush=True)
    sys.stdin.readline()
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


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "sessions"


@pytest.fixture
async def session(root: Path) -> Path:
    """A folder with one session `s` of a prompt and a reply."""
    async with JSONLStore(root) as store:
        await stored(store)
    return root


@pytest.mark.timeout(180)
async def test_kills_at_random_moments_lose_no_acknowledged_commit(root: Path) -> None:
    chance = random.Random(7)
    for round_ in range(8):
        id = f"round{round_}"
        acknowledged = -1
        with child(WRITER, root, id, 100_000) as process:
            assert line(process) == "ready"
            go(process)
            for _ in range(chance.randrange(1, 40)):
                acknowledged = int(line(process))
            process.send_signal(signal.SIGKILL)
            assert process.stdout is not None
            for rest in process.stdout.read().split("\n")[:-1]:
                acknowledged = int(rest)
        async with JSONLStore(root) as store:
            tree = (await store.load(id)).tree
            assert len(tree) >= 2 * (acknowledged + 1)
            assert len(tree) % 2 == 0, "whole commits only"
            assert tree.path == tuple(range(1, len(tree) + 1))
            (summary,) = [each for each in await store.list() if each.id == id]
            assert summary.nodes == len(tree)
            tree.push(Message.assistant("and on it goes"))
            await store.save_tree(id, tree.take_changes())
            assert (await store.load(id)).tree.path == tree.path


async def test_two_processes_write_at_once_without_an_error(root: Path) -> None:
    count = 30
    with child(WRITER, root, "one", count) as one, child(WRITER, root, "two", count) as two:
        assert line(one) == line(two) == "ready"
        go(one)
        go(two)
        for process in (one, two):
            out, err = process.communicate()
            assert err == ""
            assert out.split() == [str(index) for index in range(count)]
    async with JSONLStore(root) as store:
        for id in ("one", "two"):
            loaded = await store.load(id)
            assert len(loaded.tree) == 2 * count
            assert loaded.record.title == str(count - 1)


async def test_two_stores_write_one_session_by_turns_and_lose_nothing(session: Path) -> None:
    async with JSONLStore(session) as one, JSONLStore(session) as two:

        async def label(store: JSONLStore, name: str) -> None:
            for number in range(20):
                tree = (await store.load("s")).tree
                tree.update(1 if name == "one" else 2, label=f"{name} {number}")
                await store.save_tree("s", tree.take_changes())
                state: State = {"title": str(number)} if name == "one" else {"cwd": str(number)}
                await store.save_state("s", **state)

        await asyncio.gather(label(one, "one"), label(two, "two"))
        loaded = await one.load("s")
        assert (loaded.tree[1].label, loaded.tree[2].label) == ("one 19", "two 19")
        assert (loaded.record.title, loaded.record.cwd) == ("19", "19")


async def test_of_many_that_want_a_lease_at_once_one_gets_it(session: Path) -> None:
    for _ in range(2):
        racers = [child(RACER, session, "s") for _ in range(4)]
        processes = [each.__enter__() for each in racers]
        try:
            assert [line(each) for each in processes] == ["ready"] * 4
            for process in processes:
                go(process)
            assert sorted(line(each) for each in processes) == ["lost", "lost", "lost", "won"]
        finally:
            for each in racers:
                each.__exit__(None, None, None)


async def test_a_session_open_in_another_process_is_refused_and_names_it(session: Path) -> None:
    async with JSONLStore(session) as store:
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
    async with JSONLStore(session) as store:
        with child(HOLDER, session, "s") as other:
            assert line(other) == "held"
            other.kill()
            os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)  # dead, and still a zombie
            await store.lease("s")
        await store.lease("s")


async def test_a_lease_can_be_taken_over_and_the_old_holder_cannot_release_it(
    session: Path,
) -> None:
    with child(HOLDER, session, "s") as other:
        assert line(other) == "held"
        async with JSONLStore(session) as store:
            await store.lease("s", take_over=True)
            go(other)
            assert other.communicate()[1] == ""
            assert str(os.getpid()) in (session / ".leases" / "s").read_text()


@pytest.mark.parametrize("content", ["", "{", "[1]", '["x", null, "h"]', "\x00" * 30])
async def test_a_damaged_lease_is_nobodys(session: Path, content: str) -> None:
    async with JSONLStore(session) as one, JSONLStore(session) as two:
        await one.lease("s")
        (session / ".leases" / "s").write_text(content)
        await two.lease("s")
        assert str(os.getpid()) in (session / ".leases" / "s").read_text()


async def test_a_process_that_stopped_while_writing_is_not_waited_for_without_end(
    session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl_folder, "PATIENCE", 0.05)
    folder = jsonl_folder.SessionFolder(session, "s")
    async with JSONLStore(session) as store:
        with folder.locked():
            for call in (store.save_state("s", title="x"), store.load("s"), store.delete("s")):
                with pytest.raises(StoreUnavailableError, match="does not finish"):
                    await call
        await store.save_state("s", title="x")


async def test_a_session_deleted_while_another_waits_to_write_is_gone(session: Path) -> None:
    root = jsonl_folder.Root(session)
    folder = root.folder("s")
    assert folder is not None
    async with JSONLStore(session) as store:
        with folder.locked():
            saving = asyncio.create_task(store.save_state("s", title="x"))
            creating = asyncio.create_task(store.create(SessionRecord(id="kid", parent_id="s")))
            await asyncio.sleep(0)
            root.remove(folder)
        for task in (saving, creating):
            with pytest.raises(Exception, match="There is no session 's'"):
                await task
        assert sorted(path.name for path in session.iterdir()) == [".leases"]
        assert [path.name for path in (session / ".leases").iterdir()] == [".gitignore"]


async def test_a_reader_never_sees_half_a_commit(session: Path) -> None:
    async with JSONLStore(session) as writer, JSONLStore(session) as reader:
        done = asyncio.Event()

        async def write() -> None:
            tree: Tree = (await writer.load("s")).tree
            for number in range(40):
                tree.push(Message.user(f"{number} " + "x" * 3000))
                tree.push(Message.assistant("y" * 3000))
                await writer.save_tree("s", tree.take_changes())
            done.set()

        async def read() -> None:
            while not done.is_set():
                assert len((await reader.load("s")).tree) % 2 == 0
                (summary,) = await reader.list()
                assert summary.nodes % 2 == 0

        await asyncio.gather(write(), read())
        assert len((await reader.load("s")).tree) == 82
