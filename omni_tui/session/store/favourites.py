"""Favourites: sessions that a person starred. The extension that shows how to write one."""

from __future__ import annotations

import itertools
import sqlite3
from typing import Protocol

from omni_tui.core.errors import StoreError
from omni_tui.session.store.base import Store, not_found
from omni_tui.session.store.extensions import ExtensionTables
from omni_tui.session.store.memory import MemoryStore
from omni_tui.session.store.sqlite import SQLiteStore

NAME = "favourites"
"""The name of the extension."""

_VERSIONS = (
    (
        """
        CREATE TABLE ext_favourites_stars (
          number     INTEGER PRIMARY KEY,  -- in the order they were given
          session_id TEXT NOT NULL UNIQUE REFERENCES sessions (id) ON DELETE CASCADE
        ) STRICT
        """,
    ),
)


class Favourites(Protocol):
    """Keeps which sessions a person starred; a session that is deleted loses its star."""

    async def star(self, session_id: str) -> None:
        """Give a star; again does nothing. Raises `NotFoundError` for an unknown session."""

    async def unstar(self, session_id: str) -> None:
        """Take the star away; without one nothing happens."""

    async def is_starred(self, session_id: str) -> bool:
        """Whether the session has a star."""

    async def list(self) -> tuple[str, ...]:
        """The ids of all that have one, those starred last first."""


class SQLiteFavourites:
    """`Favourites` in the file of the sessions."""

    def __init__(self, store: SQLiteStore) -> None:
        self._tables = ExtensionTables(store, NAME, _VERSIONS)

    async def star(self, session_id: str) -> None:
        def job(connection: sqlite3.Connection) -> None:
            known = connection.execute("SELECT 1 FROM sessions WHERE id = ?", (session_id,))
            if known.fetchone() is None:
                raise not_found(session_id)
            connection.execute(
                "INSERT INTO ext_favourites_stars (session_id) VALUES (?) ON CONFLICT DO NOTHING",
                (session_id,),
            )

        await self._tables.write(job)

    async def unstar(self, session_id: str) -> None:
        statement = "DELETE FROM ext_favourites_stars WHERE session_id = ?"
        await self._tables.write(lambda connection: connection.execute(statement, (session_id,)))

    async def is_starred(self, session_id: str) -> bool:
        return session_id in await self.list()

    async def list(self) -> tuple[str, ...]:
        def job(connection: sqlite3.Connection) -> tuple[str, ...]:
            found = connection.execute(
                "SELECT session_id FROM ext_favourites_stars ORDER BY number DESC"
            )
            return tuple(id for (id,) in found)

        return await self._tables.read(job)


class MemoryFavourites:
    """`Favourites` of a `MemoryStore`, as forgetful as that."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._count = itertools.count()

    async def star(self, session_id: str) -> None:
        if (facts := self._store.beside(NAME).get(session_id)) is None:
            raise not_found(session_id)
        facts.setdefault("number", next(self._count))

    async def unstar(self, session_id: str) -> None:
        self._store.beside(NAME).get(session_id, {}).clear()

    async def is_starred(self, session_id: str) -> bool:
        return session_id in await self.list()

    async def list(self) -> tuple[str, ...]:
        starred = {id: facts for id, facts in self._store.beside(NAME).items() if facts}
        return tuple(sorted(starred, key=lambda id: starred[id]["number"], reverse=True))


def favourites_of(store: Store) -> Favourites:
    """The favourites of a store; raises `StoreError` for a kind of store that keeps none."""
    if isinstance(store, SQLiteStore):
        return SQLiteFavourites(store)
    if isinstance(store, MemoryStore):
        return MemoryFavourites(store)
    raise StoreError(f"A {type(store).__name__} keeps no favourites.", hint="use a SQLite file")
