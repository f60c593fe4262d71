"""Summaries of branches: made beside the reply, used from the next turn on, and taken back by hand.

A summary is a node beside the path it stands for. Only branches through the last node it covers
read it, the messages stay where they are, and hiding the summary (`Session.prune`) undoes it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from msgspec import structs

from omni_tui.agent.context import Draft, View, window_of
from omni_tui.agent.events import StateChanged
from omni_tui.agent.summary import CONDENSE, GROWTH, Brief, Summary, summarize, turns_to_cover
from omni_tui.agent.truncation import Truncate
from omni_tui.core.errors import AgentError, ContextLengthError, OmniError
from omni_tui.core.messages import Message
from omni_tui.llm.backends import LoopOwner
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.base import Model
from omni_tui.llm.tokens import UNKNOWN_WINDOW
from omni_tui.session.context import ContextUse, Meter, covered
from omni_tui.session.events import Compacted, CompactionFailed
from omni_tui.session.node import Node

if TYPE_CHECKING:
    from omni_tui.session.runs import BranchRun
    from omni_tui.session.session import Session

log = logging.getLogger(__name__)

ENOUGH = 0.7
"""How much smaller than what was refused a request must be to be worth another try."""


class Compacting:
    """The side of a `Session` that keeps what its model reads short enough."""

    if TYPE_CHECKING:
        compactor: Compactor

    async def compact(self, node_id: int | None = None) -> Node:
        """Have a model sum up a branch now, and give the summary; `prune` takes it back.

        It stands for everything up to the end of the turn of `node_id`, or where that is not
        finished of the turn before. By default it is the active path but for its last turn (unless
        that is the only one). It is read from the next turn on.

        Raises:
            AgentError: There is nothing to sum up, or the model keeps an account of its own.
            OmniError: What the model that was asked failed with; nothing has changed.
        """
        return await self.compactor.compact(node_id)

    def context_use(self, tip: int | None) -> ContextUse:
        """How much of its window the model reads with the next step on the branch of this tip."""
        return self.compactor.meter.use(tip)


class Compactor:
    """Makes the summaries of one session, and says what its agents read."""

    def __init__(self, session: Session, registry: ProviderRegistry) -> None:
        self.meter = Meter(session, registry)
        self.announced = {node.id for node in session.tree.nodes.values() if node.kind == "summary"}
        """Summaries of which the hooks know that they are read."""
        self._session = session
        self._registry = registry
        self._tasks: dict[int, asyncio.Task[Node]] = {}
        """What is being summed up, by the last node that is covered."""
        self._failed: dict[int, int] = {}
        """How large a branch was when its summary failed, by the last node it should cover."""

    @property
    def is_at_work(self) -> bool:
        """Whether a summary is being made."""
        return bool(self._tasks)

    def context(self, branch: BranchRun) -> BranchContext:
        """What the agent of a branch asks before each request."""
        return BranchContext(self._session, self, branch)

    def consider(self, tip: int, tokens: int, draft: Draft) -> None:
        """Begin a summary of a branch that is too large, unless there is a reason against it."""
        tree, policy = self._session.tree, self._session.setup.context
        if self._session.is_halted:
            return
        path = tree.path_to(tip)
        known = set(path)
        failed = [size for node, size in self._failed.items() if node in known]
        if known & self._tasks.keys() or (failed and tokens <= max(failed) * GROWTH):
            return
        start = covered(tree, tree.summary_for(tip))
        taken_back = any(
            node.is_pruned and tree.depth(node.id) - 1 > start for node in self.meter.summaries(tip)
        )
        if taken_back and tokens < draft.limit():
            return  # a person wants the words, and they fit
        cut = turns_to_cover(draft.history[start:], draft.limit(policy.threshold))
        if cut:
            covers = path[start + cut - 1]
            ended = partial(self._ended, covers, tokens)
            self._begin(covers).add_done_callback(ended)

    async def before_turn(self, tip: int, tokens: int) -> Node | None:
        """A summary of all before the turn that this node is in; `None` when there can be none."""
        covers = self._session.tree.turn_prompt(tip).parent_id
        summary = self._session.tree.summary_for(tip)
        if covers is None or (summary is not None and summary.parent_id == covers):
            return None
        try:
            return await asyncio.shield(self._begin(covers))
        except OmniError as error:
            self._note_failure(covers, tokens, error)
            return None

    async def compact(self, node_id: int | None) -> Node:
        """Sum up a branch now; see `Session.compact`."""
        if isinstance(self._registry.resolve(self._session.model).provider, LoopOwner):
            raise AgentError(
                f"{self._session.model} keeps its own account of the conversation.",
                hint="ask it to compact that",
            )
        covers = self._end_of(node_id)
        return await asyncio.shield(self._begin(covers))

    def _end_of(self, node_id: int | None) -> int:
        """The last node that a summary asked for by a person covers."""
        tree = self._session.tree
        tip = tree.head if node_id is None else node_id
        if tip is not None and tree[tip].kind == "summary":
            tip = tree[tip].parent_id
        path = tree.path_to(tip)
        ends = [
            path[place - 1] for place in range(1, len(path)) if tree[path[place]].kind == "prompt"
        ]
        if tip is not None and tree.is_finished(tip):
            ends.append(tip)
        ends = [end for end in ends if tree.depth(end) > covered(tree, tree.summary_for(tip))]
        if not ends:
            raise AgentError("There is nothing to sum up yet.", hint="it takes a finished turn")
        return ends[-1] if node_id is not None or len(ends) == 1 else ends[-2]

    def _begin(self, covers: int) -> asyncio.Task[Node]:
        if covers not in self._tasks:
            task = asyncio.get_running_loop().create_task(self._make(covers), name="compaction")
            self._tasks[covers] = task
            task.add_done_callback(lambda _: self._over(covers))
            self._session.publish(StateChanged(fields=("compacting",)))
        return self._tasks[covers]

    def _over(self, covers: int) -> None:
        """A summary was made, or not."""
        del self._tasks[covers]
        self._session.publish(StateChanged(fields=("compacting",)))

    @property
    def writer(self) -> Model:
        """Who writes summaries; raises `UnknownModelError` when there is no such model."""
        return self._registry.resolve(self._session.setup.context.model or self._session.model)

    async def sum_up(
        self, messages: Sequence[Message], previous: Message | None, brief: Brief = CONDENSE
    ) -> Summary:
        """Have messages, and an earlier summary, summed up; raises as `summarize` does."""
        model = self.writer
        if model.catalog is not None:
            await model.catalog.load()
        return await summarize(
            messages,
            model,
            previous=previous,
            retry=self._session.setup.retry,
            window=window_of(model) or UNKNOWN_WINDOW,
            brief=brief,
        )

    async def _make(self, covers: int) -> Node:
        session, tree = self._session, self._session.tree
        previous = tree.summary_for(covers)
        messages = tree.messages(covers)[covered(tree, previous) :]
        made = await self.sum_up(messages, previous.message if previous is not None else None)
        if covers not in tree:
            raise AgentError("What was to be summed up is gone.")
        node = tree.summarize(made.message, covers=covers, usage=made.usage, model=made.model)
        known = set(tree.path_to(covers))
        self._failed = {id: size for id, size in self._failed.items() if id not in known}
        session.tree_changed(new=(node.id,))
        session.publish(
            Compacted(
                node_id=node.id,
                covers=covers,
                before_tokens=self.before(node),
                after_tokens=self.meter.size(node.id),
            )
        )
        return node

    def before(self, summary: Node) -> int:
        """Tokens of the messages that a summary stands for, estimated."""
        return sum(map(self.meter.size, self._session.tree.path_to(summary.parent_id)))

    def _ended(self, covers: int, tokens: int, task: asyncio.Task[Node]) -> None:
        """A summary that nobody waits for was made, or not."""
        error = None if task.cancelled() else task.exception()
        if isinstance(error, OmniError):
            self._note_failure(covers, tokens, error)
        elif error is not None:
            log.error("a summary of session %s failed", self._session.id, exc_info=error)

    def _note_failure(self, covers: int, tokens: int, error: OmniError) -> None:
        log.warning("no summary of session %s: %s", self._session.id, error)
        if covers not in self._session.tree:
            return
        is_first = not set(self._session.tree.path_to(covers)) & self._failed.keys()
        self._failed[covers] = tokens
        if is_first:
            self._session.publish(CompactionFailed(covers=covers, error=error))

    async def close(self) -> None:
        """Give up what is under way."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


