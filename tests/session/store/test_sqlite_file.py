"""The SQLite file itself: settings, modes, versions, damage, and what a commit touches."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import sqlite3
import stat
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from omni_tui.core.errors import StoreError, StoreUnavailableError, StoreVersionError
from omni_tui.core.messages import Message
from omni_tui.session.store import SessionRecord, SQLiteStore, schema
from omni_tui.session.store import sqlite as sqlite_store_module
from omni_tui.session.tree import Tree


class WatchedStore(SQLiteStore):
    """Keeps the statements its connections run, and counts the rows they change."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.statements: list[str] = []
        self.connections: list[sqlite3.Connection] = []

    def _connect(self) -> sqlite3.Connection:
        connection = super()._connect()
        connection.set_trace_callback(self.statements.append)
        self.connections.append(connection)
        return connection

    async def setting(self, name: str) -> object:
        return await self._writer.run(lambda c: c.execute(f"PRAGMA {name}").fetchone()[0])

    async def rows_changed(self) -> int:
        return await self._writer.run(lambda connection: connection.total_changes)


class DotfileStore(SQLiteStore):
    """Opens its file as on a file system without shared memory, where WAL is impossible."""

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(
            f"file:{self.path}?vfs=unix-dotfile",
            uri=True,
            timeout=5,
            isolation_level=None,
            check_same_thread=False,
        )


def chain(length: int) -> Tree:
    tree = Tree()
    for index in range(length):
        tree.push(Message.user("x") if index % 2 == 0 else Message.assistant("y"))
    return tree


async def fill(path: Path, length: int = 4) -> None:
    async with SQLiteStore(path) as store:
        await store.create(SessionRecord(id="s"))
        await store.save_tree("s", chain(length).take_changes())


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# Settings


async def test_the_file_is_opened_with_the_settings_that_make_commits_durable(path: Path) -> None:
    store = WatchedStore(path)
    async with store:
        assert await store.setting("journal_mode") == "wal"
        assert await store.setting("synchronous") == 2, "FULL"
        assert await store.setting("foreign_keys") == 1
        assert int(str(await store.setting("busy_timeout"))) >= 5000
        assert await store.setting("application_id") == schema.APPLICATION_ID
        assert await store.setting("user_version") == schema.SCHEMA_VERSION
        assert store.notice is None


async def test_where_wal_is_impossible_the_store_works_and_says_so(path: Path) -> None:
    async with DotfileStore(path) as store:
        assert store.notice is not None
        assert "write-ahead logging" in store.notice
        await store.create(SessionRecord(id="s"))
        await store.save_tree("s", chain(3).take_changes())
        assert len((await store.load("s")).tree) == 3


async def test_every_write_takes_the_lock_at_once(path: Path) -> None:
    store = WatchedStore(path)
    async with store:
        await store.create(SessionRecord(id="s"))
        store.statements.clear()
        await store.save_tree("s", chain(3).take_changes())
        await store.save_state("s", title="x")
        await store.lease("s")
        await store.delete("s")
        begins = [statement for statement in store.statements if statement.startswith("BEGIN")]
        assert begins == ["BEGIN IMMEDIATE"] * 4
        assert store.statements.count("COMMIT") == 4


async def test_a_step_is_one_transaction(path: Path) -> None:
    store = WatchedStore(path)
    async with store:
        await store.create(SessionRecord(id="s"))
        store.statements.clear()
        await store.save_tree("s", chain(5).take_changes())
        assert store.statements[0] == "BEGIN IMMEDIATE"
        assert store.statements[-1] == "COMMIT"
        assert store.statements.count("COMMIT") == 1


async def test_navigation_inserts_no_nodes(path: Path) -> None:
    store = WatchedStore(path)
    async with store:
        tree = chain(4)
        tree.navigate(2)
        tree.push(Message.user("edited"))
        await store.create(SessionRecord(id="s"))
        await store.save_tree("s", tree.take_changes())
        store.statements.clear()
        tree.switch(4)
        await store.save_tree("s", tree.take_changes())
        assert not any("INSERT" in statement for statement in store.statements)
        assert (await store.load("s")).tree.head == 4


COMMITS = 64
"""So many that the index of words has put its parts together several times."""


async def test_a_commit_costs_the_same_however_long_the_session_is(path: Path) -> None:
    costs: list[tuple[int, int, int]] = []
    for length in (100, 1_000, 10_000):
        store = WatchedStore(path.with_name(f"{length}.db"))
        async with store:
            await store.setting("wal_autocheckpoint = 0")  # so that the log tells what is written
            tree = chain(length)
            await store.create(SessionRecord(id="s"))
            await store.save_tree("s", tree.take_changes())
            log = schema.side_files(store.path)[0]
            before, size = await store.rows_changed(), log.stat().st_size
            store.statements.clear()
            for number in range(COMMITS):
                tree.push(Message.user(f"prompt {number}"))
                await store.save_tree("s", tree.take_changes())
            pages = (log.stat().st_size - size) // 4096
            costs.append((await store.rows_changed() - before, len(store.statements), pages))
            own = [each for each in store.statements if each.startswith("UPDATE")]
            assert len(own) == 3 * COMMITS, "its parent's cursor, the session, its head"
    (rows, statements, pages), *longer = costs
    assert all(cost[:2] == (rows, statements) for cost in longer), costs
    assert rows <= COMMITS * 14, "the node, its parent's cursor, the session, and the words"
    assert pages <= COMMITS * 10, "a page of each table and index"
    assert all(cost[2] <= pages * 1.6 for cost in longer), "a level more of each tree"


