"""How full the window is: counted where a step was counted, estimated for what came since."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from session_helpers import AT_ONCE

from omni_tui.core.messages import Message
from omni_tui.core.usage import Usage
from omni_tui.llm.catalog import Catalog
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.scripted import ScriptedProvider
from omni_tui.llm.tokens import Gauge, estimate_message, estimate_tokens
from omni_tui.session.context import ContextPolicy, ContextUse
from omni_tui.session.manager import SessionManager
from omni_tui.session.session import Session
from omni_tui.session.setup import Setup
from omni_tui.session.store.base import Store
from omni_tui.session.store.memory import MemoryStore
from omni_tui.session.store.sqlite import SQLiteStore

SYSTEM = "s" * 400


def manager_of(store: Store | None = None, window: int | None = 10_000) -> SessionManager:
    fields: dict[str, Any] = {} if window is None else {"context": window}
    registry = ProviderRegistry(
        {"scripted": lambda: ScriptedProvider(lambda _: "r" * 400)},
        catalog=Catalog(overrides={"scripted/script": fields}),
    )
    setup = Setup(retry=AT_ONCE, context=ContextPolicy(strategy="off"))
    return SessionManager(
        store or MemoryStore(), default_model="scripted/script", registry=registry, setup=setup
    )


def use(session: Session) -> ContextUse:
    return session.context_use(session.tree.head)


def last_usage(session: Session) -> Usage:
    usage = session.tree[session.tree.path[-1]].usage
    assert usage is not None
    return usage


async def test_an_empty_session_reads_its_system_prompt() -> None:
    async with manager_of() as manager:
        session = manager.create(system=SYSTEM)
        assert use(session) == ContextUse(used=100, window=None, estimated=True)


async def test_after_a_step_its_own_count_is_what_is_used() -> None:
    async with manager_of() as manager:
        session = manager.create(system=SYSTEM)
        await session.prompt("q" * 4000)
        assert last_usage(session) == Usage(input=1100, output=100)
        assert use(session) == ContextUse(used=1200, window=10_000, estimated=False)
        assert use(session).part == 0.12


async def test_what_came_since_is_estimated_and_corrected_by_the_last_count() -> None:
    async with manager_of() as manager:
        session = manager.create(system=SYSTEM)
        await session.prompt("q" * 4000)
        before = estimate_tokens(session.tree.messages(2), system=SYSTEM)
        tip = session.tree.add(Message.user("n" * 2000), parent=2).id
        more = estimate_message(session.tree[tip].message)
        assert session.context_use(tip) == ContextUse(
            used=Gauge(1200, before).tokens(before + more), window=10_000, estimated=False
        )
        assert session.context_use(2).used == 1200


async def test_a_conversation_nobody_counted_is_estimated() -> None:
    async with manager_of() as manager:
        session = manager.create()
        session.tree.push(Message.user("q" * 400))
        session.tree.push(Message.assistant("r" * 400))
        assert use(session) == ContextUse(used=2 * 104, window=None, estimated=True)


async def test_the_window_is_not_known_before_the_catalogue_is_read_or_when_it_says_nothing() -> (
    None
):
    async with manager_of() as manager:
        session = manager.create()
        assert use(session).window is None
        await manager.registry.catalog.load()
        assert use(session).window == 10_000
    async with manager_of(window=None) as manager:
        session = manager.create()
        await session.prompt("Hi")
        assert (use(session).window, use(session).part) == (None, None)
        session.set_model("nobody/serves-this")
        assert use(session).window is None


async def test_a_summary_makes_it_less_and_taking_it_back_makes_it_as_before() -> None:
    async with manager_of() as manager:
        session = manager.create(system=SYSTEM)
        for _ in range(3):
            await session.prompt("q" * 4000)
        whole = use(session)
        summary = await session.compact(4)
        shorter = use(session)
        assert shorter.used < whole.used / 2
        assert not shorter.estimated
        session.prune(summary.id)
        assert use(session) == whole
        session.restore(summary.id)
        assert use(session) == shorter
        await session.prompt("next")
        after = use(session)
        assert after.used == last_usage(session).read + last_usage(session).output
        session.prune(summary.id)  # this step read it, so the whole is estimated from its measure
        assert use(session).used > after.used * 1.5


async def test_after_reloading_it_is_the_same_and_no_message_is_read_for_it(tmp_path: Path) -> None:
    async with manager_of(SQLiteStore(tmp_path / "s.db")) as manager:
        session = manager.create(system=SYSTEM)
        for _ in range(3):
            await session.prompt("q" * 4000)
        await session.compact(2)
        await session.prompt("q" * 4000)
        before, id = use(session), session.id
    async with manager_of(SQLiteStore(tmp_path / "s.db")) as manager:
        session, _ = await manager.open(id)
        await manager.registry.catalog.load()
        assert use(session) == before
        assert all(node._message is None for node in session.tree.nodes.values())


async def test_after_reloading_nobody_knows_what_a_step_read_when_a_summary_was_taken_back(
    tmp_path: Path,
) -> None:
    async with manager_of(SQLiteStore(tmp_path / "s.db")) as manager:
        session = manager.create(system=SYSTEM)
        for _ in range(3):
            await session.prompt("q" * 4000)
        summary = await session.compact(4)
        await session.prompt("next")
        session.prune(summary.id)
        id = session.id
    async with manager_of(SQLiteStore(tmp_path / "s.db")) as manager:
        session, _ = await manager.open(id)
        messages = session.tree.messages(session.tree.head)
        assert use(session).estimated
        assert use(session).used == estimate_tokens(messages, system=SYSTEM)


async def test_asked_again_nothing_is_measured_again(monkeypatch: Any) -> None:
    async with manager_of() as manager:
        session = manager.create(system=SYSTEM)
        await session.prompt("q" * 4000)
        session.tree.push(Message.user("n" * 2000))
        first = use(session)

        def no(*_: object) -> None:
            raise AssertionError("measured again")

        monkeypatch.setattr(session.compactor.meter, "_measure", no)
        assert use(session) == first
