"""Looks after a SQLite file of sessions: examines, mends, copies and shrinks it.

These are for the time between conversations: they block, each opens the file for itself, and other
programs may have it open too.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from omni_tui.core.errors import (
    SessionLockedError,
    StoreError,
    StoreUnavailableError,
)
from omni_tui.session.store import full_text, mounts, schema
from omni_tui.session.store.connection import is_damage, store_errors
from omni_tui.session.store.lease import Holder

Level: TypeAlias = Literal["ok", "warn", "fail"]

PATIENCE = 10.0
"""Seconds to wait for another program that is writing."""

LARGE_LOG = 64 * 2**20
"""Bytes of a write-ahead log that was not put into the file for too long."""

SHOWN = 3
"""How many of many problems are told."""

_RESCUE = "leave the file as it is, and copy what can be read: doctor --rescue NEW.db"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    subject: str
    level: Level
    """`ok`, `warn`: works but should be seen to, or `fail`."""
    text: str
    hint: str | None = None
    """What to do about it."""


def examine(path: Path, *, deep: bool = False) -> Iterator[Finding]:
    """Look at a file of sessions and change nothing; never raises.

    `deep` reads every index and compares the words of every message: some seconds for 100,000.
    """
    try:
        with store_errors(path):
            yield from _place(path)
            if path.exists():
                schema.check_header(path)
                with closing(schema.connect(path, PATIENCE)) as connection:
                    yield from _content(connection, path, deep=deep)
    except StoreUnavailableError as error:
        if isinstance(error.__cause__, sqlite3.Error) and is_damage(error.__cause__):
            yield _damage(str(error.__cause__))
        else:
            yield Finding(subject="file", level="fail", text=error.message, hint=error.hint)
    except StoreError as error:
        yield Finding(subject="file", level="fail", text=error.message, hint=error.hint)


def _place(path: Path) -> Iterator[Finding]:
    """Where the file is, and who may do what with it."""
    mounts.refuse_network(path)
    if not path.exists():
        yield Finding(
            subject="file", level="ok", text=f"{path} is made with the first conversation"
        )
        return
    files = [file for file in (path, *schema.side_files(path)) if file.exists()]
    size = sum(file.stat().st_size for file in files)
    yield Finding(subject="file", level="ok", text=f"{path}, {_bytes(size)}")
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        yield Finding(
            subject="modes",
            level="fail",
            text=f"{path} or its folder cannot be written",
            hint="check their permissions",
        )
    open_to_others = [file.name for file in files if file.stat().st_mode & 0o077]
    folder = path.parent.stat().st_mode
    if open_to_others:
        names = ", ".join(open_to_others)
        text, hint = f"others can read {names}", "doctor --fix makes the files private"
        yield Finding(subject="modes", level="warn", text=text, hint=hint)
    elif folder & 0o022 and not folder & 0o1000:
        text, hint = f"others can replace files in {path.parent}", f"chmod go-w {path.parent}"
        yield Finding(subject="modes", level="warn", text=text, hint=hint)
    else:
        yield Finding(subject="modes", level="ok", text="nobody else can read the sessions")
    free = shutil.disk_usage(path.parent).free
    level: Level = "ok" if free > max(size, 50 * 2**20) else "warn"
    remedy = None if level == "ok" else "free some space before the disk is full"
    yield Finding(subject="disk", level=level, text=f"{_bytes(free)} free", hint=remedy)


def _content(connection: sqlite3.Connection, path: Path, *, deep: bool) -> Iterator[Finding]:
    """What is in the file."""
    schema.check_version(connection, path)
    version = schema.version_of(connection)
    yield from _integrity(connection, path, deep=deep)
    if version != schema.SCHEMA_VERSION:
        yield Finding(
            subject="version",
            level="ok",
            text=f"{version}; brought up to {schema.SCHEMA_VERSION} when a session is opened next",
        )
        return
    yield Finding(subject="version", level="ok", text=str(version))
    log = schema.side_files(path)[0]
    length = log.stat().st_size if log.exists() else 0
    if length > LARGE_LOG:
        hint = "close other omni-tui programs, then run doctor --vacuum"
        yield Finding(subject="log", level="warn", text=f"{_bytes(length)} long", hint=hint)
    else:
        yield Finding(subject="log", level="ok", text=_bytes(length))
    yield _trees(connection)
    yield _index(connection, deep=deep)
    yield from _leases(connection)


def _integrity(connection: sqlite3.Connection, path: Path, *, deep: bool) -> Iterator[Finding]:
    check = "integrity_check" if deep else "quick_check"
    found = [text for (text,) in connection.execute(f"PRAGMA {check}({SHOWN})")]
    orphans = connection.execute("PRAGMA foreign_key_check").fetchall()
    if found != ["ok"]:
        yield _damage("; ".join(found))
    elif orphans:
        text = f"{len(orphans)} rows refer to what is not there"
        hint = "another program changed the file; doctor --backup FILE first, then remove them"
        yield Finding(subject="integrity", level="warn", text=text, hint=hint)
    else:
        yield Finding(subject="integrity", level="ok", text=f"{check} passed")


def _damage(text: str) -> Finding:
    return Finding(subject="integrity", level="fail", text=f"damaged: {text}", hint=_RESCUE)


_SKEWED = """
SELECT count(*) FROM sessions AS s WHERE
  (head IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM nodes WHERE session_id = s.id AND id = s.head))
  OR EXISTS (SELECT 1 FROM nodes WHERE session_id = s.id AND parent_id >= id)
  OR EXISTS (SELECT 1 FROM nodes AS n WHERE n.session_id = s.id AND n.cursor IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM nodes WHERE session_id = s.id AND id = n.cursor
      AND parent_id = n.id))
