"""From one version of the file to the next: forward, backed up, all or nothing."""

from __future__ import annotations

import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from omni_tui.core.errors import StoreVersionError
from omni_tui.core.messages import Message
from omni_tui.session.store import SessionRecord, SQLiteStore, schema
from omni_tui.session.store.migrations import load_steps

VERSION_1 = Path(__file__).with_name("version_1.sql")
"""A file that version 1 wrote, as SQL: two sessions, one of them with five messages."""

VERSION_2 = Path(__file__).with_name("version_2.sql")
"""A file that version 2 wrote: a session with two branches, and one of its sub-agent, in which a
message is damaged."""

VERSION_3 = Path(__file__).with_name("version_3.sql")
"""The same sessions as version 3 wrote them, with their words."""

FULL, EMPTY = "A" * 22, "B" * 22

STEPS = {
    2: """
    -- A step may hold several statements; some with semicolons inside.
    ALTER TABLE sessions ADD COLUMN colour TEXT NOT NULL DEFAULT 'a;b';
    CREATE TRIGGER coloured AFTER UPDATE ON sessions BEGIN
      SELECT 1; SELECT 2;
    END;
    """,
    3: "UPDATE sessions SET colour = 'green';",
}


@pytest.fixture
def old(path: Path) -> Path:
    """A file of version 1 with sessions in it."""
    with connect(path) as connection:
        connection.executescript(VERSION_1.read_text("utf-8"))
    return path


def connect(path: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(path, isolation_level=None))


def version_of(path: Path) -> int:
    with connect(path) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_the_steps_lead_to_the_present_version_without_a_gap() -> None:
    assert sorted(load_steps()) == list(range(2, schema.SCHEMA_VERSION + 1))


def test_all_steps_that_are_due_are_taken_at_once(old: Path) -> None:
    with connect(old) as connection:
        schema.prepare(connection, old, version=3, steps=STEPS)
        colours = connection.execute("SELECT DISTINCT colour FROM sessions").fetchall()
        assert colours == [("green",)]
        assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
    assert version_of(old) == 3


