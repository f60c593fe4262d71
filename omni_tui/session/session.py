"""A session: one conversation tree, the runs that grow it, and what is kept of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import msgspec

from omni_tui.agent.decisions import Answer
from omni_tui.agent.events import Event, StateChanged
from omni_tui.agent.hooks import Hooks
from omni_tui.agent.queue import WhenBusy
from omni_tui.agent.run import Run
from omni_tui.agent.subscription import Subscription
from omni_tui.core.errors import (
    AgentError,
    BusyError,
    HaltedError,
    IdleError,
)
from omni_tui.core.messages import Block, Content, as_blocks
from omni_tui.core.tool import Tool
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.base import Model
from omni_tui.session.agents import make_agent, require_reader
from omni_tui.session.branching import Branching
from omni_tui.session.events import TitleChanged, TreeChanged
from omni_tui.session.options import choose, overlay
from omni_tui.session.partials import Partials, recover
from omni_tui.session.resting import Resting
from omni_tui.session.runs import BranchRun
from omni_tui.session.saving import Saver
from omni_tui.session.setup import Setup, own_permissions
from omni_tui.session.store.base import SessionRecord, Store
from omni_tui.session.task import Home
from omni_tui.session.titles import heuristic_title
from omni_tui.session.tree import Tree
from omni_tui.tools.permissions import Mode, Rule

log = logging.getLogger(__name__)


class Session(Branching):
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
    ) -> None:
        self.record = record
        self.model = model
        self.tree = tree or Tree()
        self.setup = setup or Setup()
        self.options = overlay(self.setup.options, record.options)
        """How the model is asked: as the set-up says, but for what this session has of its own."""
        self.runs: dict[str, BranchRun] = {}
        """The runs under way, by run id."""
        self.children: set[Session] = set()
        """The sessions of sub-agents at work for this one."""
        self.saver = Saver(store, self.tree, record, self.publish, stored=stored) if store else None
        self.private: dict[str, Any] = {}
        """Scratch that the tools of all its agents share; never stored."""
        self.is_halted = False
        """Whether nothing new may begin; see `halt`."""
        self._retiring: set[asyncio.Task[None]] = set()
        """The ends of agents whose branch is done."""
        self._resting = Resting()
        self.partials = Partials(lambda kept: self._change(partials=kept))
        self._frozen: list[BranchRun] = []
        """Branches on which something waits for `unhalt`."""
        self._registry = registry or ProviderRegistry()
        self._owns_registry = registry is None
        self._home = home
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

    # Talking

    def prompt(
        self,
        content: Content | None,
        *,
        at: int | msgspec.UnsetType | None = msgspec.UNSET,
        when_busy: WhenBusy = "reject",
        hooks: Sequence[Hooks] = (),
        tools: Sequence[Tool] = (),
    ) -> Run:
        """Ask, under the head or under the node `at` (`None`: as a new root).

        `content=None` goes on from a node that waits for an answer: a prompt, or open tool uses.
        `when_busy` says what happens while a run grows this very branch: see `Agent.prompt`. A
        steering text that could not go in becomes the draft of its branch. `hooks` and `tools` come
        to those of the set-up for a run of its own, which never waits behind another (but what is
        queued behind it shares them); the rules of this session decide before the hooks do.

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
        if content is None or busy is None or when_busy == "reject" or hooks or tools:
            return self._start(tip, content, hooks=hooks, tools=tools)
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

    @property
    def active_run(self) -> BranchRun | None:
        """The run that grows the branch now in view; the newest if there are several."""
        return self.run_at(self.tree.head)

    def run_at(self, node_id: int | None) -> BranchRun | None:
        """The run whose tip is this node."""
        found = None
        for branch in self.runs.values():
            if branch.tip == node_id:
                found = branch
        return found

    def _start(
        self,
        tip: int | None,
        content: Content | None,
        *,
        go_there: bool = False,
        hooks: Sequence[Hooks] = (),
        tools: Sequence[Tool] = (),
        model: str | Model | None = None,
    ) -> Run:
        if self._closed:
            raise AgentError("The session is closed.")
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
        self._require_readable(blocks or ())
        came_from = self.tree.head
        is_plain = content is not None and not (hooks or tools or model)
        branch = self._resting.take(tip, self) if is_plain and tip is not None else None
        if branch is None:
            branch = BranchRun(self, tip, came_from, hooks, is_plain=not (hooks or tools))
            branch.agent = make_agent(
                self, branch, self._registry, self._home, hooks, tools, model or self.model
            )
        branch.came_from = came_from
        if self.is_halted:
            branch.agent.halt()
            self._frozen.append(branch)
            return branch.agent.prompt(blocks, when_busy="queue")
        branch.agent.prompt(blocks)
        if go_there and tip != came_from:
            self.tree.navigate(tip)
            self.tree_changed()
        return branch.run

    def _require_readable(self, blocks: tuple[Block, ...]) -> None:
        require_reader(blocks, (self.model, *self.setup.fallbacks), self._registry)

    def run_began(self, branch: BranchRun) -> None:
        """Know a run while it goes on; called by the run."""
        self.runs[branch.run.id] = branch
        self._resting.discard(branch)

    def run_ended(self, branch: BranchRun, run: Run) -> None:
        """Free the branch, and find a title after the first turn; called by the run."""
        if self.runs.pop(run.id, None) is None:
            return  # it was cancelled while it waited
        if self.is_halted and branch.agent.health().pending_count:
            self._frozen.append(branch)
        elif (leaving := self._resting.add(branch) if branch.is_plain else branch) is not None:
            self._retire(leaving)
        is_untitled = not self.record.title and not self.record.title_is_manual
        if is_untitled:
            self._retitle(heuristic_title(self.tree.messages(branch.tip)))

    def _retire(self, branch: BranchRun) -> None:
        retiring = asyncio.get_running_loop().create_task(branch.retire())
        self._retiring.add(retiring)
        retiring.add_done_callback(self._retiring.discard)

    # Moving about

    def navigate(self, node_id: int | None) -> None:
        """Look at the branch that holds this node, on the tip last used there.

        Never refused, and never stops a run. `None` clears the path: the next prompt is a new root.
        """
        if node_id is None:
            self.tree.navigate(None)
        else:
            self.tree.switch(node_id)
        self.tree_changed()

    def rename(self, title: str | None) -> None:
        """Give the session a title by hand, over any other; `None` lets it find one again."""
        self._retitle(title or None, by_hand=bool(title))

    def set_model(self, model: str | Model) -> None:
        """Use another model from the next run on."""
        self.model = model
        self._change(model=str(model))

    def set_options(self, **chosen: Any) -> None:
        """Ask differently from the next run on, and keep that: fields of `Options`.

        `msgspec.UNSET` for a field leaves it to the set-up again.

        Raises:
            TypeError: `Options` has no such field.
            ValueError: A value is of the wrong kind.
        """
        options = choose(self.record.options, chosen)
        if options != self.record.options:
            self._change(options=options)
            self.options = overlay(self.setup.options, options)

    def set_draft(self, text: str, at: int | None) -> None:
        """Keep what is written but not sent at a node; empty text forgets it."""
        key = str(at or 0)
        drafts = {k: v for k, v in self.record.drafts.items() if k != key}
        if text:
            drafts[key] = text
        if drafts != self.record.drafts:
            self._change(drafts=drafts)

    def hand_back(self, text: str, at: int | None) -> None:
        """Put a text that was not sent before what is written at a node."""
        written = self.draft(at)
        self.set_draft(f"{text}\n\n{written}" if written else text, at)

    def draft(self, at: int | None) -> str:
        """What is written but not sent at a node."""
        return self.record.drafts.get(str(at or 0), "")

    def allow(self, rule: str) -> None:
        """Let tool uses that fit `rule` run unasked in this session, and keep that.

        It holds for the sub-agents now at work here too: they may be who asked.
        """
        if self.permissions is not None:
            self.permissions.add(Rule.parse(rule))
        if rule not in self.record.approvals:
            self._change(approvals=(*self.record.approvals, rule))
        for child in self.children:
            child.allow(rule)

    def disallow(self, rule: str) -> None:
        """Take back what `allow` allowed, here and in the sub-agents now at work here."""
        if rule not in self.record.approvals:
            return
        if self.permissions is not None:
            self.permissions.remove(Rule.parse(rule))
        self._change(approvals=tuple(each for each in self.record.approvals if each != rule))
        for child in self.children:
            child.disallow(rule)

    def set_mode(self, mode: Mode) -> None:
        """Decide otherwise from here on where no rule does, here and in its sub-agents; not stored.

        Does nothing in a session without permissions.
        """
        if self.permissions is not None:
            self.permissions.mode = mode
            self.publish(StateChanged(fields=("mode",)))
        for child in self.children:
            child.set_mode(mode)

    def _retitle(self, title: str | None, *, by_hand: bool = False) -> None:
        if (title, by_hand) != (self.record.title, self.record.title_is_manual):
            self._change(title=title, title_is_manual=by_hand)
            self.publish(TitleChanged(title=title))

    def _change(self, **changes: Any) -> None:
        self.record = msgspec.structs.replace(self.record, **changes)
        if self.saver is not None:
            self.saver.record_changed(self.record, changes)

    # Telling

    def subscribe(self) -> Subscription:
        """Every event from now on; read the state itself from `tree` and `runs`."""
        subscription = Subscription(on_close=self._subscriptions.remove)
        self._subscriptions.append(subscription)
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
        self.partials.close()
        if self.saver is not None:
            await self.saver.close()
        for subscription in list(self._subscriptions):
            subscription.close()
        if self._owns_registry:
            await self._registry.close()


def _halted() -> HaltedError:
    return HaltedError("The session is halted.", hint="unhalt it first", status="halted")
