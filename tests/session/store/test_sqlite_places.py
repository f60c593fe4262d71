"""Where the file is, and what becomes of a store when another takes its place or none does."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from omni_tui.core.errors import NotFoundError, StoreUnavailableError
from omni_tui.core.messages import Message
from omni_tui.session.store import SessionRecord, SQLiteStore, mounts
from omni_tui.session.store.sqlite import READERS
from omni_tui.session.tree import Changes, Tree

MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:5 / /proc rw,nosuid - proc proc rw
30 22 0:40 / /home rw,relatime shared:7 - nfs4 server:/home rw,vers=4.2
31 30 0:41 / /home/me/local rw - tmpfs tmpfs rw
32 22 0:42 / /mnt/with\\040space\\134slash rw master:3 - cifs //server/share rw
33 22 0:43 / /mnt/c rw - 9p drvfs rw
34 22 0:44 / /mnt/over rw - nfs server:/over rw
35 22 0:45 / /mnt/over rw - xfs /dev/vdb rw
36 22 0:46 / /mnt/ssh rw - fuse.sshfs me@server:/ rw
37 22 0:47 / /mnt/new rw - brandnewfs none rw
a broken line
38 22
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/sessions.db", "ext4"),
        ("/home/me/sessions.db", "nfs4"),
        ("/home/me/local/sessions.db", "tmpfs"),
        ("/homes/sessions.db", "ext4"),
        ("/mnt/with space\\slash/sessions.db", "cifs"),
        ("/mnt/c/Users/x.db", "drvfs"),
        ("/mnt/over/x.db", "xfs"),
        ("/mnt/ssh/x.db", "fuse.sshfs"),
        ("/mnt/ssh/../new/x.db", "brandnewfs"),
    ],
)
def test_the_file_system_of_a_path_is_that_of_the_nearest_mount(path: str, kind: str) -> None:
    assert mounts.kind_of(Path(path), MOUNTS) == kind


def test_where_nothing_is_told_of_mounts_nothing_is_known() -> None:
    assert mounts.kind_of(Path("/x.db"), "") is None


async def mounted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> StoreUnavailableError | None:
    """What is said of a store in a folder with this type of file system."""
    table = tmp_path / "mountinfo"
    table.write_text(f"1 0 0:1 / {tmp_path} rw - {kind} server:/x rw\n")
    monkeypatch.setattr(mounts, "MOUNTINFO", table)
    path = tmp_path / "new" / "sessions.db"
    try:
        async with SQLiteStore(path) as store:
            await store.create(SessionRecord(id="s"))
    except StoreUnavailableError as error:
        assert not path.parent.exists(), "nothing is made there"
        return error
    return None


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "drvfs", "fuse.sshfs"])
async def test_a_file_on_a_network_is_refused_with_the_reason_and_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    error = await mounted(tmp_path, monkeypatch, kind)
    assert error is not None
    assert str(tmp_path / "new" / "sessions.db") in error.message
    assert f"network file system ({kind})" in error.message
    assert "damaged" in error.message
    assert "--db" in (error.hint or "")


@pytest.mark.parametrize("kind", ["ext4", "btrfs", "overlay", "virtiofs", "neverheardof"])
async def test_any_other_file_system_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    assert await mounted(tmp_path, monkeypatch, kind) is None


async def test_where_mounts_are_not_told_of_the_store_opens(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounts, "MOUNTINFO", path.with_name("none"))
    async with SQLiteStore(path):
        assert path.exists()


async def test_a_link_to_a_file_that_is_still_to_be_made_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "link.db"
    path.symlink_to(tmp_path / "real" / "sessions.db")
    async with SQLiteStore(path) as store:
        await store.create(SessionRecord(id="s"))
    assert (tmp_path / "real" / "sessions.db").stat().st_mode & 0o777 == 0o600
    assert path.is_symlink()


# Another file, or none


async def a_store(path: Path) -> tuple[SQLiteStore, Tree]:
    """A store with the session `s` of two messages, leased."""
    store = SQLiteStore(path)
    await store.create(SessionRecord(id="s"))
    await store.lease("s")
    tree = Tree()
    tree.push(Message.user("one"))
    tree.push(Message.assistant("two"))
    await store.save_tree("s", tree.take_changes())
    return store, tree


def remove(path: Path) -> None:
    path.unlink()


def move(path: Path) -> None:
    path.rename(path.with_name("moved.db"))


def remove_all(path: Path) -> None:
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()


def replace(path: Path) -> None:
    other = path.with_name("other.db")
    asyncio.run(make_other(other))
    other.replace(path)


async def make_other(path: Path) -> None:
    async with SQLiteStore(path) as store:
        await store.create(SessionRecord(id="other"))


@pytest.mark.parametrize("happen", [remove, move, remove_all, replace])
async def test_nothing_is_written_to_a_file_that_is_no_longer_there(
    path: Path, happen: Callable[[Path], None]
) -> None:
    store, tree = await a_store(path)
    await store.load("s")  # a reader is at the file too
    await asyncio.to_thread(happen, path)
    tree.push(Message.user("three"))
    changes = tree.take_changes()
    for call in (
        store.save_tree("s", changes),
        store.save_state("s", title="x"),
        store.save_tree("s", changes),
        store.load("s"),
    ):
        with pytest.raises(NotFoundError):
            await call
    assert await store.exists("other") is (happen is replace)
    await store.create(SessionRecord(id="s"))
    await store.lease("s")
    await store.save_tree("s", whole(tree))
    assert len((await store.load("s")).tree) == 3
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM nodes").fetchone() == (3,)


def whole(tree: Tree) -> Changes:
    return Changes(nodes=tuple(tree.nodes.values()), cursors=tree.cursors, head=tree.head)


async def test_a_file_moved_away_has_all_that_was_committed(path: Path) -> None:
    store, _ = await a_store(path)
    move(path)
    assert await store.list() == []  # a new file
    await store.exists("s")
    with pytest.raises(NotFoundError):
        await store.save_state("s", title="x")
    with closing(sqlite3.connect(path.with_name("moved.db"))) as connection:
        assert connection.execute("SELECT count(*) FROM nodes").fetchone() == (2,)
    await store.close()


async def test_a_file_put_back_is_used_on_as_if_nothing_had_been(path: Path) -> None:
    store, tree = await a_store(path)
    aside = path.with_name("aside.db")
    path.rename(aside)
    aside.rename(path)
    tree.push(Message.user("three"))
    await store.save_tree("s", tree.take_changes())
    assert len((await store.load("s")).tree) == 3
    await store.close()


async def test_an_older_copy_put_in_place_is_not_read_with_the_log_of_the_newer(
    path: Path,
) -> None:
    store, tree = await a_store(path)
    copy = path.with_name("copy.db")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    for number in range(50):
        tree.push(Message.user(f"{number} " * 500))
        await store.save_tree("s", tree.take_changes())
    copy.replace(path)
    with pytest.raises(NotFoundError):
        await store.save_state("s", title="x")
    assert len((await store.load("s")).tree) == 2
    await store.lease("s")
    await store.save_tree("s", whole(tree))
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM nodes").fetchone() == (52,)


# Several stores in one process

VISITOR = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("SELECT count(*) FROM nodes").fetchone()
connection.close()  # whoever closes last takes the log away
"""


