"""Stores and sessions to try."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from postgres_server import open_postgres, postgres_server, postgres_store

from omni_tui.session.store import MemoryStore, SQLiteStore, Store
from omni_tui.session.store.jsonl import JSONLStore

__all__ = ["open_postgres", "postgres_server", "postgres_store"]

DURABLE = ["sqlite", "jsonl", "postgres"]
"""The adapters that outlive their process: what `opener` knows how to open."""


def opener(adapter: str, request: pytest.FixtureRequest) -> Callable[[], Store]:
    """A function that makes a store of this kind at the place of the test."""
    if adapter == "postgres":
        found: Callable[[], Store] = request.getfixturevalue("open_postgres")
        return found
    tmp_path: Path = request.getfixturevalue("tmp_path")
    if adapter == "jsonl":
        return lambda: JSONLStore(tmp_path / "sessions")
    return lambda: SQLiteStore(tmp_path / "sessions.db")


@pytest.fixture(params=DURABLE)
def open_store(request: pytest.FixtureRequest) -> Callable[[], Store]:
    """Opens each durable adapter as often as it is called, at the same place."""
    return opener(request.param, request)


@pytest.fixture(params=["memory", *DURABLE])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """Each adapter, empty; the conformance suite runs on all of them."""
    if request.param == "memory":
        made: Store = MemoryStore()
    else:
        made = opener(request.param, request)()
    yield made
    await made.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


@pytest.fixture
async def sqlite_store(path: Path) -> AsyncIterator[SQLiteStore]:
    async with SQLiteStore(path) as store:
        yield store
