"""A stateful conversation with a model: prompt it, listen to it, answer it, stop it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from omni_tui.agent.decisions import Answer, Decision, Execute
from omni_tui.agent.events import Event, Outcome, Paused, Status, StatusChanged
from omni_tui.agent.execute import TimeoutOf
from omni_tui.agent.hooks import Hooks
from omni_tui.agent.journal import Journal
from omni_tui.agent.run import Run
from omni_tui.agent.subscription import Subscription
from omni_tui.agent.turn import Loop
from omni_tui.core.errors import AgentError, BusyError, IdleError
from omni_tui.core.messages import Content, Message, ToolUse, as_blocks
from omni_tui.core.stream import Response
from omni_tui.core.tool import Tool, ToolContext
from omni_tui.llm.accumulator import Accumulator
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.base import Model, Options, OutputFormat
from omni_tui.llm.retry import RetryPolicy


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """An agent at one instant: everything committed, and the message now on its way."""

    status: Status
    messages: tuple[Message, ...]
    """Committed before this run."""
    pending: tuple[Message, ...]
    """Added by the run under way."""
    partial: Message | None
    paused: Paused | None


class Agent(Hooks):
    """A conversation with a tool loop. Subclass it, or pass `hooks`, to decide about tools.

    Args:
        model: `provider/model`, a bare model name, or a `Model`.
        system: The system prompt.
        tools: What the model may use.
        messages: A history to go on from; it may end in a user message.
        options: Token limit, temperature, thinking, timeout of a request.
        output: The shape models are asked to give their answers; whoever reads them checks it.
        hooks: Objects that decide before this agent's own methods do.
        max_steps: Requests a run may make; `None` is no limit.
        tool_timeout: Seconds a tool may take, or a function from its name to seconds.
        keep_partial: After a cancel or an error, keep what was completed and the partial reply;
            otherwise the history is as it was before the run.
        retry: What to do about faults before the first event of a step.
        fallbacks: Models to ask in turn for a step whose model fails for good before its first
            event; the next step begins with `model` again.
        cwd: The working folder of tools.
        registry: Finds providers; its own by default, closed with the agent.
        journal: Where completed messages are written down.
        session_id: Told to tools.

    Raises `ConfigError` subclasses and `UnknownModelError` on first use, not here.
    """

    def __init__(
        self,
        *,
        model: str | Model,
        system: str | None = None,
        tools: Iterable[Tool] = (),
        messages: Iterable[Message] = (),
        options: Options | None = None,
        output: OutputFormat | None = None,
        hooks: Sequence[Hooks] = (),
        max_steps: int | None = 10,
        tool_timeout: TimeoutOf = 30.0,
        keep_partial: bool = False,
        retry: RetryPolicy | None = None,
        fallbacks: Iterable[str | Model] = (),
        cwd: Path | None = None,
        registry: ProviderRegistry | None = None,
        journal: Journal | None = None,
        session_id: str | None = None,
    ) -> None:
        if max_steps is not None and max_steps < 1:
            raise ValueError("max_steps must be at least 1, or None for no limit")
        self.model = model
        self.system = system
        self.tools = {tool.name: tool for tool in tools}
        self.options = options or Options()
        self.output = output
        self.hooks: tuple[Hooks, ...] = (*hooks, self)
        self.max_steps = max_steps
        self.tool_timeout = tool_timeout
        self.keep_partial = keep_partial
        self.retry = retry or RetryPolicy()
        self.fallbacks = tuple(fallbacks)
        self.session_id = session_id
        self.journal = journal
        self.context = ToolContext(cwd=cwd or Path.cwd(), session_id=session_id)
        self.history: list[Message] = list(messages)
        """Committed and pending messages; read `messages` from outside."""
        self.committed = len(self.history)
        self.accumulator: Accumulator | None = None
        self.status: Status = "idle"
        self.paused: Paused | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._run: Run | None = None
        self._seq = 0
        self._subscriptions: list[Subscription] = []
        self._own_registry = registry is None
        self.registry = registry or ProviderRegistry()
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def messages(self) -> tuple[Message, ...]:
        """The committed history; a run under way is not in it."""
        return tuple(self.history[: self.committed])

    @property
    def run(self) -> Run | None:
        """The run under way."""
        return self._run

    def prompt(self, content: Content | None) -> Run:
        """Start a run. `None` continues a history that ends in a user message or open tool uses.

        Must be called from a running event loop.

        Raises:
            BusyError: A run is under way.
            AgentError: The agent is closed, or there is nothing to continue.
        """
        if self._closed:
            raise AgentError("The agent is closed.")
        if self._run is not None:
            raise BusyError(
                f"The agent is {self.status}.", hint="wait, or cancel the run", status=self.status
            )
        if content is None and not self._can_continue():
            raise AgentError("There is nothing to continue: the last message is a finished reply.")
        run = Run(self, None if content is None else as_blocks(content))
        self._run = run
        run.task = asyncio.get_running_loop().create_task(self._drive(run), name=f"run {run.id}")
        return run

    async def ask(self, content: Content) -> Response:
        """Prompt and wait for the answer; raises `AgentRunError` when there is none.

        Cancelling the caller cancels the run.
        """
        run = self.prompt(content)
        try:
            return await run
        except asyncio.CancelledError:
            run.cancel()
            raise

    def resume(self, answer: Answer) -> None:
        """Answer a pause.

        Raises `IdleError` when nothing waits for an answer.
        """
        if self._answer is None or self._answer.done():
            raise IdleError(f"The agent is {self.status}: it asked nothing.", status=self.status)
        self._answer.set_result(answer)

    def cancel(self, run_id: str | None = None) -> bool:
        """Stop the run under way; says whether there was one. Never raises."""
        run = self._run
        if run is None or run.task is None or (run_id is not None and run_id != run.id):
            return False
        # One turn of the loop later: a task cancelled before its first step never runs at all, and
        # what the person wrote would be lost.
        run.task.get_loop().call_soon(run.task.cancel)
        return True

    def subscribe(self) -> tuple[Snapshot, Subscription]:
        """The state now, and every event after it."""
        subscription = Subscription(on_close=self._subscriptions.remove)
        self._subscriptions.append(subscription)
        return self.snapshot(), subscription

    def snapshot(self) -> Snapshot:
        """The state now."""
        return Snapshot(
            status=self.status,
            messages=self.messages,
            pending=tuple(self.history[self.committed :]),
            partial=self.accumulator.message() if self.accumulator else None,
            paused=self.paused,
        )

    async def close(self) -> None:
        """Cancel the run under way, wait for it, and release connections."""
        self._closed = True
        if self._run is not None:
            run = self._run
            self.cancel()
            await run.wait()
        for subscription in list(self._subscriptions):
            subscription.close()
        if self._own_registry:
            await self.registry.close()

    # What the turn loop calls.

    def emit(self, payload: Any) -> None:
        """Send an event to every listener."""
        run = self._run
        if self.journal is not None:
            self.journal.publish(run, payload)
            return
        self._seq += 1
        event = Event(
            payload=payload,
            seq=self._seq,
            ts=time.time(),
            session_id=self.session_id,
            run_id=run.id if run else None,
            step=run.step if run else 0,
        )
        if run:
            run.publish(event)
        for subscription in self._subscriptions:
            subscription.put(event)

    def set_status(self, status: Status) -> None:
        """Change the status and say so; no change is silent."""
        if status != self.status:
            self.status = status
            self.emit(StatusChanged(status=status))

    async def wait_for_answer(self, pause: Paused) -> Answer:
        """Pause until `resume()`."""
        self._answer = asyncio.get_running_loop().create_future()
        self.paused = pause
        self.set_status("paused")
        self.emit(pause)
        try:
            return await self._answer
        finally:
            self._answer = None
            self.paused = None

    async def decide(self, tool_use: ToolUse) -> Decision | None:
        """The first decision of a hook that is not the default; `None` when all leave it."""
        for hook in self.hooks:
            decision = await hook.handle_tool_use(tool_use)
            if decision != Execute():
                return decision
        return None

    def _can_continue(self) -> bool:
        return bool(self.history) and (
            self.history[-1].role == "user" or bool(self.history[-1].tool_uses)
        )

    async def _drive(self, run: Run) -> None:
        outcome: Outcome = "error"
        try:
            outcome = await Loop(self, run).drive()
        finally:
            # Even when the journal raises: nobody may wait for ever.
            self._run = None
            self.status = "idle"
            run.finish(outcome)
            if self.journal is not None:
                self.journal.ended(run)
