"""The threads and connections of a SQLite file."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path

from omni_tui.session.store.connection import ConnectionPool


async def test_what_is_open_is_not_waited_for_behind_a_job(tmp_path: Path) -> None:
    """Else a writer that waits for a reader and a reader that opens wait for each other."""
    file = tmp_path / "sessions.db"
    begun, may_end = threading.Event(), threading.Event()

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(file, check_same_thread=False)

    def job(_connection: sqlite3.Connection) -> None:
        begun.set()
        may_end.wait(60)

    pool = ConnectionPool("test", file, connect)
    await pool.run(lambda connection: connection.execute("PRAGMA user_version"))
    running = pool.begin(job)
    try:
        assert await asyncio.to_thread(begun.wait, 30)
        await asyncio.wait_for(asyncio.to_thread(pool.wait_until_open), 10)
        assert not running.done()
    finally:
        may_end.set()
        await pool.close()


async def test_a_file_that_was_replaced_is_opened_anew(tmp_path: Path) -> None:
    file = tmp_path / "sessions.db"
    opened: list[int] = []

    def connect() -> sqlite3.Connection:
        file.touch()
        opened.append(file.stat().st_ino)
        return sqlite3.connect(file, check_same_thread=False)

    pool = ConnectionPool("test", file, connect)
    await asyncio.to_thread(pool.wait_until_open)
    await asyncio.to_thread(pool.wait_until_open)
    assert len(opened) == 1
    (tmp_path / "other").touch()
    (tmp_path / "other").replace(file)
    await asyncio.to_thread(pool.wait_until_open)
    assert opened == [opened[0], file.stat().st_ino]
    await pool.close()