def test_the_file_is_backed_up_before(old: Path) -> None:
    with connect(old) as connection:
        schema.prepare(connection, old, version=3, steps=STEPS)
    backup = old.with_name("sessions.db.v1.bak")
    assert version_of(backup) == 1
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    with connect(backup) as connection:
        assert connection.execute("SELECT count(*) FROM nodes").fetchone() == (5,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert {file.name for file in old.parent.iterdir()} == {old.name, backup.name}


async def test_a_file_of_the_present_version_is_left_alone(path: Path) -> None:
    async with SQLiteStore(path) as store:
        await store.create(SessionRecord(id="s"))
    with connect(path) as connection:
        before = connection.execute("PRAGMA data_version").fetchone()
        schema.prepare(connection, path)
        assert connection.execute("PRAGMA data_version").fetchone() == before
        assert connection.total_changes == 0
    assert [file.name for file in path.parent.iterdir()] == [path.name]


async def test_what_version_1_wrote_is_read_and_written_on(old: Path) -> None:
    async with SQLiteStore(old) as store:
        assert [each.id for each in await store.list()] == [FULL, EMPTY]
        stored = await store.load(FULL)
        record, tree = stored.record, stored.tree
        assert (record.title, record.title_is_manual, record.system) == (
            "Mountains",
            True,
            "Be brief.",
        )
        assert (record.options, record.drafts) == ({"temperature": 0.5}, {"5": "half a thought"})
        assert record.approvals == ("bash(git status)",)
        assert (record.parent_id, record.parent_node, record.parent_use, record.depth) == (
            None,
            None,
            None,
            0,
        )
        assert tree.path == (1, 5)
        assert tree[1].message.text == "Name three mountains; 漢字"
        assert tree.usage().cost == 0.75
        tree.push(Message.user("and then?"))
        await store.save_tree(FULL, tree.take_changes())
        child = SessionRecord(id="child", parent_id=FULL, parent_node=2, parent_use="t1", depth=1)
        await store.create(child)
        assert await store.child(FULL, 2, "t1") == "child"
        await store.delete(FULL)
        assert not await store.exists("child")
    assert version_of(old) == schema.SCHEMA_VERSION


async def test_what_version_2_wrote_is_found_by_its_words(path: Path) -> None:
    with connect(path) as connection:
        connection.executescript(VERSION_2.read_text("utf-8"))
    assert version_of(path) == 2
    above, beneath = "A" * 22, "B" * 22
    async with SQLiteStore(path) as store:
        for query, places in (
            ("mountains", {(above, None), (above, 1)}),
            ("東京", {(above, 1)}),
            ("another branch", {(above, 5)}),
            ("fuji", {(above, 4), (beneath, 2)}),
            ("pondering", set()),
            ("verbatim", set()),
        ):
            found = await store.search(query)
            assert {(hit.session_id, hit.node_id) for hit in found} == places, query
        assert len((await store.load(beneath)).tree) == 2
        await store.delete(above)
        assert await store.search("fuji") == ()
    assert version_of(path.with_name("sessions.db.v2.bak")) == 2
    assert version_of(path) == schema.SCHEMA_VERSION
    with connect(path) as connection:
        connection.execute("INSERT INTO message_words (message_words) VALUES ('integrity-check')")
        assert connection.execute("SELECT count(*) FROM message_words_docsize").fetchone() == (0,)


async def test_what_version_3_wrote_takes_summaries_and_hidden_branches(path: Path) -> None:
    with connect(path) as connection:
        connection.executescript(VERSION_3.read_text("utf-8"))
        seqs = connection.execute("SELECT seq, session_id, id FROM nodes ORDER BY seq").fetchall()
    above = "A" * 22
    async with SQLiteStore(path) as store:
        tree = (await store.load(above)).tree
        assert not any(node.is_pruned or node.origin for node in tree.nodes.values())
        tree.summarize(Message.user("They spoke of fuji."), covers=1)
        tree.prune(5)
        await store.save_tree(above, tree.take_changes())
        again = (await store.load(above)).tree
        assert again.pruned(1) + again.pruned(4) == (5,)
        assert again.summary_for(4) == tree.summary_for(4) is not None
        found = await store.search("fuji")
        assert {(hit.session_id, hit.node_id) for hit in found} == {(above, 4), ("B" * 22, 2)}
    assert version_of(path.with_name("sessions.db.v3.bak")) == 3
    with connect(path) as connection:
        now = connection.execute("SELECT seq, session_id, id FROM nodes ORDER BY seq").fetchall()
        assert now[: len(seqs)] == seqs
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_a_migrated_file_has_the_tables_of_a_new_one(old: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.db"
    described = []
    for file in (old, new):
        async with SQLiteStore(file) as store:
            await store.list()
        with connect(file) as connection:
            tables = {
                table: [
                    connection.execute(f"PRAGMA {facts}({table})").fetchall()
                    for facts in ("table_info", "foreign_key_list")
                ]
                for table in ("sessions", "nodes")
            }
            indices = connection.execute(
                "SELECT name, sql FROM sqlite_schema "
                "WHERE type = 'index' OR name LIKE 'message_words%' ORDER BY name"
            ).fetchall()
        described.append((tables, indices))
    assert described[0] == described[1]


def test_a_step_that_fails_leaves_the_file_as_it_was(old: Path) -> None:
    steps = {**STEPS, 3: "UPDATE sessions SET colour = 'green'; SELECT * FROM nowhere;"}
    with connect(old) as connection, pytest.raises(sqlite3.OperationalError, match="nowhere"):
        schema.prepare(connection, old, version=3, steps=steps)
    assert version_of(old) == 1
    with connect(old) as connection:
        assert "colour" not in [row[1] for row in connection.execute("PRAGMA table_info(sessions)")]


def test_a_step_that_would_orphan_rows_is_undone(old: Path) -> None:
    steps = {2: "DELETE FROM sessions;"}
    with connect(old) as connection, pytest.raises(StoreVersionError, match="5 rows would lose"):
        schema.prepare(connection, old, version=2, steps=steps)
    assert version_of(old) == 1
    with connect(old) as connection:
        assert connection.execute("SELECT count(*) FROM sessions").fetchone() == (2,)


def test_the_second_of_two_processes_that_migrate_finds_nothing_to_do(old: Path) -> None:
    with connect(old) as late, connect(old) as early:
        late.execute("PRAGMA user_version").fetchone()
        schema.prepare(early, old, version=2, steps=STEPS)
        # Late has decided to migrate; under the lock it sees that it is done.
        schema._migrate(late, old, 2, STEPS)
    assert version_of(old) == 2


KILLED = """
import os, signal, sqlite3, sys
from pathlib import Path
from omni_tui.session.store import schema
path, victim = Path(sys.argv[1]), int(sys.argv[2])
connection = sqlite3.connect(path, isolation_level=None)
count = 0
def trace(statement):
    global count
    count += 1
    if count == victim:
        os.kill(os.getpid(), signal.SIGKILL)
connection.set_trace_callback(trace)
step = "ALTER TABLE sessions ADD COLUMN a TEXT; CREATE TABLE b (x); UPDATE sessions SET a = 1;"
schema.prepare(connection, path, version=2, steps={2: step})
"""


def test_a_kill_at_any_statement_leaves_the_old_version_or_the_new(old: Path) -> None:
    survived = False
    for victim in range(1, 40):
        done = subprocess.run([sys.executable, "-c", KILLED, str(old), str(victim)], check=False)
        with connect(old) as connection:
            columns = [row[1] for row in connection.execute("PRAGMA table_info(sessions)")]
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert ("a" in columns) == (version_of(old) == 2)
        if done.returncode == 0:
            survived = True
            break
        assert done.returncode == -signal.SIGKILL
    assert survived
    assert version_of(old) == 2
    assert victim > 5, "the kills reached into the migration"
