"""Examining, mending, copying and shrinking a file of sessions."""

from __future__ import annotations

import asyncio
import hashlib
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from omni_tui.core.errors import AlreadyExistsError, SessionLockedError, StoreError
from omni_tui.core.messages import Message
from omni_tui.session.store import SessionRecord, SQLiteStore, maintenance, mounts, schema
from omni_tui.session.store.maintenance import Finding, back_up, compact, examine, mend
from omni_tui.session.tree import Tree

HERE = Path(__file__).parent


async def fill(path: Path, *, sessions: int = 2, length: int = 10) -> None:
    async with SQLiteStore(path) as store:
        for number in range(sessions):
            tree = Tree()
            for index in range(length):
                text = f"session {number} says number{index} at length " * 20
                tree.push(Message.assistant(text) if index % 2 else Message.user(text))
            await store.create(SessionRecord(id=f"s{number}"))
            await store.save_tree(f"s{number}", tree.take_changes())


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def troubles(path: Path, *, deep: bool = False) -> dict[str, Finding]:
    """What is not well, by subject."""
    return {each.subject: each for each in examine(path, deep=deep) if each.level != "ok"}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


# Examining


@pytest.mark.parametrize("deep", [False, True])
async def test_a_sound_file_has_no_troubles_and_is_left_as_it_is(path: Path, deep: bool) -> None:
    await fill(path)
    before = digest(path)
    found = {each.subject: each for each in examine(path, deep=deep)}
    assert {each.level for each in found.values()} == {"ok"}
    assert list(found) == [
        *("file", "modes", "disk", "integrity", "version", "log", "sessions", "search", "open")
    ]
    assert found["sessions"].text == "2 with 20 messages"
    assert digest(path) == before
    assert files(path.parent) == [path.name]


async def test_a_file_in_use_can_be_examined(path: Path) -> None:
    await fill(path)
    async with SQLiteStore(path) as store:
        await store.lease("s0")
        (found,) = [each for each in examine(path) if each.subject == "open"]
        assert found.text.startswith("by 1 programs now")
        assert troubles(path) == {}
        await store.save_state("s0", title="still works")


def test_without_a_file_there_is_nothing_to_examine_and_nothing_is_made(path: Path) -> None:
    (found,) = examine(path)
    assert (found.subject, found.level) == ("file", "ok")
    assert files(path.parent) == []


async def test_an_older_version_is_told_and_not_migrated(path: Path) -> None:
    change(path, *(HERE / "version_2.sql").read_text().split(";\n"))
    before = digest(path)
    (version,) = [each for each in examine(path) if each.subject == "version"]
    assert version.text.startswith(f"2; brought up to {schema.SCHEMA_VERSION}")
    assert digest(path) == before


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.write_bytes(b"hello" * 99), "not a SQLite database"),
        (lambda path: change(path, "PRAGMA application_id = 1"), "another program"),
        (lambda path: change(path, "PRAGMA user_version = 99"), "newer"),
        (lambda path: (path.unlink(), path.mkdir()), "cannot be used"),
    ],
    ids=["no database", "of another program", "newer", "a folder"],
)
async def test_a_file_that_is_not_ours_fails_and_is_left_as_it_is(
    path: Path, spoil: Callable[[Path], object], words: str
) -> None:
    await fill(path)
    spoil(path)
    before = digest(path) if path.is_file() else ""
    found = troubles(path)
    assert {each.level for each in found.values()} >= {"fail"}
    assert words in found["file"].text
    assert (digest(path) if path.is_file() else "") == before


async def test_a_damaged_file_fails_with_a_way_to_rescue_what_is_in_it(path: Path) -> None:
    await fill(path, length=200)
    whole = path.read_bytes()
    chance = random.Random(3)
    for _ in range(10):
        content = bytearray(whole)
        for _ in range(64):
            content[chance.randrange(4096, len(content))] = chance.randrange(256)
        path.write_bytes(content)
        found = troubles(path)
        failed = [each for each in found.values() if each.level == "fail"]
        assert failed
        assert all(each.hint for each in failed)
        assert path.read_bytes()[4096:] == bytes(content)[4096:]


async def test_what_other_programs_did_to_the_index_is_told(path: Path) -> None:
    await fill(path)
    change(path, "DELETE FROM nodes WHERE session_id = 's0' AND id = 10")
    found = troubles(path)
    assert found["search"].level == "fail"
    assert "0 messages are not found by their words, 1 are found that are gone" in (
        found["search"].text
    )
    assert "--fix" in (found["search"].hint or "")
    change(path, "INSERT INTO message_words (message_words) VALUES ('delete-all')")
    assert troubles(path)["search"].text.startswith("19 messages are not found")


