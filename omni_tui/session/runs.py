"""A run and the branch it grows: where its messages go, and what a person sees of it meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from omni_tui.agent.agent import Agent
from omni_tui.agent.events import (
    Event,
    Paused,
    PromptReturned,
    ToolFinished,
    ToolOutput,
    ToolStarted,
)
from omni_tui.agent.hooks import Hooks
from omni_tui.agent.journal import Facts
from omni_tui.agent.run import Run
from omni_tui.core.messages import Message, Text, ToolResult
from omni_tui.core.stream import TextDelta
from omni_tui.session.holding import Hold
from omni_tui.session.store.branches import BranchLeases

if TYPE_CHECKING:
    from omni_tui.session.merging import MergeNote
    from omni_tui.session.session import Session

OUTPUT_CHARS = 20_000
"""How much of a running tool's output is kept for whoever looks later; the tail."""


class RunningTool:
    """What is known of a tool use before its result is in the tree."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.output = ""
        self.result: ToolResult | None = None


class BranchRun:
    """One agent on one branch of a session, and the run it does; the agent's journal.

    The run belongs to the branch it grows: it goes on whatever the person looks at, and moves the
    head only while the head is its own tip.
    """

    def __init__(
        self,
        session: Session,
        tip: int | None,
        came_from: int | None,
        hooks: Sequence[Hooks] = (),
        *,
        is_plain: bool = True,
    ) -> None:
        self.session = session
        self.setup = session.setup
        """What the agent was made from."""
        self.is_plain = is_plain
        """Whether the agent is as the session makes them all: then another prompt may have it."""
        self.tip = tip
        """The node the next message goes under."""
        self.start = tip
        self.came_from = came_from
        """The head before the run; where a run that adds nothing goes back to."""
        self.hooks = tuple(hooks)
        """What decides about this run beside the session's own rules."""
        self.note: MergeNote | None = None
        """What the prompt that comes next says of another branch."""
        self.tools: dict[str, RunningTool] = {}
        self.started = time.monotonic()
        self._hold: Hold | None = None
        self.agent: Agent
        self.run: Run

    @property
    def paused(self) -> Paused | None:
        """The question the run waits for."""
        return self.agent.paused

    def publish(self, run: Run | None, payload: Any) -> None:
        """Pass an agent's event on, as an event of the session."""
        match payload:
            case TextDelta():
                self.session.partials.grew(self)
            case ToolStarted(tool_use=use):
                self.tools[use.id] = RunningTool()
            case ToolOutput(tool_use_id=id, text=text) if id in self.tools:
                self.tools[id].output = (self.tools[id].output + text)[-OUTPUT_CHARS:]
            case ToolFinished(result=result) if result.tool_use_id in self.tools:
                self.tools[result.tool_use_id].result = result
            case PromptReturned(content=content, reason=reason) if reason != "replaced":
                text = "\n".join(block.text for block in content if isinstance(block, Text))
                self.session.hand_back(text, self.tip)
        self.session.publish(payload, self, run)

    def began(self, run: Run) -> None:
        """Note which run grows the branch now."""
        self.run = run
        self.start = self.tip
        self.started = time.monotonic()
        self.session.run_began(self)

    async def admit(self, run: Run) -> None:
        """Hold the branch, where the store is one of several machines."""
        store: object = self.session.store
        if isinstance(store, BranchLeases):
            self._hold = Hold(store, self.session.id, self.tip, run)
            await self._hold.begin()

    def commit(self, run: Run, message: Message, facts: Facts) -> asyncio.Future[None] | None:
        """Put a complete message into the tree and on its way to the store."""
        tree = self.session.tree
        changed: tuple[int, ...] = ()
        if self.tip is not None and not message.is_prompt and tree[self.tip].status != "done":
            # An earlier run broke off here; now it is answered.
            tree.update(self.tip, status="done", error=None)
            changed = (self.tip,)
        note, self.note = self.note if message.is_prompt else None, None
        node = tree.add(
            message,
            parent=self.tip,
            follow=self.session.leads(self),
            usage=note.usage if note else facts.usage,
            model=note.model if note else facts.model,
            origin=note.origin if note else None,
            stop_reason=facts.stop_reason,
            status=facts.status,
            error=facts.error,
            run_id=run.id,
            duration_ms=facts.duration_ms,
        )
        self.tip = node.id
        if node.kind == "results":
            self.tools.clear()
        saved = self.session.tree_changed(new=(node.id,), changed=changed)
        self.session.partials.settled(run.id, saved)
        return saved

    def amend(self, run: Run, facts: Facts) -> None:
        """Note how a run ended that left nothing of its last step."""
        tree = self.session.tree
        if self.tip is None:
            return
        if self.tip == self.start and tree.children(self.tip):
            # A reply stands here already: a new one that never came leaves no mark.
            others = [run for run in self.session.runs_at(self.tip) if run is not self]
            if tree.head == self.tip and not others:
                tree.navigate(self.came_from)
            self.session.tree_changed()
            return
        tree.update(self.tip, status=facts.status, error=facts.error)
        self.session.tree_changed(changed=(self.tip,))

    def ended(self, run: Run) -> None:
        """Free the branch."""
        self.session.partials.settled(run.id, None)
        if self._hold is not None:
            self.session.finish(self._hold.end())
            self._hold = None
        self.session.run_ended(self, run)

    async def retire(self) -> None:
        """Close the agent, unless it goes on with what waited."""
        health = self.agent.health()
        if not health.busy and not health.pending_count:
            await self.agent.close()

    def envelope(self, payload: Any, seq: int, run: Run | None) -> Event:
        """The session's envelope for an event of this branch."""
        return Event(
            payload=payload,
            seq=seq,
            session_id=self.session.id,
            run_id=run.id if run else None,
            node_id=self.tip,
            step=run.step if run else 0,
        )
