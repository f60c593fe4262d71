"""What a damaged file still has is taken into a new one."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from omni_tui.core.errors import AlreadyExistsError, StoreError
from omni_tui.core.messages import Message
from omni_tui.session.store import SessionRecord, SQLiteStore
from omni_tui.session.store.maintenance import examine
from omni_tui.session.store.rescue import rescue
from omni_tui.session.tree import Tree

HERE = Path(__file__).parent
PAGE = 4096
SESSIONS, LENGTH = 5, 80


async def fill(path: Path) -> dict[str, list[str]]:
    """Some sessions; the stored messages of each."""
    kept = {}
    async with SQLiteStore(path) as store:
        for number in range(SESSIONS):
            tree = Tree()
            for index in range(LENGTH):
                text = f"session{number} says number{index} " * 12
                tree.push(Message.assistant(text) if index % 2 else Message.user(text))
            id = f"s{number}"
            await store.create(SessionRecord(id=id, title=f"Session {number}"))
            await store.save_tree(id, tree.take_changes())
            kept[id] = [node.raw.decode() for node in tree.nodes.values()]
    return kept


def pages_of(path: Path, table: str) -> list[int]:
    """The pages of a table, from 0, without its root."""
    with closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)
        ).fetchone()
    content = path.read_bytes()
    start = (root - 1) * PAGE
    assert content[start] == 5, "an inner page of a table"
    cells = int.from_bytes(content[start + 3 : start + 5], "big")
    pointers = [
        int.from_bytes(content[start + 12 + 2 * i : start + 14 + 2 * i], "big")
        for i in range(cells)
    ]
    return [
        int.from_bytes(content[start + each : start + each + 4], "big") - 1 for each in pointers
    ]


def damage(path: Path, pages: list[int]) -> bytes:
    content = bytearray(path.read_bytes())
    for page in pages:
        content[page * PAGE : (page + 1) * PAGE] = b"\x55" * PAGE
    path.write_bytes(content)
    return bytes(content)


async def texts(path: Path) -> dict[str, list[str]]:
    async with SQLiteStore(path) as store:
        found = {}
        for each in await store.list(1000):
            tree = (await store.load(each.id)).tree
            found[each.id] = [node.raw.decode() for node in tree.nodes.values()]
        return found


async def test_all_messages_on_sound_pages_are_kept(path: Path) -> None:
    kept = await fill(path)
    leaves = pages_of(path, "nodes")
    bad = [leaves[len(leaves) // 3], leaves[len(leaves) // 2]]
    content = damage(path, bad)
    new = path.with_name("new.db")
    result = rescue(path, new)
    assert result.sessions == SESSIONS
    assert result.messages + result.lost == SESSIONS * LENGTH
    assert 0 < result.lost < 30
    found = await texts(new)
    assert found.keys() == kept.keys()
    for id, messages in found.items():
        assert set(messages) <= set(kept[id])
    assert sum(map(len, found.values())) == result.messages
    assert [each for each in examine(new, deep=True) if each.level != "ok"] == []
    assert new.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes() == content


async def test_a_sound_file_is_copied_whole(path: Path) -> None:
    kept = await fill(path)
    new = path.with_name("new.db")
    assert rescue(path, new) == (SESSIONS, SESSIONS * LENGTH, 0)
    assert await texts(new) == kept
    async with SQLiteStore(new) as store:
        assert (await store.load("s3")).record.title == "Session 3"
        assert (await store.load("s3")).tree.path == tuple(range(1, LENGTH + 1))
        assert len(await store.search("number7 ")) == SESSIONS


async def test_messages_whose_session_is_lost_are_in_one_without_a_title(path: Path) -> None:
    kept = await fill(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM sessions WHERE id = 's2'")
        connection.commit()
    new = path.with_name("new.db")
    assert rescue(path, new) == (SESSIONS, SESSIONS * LENGTH, 0)
    assert await texts(new) == kept
    async with SQLiteStore(new) as store:
        stored = await store.load("s2")
        assert stored.record.title is None
        assert stored.tree.head == LENGTH


async def test_bytes_flipped_anywhere_end_in_a_sound_file_or_one_error(path: Path) -> None:
    kept = await fill(path)
    known = {text for messages in kept.values() for text in messages}
    whole = path.read_bytes()
    chance = random.Random(9)
    rescued, refused = 0, list[str]()
    for number in range(25):
        content = bytearray(whole)
        for _ in range(64):
            content[chance.randrange(100, len(content))] = chance.randrange(256)
        path.write_bytes(content)
        new = path.with_name(f"new{number}.db")
        try:
            rescue(path, new)
        except StoreError as error:
            refused.append(str(error))
            assert not new.exists()
            continue
        assert [each for each in examine(new, deep=True) if each.level != "ok"] == []
        found = await texts(new)
        rescued += len(known & {text for messages in found.values() for text in messages})
    assert rescued > 25 * len(known) // 4
    assert all(str(path) in words for words in refused)


async def test_a_file_of_an_older_version_is_rescued_into_one_of_this(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((HERE / "version_2.sql").read_text())
        count = connection.execute("SELECT count(*) FROM nodes").fetchone()[0]
    assert count
    new = path.with_name("new.db")
    assert rescue(path, new).messages == count
    assert [each for each in examine(new, deep=True) if each.level != "ok"] == []


async def test_nothing_is_written_over(path: Path) -> None:
    await fill(path)
    new = path.with_name("new.db")
    new.write_text("precious")
    with pytest.raises(AlreadyExistsError):
        rescue(path, new)
    assert new.read_text() == "precious"
