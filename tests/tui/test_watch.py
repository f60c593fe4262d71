"""What goes on in sessions nobody looks at, and what is new there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.scripted import Call, ScriptedProvider
from omni_tui.session.manager import SessionManager
from omni_tui.session.setup import Setup
from omni_tui.session.store.memory import MemoryStore
from omni_tui.tools.builtin import builtin_tools
from omni_tui.tools.permissions import Permissions
from omni_tui.tui.watch import News, SessionWatch


class Watching:
    """A manager, and a person who looks at one session."""

    def __init__(self) -> None:
        provider = ScriptedProvider(["one", "two", [Call("bash", {"command": "rm x"})]])
        self.manager = SessionManager(
            MemoryStore(),
            setup=Setup(tools=builtin_tools(), permissions=Permissions(Path.cwd())),
            registry=ProviderRegistry({"demo": lambda: provider}),
            idle_shutdown_after=0.0,
        )
        self.in_view = ""
        self.watch = SessionWatch(self.manager, lambda: self.in_view)
        self.told = asyncio.Event()
        self.watch.on_change = self.told.set

    async def until(self, id: str, news: News | None) -> None:
        """Wait until this is told of the session; the test's time limit ends a vain wait."""
        while self.watch.news_of(id) != news:
            self.told.clear()
            await self.told.wait()


@asynccontextmanager
async def watching() -> AsyncIterator[Watching]:
    made = Watching()
    task = asyncio.create_task(made.watch.follow())
    async with made.manager:
        yield made
    await task  # it ends with the manager


async def test_a_run_that_ends_elsewhere_is_news_until_somebody_looks() -> None:
    async with watching() as it:
        session = it.manager.create(model="demo/chat")
        await session.prompt("Hello")
        await it.until(session.id, "new")
        it.watch.seen(session.id)
        assert it.watch.news_of(session.id) is None


async def test_a_run_that_ends_in_view_is_no_news() -> None:
    async with watching() as it:
        session = it.manager.create(model="demo/chat")
        it.in_view = session.id
        await session.prompt("Hello")
        other = it.manager.create(model="demo/chat")
        other.halt()
        await it.until(other.id, "halted")  # all that came before was told
        assert it.watch.news_of(session.id) is None


async def test_news_outlive_the_closing_of_the_session() -> None:
    async with watching() as it:
        session = it.manager.create(model="demo/chat")
        await session.prompt("Hello")
        await it.until(session.id, "new")
        await it.manager.close(session.id)
        other = it.manager.create(model="demo/chat")
        other.halt()
        await it.until(other.id, "halted")
        assert it.watch.news_of(session.id) == "new"


async def test_a_question_goes_before_all_else() -> None:
    async with watching() as it:
        session = it.manager.create(model="demo/chat")
        await session.prompt("Hello")
        await session.prompt("And?")
        await it.until(session.id, "new")
        session.prompt("Tidy up")
        await it.until(session.id, "asks")
        session.cancel()
        await it.until(session.id, "new")


async def test_what_was_open_before_is_known_at_once() -> None:
    it = Watching()
    async with it.manager:
        session = it.manager.create(model="demo/chat")
        session.halt()
        task = asyncio.create_task(it.watch.follow())
        while it.watch.news_of(session.id) != "halted":
            await asyncio.sleep(0)
    await task
