"""Make sure that a file is our database in the present version, before anything else touches it."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from importlib.resources import files
from pathlib import Path

from omni_tui.core.errors import AlreadyExistsError, StoreUnavailableError, StoreVersionError
from omni_tui.session.store import full_text
from omni_tui.session.store.migrations import load_steps

APPLICATION_ID = 0x4F4D4E49
"""Marks a SQLite file as ours ("OMNI")."""

SCHEMA_VERSION = 4
"""The `user_version` this program writes."""

_MAGIC = b"SQLite format 3\0"


@contextmanager
def transaction(connection: sqlite3.Connection, mode: str = "IMMEDIATE") -> Iterator[None]:
    """All or nothing.

    Writers take the lock at once (`IMMEDIATE`): one that reads first and writes later could not
    wait for another.
    """
    connection.execute(f"BEGIN {mode}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def side_files(path: Path) -> tuple[Path, Path]:
    """SQLite's log of a database, and its index of that: beside the file, while it is in use."""
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")


def make_private(path: Path) -> None:
    """Create the file (0600) and the folders above it that are missing (0700), whatever the umask.

    SQLite gives its side files the mode of the database. A file that is there is not opened: to
    close it would take the locks from all connections this process has to it. Raises `OSError`.
    """
    path = path.resolve()  # a link may lead to a file that is still to be made
    missing = [folder for folder in path.parents if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        return
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is no file")
    if status.st_mode & 0o077 and status.st_uid == os.geteuid():
        path.chmod(0o600)
    if not os.access(path, os.R_OK | os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def reserve(target: Path) -> None:
    """Make an empty file (0600). Raises `AlreadyExistsError` when there is one, or `OSError`."""
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        raise AlreadyExistsError(
            f"{target} is there already.", hint="name a new file", path=str(target)
        ) from None


def check_header(path: Path) -> None:
    """Refuse what is not ours or newer, without SQLite touching the file.

    One with a log beside it may be in use, perhaps by this process: see `make_private`. It is left
    to `check_version`. Raises `StoreVersionError`, `StoreUnavailableError` or `OSError`.
    """
    if side_files(path)[0].exists():
        return
    with path.open("rb") as file:
        header = file.read(100)
    if not header:
        return
    if not header.startswith(_MAGIC) or len(header) < 100:
        raise StoreUnavailableError(
            f"{path} is not a SQLite database, or it is damaged.",
            hint="move it away, or name another file with --db",
            path=str(path),
        )
    version = int.from_bytes(header[60:64], "big")
    application = int.from_bytes(header[68:72], "big")
    # Both are zero while the first transaction of a new file is still in its log.
    if application or version:
        _check(path, application, version, SCHEMA_VERSION)


def connect(path: Path, patience: float) -> sqlite3.Connection:
    """A connection in autocommit mode to a file that is there.

    It waits up to `patience` seconds for others that write. Any thread may use it, one at a time.
    """
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=patience,
        isolation_level=None,
        check_same_thread=False,
    )


def make_ready(connection: sqlite3.Connection, path: Path, patience: float) -> bool:
    """Bring a file up to date and make commits durable; says whether it has a write-ahead log.

    Raises `StoreVersionError`.
    """
    check_version(connection, path)
    has_log = enable_wal(connection, patience)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    prepare(connection, path)
    full_text.add_words(connection)
    full_text.keep_up(connection)
    return has_log


def check_version(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse what is not ours or newer, log included, before anything is written.

    Raises `StoreVersionError`.
    """
    application, version = _application(connection), version_of(connection)
    if application or version or _has_tables(connection):
        _check(path, application, version, SCHEMA_VERSION)


def prepare(
    connection: sqlite3.Connection,
    path: Path,
    *,
    version: int = SCHEMA_VERSION,
    steps: Mapping[int, str] | None = None,
) -> None:
    """Create the tables in an empty database, or migrate an older one after backing it up.

    `connection` is in autocommit mode. `version` and `steps` are those of this program unless
    given. Raises `StoreVersionError`.
    """
    if not _has_tables(connection):
        with transaction(connection):
            if not _has_tables(connection):  # else another process was faster
                _run(connection, files(__package__).joinpath("schema.sql").read_text("utf-8"))
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    found = version_of(connection)
    _check(path, _application(connection), found, version)
    if found < version:
        _migrate(connection, path, version, load_steps() if steps is None else steps)


def _migrate(
    connection: sqlite3.Connection, path: Path, version: int, steps: Mapping[int, str]
) -> None:
    copy_to(connection, path.with_name(f"{path.name}.v{version_of(connection)}.bak"))
    full_text.add_words(connection)
    connection.execute("PRAGMA foreign_keys = OFF")  # a step may build a table anew
    with transaction(connection):
        # Read again under the lock: another process may have been faster.
        for number in range(version_of(connection) + 1, version + 1):
            _run(connection, steps[number])
        if broken := connection.execute("PRAGMA foreign_key_check").fetchall():
            raise StoreVersionError(
                f"{path} could not be migrated to version {version}: "
                f"{len(broken)} rows would lose what they refer to.",
                hint="the file is unchanged; please report this",
                path=str(path),
            )
        connection.execute(f"PRAGMA user_version = {version}")
    connection.execute("PRAGMA foreign_keys = ON")


def copy_to(connection: sqlite3.Connection, target: Path) -> None:
    """Write all that is committed to a file of its own (0600), over one that is there.

    The copy is whole or not there, whoever writes meanwhile.
    """
    unfinished = target.with_name(f"{target.name}.{os.getpid()}")
    make_private(unfinished)
    try:
        with closing(sqlite3.connect(unfinished)) as copy:
            connection.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file holds everything
        unfinished.replace(target)
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)  # so that the name lasts as the content does
        finally:
            os.close(folder)
    finally:
        unfinished.unlink(missing_ok=True)


def enable_wal(connection: sqlite3.Connection, patience: float) -> bool:
    """Switch to write-ahead logging; false where the file system cannot do it.

    SQLite does not wait for others here, so this does, up to `patience` seconds.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            return bool(mode == "wal")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _check(path: Path, application: int, version: int, known: int) -> None:
    if application != APPLICATION_ID:
        raise StoreVersionError(
            f"{path} belongs to another program.",
            hint="name another file with --db",
            path=str(path),
        )
    if version > known:
        raise StoreVersionError(
            f"{path} was written by a newer omni-tui: it has version {version}, "
            f"this program knows {known}.",
            hint="update omni-tui, or name another file with --db",
            path=str(path),
            found=version,
            known=known,
        )


def _run(connection: sqlite3.Connection, script: str) -> None:
    # executescript would commit the transaction it is called in.
    statement = ""
    for piece in script.split(";"):
        statement += f"{piece};"
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""


def version_of(connection: sqlite3.Connection) -> int:
    """The `user_version` of a database."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _application(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA application_id").fetchone()[0])


def _has_tables(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone() is not None
