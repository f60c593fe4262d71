"""What an answer cost is kept with it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from omni_tui.core.usage import Usage
from omni_tui.llm.catalog import Catalog
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.scripted import ScriptedProvider
from omni_tui.session.manager import SessionManager
from omni_tui.session.store.sqlite import SQLiteStore

PRICES = {"prices": {"input": 1_000_000, "output": 0}}


def make_manager(store: SQLiteStore) -> SessionManager:
    provider = ScriptedProvider(lambda request: f"{request.model} says so")
    return SessionManager(
        store,
        registry=ProviderRegistry(
            {"scripted": lambda: provider},
            catalog=Catalog(overrides={"scripted/dear": PRICES}),
        ),
    )


async def test_a_cost_reaches_the_node_the_file_and_the_list(tmp_path: Path) -> None:
    file = tmp_path / "sessions.db"
    store = SQLiteStore(file)
    manager = make_manager(store)
    await store.open()
    session = manager.create(model="scripted/dear")
    await session.prompt("Hi")
    usage = session.tree.nodes[2].usage
    assert usage is not None
    assert usage.input > 0
    assert usage.cost == usage.input
    assert session.tree.usage().cost == usage.cost
    session.set_model(manager.registry.resolve("scripted/secret"))
    await session.prompt("And now?")
    unknown = session.tree.nodes[4].usage
    assert unknown is not None
    assert unknown.input > 0
    assert unknown.cost is None
    assert session.tree.usage().cost == usage.cost
    await manager.close(session.id)
    again, _ = await manager.open(session.id)
    assert again.tree.nodes[2].usage == usage
    assert again.tree.nodes[4].usage == unknown
    (summary,) = await store.list()
    assert summary.cost == pytest.approx(usage.cost)
    await manager.shut_down()
    rows = sqlite3.connect(file).execute("SELECT cost FROM nodes ORDER BY id").fetchall()
    assert rows == [(None,), (usage.cost,), (None,), (None,)]


def test_a_sum_of_what_is_not_known_is_not_known() -> None:
    assert (Usage(input=1) + Usage(input=2)).cost is None
    assert (Usage(input=1, cost=0.0) + Usage(input=2)).cost == 0.0
