"""A PostgreSQL server of the tests' own: started when it is first needed, gone with them."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

import psycopg
import pytest

from omni_tui.session.store.postgres import PostgresStore

GUARD = """
"$@" & read -r how
kill -"${how:-INT}" $!; wait $!
[ "$how" ] || rm -rf "$0"
"""
"""Ends the server when told to; ends and removes it when whoever started it is gone."""

READY = "database system is ready to accept connections"


def find_programs() -> Path | None:
    """The folder with `initdb` and `postgres`, the newest if there are several."""
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name.zfill(3)
    )
    if found := shutil.which("initdb"):
        folders.append(Path(found).resolve().parent)
    for folder in reversed(folders):
        if all(os.access(folder / name, os.X_OK) for name in ("initdb", "postgres")):
            return folder
    return None


class PostgresServer:
    """A server that only a socket in a folder of its own leads to.

    Args:
        programs: Where `initdb` and `postgres` are.
        folder: An empty folder for all it writes, with a short path.
    """

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self._said: deque[str] = deque(maxlen=50)
        self._drain: threading.Thread | None = None
        self._user = _user()
        if self._user:
            shutil.chown(folder, self._user["user"], self._user["group"])

    @property
    def url(self) -> str:
        """Leads to the database `postgres` as its owner."""
        return f"postgresql://omni@/postgres?host={self._folder}"

    def create(self) -> None:
        """Make the files of an empty server."""
        made = subprocess.run(
            [
                self._programs / "initdb",
                *("--pgdata", self._folder / "data"),
                *("--auth=trust", "--username=omni", "--encoding=UTF8", "--no-locale", "--no-sync"),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=self._folder,
            **self._user,
        )
        if made.returncode:
            raise RuntimeError(f"initdb failed: {made.stderr}")

    def start(self) -> None:
        """Start it and wait until it answers."""
        command: list[Path | str] = [
            *("/bin/sh", "-c", GUARD, self._folder, self._programs / "postgres"),
            *("-D", self._folder / "data", "-k", self._folder),
            *("-c", "listen_addresses=", "-c", "fsync=off", "-c", "shared_buffers=16MB"),
            *("-c", "max_connections=60", "-c", "logging_collector=off"),
        ]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            cwd=self._folder,
            **self._user,
        )
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._said.append(line)
            if READY in line:
                break
        else:
            raise RuntimeError(f"postgres did not start: {''.join(self._said)}")
        self._drain = threading.Thread(target=self._read, args=[self._process.stderr], daemon=True)
        self._drain.start()

    def stop(self, how: str = "INT") -> None:
        """End it: at once (`INT`), or as a crash would (`QUIT`)."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        with process.stdin as guard:
            guard.write(f"{how}\n")
        process.wait(30)
        if self._drain is not None:
            self._drain.join()
        if process.stderr is not None:
            process.stderr.close()

    def restart(self, how: str = "INT") -> None:
        """End it and start it again: every connection is lost."""
        self.stop(how)
        self.start()

    def _read(self, stream: IO[str]) -> None:
        self._said.extend(stream)


@asynccontextmanager
async def admin(store: PostgresStore) -> AsyncIterator[psycopg.AsyncConnection]:
    """A connection beside those of the store, at its tables."""
    async with await psycopg.AsyncConnection.connect(
        store.address.conninfo, application_name="admin", autocommit=True
    ) as connection:
        await connection.execute(
            "SELECT set_config('search_path', quote_ident(%s), false)", (store.schema,)
        )
        yield connection


@contextmanager
def running_server(programs: Path) -> Iterator[PostgresServer]:
    """A new server, ended and removed with the block."""
    folder = Path(tempfile.mkdtemp(prefix="omni-pg-", dir="/tmp"))  # a socket's path must be short
    server = PostgresServer(programs, folder)
    try:
        server.create()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _user() -> dict[str, Any]:
    """Whom to run it as: a server refuses to be root's."""
    if os.geteuid():
        return {}
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}
    raise RuntimeError("there is no user but root to run a PostgreSQL server as")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A server for all tests of this process."""
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: no initdb and postgres here")
    with running_server(programs) as server:
        yield server


@pytest.fixture
def open_postgres(postgres_server: PostgresServer) -> Callable[..., PostgresStore]:
    """Opens a store in a schema that this test has for itself."""
    return partial(PostgresStore, postgres_server.url, schema=f"test {secrets.token_hex(8)}")


@pytest.fixture
async def postgres_store(
    open_postgres: Callable[..., PostgresStore],
) -> AsyncIterator[PostgresStore]:
    async with open_postgres() as store:
        yield store