"""


def _trees(connection: sqlite3.Connection) -> Finding:
    sessions, nodes = connection.execute(
        "SELECT (SELECT count(*) FROM sessions), (SELECT count(*) FROM nodes)"
    ).fetchone()
    (skewed,) = connection.execute(_SKEWED).fetchone()
    if skewed:
        text = f"{skewed} of {sessions:,} have a place that names no message of theirs"
        hint = "nothing to do: they open all the same, at the branch used last"
        return Finding(subject="sessions", level="warn", text=text, hint=hint)
    text = f"{sessions:,} with {nodes:,} messages"
    return Finding(subject="sessions", level="ok", text=text)


# The words are made only of what is not in the index.
_UNFOUND = """
SELECT count(*) FROM nodes AS n WHERE CASE
  WHEN n.kind = 'summary' OR EXISTS (SELECT 1 FROM message_words_docsize WHERE id = n.seq) THEN 0
  ELSE words(n.message) <> '' END
"""

_SUPERFLUOUS = """
SELECT count(*) FROM message_words_docsize AS d
WHERE NOT EXISTS (SELECT 1 FROM nodes WHERE seq = d.id AND kind <> 'summary')
"""

_WORDS_OF_ALL = """
INSERT INTO {table} (rowid, words) SELECT seq, w FROM (
  SELECT seq, words(message) AS w FROM nodes WHERE kind <> 'summary'
) WHERE w <> ''
"""

_DIFFERENCE = """
SELECT count(DISTINCT doc) FROM (
  SELECT doc FROM (SELECT * FROM temp.{one} EXCEPT SELECT * FROM temp.{other})
  UNION SELECT doc FROM (SELECT * FROM temp.{other} EXCEPT SELECT * FROM temp.{one})
)
"""


def _index(connection: sqlite3.Connection, *, deep: bool) -> Finding:
    full_text.add_words(connection)
    hint = "doctor --fix makes the index anew"
    try:
        (unfound,) = connection.execute(_UNFOUND).fetchone()
        (superfluous,) = connection.execute(_SUPERFLUOUS).fetchone()
        differ = _differ(connection) if deep else 0
    except sqlite3.DatabaseError as error:
        text = f"the index cannot be read: {error}"
        return Finding(subject="search", level="fail", text=text, hint=hint)
    if unfound or superfluous or differ:
        text = (
            f"{max(unfound, differ - superfluous, 0):,} messages are not found by their words, "
            f"{superfluous:,} are found that are gone"
        )
        return Finding(subject="search", level="fail", text=text, hint=hint)
    return Finding(subject="search", level="ok", text="every message is found by its words")


def _differ(connection: sqlite3.Connection) -> int:
    """How many messages have other words in the index than in themselves."""
    connection.execute(_schema_of_index(connection).replace("message_words", "temp.remade", 1))
    connection.execute(_WORDS_OF_ALL.format(table="temp.remade"))
    connection.execute(
        "CREATE VIRTUAL TABLE temp.words_held USING fts5vocab(main, message_words, instance)"
    )
    connection.execute(
        "CREATE VIRTUAL TABLE temp.words_due USING fts5vocab(temp, remade, instance)"
    )
    (found,) = connection.execute(
        _DIFFERENCE.format(one="words_held", other="words_due")
    ).fetchone()
    return int(found)


def _schema_of_index(connection: sqlite3.Connection) -> str:
    query = "SELECT sql FROM main.sqlite_schema WHERE name = 'message_words'"
    return str(connection.execute(query).fetchone()[0])


def _leases(connection: sqlite3.Connection) -> Iterator[Finding]:
    elsewhere = [holder for holder in _holders(connection) if not holder.is_here]
    running = {
        holder.pid for holder in _holders(connection) if holder.is_here and not holder.is_gone
    }
    if elsewhere:
        hosts = ", ".join(sorted({holder.host for holder in elsewhere})[:SHOWN])
        text = f"{len(elsewhere)} sessions count as open on {hosts}, which cannot be checked"
        hint = "if no omni-tui runs there any more, doctor --fix frees them"
        yield Finding(subject="open", level="warn", text=text, hint=hint)
    elif running:
        text = f"by {len(running)} programs now: process {', '.join(map(str, sorted(running)))}"
        yield Finding(subject="open", level="ok", text=text)
    else:
        yield Finding(subject="open", level="ok", text="by no program now")


def _holders(connection: sqlite3.Connection) -> list[Holder]:
    query = "SELECT lease_pid, lease_start, lease_host FROM sessions WHERE lease_pid IS NOT NULL"
    return [Holder(*row) for row in connection.execute(query)]


# Doing


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The file, brought up to date and ready to write; raises `StoreError`."""
    with store_errors(path):
        if not path.exists():
            raise StoreError(f"There is no file {path}.", hint="name it with --db", path=str(path))
        mounts.refuse_network(path)
        schema.make_private(path)
        schema.check_header(path)
        with closing(schema.connect(path, PATIENCE)) as connection:
            schema.make_ready(connection, path, PATIENCE)
            yield connection


