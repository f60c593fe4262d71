"""What programs add to a store, and the favourites that come with it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import pytest

from omni_tui.core.errors import (
    AlreadyExistsError,
    NotFoundError,
    StoreError,
    StoreUnavailableError,
    StoreVersionError,
)
from omni_tui.session.store import MemoryStore, SessionRecord, SQLiteStore, Store
from omni_tui.session.store.conformance.samples import stored
from omni_tui.session.store.extensions import Extensions, ExtensionTables
from omni_tui.session.store.favourites import NAME, Favourites, favourites_of
from omni_tui.session.store.jsonl import JSONLStore

VERSION_3 = Path(__file__).with_name("version_3.sql")
"""A file that version 3 wrote."""


class Counting(Protocol):
    limit: int

    async def count(self) -> int: ...

    def describe(self) -> str: ...


class Counter:
    limit = 3

    async def count(self) -> int:
        return 1

    def describe(self) -> str:
        return "one"


# The registry


def test_an_extension_is_found_by_name_and_capability() -> None:
    extensions = Extensions()
    counter = extensions.register("counter", Counter(), Counting)
    assert extensions.get("counter", Counting) is counter
    assert "counter" in extensions
    assert extensions.names == ("counter",)
    assert "counter" not in Extensions(), "each has its own"


def test_a_name_is_given_once() -> None:
    extensions = Extensions()
    first = extensions.register("counter", Counter(), Counting)
    with pytest.raises(AlreadyExistsError, match="'counter'"):
        extensions.register("counter", Counter(), Counting)
    assert extensions.get("counter", Counting) is first
    with pytest.raises(NotFoundError, match="'other'"):
        extensions.get("other", Counting)


@pytest.mark.parametrize("name", ["", "a b", "Stars", "a_b", "1a", "a;", "a\n", "é"])
def test_what_is_no_word_is_no_name(name: str) -> None:
    with pytest.raises(ValueError, match="is no name"):
        Extensions().register(name, Counter(), Counting)


def test_what_lacks_something_of_the_capability_is_refused_with_what_it_lacks() -> None:
    class Half:
        describe = "text"

        def count(self) -> int:
            return 1

    extensions = Extensions()
    with pytest.raises(TypeError) as caught:
        extensions.register("half", Half(), Counting)
    assert str(caught.value) == (
        "Half is no Counting: count is not async, describe cannot be called, it has no limit"
    )
    assert "half" not in extensions
    with pytest.raises(TypeError, match="Counter is a class"):
        extensions.register("counter", Counter, Counting)
    extensions.register("counter", Counter(), Counting)
    with pytest.raises(TypeError, match="is no Favourites"):
        extensions.get("counter", Favourites)


# Favourites


@pytest.fixture(params=["memory", "sqlite"])
def any_store(request: pytest.FixtureRequest, path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else SQLiteStore(path)


async def test_stars_are_given_listed_and_taken_away(any_store: Store) -> None:
    favourites = Extensions().register(NAME, favourites_of(any_store), Favourites)
    assert await favourites.list() == ()
    for id in ("a", "b", "c"):
        await stored(any_store, id)
        await favourites.star(id)
    await favourites.star("a")
    assert await favourites.list() == ("c", "b", "a")
    await favourites.unstar("b")
    await favourites.unstar("b")
    await favourites.unstar("nobody")
    assert [await favourites.is_starred(id) for id in ("a", "b", "nobody")] == [True, False, False]
    await favourites.star("b")
    assert await favourites.list() == ("b", "c", "a")
    with pytest.raises(NotFoundError, match="nobody"):
        await favourites.star("nobody")
    await any_store.close()


async def test_a_deleted_session_loses_its_star_and_so_do_those_beneath_it(
    any_store: Store,
) -> None:
    favourites = favourites_of(any_store)
    await stored(any_store, "s")
    await stored(any_store, "kid", parent_id="s", parent_node=1, parent_use="t")
    await stored(any_store, "other")
    for id in ("s", "kid", "other"):
        await favourites.star(id)
    await any_store.delete("s")
    assert await favourites.list() == ("other",)
    await any_store.create(SessionRecord(id="s"))
    assert not await favourites.is_starred("s")
    await any_store.close()


async def test_stars_are_there_after_a_restart_and_for_other_stores(path: Path) -> None:
    async with SQLiteStore(path) as one, SQLiteStore(path) as two:
        await stored(one)
        await favourites_of(one).star("s")
        assert await favourites_of(two).is_starred("s")
    async with SQLiteStore(path) as store:
        assert await favourites_of(store).list() == ("s",)


async def test_stars_survive_a_migration_of_the_tables_beneath_them(path: Path) -> None:
    id = "A" * 22
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(VERSION_3.read_text("utf-8"))
        connection.executescript(
            "CREATE TABLE extensions (name TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT;"
            "INSERT INTO extensions VALUES ('favourites', 1);"
            "CREATE TABLE ext_favourites_stars (number INTEGER PRIMARY KEY, session_id TEXT NOT "
            "NULL UNIQUE REFERENCES sessions (id) ON DELETE CASCADE) STRICT;"
            f"INSERT INTO ext_favourites_stars (session_id) VALUES ('{id}');"
        )
    async with SQLiteStore(path) as store:
        favourites = favourites_of(store)
        assert await favourites.list() == (id,)
        await store.delete(id)
        assert await favourites.list() == ()


async def test_a_store_that_keeps_no_favourites_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="A JSONLStore keeps no favourites"):
        favourites_of(JSONLStore(tmp_path))


# Tables


def schema_of(path: Path, prefix: str = "ext_") -> dict[str, str]:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_schema").fetchall()
    return {name: sql for name, sql in rows if not name.startswith((prefix, "sqlite_"))}


FIRST = ("CREATE TABLE ext_notes_texts (id TEXT PRIMARY KEY, text TEXT)",)
SECOND = (
    "ALTER TABLE ext_notes_texts ADD COLUMN colour TEXT",
    "CREATE INDEX ext_notes_by_colour ON ext_notes_texts (colour)",
)


async def put(tables: ExtensionTables, id: str) -> None:
    await tables.write(
        lambda connection: connection.execute("INSERT INTO ext_notes_texts (id) VALUES (?)", (id,))
    )


async def ids(tables: ExtensionTables) -> list[str]:
    return await tables.read(
        lambda connection: [id for (id,) in connection.execute("SELECT id FROM ext_notes_texts")]
    )


async def test_tables_are_made_at_the_first_use_and_those_of_omni_tui_stay(path: Path) -> None:
    async with SQLiteStore(path) as store:
        await stored(store)
        before = schema_of(path)
        tables = ExtensionTables(store, "notes", [FIRST])
        assert schema_of(path) == before
        assert await ids(tables) == []
        after = schema_of(path)
        assert after.pop("extensions").startswith("CREATE TABLE extensions")
        assert after == before
    async with SQLiteStore(path) as store:
        assert len((await store.load("s")).tree) == 2


async def test_tables_of_an_older_version_are_brought_up_to_date_and_keep_their_rows(
    path: Path,
) -> None:
    async with SQLiteStore(path) as store:
        old = ExtensionTables(store, "notes", [FIRST])
        await put(old, "a")
        new = ExtensionTables(store, "notes", [FIRST, SECOND])
        assert await ids(new) == ["a"]
        await put(new, "b")
        assert await new.read(
            lambda connection: connection.execute("SELECT colour FROM ext_notes_texts").fetchall()
        ) == [(None,), (None,)]
        for call in (put(old, "c"), ids(old)):
            with pytest.raises(StoreVersionError, match="have version 2, this program knows 1"):
                await call
        assert await ids(new) == ["a", "b"]


@pytest.mark.parametrize(
    "statements",
    [
        ("ALTER TABLE sessions ADD COLUMN starred INTEGER",),
        ("CREATE TABLE stars (id TEXT)",),
        ("CREATE TABLE ext_other_stars (id TEXT)",),
        ("CREATE INDEX ext_notes_x ON sessions (title)",),
        ("CREATE TRIGGER ext_notes_t AFTER DELETE ON nodes BEGIN SELECT 1; END",),
        ("DROP INDEX nodes_by_parent",),
        (*FIRST, "DROP TABLE nodes"),
    ],
)
async def test_an_extension_changes_no_table_that_is_not_its_own(
    path: Path, statements: Sequence[str]
) -> None:
    async with SQLiteStore(path) as store:
        await stored(store)
        before = schema_of(path, "-")
        with pytest.raises(StoreError):
            await ExtensionTables(store, "notes", [statements]).write(lambda _: None)
        assert schema_of(path, "-") == before
        assert len((await store.load("s")).tree) == 2


async def test_a_failed_version_leaves_nothing_and_can_be_tried_again(path: Path) -> None:
    async with SQLiteStore(path) as store:
        with pytest.raises(StoreUnavailableError, match="syntax error"):
            await ids(ExtensionTables(store, "notes", [FIRST, ("CREATE nonsense",)]))
        assert await ids(ExtensionTables(store, "notes", [FIRST])) == []


async def test_a_write_that_fails_leaves_nothing(path: Path) -> None:
    def twice(connection: sqlite3.Connection) -> Any:
        for _ in range(2):
            connection.execute("INSERT INTO ext_notes_texts (id) VALUES ('a')")

    async with SQLiteStore(path) as store:
        tables = ExtensionTables(store, "notes", [FIRST])
        with pytest.raises(StoreError):
            await tables.write(twice)
        assert await ids(tables) == []


async def test_reading_cannot_write(path: Path) -> None:
    async with SQLiteStore(path) as store:
        tables = ExtensionTables(store, "notes", [FIRST])
        await put(tables, "a")
        with pytest.raises(StoreUnavailableError, match="cannot be written"):
            await tables.read(lambda connection: connection.execute("DELETE FROM ext_notes_texts"))
        assert await ids(tables) == ["a"]
