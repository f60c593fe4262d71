"""The store of the page about stores: it passes what every store passes, and keeps its trail."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from examples.patterns import DOCS
from omni_tui.session.store import Store
from omni_tui.session.store.conformance import DurableConformance, StoreConformance
from omni_tui.session.store.conformance.samples import stored

FILE = DOCS / "examples" / "stores" / "audited.py"


@pytest.fixture(scope="module")
def example() -> Any:
    spec = importlib.util.spec_from_file_location("audited_store", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def open_store(example: Any, tmp_path: Path) -> Callable[[], Store]:
    return lambda: example.AuditedStore(f"audited:{tmp_path}/s.db")


@pytest.fixture
async def store(open_store: Callable[[], Store]) -> AsyncIterator[Store]:
    made = open_store()
    yield made
    await made.close()


class TestAuditedStore(StoreConformance, DurableConformance):
    """It is a store."""


async def test_it_notes_what_was_written(store: Store, tmp_path: Path) -> None:
    await stored(store, title="T")
    await store.save_state("s", title="x", model="demo/chat")
    await store.delete("s")
    noted = [json.loads(line) for line in (tmp_path / "s.audit.jsonl").read_text().splitlines()]
    times = [line.pop("at") for line in noted]
    assert times == sorted(times)
    assert noted == [
        {"session": "s", "what": "created"},
        {"session": "s", "what": "saved", "nodes": [1, 2]},
        {"session": "s", "what": "changed", "fields": ["model", "title"]},
        {"session": "s", "what": "deleted"},
    ]


def test_the_page_shows_the_file_as_it_is() -> None:
    assert FILE.read_text("utf-8") in (DOCS / "stores.md").read_text("utf-8")
