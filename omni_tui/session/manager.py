"""Many sessions over one store: create, open, close, delete, rename, list, search."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from omni_tui.agent.subscription import Subscription
from omni_tui.core.errors import NotFoundError, SessionLockedError, UnknownModelError
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.base import Model
from omni_tui.session.branching import forked
from omni_tui.session.feed import Feed, OpenSession
from omni_tui.session.runs import BranchRun
from omni_tui.session.session import Session
from omni_tui.session.setup import Setup
from omni_tui.session.store.base import (
    SessionRecord,
    SessionSummary,
    Store,
    StoredSession,
    new_session_id,
)
from omni_tui.session.store.checking import require_store
from omni_tui.session.store.hits import Hit
from omni_tui.session.tree import Tree

WhenLocked: TypeAlias = Literal["refuse", "take_over", "read_only"]

WINDOW = 200
"""Messages that are read before a session is open; the others come while it is shown."""

IDLE_SHUTDOWN_AFTER = 300.0
"""Seconds an idle session that nobody looks at stays open."""


class SessionManager:
    """Owns the open sessions. Enclose the faces in it: leaving it stops runs and writes all.

    Args:
        store: Where sessions are kept; closed with the manager.
        default_model: For sessions that name none, or one that is gone.
        setup: What agents are made from.
        registry: Finds providers; closed with the manager.
        idle_shutdown_after: Seconds after its last run until a session that was left is closed;
            `None` leaves it open.

    Raises `TypeError` for a store that lacks a verb, naming it.
    """

    def __init__(
        self,
        store: Store,
        *,
        default_model: str | Model = "demo/chat",
        setup: Setup | None = None,
        registry: ProviderRegistry | None = None,
        idle_shutdown_after: float | None = IDLE_SHUTDOWN_AFTER,
    ) -> None:
        require_store(store)
        self.store = store
        self.default_model = default_model
        self.setup = setup or Setup()
        self.registry = registry or ProviderRegistry()
        self.idle_shutdown_after = idle_shutdown_after
        self._open: dict[str, Session] = {}
        self._feed = Feed()
        self._leaving: dict[str, asyncio.Task[None]] = {}
        """Tasks that wait until a session nobody looks at is idle."""
        self._closing: dict[str, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.shut_down()

    def create(
        self,
        *,
        model: str | Model | None = None,
        system: str | None = None,
        options: Mapping[str, Any] | None = None,
        setup: Setup | None = None,
    ) -> Session:
        """A new session. It gets its row in the store with its first message, not before.

        `options` are fields of `Options` that the session keeps, over those of the set-up; see
        `Session.set_options`, also for what wrong ones raise.
        """
        setup = setup or self.setup
        model = model or self.default_model
        record = SessionRecord(
            id=new_session_id(),
            model=str(model),
            system=system,
            cwd=str(setup.cwd or Path.cwd()),
        )
        session = self._make(record, model, setup)
        session.set_options(**(options or {}))
        self._add(session)
        return session

    async def fork(self, id: str, node_id: int) -> Session:
        """A new session that begins with the path to a node of another, open or stored.

        The other stays as it is; the new one's record says where it came from.

        Raises:
            NotFoundError: There is no session `id`.
            NodeNotFoundError: It has no such node.
        """
        if (source := self._open.get(id)) is not None:
            record, tree = forked(source.record, source.tree, node_id)
            model, setup = source.model, source.setup
        else:
            stored = await self.store.load(id)
            record, tree = forked(stored.record, stored.tree, node_id)
            (model, _), setup = self._choose(None, record.model), self.setup
        session = self._make(record, model, setup, tree, stored=False)
        self._add(session)
        session.tree_changed(new=tuple(tree.nodes))
        return session

    def _make(
        self,
        record: SessionRecord,
        model: str | Model,
        setup: Setup,
        tree: Tree | None = None,
        *,
        stored: bool = False,
        is_read_only: bool = False,
    ) -> Session:
        return Session(
            record,
            model=model,
            tree=tree,
            setup=setup,
            registry=self.registry,
            store=None if is_read_only else self.store,
            stored=stored,
            is_read_only=is_read_only,
            home=self,
        )

    def _add(self, session: Session) -> None:
        self._open[session.id] = session
        self.changed(session)

    def changed(self, session: Session) -> None:
        """Tell of a session's status and title, if they are others now; the session calls it."""
        if self._open.get(session.id) is session:
            self._feed.show(OpenSession(id=session.id, title=session.title, status=session.status))

    def subscribe(self) -> tuple[tuple[OpenSession, ...], Subscription]:
        """The open sessions, and then what happens to them.

        The payloads are `SessionOpened`, `SessionStatusChanged`, `SessionTitleChanged` and
        `SessionClosed`, each in an `Event` with the `session_id`.
        """
        return self._feed.subscribe()

    # Sessions of sub-agents

    async def find_child(self, id: str, node: int, use: str) -> str | None:
        """The session that a tool use of session `id` began, in the message `node`, if any."""
        for session in reversed(self._open.values()):
            record = session.record
            if (record.parent_id, record.parent_node, record.parent_use) == (id, node, use):
                return session.id
        return await self.store.child(id, node, use)

    async def open_child(self, id: str) -> Session:
        """Open a session for work: it is closed when it is idle, unless somebody looks at it.

        What is to run must begin before anything is awaited. Raises as `open` does.
        """
        is_looked_at = id in self._open and id not in self._leaving
        session, _ = await self.open(id)
        if not is_looked_at:
            self.leave(id, after=0.0)
        return session

    def create_child(self, branch: BranchRun, use: str, title: str) -> Session:
        """A new session beneath the branch's own, for a tool use of its tip.

        It has the model of the run and all else of the session above; it is closed as one that
        `open_child` opens.
        """
        above = branch.session
        record = SessionRecord(
            id=new_session_id(),
            title=title,
            model=str(branch.agent.model),
            system=above.record.system,
            options=above.record.options,
            cwd=above.record.cwd,
            approvals=above.record.approvals,
            parent_id=above.id,
            parent_node=branch.tip,
            parent_use=use,
            depth=above.record.depth + 1,
        )
        setup = msgspec.structs.replace(above.setup, permissions=above.permissions, output=None)
        session = self._make(record, branch.agent.model, setup)
        self._add(session)
        self.leave(session.id, after=0.0)
        return session

    # Opening and closing

    async def open(
        self,
        id: str,
        *,
        model: str | Model | None = None,
        options: Mapping[str, Any] | None = None,
        setup: Setup | None = None,
        when_locked: WhenLocked = "refuse",
    ) -> tuple[Session, str | None]:
        """The session with this full id, open already or loaded, and a notice for the person.

        The model is `model` if given, else the stored one; one that is gone gives way to the
        default with a notice. `options` (see `create`) win over the stored ones, and those over the
        set-up's. `when_locked` says what to do while another process has it open: refuse, take it
        over (the other cannot save any more), or open it for reading alone.

        Raises:
            NotFoundError: There is none.
            SessionLockedError: Another process has it open.
        """
        self.keep(id)
        if (closing := self._closing.get(id)) is not None:
            await asyncio.wait([closing])
        if (known := self._open.get(id)) is not None and known.is_read_only:
            await self.close(id)  # perhaps it is free now
        if id not in self._open:
            stored, is_read_only = await self._claim(id, when_locked)
        if (session := self._open.get(id)) is not None:  # perhaps opened by another meanwhile
            if model is not None:
                session.set_model(model)
            session.set_options(**(options or {}))
            return session, None
        chosen, notice = self._choose(model, stored.record.model)
        setup = setup or self.setup
        if is_read_only:
            session = self._make(stored.record, chosen, setup, stored.tree, is_read_only=True)
            self._add(session)
            return session, "It is open elsewhere: here it can only be read."
        session = self._make(stored.record, chosen, setup, stored.tree, stored=True)
        if model is not None and str(model) != stored.record.model:
            session.set_model(model)
        session.set_options(**(options or {}))
        self._add(session)
        return session, notice

    async def _claim(self, id: str, when_locked: WhenLocked) -> tuple[StoredSession, bool]:
        """What is stored, and whether it can only be read because another process has it."""
        try:
            await self.store.lease(id, take_over=when_locked == "take_over")
        except SessionLockedError:
            if when_locked != "read_only":
                raise
            return await self.store.load(id, window=WINDOW), True
        try:
            return await self.store.load(id, window=WINDOW), False
        except BaseException:
            await self.store.release(id)
            raise

    def _choose(
        self, wanted: str | Model | None, stored: str | None
    ) -> tuple[str | Model, str | None]:
        if wanted is not None:
            return wanted, None
        if stored is None:
            return self.default_model, None
        if isinstance(self.default_model, Model) and str(self.default_model) == stored:
            return self.default_model, None
        try:
            return self.registry.resolve(stored), None
        except UnknownModelError as error:
            return self.default_model, f"{error.message} Using {self.default_model} instead."

    async def close(self, id: str) -> None:
        """Stop a session's runs and put it away; the store keeps it. Unknown ids are fine."""
        self.keep(id)
        session = self._open.pop(id, None)
        if session is not None:
            self._feed.drop(id)
            task = asyncio.get_running_loop().create_task(self._put_away(session), name="close")
            self._closing[id] = task
        if (closing := self._closing.get(id)) is not None:
            # Whoever asked may give up waiting; half closed is no state to leave a session in.
            await asyncio.shield(closing)

    def leave(self, id: str, *, after: float | UnsetType | None = UNSET) -> None:
        """Nobody looks at this session any more: close it when it has been idle for long enough.

        `after` takes the place of `idle_shutdown_after`. A session without a message goes at once.
        """
        session = self._open.get(id)
        if session is None or id in self._leaving:
            return
        patience = self.idle_shutdown_after if after is UNSET else after
        if not len(session.tree):
            patience = 0.0
        if patience is not None:
            closing = self._close_when_idle(session, patience)
            self._leaving[id] = asyncio.get_running_loop().create_task(closing)

    def keep(self, id: str) -> None:
        """Somebody looks again: undo `leave`."""
        if (task := self._leaving.pop(id, None)) is not None:
            task.cancel()

    async def _close_when_idle(self, session: Session, patience: float) -> None:
        while session.runs or (left := session.idle_since + patience - time.monotonic()) > 0:
            if session.runs:
                await next(iter(session.runs.values())).run.wait()
            else:
                await asyncio.sleep(left)
        del self._leaving[session.id]
        await self.close(session.id)

    async def _put_away(self, session: Session) -> None:
        try:
            await session.close()
            if not session.is_read_only:
                await self.store.release(session.id)
        finally:
            del self._closing[session.id]

    async def delete(self, id: str) -> None:
        """Close and remove a session, running or stored, and all beneath it.

        Raises `NotFoundError` when it is neither.
        """
        was_open = id in self._open
        await self.close(id)
        try:
            await self.store.delete(id)
        except NotFoundError:
            if not was_open:
                raise
        while (orphan := await self._orphan()) is not None:
            await self.close(orphan)

    async def _orphan(self) -> str | None:
        """An open session whose parent is gone."""
        for session in self.list_open():
            above = session.record.parent_id
            if above is not None and above not in self._open and not await self.store.exists(above):
                return session.id
        return None

    async def rename(self, id: str, title: str | None) -> None:
        """Give a session a title by hand, running or stored."""
        if (session := self._open.get(id)) is not None:
            session.rename(title)
        else:
            await self.store.save_state(id, title=title, title_is_manual=title is not None)

    async def list_stored(
        self, limit: int = 50, before: SessionSummary | None = None
    ) -> list[SessionSummary]:
        """Stored sessions, those used last first; `before` is the last of the page before."""
        return await self.store.list(limit, before)

    async def search(
        self, query: str, *, limit: int = 20, offset: int = 0, session_id: str | None = None
    ) -> tuple[Hit, ...]:
        """What was said in all sessions, up to this moment; see `Store.search`."""
        savers = [session.saver for session in self._open.values() if session.saver is not None]
        await asyncio.gather(*(saver.flush() for saver in savers))
        return await self.store.search(query, limit=limit, offset=offset, session_id=session_id)

    def list_open(self) -> list[Session]:
        """The sessions in memory: the one in view, and those whose runs go on."""
        return list(self._open.values())

    async def shut_down(self) -> None:
        """Close every session and the store."""
        for id in list(self._leaving):
            self.keep(id)
        ids = {*self._open, *self._closing}
        await asyncio.gather(*map(self.close, ids), return_exceptions=True)
        self._feed.close()
        await self.registry.close()
        await self.store.close()
