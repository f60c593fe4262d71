"""The published suite on each adapter, and what needs only one of them."""

from __future__ import annotations

import asyncio
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omni_tui.core.messages import Message, ToolResult, ToolUse
from omni_tui.session.store import MemoryStore, new_session_id
from omni_tui.session.store.conformance import DurableConformance, StoreConformance
from omni_tui.session.store.conformance.samples import stored
from omni_tui.session.tree import Tree


class TestEveryStore(StoreConformance):
    """Runs on each value of the fixture `store`."""


class TestEveryDurableStore(DurableConformance):
    """Runs on each value of the fixture `open_store`."""


@settings(
    max_examples=30,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(text=st.text(st.characters(codec=None), max_size=40), number=st.floats(allow_nan=False))
def test_any_text_and_number_survives(text: str, number: float) -> None:
    async def check() -> None:
        store = MemoryStore()
        tree = Tree()
        tree.push(Message.user([ToolResult(tool_use_id="x", name="n", content=text)]))
        tree.push(Message.assistant([ToolUse(id="x", name="n", input={"a": number, "b": [text]})]))
        await stored(store, tree=tree)
        loaded = (await store.load("s")).tree
        assert [node.raw for node in loaded.nodes.values()] == [
            node.raw for node in tree.nodes.values()
        ]

    asyncio.run(check())


def test_new_ids_are_22_characters_that_a_command_line_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ids = {new_session_id() for _ in range(2000)}
    assert len(ids) == 2000
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{21}", id) for id in ids)
    drawn = iter(["-bad", "-worse", "good"])
    monkeypatch.setattr("secrets.token_urlsafe", lambda _size: next(drawn))
    assert new_session_id() == "good"
