"""What programs add to a store: facts of their own about sessions, under a name of their own.

An extension is any object that has a *capability*, a protocol that whoever uses it asks for. One
for SQLite keeps its tables in the file of the sessions, named `ext_NAME_…` and with a version of
their own, so that the tables of omni-tui stay as they are; see `favourites` for one.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from omni_tui.core.errors import AlreadyExistsError, NotFoundError, StoreError, StoreVersionError
from omni_tui.session.store.checking import require
from omni_tui.session.store.sqlite import SQLiteStore

_T = TypeVar("_T")

# Without an underscore, so that no prefix is the beginning of another.
_NAME = re.compile(r"[a-z][a-z0-9]*")

_BOOK = """
CREATE TABLE IF NOT EXISTS extensions (
  name    TEXT NOT NULL PRIMARY KEY,  -- its tables begin with ext_NAME_
  version INTEGER NOT NULL            -- which of its versions made them
) STRICT
"""


class Extensions:
    """The extensions of one store or manager, by name."""

    def __init__(self) -> None:
        self._known: dict[str, object] = {}

    def register(self, name: str, extension: _T, capability: type[Any]) -> _T:
        """Add an extension, and return it.

        Args:
            name: A lower-case word.
            extension: The object itself.
            capability: The protocol it has, checked here.

        Raises:
            AlreadyExistsError: the name is taken.
            TypeError: the extension lacks something of the capability; the message says what.
            ValueError: the name is none.
        """
        _check_name(name)
        if name in self._known:
            raise AlreadyExistsError(f"There is an extension {name!r} already.", name=name)
        require(extension, capability)
        self._known[name] = extension
        return extension

    def get(self, name: str, capability: type[Any]) -> Any:
        """The extension of this name.

        Raises `NotFoundError` when there is none, and `TypeError` when it lacks something of the
        capability.
        """
        if name not in self._known:
            raise NotFoundError(f"There is no extension {name!r}.", name=name)
        extension = self._known[name]
        require(extension, capability)
        return extension

    def __contains__(self, name: object) -> bool:
        return name in self._known

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all, in the order they came."""
        return tuple(self._known)


class ExtensionTables:
    """The tables of an extension in the file of a `SQLiteStore`.

    They are made at the first use, and brought up to date where an older version made them.

    Args:
        store: Whose file it is.
        name: The extension's name; every table's name begins with `prefix`.
        versions: The statements that lead from each version to the next, beginning with none. What
            was once published must not change. Refer to sessions with
            `REFERENCES sessions (id) ON DELETE CASCADE`, so that rows go with their session.
    """

    def __init__(self, store: SQLiteStore, name: str, versions: Sequence[Sequence[str]]) -> None:
        _check_name(name)
        self.prefix = f"ext_{name}_"
        self._name = name
        self._store = store
        self._versions = versions

    async def read(self, job: Callable[[sqlite3.Connection], _T]) -> _T:
        """Do this in one transaction that writes nothing.

        Raises any `StoreError`, and `StoreVersionError` for tables of a newer version.
        """

        def checked(connection: sqlite3.Connection) -> tuple[_T] | None:
            return (job(connection),) if self._is_ready(connection) else None

        found = await self._store.run(checked)
        if found is None:
            await self.write(lambda _: None)
            return await self._store.run(job)
        return found[0]

    async def write(self, job: Callable[[sqlite3.Connection], _T]) -> _T:
        """Do this in one transaction, which `job` does not end; raises what `read` does."""

        def whole(connection: sqlite3.Connection) -> _T:
            if not self._is_ready(connection):
                self._prepare(connection)
            return job(connection)

        return await self._store.run(whole, writes=True)

    def _is_ready(self, connection: sqlite3.Connection) -> bool:
        found = self._found(connection)
        if found > len(self._versions):
            raise StoreVersionError(
                f"The tables of the extension {self._name!r} have version {found}, this program "
                f"knows {len(self._versions)}.",
                hint="update the package that brings it",
                found=found,
                known=len(self._versions),
            )
        return found == len(self._versions)

    def _found(self, connection: sqlite3.Connection) -> int:
        book = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'extensions'"
        if connection.execute(book).fetchone() is None:
            return 0
        row = connection.execute(
            "SELECT version FROM extensions WHERE name = ?", (self._name,)
        ).fetchone()
        return 0 if row is None else int(row[0])

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute(_BOOK)
        others = self._others(connection)
        for statements in self._versions[self._found(connection) :]:
            for statement in statements:
                connection.execute(statement)
        if self._others(connection) != others:
            raise StoreError(
                f"The extension {self._name!r} may only change tables that begin with "
                f"{self.prefix}."
            )
        connection.execute(
            "INSERT INTO extensions VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET version = excluded.version",
            (self._name, len(self._versions)),
        )

    def _others(self, connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
        """What the file has beside the tables of this extension."""
        return connection.execute(
            "SELECT type, name, tbl_name, sql FROM sqlite_schema "
            "WHERE substr(tbl_name, 1, ?) != ? ORDER BY type, name",
            (len(self.prefix), self.prefix),
        ).fetchall()


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for an extension: take a lower-case word")
