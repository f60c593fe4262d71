"""The tables in PostgreSQL: how they come to be, what they hold, and who else may look."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable

import psycopg
import pytest
from postgres_server import PostgresServer, admin

from omni_tui.core.errors import StoreError, StoreUnavailableError, StoreVersionError
from omni_tui.core.messages import Message
from omni_tui.session.node import Node
from omni_tui.session.store import MemoryStore, SessionRecord, Store, rows
from omni_tui.session.store.conformance.samples import places, said, stored
from omni_tui.session.store.hits import BLOCK
from omni_tui.session.store.opening import open_store
from omni_tui.session.store.postgres import PostgresStore, schema, search
from omni_tui.session.store.postgres.text import escape, unescape
from omni_tui.session.store.words import Query
from omni_tui.session.tree import Changes, Tree

OpenPostgres = Callable[..., PostgresStore]

# How they come to be


async def test_many_may_create_the_tables_at_once(open_postgres: OpenPostgres) -> None:
    stores = [open_postgres() for _ in range(8)]
    await asyncio.gather(*(store.open() for store in stores))
    await stored(stores[0])
    assert await stores[7].exists("s")
    for store in stores:
        await store.close()


async def test_tables_of_a_newer_version_are_refused_and_left_alone(
    open_postgres: OpenPostgres, postgres_store: PostgresStore
) -> None:
    async with admin(postgres_store) as connection:
        await connection.execute("UPDATE schema_version SET version = 99")
        newer = open_postgres()
        with pytest.raises(StoreVersionError, match="newer") as caught:
            await newer.open()
        assert caught.value.details["found"] == 99
        cursor = await connection.execute("SELECT version FROM schema_version")
        assert await cursor.fetchone() == (99,)


@pytest.mark.parametrize("table", ["sessions (id TEXT)", "schema_version (version INTEGER)"])
async def test_tables_of_another_program_are_refused_and_left_alone(
    open_postgres: OpenPostgres, table: str
) -> None:
    store = open_postgres()
    async with admin(store) as connection:
        await connection.execute(f'CREATE SCHEMA "{store.schema}"'.encode())
        await connection.execute(f"CREATE TABLE {table}".encode())
        with pytest.raises(StoreVersionError, match="another program"):
            await store.open()
        cursor = await connection.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname = %s", (store.schema,)
        )
        assert await cursor.fetchone() == (1,)


async def test_older_tables_are_brought_up_to_date_step_by_step_once(
    postgres_store: PostgresStore,
) -> None:
    await stored(postgres_store)
    steps = {
        2: "ALTER TABLE sessions ADD COLUMN colour TEXT;",
        3: "ALTER TABLE sessions ADD COLUMN shape TEXT; UPDATE sessions SET shape = 'round';",
    }

    async def migrate() -> None:
        async with admin(postgres_store) as connection:
            await schema.prepare(connection, postgres_store.schema, version=3, steps=steps)

    await asyncio.gather(*(migrate() for _ in range(4)))
    async with admin(postgres_store) as connection:
        cursor = await connection.execute(
            "SELECT version, colour, shape FROM schema_version, sessions"
        )
        assert await cursor.fetchall() == [(3, None, "round")]


async def test_a_step_that_fails_changes_nothing(postgres_store: PostgresStore) -> None:
    steps = {2: "ALTER TABLE sessions ADD COLUMN colour TEXT;", 3: "ALTER TABLE nothing;"}
    async with admin(postgres_store) as connection:
        with pytest.raises(psycopg.Error):
            await schema.prepare(connection, postgres_store.schema, version=3, steps=steps)
        cursor = await connection.execute("SELECT * FROM sessions, schema_version")
        assert cursor.description is not None
        assert "colour" not in [column.name for column in cursor.description]


async def test_a_database_that_cannot_hold_any_text_is_refused(
    postgres_server: PostgresServer, postgres_store: PostgresStore
) -> None:
    async with admin(postgres_store) as connection:
        await connection.execute(
            "CREATE DATABASE latin1 ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
        )
    try:
        store = PostgresStore(postgres_server.url.replace("/postgres?", "/latin1?"))
        with pytest.raises(StoreUnavailableError, match="LATIN1"):
            await store.open()
        await store.close()
    finally:
        async with admin(postgres_store) as connection:
            await connection.execute("DROP DATABASE latin1")


async def test_a_reader_needs_no_right_to_write(
    postgres_server: PostgresServer, postgres_store: PostgresStore
) -> None:
    await stored(postgres_store)
    name = postgres_store.schema
    async with admin(postgres_store) as connection:
        for statement in (
            "DROP ROLE IF EXISTS reader",
            "CREATE ROLE reader LOGIN",
            f'GRANT USAGE ON SCHEMA "{name}" TO reader',
            f'GRANT SELECT ON ALL TABLES IN SCHEMA "{name}" TO reader',
        ):
            await connection.execute(statement.encode())
    url = postgres_server.url.replace("//omni@", "//reader@")
    async with PostgresStore(url, schema=name) as reader:
        assert len((await reader.load("s")).tree) == 2
        for call in (reader.save_state("s", title="x"), reader.lease("s"), reader.delete("s")):
            with pytest.raises(StoreUnavailableError, match="forbids"):
                await call
    with pytest.raises(StoreUnavailableError, match="forbids"):
        await PostgresStore(url, schema=f"{name} of mine").open()
    async with admin(postgres_store) as connection:
        await connection.execute(b"DROP OWNED BY reader")
        await connection.execute(b"DROP ROLE reader")


async def test_a_url_opens_it(postgres_server: PostgresServer) -> None:
    store = open_store(postgres_server.url)
    await store.open()
    assert isinstance(store, PostgresStore)
    await store.close()


def test_nothing_of_the_driver_is_imported_before_the_store_is() -> None:
    script = "import sys, omni_tui.session.store; print([m for m in sys.modules if 'psycopg' in m])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


# What they hold


async def test_people_can_query_the_tables(postgres_store: PostgresStore) -> None:
    await said(postgres_store, "s", "Where is Fuji?", "In Japan.", title="Mountains")
    async with admin(postgres_store) as connection:
        cursor = await connection.execute(
            "SELECT id, message::jsonb #>> '{content,0,text}', created_at::timestamptz <= now() "
            "FROM nodes WHERE session_id = 's' AND words @@ 'fuji'"
        )
        assert await cursor.fetchall() == [(1, "Where is Fuji?", True)]


async def test_every_column_of_rows_is_in_the_tables(postgres_store: PostgresStore) -> None:
    async with admin(postgres_store) as connection:
        for table, wanted in (("sessions", rows.RECORD_COLUMNS), ("nodes", rows.NODE_COLUMNS)):
            cursor = await connection.execute(f"SELECT * FROM {table} LIMIT 0".encode())
            assert cursor.description is not None
            assert set(wanted) <= {column.name for column in cursor.description}


@pytest.mark.parametrize("text", ["", "a", "\0", "\x10", "\x100", "\x10\0\x10\x100", "0\0\0000"])
def test_text_without_nul_turns_back_into_the_text(text: str) -> None:
    assert "\0" not in escape(text)
    assert unescape(escape(text)) == text


async def test_ids_may_be_any_text(postgres_store: PostgresStore) -> None:
    ids = ["nul\0", "dle\x100", "quote'\"", "%s", "\\", "é" * 300]
    for id in ids:
        await stored(postgres_store, id)
    assert sorted([summary.id for summary in await postgres_store.list()]) == sorted(ids)
    for id in ids:
        assert len((await postgres_store.load(id)).tree) == 2
        await postgres_store.lease(id)
        await postgres_store.delete(id)
    assert not await postgres_store.exists("lone \ud800")


async def test_numbers_too_large_are_refused_whole(postgres_store: PostgresStore) -> None:
    await stored(postgres_store)
    nodes = (Node(3, 2, Message.user("x")), Node(4, 3, Message.user("x"), duration_ms=1 << 70))
    with pytest.raises(StoreError, match="cannot hold"):
        await postgres_store.save_tree("s", Changes(nodes=nodes, head=4))
    assert len((await postgres_store.load("s")).tree) == 2


async def test_a_node_that_another_program_stored_is_named(postgres_store: PostgresStore) -> None:
    tree = await stored(postgres_store)
    other = (await postgres_store.load("s")).tree
    tree.push(Message.user("mine"), run_id="a")
    await postgres_store.save_tree("s", tree.take_changes())
    other.push(Message.user("theirs"), run_id="b")
    with pytest.raises(StoreError, match="message 3") as caught:
        await postgres_store.save_tree("s", other.take_changes())
    assert caught.value.details["node_id"] == 3


async def test_a_damaged_row_is_an_error_of_the_store(postgres_store: PostgresStore) -> None:
    await stored(postgres_store)
    async with admin(postgres_store) as connection:
        await connection.execute("UPDATE sessions SET options = '{'")
    with pytest.raises(StoreUnavailableError, match="damaged"):
        await postgres_store.load("s")


# Words


async def found_alike(one: Store, other: Store, queries: list[str]) -> None:
    for query in queries:
        assert places(await one.search(query, limit=50)) == places(
            await other.search(query, limit=50)
        ), query


async def test_it_finds_what_other_stores_find(postgres_store: PostgresStore) -> None:
    memory = MemoryStore()
    texts = [
        "Étude in É minor, and a café",
        "etude",
        "हिन्दी में लिखा",
        "हि हि न दी",
        "ΑΒΓ αβγ ς σ",
        "straße STRASSE",
        "İstanbul istanbul",
        "x̂ x",
        "snake_case and kebab-case and don't",
        "我使用sqlite数据库 и русский",
        "sqlite",
        "3.14 and 3,14",
        f"{'long' * 100} {'long' * 100}er",
        "deploy again deploy",
        "ㅎㅏㄴ 한국어를 배우다",
        "ﾊﾝｶｸ ﬁne",
    ]
    for store in (postgres_store, memory):
        await said(store, "s", *texts)
    await found_alike(
        postgres_store,
        memory,
        [
            *texts,
            *("etude", "CAFÉ", "cafe", "हि", "हिन्दी", "αβγ", "σ", "strasse", "istanbul", "x"),
            *("snake", "case", '"kebab case"', "don", "sqlite", "数据", "据库", "3.14", '"3 14"'),
            *(
                "long" * 100,
                "long" * 60,
                "long" * 100 + "er ",
                "lon",
                "한국",
                "ハン",
                "fine",
                "ﬁne",
            ),
            *('"deploy again"', '"again deploy" deploy', '"deploy deploy"', "русск", "рус "),
        ],
    )


async def test_words_far_apart_and_far_into_a_text_are_side_by_side_or_not(
    postgres_store: PostgresStore,
) -> None:
    filler = "x " * 40_000  # PostgreSQL counts places up to 16,383
    await said(postgres_store, "s", f"{filler} red {filler} fox", f"{filler} red fox")
    assert places(await postgres_store.search('"red fox"')) == [("s", 2)]
    assert len(await postgres_store.search("red fox")) == 2


def test_the_words_of_a_text_and_of_a_query_are_the_same_words() -> None:
    text = "Étude, 我的 snake_case 3.14"
    assert sorted(search.stored_words(text).split()) == sorted(
        ["etude", "我", "的", "snake", "case", "3", "14"]
    )
    assert search._tsquery(Query('"snake case" ÉTUDE etu')) == (
        "'snake' & 'case' & 'etude' & 'etu':* | '*'"
    )
    assert search.stored_words(None) == ""


async def test_more_words_than_a_row_can_hold_are_found(postgres_store: PostgresStore) -> None:
    text = " ".join(f"word{number}" for number in range(100_000))
    assert search.stored_words(text) == search.TOO_MANY
    await said(postgres_store, "s", text, "word77")
    assert sorted(places(await postgres_store.search("word77 "))) == [("s", 1), ("s", 2)]
    assert places(await postgres_store.search("word99999")) == [("s", 1)]
    assert await postgres_store.search("word100000") == ()


async def test_pages_beyond_the_first_block_pass_over_what_only_looked_like_a_match(
    postgres_store: PostgresStore,
) -> None:
    texts = [f"red {'and ' * (index % 2)}fox {index}" for index in range(2 * (BLOCK + 20))]
    await said(postgres_store, "s", *texts)
    found = await postgres_store.search('"red fox"', limit=1000)
    assert {hit.node_id for hit in found} == {2 * index + 1 for index in range(BLOCK + 20)}
    for offset in (0, 7, BLOCK, BLOCK + 7):
        page = await postgres_store.search('"red fox"', limit=10, offset=offset)
        assert page == found[offset : offset + 10]
    assert await postgres_store.search('"red fox"', offset=5 * BLOCK) == ()


async def test_words_are_found_by_their_index(postgres_store: PostgresStore) -> None:
    tree = Tree()
    for number in range(3000):
        tree.push(Message.user(f"number{number} of many"))
    await postgres_store.create(SessionRecord(id="s"))
    await postgres_store.save_tree("s", tree.take_changes())
    async with admin(postgres_store) as connection:
        await connection.execute("ANALYZE nodes")
        values = await search._values(connection, Query("number77 "), None)
        cursor = await connection.execute(f"EXPLAIN {search._MESSAGES}", {**values, "before": None})
        plan = "\n".join(row[0] for row in await cursor.fetchall())
    assert "nodes_by_words" in plan
    assert places(await postgres_store.search("number77 ")) == [("s", 78)]