@pytest.mark.parametrize("leave", [False, True], ids=["open", "closed"])
async def test_a_second_store_of_a_process_does_not_take_the_locks_of_the_first(
    path: Path, leave: bool
) -> None:
    store, tree = await a_store(path)
    second = SQLiteStore(path)
    await second.open()
    if leave:
        await second.close()
    log = path.with_name(f"{path.name}-wal").stat().st_ino
    subprocess.run([sys.executable, "-c", VISITOR, str(path)], check=True)
    assert path.with_name(f"{path.name}-wal").stat().st_ino == log, "the log in use is still there"
    tree.push(Message.user("three"))
    await store.save_tree("s", tree.take_changes())
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM nodes").fetchone() == (3,)
    await second.close()
    await store.close()


# Readers


async def test_a_long_read_delays_neither_another_read_nor_a_commit(path: Path) -> None:
    store, tree = await a_store(path)
    go = threading.Event()
    begun = threading.Barrier(READERS, timeout=30)

    def hold(_: sqlite3.Connection) -> None:
        begun.wait()
        assert go.wait(30)

    long = [asyncio.create_task(store._readers.run(hold)) for _ in range(READERS - 1)]
    await asyncio.to_thread(begun.wait)
    assert len((await store.load("s")).tree) == 2
    assert await store.exists("s")
    tree.push(Message.user("three"))
    await store.save_tree("s", tree.take_changes())
    go.set()
    await asyncio.gather(*long)
    await store.close()


async def test_reads_one_after_another_need_one_connection(path: Path) -> None:
    store, _ = await a_store(path)
    for _ in range(20):
        await store.load("s")
    assert len(store._readers._idle) == 1
    await store.close()
    assert store._readers._idle == []


async def test_reads_that_are_under_way_end_before_the_store_is_closed(path: Path) -> None:
    store, _ = await a_store(path)
    loads = [asyncio.create_task(store.load("s")) for _ in range(20)]
    await asyncio.sleep(0)
    await store.close()
    assert {len(loaded.tree) for loaded in await asyncio.gather(*loads)} == {2}
    assert not [name for name in os.listdir(path.parent) if name.endswith(("-wal", "-shm"))]