async def test_words_that_are_not_those_of_the_message_are_found_by_looking_deep(
    path: Path,
) -> None:
    await fill(path)
    change(
        path, """UPDATE nodes SET message = replace(message, 'number3', 'seldom') WHERE id = 4"""
    )
    assert troubles(path) == {}
    assert troubles(path, deep=True)["search"].text.startswith("2 messages are not found")


async def test_an_index_that_cannot_be_read_is_told(path: Path) -> None:
    await fill(path)
    change(path, "DROP TABLE message_words_docsize")
    assert "cannot be read" in troubles(path)["search"].text


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE sessions SET head = 99 WHERE id = 's1'",
        "UPDATE nodes SET cursor = 7 WHERE session_id = 's1' AND id = 1",
        "UPDATE nodes SET parent_id = 9 WHERE session_id = 's1' AND id = 2",
    ],
)
async def test_places_that_name_no_message_are_told(path: Path, statement: str) -> None:
    await fill(path)
    change(path, statement)
    assert troubles(path)["sessions"].text.startswith("1 of 2")


async def test_rows_without_what_they_refer_to_are_told(path: Path) -> None:
    await fill(path)
    change(path, "DELETE FROM sessions WHERE id = 's1'")
    assert "10 rows refer to what is not there" in troubles(path)["integrity"].text


