"""Stores and sessions to try."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from omni_tui.session.store import MemoryStore, SQLiteStore, Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, path: Path) -> AsyncIterator[Store]:
    """Each adapter; the conformance suite runs on all of them."""
    made: Store = MemoryStore() if request.param == "memory" else SQLiteStore(path)
    yield made
    await made.close()


@pytest.fixture
async def sqlite_store(path: Path) -> AsyncIterator[SQLiteStore]:
    async with SQLiteStore(path) as store:
        yield store