def mend(path: Path) -> list[str]:
    """Put right what can be without losing anything; says what was done.

    Files become private, the index of words is made anew where it is not what it should be, and
    sessions that count as open on another machine are free. Raises `StoreError`.
    """
    done = []
    open_to_others = [
        file
        for file in (path, *schema.side_files(path))
        if file.exists() and file.stat().st_mode & 0o077
    ]
    with _opened(path) as connection:
        for file in open_to_others:
            if file.exists():
                file.chmod(0o600)
            done.append(f"{file.name} is private now")
        if _index(connection, deep=True).level != "ok":
            with schema.transaction(connection):
                # Dropped rather than emptied: a damaged one could not be read for that.
                made_of = _schema_of_index(connection)
                connection.execute("DROP TABLE main.message_words")
                connection.execute(made_of)
                connection.execute(_WORDS_OF_ALL.format(table="message_words"))
            done.append("the index of words was made anew")
        hosts = {holder.host for holder in _holders(connection) if not holder.is_here}
        if hosts:
            with schema.transaction(connection):
                connection.executemany(
                    "UPDATE sessions SET lease_pid = NULL, lease_start = NULL, lease_host = NULL "
                    "WHERE lease_host = ?",
                    [(host,) for host in hosts],
                )
            done.append(f"what was open on {', '.join(sorted(hosts))} is free now")
    return done


def compact(path: Path) -> tuple[int, int]:
    """Give room that deleted sessions left back to the disk; bytes before and after.

    Needs as much free space as the file takes. Raises `SessionLockedError` while another process
    has a session open, and `StoreError`.
    """
    with _opened(path) as connection:
        for holder in _holders(connection):
            if not holder.is_gone:
                raise SessionLockedError(
                    f"{path} is in use by process {holder.pid} on {holder.host}.",
                    hint="close it first",
                    pid=holder.pid,
                    host=holder.host,
                )
        before = _size(path)
        connection.execute("INSERT INTO message_words (message_words) VALUES ('optimize')")
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return before, _size(path)


def back_up(path: Path, target: Path) -> int:
    """Copy all that is committed into a new file (0600), while others may write; its bytes.

    Raises `AlreadyExistsError` when `target` is there, and `StoreError`, also for a damaged file:
    nothing is made then.
    """
    with store_errors(path):
        if not path.exists():
            raise StoreError(f"There is no file {path}.", hint="name it with --db", path=str(path))
        schema.check_header(path)
        with closing(schema.connect(path, PATIENCE)) as connection, store_errors(target):
            schema.check_version(connection, path)
            schema.reserve(target)
            try:
                _copy(connection, path, target)
            except BaseException:
                target.unlink(missing_ok=True)
                raise
        return target.stat().st_size


def _copy(connection: sqlite3.Connection, path: Path, target: Path) -> None:
    try:
        schema.copy_to(connection, target)
        with closing(schema.connect(target, PATIENCE)) as copy:
            found = "; ".join(text for (text,) in copy.execute(f"PRAGMA quick_check({SHOWN})"))
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        found = str(error)
    if found != "ok":
        raise StoreError(
            f"{path} is damaged, and a copy would be too: {found}.",
            hint=_RESCUE,
            path=str(path),
        )


def _size(path: Path) -> int:
    """Bytes of the file and its log."""
    files = (path, schema.side_files(path)[0])
    return sum(file.stat().st_size for file in files if file.exists())


def _bytes(number: float) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if number < 1024 or unit == "GiB":
            break
        number /= 1024
    return f"{number:,.0f} {unit}" if unit == "bytes" else f"{number:,.1f} {unit}"