async def test_files_others_may_read_are_told_and_mended(path: Path) -> None:
    await fill(path)
    path.chmod(0o644)
    assert troubles(path)["modes"].text == f"others can read {path.name}"
    assert mend(path) == [f"{path.name} is private now"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert troubles(path) == {}


async def test_a_folder_in_which_others_may_replace_the_file_is_told(path: Path) -> None:
    await fill(path)
    path.parent.chmod(0o777)
    assert "others can replace files" in troubles(path)["modes"].text
    path.parent.chmod(0o1777)
    assert troubles(path) == {}


async def test_a_log_that_grew_too_long_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(path)
    monkeypatch.setattr(maintenance, "LARGE_LOG", 1000)
    async with SQLiteStore(path) as store:
        await store.save_state("s0", title="x")
        assert "--vacuum" in (troubles(path)["log"].hint or "")


async def test_a_disk_with_little_left_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(path)
    usage = shutil.disk_usage(path.parent)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert troubles(path)["disk"].text == "1,000 bytes free"


async def test_a_network_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = path.with_name("mountinfo")
    table.write_text(f"1 0 0:1 / {path.parent} rw - nfs4 server:/x rw\n")
    monkeypatch.setattr(mounts, "MOUNTINFO", table)
    assert "network file system (nfs4)" in troubles(path)["file"].text
    for work in (mend, compact):
        path.touch()
        with pytest.raises(StoreError, match="network"):
            work(path)


# Mending


@pytest.mark.parametrize(
    "statements",
    [
        (
            "DELETE FROM nodes WHERE session_id = 's0' AND id = 10",
            "UPDATE nodes SET cursor = NULL WHERE session_id = 's0' AND id = 9",
            "UPDATE sessions SET head = 9 WHERE id = 's0'",
        ),
        ("INSERT INTO message_words (message_words) VALUES ('delete-all')",),
        ("UPDATE nodes SET message = replace(message, 'number3', 'number3 rare') WHERE id = 4",),
        ("DROP TABLE message_words_docsize",),
        ("UPDATE message_words_data SET block = x'00112233' WHERE id > 10",),
    ],
    ids=["superfluous", "empty", "other words", "a table lost", "damaged"],
)
async def test_an_index_that_is_wrong_is_made_anew(path: Path, statements: tuple[str, ...]) -> None:
    await fill(path)
    with closing(sqlite3.connect(path)) as connection:
        before = maintenance._schema_of_index(connection)
    change(path, *statements)
    assert mend(path) == ["the index of words was made anew"]
    assert troubles(path, deep=True) == {}
    async with SQLiteStore(path) as store:
        assert len(await store.search("number3")) == 2
        await store.delete("s0")
        assert len(await store.search("number3 ")) == 1
    with closing(sqlite3.connect(path)) as connection:
        assert maintenance._schema_of_index(connection) == before


async def test_there_is_nothing_to_mend_in_a_sound_file(path: Path) -> None:
    await fill(path)
    assert mend(path) == []


async def test_what_counts_as_open_on_another_machine_is_freed(path: Path) -> None:
    await fill(path)
    change(path, "UPDATE sessions SET lease_pid = 1, lease_host = 'gone' WHERE id = 's0'")
    assert "gone" in troubles(path)["open"].text
    async with SQLiteStore(path) as store:
        with pytest.raises(SessionLockedError):
            await store.lease("s0")
        await store.lease("s1")
        assert mend(path) == ["what was open on gone is free now"]
        await store.lease("s0")
        with closing(sqlite3.connect(path)) as connection:
            held = connection.execute("SELECT count(lease_pid) FROM sessions").fetchone()
        assert held == (2,), "its own are still held"


async def test_mending_goes_on_beside_a_program_that_writes(path: Path) -> None:
    await fill(path)
    change(path, "INSERT INTO message_words (message_words) VALUES ('delete-all')")
    async with SQLiteStore(path) as store:
        tree = (await store.load("s0")).tree
        mending = asyncio.create_task(asyncio.to_thread(mend, path))
        for number in range(20):
            tree.push(Message.user(f"meanwhile{number}"))
            await store.save_tree("s0", tree.take_changes())
        assert await mending == ["the index of words was made anew"]
        assert len(await store.search("meanwhile", limit=50)) == 20
    assert troubles(path, deep=True) == {}


# Copying


async def test_a_backup_is_whole_private_and_a_file_by_itself(path: Path) -> None:
    await fill(path)
    target = path.with_name("copy.db")
    async with SQLiteStore(path) as store:
        await store.save_state("s0", title="only in the log")
        assert back_up(path, target) == target.stat().st_size
    assert target.stat().st_mode & 0o777 == 0o600
    assert files(path.parent) == ["copy.db", path.name]
    assert troubles(target, deep=True) == {}
    async with SQLiteStore(target) as copy:
        assert (await copy.load("s0")).record.title == "only in the log"
        assert len((await copy.load("s1")).tree) == 10


async def test_a_backup_never_overwrites(path: Path) -> None:
    await fill(path)
    target = path.with_name("copy.db")
    target.write_text("precious")
    with pytest.raises(AlreadyExistsError, match=r"copy\.db is there already"):
        back_up(path, target)
    assert target.read_text() == "precious"
    with pytest.raises(AlreadyExistsError):
        back_up(path, path)


async def test_a_backup_that_fails_leaves_nothing(path: Path) -> None:
    await fill(path)
    with pytest.raises(StoreError, match="nowhere"):
        back_up(path, path.parent / "nowhere" / "copy.db")
    with pytest.raises(StoreError, match="There is no file"):
        back_up(path.with_name("none.db"), path.with_name("copy.db"))
    assert files(path.parent) == [path.name]


async def test_of_a_damaged_file_no_backup_is_made(path: Path) -> None:
    await fill(path, length=200)
    content = bytearray(path.read_bytes())
    for begin, end in ((3, 9), (-9, -3)):
        damaged = content.copy()
        damaged[4096 * begin : 4096 * end] = bytes(4096 * 6)
        path.write_bytes(damaged)
        with pytest.raises(StoreError, match="is damaged, and a copy would be too") as caught:
            back_up(path, path.with_name("copy.db"))
        assert str(path) in str(caught.value)
        assert "--rescue" in (caught.value.hint or "")
        assert files(path.parent) == [path.name]
        assert path.read_bytes() == damaged


async def test_a_backup_made_while_others_write_is_of_one_moment(path: Path) -> None:
    await fill(path)
    async with SQLiteStore(path) as store:
        tree = (await store.load("s0")).tree

        async def write() -> None:
            for number in range(200):
                tree.push(Message.user(f"more {number}"))
                await store.save_tree("s0", tree.take_changes())

        writing = asyncio.create_task(write())
        for number in range(5):
            target = path.with_name(f"copy{number}.db")
            await asyncio.to_thread(back_up, path, target)
            assert troubles(target, deep=True) == {}
        await writing


# Shrinking


async def test_room_that_deleted_sessions_left_is_given_back(path: Path) -> None:
    await fill(path, sessions=10, length=40)
    async with SQLiteStore(path) as store:
        for number in range(9):
            await store.delete(f"s{number}")
    before, after = compact(path)
    assert after == path.stat().st_size
    assert after < before / 3
    assert files(path.parent) == [path.name]
    assert troubles(path, deep=True) == {}
    async with SQLiteStore(path) as store:
        assert len((await store.load("s9")).tree) == 40
        assert len(await store.search("number3 ")) == 1


async def test_a_file_in_use_is_not_shrunk(path: Path) -> None:
    await fill(path)
    async with SQLiteStore(path) as store:
        await store.lease("s0")
        with pytest.raises(SessionLockedError, match="in use by process"):
            compact(path)
        await store.release("s0")
        compact(path)
        await store.save_state("s0", title="still works")


async def test_the_claim_of_a_dead_process_does_not_keep_a_file_from_being_shrunk(
    path: Path,
) -> None:
    await fill(path)
    async with SQLiteStore(path) as store:
        await store.lease("s0")
        change(path, "UPDATE sessions SET lease_start = 'another boot:1' WHERE id = 's0'")
        compact(path)