async def test_opening_a_session_decodes_no_message(path: Path) -> None:
    await fill(path, 50)
    async with SQLiteStore(path) as store:
        tree = (await store.load("s")).tree
        assert all(node._message is None for node in tree.nodes.values())
        assert tree[50].message.text == "y"


async def test_lists_and_loads_find_their_rows_by_index(path: Path) -> None:
    await fill(path)
    with closing(sqlite3.connect(path)) as connection:
        for query, values in (
            (
                sqlite_store_module._LIST.format(after="AND (updated_at, id) < (?, ?)"),
                ("", "", 5),
            ),
            (sqlite_store_module._LIST.format(after=""), (5,)),
            (sqlite_store_module._LOAD_NODES, ("s",)),
        ):
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", values)]
            assert not [step for step in plan if "TEMP B-TREE FOR ORDER" in step], plan
            assert not [step for step in plan if step.startswith("SCAN") and "INDEX" not in step]


async def test_sessions_beneath_another_are_found_by_index(path: Path) -> None:
    await fill(path)
    with closing(sqlite3.connect(path)) as connection:
        for query, values in (
            (sqlite_store_module._CHILD, ("s", 1, "t")),
            (sqlite_store_module._FAMILY, ("s",)),
            ("DELETE FROM sessions WHERE parent_id = ?", ("s",)),
        ):
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", values)]
            assert [step for step in plan if "sessions_by_parent" in step], plan


async def test_people_can_query_the_tables(path: Path) -> None:
    await fill(path)
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(
            "SELECT kind, json_extract(message, '$.content[0].text'), parent_id FROM nodes "
            "WHERE session_id = 's' ORDER BY id LIMIT 2"
        ).fetchall()
        assert found == [("prompt", "x", None), ("reply", "y", 1)]
        (schema_text,) = connection.execute(
            "SELECT sql FROM sqlite_schema WHERE name = 'nodes'"
        ).fetchone()
        assert "-- the child last chosen" in schema_text, "the file documents itself"


# Modes and folders


async def test_files_and_folders_are_private_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "sessions.db"
    before = os.umask(0)
    try:
        async with SQLiteStore(path) as store:
            await store.create(SessionRecord(id="s"))
            modes = {file.name: mode_of(file) for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"sessions.db": 0o600, "sessions.db-wal": 0o600, "sessions.db-shm": 0o600}
    assert mode_of(path.parent) == mode_of(path.parent.parent) == 0o700


async def test_a_file_that_others_could_read_is_made_private(path: Path) -> None:
    await fill(path)
    path.chmod(0o644)
    async with SQLiteStore(path):
        assert mode_of(path) == 0o600


async def test_a_file_of_no_bytes_is_a_new_database(path: Path) -> None:
    path.touch()
    await fill(path)
    async with SQLiteStore(path) as store:
        assert await store.exists("s")


# What is not ours


