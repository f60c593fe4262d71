"""Disks that fail: the session goes on, says so, and everything is written when they work again."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from session_helpers import flush, heard, make_session, shape, texts

from omni_tui.core.errors import StoreUnavailableError
from omni_tui.session import saving
from omni_tui.session.events import Saved, SaveFailed
from omni_tui.session.session import Session
from omni_tui.session.store import SQLiteStore

LARGE = "Many words. " * 20_000


async def stored(session: Session, path: Path) -> dict[str, object]:
    async with SQLiteStore(path) as store:
        return shape((await store.load(session.id)).tree)


def sound(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        doubled = "SELECT session_id, id FROM nodes GROUP BY 1, 2 HAVING count(*) > 1"
        assert connection.execute(doubled).fetchall() == []


@pytest.fixture(autouse=True)
def _only_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    # A refused write is tried again by itself; here the tests say when.
    monkeypatch.setattr(saving, "RETRY_AFTER", 3600.0)


async def goes_on_and_catches_up(
    path: Path, store: SQLiteStore, spoil: Callable[[], None], mend: Callable[[], None], words: str
) -> None:
    """Talk, spoil the disk, talk on, mend it: all is there once."""
    session = make_session(["one", LARGE, "three", "four"], store=store)
    assert (await session.prompt("A")).text == "one"
    assert await flush(session) is None
    subscription = session.subscribe()
    spoil()
    assert (await session.prompt(LARGE)).text == LARGE
    session.rename("While it did not work")
    assert (await session.branch(2, "C")).text == "three"
    error = await flush(session)
    assert isinstance(error, StoreUnavailableError)
    assert words in error.message
    assert str(path) in error.message
    assert error.hint
    events = [event.payload for event in await heard(session, subscription)]
    assert [each for each in events if isinstance(each, SaveFailed)]
    assert not [each for each in events if isinstance(each, Saved)]
    mend()
    session.navigate(4)
    assert await flush(session) is None
    events = [event.payload for event in await heard(session, subscription)]
    assert isinstance(events[-1], Saved)
    assert (await session.prompt("D")).text == "four"
    await session.close()
    await store.close()
    assert await stored(session, path) == shape(session.tree)
    assert texts(session.tree) == ["A", "one", LARGE, LARGE, "D", "four"]
    sound(path)


@contextmanager
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only who may mount can have a small disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


async def test_a_disk_that_gets_full(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        ballast = disk / "ballast"

        def spoil() -> None:
            with ballast.open("wb", buffering=0) as file:
                try:
                    while file.write(bytes(4096)):
                        pass
                except OSError:
                    pass

        def mend() -> None:
            ballast.unlink()
            # More than the disk had room for beside two logs of it.
            subprocess.run(["mount", "-o", "remount,size=16m", str(disk)], check=True)

        path = disk / "sessions.db"
        await goes_on_and_catches_up(path, SQLiteStore(path), spoil, mend, "full")


async def test_a_database_at_its_limit_of_pages(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    connections: list[sqlite3.Connection] = []

    class Limited(SQLiteStore):
        def _connect(self) -> sqlite3.Connection:
            connections.append(super()._connect())
            return connections[-1]

    def limit(pages: int) -> None:
        connections[0].execute(f"PRAGMA max_page_count = {pages}").fetchone()

    await goes_on_and_catches_up(
        path, Limited(path), lambda: limit(1), lambda: limit(1_000_000), "full"
    )


async def test_a_log_that_cannot_grow_any_more(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then writing fails instead

    def spoil() -> None:
        size = path.with_name("sessions.db-wal").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))

    def mend() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    try:
        await goes_on_and_catches_up(path, SQLiteStore(path), spoil, mend, "failed")
    finally:
        mend()
        signal.signal(signal.SIGXFSZ, before)


async def test_a_file_made_read_only_while_it_is_open_is_written_on(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    store = SQLiteStore(path)
    session = make_session(["one", "two"], store=store)
    await session.prompt("A")
    path.chmod(0o400)
    tmp_path.chmod(0o500)
    await session.prompt("B")
    assert await flush(session) is None
    assert shape((await store.load(session.id)).tree) == shape(session.tree)
    tmp_path.chmod(0o700)
    path.chmod(0o600)
    await session.close()
    await store.close()
    assert await stored(session, path) == shape(session.tree)
    sound(path)


GONE: dict[str, Callable[[Path], object]] = {
    "removed": lambda path: path.unlink(),
    "removed with its log": lambda path: list(map(os.unlink, path.parent.glob(f"{path.name}*"))),
    "moved away": lambda path: path.rename(path.with_name("moved.db")),
    "replaced by an older copy": lambda path: path.with_name("copy.db").replace(path),
    "replaced by another one": lambda path: path.with_name("other.db").replace(path),
}


@pytest.mark.parametrize("what", GONE)
async def test_a_file_that_is_gone_is_written_anew_with_all_that_is_in_memory(
    tmp_path: Path, what: str
) -> None:
    path = tmp_path / "sessions.db"
    store = SQLiteStore(path)
    session = make_session(["one", "two", "three"], store=store)
    await session.prompt("A")
    with (
        closing(sqlite3.connect(path)) as now,
        closing(sqlite3.connect(tmp_path / "copy.db")) as it,
    ):
        now.backup(it)
    async with SQLiteStore(tmp_path / "other.db"):
        pass
    await session.prompt("B")
    session.rename("Mine")
    session.set_draft("words", 4)
    assert await flush(session) is None
    GONE[what](path)
    subscription = session.subscribe()
    session.navigate(2)
    assert (await session.prompt("C")).text == "three"
    assert await flush(session) is None
    assert not [
        event for event in await heard(session, subscription) if event.type == "save_failed"
    ]
    await session.close()
    await store.close()
    assert await stored(session, path) == shape(session.tree)
    async with SQLiteStore(path) as again:
        record = (await again.load(session.id)).record
    assert (record.title, record.drafts) == ("Mine", {"4": "words"})
    sound(path)
    if what == "moved away":
        sound(tmp_path / "moved.db")


READ_ONLY = """
import os, shutil, sys
import omni_tui.cli.print_mode, omni_tui.cli.setup, omni_tui.config.logs
from omni_tui.cli.main import main
if os.geteuid() == 0:
    os.seteuid(65534)  # to root nothing is read-only
sys.exit(main(["--db", sys.argv[1], "-m", "demo/chat", "-p", "hello"]))
"""


def test_a_folder_that_cannot_be_written_is_said_in_one_line_at_the_start() -> None:
    # Not under tmp_path: another user could not get there.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o555)
        done = subprocess.run(
            [sys.executable, "-c", READ_ONLY, str(folder / "sessions.db")],
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"], "OMNI_TUI_HOME": name, "LANG": "C.UTF-8"},
            cwd="/",
            check=False,
        )
        folder.chmod(0o755)
    assert done.returncode == 1
    assert done.stdout == ""
    said = [line for line in done.stderr.splitlines() if not line.startswith("  ")]
    assert len(said) == 1, done.stderr
    assert "sessions.db" in said[0]
    assert "Permission denied" in said[0]
