"""What the session tests share: sessions of a script, and stores that wait or refuse."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Unpack

from agent_helpers import labels

from omni_tui.agent.events import Event
from omni_tui.agent.subscription import Subscription
from omni_tui.core.errors import StoreError, StoreUnavailableError
from omni_tui.llm.providers.scripted import Reply, ScriptedProvider
from omni_tui.llm.retry import RetryPolicy
from omni_tui.session.session import Session
from omni_tui.session.setup import Setup
from omni_tui.session.store.base import SessionRecord, State, Store
from omni_tui.session.store.memory import MemoryStore
from omni_tui.session.tree import Changes, Tree

AT_ONCE = RetryPolicy(base=0.0)


def make_session(
    replies: Iterable[Reply] | ScriptedProvider,
    *,
    store: Store | None = None,
    permissions: Any = None,
    **setup: Any,
) -> Session:
    """A session of a script, alone; with a store it is written there."""
    provider = replies if isinstance(replies, ScriptedProvider) else ScriptedProvider(replies)
    return Session(
        SessionRecord(id="session-of-tests"),
        model=provider.model(),
        setup=Setup(retry=AT_ONCE, permissions=permissions, **setup),
        store=store,
    )


class HeldStore(MemoryStore):
    """Every write after the first `free` ones waits until it is let go."""

    def __init__(self, *, holds: bool = True, free: int = 0) -> None:
        super().__init__()
        self.holds = holds
        self.free = free
        self.waiting: list[asyncio.Event] = []
        self.writes: list[str] = []

    async def _hold(self, what: str) -> None:
        self.writes.append(what)
        if self.free:
            self.free -= 1
        elif self.holds:
            gate = asyncio.Event()
            self.waiting.append(gate)
            await gate.wait()

    async def let_go(self) -> None:
        """Wait for a write, and let it through."""
        while not self.waiting:
            await asyncio.sleep(0)
        self.waiting.pop(0).set()

    def let_all_go(self) -> None:
        """Hold nothing any more."""
        self.holds = False
        for gate in self.waiting:
            gate.set()
        self.waiting.clear()

    async def create(self, record: SessionRecord) -> None:
        await self._hold("create")
        await super().create(record)

    async def save_tree(self, id: str, changes: Changes) -> None:
        await self._hold("tree")
        await super().save_tree(id, changes)

    async def save_state(self, id: str, **changes: Unpack[State]) -> None:
        await self._hold("state")
        await super().save_state(id, **changes)


class FailingStore(MemoryStore):
    """Refuses writes while `broken` holds an error."""

    def __init__(self) -> None:
        super().__init__()
        self.broken: Exception | None = StoreUnavailableError("disk full")
        self.refused = 0

    def _check(self) -> None:
        if self.broken is not None:
            self.refused += 1
            raise self.broken

    async def create(self, record: SessionRecord) -> None:
        self._check()
        await super().create(record)

    async def save_tree(self, id: str, changes: Changes) -> None:
        self._check()
        await super().save_tree(id, changes)

    async def save_state(self, id: str, **changes: Unpack[State]) -> None:
        self._check()
        await super().save_state(id, **changes)


async def flush(session: Session) -> StoreError | None:
    """Have all written; why it could not be, if it could not."""
    assert session.saver is not None
    await session.saver.flush()
    return session.saver.error


async def quiet(rounds: int = 50) -> None:
    """Let everything go on that can go on without waiting for anything."""
    for _ in range(rounds):
        await asyncio.sleep(0)


async def heard(session: Session, subscription: Subscription) -> list[Event]:
    """All that was told so far, when everything is written."""
    if session.saver is not None:
        await session.saver.flush()
    subscription.put(Event(payload=None, seq=0))  # so that there is something to wait for
    return (await subscription.batch())[:-1]


def without_deltas(events: Iterable[Event]) -> list[str]:
    """Event names, but for those of blocks on their way."""
    ends = ("_start", "_delta", "_end")
    return [name for name in labels(events) if not name.endswith(ends)]


def shape(tree: Tree) -> dict[str, object]:
    """All that places nodes and people in a tree, for comparing two."""
    return {
        "nodes": list(tree.nodes.values()),
        "path": tree.path,
        "cursors": dict(tree.cursors),
    }


def path_of(session: Session) -> tuple[int, ...]:
    """The active path."""
    return session.tree.path


def status_of(session: Session, node_id: int) -> str:
    """Whether a node is done, cancelled or failed."""
    return session.tree[node_id].status


def texts(tree: Tree) -> list[str]:
    """The active path, in words."""
    return [tree[node_id].message.text for node_id in tree.path]
