"""The machinery of an agent: its state, its events, and what happens between two runs."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from omni_tui.agent.backends import backend_turn
from omni_tui.agent.chain import HookChain
from omni_tui.agent.context import Context, Reading
from omni_tui.agent.decisions import Answer, Continue, Halt
from omni_tui.agent.events import (
    Event,
    Outcome,
    Paused,
    PromptReturned,
    QueueChanged,
    RunCancelled,
    Status,
    StatusChanged,
    TurnFinished,
)
from omni_tui.agent.execute import TimeoutOf
from omni_tui.agent.journal import Journal
from omni_tui.agent.loop import Loop
from omni_tui.agent.queue import Boundary, Queue, Requests
from omni_tui.agent.run import Run
from omni_tui.agent.subscription import Subscription
from omni_tui.agent.turn import Turn
from omni_tui.core.errors import AgentError, BusyError, CancelledRequestError
from omni_tui.core.messages import Block, Message, as_blocks
from omni_tui.core.telemetry import Telemetry
from omni_tui.core.tool import Tool, ToolContext
from omni_tui.core.usage import Usage
from omni_tui.llm.accumulator import Accumulator
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.base import Model, Options, OutputFormat
from omni_tui.llm.retry import RetryPolicy


@dataclass
class Settings:
    """How an agent asks its model, and what it allows; `Agent.update` changes it between runs."""

    model: str | Model
    system: str | None
    tools: dict[str, Tool]
    options: Options
    max_steps: int | None
    tool_timeout: TimeoutOf
    turn_timeout: float | None
    keep_partial: bool
    retry: RetryPolicy
    fallbacks: tuple[str | Model, ...]
    output: OutputFormat | None

    def is_spent(self, step: int) -> bool:
        """Whether a run that has taken this many steps may take no more."""
        return self.max_steps is not None and step >= self.max_steps


class Engine:
    """What an `Agent` drives by its public verbs, and the loop of a run works on.

    The agent owns it and does not inherit it: a subclass may call its attributes what it likes.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        chain: HookChain,
        context: ToolContext,
        registry: ProviderRegistry,
        *,
        messages: Iterable[Message],
        max_pending: int,
        journal: Journal | None,
        telemetry: Telemetry | None,
        view: Context | None,
    ) -> None:
        self.name = name
        """What telemetry calls the agent."""
        self.id = uuid.uuid4().hex[:16]
        self.settings = settings
        self.chain = chain
        self.context = context
        self.registry = registry
        self.journal = journal
        self.telemetry = telemetry or Telemetry()
        self.reading = Reading(self, view) if view is not None else None
        """What the model reads; `None` is the whole history."""
        self.history: list[Message] = list(messages)
        """Committed and pending messages."""
        self.committed = len(self.history)
        self.accumulator: Accumulator | None = None
        """The message now on its way."""
        self.usage = Usage()
        """Of all steps since the agent was made."""
        self.status: Status = "idle"
        self.paused: Paused | None = None
        """The question the run under way waits for."""
        self.answer: asyncio.Future[Answer] | None = None
        """Where its answer is awaited."""
        self.is_halting = False
        """Halted, or about to be at the end of this turn."""
        self.is_closed = False
        self.failure: AgentError | None = None
        """Why it could not begin."""
        self.queue = Queue(max_pending)
        self.current: Run | None = None
        """The run under way."""
        self.requests = Requests()
        self.job: asyncio.Task[None] | None = None
        """What the agent does by itself between runs; a run waits for its end."""
        self.stage: Literal["new", "started", "running"] = "new"
        self.turns = 0
        self.seq = 0
        self.subscriptions: list[Subscription] = []
        self.created = self.updated = datetime.now(UTC)

    def cancel(self, run_id: str | None = None) -> bool:
        """Stop the run under way, or the one with this id; says whether there was one.

        Never raises.
        """
        run = self.current
        if run_id is not None and (run is None or run_id != run.id):
            return self.cancel_queued(run_id)
        if run is None or run.task is None:
            return False
        # One turn of the loop later: a task cancelled before its first step never runs at all, and
        # what the person wrote would be lost.
        run.task.get_loop().call_soon(run.task.cancel)
        return True

    @property
    def messages(self) -> tuple[Message, ...]:
        """What is committed of the history."""
        return tuple(self.history[: self.committed])

    async def close(self) -> None:
        """Cancel what goes on and what waits, and wait for the end."""
        is_first, self.is_closed = not self.is_closed, True
        self.cancel_waiting()
        if (run := self.current) is not None:
            self.cancel()
            await run.wait()
        if self.job is not None:
            self.job.cancel()
            await asyncio.wait([self.job])
        if is_first and self.stage != "new":
            await self.chain.terminate("closed")
            self.observe("agent.stop", reason="closed")
        for subscription in list(self.subscriptions):
            subscription.close()

    # What a verb asks first

    @property
    def true_status(self) -> Status:
        """Between `prompt` and the first step of a run nobody was told yet that it is busy."""
        has_begun = self.current is not None and self.status == "idle"
        return "busy" if has_begun else self.status

    @property
    def can_continue(self) -> bool:
        """Whether the history waits for an answer."""
        return bool(self.history) and (
            self.history[-1].role == "user" or bool(self.history[-1].tool_uses)
        )

    def busy(self) -> BusyError:
        """What a verb raises that has to wait."""
        status = self.true_status
        return BusyError(f"The agent is {status}.", hint="wait, or cancel the run", status=status)

    def must_rest(self) -> None:
        """Raise `BusyError` when a run is under way."""
        if self.current is not None:
            raise self.busy()

    def must_be_open(self) -> None:
        """Raise `AgentError` when the agent is closed."""
        if self.is_closed:
            raise self.failure or AgentError("The agent is closed.")

    # What the loop of a run calls

    async def ready(self) -> None:
        """Wait until the agent does nothing by itself, and is started."""
        while self.job is not None:
            await asyncio.wait([self.job])
        if self.stage == "new":
            await self.init()
        await self._pre_run()

    def new_turn(self, run: Run) -> Turn:
        """What runs the next turn: our own loop, or an agent that owns its own."""
        return (backend_turn(self.settings.model) or Turn)(self, run)

    def emit(self, payload: Any, run: Run | None = None) -> None:
        """Send an event to every listener; it belongs to the run under way, or to `run`."""
        run = run or self.current
        if isinstance(payload, TurnFinished):
            self.turns += 1
            self.updated = datetime.now(UTC)
        if self.journal is not None:
            self.journal.publish(run, payload)
            return
        self.seq += 1
        event = Event(
            payload=payload,
            seq=self.seq,
            ts=time.time(),
            session_id=self.context.session_id,
            run_id=run.id if run else None,
            step=run.step if run else 0,
        )
        if run:
            run.publish(event)
        for subscription in self.subscriptions:
            subscription.put(event)

    def observe(self, name: str, /, **facts: Any) -> None:
        """Tell telemetry that something happened."""
        if self.telemetry.is_on:
            self.telemetry.tell(name, **self._who(), **facts)

    def span(self, name: str, /, **facts: Any) -> AbstractContextManager[dict[str, Any]]:
        """Tell telemetry when something begins and how it ends; see `Telemetry.span`."""
        who = self._who() if self.telemetry.is_on else {}
        return self.telemetry.span(name, **who, **facts)

    def _who(self) -> dict[str, Any]:
        run = self.current
        return {
            "agent": self.name,
            "agent_id": self.id,
            "session_id": self.context.session_id,
            "run_id": run.id if run else None,
            "step": run.step if run else 0,
        }

    def set_status(self, status: Status) -> None:
        """Change the status and say so; no change is silent."""
        if status != self.status:
            self.observe("state.changed", before=self.status, after=status)
            self.status = status
            self.emit(StatusChanged(status=status))

    async def wait_for_answer(self, pause: Paused) -> Answer:
        """Pause until `resume()`."""
        self.answer = asyncio.get_running_loop().create_future()
        self.paused = pause
        self.set_status("paused")
        self.emit(pause)
        try:
            return await self.answer
        finally:
            self.answer = None
            self.paused = None

    def take_steer(self, *boundaries: Boundary) -> tuple[Block, ...] | None:
        """The steering text, if it may go in here."""
        content = self.queue.take_steer(*boundaries)
        if content is not None:
            self.queue_changed()
        return content

    def return_steer(
        self, reason: Literal["replaced", "limit", "cancelled", "error", "halted"]
    ) -> None:
        """Give the steering text back, if there is one."""
        if (content := self.take_steer("turn", "step")) is not None:
            self.emit(PromptReturned(content=content, reason=reason))

    async def drain_events(self) -> bool:
        """Ask the hooks about every event that waits; says whether to halt."""
        is_halting = False
        while self.queue.events:
            event = self.queue.events.popleft()
            self.observe("event.received", event=event)
            decision = await self.chain.handle_event(event)
            if isinstance(decision, Continue):
                self.queue.follow_ups.append(as_blocks(decision.content))
            is_halting = is_halting or isinstance(decision, Halt)
        return is_halting

    async def freeze(self) -> None:
        """Halt: nothing new begins before `unhalt()`."""
        self.is_halting = True
        await self.chain.post_run()
        self.observe("halted")
        self.set_status("halted" if self.is_halting else "idle")

    # Between runs

    def enqueue(self, run: Run) -> None:
        """Let a run wait its turn; raises `QueueFullError`."""
        self.queue.add(run)
        self.requests.add(run)
        self.observe("queue.queued", depth=len(self.queue.runs), queued=run.id)
        self.queue_changed()

    def begin(self, run: Run) -> None:
        self.current = run
        self.requests.add(run)
        if self.journal is not None:
            self.journal.began(run)
        run.task = asyncio.get_running_loop().create_task(self._drive(run), name=f"run {run.id}")

    async def _drive(self, run: Run) -> None:
        outcome: Outcome = "error"
        try:
            outcome = await Loop(self, run).drive()
        finally:
            # Even when the journal raises: nobody may wait for ever.
            self.current = None
            self.status = "halted" if self.status == "halted" else "idle"
            self._end(run, outcome)
            self.next()

    def _end(self, run: Run, outcome: Outcome) -> None:
        run.finish(outcome)
        self.requests.finished(run)
        if self.journal is not None:
            self.journal.ended(run)

    def next(self) -> None:
        """Begin what waits, if the agent may."""
        if self.current is not None or self.is_halting:
            return
        if self.is_closed:
            self.cancel_waiting()
        elif self.queue.follow_ups:
            self.begin(Run(self, self.queue.follow_ups.popleft()))
        elif self.queue.runs:
            run = self.queue.runs.popleft()
            self.queue_changed()
            self.begin(run)
        elif self.queue.events:
            self.between_runs()

    def between_runs(self, *, freezing: bool = False) -> None:
        if self.job is None and (freezing or not self.is_halting):
            work = self._work_alone()
            self.job = asyncio.get_running_loop().create_task(work, name="agent")

    async def _work_alone(self) -> None:
        """Do what needs no run: `pre_run`, events, the end of the work."""
        try:
            if self.stage == "new":
                await self.init()
            await self._pre_run()
            # Perhaps it was halted, or thawed again, only while this ran; a run freezes at its end.
            self.is_halting = await self.drain_events() or self.is_halting
            if self.is_halting and self.current is None:
                await self.freeze()
        except AgentError:
            pass  # kept as the reason why the agent is closed
        finally:
            self.job = None
        self.next()

    async def init(self) -> None:
        self.stage = "started"
        try:
            await self.chain.init()
        except Exception as error:
            await self._fail("init", error)
        else:
            self.observe("agent.start", model=str(self.settings.model))

    async def _pre_run(self) -> None:
        if self.failure is not None:
            raise self.failure
        if self.stage == "started":
            self.stage = "running"
            try:
                await self.chain.pre_run()
            except Exception as error:
                await self._fail("pre_run", error)

    async def _fail(self, hook: str, error: Exception) -> None:
        """Close the agent because it could not begin."""
        self.is_closed = True
        self.failure = AgentError(f"The hook {hook} failed: {type(error).__name__}: {error}")
        await self.chain.terminate(f"{hook} failed")
        self.observe("agent.stop", reason=f"{hook} failed")
        raise self.failure from error

    def cancel_waiting(self) -> None:
        for run in tuple(self.queue.runs):
            self.cancel_queued(run.id)

    def cancel_queued(self, run_id: str) -> bool:
        run = self.queue.take(run_id)
        if run is None:
            return False
        run.error = CancelledRequestError("The request was cancelled.", phase="queued")
        self.queue_changed()
        self.emit(RunCancelled(prompt=run.prompt), run)
        self._end(run, "cancelled")
        return True

    def queue_changed(self) -> None:
        queue = self.queue
        waiting = tuple(run.id for run in queue.runs)
        self.emit(QueueChanged(waiting=waiting, steer=queue.steer.content if queue.steer else None))