async def test_a_newer_file_is_refused_and_untouched(path: Path) -> None:
    await fill(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = digest(path)
    with pytest.raises(StoreVersionError, match=r"version 99, this program knows 4") as caught:
        await SQLiteStore(path).open()
    assert str(path) in str(caught.value)
    assert digest(path) == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


async def test_a_newer_version_that_is_only_in_the_log_is_refused(path: Path) -> None:
    await fill(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA user_version = 99")
        assert int.from_bytes(path.read_bytes()[60:64], "big") == schema.SCHEMA_VERSION
        with pytest.raises(StoreVersionError, match="version 99"):
            await SQLiteStore(path).open()


@pytest.mark.parametrize("application_id", [0, 77])
async def test_the_database_of_another_program_is_refused_and_untouched(
    path: Path, application_id: int
) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA application_id = {application_id}")
        connection.execute("CREATE TABLE theirs (x)")
    path.chmod(0o600)
    before = digest(path)
    with pytest.raises(StoreVersionError, match="another program"):
        await SQLiteStore(path).open()
    assert digest(path) == before


@pytest.mark.parametrize(
    "content",
    [b"hello", b"SQLite format 3\0", bytes(5000), b"\x93" * 999],
    ids=["text", "only the magic", "zeros", "noise"],
)
async def test_a_file_that_is_no_database_is_refused_and_untouched(
    path: Path, content: bytes
) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreUnavailableError, match="not a SQLite database") as caught:
        await SQLiteStore(path).open()
    assert str(path) in str(caught.value)
    assert caught.value.hint
    assert path.read_bytes() == content


async def test_a_path_that_cannot_be_a_file_is_refused_by_every_verb(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "sessions.db"):
        store = SQLiteStore(path)
        for call in (store.open(), store.list(), store.create(SessionRecord(id="s"))):
            with pytest.raises(StoreUnavailableError, match="cannot be used") as caught:
                await call
            assert str(path) in str(caught.value)
        await store.close()


async def test_a_store_that_could_not_open_works_once_the_cause_is_gone(path: Path) -> None:
    path.mkdir()
    store = SQLiteStore(path)
    with pytest.raises(StoreUnavailableError):
        await store.list()
    path.rmdir()
    assert await store.list() == []
    await store.close()


READ_ONLY = """
import asyncio, os, sys
from omni_tui.core.errors import StoreUnavailableError
from omni_tui.session.store import SQLiteStore

async def main(path):
    store = SQLiteStore(path)
    if os.geteuid() == 0:
        os.seteuid(65534)  # to root nothing is read-only
    try:
        await store.list()
    except StoreUnavailableError as error:
        print(error)
    await store.close()

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.parametrize(("file_mode", "folder_mode"), [(0o444, 0o755), (0o666, 0o555)])
async def test_a_file_or_folder_that_cannot_be_written_is_named(
    file_mode: int, folder_mode: int
) -> None:
    # Not under tmp_path: another user could not get there.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "sessions.db"
        await fill(path)
        path.chmod(file_mode)
        folder.chmod(folder_mode)
        done = subprocess.run(
            [sys.executable, "-c", READ_ONLY, str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
        folder.chmod(0o755)
    assert done.stderr == ""
    assert str(path) in done.stdout
    assert "permission" in done.stdout.casefold()


async def test_a_damaged_file_gives_an_error_of_ours_or_what_can_be_read(path: Path) -> None:
    await fill(path, 300)
    whole = path.read_bytes()
    chance = random.Random(7)
    outcomes = set()
    for _ in range(50):
        content = bytearray(whole)
        for _ in range(64):
            content[chance.randrange(100, len(content))] = chance.randrange(256)
        path.write_bytes(content)
        for side in ("-wal", "-shm"):
            path.with_name(path.name + side).unlink(missing_ok=True)
        store = SQLiteStore(path)
        try:
            tree = (await store.load("s")).tree
            [node.message.text for node in tree.nodes.values()]
            await store.list()
            await store.save_tree("s", chain(1).take_changes())
            outcomes.add("read")
        except StoreError as error:
            outcomes.add(str(error.hint))
        finally:
            await store.close()
    assert any("omni-tui doctor --db" in outcome for outcome in outcomes)


async def test_a_disk_that_is_full_is_said_so_and_what_was_saved_stays(path: Path) -> None:
    store = WatchedStore(path)
    async with store:
        await store.create(SessionRecord(id="s"))
        tree = chain(2)
        await store.save_tree("s", tree.take_changes())
        # SQLite reports a database at its page limit just as it does a full disk.
        pages = await store.setting("page_count")
        await store.setting(f"max_page_count = {pages}")
        tree.push(Message.user("x" * 100_000))
        changes = tree.take_changes()
        with pytest.raises(StoreUnavailableError, match="full"):
            await store.save_tree("s", changes)
        assert len((await store.load("s")).tree) == 2
        await store.setting("max_page_count = 1000000")
        await store.save_tree("s", changes)
        assert len((await store.load("s")).tree) == 3


async def test_a_closed_store_says_so(path: Path) -> None:
    store = SQLiteStore(path)
    await store.open()
    await store.close()
    for call in (store.list(), store.create(SessionRecord(id="s")), store.open()):
        with pytest.raises(StoreUnavailableError, match="closed"):
            await call


async def test_a_file_locked_for_too_long_is_said_to_be_in_use(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(path)
    monkeypatch.setattr(sqlite_store_module, "BUSY_TIMEOUT", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        async with SQLiteStore(path) as store:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailableError, match="is in use"):
                await store.save_state("s", title="x")
            assert (await store.load("s")).record.title is None, "readers do not wait"
            other.execute("ROLLBACK")
            await store.save_state("s", title="x")


# Cancellation


async def test_a_write_whose_caller_is_cancelled_is_written(path: Path) -> None:
    async with SQLiteStore(path) as store:
        await store.create(SessionRecord(id="s"))
        tree = chain(1)
        save = asyncio.create_task(store.save_tree("s", tree.take_changes()))
        await asyncio.sleep(0)
        save.cancel()
        with pytest.raises(asyncio.CancelledError):
            await save
    async with SQLiteStore(path) as store:
        assert len((await store.load("s")).tree) == 1


async def test_a_failing_write_whose_caller_is_cancelled_is_not_complained_of(path: Path) -> None:
    complaints: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: complaints.append(context))
    store = SQLiteStore(path)
    save = asyncio.create_task(store.save_tree("unknown", chain(1).take_changes()))
    await asyncio.sleep(0)
    save.cancel()
    with pytest.raises(asyncio.CancelledError):
        await save
    await store.close()
    await asyncio.sleep(0)
    assert complaints == []
