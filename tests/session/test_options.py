"""What a session says about how its model is asked, and what becomes of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from session_helpers import AT_ONCE, flush, make_session, texts

from omni_tui.core.errors import BusyError, UnsupportedModalityError
from omni_tui.core.messages import Attachment, Block, Text
from omni_tui.llm.catalog import Catalog
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.base import Options
from omni_tui.llm.providers.scripted import Reply, ScriptedProvider
from omni_tui.session.manager import SessionManager
from omni_tui.session.options import overlay
from omni_tui.session.session import Session
from omni_tui.session.setup import Setup
from omni_tui.session.store.base import SessionRecord, Store
from omni_tui.session.store.memory import MemoryStore
from omni_tui.session.store.sqlite import SQLiteStore

SETTING = Options(thinking="low", max_tokens=100)

MODELS: dict[str, dict[str, Any]] = {
    "box/seeing": {"inputs": ["text", "image"]},
    "box/blind": {"inputs": ["text"], "reasoning": False},
}

PICTURE = Attachment(media_type="image/png", data=b"\x89PNG", name="cat.png")
NOTES = Attachment(media_type="text/markdown", data=b"# Notes", name="notes.md")


def box(replies: Iterable[Reply] = ()) -> tuple[ScriptedProvider, ProviderRegistry]:
    provider = ScriptedProvider(replies or (lambda request: "Seen."), name="box")
    return provider, ProviderRegistry({"box": lambda: provider}, Catalog(overrides=MODELS))


def boxed(store: Store, options: Options = SETTING) -> tuple[ScriptedProvider, SessionManager]:
    provider, registry = box()
    setup = Setup(retry=AT_ONCE, options=options)
    manager = SessionManager(store, default_model="box/any", setup=setup, registry=registry)
    return provider, manager


def thought(provider: ScriptedProvider) -> list[object]:
    return [request.options.thinking for request in provider.requests]


async def test_the_set_up_counts_until_a_session_says_otherwise() -> None:
    session = make_session(provider := ScriptedProvider(["A", "B", "C"]), options=SETTING)
    await session.prompt("a")
    session.set_options(thinking="max")
    await session.prompt("b")
    session.set_options(thinking=msgspec.UNSET)
    await session.prompt("c")
    assert thought(provider) == ["low", "max", "low"]
    assert [request.options.max_tokens for request in provider.requests] == [100, 100, 100]


async def test_none_is_a_choice_too() -> None:
    session = make_session([], options=SETTING)
    session.set_options(thinking=None)
    assert session.options == Options(max_tokens=100)
    assert session.record.options == {"thinking": None}


@pytest.mark.parametrize(
    ("chosen", "error"),
    [
        ({"thinking": "enormous"}, ValueError),
        ({"thinking": -1}, ValueError),
        ({"max_tokens": "many"}, ValueError),
        ({"thinking": "high", "depth": 3}, TypeError),
    ],
)
async def test_what_is_no_option_changes_nothing(
    chosen: dict[str, Any], error: type[Exception]
) -> None:
    session = make_session([], options=SETTING)
    with pytest.raises(error):
        session.set_options(**chosen)
    assert session.record.options == {}


async def test_only_what_was_chosen_is_kept(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "sessions.db")
    await store.open()
    _, manager = boxed(store)
    session = manager.create(options={"thinking": "high"})
    await session.prompt("Hello")
    session.set_options(temperature=0.5)
    assert await flush(session) is None
    await manager.close(session.id)
    assert (await store.load(session.id)).record.options == {"thinking": "high", "temperature": 0.5}
    await manager.shut_down()

    store = SQLiteStore(tmp_path / "sessions.db")
    await store.open()
    provider, manager = boxed(store, Options(thinking="off", max_tokens=7))
    async with manager:
        again, _ = await manager.open(session.id)
        await again.prompt("Again")
        assert provider.requests[0].options == Options(
            thinking="high", temperature=0.5, max_tokens=7
        )


async def test_what_is_asked_for_at_opening_goes_before_what_was_kept() -> None:
    _, manager = boxed(MemoryStore())
    async with manager:
        session = manager.create(options={"thinking": "high", "temperature": 0.5})
        await session.prompt("Hello")
        await manager.close(session.id)
        again, _ = await manager.open(session.id, options={"thinking": "max"})
        assert again is not session
        assert again.options == Options(thinking="max", temperature=0.5, max_tokens=100)
        same, _ = await manager.open(session.id, options={"thinking": "off"})
        assert same is again
        assert same.options.thinking == "off"
        await manager.close(session.id)
        kept, _ = await manager.open(session.id)
        assert kept.options.thinking == "off"


async def test_a_wrong_option_makes_no_session() -> None:
    _, manager = boxed(MemoryStore())
    async with manager:
        with pytest.raises(ValueError, match="thinking"):
            manager.create(options={"thinking": "enormous"})
        assert manager.list_open() == []


def test_what_another_version_stored_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    kept = {"thinking": "enormous", "temperature": 0.5, "depth": 3}
    with caplog.at_level(logging.WARNING):
        assert overlay(SETTING, kept) == Options(thinking="low", max_tokens=100, temperature=0.5)
    assert "thinking" in caplog.text
    session = Session(SessionRecord(id="old", options=kept), model="demo/chat")
    session.set_options(thinking="high")
    assert session.record.options == {**kept, "thinking": "high"}


# What is attached


def session_of(model: str, *fallbacks: str) -> tuple[ScriptedProvider, Session]:
    provider, registry = box()
    setup = Setup(retry=AT_ONCE, fallbacks=fallbacks)
    record = SessionRecord(id="of-the-box")
    return provider, Session(record, model=model, setup=setup, registry=registry)


WITH_PICTURE: tuple[Block, ...] = (PICTURE, Text(text="What is this?"))


async def test_what_the_model_cannot_read_is_refused_before_it_is_part_of_the_tree() -> None:
    provider, session = session_of("box/blind")
    await session.prompt("Hello")
    refused: tuple[Callable[[], object], ...] = (
        lambda: session.prompt(WITH_PICTURE),
        lambda: session.prompt(iter(WITH_PICTURE)),
        lambda: session.edit(1, WITH_PICTURE),
        lambda: session.branch(2, WITH_PICTURE),
    )
    for ask in refused:
        with pytest.raises(UnsupportedModalityError, match=r"cat\.png.*box/blind"):
            ask()
    assert texts(session.tree) == ["Hello", "Seen."]
    assert (len(session.tree), session.runs, len(provider.requests)) == (2, {}, 1)


@pytest.mark.parametrize("model", ["box/seeing", "box/unheard-of"])
async def test_what_the_model_can_read_is_sent_as_it_is(model: str) -> None:
    provider, session = session_of(model)
    await session.prompt(iter(WITH_PICTURE))
    assert provider.requests[0].messages[-1].content == WITH_PICTURE
    assert session.tree[1].message.content == WITH_PICTURE


async def test_text_can_be_read_by_any_model() -> None:
    provider, session = session_of("box/blind")
    await session.prompt(NOTES)
    assert provider.requests[0].messages[-1].content == (NOTES,)


async def test_a_fallback_that_can_read_it_is_enough() -> None:
    provider, session = session_of("box/blind", "box/seeing")
    await session.prompt(WITH_PICTURE)
    assert [request.model for request in provider.requests] == ["seeing"]


async def test_a_busy_branch_is_said_before_what_cannot_be_read() -> None:
    _, session = session_of("box/seeing")
    await session.prompt("Hello")
    run = session.prompt("And now?")
    session.set_model("box/blind")
    with pytest.raises(BusyError):
        session.prompt(WITH_PICTURE)
    await run


async def test_a_model_that_does_not_think_is_not_told_how_much() -> None:
    provider, session = session_of("box/blind")
    session.set_options(thinking="high")
    await session.prompt("Hello")
    session.set_model("box/seeing")
    await session.prompt("Hello")
    assert thought(provider) == [None, "high"]
