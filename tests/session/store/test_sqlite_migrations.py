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
from omni_tui.session.tree import Tree

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
async def old(path: Path) -> Path:
    """A file of version 1 with a session in it."""
    async with SQLiteStore(path) as store:
        tree = Tree()
        tree.push(Message.user("x"))
        await store.create(SessionRecord(id="s"))
        await store.save_tree("s", tree.take_changes())
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
        assert connection.execute("SELECT id, colour FROM sessions").fetchall() == [("s", "green")]
        assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
    assert version_of(old) == 3


def test_the_file_is_backed_up_before(old: Path) -> None:
    with connect(old) as connection:
        schema.prepare(connection, old, version=3, steps=STEPS)
    backup = old.with_name("sessions.db.v1.bak")
    assert version_of(backup) == 1
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    with connect(backup) as connection:
        assert connection.execute("SELECT count(*) FROM nodes").fetchone() == (1,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert {file.name for file in old.parent.iterdir()} == {old.name, backup.name}


def test_a_file_of_the_present_version_is_left_alone(old: Path) -> None:
    with connect(old) as connection:
        before = connection.execute("PRAGMA data_version").fetchone()
        schema.prepare(connection, old)
        assert connection.execute("PRAGMA data_version").fetchone() == before
        assert connection.total_changes == 0
    assert [file.name for file in old.parent.iterdir()] == [old.name]


def test_a_step_that_fails_leaves_the_file_as_it_was(old: Path) -> None:
    steps = {**STEPS, 3: "UPDATE sessions SET colour = 'green'; SELECT * FROM nowhere;"}
    with connect(old) as connection, pytest.raises(sqlite3.OperationalError, match="nowhere"):
        schema.prepare(connection, old, version=3, steps=steps)
    assert version_of(old) == 1
    with connect(old) as connection:
        assert "colour" not in [row[1] for row in connection.execute("PRAGMA table_info(sessions)")]


def test_a_step_that_would_orphan_rows_is_undone(old: Path) -> None:
    steps = {2: "DELETE FROM sessions;"}
    with connect(old) as connection, pytest.raises(StoreVersionError, match="1 rows would lose"):
        schema.prepare(connection, old, version=2, steps=steps)
    assert version_of(old) == 1
    with connect(old) as connection:
        assert connection.execute("SELECT id FROM sessions").fetchall() == [("s",)]


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