class BranchContext:
    """What the agent of one branch reads.

    That is the newest summary which was there when its turn began, and what came after it.
    """

    def __init__(self, session: Session, compactor: Compactor, branch: BranchRun) -> None:
        self._session = session
        self._compactor = compactor
        self._branch = branch
        self._prompt: int | None = None
        """Of the turn under way."""
        self._summary: Node | None = None
        """What is read in this turn."""
        self._truncate = Truncate()

    async def view(self, draft: Draft) -> View:
        """The summary in use and what came after it; what is too large is dealt with."""
        policy, tip = self._session.setup.context, self._branch.tip
        if tip is None or len(draft.history) != self._session.tree.depth(tip):
            return View(messages=draft.history)
        draft = self._measured(draft)
        removed = self._begin_turn(tip, draft.history)
        messages = self._messages(draft)
        limit = draft.limit(policy.threshold)
        tokens = draft.tokens(messages)
        is_newest = self._session.tree.summary_for(tip) is self._summary
        if policy.strategy == "summarize" and tokens >= limit and is_newest:
            self._compactor.consider(tip, tokens, draft)
        if policy.strategy == "off":
            return View(messages=messages, removed=removed)
        # A summary comes too late for this turn: what the window cannot hold has to go at once.
        fitting = limit if policy.strategy == "truncate" else draft.limit()
        view = self._truncate.fit(draft, messages, fitting)
        return structs.replace(view, removed=(*removed, *self._own(view.removed)))

    async def shrink(self, draft: Draft, error: ContextLengthError) -> View | None:
        """A summary of all before this turn, and if that is not enough half of what is left."""
        policy, tip = self._session.setup.context, self._branch.tip
        if policy.strategy == "off" or tip is None:
            return None
        draft = self._measured(draft)
        refused = self._messages(draft)
        removed: tuple[Message, ...] = ()
        if policy.strategy == "summarize":
            tokens = draft.tokens(refused)
            summary = await self._compactor.before_turn(tip, tokens)
            if summary is not None:
                removed = self._use(summary, draft.history)
                messages = self._messages(draft)
                if draft.tokens(messages) <= tokens * ENOUGH:
                    return View(messages=messages, removed=removed)
        view = self._truncate.halve(draft, self._messages(draft))
        if view is None and not removed:
            return None
        view = view or View(messages=self._messages(draft))
        return structs.replace(view, removed=(*removed, *self._own(view.removed)))

    def _measured(self, draft: Draft) -> Draft:
        if draft.gauge is not None:
            return draft
        return structs.replace(draft, gauge=self._compactor.meter.gauge(self._branch.tip))

    def _messages(self, draft: Draft) -> tuple[Message, ...]:
        if self._summary is None:
            return draft.history
        start = covered(self._session.tree, self._summary)
        return (self._summary.message, *draft.history[start:])

    def _own(self, removed: tuple[Message, ...]) -> tuple[Message, ...]:
        """Of what was cut, the messages of the conversation."""
        summary = self._summary.message if self._summary is not None else None
        return tuple(message for message in removed if message is not summary)

    def _begin_turn(self, tip: int, history: tuple[Message, ...]) -> tuple[Message, ...]:
        """In a new turn, read the newest summary; gives what is not read any more."""
        prompt = self._session.tree.turn_prompt(tip).id
        if prompt == self._prompt:
            return ()
        self._prompt = prompt
        return self._use(self._session.tree.summary_for(tip), history)

    def _use(self, summary: Node | None, history: tuple[Message, ...]) -> tuple[Message, ...]:
        tree, announced = self._session.tree, self._compactor.announced
        before, self._summary = self._summary, summary
        assert self._prompt is not None
        self._compactor.meter.note_turn(self._prompt, summary)
        if (before.id if before else None) != (summary.id if summary else None):
            self._truncate = Truncate()
        if summary is None or summary.id in announced:
            return ()
        announced.add(summary.id)
        known = [
            each
            for each in self._compactor.meter.summaries(self._branch.tip)
            if each.id in announced and each.id != summary.id and not each.is_pruned
        ]
        start = max((covered(tree, each) for each in known), default=0)
        return history[start : covered(tree, summary)]
