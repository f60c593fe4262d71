"""A session: one conversation tree, the runs that grow it, and what is kept of it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from omni_tui.agent.decisions import Answer
from omni_tui.agent.events import Event, Paused, Resumed, StateChanged
from omni_tui.agent.hooks import Hooks
from omni_tui.agent.queue import WhenBusy
from omni_tui.agent.run import Run
from omni_tui.agent.subscription import Subscription
from omni_tui.core.errors import (
    AgentError,
    BusyError,
    HaltedError,
    IdleError,
    SessionLockedError,
)
from omni_tui.core.messages import Block, Content, as_blocks
from omni_tui.core.tool import Tool
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.base import Model
from omni_tui.session.agents import make_agent, require_reader
from omni_tui.session.branching import Branching
from omni_tui.session.compaction import Compacting, Compactor
from omni_tui.session.events import TitleChanged, TreeChanged
from omni_tui.session.feed import SessionStatus
from omni_tui.session.keeping import Keeping
from omni_tui.session.looking import Looking
from omni_tui.session.merging import MergeNote, Merging
from omni_tui.session.options import overlay
from omni_tui.session.partials import Partials, recover
from omni_tui.session.resting import Resting
from omni_tui.session.runs import BranchRun
from omni_tui.session.saving import Saver
from omni_tui.session.setup import Setup, own_permissions
from omni_tui.session.store.base import SessionRecord, Store
from omni_tui.session.task import Home
from omni_tui.session.titles import Titler
from omni_tui.session.tree import Tree

log = logging.getLogger(__name__)

_OF_STATUS = frozenset((Paused, Resumed, StateChanged, TitleChanged))
"""Events after which the session as a whole may have another status or title."""


class Session(Branching, Merging, Looking, Keeping, Compacting):
    """A branching conversation.

    Make one with `SessionManager.create` or `open`; alone it works too. `store=None` keeps nothing.
    """

    def __init__(
        self,
        record: SessionRecord,
        *,
        model: str | Model,
        tree: Tree | None = None,
        setup: Setup | None = None,
        registry: ProviderRegistry | None = None,
        store: Store | None = None,
        stored: bool = False,
        home: Home | None = None,
        is_read_only: bool = False,
    ) -> None:
        self.record = record
        self.is_read_only = is_read_only
        """Whether another process has it open: then nothing can be asked or changed here."""
        self.model = model
        self.tree = tree or Tree()
        self.setup = setup or Setup()
        self.options = overlay(self.setup.options, record.options)
        """How the model is asked: as the set-up says, but for what this session has of its own."""
        self.runs: dict[str, BranchRun] = {}
        """The runs under way, by run id."""
        self.children: set[Session] = set()
        """The sessions of sub-agents at work for this one."""
        self.store = store
        self.saver = Saver(store, self.tree, record, self.publish, stored=stored) if store else None
        self.private: dict[str, Any] = {}
        """Scratch that the tools of all its agents share; never stored."""
        self.is_halted = False
        """Whether nothing new may begin; see `halt`."""
        self._retiring: set[asyncio.Task[None]] = set()
        """The ends of agents whose branch is done, and of their leases."""
        self._resting = Resting()
        self.partials = Partials(lambda kept: self._change(partials=kept))
        self._frozen: list[BranchRun] = []
        """Branches on which something waits for `unhalt`."""
        self.idle_since = time.monotonic()
        """When the last run ended, on the monotonic clock."""
        self._viewers = 0
        self._registry = registry or ProviderRegistry()
        self._owns_registry = registry is None
        self._home = home
        self.compactor = Compactor(self, self._registry)
        self.titler = Titler(self, self._registry, self._retitle)
        self.seq = 0
        """The number of the last event."""
        self._subscriptions: list[Subscription] = []
        self._closed = False
        self.permissions = own_permissions(self.setup.permissions, record.approvals)
        """This session's rules: those of the set-up, and what was allowed here."""
        if record.partials and self.saver is not None:
            if recover(record, self.tree):
                self.saver.tree_changed()
            self._change(partials={})

    @property
    def id(self) -> str:
        """22 characters, URL-safe."""
        return self.record.id

    @property
    def title(self) -> str | None:
        """What the session is called; `None` until it has a first answer."""
        return self.record.title

    @property
    def is_busy(self) -> bool:
        """Whether any branch has a run under way."""
        return bool(self.runs)

    @property
    def status(self) -> SessionStatus:
        """What it does as a whole: `paused` when any branch waits for an answer."""
        if any(branch.paused is not None for branch in self.runs.values()):
            return "paused"
        if self.runs:
            return "busy"
        return "halted" if self.is_halted else "idle"

    # Talking

    def prompt(
        self,
        content: Content | None,
        *,
        at: int | msgspec.UnsetType | None = msgspec.UNSET,
        when_busy: WhenBusy = "reject",
        hooks: Sequence[Hooks] = (),
        tools: Sequence[Tool] = (),
        model: str | Model | None = None,
    ) -> Run:
        """Ask, under the head or under the node `at` (`None`: as a new root).

        `content=None` goes on from a node that waits for an answer: a prompt, or open tool uses.
        `when_busy` says what happens while a run grows this very branch: see `Agent.prompt`. A
        steering text that could not go in becomes the draft of its branch. `hooks` and `tools` come
        to those of the set-up for a run of its own, which never waits behind another (but what is
        queued behind it shares them); the rules of this session decide before the hooks do. So it
        is with `model`, whom to ask this once.

        Raises:
            BusyError: A run grows this very branch, and the prompt may not wait; `HaltedError` when
                the session is halted.
            QueueFullError: `max_pending` prompts wait on this branch.
            NodeNotFoundError: `at` is not in the tree.
            UnsupportedModalityError: Something is attached that neither the model nor a fallback
                can read; nothing was written.
        """
        tip = self.tree.head if at is msgspec.UNSET else at
        busy = None if tip is None else self.run_at(tip)
        if busy is None and self.is_halted and when_busy != "queue":
            raise _halted()
        if busy is None:
            busy = next((frozen for frozen in self._frozen if frozen.tip == tip), None)
        if content is None or busy is None or when_busy == "reject" or hooks or tools or model:
            return self._start(tip, content, hooks=hooks, tools=tools, model=model)
        blocks = as_blocks(content)
        self._require_readable(blocks)
        return busy.agent.prompt(blocks, when_busy=when_busy)

    def resume(self, answer: Answer, run_id: str | None = None) -> None:
        """Answer the question a run waits for; by default the one on the active path.

        Raises `IdleError` when none waits.
        """
        branch = self.runs.get(run_id) if run_id else self.active_run
        if branch is None:
            raise IdleError("No run waits for an answer.")
        branch.agent.resume(answer)

    def cancel(self, run_id: str | None = None) -> bool:
        """Stop a run, by default the one on the active path; says whether there was one."""
        branch = self.runs.get(run_id) if run_id else self.active_run
        return branch is not None and branch.run.cancel()

    def halt(self) -> None:
        """Let every turn under way come to its end, and none begin; what waits keeps waiting."""
        if not self.is_halted:
            self.is_halted = True
            for branch in self.runs.values():
                branch.agent.halt()
            self.publish(StateChanged(fields=("halted",)))

    def unhalt(self) -> None:
        """Go on, with what waits."""
        if self.is_halted:
            self.is_halted = False
            frozen, self._frozen = self._frozen, []
            for branch in (*self.runs.values(), *frozen):
                branch.agent.unhalt()
            self.publish(StateChanged(fields=("halted",)))

    def _start(
        self,
        tip: int | None,
        content: Content | None,
        *,
        go_there: bool = False,
        hooks: Sequence[Hooks] = (),
        tools: Sequence[Tool] = (),
        model: str | Model | None = None,
        note: MergeNote | None = None,
    ) -> Run:
        if self._closed:
            raise AgentError("The session is closed.")
        self.require_writable()
        if self.is_halted and (content is None or go_there):
            raise _halted()
        # A prompt may be answered several times at once: every answer is a branch of its own.
        is_shared = tip is None or (content is None and self.tree[tip].kind == "prompt")
        if tip is not None and not is_shared and (busy := self.run_at(tip)):
            status = busy.agent.status
            raise BusyError(
                "This branch is still being answered.", hint="wait, or stop it", status=status
            )
        blocks = None if content is None else as_blocks(content)
        self._require_readable(blocks or (), model)
        came_from = self.tree.head
        if is_shared and came_from == tip and (beside := self.runs_at(tip)):
            came_from = beside[0].came_from  # where a person was before the first of them
        is_plain = content is not None and not (hooks or tools or model)
        branch = self._resting.take(tip, self) if is_plain and tip is not None else None
        if branch is None:
            branch = BranchRun(self, tip, came_from, hooks, is_plain=not (hooks or tools))
            branch.agent = make_agent(
                self, branch, self._registry, self._home, hooks, tools, model or self.model
            )
        branch.came_from = came_from
        branch.note = note
        if self.is_halted:
            branch.agent.halt()
            self._frozen.append(branch)
            return branch.agent.prompt(blocks, when_busy="queue")
        branch.agent.prompt(blocks)
        if go_there and tip != came_from:
            self.tree.navigate(tip)
            self.tree_changed()
        return branch.run

    def require_writable(self) -> None:
        """Raise `SessionLockedError` if another process has the session open."""
        if self.is_read_only:
            raise SessionLockedError(
                "The session is open elsewhere: here it can only be read.",
                hint="open it again to take it over, or fork it",
                id=self.id,
            )

    def _require_readable(
        self, blocks: tuple[Block, ...], model: str | Model | None = None
    ) -> None:
        require_reader(blocks, (model or self.model, *self.setup.fallbacks), self._registry)

    def run_began(self, branch: BranchRun) -> None:
        """Know a run while it goes on; called by the run."""
        self.runs[branch.run.id] = branch
        self._resting.discard(branch)
        self._changed()

    def run_ended(self, branch: BranchRun, run: Run) -> None:
        """Free the branch, and find a title after the first turn; called by the run."""
        if self.runs.pop(run.id, None) is None:
            return  # it was cancelled while it waited
        self.idle_since = time.monotonic()
        self._changed()
        if self.is_halted and branch.agent.health().pending_count:
            self._frozen.append(branch)
        elif (leaving := self._resting.add(branch) if branch.is_plain else branch) is not None:
            self._retire(leaving)
        self.titler.turn_ended(branch.tip)

    def _retire(self, branch: BranchRun) -> None:
        self.finish(asyncio.get_running_loop().create_task(branch.retire()))

    def finish(self, task: asyncio.Task[None]) -> None:
        """Let a task come to its end before the session is closed."""
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    # Telling

    def subscribe(self, role: Literal["viewer", "observer"] = "observer") -> Subscription:
        """Every event from now on; read the state itself from `tree` and `runs`.

        While a viewer listens, a manager keeps the session open; when the last one leaves, it
        closes the session some time after its last run. An observer makes no difference.
        """
        is_viewer = role == "viewer"

        def closed(subscription: Subscription) -> None:
            self._subscriptions.remove(subscription)
            if is_viewer:
                self._viewers -= 1
                if not self._viewers and self._home is not None and not self._closed:
                    self._home.leave(self.id)

        subscription = Subscription(on_close=closed)
        self._subscriptions.append(subscription)
        if is_viewer:
            self._viewers += 1
            if self._home is not None:
                self._home.keep(self.id)
        return subscription

    def publish(
        self, payload: Any, branch: BranchRun | None = None, run: Run | None = None
    ) -> None:
        """Send an event to every listener."""
        self.seq += 1
        if branch is not None:
            event = branch.envelope(payload, self.seq, run)
            if run is not None:
                run.publish(event)
        else:
            event = Event(payload=payload, seq=self.seq, session_id=self.id)
        for subscription in self._subscriptions:
            subscription.put(event)
        if type(payload) in _OF_STATUS:
            self._changed()

    def _changed(self) -> None:
        if self._home is not None:
            self._home.changed(self)

    def tree_changed(
        self, *, new: tuple[int, ...] = (), changed: tuple[int, ...] = ()
    ) -> asyncio.Future[None] | None:
        """Tell of a change of the tree and have it written."""
        self.publish(TreeChanged(new=new, changed=changed))
        return self.saver.tree_changed() if self.saver else None

    async def close(self) -> None:
        """Stop every run, keep what they completed, and write what is due."""
        self._closed = True
        branches = [*self.runs.values(), *self._frozen, *self._resting.clear()]
        await asyncio.gather(*(branch.agent.close() for branch in branches))
        if self._retiring:
            await asyncio.wait(self._retiring)
        await asyncio.gather(self.compactor.close(), self.titler.close())
        self.partials.close()
        if self.saver is not None:
            await self.saver.close()
        for subscription in list(self._subscriptions):
            subscription.close()
        if self._owns_registry:
            await self._registry.close()


def _halted() -> HaltedError:
    return HaltedError("The session is halted.", hint="unhalt it first", status="halted")
