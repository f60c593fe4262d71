"""The index of words in the SQLite file: what it holds, what it costs, and other programs."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from omni_tui.core.errors import StoreUnavailableError
from omni_tui.core.messages import Message
from omni_tui.session.store import SessionRecord, SQLiteStore, full_text
from omni_tui.session.store.words import Query
from omni_tui.session.tree import Tree

WORDS = [f"word{number}" for number in range(500)]


async def fill(path: Path, count: int) -> None:
    """A session of so many messages, each of them 500 words long."""
    tree = Tree()
    for _ in range(count):
        tree.push(Message.user(" ".join(WORDS)))
    async with SQLiteStore(path) as store:
        await store.create(SessionRecord(id="s"))
        await store.save_tree("s", tree.take_changes())


def size(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        column = {"nodes": "message", "message_words_data": "block"}[table]
        (total,) = connection.execute(
            f"SELECT sum(length(CAST({column} AS BLOB))) FROM {table}"
        ).fetchone()
        return int(total)


async def test_the_index_holds_no_text_again(path: Path) -> None:
    await fill(path, 50)
    assert 0 < size(path, "message_words_data") < size(path, "nodes") * 0.75
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT words FROM message_words").fetchone() == (None,)


@pytest.mark.parametrize("ids", [None, ["s"], ["s", "t"]])
@pytest.mark.parametrize("text", ["word1", "word1 model:x label:y tool:z after:2026", "role:user"])
async def test_the_newest_matches_are_read_off_in_order_without_sorting(
    path: Path, text: str, ids: list[str] | None
) -> None:
    await fill(path, 3)
    query = Query(text)
    statement, values = full_text._statement(query, ids)
    with closing(sqlite3.connect(path)) as connection:
        full_text._teach(connection, query.filters)
        found = connection.execute(
            f"EXPLAIN QUERY PLAN {statement}", {**values, "limit": 200, "offset": 0}
        )
        plan = [row[3] for row in found]
    assert not [step for step in plan if "ORDER BY" in step], plan
    if query.terms:
        assert plan[0].startswith("SCAN w VIRTUAL TABLE"), plan
        assert "SCAN n" not in plan
    else:
        assert plan[0] in ("SCAN n", "SEARCH n USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)")


async def test_a_message_and_its_words_are_committed_together(path: Path) -> None:
    store = SQLiteStore(path)
    async with store:
        await store.create(SessionRecord(id="s"))
        tree = Tree()
        tree.push(Message.user("kept"))
        await store.save_tree("s", tree.take_changes())
        pages = await store._writer.run(lambda c: c.execute("PRAGMA page_count").fetchone()[0])
        await store._writer.run(lambda c: c.execute(f"PRAGMA max_page_count = {pages}").fetchall())
        tree.push(Message.user(f"lost {'x ' * 50_000}"))
        changes = tree.take_changes()
        with pytest.raises(StoreUnavailableError, match="full"):
            await store.save_tree("s", changes)
        assert await store.search("lost") == ()
        await store._writer.run(lambda c: c.execute("PRAGMA max_page_count = 100000").fetchall())
        await store.save_tree("s", changes)
        assert [hit.node_id for hit in await store.search("lost")] == [2]


async def test_other_programs_may_change_rows_and_what_they_delete_is_not_found(
    path: Path,
) -> None:
    await fill(path, 2)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA foreign_keys = ON")
        other.execute("UPDATE sessions SET head = NULL")
        other.execute("DELETE FROM nodes WHERE id = 2")
    async with SQLiteStore(path) as store:
        assert [hit.node_id for hit in await store.search("word7")] == [1]
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA foreign_keys = ON")
        other.execute("DELETE FROM sessions")
    async with SQLiteStore(path) as store:
        assert await store.search("word7") == ()


async def test_people_can_query_the_words(path: Path) -> None:
    await fill(path, 2)
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(
            "SELECT n.session_id, n.id FROM message_words "
            "JOIN nodes AS n ON n.seq = message_words.rowid "
            "WHERE message_words MATCH 'word7 AND word49*' ORDER BY message_words.rowid DESC"
        ).fetchall()
    assert found == [("s", 2), ("s", 1)]


async def test_what_one_process_commits_another_finds(path: Path) -> None:
    async with SQLiteStore(path) as one, SQLiteStore(path) as other:
        await one.create(SessionRecord(id="s"))
        tree = Tree()
        tree.push(Message.user("hello"))
        await one.save_tree("s", tree.take_changes())
        assert [hit.node_id for hit in await other.search("hello")] == [1]
        await other.delete("s")
        assert await one.search("hello") == ()
